"""Every method of the control socket, with its parameters and its result (section 4).

The order of a struct's fields is the order of positional parameters.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from livehandle_proto.values import Ended, Phase, Session, Value

MIN_LINE_BYTES = 65_536
"""No line to a client is this long unless the client raised the limit (section 2)."""

MAX_LINE_BYTES = 2**30
"""How far a client may raise it."""

MAX_TIMEOUT_MS = 2**31 - 1
"""The longest wait a call can ask for: some 24 days."""


class Params(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of what a method takes."""


class NoParams(Params, frozen=True):
    """The method takes nothing."""


class Hello(Params, frozen=True):
    """Says who calls, and how long a line it can read."""

    client: Annotated[str, Meta(max_length=200)] | None = None
    max_line_bytes: Annotated[int, Meta(ge=MIN_LINE_BYTES, le=MAX_LINE_BYTES)] | None = None


class Connect(Params, frozen=True):
    """Configuration for this session alone: the tree of section 9."""

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
    scheduling: Literal["INTERRUPT", "WHEN_IDLE", "SILENT"] | None = None
    will_continue: bool | None = None


class SendToolResponse(Params, frozen=True):
    """Answers to calls the model made; they travel in one frame."""

    responses: Annotated[list[ToolAnswer], Meta(min_length=1)]


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


class Limits(Value, frozen=True, kw_only=True):
    """What the daemon bounds, in bytes and numbers."""

    max_line_bytes: int
    """The longest line the daemon reads."""
    your_max_line_bytes: int
    """Lines to this connection are shorter than this."""
    max_batch: int
    ring_events: int
    client_buffer_bytes: int


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


class Status(Value, frozen=True, kw_only=True):
    """The daemon at a glance."""

    name: str
    version: str
    pid: int
    instance: str
    socket: str
    uptime_ms: int
    clients: int
    last_seq: int
    session: Session


class PhaseNow(Value, frozen=True, kw_only=True):
    """The session's phase."""

    phase: Phase


class Snapshot(Value, frozen=True, kw_only=True):
    """The state that a subscription starts from."""

    phase: Phase
    session: Session
    telemetry: dict[str, object]


class Subscribed(Value, frozen=True, kw_only=True):
    """A subscription, and the cursor that its events follow."""

    subscription: str
    cursor: str
    reset: bool = False
    """Set where `since` could not be honoured: take the snapshot, something was missed."""
    snapshot: Snapshot | None = None


class Method(NamedTuple):
    """What a caller needs to know of one method."""

    params: type[Params]
    result: object
    """A type, as annotations give it."""
    meaning: str


Tree = dict[str, object]

METHODS: Mapping[str, Method] = {
    "daemon.hello": Method(Hello, Daemon, "Who answers, at which level, with which limits."),
    "daemon.ping": Method(NoParams, None, "Answers null."),
    "daemon.status": Method(NoParams, Status, "The daemon at a glance."),
    "daemon.shutdown": Method(NoParams, None, "Stop the daemon, answering what is pending."),
    "connect": Method(Connect, Session, "Open a session; answers when it is set up."),
    "disconnect": Method(NoParams, None, "End the session; null when there is none."),
    "done": Method(Done, Ended, "Answers when the session has ended."),
    "phase": Method(NoParams, PhaseNow, "The session's phase."),
    "session": Method(NoParams, Session, "The session."),
    "session.config": Method(NoParams, Tree, "The effective configuration, secrets masked."),
    "send_audio": Method(SendAudio, None, "Send microphone audio."),
    "send_text": Method(SendText, None, "Send a typed turn."),
    "send_video": Method(SendVideo, None, "Send one picture."),
    "send_tool_response": Method(SendToolResponse, None, "Answer the model's calls."),
    "events": Method(Subscribe, Subscribed, "Subscribe, by default to the semantic events."),
    "subscribe": Method(Subscribe, Subscribed, "Subscribe, by default to the raw events."),
    "unsubscribe": Method(Unsubscribe, None, "End a subscription of this connection."),
    "telemetry": Method(NoParams, Tree, "All counters."),
}
