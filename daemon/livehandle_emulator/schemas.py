"""The subset of OpenAPI schemas that the service reads in a function's parameters (wire 2.1.3).

A schema is a message like any other there, so a keyword of JSON Schema that it does not have
(`$ref`, `oneOf`, `const`) is an unknown name and ends the connection.
"""

import re
from typing import NamedTuple

from livehandle_emulator.closing import invalid, unknown_name


class _Field(NamedTuple):
    """A field of the message, as a protocol buffer has it."""

    type: str
    """Empty for what may be anything."""
    of: str = ""
    """`list` or `map`."""


_STRING = _Field("STRING")
_STRINGS = _Field("STRING", "list")
_INT64 = _Field("INT64")
_DOUBLE = _Field("DOUBLE")
_FIELDS = {
    "additional_properties": _Field(""),
    "any_of": _Field("MESSAGE", "list"),
    "default": _Field(""),
    "defs": _Field("MESSAGE", "map"),
    "description": _STRING,
    "enum": _STRINGS,
    "example": _Field(""),
    "format": _STRING,
    "items": _Field("MESSAGE"),
    "max_items": _INT64,
    "max_length": _INT64,
    "max_properties": _INT64,
    "maximum": _DOUBLE,
    "min_items": _INT64,
    "min_length": _INT64,
    "min_properties": _INT64,
    "minimum": _DOUBLE,
    "nullable": _Field("BOOL"),
    "pattern": _STRING,
    "properties": _Field("MESSAGE", "map"),
    "property_ordering": _STRINGS,
    "ref": _STRING,
    "required": _STRINGS,
    "title": _STRING,
    "type": _Field("ENUM"),
}
_KNOWN = {re.sub("_(.)", lambda m: m[1].upper(), name): name for name in _FIELDS} | {
    name: name for name in _FIELDS
}
_NUMBERS = {
    "INT64": re.compile("-?[0-9]+"),
    "DOUBLE": re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"),
}
"""Of the numbers that come as strings."""
_TYPES = frozenset({"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"})


def check_parameters(schema: object, at: str) -> None:
    """Check a schema and those inside it. Raises `RefusedError` that names the place."""
    if schema is None:
        return
    if not isinstance(schema, dict):
        raise invalid(f"Invalid value at '{at}' (TYPE_MESSAGE)")
    for key, value in schema.items():
        name = _KNOWN.get(key)
        if name is None:
            raise unknown_name(key, at)
        field = _FIELDS[name]
        if value is None and name != "type":
            continue
        for place, item in _items(field, value, f"{at}.{name}"):
            if field.type == "MESSAGE":
                check_parameters(item, place)
            elif not _fits(field.type, item):
                raise invalid(f"Invalid value at '{place}' (TYPE_{field.type})")


def _items(field: _Field, value: object, at: str) -> list[tuple[str, object]]:
    """Return what a field holds one or many of. Raises `RefusedError`."""
    if not field.of:
        return [(at, value)]
    if field.of == "list" and isinstance(value, list):
        return [(f"{at}[{i}]", inner) for i, inner in enumerate(value)]
    if field.of == "map" and isinstance(value, dict):
        return [(f"{at}[{i}].value", inner) for i, inner in enumerate(value.values())]
    raise invalid(f"Invalid value at '{at}' (TYPE_{field.type})")


def _fits(kind: str, value: object) -> bool:
    if kind == "BOOL":
        return isinstance(value, bool)
    if kind in _NUMBERS and isinstance(value, str):
        return _NUMBERS[kind].fullmatch(value) is not None
    if kind in _NUMBERS:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        number = whole if kind == "INT64" else isinstance(value, int | float)
        return number and not isinstance(value, bool)
    # A list of types is the JSON Schema way to say nullable, and is refused.
    return not kind or (isinstance(value, str) and (kind != "ENUM" or value.upper() in _TYPES))
