"""Values that methods and events share."""

from typing import Literal, get_args

from msgspec import Struct

Phase = Literal[
    "disconnected",
    "connecting",
    "setup_sent",
    "active",
    "user_speaking",
    "model_speaking",
    "interrupted",
    "tool_call_pending",
    "tool_call_executing",
    "disconnecting",
]
"""Where the session's connection stands (A22)."""

PHASES: tuple[Phase, ...] = get_args(Phase)
"""All of them."""


class Value(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what the daemon answers and tells. Fields that are unset are left out."""


class Params(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of what a method takes."""


class FunctionCall(Value, frozen=True, kw_only=True):
    """A call the model makes. Where Vertex gave no `id` it is one of the daemon's: `~…`."""

    id: str
    name: str
    args: dict[str, object]


class VoiceState(Value, frozen=True, kw_only=True, omit_defaults=False):
    """Who speaks, and what waits for that (C1)."""

    user_speaking: bool
    playback_active: bool
    """The model's speech is being played, as far as the daemon knows."""
    prompt_pending: bool
    """Whether a prompt was armed when a voice was last reported on; `writer` tells it as of now."""
    prompt_epoch: int
    """How often speech began over a pending prompt."""
    last_barge_in_ms_ago: int | None
    last_playback_drained_ms_ago: int | None


class InputVadState(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The voice activity detector of the microphone (F2)."""

    backend: str
    """`energy-zcr`, `silero`, or `off`."""
    sample_rate: int
    frame_duration_ms: int
    frame_size: int
    """Samples in a frame."""
    state: Literal["silence", "pending_speech", "speech", "hangover"]
    speaking: bool
    """In speech or in hangover."""
    last_probability: float | None
    """That the last frame was speech; 0.0 or 1.0 by energy. None before the first."""
    frames_processed: int
    last_transition_ms_ago: int | None
    """Since speech last began or ended; None before it did."""


class Writer(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The user-facing writer."""

    kind: Literal["deferred", "direct"]
    pending_context: int
    """Turns that wait to be sent before the next audio, text or picture."""
    prompt_armed: bool


class PendingContext(Value, frozen=True, kw_only=True, omit_defaults=False):
    """Context that waits, oldest first, and whether a prompt follows it."""

    turns: list[dict[str, object]]
    prompt_armed: bool


class Close(Value, frozen=True, kw_only=True):
    """How a connection ended: the WebSocket close code and the service's words, verbatim."""

    code: int | None = None
    reason: str | None = None


ConnectionState = Literal[
    "connecting", "handshaking", "ready", "draining", "reconnecting", "failed"
]
"""Of the session's connection: `draining` is ready and about to be given up for another,
`reconnecting` between two, `failed` after the last."""


class Connection(Value, frozen=True, kw_only=True):
    """The session's connection. From its loss until the next is set up it says what is tried."""

    state: ConnectionState
    generation: int
    """Connections that were set up, by this daemon: the first is 1."""
    url: str
    """Without query: never a key."""
    attempt: int | None = None
    retry_in_ms: int | None = None
    """Until the attempt, 0 while it runs; `connect` makes it at once."""
    cause: str | None = None
    """Why the last connection ended, or could not be set up."""


class Session(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The session as `session` and `connect` show it."""

    session_id: str | None
    phase: Phase
    backend: str
    model: str
    connected_ms: int | None
    """Milliseconds since the session was set up; None before."""
    connection: Connection | None
    resumable: bool
    reconnects: int
    """How often the session went on with another connection."""
    current_turn: int | None
    """The open turn's number, from 0; None between turns."""
    turns: int
    """Turns completed."""
    last_close: Close | None


class Ended(Value, frozen=True, kw_only=True):
    """Why a session ended."""

    reason: Literal["disconnected", "closed", "failed", "stopped"]
    """`disconnected` by a client, `closed` by the service for good, `failed` to open, or `stopped`
    with the daemon."""
    code: int | None = None
    """The WebSocket close code, where there was one."""
    message: str | None = None


class ErrorObject(Value, frozen=True, kw_only=True):
    """A JSON-RPC error object inside an event."""

    code: int
    message: str
    data: dict[str, object]
