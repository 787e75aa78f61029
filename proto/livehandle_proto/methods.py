"""Every method of the control socket, with its parameters and its result (section 4).

The order of a struct's fields is the order of positional parameters.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from livehandle_proto.extractors import ExtractorInfo, ExtractorSpec, Respond
from livehandle_proto.faults import Fault, FaultList, FaultsAsked
from livehandle_proto.recordings import Recording, Recordings, RecordingStart
from livehandle_proto.roles import Claim, Claims, Release, Role
from livehandle_proto.states import MutationsSince, StateKeys, StateValue
from livehandle_proto.tools import (
    Scheduling,
    ToolList,
    ToolsRegister,
    ToolsRegistered,
    ToolsRespond,
    ToolsUnregister,
    ToolsUnregistered,
)
from livehandle_proto.transcripts import Transcript
from livehandle_proto.values import (
    Ended,
    FunctionCall,
    InputVadState,
    Params,
    PendingContext,
    Phase,
    Session,
    Value,
    VoiceState,
    Writer,
)

MIN_LINE_BYTES = 65_536
"""No line to a client is this long unless the client raised the limit (section 2)."""

MAX_LINE_BYTES = 2**30
"""How far a client may raise it."""

MAX_TIMEOUT_MS = 2**31 - 1
"""The longest wait a call can ask for: some 24 days."""


class NoParams(Params, frozen=True):
    """The method takes nothing."""


class Hello(Params, frozen=True):
    """Says who calls, and how long a line it can read."""

    client: Annotated[str, Meta(max_length=64)] | None = None
    max_line_bytes: Annotated[int, Meta(ge=MIN_LINE_BYTES, le=MAX_LINE_BYTES)] | None = None


class Connect(Params, frozen=True):
    """Configuration for this session alone, by section and key as in the configuration file."""

    config: dict[str, object] = {}


class Done(Params, frozen=True):
    """How long to wait, in milliseconds; without it, for as long as it takes."""

    timeout_ms: Annotated[int, Meta(ge=0, le=MAX_TIMEOUT_MS)] | None = None


class SendAudio(Params, frozen=True):
    """Base64 of PCM: 16-bit little-endian, mono, 16 kHz."""

    data: str


class SendText(Params, frozen=True):
    """One typed turn."""

    text: str


class SendVideo(Params, frozen=True):
    """Base64 of one JPEG picture."""

    data: str


class ToolAnswer(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The answer to one call. What is no object travels as `{"output": response}` (B19)."""

    id: str
    name: str
    response: object
    scheduling: Scheduling | None = None
    will_continue: bool | None = None


class SendToolResponse(Params, frozen=True):
    """Answers to calls the model made; they travel in one frame."""

    responses: Annotated[list[ToolAnswer], Meta(min_length=1)]


class UpdateInstruction(Params, frozen=True):
    """The instruction that replaces the one the session has."""

    instruction: str


class ContentTurn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One turn of the history: parts as the Live API has them, names in either spelling."""

    role: Literal["user", "model"]
    parts: Annotated[list[dict[str, object]], Meta(min_length=1)]


class SendClientContent(Params, frozen=True):
    """Turns for the model's history; with `turn_complete` it speaks now."""

    turns: list[ContentTurn]
    turn_complete: bool


class QueueContext(Params, frozen=True):
    """Context for the model: whole turns, or one turn of text by `role`; and whether to prompt.

    At least one of `turns`, `text` and `prompt` is given.
    """

    turns: list[ContentTurn] = []
    text: str | None = None
    role: Literal["user", "model"] = "model"
    prompt: bool = False


class WaitForPhase(Params, frozen=True):
    """The phase to wait for, and how long in milliseconds; without it, for as long as it takes."""

    phase: Phase
    timeout_ms: Annotated[int, Meta(ge=0, le=MAX_TIMEOUT_MS)] | None = None


