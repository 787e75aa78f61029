"""Every topic an event can have, with what it carries and how it is delivered (section 5)."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import Extraction, ExtractionFailure, ExtractorRun, Promotion
from livehandle_proto.recordings import RecordingChange
from livehandle_proto.roles import ClaimChange
from livehandle_proto.states import StateChange
from livehandle_proto.suggest import nearest
from livehandle_proto.tools import ToolCall, ToolCancel
from livehandle_proto.values import Ended, ErrorObject, FunctionCall, Phase, Value

Delivery = Literal["state", "log", "stream"]
"""What a slow reader gets: the latest value (`state`), all of it from a replayable ring or a
notice that ends the subscription (`log`), or the newest with a notice of what was dropped
(`stream`)."""


class Topic(NamedTuple):
    """What all events of one topic have in common."""

    delivery: Delivery
    data: type[Value]
    meaning: str
    since: int = 1
    """The API level that it came with."""


class Nothing(Value, frozen=True, kw_only=True):
    """No data: the topic says it all."""


class SessionStarted(Value, frozen=True, kw_only=True):
    """The id that the service gave the session, or one of ours where it gave none."""

    session_id: str


class Text(Value, frozen=True, kw_only=True):
    """A piece of text, to be appended as it stands; or the whole of a turn's text."""

    text: str


class TranscriptDelta(Value, frozen=True, kw_only=True, omit_defaults=False):
    """Words heard or spoken: a delta, to be appended as it stands."""

    text: str
    is_final: bool = False
    """Set where the service says so; many models never do."""


class Audio(Value, frozen=True, kw_only=True):
    """Speech of the model: base64 of 16-bit little-endian mono samples.

    `mime_type` states the rate, as a rule `audio/pcm;rate=24000`. What is too long for one line
    comes as several events, each whole samples, to be played one after another.
    """

    data: str
    mime_type: str


class Media(Value, frozen=True, kw_only=True, omit_defaults=False):
    """A picture or film of the model: join the base64 `data` of all `parts`, then decode."""

    data: str
    mime_type: str
    part: int = 1
    parts: int = 1


class ToolCalls(Value, frozen=True, kw_only=True):
    """Calls the model makes in one message."""

    function_calls: list[FunctionCall]


class CallIds(Value, frozen=True, kw_only=True):
    """Calls the model no longer wants."""

    ids: list[str]


class TurnComplete(Value, frozen=True, kw_only=True):
    """The end of turn number `turn`. `reason` is the service's, where it gives one."""

    turn: int
    reason: str | None = None


