"""The subset of OpenAPI schemas that the service reads in a function's parameters (wire 2.1.3).

A schema is a message like any other there, so a keyword of JSON Schema that it does not have
(`$ref`, `oneOf`, `const`) is an unknown name and ends the connection.
"""

import re

from livehandle_emulator.closing import invalid, unknown_name

_ONE = frozenset({"items"})
_LIST = frozenset({"any_of"})
_MAP = frozenset({"properties", "defs"})
_PLAIN = frozenset(
    {
        "additional_properties",
        "default",
        "description",
        "enum",
        "example",
        "format",
        "max_items",
        "max_length",
        "max_properties",
        "maximum",
        "min_items",
        "min_length",
        "min_properties",
        "minimum",
        "nullable",
        "pattern",
        "property_ordering",
        "ref",
        "required",
        "title",
        "type",
    }
)
_NAMES = _ONE | _LIST | _MAP | _PLAIN
_KNOWN = {re.sub("_(.)", lambda m: m[1].upper(), name): name for name in _NAMES} | {
    name: name for name in _NAMES
}
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
        if name == "type":
            _check_type(value, at)
        for place, inner in _schemas_in(name, value, f"{at}.{name}"):
            check_parameters(inner, place)


def _schemas_in(name: str, value: object, at: str) -> list[tuple[str, object]]:
    if name in _ONE:
        return [(at, value)]
    if name in _LIST and isinstance(value, list):
        return [(f"{at}[{i}]", inner) for i, inner in enumerate(value)]
    if name in _MAP and isinstance(value, dict):
        return [(f"{at}[{i}].value", inner) for i, inner in enumerate(value.values())]
    return []


def _check_type(value: object, at: str) -> None:
    # A list of types is the JSON Schema way to say nullable, and is refused.
    if not isinstance(value, str) or value.upper() not in _TYPES:
        raise invalid(f"Invalid value at '{at}.type' (TYPE_ENUM)")