class TranscriptWindow(Params, frozen=True):
    """How many finished turns, at most; without it, all that are kept."""

    turns: Annotated[int, Meta(ge=0)] | None = None


class StateKey(Params, frozen=True):
    """A key of the shared state."""

    key: str


class StateEntry(Params, frozen=True):
    """A key of the shared state, and a JSON value for it."""

    key: str
    value: object


class StatePrefix(Params, frozen=True):
    """The beginning of the keys that are meant."""

    prefix: str


class StateKeysAsked(Params, frozen=True):
    """The beginning of the keys that are meant; empty: all."""

    prefix: str = ""


class StateCursor(Params, frozen=True):
    """A cursor of `state.mutations_since`; 0 is before the first mutation."""

    cursor: Annotated[int, Meta(ge=0)]


class ExtractorName(Params, frozen=True):
    """An extractor, by its name."""

    name: str


class Subscribe(Params, frozen=True):
    """Which topics, from which cursor on, and whether with a snapshot.

    What came after `since` is replayed, so a snapshot comes with it only where it cannot be.
    """

    topics: Annotated[list[str], Meta(min_length=1)] | None = None
    since: str | None = None
    snapshot: bool = False


class Unsubscribe(Params, frozen=True):
    """The subscription to end."""

    subscription: str


class Client(Value, frozen=True, kw_only=True, omit_defaults=False):
    """A connection: whose it is, what it does, what waits for it, and what it has missed."""

    connection: str
    """Its id in this daemon, as the log has it."""
    client: str
    """What it calls itself in `daemon.hello`."""
    pid: int
    uid: int
    roles: list[Role]
    tools: int
    """Functions it has registered."""
    subscriptions: int
    pending: int
    """Calls that it waits for."""
    queued_lines: int
    queued_bytes: int
    """Of events."""
    lag_ms: int
    """Time since it last had read everything; 0 if it has."""
    dropped: int
    """Events of the stream class, since it connected."""
    lagged: int
    """Subscriptions that fell behind and were ended."""


class Limits(Value, frozen=True, kw_only=True):
    """What the daemon bounds, in bytes and numbers."""

    max_line_bytes: int
    """The longest line the daemon reads."""
    your_max_line_bytes: int
    """Lines to this connection are shorter than this."""
    max_batch: int
    """Requests in one line."""
    ring_events: int
    ring_bytes: int
    client_buffer_bytes: int
    pending_calls: int
    """Calls of one connection that wait for their answers."""
    subscriptions: int
    """Of one connection."""
    turn_requests: int
    """Requests of one connection that are begun before the others have their turn."""
    turn_ms: float
    max_clients: int
    max_clients_per_uid: int


class Daemon(Value, frozen=True, kw_only=True):
    """Who answers, and what it can do."""

    name: str
    version: str
    api_level: int
    api_compatible: int
    """The oldest level whose clients still work."""
    instance: str
    """Random at each start of the daemon; the first part of every cursor."""
    capabilities: list[str]
    limits: Limits
    session: Session


