"""What clients send to the model, and which of them may.

Audio is the microphone's holder's, and a report on playback the speaker's; all else is anybody's.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from livehandle_proto import methods as m
from livehandle_proto.values import Params
from livehandled.control.claims import Claims
from livehandled.control.dispatch import Handler
from livehandled.control.handlers import takes
from livehandled.control.peer import Peer
from livehandled.handle import LiveHandle
from livehandled.session.writer import Sent, Writer


class Sends:
    """The handlers of everything that is sent."""

    def __init__(self, handle: LiveHandle, claims: Claims, clock: Callable[[], float]) -> None:
        self._handle = handle
        self._claims = claims
        self._clock = clock

    def handlers(self) -> Mapping[str, Handler[Peer]]:
        """Return each method's handler, by name."""
        return {
            **self._of_the_handle(),
            **self._of_the_voice(),
            **self._of("writer", self._handle.writer()),
            **self._of("session", self._handle.session()),
        }

    def _of_the_handle(self) -> Mapping[str, Handler[Peer]]:
        handle = self._handle
        return {
            "send_audio": self._audio(handle.send_audio),
            "send_text": takes(m.SendText, lambda _peer, p: _sent(handle.send_text(p.text))),
            "send_video": takes(m.SendVideo, lambda _peer, p: _sent(handle.send_video(p.data))),
            "send_tool_response": takes(
                m.SendToolResponse,
                lambda _peer, p: _sent(handle.send_tool_response(p.responses)),
            ),
            "update_instruction": takes(
                m.UpdateInstruction,
                lambda _peer, p: _sent(handle.update_instruction(p.instruction)),
            ),
            "queue_context": takes(m.QueueContext, lambda _peer, p: self._queue(p)),
        }

    def _of_the_voice(self) -> Mapping[str, Handler[Peer]]:
        handle = self._handle
        return {
            "playback_drained": self._playback(handle.playback_drained),
            "flush_deferred_prompt": self._playback(handle.flush_deferred_prompt),
            "user_speech_started": lambda _peer, _params: _sent(handle.user_speech_started()),
            "user_speech_ended": lambda _peer, _params: _sent(handle.user_speech_ended()),
        }

    def _of(self, prefix: str, writer: Writer) -> Mapping[str, Handler[Peer]]:
        """Return the sends of a writer."""

        def content(_peer: Peer, params: m.SendClientContent) -> Awaitable[None] | None:
            turns = [msgspec.to_builtins(turn) for turn in params.turns]
            return _sent(writer.send_client_content(turns, turn_complete=params.turn_complete))

        handlers: dict[str, Handler[Peer]] = {
            "send_audio": self._audio(writer.send_audio),
            "send_text": takes(m.SendText, lambda _peer, p: _sent(writer.send_text(p.text))),
            "send_video": takes(m.SendVideo, lambda _peer, p: _sent(writer.send_video(p.data))),
            "send_tool_response": takes(
                m.SendToolResponse, lambda _peer, p: _sent(writer.send_tool_response(p.responses))
            ),
            "send_client_content": takes(m.SendClientContent, content),
            "update_instruction": takes(
                m.UpdateInstruction,
                lambda _peer, p: _sent(writer.update_instruction(p.instruction)),
            ),
            "signal_activity_start": lambda _peer, _params: _sent(writer.signal_activity_start()),
            "signal_activity_end": lambda _peer, _params: _sent(writer.signal_activity_end()),
            "disconnect": lambda _peer, _params: writer.disconnect(),
        }
        return {f"{prefix}.{name}": handler for name, handler in handlers.items()}

    def _audio(self, send: Callable[[str], Sent]) -> Handler[Peer]:
        """Return the handler of a way to send audio.

        A frame that is taken makes its sender the microphone's holder where nobody is.
        """
        claims, clock = self._claims, self._clock

        def sent(peer: Peer, params: m.SendAudio) -> Awaitable[None] | None:
            now = clock()
            claims.check("mic", peer, now)
            sending = send(params.data)
            claims.audio_taken(peer, now)
            return _sent(sending)

        return takes(m.SendAudio, sent)

    def _playback(self, report: Callable[[], Sent]) -> Handler[Peer]:
        """Return the handler of a report on playback."""

        def reported(peer: Peer, _params: Params) -> Awaitable[None] | None:
            self._claims.check("speaker", peer, self._clock())
            return _sent(report())

        return reported

    def _queue(self, params: m.QueueContext) -> Awaitable[None] | None:
        turns = [msgspec.to_builtins(turn) for turn in params.turns]
        return _sent(
            self._handle.queue_context(
                turns, text=params.text, role=params.role, prompt=params.prompt
            )
        )


def _sent(sent: Sent) -> Awaitable[None] | None:
    """Answer at once where the session is set up, without a task."""
    return None if sent.done else _settled(sent)


async def _settled(sent: Sent) -> None:
    await sent
