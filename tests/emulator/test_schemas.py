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


@pytest.mark.parametrize(
    ("schema", "at", "kind"),
    [
        ({"properties": []}, "p.properties", "MESSAGE"),
        ({"anyOf": {}}, "p.any_of", "MESSAGE"),
        ({"items": {"items": []}}, "p.items.items", "MESSAGE"),
        ({"required": "a"}, "p.required", "STRING"),
        ({"enum": ["a", 2]}, "p.enum[1]", "STRING"),
        ({"description": 5}, "p.description", "STRING"),
        ({"minimum": "x"}, "p.minimum", "DOUBLE"),
        ({"maximum": True}, "p.maximum", "DOUBLE"),
        ({"minItems": "1.5"}, "p.min_items", "INT64"),
        ({"maxLength": 1.5}, "p.max_length", "INT64"),
        ({"nullable": "y"}, "p.nullable", "BOOL"),
        ({"type": 3}, "p.type", "ENUM"),
    ],
)
def test_values_of_another_kind(schema: object, at: str, kind: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_parameters(schema, "p")
    assert caught.value.close == (1007, f"Invalid value at '{at}' (TYPE_{kind})")
