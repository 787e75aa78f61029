"""Schemas of functions: a message of the service, not JSON Schema (wire 2.1.3, pain G13)."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_PLAIN = frozenset(
    {
        "additionalProperties",
        "default",
        "description",
        "enum",
        "example",
        "format",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "nullable",
        "pattern",
        "propertyOrdering",
        "ref",
        "required",
        "title",
        "type",
    }
)
_ONE = frozenset({"items"})
_LIST = frozenset({"anyOf", "any_of"})
_MAP = frozenset({"properties", "defs"})

NAMES = _PLAIN | _ONE | _MAP | {"anyOf"}
"""What a schema may say, in camelCase."""

_KNOWN = NAMES | {re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", name) for name in NAMES}
_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})


class Misfit(NamedTuple):
    """What the service would not read in a schema."""

    at: str
    """The place: `parameters.properties.city.type`."""
    why: str


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
        place = f"{at}.{name}"
        if name not in _KNOWN:
            return Misfit(place, "a schema has no such name")
        if name == "type" and not (isinstance(value, str) and value.lower() in _TYPES):
            return Misfit(place, "it must be one type, and nullable beside it if it may be null")
        for inner_at, inner in _inside(name, value, place):
            if found := misfit(inner, inner_at):
                return found
    return None


def _normalised(name: str, value: object) -> object:
    if name in _ONE:
        return normalised(value)
    if name in _LIST and isinstance(value, list):
        return [normalised(inner) for inner in value]
    if name in _MAP and isinstance(value, Mapping):
        return {key: normalised(inner) for key, inner in value.items()}
    return value


def _inside(name: str, value: object, at: str) -> Iterator[tuple[str, object]]:
    """Yield the schemas inside one, and where they stand."""
    if name in _ONE:
        yield at, value
    elif name in _LIST and isinstance(value, list):
        yield from ((f"{at}[{i}]", inner) for i, inner in enumerate(value))
    elif name in _MAP and isinstance(value, Mapping):
        yield from ((f"{at}.{key}", inner) for key, inner in value.items())
