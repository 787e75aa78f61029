"""What every method is given that it must refuse, and what it must take: a table of rows.

Here are the rows that follow from the types: wrong type, missing, unknown and misspelt names,
values out of range, unknown choices. They are derived from the catalogue; those that follow from
the meaning are written by hand in `bad_meaning`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Literal, NamedTuple

from msgspec import inspect

from livehandle_proto.methods import METHODS

Kind = Literal[
    "wrong type",
    "missing",
    "extra",
    "near name",
    "unknown choice",
    "near choice",
    "out of range",
    "empty",
    "huge",
    "meaning",
    "legal",
]

Json = dict[str, object]

MEGABYTE = 2**20
BIG = "x" * MEGABYTE
MANY = 10_000
ODD_NAME = "no_such_parameter"
TAKEN = "Taken"
"""An extractor that the connection has registered, and a tool."""
OTHERS = "Others"
"""An extractor that somebody else has, and a tool."""
SUBSCRIPTION = "e1"
"""A subscription of the connection."""
CALL = "c1"
"""A call that the model waits for."""


UNREADABLE = "unreadable"
"""Stands for `wire.parse_error` or `wire.invalid_params`, by how far the line could be read."""


class Row(NamedTuple):
    """One call. `error` is None where it is accepted."""

    method: str
    kind: Kind
    about: str
    """The parameter that the row is for; empty for the method as a whole."""
    params: object
    """As JSON, or its text."""
    error: str | None = "wire.invalid_params"
    param: str | None = None
    did_you_mean: str | None = None
    idle: bool = False
    """Whether to call it where no session is open."""

    @property
    def text(self) -> bytes:
        """The parameters as JSON text."""
        return self.params if isinstance(self.params, bytes) else json.dumps(self.params).encode()

    def __str__(self) -> str:
        said = self.text[:60].decode(errors="replace")
        return f"{self.method} {self.kind} {said}{' idle' if self.idle else ''}"


TURN: Json = {"role": "user", "parts": [{"text": "hi"}]}
ANSWER: Json = {"id": CALL, "name": "f", "response": {"a": 1}}
SPEC: Json = {
    "name": "Order",
    "kind": "regex",
    "patterns": {"item": "latte"},
    "promote": [{"field": "item"}],
}

_SENDS: Mapping[str, Json] = {
    "send_audio": {"data": "AAA="},
    "send_text": {"text": "hi"},
    "send_video": {"data": "/9j/"},
    "send_tool_response": {"responses": [ANSWER]},
    "update_instruction": {"instruction": "Be brief."},
    "send_client_content": {"turns": [TURN], "turn_complete": False},
    "signal_activity_start": {},
    "signal_activity_end": {},
    "disconnect": {},
}

GOOD: Mapping[str, Json] = {
    **{name: {} for name in ("daemon.ping", "daemon.status", "daemon.reload", "daemon.shutdown")},
    "disconnect": {},
    **{name: {} for name in ("phase", "session", "session.config", "voice_state")},
    **{name: {} for name in ("playback_drained", "user_speech_started", "user_speech_ended")},
    **{name: {} for name in ("flush_deferred_prompt", "input_vad_state", "pending_context")},
    **{name: {} for name in ("writer", "session.resume_handle", "state", "telemetry")},
    **{name: {} for name in ("metrics", "state.forget")},
    **{name: params for name, params in _SENDS.items() if name in METHODS},
    **{f"writer.{name}": params for name, params in _SENDS.items()},
    **{f"session.{name}": params for name, params in _SENDS.items()},
    "rpc.discover": {},
    "daemon.hello": {},
    "daemon.fault": {"do": "close", "at": "turn_complete"},
    "daemon.faults": {},
    "connect": {},
    "done": {"timeout_ms": 0},
    "queue_context": {"turns": [TURN]},
    "session.wait_for_phase": {"phase": "tool_call_executing"},
    "transcript": {},
    "state.get": {"key": "app:theme"},
    "state.set": {"key": "app:theme", "value": 1},
    "state.remove": {"key": "app:theme"},
    "state.keys": {},
    "state.clear_prefix": {"prefix": "app:"},
    "state.mutations_since": {"cursor": 0},
    "extracted": {"name": "Order"},
    "extractors.register": SPEC,
    "extractors.unregister": {"name": TAKEN},
    "extractors.list": {},
    "extractors.respond": {"run_id": "r-1", "value": None},
    "tools.register": {"declarations": [{"name": "new"}]},
    "tools.unregister": {},
    "tools.list": {},
    "tools.respond": {"call_id": "t-1", "result": 1},
    "claim": {"role": "mic"},
    "release": {"role": "speaker"},
    "claims": {},
    **{name: {} for name in ("recording", "recording.list", "recording.stop")},
    "recording.start": {"name": "call"},
    "events": {},
    "subscribe": {},
    "unsubscribe": {"subscription": SUBSCRIPTION},
}
"""Parameters of the right form for each method."""

_NOT_ACCEPTED = {
    *("rpc.discover", "connect", "state.forget", "done", "extractors.respond", "tools.respond"),
    *("recording.list", "recording.start", "recording.stop"),
}
"""Methods that refuse even these, for their meaning, while a session is open or lines are short."""


def from_types() -> list[Row]:
    """Return the rows that follow from the types of each method's parameters."""
    return [row for method in METHODS if method in GOOD for row in _of_method(method)]


