"""The conversation as the service tells it: messages in, session events out (J1-J11).

Sans-I/O. Every field of a message is handled on its own (decision Z5); the events of one
message come in the order of J2.
"""

from collections.abc import Iterable

from livehandle_proto import topics as t
from livehandle_proto.values import FunctionCall, Phase, Value
from livehandled.gemini.content import Blob, Part
from livehandled.gemini.server import ServerContent, ServerMessage, ToolCall, UsageMetadata
from livehandled.session.phase import InvalidTransitionError, may_follow

SessionEvent = tuple[str, Value]
"""A topic without its `session.` prefix, and the data."""

_PART_CHARS = 48_000
"""Base64 a line can carry beside its envelope: a multiple of 8, so that each part of a stream
of 16-bit samples holds whole samples (8 characters are 6 bytes)."""


class Conversation:
    """Phase, turns and open tool calls of one session."""

    def __init__(self) -> None:
        self.phase: Phase = "disconnected"
        self.turns = 0
        self.turn_open = False
        self.open_calls: set[str] = set()
        """The `call_key` of each call not yet answered."""
        self._text: list[str] = []
        self._user_speaking = False
        self._events: list[SessionEvent] = []

    def move(self, phase: Phase) -> list[SessionEvent]:
        """Go to a phase that the connection, not a message, brings about."""
        self._move(phase)
        if phase == "active" and self._user_speaking:  # since before the session was set up
            self._move("user_speaking")
        return self._drain()

    def user_typed(self) -> None:
        """Note a typed turn: the user's words open a turn."""
        self.turn_open = True

    def speech_started(self) -> list[SessionEvent]:
        """Note that the user began to speak."""
        self._user_speaking = self.turn_open = True
        if may_follow(self.phase, "user_speaking"):
            self._move("user_speaking")
        return self._drain()

    def speech_ended(self) -> list[SessionEvent]:
        """Note that the user stopped speaking."""
        self._user_speaking = False
        if self.phase == "user_speaking":
            self._move("active")
        return self._drain()

    def answered(self, keys: Iterable[str]) -> list[SessionEvent]:
        """Note that the calls of these keys have been answered."""
        self._close_calls(keys)
        return self._drain()

    def receive(self, message: ServerMessage) -> list[SessionEvent]:
        """Return what a message of the service means, in order."""
        content = message.server_content
        if content is not None:
            self._content(content)
        if message.usage_metadata is not None:
            self._events.append(("usage", _usage(message.usage_metadata)))
        if message.tool_call is not None and message.tool_call.function_calls:
            self._tool_call(message.tool_call)
        if message.tool_call_cancellation is not None:
            ids = message.tool_call_cancellation.ids
            self._events.append(("tool_call_cancelled", t.CallIds(ids=ids)))
            self._close_calls(ids)
        if content is not None:
            self._edges(content)
        self._about_the_connection(message)
        return self._drain()

    def _content(self, content: ServerContent) -> None:
        for part in content.model_turn.parts if content.model_turn is not None else ():
            self._model_speaks()
            self._part(part)
        heard, said = content.input_transcription, content.output_transcription
        if heard is not None:
            self.turn_open = True
            transcript = t.Transcript(text=heard.text, is_final=bool(heard.finished))
            self._events.append(("input_transcription", transcript))
        if said is not None:
            self.turn_open = True
            transcript = t.Transcript(text=said.text, is_final=bool(said.finished))
            self._events.append(("output_transcription", transcript))
        if content.interaction_status is not None:
            status = t.InteractionStatus(status=content.interaction_status)
            self._events.append(("interaction_status", status))

    def _part(self, part: Part) -> None:
        if part.text:
            if part.thought:
                self._events.append(("thought", t.Text(text=part.text)))
            else:
                self._text.append(part.text)
                self._events.append(("text_delta", t.Text(text=part.text)))
        if part.inline_data is not None and part.inline_data.data:
            self._inline(part.inline_data)

    def _inline(self, blob: Blob) -> None:
        pieces = cut(blob.data)
        if blob.mime_type.startswith("audio/") or not blob.mime_type:
            mime_type = blob.mime_type or "audio/pcm;rate=24000"
            for piece in pieces:
                self._events.append(("audio_data", t.Audio(data=piece, mime_type=mime_type)))
            return
        for number, piece in enumerate(pieces, 1):
            media = t.Media(data=piece, mime_type=blob.mime_type, part=number, parts=len(pieces))
            self._events.append(("media", media))

    def _edges(self, content: ServerContent) -> None:
        if content.interrupted:
            if self.phase == "model_speaking":
                self._move("interrupted")
            self._events.append(("interrupted", t.Nothing()))
            if self.phase == "interrupted":
                self._move("user_speaking" if self._user_speaking else "active")
        if content.generation_complete:
            self._events.append(("generation_complete", t.Nothing()))
        if content.turn_complete:
            self._end_turn(content.turn_complete_reason)

    def _end_turn(self, reason: str | None) -> None:
        if self._text:
            self._events.append(("text_complete", t.Text(text="".join(self._text))))
            self._text.clear()
        self._events.append(("turn_complete", t.TurnComplete(turn=self.turns, reason=reason)))
        self.turns += 1
        self.turn_open = self._user_speaking
        if self.phase not in {"active", "user_speaking"}:
            self._move("active")

    def _tool_call(self, message: ToolCall) -> None:
        calls = [FunctionCall(id=c.id, name=c.name, args=c.args) for c in message.function_calls]
        self.turn_open = True
        self.open_calls.update(call_key(call.id, call.name) for call in calls)
        self._by_way_of_active("tool_call_pending")
        self._events.append(("tool_call", t.ToolCalls(function_calls=calls)))
        # Z2: told to the clients, the calls are theirs to carry out.
        self._move("tool_call_executing")

    def _close_calls(self, keys: Iterable[str]) -> None:
        self.open_calls.difference_update(keys)
        if not self.open_calls and self.phase in {"tool_call_pending", "tool_call_executing"}:
            self._move("active")

    def _about_the_connection(self, message: ServerMessage) -> None:
        if message.go_away is not None:
            left = _milliseconds(message.go_away.time_left)
            self._events.append(("go_away", t.GoAway(time_left_ms=left)))
        update = message.session_resumption_update
        if update is not None and update.new_handle:  # J8
            told = t.ResumeUpdate(
                resumable=bool(update.resumable),
                last_consumed_client_message_index=update.last_consumed_client_message_index,
            )
            self._events.append(("resume_update", told))
        if message.voice_activity is not None:
            self._voice_activity(message.voice_activity.type)
        if message.voice_activity_detection_signal is not None:
            self._voice_activity(message.voice_activity_detection_signal.vad_signal_type)

    def _voice_activity(self, kind: str) -> None:
        """Take both spellings of an edge (J10), and the older signal's; ignore any other."""
        if kind.endswith(("ACTIVITY_START", "_SOS")):
            self._events.append(("voice_activity_start", t.Nothing()))
        elif kind.endswith(("ACTIVITY_END", "_EOS")):
            self._events.append(("voice_activity_end", t.Nothing()))

    def _model_speaks(self) -> None:
        self.turn_open = True
        if self.phase != "model_speaking":
            self._by_way_of_active("model_speaking")

    def _by_way_of_active(self, phase: Phase) -> None:
        if not may_follow(self.phase, phase):
            self._move("active")
        self._move(phase)

    def _move(self, phase: Phase) -> None:
        if not may_follow(self.phase, phase):
            raise InvalidTransitionError(self.phase, phase)
        change = t.PhaseChange(phase=phase, previous=self.phase)
        self.phase = phase
        self._events.append(("phase_changed", change))

    def _drain(self) -> list[SessionEvent]:
        events, self._events = self._events, []
        return events


