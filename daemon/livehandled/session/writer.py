"""What is sent to the model: checked, put in the session's outbox, and kept account of.

Two of these share every session: the user-facing one, which sends context that waits before the
user's own words, sound and pictures, and the session's own, which does not (A21, E).
"""

from collections.abc import Awaitable, Collection, Generator, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.values import FunctionCall
from livehandled.config.loader import Loaded
from livehandled.context import PendingContext
from livehandled.gemini import frames
from livehandled.gemini.content import OWN_ID, Content, text_content, text_of
from livehandled.session import payload
from livehandled.session.conversation import Conversation
from livehandled.session.outbox import Kind, Message
from livehandled.session.router import Router
from livehandled.session.session import Session
from livehandled.session.voice import Voice


class Sent:
    """What a send returns: what was sent is queued, in order, when the call returns.

    Await it to know that the session took it, which matters for the send that opens the
    session: it raises why the session could not be set up.
    """

    __slots__ = ("_pending", "_session")

    def __init__(
        self, session: Session | None = None, pending: Awaitable[None] | None = None
    ) -> None:
        self._session = session
        """None for what is kept to be sent later."""
        self._pending = pending
        """What rules of the caller's own do about it."""

    @property
    def done(self) -> bool:
        """Whether there is nothing to wait for."""
        return not self._waits and self._pending is None

    @property
    def _waits(self) -> bool:
        session = self._session
        return session is not None and not session.established and not session.patient

    def __await__(self) -> Generator[object, object, None]:
        if self._session is not None and self._waits:
            yield from self._session.settled().__await__()
        if self._pending is not None:
            yield from self._pending.__await__()


class Target(Protocol):
    """What a writer writes to: the session there is, or one that a first send opens."""

    @property
    def current(self) -> Session | None:
        """The session, even where it has ended."""

    @property
    def voice(self) -> Voice | None:
        """Its voice."""

    @property
    def loaded(self) -> Loaded:
        """Its configuration, or that of the first to come."""

    def opened(self) -> Session:
        """Return the open session, opening one where a first send may."""

    def existing(self) -> Session:
        """Return the open session. Raises `session.not_connected`."""

    def end(self) -> Awaitable[None]:
        """End the session, and return what can be awaited for that."""


