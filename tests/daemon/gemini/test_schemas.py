"""Schemas of functions (wire 2.1.3, pain G13)."""

import re
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from livehandle_emulator.closing import RefusedError
from livehandle_emulator.schemas import check_parameters
from livehandled.gemini.schemas import NAMES, misfit, normalised


def camel(name: str) -> str:
    return re.sub("_(.)", lambda m: m[1].upper(), name)


def test_a_schema_may_say_what_the_official_sdks_may() -> None:
    assert {camel(name) for name in types.Schema.model_fields} == NAMES


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "string"}, {"type": "string"}),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["null", "integer"]}, {"type": "integer", "nullable": True}),
        ({"type": ["string", "integer"]}, {"type": ["string", "integer"]}),
        ({"type": ["a", "b", "null"]}, {"type": ["a", "b", "null"]}),
        ({"type": ["null"]}, {"type": ["null"]}),
        (
            {"items": {"type": ["string", "null"]}},
            {"items": {"type": "string", "nullable": True}},
        ),
        (
            {"anyOf": [{"type": ["string", "null"]}]},
            {"anyOf": [{"type": "string", "nullable": True}]},
        ),
        (
            {"any_of": [{"type": ["string", "null"]}, 5]},
            {"any_of": [{"type": "string", "nullable": True}, 5]},
        ),
        (
            {"properties": {"type": {"type": ["string", "null"]}}},
            {"properties": {"type": {"type": "string", "nullable": True}}},
        ),
        ({"default": {"type": ["a", "null"]}}, {"default": {"type": ["a", "null"]}}),
        ({}, {}),
        (None, None),
        ("x", "x"),
    ],
)
def test_a_type_that_may_be_null_is_spelled_as_the_service_has_it(
    schema: object, made: object
) -> None:
    assert normalised(schema) == made


def test_the_schema_that_was_given_stays_as_it_is() -> None:
    schema = {"properties": {"a": {"type": ["string", "null"]}}}
    normalised(schema)
    assert schema == {"properties": {"a": {"type": ["string", "null"]}}}


@pytest.mark.parametrize(
    ("schema", "at"),
    [
        ({"$ref": "#/x"}, "p.$ref"),
        ({"$defs": {}}, "p.$defs"),
        ({"type": "object", "oneOf": []}, "p.oneOf"),
        ({"properties": {"a": {"const": 1}}}, "p.properties.a.const"),
        ({"items": {"type": ["string", "integer"]}}, "p.items.type"),
        ({"anyOf": [{}, {"allOf": []}]}, "p.anyOf[1].allOf"),
        ({"defs": {"x": {"type": "text"}}}, "p.defs.x.type"),
        ({"properties": {"a": True}}, "p.properties.a"),
        ({"type": None}, "p.type"),
        ("string", "p"),
        ([], "p"),
    ],
)
def test_what_the_service_would_not_read_is_named_with_its_place(schema: object, at: str) -> None:
    found = misfit(schema, "p")
    assert found is not None
    assert found.at == at
    with pytest.raises(RefusedError):
        check_parameters(schema, "p")


STRING, STRINGS = "it must be a string", "it must be a list of strings"
WHOLE, NUMBER = "it must be a whole number", "it must be a number"


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("properties", [[], "x", 5], "it must be an object of schemas by name"),
        ("defs", [[]], "it must be an object of schemas by name"),
        ("anyOf", [{}, "x"], "it must be a list of schemas"),
        ("any_of", [{}], "it must be a list of schemas"),
        ("items", [[], "x", 5], "a schema is an object"),
        ("required", ["a", {}, [1], [None]], STRINGS),
        ("enum", ["x", [1, 2], ["a", True]], STRINGS),
        ("propertyOrdering", ["a", [{}]], STRINGS),
        ("property_ordering", ["a"], STRINGS),
        ("description", [5, ["x"], {}, False], STRING),
        ("title", [5], STRING),
        ("format", [5], STRING),
        ("pattern", [5], STRING),
        ("ref", [5], STRING),
        ("minimum", ["x", "", "5x", [], True], NUMBER),
        ("maximum", ["x", {}], NUMBER),
        ("minItems", ["x", 1.5, "1.5", True, []], WHOLE),
        ("maxItems", ["x"], WHOLE),
        ("minLength", [1.5], WHOLE),
        ("max_length", [1.5], WHOLE),
        ("minProperties", ["٣"], WHOLE),
        ("maxProperties", [float("inf")], WHOLE),
        ("nullable", ["y", 1, "true"], "it must be true or false"),
    ],
)
def test_a_value_of_another_kind_is_said_in_words(
    name: str, values: list[object], why: str
) -> None:
    for value in values:
        schema = {"properties": {"a": {name: value}}}
        assert misfit(schema, "p") == (f"p.properties.a.{name}", why, None)
        with pytest.raises(RefusedError):
            check_parameters(schema, "p")


TYPES = "it must be string, number, integer, boolean, array, object or null"


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({"type": "strng"}, ("p.type", f"{TYPES}; did you mean string", "string")),
        ({"type": "INTEGR"}, ("p.type", f"{TYPES}; did you mean integer", "integer")),
        ({"type": "text"}, ("p.type", TYPES, None)),
        (
            {"desription": "x"},
            ("p.desription", "a schema has no such name; did you mean description", "description"),
        ),
        ({"$ref": "x"}, ("p.$ref", "a schema has no such name; did you mean ref", "ref")),
        ({"oneOf": []}, ("p.oneOf", "a schema has no such name", None)),
    ],
)
def test_what_was_probably_meant_is_named(
    schema: object, found: tuple[str, str, str | None]
) -> None:
    assert misfit(schema, "p") == found


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"minLength": "3", "maxItems": 4.0, "minimum": -1.5, "maximum": "1e3"},
        {"description": None, "properties": None, "required": None, "nullable": None},
        {"required": [], "enum": [], "anyOf": [], "properties": {}, "items": {}},
        {"additionalProperties": {"a": 1}, "default": [1], "example": 5},
        {"required": ["a"], "type": "array"},
        {"type": "STRING", "nullable": True, "max_length": 5, "minLength": 1},
        {"properties": {"$ref": {"type": "string"}, "oneOf": {}}, "required": ["$ref"]},
        {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "number"}}]},
        {"additionalProperties": False, "property_ordering": ["a"]},
        {"enum": ["$ref"], "default": {"$ref": 1}, "example": {"oneOf": 1}},
    ],
)
def test_what_the_service_reads_is_taken(schema: object) -> None:
    assert misfit(schema, "p") is None
    check_parameters(schema, "p")


NAME = st.sampled_from([*sorted(NAMES), "$ref", "any_of", "max_items", "x"])
SCHEMA: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["string", "null", "5", "-1.5", 5, 2.0, 1e400, None, True, ["string", "null"]]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=10,
)


@given(schema=SCHEMA)
def test_what_is_taken_here_the_emulator_takes_too(schema: object) -> None:
    made = normalised(schema)
    assert normalised(made) == made
    if misfit(made, "p") is None:
        check_parameters(made, "p")
