"""The conversation as the service tells it: messages in, session events out (J1-J11).

Sans-I/O. Every field of a message is handled on its own (decision Z5); the events of one
message come in the order of J2.
"""

from collections.abc import Iterable

from livehandle_proto import topics as t
from livehandle_proto.values import FunctionCall, Phase, Value
from livehandled.gemini.content import OWN_ID, Blob, Part
from livehandled.gemini.server import (
    GoAway,
    ModalityTokens,
    ServerContent,
    ServerMessage,
    ToolCall,
    UsageMetadata,
)
from livehandled.session.phase import InvalidTransitionError, may_follow
from livehandled.session.repeats import Repeats, Side

SessionEvent = tuple[str, Value]
"""A topic without its `session.` prefix, and the data."""

RECONNECTED = "reconnected"
"""The reason of a turn that ended with its connection."""

DISCONNECTED = "disconnected"
"""The reason of a turn that ended with its session."""

_MOST_LOST_CALLS = 256

_PART_CHARS = 48_000
"""Base64 a line can carry beside its envelope: a multiple of 8, so that each part of a stream
of 16-bit samples holds whole samples (8 characters are 6 bytes)."""


class Conversation:
    """Phase, turns and open tool calls of one session."""

    def __init__(self, *, transcript_is_text: bool = False, turns: int = 0) -> None:
        self.phase: Phase = "disconnected"
        self.turns = turns
        self.turn_open = False
        self.replies = 0
        """Replies that have begun."""
        self.generating = False
        """Whether a reply has begun, and the service has yet to say that it has all of it."""
        self.open_calls: dict[str, FunctionCall] = {}
        """The calls not yet answered, by their ids."""
        self.lost_calls: dict[str, FunctionCall] = {}
        """Calls of a connection that was lost: no service waits for them, and their result can
        only be told as text."""
        self.repeats: Repeats | None = None
        """What the service may say again after a resume."""
        self.hears_itself = False
        """Whether this side has a detector, which tells of the user's speech: then the service's
        edges are told, and move nothing."""
        self._transcript_is_text = transcript_is_text
        self._own_ids = 0
        self._text: list[str] = []
        self._user_speaking = False
        self._cut_off = False
        """The user has cut the open turn off: what they say opens the next one (N4)."""
        self._by_context = False
        self._replied = False
        """The model has begun to answer in the open turn."""
        self._events: list[SessionEvent] = []

    def move(self, phase: Phase) -> list[SessionEvent]:
        """Go to a phase that the connection, not a message, brings about."""
        if phase == "active":
            self._become_active()
        else:
            self._move(phase)
        return self._drain()

    def user_typed(self) -> None:
        """Note a typed turn: the user's words open a turn."""
        self.turn_open = True

    def speech_started(self) -> list[SessionEvent]:
        """Note that the user began to speak."""
        self._user_begins()
        return self._drain()

    def speech_ended(self) -> list[SessionEvent]:
        """Note that the user stopped speaking."""
        self._user_ends()
        return self._drain()

    @property
    def user_speaking(self) -> bool:
        """Whether the user speaks, as far as this side or the service has told."""
        return self._user_speaking

    @property
    def replied(self) -> bool:
        """Whether the model has begun to answer in the open turn."""
        return self._replied

    def release(self) -> list[SessionEvent]:
        """Tell what was held back as a possible repeat: it was none."""
        self._release(None)
        return self._drain()

    def end_softly(self) -> list[SessionEvent]:
        """End a turn that the model has left without an answer, if there is such a turn (Z11)."""
        if self.turn_open and self.phase == "active" and not self.open_calls:
            self._end_turn("soft_timeout")
        return self._drain()

    def answered(self, keys: Iterable[str]) -> list[SessionEvent]:
        """Note that the calls of these keys have been answered."""
        self._close_calls(keys)
        return self._drain()

    def drop(self, *, turn_stays: bool) -> list[SessionEvent]:
        """Note that the connection is lost, and the session is to go on with another.

        No reply goes on, and no call of the old connection can be answered (wire 4.3): the open
        turn ends as interrupted, unless it `stays` because what it consists of is sent again.
        """
        if self.open_calls:
            ids = [call.id for call in self.open_calls.values()]
            self.lost_calls |= self.open_calls
            for key in list(self.lost_calls)[:-_MOST_LOST_CALLS]:
                del self.lost_calls[key]
            self.open_calls.clear()
            self._events.append(("tool_call_cancelled", t.CallIds(ids=ids)))
        self._release(None)
        self.repeats = None
        if not self.hears_itself:
            self._user_speaking = False
        if self.turn_open and not (turn_stays and not self._replied):
            self._close_turn(RECONNECTED)
            self.turn_open = turn_stays or self._user_speaking
        self._cut_off = False
        self.generating = False
        if self.phase != "disconnected":
            self._move("disconnected")
        return self._drain()

    def end(self) -> list[SessionEvent]:
        """Note the end of the session for good: calls are over, and so is the open turn."""
        if self.open_calls:
            ids = [call.id for call in self.open_calls.values()]
            self.open_calls.clear()
            self._events.append(("tool_call_cancelled", t.CallIds(ids=ids)))
        self._release(None)
        if self.turn_open:
            self._close_turn(DISCONNECTED)
            self.turn_open = False
        return self._drain()

    def receive(
        self, message: ServerMessage, now: float = 0.0, *, by_context: bool = False
    ) -> list[SessionEvent]:
        """Return what a message of the service means, in order. `now` is monotonic seconds.

        `by_context`: what is cut off is so by context that was sent, and not by the user.
        """
        self._by_context = by_context and not self._user_speaking
        content = message.server_content
        if content is not None:
            self._content(content, now)
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

    def _content(self, content: ServerContent, now: float) -> None:
        if content.model_turn is not None and content.model_turn.parts:
            self._release(None)  # a reply has begun: what is said now is no repeat
        for part in content.model_turn.parts if content.model_turn is not None else ():
            self._model_speaks()
            self._part(part)
        if content.interrupted:  # before the words that did it (N4)
            self._interrupt()
        heard, said = content.input_transcription, content.output_transcription
        if heard is not None:
            for text in self._fresh("user", heard.text, now):
                self._heard(text, final=bool(heard.finished))
        if said is not None:
            for text in self._fresh("model", said.text, now):
                self._said(text, final=bool(said.finished))
        if content.interaction_status is not None:
            status = t.InteractionStatus(status=content.interaction_status)
            self._events.append(("interaction_status", status))

    def _fresh(self, side: Side, text: str, now: float) -> list[str]:
        """Return the text without what the service says a second time after a resume."""
        return [text] if self.repeats is None else self.repeats.heard(side, text, now)

    def _release(self, side: Side | None) -> None:
        """Tell what was held back as a possible repeat: it was none."""
        for which, text in self.repeats.release(side) if self.repeats is not None else ():
            if which == "user":
                self._heard(text, final=False)
            else:
                self._said(text, final=False)

    def _heard(self, text: str, *, final: bool) -> None:
        self.turn_open = True
        self._events.append(("input_transcription", t.TranscriptDelta(text=text, is_final=final)))

    def _said(self, text: str, *, final: bool) -> None:
        if self._transcript_is_text:
            self._model_speaks()
            self._say(text)
            return
        self.turn_open = True
        if not self._replied:  # else it may trail behind speech that is complete
            self._reply()
        self._events.append(("output_transcription", t.TranscriptDelta(text=text, is_final=final)))

    def _part(self, part: Part) -> None:
        if part.text:
            if part.thought:
                self._events.append(("thought", t.Text(text=part.text)))
            else:
                self._say(part.text)
        if part.inline_data is not None and part.inline_data.data:
            self._inline(part.inline_data)

    def _say(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._events.append(("text_delta", t.Text(text=text)))

    def _inline(self, blob: Blob) -> None:
        pieces = cut(blob.data)
        if blob.mime_type.startswith("audio/") or not blob.mime_type:
            if self._transcript_is_text:
                return  # nobody asked for speech (J6)
            mime_type = blob.mime_type or "audio/pcm;rate=24000"
            for piece in pieces:
                self._events.append(("audio_data", t.Audio(data=piece, mime_type=mime_type)))
            return
        for number, piece in enumerate(pieces, 1):
            media = t.Media(data=piece, mime_type=blob.mime_type, part=number, parts=len(pieces))
            self._events.append(("media", media))

    def _edges(self, content: ServerContent) -> None:
        if content.generation_complete:
            self.generating = False
            self._events.append(("generation_complete", t.Nothing()))
        if content.turn_complete:
            self._release(None)
            self._end_turn(content.turn_complete_reason)

    def _interrupt(self) -> None:
        self._release(None)
        self.generating = False
        if self.phase == "model_speaking":
            self._move("interrupted")
        self._cut_off = self._cut_off or (self.turn_open and not self._by_context)
        self._events.append(("interrupted", t.Nothing()))
        if self.phase == "interrupted":
            self._move("user_speaking" if self._user_speaking else "active")

    def _end_turn(self, reason: str | None) -> None:
        self._close_turn(reason)
        if self.phase not in {"active", "user_speaking"}:
            self._become_active()

    def _close_turn(self, reason: str | None) -> None:
        self._replied = self.generating = False
        if self._text:
            self._events.append(("text_complete", t.Text(text="".join(self._text))))
            self._text.clear()
        self._events.append(("turn_complete", t.TurnComplete(turn=self.turns, reason=reason)))
        self.turns += 1
        self.turn_open = self._user_speaking or self._cut_off
        self._cut_off = False

    def _tool_call(self, message: ToolCall) -> None:
        calls = [
            FunctionCall(id=c.id or self._own_id(), name=c.name, args=c.args)
            for c in message.function_calls
        ]
        self.turn_open = True
        self._reply()
        self.generating = False  # it waits for the answers
        self.open_calls.update((call.id, call) for call in calls)
        executing = self.phase == "tool_call_executing"
        if not executing:
            self._by_way_of_active("tool_call_pending")
        self._events.append(("tool_call", t.ToolCalls(function_calls=calls)))
        if not executing:  # Z2: told to the clients, the calls are theirs to carry out.
            self._move("tool_call_executing")

    def _own_id(self) -> str:
        """Return an id for a call that came without one: that of no call there is, or was here."""
        while True:
            self._own_ids += 1
            made = f"{OWN_ID}{self._own_ids}"
            if made not in self.lost_calls:  # as those of another daemon may be called
                return made

    def _close_calls(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.open_calls.pop(key, None)
            self.lost_calls.pop(key, None)
        if not self.open_calls and self.phase in {"tool_call_pending", "tool_call_executing"}:
            self._become_active()

    def _about_the_connection(self, message: ServerMessage) -> None:
        if message.go_away is not None:
            left_ms = time_left_ms(message.go_away)
            self._events.append(("go_away", t.GoAway(time_left_ms=left_ms)))
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
            if not self.hears_itself:
                self._user_begins()
        elif kind.endswith(("ACTIVITY_END", "_EOS")):
            self._events.append(("voice_activity_end", t.Nothing()))
            if not self.hears_itself:
                self._user_ends()

    def _user_begins(self) -> None:
        self._release("user")  # what is heard from here on is no repeat
        self._user_speaking = self.turn_open = True
        if may_follow(self.phase, "user_speaking"):
            self._move("user_speaking")

    def _user_ends(self) -> None:
        self._user_speaking = False
        if self.phase == "user_speaking":
            self._move("active")

    def _reply(self) -> None:
        """Note output of the model, which is the first of a reply or goes on with one."""
        self.generating = True
        if not self._replied:
            self._replied = True
            self.replies += 1

    def _model_speaks(self) -> None:
        self.turn_open = True
        self._reply()
        if self.phase != "model_speaking":
            self._by_way_of_active("model_speaking")

    def _become_active(self) -> None:
        """Go to active, and on to the user who has been speaking since before."""
        self._move("active")
        if self._user_speaking:
            self._move("user_speaking")

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
        prompt_tokens_by_modality=_by_modality(usage.prompt_tokens_details),
        response_tokens_by_modality=_by_modality(
            usage.response_tokens_details or usage.candidates_tokens_details
        ),
    )


def _by_modality(details: list[ModalityTokens] | None) -> dict[str, int] | None:
    """Return the counts by modality; an entry without modality or count says nothing (H10)."""
    if details is None:
        return None
    return {d.modality: d.token_count for d in details if d.modality and d.token_count}


def time_left_ms(go_away: GoAway) -> int | None:
    """Return how long the service leaves the connection, a proto Duration (`"50s"`, `"49.5s"`).

    None if it says nothing, or not that.
    """
    if go_away.time_left is None:
        return None
    try:
        return round(float(go_away.time_left.removesuffix("s")) * 1000)
    except (ValueError, OverflowError):
        return None
