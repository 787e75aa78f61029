"""What an extractor may be."""

from typing import Literal

import msgspec
import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorSpec, check, specs_from_config

REGEX: dict[str, object] = {"kind": "regex", "patterns": {"item": "latte"}}


def test_defaults() -> None:
    (spec,) = specs_from_config({"Order": REGEX})
    assert (spec.name, spec.trigger, spec.window, spec.min_words, spec.timeout_ms) == (
        "Order",
        "every_turn",
        3,
        0,
        10_000,
    )


def test_the_order_of_the_configuration_is_kept_and_every_field_is_read() -> None:
    rules = [{"field": "n", "key": "app:n", "overwrite": False, "min": 1, "one_of": [1, 2]}]
    tables: dict[str, object] = {
        "B": {"kind": "llm", "prompt": "look", "schema": {"type": "object"}, "model": "m"},
        "A": {"kind": "client", "trigger": "interval", "interval": 2, "promote": rules},
    }
    b, a = specs_from_config(tables)
    assert (b.name, a.name) == ("B", "A")
    assert (a.promote[0].state_key, a.promote[0].min) == ("app:n", 1)


@pytest.mark.parametrize(
    ("table", "path", "said"),
    [
        ({"Order": 3}, "Order", "must be a table"),
        ({"Order": {}}, "Order", "missing required field kind"),
        ({"Order": {**REGEX, "name": "x"}}, "Order.name", "leave it out"),
        ({"Order": {**REGEX, "windows": 3}}, "Order.windows", "did you mean window?"),
        ({"Order": {**REGEX, "xyz": 3}}, "Order.xyz", "known are kind"),
        (
            {"Order": {**REGEX, "window": 0}},
            "Order.window",
            "it must be a whole number of at least 1.",
        ),
        (
            {"Order": {**REGEX, "window": True}},
            "Order.window",
            "a whole number, not true or false.",
        ),
        ({"Order": {**REGEX, "kind": "magic"}}, "Order.kind", "magic"),
        ({"a b": REGEX}, "a b", "it must be 1 to 64 letters"),
        ({"Order": {**REGEX, "patterns": {"a b": "x"}}}, "Order.patterns", "must be 1 to 64 let"),
        ({"session:x": REGEX}, "session:x", "the first a letter or _."),
        (
            {"Order": {**REGEX, "promote": [{"field": "x", "kay": "y"}]}},
            "Order.promote[0].kay",
            "key?",
        ),
        ({"Order": {**REGEX, "promote": [{"key": "y"}]}}, "Order.promote[0]", "field"),
        (
            {"Order": {**REGEX, "promote": [{"field": "x", "key": "derived:y"}]}},
            "Order.promote[0].key",
            "with or without a scope",
        ),
        ({"Order": {"kind": "regex"}}, "Order.patterns", "needs a pattern"),
        (
            {"Order": {"kind": "regex", "patterns": {}}},
            "Order.patterns",
            "an object of at least 1 entry.",
        ),
        ({"Order": {"kind": "llm"}}, "Order.prompt", "needs a prompt"),
        ({"Order": {**REGEX, "prompt": "x"}}, "Order.prompt", "only the kind llm"),
        ({"Order": {**REGEX, "model": "x"}}, "Order.model", "only the kind llm"),
        ({"Order": {**REGEX, "schema": {"a": 1}}}, "Order.schema", "only the kind llm"),
        ({"Order": {**REGEX, "schema": {}}}, "Order.schema", "only the kind llm"),
        ({"Order": {"kind": "client", "patterns": {"a": "b"}}}, "Order.patterns", "kind regex"),
        ({"Order": {**REGEX, "trigger": "interval"}}, "Order.interval", "needs it"),
        ({"Order": {**REGEX, "interval": 2}}, "Order.interval", "no other has it"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_told_with_its_path(
    table: dict[str, object], path: str, said: str
) -> None:
    with pytest.raises(LiveHandleError) as caught:
        specs_from_config({"Fine": REGEX, **table})
    assert caught.value.name == "config.invalid"
    assert caught.value.data["param"] == f"extraction.extractors.{path}"
    assert said.replace("`", "") in caught.value.message


@pytest.mark.parametrize(
    ("schema", "param"),
    [
        ({}, "schema"),
        ({"description": "x"}, "schema"),
        ({"type": "array"}, "schema.type"),
        ({"type": "nonsense"}, "schema.type"),
        ({"type": None}, "schema.type"),
        ({"type": ["object", {}]}, "schema.type"),
        ({"type": ["null"]}, "schema.type"),
        ({"type": "object", "properties": ["a"]}, "schema.properties"),
        ({"properties": None}, "schema.properties"),
    ],
)
def test_a_schema_of_no_object_is_refused_by_its_field(
    schema: dict[str, object], param: str
) -> None:
    for prompt in ("", "look"):
        with pytest.raises(LiveHandleError) as caught:
            check(ExtractorSpec(name="Order", kind="llm", prompt=prompt, schema=schema))
        assert (caught.value.name, caught.value.data["param"]) == ("extraction.bad_spec", param)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": ["object", "null"]},
        {"properties": {"item": {"type": "string"}}},
        {"$ref": "#/$defs/Order", "$defs": {"Order": {"type": "object"}}},
    ],
)
def test_a_schema_of_an_object_is_taken(schema: dict[str, object]) -> None:
    check(ExtractorSpec(name="Order", kind="llm", schema=schema))


@pytest.mark.parametrize("kind", ["client", "regex"])
def test_a_schema_is_refused_where_there_is_one_be_it_empty(
    kind: Literal["client", "regex"],
) -> None:
    with pytest.raises(LiveHandleError, match="only the kind llm") as caught:
        check(ExtractorSpec(name="Order", kind=kind, schema={}))
    assert caught.value.data["param"] == "schema"


def test_a_specification_of_a_call_is_checked_by_its_field() -> None:
    with pytest.raises(LiveHandleError) as caught:
        check(ExtractorSpec(name="Order", kind="regex"))
    assert (caught.value.name, caught.value.data["param"]) == ("extraction.bad_spec", "patterns")


def test_a_final_newline_is_not_part_of_a_name() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "Order\n", "kind": "client"}, ExtractorSpec)
