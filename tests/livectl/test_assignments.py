"""`key=value` words of a command line."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livectl.assignments import params, tree, value
from livehandle_proto.errors import LiveHandleError

NAMES = st.text("abcdefgh_", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["a=1"], {"a": 1}),
        (["a=1", "b=x"], {"a": 1, "b": "x"}),
        (["session.model=x", "session.voice=Puck"], {"session": {"model": "x", "voice": "Puck"}}),
        (["a.b.c=true", "a.b.d=null"], {"a": {"b": {"c": True, "d": None}}}),
        (['a={"b": [1]}'], {"a": {"b": [1]}}),
        (['a={"b": 1}', "a.c=2"], {"a": {"b": 1, "c": 2}}),
        (["a=x=y"], {"a": "x=y"}),
        (["a="], {"a": ""}),
        (["text=Hello there"], {"text": "Hello there"}),
    ],
)
def test_words_are_a_tree(words: list[str], expected: dict[str, object]) -> None:
    assert tree(words) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("-1.5", -1.5),
        ("true", True),
        ("True", "True"),
        ('"1"', "1"),
        ("[1, 2]", [1, 2]),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("gemini-3.8-live", "gemini-3.8-live"),
        ("", ""),
    ],
)
def test_a_value_is_json_or_else_text(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize("text", ["{", '{"a":1', '"abc', " [1", "[" * 100_000])
def test_what_begins_as_json_and_is_none_is_not_taken_as_text(text: str) -> None:
    with pytest.raises(LiveHandleError, match="begins as JSON and is none") as refused:
        value(text)
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["a"], "no key=value"),
        (["=1"], "no key=value"),
        (["a..b=1"], "no key=value"),
        ([".a=1"], "no key=value"),
        (["a=1", "a=2"], "given twice"),
        (["a=1", "a.b=2"], "second meaning"),
        (["a.b=1", "a=2"], "given twice"),
    ],
)
def test_words_that_are_no_tree_are_wrong_usage(words: list[str], why: str) -> None:
    with pytest.raises(LiveHandleError, match=why) as refused:
        tree(words)
    assert refused.value.name == "client.usage"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (['{"text": "Hi"}'], {"text": "Hi"}),
        ([' ["Hi"]'], ["Hi"]),
        (["text=Hi"], {"text": "Hi"}),
        ([], {}),
    ],
)
def test_parameters_are_json_or_words(words: list[str], expected: object) -> None:
    assert params(words) == expected


def test_parameters_may_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "Hi"}\n')))
    assert params(["-"]) == {"text": "Hi"}


@pytest.mark.parametrize("word", ["{", '{"a" 1}', "[1", '{"a": NaN}', "[" * 100_000])
def test_parameters_that_are_no_json_are_wrong_usage(word: str) -> None:
    with pytest.raises(LiveHandleError, match="not JSON") as refused:
        params([word])
    assert refused.value.name == "client.usage"


@given(
    st.dictionaries(NAMES, st.dictionaries(NAMES, st.one_of(st.integers(), st.text())), max_size=4)
)
def test_every_tree_can_be_said(wanted: dict[str, dict[str, object]]) -> None:
    wanted = {section: keys for section, keys in wanted.items() if keys}
    words = [
        f"{section}.{key}={json.dumps(given)}"
        for section, keys in wanted.items()
        for key, given in keys.items()
    ]
    assert tree(words) == wanted