class Writer:
    """The sends of a session."""

    def __init__(
        self, sessions: Target, router: Router, context: PendingContext | None = None
    ) -> None:
        self._sessions = sessions
        self._router = router
        self._context = context

    def send_text(self, text: str) -> Sent:
        """Send one typed turn, which the model answers (B1). Raises `text.empty`."""
        payload.words(text, "text")
        session = self._for_the_user()
        say(session, self._router, text)
        return Sent(session)

    def send_audio(self, data: bytes | str) -> Sent:
        """Send audio, 16-bit little-endian mono PCM at 16 kHz or its base64 (B5).

        Unheard: the voice activity detector listens to `LiveHandle.send_audio` alone. Raises
        `audio.bad_base64`, `audio.empty` or `audio.misaligned`.
        """
        pcm, text = payload.pcm(data)
        session = self._for_the_user()
        session.put(Message(frames.audio(text), "media"))
        self._router.audio_sent(pcm)
        return Sent(session)

    def send_video(self, data: bytes | str) -> Sent:
        """Send one picture: a JPEG, or its base64 (B4). Raises `video.not_jpeg`."""
        text = payload.jpeg(data)
        session = self._for_the_user()
        session.put(Message(frames.video(text), "media"))
        self._router.video_sent()
        return Sent(session)

    def send_client_content(
        self, turns: Sequence[Content | Mapping[str, object]], *, turn_complete: bool
    ) -> Sent:
        """Add turns to the model's history; with `turn_complete` it speaks now (wire 2.2).

        Context that waits stays where it is (E5). Raises `wire.invalid_params` for a turn that
        is none, and where there is nothing to send.
        """
        contents = payload.contents(turns)
        if not contents and not turn_complete:
            raise LiveHandleError(
                "wire.invalid_params",
                "There is nothing to send: give turns, or set turn_complete.",
                param="turns",
                expected="at least one turn",
            )
        session = self._sessions.opened()
        frame = frames.client_content(contents, turn_complete=turn_complete)
        texts = [text for turn in contents if turn.role == "user" and (text := text_of(turn))]
        kind: Kind = "text" if turn_complete else "context"
        note = self._router.next_note if texts else 0
        session.put(Message(frame, kind, contents, note=note))
        if texts:
            self._router.user_typed(session.conversation, *texts)
        return Sent(session)

    def update_instruction(self, instruction: str) -> Sent:
        """Give the model another instruction, in the way it takes one (B17, wire 4.6).

        Raises `text.empty`, and `upstream.unsupported` for a model that would close the session.
        """
        payload.words(instruction, "instruction")
        session = self._sessions.opened()
        session.instruct(instruction)
        return Sent(session)

    def send_tool_response(self, responses: Sequence[ToolAnswer]) -> Sent:
        """Answer calls of the model, all in one frame (B18, B19). Never opens a session.

        Raises `tools.unknown_call` for an id the model is not waiting for, and
        `wire.invalid_params` where there is no answer.
        """
        if not responses:
            raise LiveHandleError(
                "wire.invalid_params",
                "There is nothing to answer: give responses.",
                param="responses",
                expected="at least one response",
            )
        session = self._sessions.existing()
        talk = session.conversation
        calls = talk.lost_calls | talk.open_calls
        finished: set[str] = set()
        answers: list[tuple[FunctionCall, ToolAnswer]] = []
        for i, response in enumerate(responses):
            payload.shallow(response.response, f"responses[{i}].response")
            key = response.id or _of_the_name(response.name, talk, finished)
            if key in finished or key not in calls:
                raise _unknown_call(
                    f"No call {key[:80]!r} is open: answer a call once, by the id of its "
                    "session.tool_call event."
                )
            if response.name != calls[key].name:
                raise _unknown_call(
                    f"The call {key[:80]!r} is of {calls[key].name[:80]!r}: give it as the `name`."
                )
            if not response.will_continue:
                finished.add(key)
            answers.append((calls[key], response))
        session.answer(answers)
        results = [(call, answer.response) for call, answer in answers]
        self._router.tools_answered(talk, results, finished)
        session.answered()
        return Sent(session)

    def disconnect(self) -> Awaitable[None]:
        """End the session, what was sent before first; no error where there is none (A12).

        Context that waits in this writer is sent if it can be, a prompt is not (A17, E6).
        """
        if self._sessions.current is not None:
            self.flush(self._sessions.current)
        return self._sessions.end()

    def flush(self, session: Session) -> None:
        """Send the context that waits in this writer, if it can be sent."""
        if self._context is not None and session.open:
            with suppress(LiveHandleError):  # a full queue does not hold the end up
                self._context.flush(session.put)

    def signal_activity_start(self) -> Sent:
        """Mark the beginning of the user's activity.

        Nothing is written while the service detects activity by itself (B13), or while an
        activity is open: marks alternate (Z3).
        """
        return self._marked(start=True)

    def signal_activity_end(self) -> Sent:
        """Mark the end of the user's activity; see `signal_activity_start`."""
        return self._marked(start=False)

    def _marked(self, *, start: bool) -> Sent:
        session = self._sessions.opened()
        voice = self._sessions.voice
        assert voice is not None  # every session has one
        return Sent(session, voice.marked(start=start))

    def _for_the_user(self) -> Session:
        session = self._sessions.opened()
        if self._context is not None:
            self._context.flush(session.put)
        return session


def _of_the_name(name: str, talk: Conversation, but: Collection[str]) -> str:
    """Return the id of the first call of a function that came without one (wire 2.4)."""
    calls = (*talk.open_calls.values(), *talk.lost_calls.values())
    found = (c.id for c in calls if c.name == name and c.id.startswith(OWN_ID))
    return next((call_id for call_id in found if call_id not in but), name)


def _unknown_call(message: str) -> LiveHandleError:
    return LiveHandleError("tools.unknown_call", message, param="responses")


def say(session: Session, router: Router, text: str) -> None:
    """Send a typed turn to a session (B1)."""
    router.text_sent()
    frame = frames.text_turn(text, session.plan.traits)
    turn = [text_content(text, "user")]
    session.put(Message(frame, "text", turn, note=router.next_note))
    router.user_typed(session.conversation, text)


def not_connected() -> LiveHandleError:
    """Return the error of a call that needs a session where none is open."""
    return LiveHandleError("session.not_connected", "No session is open: call connect.")
