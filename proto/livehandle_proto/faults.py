"""Faults: what the emulator does wrong on purpose, and at which moment.

One `Fault` has the same fields in a scenario's `[[fault]]`, in a request to `/emulator/faults`,
in `daemon.fault`, and as options of the commands.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import Params, Value
from livehandle_proto.wrong_values import WrongValueError, converted

MAX_TIME_MS = 2**31 - 1
"""The longest time a fault can have: some 24 days."""

MAX_BYTES = 2**30
"""The longest message a fault can make."""

MAX_TEXT = 10_000
"""Characters of a reason or a body."""

_Text = Annotated[str, Meta(max_length=MAX_TEXT)]

FaultKind = Literal[
    "close",
    "abort",
    "go_away",
    "stall",
    "refuse",
    "half_open",
    "slow",
    "fragment",
    "oversize",
    "delay_pong",
    "garbage",
    "quota",
    "forget",
    "drop_message",
]
"""What happens."""

ClientKind = Literal[
    "setup",
    "client_content",
    "audio",
    "video",
    "text",
    "activity_start",
    "activity_end",
    "tool_response",
    "context_update",
]
"""What a message of the client carries."""

ServerKind = Literal[
    "setup_complete",
    "model_turn",
    "input_transcription",
    "output_transcription",
    "generation_complete",
    "turn_complete",
    "interrupted",
    "tool_call",
    "tool_call_cancellation",
    "resumption_update",
    "go_away",
    "usage",
]
"""What a message of the service carries; often several at once."""

FaultMoment = Literal["now", "upgrade", ClientKind, ServerKind]
"""The moment: now, an upgrade, or a message."""

FaultTiming = Literal["before", "after", "instead"]
"""Whether it happens before or after its moment, or instead of the message."""

Ms = Annotated[int, Meta(ge=0, le=MAX_TIME_MS)]
Bytes = Annotated[int, Meta(ge=1, le=MAX_BYTES)]


class Fault(Params, frozen=True, kw_only=True):
    """Something that goes wrong in the emulator, and when. Times are in milliseconds."""

    do: FaultKind
    at: FaultMoment = "now"
    when: FaultTiming = "after"
    skip: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    times: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    connection: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    after_ms: Ms = 0
    code: Annotated[int, Meta(ge=1000, le=4999)] = 1011
    reason: _Text = ""
    time_left_ms: Ms | None = None
    for_ms: Ms = 0
    pings: bool = True
    status: Annotated[int, Meta(ge=400, le=599)] = 503
    body: _Text = ""
    bytes_per_s: Bytes | None = None
    bytes: Bytes | None = None
    by_ms: Annotated[int, Meta(ge=1, le=MAX_TIME_MS)] | None = None

    @property
    def moment(self) -> FaultMoment:
        """`at`, and for `refuse` always an upgrade."""
        return "upgrade" if self.do == "refuse" else self.at


class FaultsAsked(Params, frozen=True):
    """Whether every fault is to end first: those that wait, and those that last."""

    clear: bool = False


class FaultList(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The faults that wait for their moment, `skip` and `times` as far as they are left."""

    faults: list[Fault]


MEANING: Mapping[str, str] = {
    "do": "what happens",
    "at": "now, upgrade, or what the message carries",
    "when": "before, after or instead of it",
    "skip": "how many such moments go by first",
    "times": "how often it happens; 0: always",
    "connection": "only on the emulator's nth connection, counted from 1",
    "after_ms": "how long after its moment it happens",
    "code": "of close: the close code",
    "reason": "of close: the reason, cut to the 123 bytes that fit",
    "time_left_ms": "of go_away: the time left; without it, none is told",
    "for_ms": "of stall and half_open: how long; 0: for good",
    "pings": "of stall: whether pings are still answered",
    "status": "of refuse: the HTTP status",
    "body": "of refuse: the body of the answer",
    "bytes_per_s": "of slow: bytes sent a second",
    "bytes": "of fragment: the most in a frame; of oversize: the message's length",
    "by_ms": "of delay_pong: how late pongs are",
}
"""Each field, in a few words."""

OWN_FIELDS: Mapping[FaultKind, tuple[str, ...]] = {
    "close": ("code", "reason"),
    "go_away": ("time_left_ms",),
    "stall": ("for_ms", "pings"),
    "refuse": ("status", "body"),
    "half_open": ("for_ms",),
    "slow": ("bytes_per_s",),
    "fragment": ("bytes",),
    "oversize": ("bytes",),
    "delay_pong": ("by_ms",),
}
"""The fields that belong to what happens; the others are for any fault."""