class TurnEnded(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The end of turn number `turn`, and the whole text of both sides, as the transcript has it.

    The model's is cut to what was heard. `reason` is the service's, or `soft_timeout`.
    """

    turn: int
    turn_number: int | None
    """Its number in the transcript, which extractions tell; None where nothing was said."""
    user: str
    model: str
    interrupted: bool
    reason: str | None = None


class TurnMetrics(Value, frozen=True, kw_only=True, omit_defaults=False):
    """What a turn cost (H16). `latency_ms` is from the end of speech or text to the answer."""

    turn: int
    latency_ms: int | None
    prompt_tokens: int | None
    response_tokens: int | None


class ToolExecution(Value, frozen=True, kw_only=True, omit_defaults=False):
    """A call that was answered: `result` as it went to the model."""

    call_id: str
    name: str
    args: dict[str, object]
    result: dict[str, object]


class Telemetry(Value, frozen=True, kw_only=True):
    """All metrics, as `telemetry` answers them."""

    telemetry: dict[str, object]


class Stalled(Value, frozen=True, kw_only=True):
    """The model speaks and is not heard: how long the user has heard nothing by now."""

    silent_ms: int


class PhaseChange(Value, frozen=True, kw_only=True):
    """The phase that began and the one it followed."""

    phase: Phase
    previous: Phase


class Reconnecting(Value, frozen=True, kw_only=True):
    """The connection is opened again: which attempt it is, how soon, and why the last ended."""

    attempt: int
    delay_ms: int
    cause: str


class Resumed(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The session goes on: by the service's handle, from our transcript, or anew."""

    restored: Literal["handle", "reseeded", "fresh"]
    reason: str | None
    """Why not by a handle; None where it is."""
    gap_ms: int
    """Milliseconds without a connection."""
    lost: int
    """Frames of audio and video that were dropped in the gap."""


class AudioHeld(Value, frozen=True, kw_only=True):
    """Whether audio is held back while the model waits for a call, and how much of it was."""

    policy: Literal["pass", "drop", "buffer"]
    held: bool
    frames: int
    """Frames that were held back: of a `drop` they are lost."""


class GoAway(Value, frozen=True, kw_only=True):
    """The service will close the connection within `time_left_ms`; None if it did not say."""

    time_left_ms: int | None = None


class ResumeUpdate(Value, frozen=True, kw_only=True, omit_defaults=False):
    """Whether the session can be resumed from here. The handle itself is not told."""

    resumable: bool
    last_consumed_client_message_index: int | None = None


class InteractionStatus(Value, frozen=True, kw_only=True):
    """The service's word on the interaction, such as IN_PROGRESS or IDLE."""

    status: str


class Usage(Value, frozen=True, kw_only=True):
    """Tokens of one turn, by the Gemini API's names without the suffix."""

    prompt_token_count: int | None = None
    response_token_count: int | None = None
    cached_content_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_by_modality: dict[str, int] | None = None
    """By AUDIO, TEXT, IMAGE, …; where the service says."""
    response_tokens_by_modality: dict[str, int] | None = None


class RawMessage(Value, frozen=True, kw_only=True):
    """A message of the service, verbatim."""

    message: object


class Lagged(Value, frozen=True, kw_only=True):
    """The last event that was sent, and how many were not.

    The subscription has ended: subscribe again with `since` to go on without loss.
    """

    last_seq: int
    missed: int


class Dropped(Value, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """Events of a stream topic that were dropped: their number, first and last seq."""

    count: int
    first: int
    last: int


class FailedNotification(Value, frozen=True, kw_only=True):
    """A request without an id that failed, and how."""

    method: str | None
    error: ErrorObject


class Stopping(Value, frozen=True, kw_only=True):
    """Why the daemon stops: `shutdown` or the name of a signal."""

    reason: str


TOPICS: Mapping[str, Topic] = {
    "session.connected": Topic("log", SessionStarted, "The session is set up."),
    "session.text_delta": Topic("log", Text, "Text of the model."),
    "session.text_complete": Topic("log", Text, "The whole text of the model's turn."),
    "session.audio_data": Topic("stream", Audio, "Speech of the model."),
    "session.media": Topic("stream", Media, "A picture or film of the model."),
    "session.input_transcription": Topic("log", TranscriptDelta, "What the service heard."),
    "session.output_transcription": Topic("log", TranscriptDelta, "What the model says."),
    "session.thought": Topic("log", Text, "A thought the model shows."),
    "session.tool_call": Topic("log", ToolCalls, "The model calls functions."),
    "session.tool_call_cancelled": Topic("log", CallIds, "Calls no longer wanted."),
    "session.turn_complete": Topic("log", TurnComplete, "The turn has ended."),
    "session.generation_complete": Topic("log", Nothing, "The model has produced all of it."),
    "session.interrupted": Topic("log", Nothing, "The user cut the model off: stop playing."),
    "session.phase_changed": Topic("state", PhaseChange, "The session's phase."),
    "session.go_away": Topic("log", GoAway, "The service will close the connection."),
    "session.reconnecting": Topic("log", Reconnecting, "The connection is opened again."),
    "session.resumed": Topic("log", Resumed, "The session goes on."),
    "session.audio_held": Topic("log", AudioHeld, "Audio is held back during a call."),
    "session.disconnected": Topic("log", Ended, "The session has ended."),
    "session.error": Topic("log", ErrorObject, "Something failed; the session may go on."),
    "session.resume_update": Topic("log", ResumeUpdate, "Whether the session is resumable."),
    "session.voice_activity_start": Topic("log", Nothing, "The service heard speech begin."),
    "session.voice_activity_end": Topic("log", Nothing, "The service heard speech end."),
    "session.interaction_status": Topic("log", InteractionStatus, "IN_PROGRESS, IDLE, …"),
    "session.usage": Topic("log", Usage, "Tokens of the turn."),
    "session.raw": Topic("stream", RawMessage, "Each message of the service, verbatim."),
    "live.audio": Topic("stream", Audio, "Speech of the model."),
    "live.media": Topic("stream", Media, "A picture or film of the model."),
    "live.text_delta": Topic("log", Text, "Text of the model."),
    "live.text_complete": Topic("log", Text, "The whole text of the model's turn."),
    "live.input_transcript": Topic("log", TranscriptDelta, "What the service heard."),
    "live.output_transcript": Topic("log", TranscriptDelta, "What the model says."),
    "live.thought": Topic("log", Text, "A thought the model shows."),
    "live.vad_start": Topic("log", Nothing, "The user began to speak."),
    "live.vad_end": Topic("log", Nothing, "The user stopped speaking."),
    "live.extraction": Topic("log", Extraction, "An extractor found something."),
    "live.extraction_error": Topic("log", ExtractionFailure, "An extractor failed."),
    "live.state_promotion": Topic("log", Promotion, "What became of an extracted field."),
    "live.tool_execution": Topic("log", ToolExecution, "A call was answered."),
    "live.tool_cancelled": Topic("log", CallIds, "Calls no longer wanted."),
    "live.turn_complete": Topic("log", TurnEnded, "The turn has ended."),
    "live.turn_metrics": Topic("log", TurnMetrics, "What the turn cost."),
    "live.telemetry": Topic("state", Telemetry, "All metrics, every metrics.interval_ms."),
    "live.stalled": Topic("log", Stalled, "The model fell silent amid a reply.", since=2),
    "live.interrupted": Topic("log", Nothing, "The user cut the model off: stop playing."),
    "live.connected": Topic("log", SessionStarted, "The session is set up."),
    "live.reconnecting": Topic("log", Reconnecting, "The connection is opened again."),
    "live.resumed": Topic("log", Resumed, "The session goes on."),
    "live.disconnected": Topic("log", Ended, "The session has ended."),
    "live.error": Topic("log", ErrorObject, "Something failed; the session may go on."),
    "live.go_away": Topic("log", GoAway, "The service will close the connection."),
    "state.changed": Topic("state", StateChange, "A key of the shared state."),
    "tool.call": Topic("log", ToolCall, "A call of the model for your tool."),
    "tool.cancel": Topic("log", ToolCancel, "A call of the model that is no longer wanted."),
    "extractor.run": Topic("log", ExtractorRun, "Your extractor is to look at the transcript."),
    "events.lagged": Topic("log", Lagged, "This subscription fell behind and has ended."),
    "events.dropped": Topic("log", Dropped, "Events of a stream topic were dropped here."),
    "daemon.notification_failed": Topic("log", FailedNotification, "A call without id failed."),
    "daemon.claim_changed": Topic("log", ClaimChange, "Another holds a role."),
    "daemon.recording_changed": Topic(
        "log", RecordingChange, "A recording began or ended.", since=2
    ),
    "daemon.stopping": Topic("log", Stopping, "The daemon has begun to stop."),
    "daemon.bye": Topic("log", Nothing, "The last event: the daemon closes the connection."),
}

OWN_TOPICS = frozenset(
    {
        *("tool.call", "tool.cancel", "extractor.run"),
        *("events.lagged", "events.dropped", "daemon.notification_failed", "daemon.bye"),
    }
)
"""Topics that concern one connection or subscription: sent to it unasked, never subscribed."""

RAW_STREAM = frozenset(
    name for name, t in TOPICS.items() if name.startswith("session.") and t.delivery != "stream"
)
"""What `subscribe` gives by default."""

SEMANTIC_STREAM = frozenset(
    name
    for name, t in TOPICS.items()
    if not name.startswith("session.") and t.delivery != "stream" and name not in OWN_TOPICS
)
"""What `events` gives by default."""


_NAMEABLE = tuple(name for name in TOPICS if name not in OWN_TOPICS)
_PATTERNS = tuple(sorted({name.partition(".")[0] + ".*" for name in _NAMEABLE}))


def match(patterns: Iterable[str]) -> frozenset[str]:
    """Return the topics that the patterns name: a topic, `prefix.*`, or `*`.

    A pattern with a star leaves out the `stream` class, which is sent only to those who name
    its topic. Raises `events.unknown_topic` for a pattern that names nothing.
    """
    matched: set[str] = set()
    for pattern in patterns:
        found = _matching(pattern)
        if not found:
            near = nearest(pattern, (*_NAMEABLE, *_PATTERNS))
            hint = (
                f"did you mean {near}?" if near else "name a topic, `live.*`, `session.*` or `*`."
            )
            raise LiveHandleError(
                "events.unknown_topic",
                f"No topic matches {pattern[:80]!r}: {hint}",
                param="topics",
                did_you_mean=near,
            )
        matched |= found
    return frozenset(matched)


def _matching(pattern: str) -> set[str]:
    if pattern in _NAMEABLE:
        return {pattern}
    if pattern != "*" and not pattern.endswith(".*"):
        return set()
    prefix = pattern[:-1]
    return {name for name in RAW_STREAM | SEMANTIC_STREAM if name.startswith(prefix)}