class Reloaded(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The keys whose values have changed, by when that counts."""

    applied: list[str]
    """At once; limits of a connection for those who connect from now on."""
    at_connect: list[str]
    """With the next session."""
    at_restart: list[str]
    """With the next start of the daemon: until then they keep their value."""


class Metrics(Value, frozen=True, kw_only=True):
    """What the daemon measures, as Prometheus reads it."""

    exposition: str
    """Prometheus' text format, version 0.0.4."""


class Status(Value, frozen=True, kw_only=True):
    """The daemon at a glance."""

    name: str
    version: str
    pid: int
    instance: str
    socket: str
    config_file: str
    """Where the configuration is read from, if there is such a file. From level 2 on."""
    uptime_ms: int
    clients: list[Client]
    last_seq: int
    session: Session
    snapshot_failure: str | None = None
    """Why the session cannot be kept for a restart just now. From level 2 on."""


class PhaseNow(Value, frozen=True, kw_only=True):
    """The session's phase."""

    phase: Phase


class Extractors(Value, frozen=True, kw_only=True):
    """All extractors, in the order of registration."""

    extractors: list[ExtractorInfo]


class ResumeHandle(Value, frozen=True, kw_only=True, omit_defaults=False):
    """Whether the service has given a handle to resume with. A secret: it is not told itself."""

    present: bool
    resumable: bool
    """Whether the session can be resumed from where it stands now."""


class Snapshot(Value, frozen=True, kw_only=True):
    """The state that a subscription starts from."""

    phase: Phase
    session: Session
    voice_state: VoiceState
    input_vad_state: InputVadState
    state: dict[str, object]
    transcript: Transcript
    pending_tools: list[FunctionCall]
    """Calls the model waits for."""
    claims: Claims
    telemetry: dict[str, object]


class Subscribed(Value, frozen=True, kw_only=True):
    """A subscription, and the cursor that its events follow."""

    subscription: str
    cursor: str
    reset: bool = False
    """Set where `since` could not be honoured: take the snapshot, something was missed."""
    snapshot: Snapshot | None = None


COMMON_ERRORS = (
    *("wire.parse_error", "wire.invalid_request", "wire.method_not_found", "wire.invalid_params"),
    *("wire.internal", "wire.too_long", "wire.result_too_large", "wire.too_many_pending"),
    *("wire.closed", "daemon.stopping", "daemon.forbidden", "daemon.too_many_clients"),
)
"""What every method can answer, whatever it does."""


class Method(NamedTuple):
    """What a caller needs to know of one method."""

    params: type[Params]
    result: object
    """A type, as annotations give it."""
    meaning: str
    errors: Sequence[str] = ()
    """The names of what it can answer: in `METHODS` those of every method come first."""
    since: int = 1
    """The API level that it came with."""


Tree = dict[str, object]

_SETUP = (
    *("session.setup_failed", "session.ended", "session.timeout", "auth.missing_key"),
    *("auth.rejected", "upstream.rejected", "upstream.quota", "upstream.model_not_found"),
    "upstream.unreachable",
)
"""Why a session that is being set up cannot be used."""

_THERE = ("session.not_connected", *_SETUP)
"""Of what needs a session and opens none."""

_OPENED = (
    *_THERE,
    *("upstream.unsupported", "config.invalid", "extraction.name_taken", "extraction.too_many"),
)
"""Of what opens the session, where it is the first to send."""

_SENT = (*_OPENED, "session.queue_full")
_AUDIO = ("audio.bad_base64", "audio.empty", "audio.misaligned", "roles.claimed", *_SENT)
_VIDEO = ("video.not_jpeg", *_SENT)
_TEXT = ("text.empty", *_SENT)
_ANSWERED = ("tools.unknown_call", "session.queue_full", *_THERE)
_PLAYED = ("roles.claimed", "session.queue_full", *_THERE)
_SUBSCRIBED = ("events.unknown_topic", "events.bad_cursor", "events.too_many")


def _sends(prefix: str, how: str) -> Mapping[str, Method]:
    """Return the sends of a writer: the user-facing one, or the session itself."""
    return {
        f"{prefix}.send_audio": Method(SendAudio, None, f"Send audio unheard, {how}.", _AUDIO),
        f"{prefix}.send_text": Method(SendText, None, f"Send a typed turn, {how}.", _TEXT),
        f"{prefix}.send_video": Method(SendVideo, None, f"Send one picture, {how}.", _VIDEO),
        f"{prefix}.send_tool_response": Method(
            SendToolResponse, None, "Answer the model's calls.", _ANSWERED
        ),
        f"{prefix}.send_client_content": Method(
            SendClientContent, None, "Add to the history.", _SENT
        ),
        f"{prefix}.update_instruction": Method(
            UpdateInstruction, None, "Give the model another instruction.", _TEXT
        ),
        f"{prefix}.signal_activity_start": Method(
            NoParams, None, "Mark speech that begins; nothing where the service detects it.", _SENT
        ),
        f"{prefix}.signal_activity_end": Method(
            NoParams, None, "Mark speech that ends; nothing where the service detects it.", _SENT
        ),
        f"{prefix}.disconnect": Method(NoParams, None, "End the session."),
    }


_METHODS: Mapping[str, Method] = {
    "rpc.discover": Method(NoParams, Tree, "The OpenRPC document of all this."),
    "daemon.hello": Method(Hello, Daemon, "Who answers, at which level, with which limits."),
    "daemon.ping": Method(NoParams, None, "Answers null."),
    "daemon.status": Method(NoParams, Status, "The daemon at a glance."),
    "daemon.reload": Method(
        NoParams,
        Reloaded,
        "Read the configuration again, all of it or nothing.",
        ("config.invalid",),
        since=2,
    ),
    "daemon.shutdown": Method(NoParams, None, "Stop the daemon, answering what is pending."),
    "daemon.fault": Method(
        Fault,
        None,
        "Let something go wrong in the built-in emulator.",
        ("upstream.unsupported", "config.invalid", "session.not_connected"),
    ),
    "daemon.faults": Method(
        FaultsAsked, FaultList, "The faults that wait, or end them all.", ("upstream.unsupported",)
    ),
    "connect": Method(
        Connect,
        Session,
        "Open a session, or try again now; answers when set up.",
        ("session.already_connected", *_SENT),
    ),
    "disconnect": Method(NoParams, None, "End the session; null when there is none."),
    "done": Method(
        Done,
        Ended,
        "Answers when the session has ended.",
        ("session.not_connected", "session.timeout"),
    ),
    "phase": Method(NoParams, PhaseNow, "The session's phase."),
    "session": Method(NoParams, Session, "The session."),
    "session.config": Method(NoParams, Tree, "The effective configuration, secrets masked."),
    "send_audio": Method(SendAudio, None, "Send microphone audio.", _AUDIO),
    "send_text": Method(SendText, None, "Send a typed turn.", _TEXT),
    "send_video": Method(SendVideo, None, "Send one picture.", _VIDEO),
    "send_tool_response": Method(SendToolResponse, None, "Answer the model's calls.", _ANSWERED),
    "update_instruction": Method(
        UpdateInstruction, None, "Give the model another instruction.", _TEXT
    ),
    "playback_drained": Method(NoParams, None, "Everything of the model has been played.", _PLAYED),
    "user_speech_started": Method(NoParams, None, "The user began to speak.", _SENT),
    "user_speech_ended": Method(
        NoParams, None, "The user stopped speaking.", (*_THERE, "session.queue_full")
    ),
    "flush_deferred_prompt": Method(NoParams, None, "The same as playback_drained.", _PLAYED),
    "voice_state": Method(NoParams, VoiceState, "Who speaks, and what waits for that."),
    "input_vad_state": Method(NoParams, InputVadState, "The voice activity detector."),
    "queue_context": Method(QueueContext, None, "Tell the model more, by context.delivery.", _TEXT),
    "pending_context": Method(NoParams, PendingContext, "The context that waits."),
    "writer": Method(NoParams, Writer, "The user-facing writer."),
    **_sends("writer", "context that waits goes first"),
    **_sends("session", "past the context that waits"),
    "session.wait_for_phase": Method(
        WaitForPhase, PhaseNow, "Answers when the phase is reached.", ("session.timeout",)
    ),
    "session.resume_handle": Method(NoParams, ResumeHandle, "Whether a resumption handle is kept."),
    "transcript": Method(TranscriptWindow, Transcript, "Finished turns and the open one."),
    "state": Method(NoParams, Tree, "The whole shared state."),
    "state.get": Method(StateKey, StateValue, "The value of a key.", ("state.bad_key",)),
    "state.set": Method(
        StateEntry,
        None,
        "Set a key; all but `app:` and `user:` keys end with the session.",
        ("state.bad_key", "state.bad_value", "state.full"),
    ),
    "state.remove": Method(
        StateKey, StateValue, "Remove a key; answers what it held.", ("state.bad_key",)
    ),
    "state.keys": Method(StateKeysAsked, StateKeys, "The keys with a prefix."),
    "state.clear_prefix": Method(
        StatePrefix, None, "Remove all keys with a prefix.", ("state.bad_key",)
    ),
    "state.forget": Method(
        NoParams,
        None,
        "Forget the last session and the state, on disk too; while none is open.",
        ("session.already_connected",),
        since=2,
    ),
    "state.mutations_since": Method(StateCursor, MutationsSince, "The journal after a cursor."),
    "extracted": Method(
        ExtractorName, object, "The latest result of an extractor, or null.", ("state.bad_key",)
    ),
    "extractors.register": Method(
        ExtractorSpec,
        None,
        "Add an extractor.",
        (
            *("extraction.bad_spec", "extraction.name_taken", "extraction.too_many"),
            "config.invalid",
        ),
    ),
    "extractors.unregister": Method(
        ExtractorName, None, "Remove an extractor.", ("extraction.unknown",)
    ),
    "extractors.list": Method(NoParams, Extractors, "All extractors."),
    "extractors.respond": Method(
        Respond, None, "Answer an extractor.run event.", ("extraction.unknown_run",)
    ),
    "tools.register": Method(
        ToolsRegister,
        ToolsRegistered,
        "Carry out functions of the model.",
        (
            *("tools.bad_declaration", "tools.name_taken", "tools.unknown_registration"),
            "upstream.unsupported",
        ),
    ),
    "tools.unregister": Method(
        ToolsUnregister,
        ToolsUnregistered,
        "Carry them out no more.",
        ("tools.unknown_registration",),
    ),
    "tools.list": Method(NoParams, ToolList, "All functions, and who carries them out."),
    "tools.respond": Method(
        ToolsRespond,
        None,
        "Answer a tool.call event.",
        ("tools.unknown_call", "tools.call_expired"),
    ),
    "claim": Method(
        Claim, Claims, "Hold a role, until release or the connection's end.", ("roles.claimed",)
    ),
    "release": Method(Release, None, "Give up a role.", ("roles.not_held",)),
    "claims": Method(NoParams, Claims, "Who holds each role."),
    "events": Method(
        Subscribe, Subscribed, "Subscribe, by default to the semantic events.", _SUBSCRIBED
    ),
    "subscribe": Method(
        Subscribe, Subscribed, "Subscribe, by default to the raw events.", _SUBSCRIBED
    ),
    "unsubscribe": Method(
        Unsubscribe,
        None,
        "End a subscription of this connection.",
        ("events.unknown_subscription",),
    ),
    "telemetry": Method(NoParams, Tree, "All counters."),
    "metrics": Method(NoParams, Metrics, "All metrics as Prometheus reads them.", since=2),
    "recording": Method(NoParams, Recording | None, "The recording that runs, or null.", since=2),
    "recording.list": Method(
        NoParams, Recordings, "The recordings that are kept.", ("recording.failed",), since=2
    ),
    "recording.start": Method(
        RecordingStart,
        Recording,
        "Record the wire and the sound, on the daemon's disk.",
        ("recording.running", "recording.failed"),
        since=2,
    ),
    "recording.stop": Method(
        NoParams,
        Recording,
        "End the recording; answers when it is on disk.",
        ("recording.not_running", "recording.failed"),
        since=2,
    ),
}

METHODS: Mapping[str, Method] = {
    name: method._replace(errors=(*COMMON_ERRORS, *method.errors))
    for name, method in _METHODS.items()
}
"""Every method, by name."""
