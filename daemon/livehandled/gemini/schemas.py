"""Schemas of functions: a message of the service, not JSON Schema (wire 2.1.3, pain G13)."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from livehandle_proto.suggest import nearest


class _Kind(NamedTuple):
    """What a field of the message holds."""

    must: str
    fits: Callable[[object], bool]


def _is_string(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    # A message in JSON may have a number as a string.
    if isinstance(value, str):
        return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    if isinstance(value, str):
        return re.fullmatch("-?[0-9]+", value) is not None
    return _is_number(value) and (not isinstance(value, float) or value.is_integer())


def _are_strings(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_string, value))


_ANY = _Kind("", lambda _: True)
_STRING = _Kind("it must be a string", _is_string)
_STRINGS = _Kind("it must be a list of strings", _are_strings)
_NUMBER = _Kind("it must be a number", _is_number)
_WHOLE = _Kind("it must be a whole number", _is_whole)
_FLAG = _Kind("it must be true or false", lambda value: isinstance(value, bool))
_ONE = _Kind("a schema is an object", lambda value: isinstance(value, Mapping))
_LIST = _Kind("it must be a list of schemas", lambda value: isinstance(value, list))
_MAP = _Kind("it must be an object of schemas by name", lambda value: isinstance(value, Mapping))

_KINDS = {
    "additionalProperties": _ANY,
    "anyOf": _LIST,
    "default": _ANY,
    "defs": _MAP,
    "description": _STRING,
    "enum": _STRINGS,
    "example": _ANY,
    "format": _STRING,
    "items": _ONE,
    "maxItems": _WHOLE,
    "maxLength": _WHOLE,
    "maxProperties": _WHOLE,
    "maximum": _NUMBER,
    "minItems": _WHOLE,
    "minLength": _WHOLE,
    "minProperties": _WHOLE,
    "minimum": _NUMBER,
    "nullable": _FLAG,
    "pattern": _STRING,
    "properties": _MAP,
    "propertyOrdering": _STRINGS,
    "ref": _STRING,
    "required": _STRINGS,
    "title": _STRING,
    "type": _STRING,
}

NAMES = frozenset(_KINDS)
"""What a schema may say, in camelCase."""

_KNOWN = _KINDS | {
    re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", name): kind for name, kind in _KINDS.items()
}
_TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")


class Misfit(NamedTuple):
    """What the service would not read in a schema."""

    at: str
    """The place: `parameters.properties.city.type`."""
    why: str
    near: str | None = None
    """The type or name that was probably meant; then `why` asks for it."""


def normalised(schema: object) -> object:
    """Return a schema in which a type that may be null is spelled as the service has it.

    JSON Schema writes `{"type": ["string", "null"]}`, which closes the session.
    """
    if not isinstance(schema, Mapping):
        return schema
    made = {name: _normalised(name, value) for name, value in schema.items()}
    kinds = made.get("type")
    if isinstance(kinds, list) and len(kinds) == 2 and "null" in kinds:
        made["type"] = kinds[1 - kinds.index("null")]
        made["nullable"] = True
    return made


def misfit(schema: object, at: str) -> Misfit | None:
    """Return the first thing in a schema that the service would not read, None if it reads all.

    `at` is where the schema stands.
    """
    if not isinstance(schema, Mapping):
        return Misfit(at, "a schema is an object")
    for name, value in schema.items():
        if found := _misfit(name, value, f"{at}.{name}"):
            return found
    return None


def _misfit(name: str, value: object, at: str) -> Misfit | None:
    """Return the first thing that the service would not read in what a schema says of itself."""
    kind = _KNOWN.get(name)
    if kind is None:
        return _hinted(at, "a schema has no such name", nearest(name, _KINDS))
    if name == "type":
        return _misfit_of_type(value, at)
    if value is not None and not kind.fits(value):
        return Misfit(at, kind.must)
    found = (misfit(inner, inner_at) for inner_at, inner in _inside(kind, value, at))
    return next((one for one in found if one), None)


def _misfit_of_type(value: object, at: str) -> Misfit | None:
    if not isinstance(value, str):
        return Misfit(at, "it must be one type, and nullable beside it if it may be null")
    if value.lower() in _TYPES:
        return None
    words = f"it must be {', '.join(_TYPES[:-1])} or {_TYPES[-1]}"
    return _hinted(at, words, nearest(value.lower(), _TYPES))


def _hinted(at: str, why: str, near: str | None) -> Misfit:
    return Misfit(at, f"{why}; did you mean {near}" if near else why, near)


def _normalised(name: str, value: object) -> object:
    kind = _KNOWN.get(name)
    if kind is _ONE:
        return normalised(value)
    if kind is _LIST and isinstance(value, list):
        return [normalised(inner) for inner in value]
    if kind is _MAP and isinstance(value, Mapping):
        return {key: normalised(inner) for key, inner in value.items()}
    return value


def _inside(kind: _Kind, value: object, at: str) -> Iterator[tuple[str, object]]:
    """Yield the schemas inside one, and where they stand."""
    if kind is _ONE:
        yield at, value
    elif kind is _LIST and isinstance(value, list):
        yield from ((f"{at}[{i}]", inner) for i, inner in enumerate(value))
    elif kind is _MAP and isinstance(value, Mapping):
        yield from ((f"{at}.{key}", inner) for key, inner in value.items())
