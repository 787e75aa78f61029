"""Parameters by name and by position, and what is said of wrong ones."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from livehandle_proto import methods as m
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import Params
from livehandled.control.params import params_decoder


def refusal(method: str, text: bytes) -> LiveHandleError:
    with pytest.raises(LiveHandleError) as refused:
        params_decoder(method)(Raw(text))
    assert refused.value.name == "wire.invalid_params"
    return refused.value


@pytest.mark.parametrize(
    ("method", "text", "params"),
    [
        ("phase", b"{}", m.NoParams()),
        ("phase", b"[]", m.NoParams()),
        ("done", b"{}", m.Done()),
        ("done", b'{"timeout_ms":5}', m.Done(timeout_ms=5)),
        ("done", b"[5]", m.Done(timeout_ms=5)),
        ("done", b"[null]", m.Done()),
        ("send_text", b' ["hi"] ', m.SendText(text="hi")),
        ("events", b'[["live.*"],"k:1",true]', m.Subscribe(["live.*"], "k:1", snapshot=True)),
        ("events", b'[["*"]]', m.Subscribe(["*"])),
    ],
)
def test_parameters_come_by_name_or_in_the_catalogues_order(
    method: str, text: bytes, params: Params
) -> None:
    assert params_decoder(method)(Raw(text.strip())) == params


@pytest.mark.parametrize(
    ("method", "text", "message", "data"),
    [
        (
            "done",
            b'{"timeout_m":1}',
            "done has no parameter `timeout_m`: did you mean `timeout_ms`?",
            {"param": "timeout_m", "did_you_mean": "timeout_ms"},
        ),
        (
            "events",
            b'{"x":1}',
            "events has no parameter `x`: it takes `topics`, `since`, `snapshot`.",
            {"param": "x"},
        ),
        ("phase", b'{"x":1}', "phase has no parameter `x`: it takes none.", {"param": "x"}),
        (
            "phase",
            b'{"a\\nb":1}',
            "phase has no parameter `a\nb`: it takes none.",
            {"param": "a\nb"},
        ),
        (
            "send_tool_response",
            b'{"responses":[{"id":"1","name":"n","response":1,"x":2}]}',
            (
                "`responses[0]` of send_tool_response has no parameter `x`: it takes `id`, "
                "`name`, `response`, `scheduling`, `will_continue`."
            ),
            {"param": "responses[0].x"},
        ),
        (
            "queue_context",
            b'{"turns":[{"role":"user","part":[]}]}',
            "`turns[0]` of queue_context has no parameter `part`: did you mean `parts`?",
            {"param": "turns[0].part", "did_you_mean": "parts"},
        ),
        (
            "phase",
            b'{"x` - at `$.y":1}',
            "`y` of phase has no parameter `x`: it takes none.",
            {"param": "y.x"},
        ),
        (
            "phase",
            b'{"%s":1}' % (b"x" * 2_000_000),
            f"phase has no parameter `{'x' * 60}…`: it takes none.",
            {"param": "x" * 60 + "…"},
        ),
        (
            "queue_context",
            b'{"role":"system"}',
            "The parameter `role` of queue_context must be one of model, user, not 'system'.",
            {"param": "role", "expected": "one of model, user"},
        ),
        (
            "queue_context",
            b'{"turns":[{"role":"Model","parts":[{}]}]}',
            (
                "The parameter `turns[0].role` of queue_context must be one of model, user: "
                "did you mean model?"
            ),
            {
                "param": "turns[0].role",
                "expected": "one of model, user",
                "did_you_mean": "model",
            },
        ),
        (
            "send_tool_response",
            b'{"responses":[{"id":"1","name":"n","response":1,"scheduling":5}]}',
            (
                "The parameter `responses[0].scheduling` of send_tool_response must be one of "
                "INTERRUPT, SILENT, WHEN_IDLE, not a whole number."
            ),
            {
                "param": "responses[0].scheduling",
                "expected": "one of INTERRUPT, SILENT, WHEN_IDLE",
            },
        ),
        (
            "transcript",
            b'{"turns":1e400}',
            "The number `turns` of transcript is out of range: give a smaller one.",
            {"param": "turns", "expected": "a number in range"},
        ),
        (
            "extractors.register",
            b'{"name":"a","kind":"regex","patterns":{"fine":"x","item":5}}',
            (
                "The parameter `patterns.item` of extractors.register must be text, not a whole "
                "number."
            ),
            {"param": "patterns.item", "expected": "text"},
        ),
        (
            "extractors.register",
            b'{"name":"a b","kind":"client"}',
            (
                "The parameter `name` of extractors.register must be 1 to 64 letters, digits and "
                "_ . -, the first a letter or _."
            ),
            {
                "param": "name",
                "expected": "1 to 64 letters, digits and _ . -, the first a letter or _",
            },
        ),
        (
            "extractors.register",
            b'{"name":"a","kind":"client","interval":"2"}',
            ("The parameter `interval` of extractors.register must be a whole number, not text."),
            {"param": "interval", "expected": "a whole number"},
        ),
        (
            "send_text",
            b"{}",
            "send_text needs the parameter `text`.",
            {"param": "text", "expected": "a value"},
        ),
        (
            "send_tool_response",
            b'{"responses":[{"id":"1"}]}',
            "send_tool_response needs the parameter `responses[0].name`.",
            {"param": "responses[0].name", "expected": "a value"},
        ),
        (
            "send_text",
            b'{"text":5}',
            "The parameter `text` of send_text must be text, not a whole number.",
            {"param": "text", "expected": "text"},
        ),
        (
            "done",
            b"[-1]",
            "The parameter `timeout_ms` of done must be a whole number of at least 0.",
            {"param": "timeout_ms", "expected": "a whole number of at least 0"},
        ),
        (
            "events",
            b'{"topics":["a",5]}',
            "The parameter `topics[1]` of events must be text, not a whole number.",
            {"param": "topics[1]", "expected": "text"},
        ),
        (
            "done",
            b"[1,2]",
            "2 parameters are too many for done: it takes `timeout_ms`.",
            {"expected": "at most 1"},
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_what_was_expected(
    method: str, text: bytes, message: str, data: dict[str, Any]
) -> None:
    error = refusal(method, text)
    assert (error.message, error.data) == (message, data)


def test_a_name_inside_an_object_is_named_as_such() -> None:
    spec = b'{"name":"a","kind":"regex","patterns":{"fine":"x","a b":"x"}}'
    error = refusal("extractors.register", spec)
    assert error.message.startswith(
        "The name `patterns.a b` of extractors.register must be 1 to 64 letters"
    )
    assert error.data["param"] == "patterns.a b"


def test_what_is_wrong_is_told_even_where_the_rest_cannot_be_read() -> None:
    spec = b'{"name":"a","kind":"regex","patterns":{"item":5},"x":"\xff"}'
    error = refusal("extractors.register", spec)
    assert error.data["param"] == "patterns[...]"


@pytest.mark.parametrize(
    "text",
    [
        b'{"text":"\xff"}',
        b'{"text":"\\ud800"}',
        b'["\xff"]',
        b"[" * 200_000 + b"]" * 200_000,
    ],
)
def test_parameters_that_cannot_be_read_are_refused_in_words(text: bytes) -> None:
    assert "cannot be read" in refusal("send_text", text).message


# How msgspec words a refusal is no contract of its: these notice when it changes.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(sorted(m.METHODS)),
    st.one_of(
        st.lists(JSON, max_size=4),
        st.dictionaries(st.sampled_from(["text", "topics", "since", "data", "x", "`"]), JSON),
    ),
)
def test_any_json_is_taken_or_refused_in_words(method: str, params: object) -> None:
    refused = ""
    try:
        params_decoder(method)(Raw(json.dumps(params).encode()))
    except LiveHandleError as error:
        refused = error.message
    assert not refused.startswith("The parameters of")