def call_key(call_id: str, name: str) -> str:
    """Return what an open call is known by: its id, or its name where Vertex gave no id."""
    return call_id or name


def cut(base64: str) -> list[str]:
    """Return base64 text in parts that fit one line each, as it is where it fits."""
    if len(base64) <= _PART_CHARS:
        return [base64]
    return [base64[i : i + _PART_CHARS] for i in range(0, len(base64), _PART_CHARS)]


def _usage(usage: UsageMetadata) -> t.Usage:
    """Vertex's `candidates` are the Gemini API's `response` (wire 3.3)."""
    response = usage.response_token_count
    return t.Usage(
        prompt_token_count=usage.prompt_token_count,
        response_token_count=usage.candidates_token_count if response is None else response,
        cached_content_token_count=usage.cached_content_token_count,
        thoughts_token_count=usage.thoughts_token_count,
        tool_use_prompt_token_count=usage.tool_use_prompt_token_count,
        total_token_count=usage.total_token_count,
    )


def _milliseconds(duration: str | None) -> int | None:
    """Return a proto Duration (`"50s"`, `"49.5s"`) in milliseconds; None if it is not one."""
    if duration is None:
        return None
    try:
        return round(float(duration.removesuffix("s")) * 1000)
    except (ValueError, OverflowError):
        return None
