"""Today's API still contains every frozen level; what would break a client of one is seen."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from livehandle_proto import API_LEVEL
from support import described, levels

Json = dict[str, Any]
FROZEN = levels.levels()
TODAY = levels.frozen(described.DOCUMENT, API_LEVEL)


@pytest.mark.parametrize("number", FROZEN)
def test_todays_api_still_contains_each_frozen_level(number: int) -> None:
    assert levels.missing(FROZEN[number], TODAY) == []


def test_the_levels_are_whole() -> None:
    assert list(FROZEN) == list(range(1, len(FROZEN) + 1))
    assert API_LEVEL in {len(FROZEN), len(FROZEN) + 1}
    assert all(level["level"] == number for number, level in FROZEN.items())


@pytest.mark.parametrize("number", FROZEN)
def test_a_file_is_written_as_it_would_be_written_now(number: int) -> None:
    written = (levels.DIRECTORY / f"{number}.json").read_text("utf-8")
    assert written == levels.text(json.loads(written))


def test_what_no_frozen_level_has_came_with_a_later_one() -> None:
    newest = FROZEN[max(FROZEN)]
    since = {
        "methods": {name: method["x-since"] for name, method in described.METHODS.items()},
        "topics": {name: topic["x-since"] for name, topic in described.TOPICS.items()},
        "errors": {n: error["x-since"] for n, error in described.DOCUMENT["x-errors"].items()},
    }
    for section, found in since.items():
        new = {name for name, level in found.items() if level > newest["level"]}
        assert new == found.keys() - newest[section].keys(), section
        assert max(found.values()) <= API_LEVEL


# The comparison.


def _method(name: str) -> Callable[[Json], Json]:
    return lambda level: level["methods"][name]


def _type(name: str) -> Callable[[Json], Json]:
    return lambda level: level["types"][name]


def _put(found: Callable[[Json], Json], *path: str, to: object) -> Callable[[Json], None]:
    def change(level: Json) -> None:
        at = found(level)
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = to

    return change


def _drop(found: Callable[[Json], Any], name: str) -> Callable[[Json], None]:
    def change(level: Json) -> None:
        at = found(level)
        at.remove(name) if isinstance(at, list) else at.pop(name)

    return change


def _reversed(found: Callable[[Json], Json]) -> Callable[[Json], None]:
    def change(level: Json) -> None:
        method = found(level)
        method["params"] = dict(reversed(method["params"].items()))

    return change


NULL = {"type": "null"}
TEXT = {"type": "string"}

BROKEN: dict[str, Callable[[Json], None]] = {
    "methods: send_text is gone": _drop(lambda level: level["methods"], "send_text"),
    "topics: live.audio is gone": _drop(lambda level: level["topics"], "live.audio"),
    "errors: text.empty is gone": _drop(lambda level: level["errors"], "text.empty"),
    "types: Ended is gone": _drop(lambda level: level["types"], "Ended"),
    "events.since is gone": _drop(lambda level: level["methods"]["events"]["params"], "since"),
    "transcript needs turns, which could be left out": _put(
        _method("transcript"), "required", to=["turns"]
    ),
    "state.set: its parameters have another order": _reversed(_method("state.set")),
    "send_text.text was {'type': 'string'} and is {'type': 'integer'}": _put(
        _method("send_text"), "params", "text", to={"type": "integer"}
    ),
    "events.since cannot be null now": _put(_method("events"), "params", "since", to=TEXT),
    "tools.register.timeout_ms: maximum is tighter": _put(
        _method("tools.register"),
        *("params", "timeout_ms"),
        to={"anyOf": [{"type": "integer", "minimum": 1, "maximum": 9}, NULL]},
    ),
    "events.topics: minItems is tighter": _put(
        _method("events"),
        *("params", "topics"),
        to={"anyOf": [{"type": "array", "items": TEXT, "minItems": 2}, NULL]},
    ),
    "the result of phase was PhaseNow and is Ended": _put(_method("phase"), "result", to="Ended"),
    "the result of done can be null now": _put(
        _method("done"), "result", to={"anyOf": ["Ended", NULL]}
    ),
    "delivery of live.audio was stream and is log": _put(
        lambda level: level["topics"]["live.audio"], "delivery", to="log"
    ),
    "stream of tool.call was own and is events": _put(
        lambda level: level["topics"]["tool.call"], "stream", to="events"
    ),
    "the data of live.audio was Audio and is Text": _put(
        lambda level: level["topics"]["live.audio"], "data", to="Text"
    ),
    "code of text.empty was 1120 and is 1121": _put(
        lambda level: level["errors"]["text.empty"], "code", to=1121
    ),
    "retryable of text.empty was False and is True": _put(
        lambda level: level["errors"]["text.empty"], "retryable", to=True
    ),
    "Phase has no active any more": _drop(lambda level: level["types"]["Phase"]["enum"], "active"),
    "Session.turns is gone": _drop(lambda level: level["types"]["Session"]["properties"], "turns"),
    "Session.turns was always there": _drop(
        lambda level: level["types"]["Session"]["required"], "turns"
    ),
    "Session.turns can be null now": _put(
        _type("Session"), "properties", "turns", to={"anyOf": [{"type": "integer"}, NULL]}
    ),
    "CallIds.ids[] was {'type': 'string'} and is {'type': 'integer'}": _put(
        _type("CallIds"), "properties", "ids", "items", to={"type": "integer"}
    ),
    "extractors.register.window was 3 where it is left out, and is 5": _put(
        _method("extractors.register"), "params", "window", "default", to=5
    ),
    'daemon.fault.at was "now" where it is left out, and is nothing': _put(
        _method("daemon.fault"), "params", "at", to="FaultMoment"
    ),
    "ContentTurn needs when, which could be left out": _put(
        _type("ContentTurn"), "required", to=["role", "parts", "when"]
    ),
}


@pytest.mark.parametrize("told", BROKEN)
def test_what_a_client_would_miss_is_told(told: str) -> None:
    today = copy.deepcopy(TODAY)
    BROKEN[told](today)
    assert told in "\n".join(levels.missing(TODAY, today))


LEGAL: dict[str, Callable[[Json], None]] = {
    "another method": _put(lambda level: level["methods"], "new", to={}),
    "another topic": _put(lambda level: level["topics"], "live.new", to={}),
    "another error": _put(lambda level: level["errors"], "text.new", to={}),
    "another parameter": _put(_method("send_text"), "params", "new", to=TEXT),
    "a parameter that may be left out now": _put(_method("send_text"), "required", to=[]),
    "a parameter that may be null now": _put(
        _method("send_text"), "params", "text", to={"anyOf": [TEXT, NULL]}
    ),
    "a wider bound": _put(
        _method("tools.register"),
        *("params", "timeout_ms"),
        to={"anyOf": [{"type": "integer"}, NULL], "default": None},
    ),
    "another field": _put(_type("Session"), "properties", "new", to=TEXT),
    "another choice": _put(_type("Phase"), "enum", to=[*TODAY["types"]["Phase"]["enum"], "new"]),
    "a field that is always there now": _put(
        _type("Ended"), "required", to=["reason", "code", "message"]
    ),
}


@pytest.mark.parametrize("change", LEGAL)
def test_what_no_client_would_miss_is_no_matter(change: str) -> None:
    today = copy.deepcopy(TODAY)
    LEGAL[change](today)
    assert today != TODAY
    assert levels.missing(TODAY, today) == []


def test_a_level_says_nothing_in_words() -> None:
    other_words = json.dumps(described.DOCUMENT).replace('"description": "', '"description": "!')
    assert levels.frozen(json.loads(other_words), API_LEVEL) == TODAY
