"""The two spellings of a name: proto JSON takes `turnComplete` and `turn_complete` alike."""

from collections.abc import Iterable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import NamedTuple, Union, get_args, get_origin

import msgspec

from livehandled.gemini.content import Message


class UnknownNameError(ValueError):
    """A JSON name the protocol does not have, and where it stands (`setup.tools[0]`)."""

    def __init__(self, name: str, at: str, known: Iterable[str] = ()) -> None:
        super().__init__(name, at)
        self.name = name
        self.at = at
        self.known = tuple(known)
        """The names there are, in both spellings."""


class _Field(NamedTuple):
    camel: str
    snake: str
    message: type[Message] | None
    """The message type inside, if the value is one or a list of them."""


def camelised(value: object, message: type[Message], *, strict: bool = False) -> object:
    """Return decoded JSON with every name of the protocol in camelCase.

    Names inside free objects (a function's arguments, a schema) are the user's own and stay.
    An unknown name stays as it is. If `strict`, it raises `UnknownNameError`, and a null counts
    as unset, as it does for the service.
    """
    return _renamed(value, message, strict, "")


def _renamed(value: object, message: type[Message] | None, strict: bool, at: str) -> object:
    if message is None:
        return value
    if isinstance(value, list):
        return [_renamed(v, message, strict, f"{at}[{i}]") for i, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    fields = _fields(message)
    renamed: dict[str, object] = {}
    for name, inner in value.items():
        field = fields.get(name)
        if field is None:
            if strict:
                raise UnknownNameError(name, at, fields)
            renamed[name] = inner
        elif inner is not None or not strict:
            inside = f"{at}.{field.snake}" if at else field.snake
            renamed[field.camel] = _renamed(inner, field.message, strict, inside)
    return renamed


@cache
def _fields(message: type[Message]) -> Mapping[str, _Field]:
    """Return the fields of a message type under both of their spellings."""
    table: dict[str, _Field] = {}
    for info in msgspec.structs.fields(message):
        field = _Field(info.encode_name, info.name, _message_in(info.type))
        table[field.camel] = table[field.snake] = field
    return table


def _message_in(annotation: object) -> type[Message] | None:
    if isinstance(annotation, type) and issubclass(annotation, Message):
        return annotation
    if get_origin(annotation) in {list, Union, UnionType}:
        for inner in get_args(annotation):
            if inner is not NoneType and (found := _message_in(inner)) is not None:
                return found
    return None
