"""The sending half of the turn machine: one reply at a time, its end and its interruption."""

from collections.abc import Sequence

import msgspec

from livehandle_emulator.answer import MOST_KEPT, Answer, Echo, Result, Say, said_of
from livehandle_emulator.calls import Calls
from livehandle_emulator.history import History
from livehandle_emulator.models import Model
from livehandle_emulator.progress import Progress
from livehandle_emulator.reply import Reply, Step, Voice, said, turn_complete
from livehandle_emulator.usage import Ledger
from livehandled.gemini.server import ServerContent, ServerMessage, ToolCall, ToolCallCancellation


class Speaker:
    """Gives answers as the model of a session would, in the order of wire 4.1."""

    def __init__(
        self,
        model: Model,
        voice: Voice,
        calls: Calls,
        ledger: Ledger,
        history: History,
        progress: Progress,
    ) -> None:
        self._model = model
        self._voice = voice
        self._calls = calls
        self._ledger = ledger
        self._history = history
        self._progress = progress
        self._words = ""
        self._reply: Reply | None = None

    @property
    def busy(self) -> bool:
        """Whether a turn of the model's is under way, its playback and its calls included."""
        return self._reply is not None

    @property
    def waits(self) -> bool:
        """Whether that turn waits for a function to answer."""
        return self._reply is not None and bool(self._reply.waits_for)

    @property
    def calling(self) -> bool:
        """Whether the client has been told so, and nothing else is to come before its answer."""
        return self._reply is not None and self.waits and not self._reply.steps

    @property
    def deadline(self) -> float | None:
        """When the next message is due, None if none is."""
        return self._reply.deadline if self._reply else None

    def due(self, now: float) -> list[ServerMessage]:
        """Return what is due by `now`, oldest first."""
        messages = []
        while self._reply and self._reply.deadline is not None and self._reply.deadline <= now:
            message = self._sent(self._reply.steps.popleft())
            if self._reply.over:
                self._reply = None
            messages += [message, *self._progress.sent(message, now)]
            if message.tool_call is not None:
                self._calls.sent(message.tool_call.function_calls)
        return messages

    def begin(self, answer: Answer, now: float) -> None:
        """Start a turn that gives an answer; none may be under way."""
        start = now + self._delay
        reply = self._reply = Reply()
        if answer.calls:
            made = self._calls.make(answer.calls)
            reply.steps.append(Step(start, ServerMessage(tool_call=ToolCall(function_calls=made))))
            reply.waits_for = self._calls.blocking(made)
        if reply.waits_for:
            reply.held_back = list(answer.segments)
        elif answer.segments:
            reply.steps.extend(self._said(answer.segments, start))
        else:
            # NON_BLOCKING: the turn is over, and the results are turns of their own.
            reply.steps.append(Step(start, turn_complete(self._status)))

    def resume(self, call_id: str, result: Result, now: float) -> None:
        """Go on with a turn that waited for a call, once it waits for no other."""
        reply = self._reply
        if reply is None or call_id not in reply.waits_for:
            return
        reply.waits_for.discard(call_id)
        reply.held_back = [*reply.held_back, said_of(result)][-MOST_KEPT:]
        if not reply.waits_for:
            reply.steps.extend(self._said(reply.held_back, now + self._delay))

    def interrupt(self) -> list[ServerMessage]:
        """End the turn under way, if there is one, and cancel the calls it waits for."""
        reply, self._reply = self._reply, None
        if reply is None:
            return []
        unsent = {
            call.id
            for step in reply.steps
            if step.message.tool_call is not None
            for call in step.message.tool_call.function_calls
        }
        self._calls.forget(unsent | reply.waits_for)
        self.stop()
        self._progress.interrupted()
        messages = []
        if cancelled := sorted(reply.waits_for - unsent):
            cancellation = ToolCallCancellation(ids=cancelled)
            messages.append(ServerMessage(tool_call_cancellation=cancellation))
        messages.append(ServerMessage(server_content=ServerContent(interrupted=True)))
        messages.append(self._billed(turn_complete(self._status)))
        return messages

    def silent_turn(self, now: float) -> list[ServerMessage]:
        """Return the end of a turn in which nothing is said, unless one is under way."""
        if self._reply is not None:
            return []
        message = self._billed(turn_complete(self._status))
        return [message, *self._progress.sent(message, now)]

    def stop(self) -> None:
        """Leave in the history what has been said of the turn under way."""
        words, self._words = self._words, ""
        self._history.add("model", words, "reply")

    def _said(self, segments: Sequence[Say | Echo], start: float) -> list[Step]:
        if not self._model.extended_thinking:
            return said(segments, self._voice, start, self._status)
        # Several turns for one prompt; the status tells which is the last.
        opening = said([Say("One moment.")], self._voice, start, "IN_PROGRESS")
        return opening + said(segments, self._voice, opening[-1].at + self._delay, self._status)

    def _sent(self, step: Step) -> ServerMessage:
        self._ledger.say_audio(step.audio_s)
        self._ledger.say_text(step.text)
        self._words += step.words
        if not step.ends_turn:
            return step.message
        self.stop()
        return self._billed(step.message)

    def _billed(self, message: ServerMessage) -> ServerMessage:
        return msgspec.structs.replace(message, usage_metadata=self._ledger.close_turn())

    @property
    def _delay(self) -> float:
        return self._voice.timing.reply_delay_ms / 1000

    @property
    def _status(self) -> str | None:
        return "IDLE" if self._model.generation == "3.8" else None
