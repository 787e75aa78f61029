"""The description as livectl reads it."""

import json

import pytest

from livectl.description import Param, as_word, dashed, methods, text, topics
from livehandle_proto.methods import METHODS
from livehandle_proto.topics import TOPICS


def param(method: str, name: str) -> Param:
    return next(one for one in methods()[method].params if one.name == name)


def test_it_has_every_method_and_topic() -> None:
    assert list(methods()) == list(METHODS)
    assert list(topics()) == list(TOPICS)
    assert json.loads(text())["openrpc"].startswith("1.3")


@pytest.mark.parametrize(
    ("method", "name", "kind", "required", "option", "words"),
    [
        ("send_text", "text", "string", True, "--text", "string"),
        ("done", "timeout_ms", "integer", False, "--timeout-ms", "integer from 0 to 2147483647"),
        ("claim", "role", "string", True, "--role", "mic | speaker"),
        ("claim", "force", "boolean", False, "--force", "boolean"),
        ("connect", "config", "object", False, "--config", "JSON object"),
        ("queue_context", "turns", "array", False, "--turns", "JSON array"),
        ("queue_context", "role", "string", False, "--role", "model | user; default model"),
        ("state.set", "value", "any", True, "--value", "any JSON, or text"),
        (
            "extractors.register",
            "window",
            "integer",
            False,
            "--window",
            "integer from 1 to 50; The most turns to read; default 3",
        ),
    ],
)
def test_a_parameter_is_told_in_words(
    method: str, name: str, kind: str, required: bool, option: str, words: str
) -> None:
    one = param(method, name)
    assert (one.kind, one.required, one.option, one.words) == (kind, required, option, words)


def test_choices_are_found_behind_references() -> None:
    assert "active" in param("session.wait_for_phase", "phase").choices
    assert param("tools.respond", "scheduling").choices  # null beside it is left out
    assert param("send_text", "text").choices == ()


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("phase", "phase() -> PhaseNow"),
        ("state.set", "state.set(key, value) -> null"),
        ("done", "done(timeout_ms?) -> Ended"),
        ("extracted", "extracted(name) -> any JSON"),
        ("telemetry", "telemetry() -> object"),
    ],
)
def test_a_method_has_a_signature(method: str, signature: str) -> None:
    assert methods()[method].signature == signature


def test_every_method_tells_its_errors_and_an_example() -> None:
    for name, method in methods().items():
        assert set(method.errors) == set(METHODS[name].errors)
        assert method.examples


@pytest.mark.parametrize("topic", topics())
def test_a_topic_tells_who_gives_it(topic: str) -> None:
    assert topics()[topic].delivery == TOPICS[topic].delivery
    assert topics()[topic].stream in {"events", "subscribe", "own", None}


@pytest.mark.parametrize(
    ("value", "word"), [("a b", "a b"), (1, "1"), (None, "null"), ({"é": [True]}, '{"é": [true]}')]
)
def test_a_value_is_a_word(value: object, word: str) -> None:
    assert as_word(value) == word


def test_names_have_dashes_on_the_command_line() -> None:
    assert dashed("session.wait_for_phase") == "session.wait-for-phase"