_NEEDED = ("bytes_per_s", "bytes", "by_ms")
_ALL_OWN = {name for names in OWN_FIELDS.values() for name in names}
_BEFORE_UPGRADE = ("refuse", "quota", "abort", "stall", "half_open", "forget")
_NEVER_SENT = (1004, 1005, 1006, 1015)
_LAST_CODE_OF_THE_PROTOCOL = 1014
_FIRST_CODE_OF_OTHERS = 3000


def fault_in(tree: object) -> Fault:
    """Return the fault in a table of plain values.

    Raises `config.invalid` that names the field, what it must be, and a near name.
    """
    try:
        return fault_from(tree)
    except WrongValueError as wrong:
        raise _invalid(wrong) from wrong


def check(fault: Fault) -> None:
    """Check what one field demands of another. Raises `config.invalid` that names the field."""
    if wrong := _wrong(fault):
        raise _invalid(wrong)


def fault_from(tree: object) -> Fault:
    """Do as `fault_in` for whoever has words of their own. Raises `WrongValueError`."""
    fault = converted(tree, Fault)
    if wrong := _wrong(fault):
        raise wrong
    return fault


def fields_given(fault: Fault) -> list[str]:
    """Return the fields that differ from their defaults, `do` among them."""
    # Not what msgspec would leave out: it takes two numbers of the same value for different.
    return [name for name in fault.__struct_fields__ if getattr(fault, name) != _DEFAULTS[name]]


_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Fault)}
"""What each field is without being given; of `do`, what no value equals."""


def _wrong(fault: Fault) -> WrongValueError | None:
    problem = _problem_of_fields(fault) or _problem_of_code(fault.code)
    problem = problem or _problem_of_moment(fault)
    return WrongValueError(*problem) if problem else None


def _problem_of_fields(fault: Fault) -> tuple[str, str] | None:
    own = OWN_FIELDS.get(fault.do, ())
    for name in fields_given(fault):
        if name in _ALL_OWN and name not in own:
            owners = " and ".join(do for do, names in OWN_FIELDS.items() if name in names)
            return name, f"{fault.do} has none, it belongs to {owners}: leave it out"
    for name in own:
        if name in _NEEDED and getattr(fault, name) is None:
            return name, f"{fault.do} needs it"
    return None


def _problem_of_code(code: int) -> tuple[str, str] | None:
    if code in _NEVER_SENT:
        return "code", f"{code} stands in no close frame; for a 1006, do abort"
    if _LAST_CODE_OF_THE_PROTOCOL < code < _FIRST_CODE_OF_OTHERS:
        return "code", "it must be one of 1000 to 1014 or 3000 to 4999"
    return None


def _problem_of_moment(fault: Fault) -> tuple[str, str] | None:
    moment = fault.moment
    if fault.do == "refuse" and fault.at not in ("now", "upgrade"):
        return "at", "refuse answers an upgrade: leave it out"
    if fault.do == "drop_message" and moment in ("now", "upgrade"):
        return "at", "drop_message needs the kind of a message"
    if fault.do == "go_away" == moment:
        return "at", "a go-away at every go-away would have no end: give another moment"
    if moment == "upgrade" and fault.when != "after" and fault.do not in _BEFORE_UPGRADE:
        return "when", f"{fault.do} can only come after the upgrade"
    return _problem_of_now(fault) if moment == "now" else None


def _problem_of_now(fault: Fault) -> tuple[str, str] | None:
    if fault.do == "forget" and fault.after_ms:
        return "after_ms", "forget happens at once: leave it out, or give the kind of a message"
    for name in ("when", "skip", "times"):
        if name in fields_given(fault):
            return name, "what happens now happens once: leave it out, or give a moment in at"
    return None


def _invalid(wrong: WrongValueError) -> LiveHandleError:
    named = f"Correct {wrong.path} of the fault" if wrong.path else "Correct the fault"
    return LiveHandleError(
        "config.invalid",
        f"{named}: {wrong.words}{'?' if wrong.near else '.'}",
        param=wrong.path or None,
        did_you_mean=wrong.near,
    )


CLIENT_KINDS: frozenset[str] = frozenset(get_args(ClientKind))
"""The kinds of a client's messages, as a set."""
