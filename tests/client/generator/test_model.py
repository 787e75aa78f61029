"""The description as the templates read it."""

import json
from typing import Any

import pytest

from generator import model
from generator.model import Type
from livehandle_proto import openrpc
from livehandle_proto.errors import ERRORS
from livehandle_proto.methods import METHODS
from livehandle_proto.topics import TOPICS

DESCRIPTION = model.read(openrpc.text())
TEXT = Type("string")

FORMS: list[tuple[dict[str, Any], Type]] = [
    ({}, Type("any")),
    ({"description": "Any JSON."}, Type("any")),
    ({"default": None}, Type("any")),
    ({"type": "null"}, Type("null")),
    ({"type": "string", "pattern": "a", "maxLength": 3}, TEXT),
    ({"type": "integer", "minimum": 1}, Type("integer")),
    ({"type": "number"}, Type("number")),
    ({"type": "boolean", "default": False}, Type("boolean")),
    ({"enum": ["a", "b"]}, Type("enum", values=("a", "b"))),
    ({"$ref": "#/components/schemas/Phase"}, Type("ref", name="Phase")),
    ({"$ref": "#/components/schemas/At", "default": "now"}, Type("ref", name="At")),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, Type("string", nullable=True)),
    (
        {"anyOf": [{"$ref": "#/components/schemas/Role"}, {"type": "null"}], "default": None},
        Type("ref", name="Role", nullable=True),
    ),
    ({"type": "array", "items": {"type": "string"}, "minItems": 1}, Type("list", inner=TEXT)),
    ({"type": "array", "items": {}}, Type("list", inner=Type("any"))),
    ({"type": "object", "additionalProperties": {}}, Type("map", inner=Type("any"))),
    ({"type": "object", "additionalProperties": {"type": "string"}}, Type("map", inner=TEXT)),
    (
        {
            "anyOf": [
                {"type": "array", "items": {"type": "object", "additionalProperties": {}}},
                {"type": "null"},
            ]
        },
        Type("list", inner=Type("map", inner=Type("any")), nullable=True),
    ),
]


def described(**more: Any) -> str:
    """Return a description with one method, or what is given."""
    method = {
        "name": "m",
        "summary": "Does.",
        "description": "All of it.",
        "params": [
            {"name": "b", "required": False, "schema": {"type": "integer", "default": 3}},
            {"name": "a", "required": True, "schema": {"type": "string", "description": "A."}},
        ],
        "result": {"name": "result", "schema": {"type": "null"}},
        "errors": [{"$ref": "#/components/errors/x.y"}],
        "examples": [
            {"params": [{"name": "a", "value": "x"}], "result": {"name": "result", "value": None}}
        ],
        "x-since": 2,
    }
    document = {
        "info": {"version": "1.2"},
        "methods": [method],
        "components": {"schemas": {}},
        "x-events": {},
        "x-errors": {},
    }
    return json.dumps(document | more)


@pytest.mark.parametrize(("schema", "expected"), FORMS)
def test_a_schema_becomes_a_type(schema: dict[str, Any], expected: Type) -> None:
    assert model._type(schema) == expected


@pytest.mark.parametrize("schema", [{"type": "blob"}, {"type": ["string", "null"]}])
def test_a_form_that_nobody_has_seen_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no type is made of"):
        model._type(schema)


def test_what_may_be_one_of_two_things_is_refused() -> None:
    with pytest.raises(ValueError, match="too many values"):
        model._type({"anyOf": [{"type": "string"}, {"type": "integer"}]})


def test_a_method_has_its_required_parameters_first() -> None:
    (method,) = model.read(described()).methods
    first, second = method.params
    assert (first.name, first.required, first.meaning) == ("a", True, "A.")
    assert (second.name, second.required, second.default) == ("b", False, 3)
    assert (method.meaning, method.description, method.since) == ("Does.", "All of it.", 2)
    assert method.result == Type("null")
    assert method.errors == ["x.y"]
    assert method.example == model.Example({"a": "x"}, None)


def test_objects_and_enums_are_told_apart() -> None:
    schemas = {
        "Role": {"description": "A role.", "enum": ["mic"]},
        "Text": {
            "description": "Words.",
            "type": "object",
            "properties": {"text": {"type": "string"}, "n": {"type": "integer", "default": 1}},
            "required": ["text"],
        },
    }
    read = model.read(described(components={"schemas": schemas}))
    assert [(enum.name, enum.values, enum.meaning) for enum in read.enums] == [
        ("Role", ["mic"], "A role.")
    ]
    (text,) = read.objects
    assert (text.name, text.meaning) == ("Text", "Words.")
    assert [(f.name, f.required, f.default) for f in text.fields] == [
        ("text", True, None),
        ("n", False, 1),
    ]


def test_every_form_of_todays_description_has_a_type() -> None:
    assert [method.name for method in DESCRIPTION.methods] == list(METHODS)
    assert [topic.name for topic in DESCRIPTION.topics] == list(TOPICS)
    assert {e.name: (e.code, e.retryable, e.meaning) for e in DESCRIPTION.errors} == {
        name: (kind.code, kind.retryable, kind.meaning) for name, kind in ERRORS.items()
    }


def test_every_type_that_is_meant_is_there() -> None:
    named = {o.name for o in DESCRIPTION.objects} | {e.name for e in DESCRIPTION.enums}
    meant = [topic.data for topic in DESCRIPTION.topics]
    meant += [field.type for o in DESCRIPTION.objects for field in o.fields]
    for method in DESCRIPTION.methods:
        meant += [method.result, *(param.type for param in method.params)]
    while meant:
        one = meant.pop()
        meant += [] if one.inner is None else [one.inner]
        assert one.kind != "ref" or one.name in named, one


def test_topics_know_their_delivery_and_their_stream() -> None:
    topics = {topic.name: topic for topic in DESCRIPTION.topics}
    seen = [
        (topics[name].delivery, topics[name].stream, topics[name].data.name)
        for name in ("live.text_delta", "session.text_delta", "live.audio", "tool.call")
    ]
    assert seen == [
        ("log", "events", "Text"),
        ("log", "subscribe", "Text"),
        ("stream", None, "Audio"),
        ("log", "own", "ToolCall"),
    ]
