"""Schemas of function parameters."""

import pytest

from livehandle_emulator.closing import RefusedError
from livehandle_emulator.schemas import check_parameters

OBJECT = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        OBJECT,
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}},
        {"anyOf": [{"type": "STRING"}, {"type": "NULL"}], "nullable": True},
        {"any_of": [{"minItems": "3", "max_items": 4}]},
        {"type": "STRING", "enum": ["a"], "propertyOrdering": ["x"]},
        {"properties": {"$ref": {"type": "STRING"}, "const": {"type": "STRING"}}},
    ],
)
def test_schemas_that_are_taken(schema: object) -> None:
    check_parameters(schema, "p")


@pytest.mark.parametrize(
    ("schema", "name", "at"),
    [
        ({"$ref": "#/x"}, "$ref", "p"),
        ({"$schema": "x"}, "$schema", "p"),
        ({"properties": {"a": {}, "b": {"const": 1}}}, "const", "p.properties[1].value"),
        ({"items": {"oneOf": []}}, "oneOf", "p.items"),
        ({"anyOf": [{}, {"exclusiveMinimum": 1}]}, "exclusiveMinimum", "p.any_of[1]"),
    ],
)
def test_keywords_that_the_service_does_not_have(schema: object, name: str, at: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_parameters(schema, at="p")
    assert f"Unknown name \"{name}\" at '{at}'" in caught.value.close.reason


@pytest.mark.parametrize("schema", [{"type": ["string", "null"]}, {"type": "text"}, {"items": 3}])
def test_values_that_are_no_schema(schema: object) -> None:
    with pytest.raises(RefusedError):
        check_parameters(schema, "p")