def plain(kind: inspect.Type) -> inspect.Type:
    """Return a type without null beside it; any JSON, left unset, is any JSON."""
    if isinstance(kind, inspect.CustomType):
        return inspect.AnyType()
    if isinstance(kind, inspect.UnionType):
        return next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    return kind


class _Place(NamedTuple):
    """A value in the parameters: where it stands, and how another is put there."""

    method: str
    about: str
    at: str
    good: Json
    """The object there, or around it."""
    whole: Callable[[object], object]
    """Makes whole parameters of another value there."""


def _of_method(method: str) -> Iterator[Row]:
    struct = inspect.type_info(METHODS[method].params)
    assert isinstance(struct, inspect.StructType)
    yield from _of_struct(struct, _Place(method, "", "", GOOD[method], lambda changed: changed))
    yield Row(method, "extra", "", [None] * (len(struct.fields) + 1))
    if method not in _NOT_ACCEPTED:
        yield Row(method, "legal", "", GOOD[method], None)


def _of_struct(struct: inspect.StructType, place: _Place) -> Iterator[Row]:
    method, about, at, good, _ = place
    yield Row(method, "extra", about, place.whole({**good, ODD_NAME: 1}), param=at + ODD_NAME)
    for field in struct.fields:
        name = field.encode_name
        here = _Place(method, about or name, at + name, good, partial(_put, place, name))
        others = {key: value for key, value in good.items() if key != name}
        misspelt = name[0] + name
        given = good.get(name, 1)
        yield Row(
            method,
            "near name",
            here.about,
            place.whole({misspelt: given, **others}),
            param=at + misspelt,
            did_you_mean=name,
        )
        if field.required:
            yield Row(method, "missing", here.about, place.whole(others), param=here.at)
        yield from _of_type(field.type, here, good.get(name))


def _put(place: _Place, name: str, value: object) -> object:
    return place.whole({**place.good, name: value})


def _of_type(kind: inspect.Type, place: _Place, good: object) -> Iterator[Row]:
    bare = plain(kind)
    for wrong in _wrong(bare):
        yield _row(place, "wrong type", wrong)
    if bare is kind and not isinstance(bare, inspect.AnyType):
        yield _row(place, "wrong type", None)
    match bare:
        case inspect.LiteralType(values=values):
            yield from _of_choices([str(value) for value in values], place)
        case inspect.IntType(ge=low, le=high) | inspect.FloatType(ge=low, le=high):
            beyond = [] if low is None else [low - 1, -(10**400)]
            beyond += [] if high is None else [high + 1, 10**400]
            yield from (_row(place, "out of range", number) for number in beyond)
        case inspect.StrType(min_length=low, max_length=high, pattern=pattern):
            if low or pattern:
                yield _row(place, "empty", "")
            if high is not None or pattern:
                yield _row(place, "huge", "x" * ((high or MEGABYTE) + 1))
                yield _row(place, "huge", BIG)
        case inspect.ListType():
            yield from _of_list(bare, place, good)
        case inspect.DictType():
            yield from _of_dict(bare, place)
        case _:
            pass


def _of_choices(values: list[str], place: _Place) -> Iterator[Row]:
    for value in values:
        yield _row(place, "near choice", value[:-1], near=value)
        yield _row(place, "near choice", value.swapcase(), near=value)
    for odd in ("", "no_such_choice", BIG):
        yield _row(place, "unknown choice", odd)


def _of_list(kind: inspect.ListType, place: _Place, good: object) -> Iterator[Row]:
    item = plain(kind.item_type)
    first = good[0] if isinstance(good, list) and good else 1
    if kind.min_length:
        yield _row(place, "empty", [])
    if kind.max_length is not None:
        yield _row(place, "huge", [first] * (kind.max_length + 1))
        yield _row(place, "huge", [first] * MANY)
    for wrong in _wrong(item):
        yield _row(place, "wrong type", [wrong], "[0]")
    if isinstance(item, inspect.StructType) and isinstance(first, dict):
        whole = place.whole
        inner = place._replace(
            at=f"{place.at}[0].", good=first, whole=lambda changed: whole([changed])
        )
        yield from _of_struct(item, inner)


def _of_dict(kind: inspect.DictType, place: _Place) -> Iterator[Row]:
    if kind.min_length:
        yield _row(place, "empty", {})
    if kind.max_length is not None:
        yield _row(place, "huge", {f"f{i}": "x" for i in range(kind.max_length + 1)})
        yield _row(place, "huge", {f"f{i}": "x" for i in range(MANY)})
    for wrong in _wrong(plain(kind.value_type)):
        yield _row(place, "wrong type", {"item": wrong}, ".item")


def _row(
    place: _Place, kind: Kind, value: object, inside: str = "", near: str | None = None
) -> Row:
    """Return the row of a value for one parameter."""
    params, at = place.whole(value), place.at + inside
    return Row(place.method, kind, place.about, params, param=at, did_you_mean=near)


def _wrong(kind: inspect.Type) -> list[object]:
    """Return values of other types."""
    match kind:
        case inspect.AnyType():
            return []
        case inspect.StrType() | inspect.LiteralType():
            return [5, True, ["x"], {}]
        case inspect.BoolType():
            return ["true", 1, 0]
        case inspect.IntType():
            return ["5", 1.5, True, []]
        case inspect.FloatType():
            return ["5", True, []]
        case inspect.ListType():
            return ["x", 5, {}]
        case _:
            return ["x", 5, []]
