"""What clients declare: what is taken, and what is wrong with the rest, in words."""

import json

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.tools.declarations import bad_declaration, declared

LETTERS = "it must be 1 to 128 letters, digits and _ . : -, the first a letter or _"


def nested(levels: int) -> object:
    schema: object = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "function",
    [
        {"name": "f"},
        {"name": "_"},
        {"name": "a.b:c-d_9"},
        {"name": "x" * 128},
        {"name": "f", "description": ""},
        {"name": "f", "behavior": "NON_BLOCKING"},
        {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "string"}}}},
        {"name": "f", "parameters": nested(62), "response": {"type": "string"}},
    ],
)
def test_a_function_is_taken_as_it_is(function: dict[str, object]) -> None:
    assert declared([function]) == {function["name"]: function}


def test_functions_keep_their_order() -> None:
    given = [{"name": name} for name in "cab"]
    assert list(declared(given)) == ["c", "a", "b"]


def test_g13_a_type_that_may_be_null_is_spelled_as_the_service_has_it() -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    function = declared([{"name": "f", "parameters": schema, "response": schema}])["f"]
    spelled = {"type": "object", "properties": {"a": {"type": "string", "nullable": True}}}
    assert (function["parameters"], function["response"]) == (spelled, spelled)


def test_null_is_as_good_as_nothing() -> None:
    assert declared([{"name": "f", "description": None, "behavior": None}]) == {"f": {"name": "f"}}


@pytest.mark.parametrize(
    ("given", "at", "why"),
    [
        ([], "declarations", "it must hold at least one function"),
        ([1], "declarations[0]", "it must be an object, not a whole number"),
        ([{"name": "f"}, None], "declarations[1]", "it must be an object, not null"),
        ([["f"]], "declarations[0]", "it must be an object, not a list"),
        ([{}], "declarations[0].name", "it is missing"),
        ([{"name": 1}], "declarations[0].name", "it must be text, not a whole number"),
        ([{"name": None}], "declarations[0].name", "it must be text, not null"),
        ([{"name": ""}], "declarations[0].name", LETTERS),
        ([{"name": "1x"}], "declarations[0].name", LETTERS),
        ([{"name": "a b"}], "declarations[0].name", LETTERS),
        ([{"name": "f\n"}], "declarations[0].name", LETTERS),
        ([{"name": "é"}], "declarations[0].name", LETTERS),
        ([{"name": "x" * 129}], "declarations[0].name", LETTERS),
        ([{"name": "f"}, {"name": "f"}], "declarations[1].name", "f is declared twice"),
        (
            [{"name": "f", "description": 4}],
            "declarations[0].description",
            "it must be text, not a whole number",
        ),
        (
            [{"name": "f", "behavior": "BLOKCING"}],
            "declarations[0].behavior",
            "it must be one of BLOCKING, NON_BLOCKING; did you mean BLOCKING",
        ),
        (
            [{"name": "f", "parameter": {}}],
            "declarations[0].parameter",
            "there is no such key; did you mean parameters",
        ),
        (
            [{"name": "f", "parametersJsonSchema": {}}],
            "declarations[0].parametersJsonSchema",
            "a live session does not read it; did you mean parameters",
        ),
        (
            [{"name": "f", "response_json_schema": {}}],
            "declarations[0].response_json_schema",
            "a live session does not read it; did you mean response",
        ),
        (
            [{"name": "f", "input_schema": {}}],
            "declarations[0].input_schema",
            "there is no such key; known are name, description, parameters, response, behavior",
        ),
        (
            [{"name": "f", "parameters": [1]}],
            "declarations[0].parameters",
            "it must be an object, not a list",
        ),
        (
            [{"name": "f", "parameters": {"type": "objekt"}}],
            "declarations[0].parameters.type",
            (
                "it must be string, number, integer, boolean, array, object or null; "
                "did you mean object"
            ),
        ),
        (
            [{"name": "f", "response": {"properties": {"a": 3}}}],
            "declarations[0].response.properties.a",
            "a schema is an object",
        ),
        (
            [{"name": "f", "parameters": nested(63)}],
            "declarations[0]",
            "it has more than 64 levels",
        ),
    ],
)
def test_a_bad_declaration_is_told_by_its_place(given: list[object], at: str, why: str) -> None:
    with pytest.raises(LiveHandleError) as caught:
        declared(given)
    assert caught.value.name == "tools.bad_declaration"
    assert caught.value.message == f"Correct {at}: {why}."
    assert caught.value.data["param"] == at


def test_what_was_probably_meant_stands_in_the_error() -> None:
    with pytest.raises(LiveHandleError) as caught:
        declared([{"nmae": "f"}])
    assert caught.value.data["did_you_mean"] == "name"


def test_nesting_without_end_is_no_danger() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(LiveHandleError, match="64 levels"):
        declared([{"name": "f", "parameters": {"enum": deep}}])


@pytest.mark.parametrize("given", [{"name": "f", "x" * 100_000: 1}, {"x" * 100_000: 1}])
def test_an_error_is_short_however_long_what_is_wrong(given: object) -> None:
    with pytest.raises(LiveHandleError) as caught:
        declared([given])
    assert len(json.dumps(caught.value.to_json())) < 1000


def test_a_long_place_is_cut() -> None:
    error = bad_declaration("x" * 1000, "it is wrong")
    assert error.data["param"] == "x" * 120
    assert len(error.message) < 200
