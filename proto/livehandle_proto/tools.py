"""Tools that client processes carry out (section 6): what is registered, called and answered."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct

from livehandle_proto.values import Params, Value

MAX_TOOL_TIMEOUT_MS = 24 * 3_600_000
"""The longest a tool may take: a day."""

MAX_FUNCTIONS = 512
"""The most functions a session takes (wire 2.1)."""

MAX_DECLARED_BYTES = 2**20
"""The most that all declarations together may take, as JSON: every setup carries them."""

Scheduling = Literal["INTERRUPT", "WHEN_IDLE", "SILENT"]
"""When the model speaks of a result that it did not wait for (wire 2.4)."""

Behaviour = Literal["BLOCKING", "NON_BLOCKING"]
"""Whether the model waits for a function's result (wire 2.1.3)."""


NAME_IN_WORDS = "1 to 128 letters, digits and _ . : -, the first a letter or _"
"""What the name of a function must be."""


class ToolDeclaration(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A function that the model may call, as the Live API has it."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]{0,127}(?![\s\S])")]
    description: str | None = None
    """When and what for the model is to call it."""
    parameters: dict[str, object] | None = None
    """Schema of its arguments: an OpenAPI-style subset (wire 2.1.3)."""
    response: dict[str, object] | None = None
    """Schema of its result."""
    behavior: Behaviour | None = None
    """Whether the model waits for the result; without it, as the model does by itself."""


class ToolsRegister(Params, frozen=True):
    """Functions that this connection carries out.

    `registration` takes over one of an earlier connection, with the calls that wait for it, and
    with its declarations and its timeout where none are given. `timeout_ms` is how long a call
    may take. `reconnect` renews the connection to the model where nothing else tells it of the
    tools.
    """

    # Each is read by itself, so that what is wrong in it is said as `tools.bad_declaration`.
    declarations: list[object] | None = None
    timeout_ms: Annotated[int, Meta(ge=1, le=MAX_TOOL_TIMEOUT_MS)] | None = None
    registration: str | None = None
    reconnect: bool = False


class ToolsUnregister(Params, frozen=True):
    """The registration to end; without it, all of this connection.

    `reconnect` renews the connection to the model where nothing else tells it.
    """

    registration: str | None = None
    reconnect: bool = False


class ToolsRespond(Params, frozen=True):
    """The answer to a `tool.call`: either its result or why there is none.

    A result that is no object goes to the model as `{"output": result}` (B19), an error as
    `{"error": error}`.
    """

    call_id: str
    result: object = UNSET
    error: Annotated[str, Meta(min_length=1)] | None = None
    scheduling: Scheduling | None = None


Declared = Literal["now", "connect", "rotation", "reconnect"]
"""When the model knows of the tools: now; once there is a session; with the next connection of
the session, at the latest within the hour; or with one that is made at the next pause."""


class ToolsRegistered(Value, frozen=True, kw_only=True):
    """A registration: keep its token, to take over with another connection."""

    registration: str
    declared: Declared


class ToolsUnregistered(Value, frozen=True, kw_only=True):
    """When the model no longer knows of the tools. Calls of them are refused at once."""

    declared: Declared


class ToolInfo(Value, frozen=True, kw_only=True, omit_defaults=False):
    """A function that the model may call, and who carries it out."""

    name: str
    description: str | None
    client: str | None
    """What the client calls itself; None where nobody has registered it, and the answer is
    to come by `send_tool_response`."""
    connection: str | None
    """The client's connection; None in the time that a client that has gone has to come back."""
    timeout_ms: int | None
    pending: int
    """Calls that wait for the client."""
    declared: bool
    """Whether the model knows of it as it stands."""


class ToolList(Value, frozen=True, kw_only=True):
    """All functions, those of `session.setup` first, then in the order of registration."""

    tools: list[ToolInfo]


class ToolCall(Value, frozen=True, kw_only=True):
    """Asks a client to carry out a call of the model (section 6)."""

    call_id: str
    registration: str
    name: str
    args: dict[str, object]
    deadline_ms: int
    """Milliseconds until the model is told that there is no answer."""


CancelReason = Literal["cancelled", "timeout", "answered", "taken_over"]
"""Why a call need not be carried out: the model does not want it, the session is over, or its
function is registered no more; it took too long; it was answered by `send_tool_response`; another
connection carries it out."""


class ToolCancel(Value, frozen=True, kw_only=True):
    """A call that the client need not carry out any more."""

    call_id: str
    reason: CancelReason
