"""The check of what daemons send sees what is not as the catalogue has it."""

import json
from typing import Any

import pytest

from support.checked import Checked

Json = dict[str, Any]


def event(topic: str, **data: object) -> Json:
    params = {"seq": 1, "cursor": "a:1", "ts_ms": 1, "topic": topic, "data": data}
    return {"jsonrpc": "2.0", "method": "event", "params": params}


def error(name: str, code: int, *, retryable: bool = False) -> Json:
    data = {"name": name, "retryable": retryable}
    return {"jsonrpc": "2.0", "error": {"code": code, "message": "No.", "data": data}, "id": 1}


def asked(method: str) -> Checked:
    checked = Checked()
    checked.sent(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode() + b"\n")
    return checked


def result(value: object) -> Json:
    return {"jsonrpc": "2.0", "result": value, "id": 1}


RIGHT: list[tuple[str, Json, tuple[str, str]]] = [
    ("phase", result({"phase": "active"}), ("method", "phase")),
    ("phase", event("live.vad_start"), ("topic", "live.vad_start")),
    ("phase", error("daemon.stopping", 1900, retryable=True), ("error", "daemon.stopping")),
    ("send_text", error("text.empty", 1120), ("error", "text.empty")),
]


@pytest.mark.parametrize(("method", "message", "seen"), RIGHT)
def test_what_is_right_is_seen(method: str, message: Json, seen: tuple[str, str]) -> None:
    checked = asked(method)
    checked.received([message])
    assert checked.seen == {seen}


WRONG: list[tuple[str, Json]] = [
    ("phase", result({"phase": "asleep"})),
    ("phase", result({})),
    ("phase", result(None)),
    ("phase", result({"phase": "active", "mood": "good"})),
    ("phase", error("text.empty", 1120)),
    ("send_text", error("text.empty", 1121)),
    ("send_text", error("text.empty", 1120, retryable=True)),
    ("send_text", error("text.odd", 1120)),
    ("phase", event("live.vad_begin")),
    ("phase", event("live.vad_start", at=1)),
    ("phase", event("live.text_delta", text=5)),
    ("phase", {**event("live.vad_start"), "method": "events"}),
]


@pytest.mark.parametrize(("method", "message"), WRONG)
def test_what_is_wrong_fails_the_test_that_reads_it(method: str, message: Json) -> None:
    with pytest.raises((AssertionError, KeyError)):
        asked(method).received(message)


def test_an_error_inside_an_event_counts() -> None:
    checked = Checked()
    inner = error("upstream.bad_message", 1305)["error"]
    checked.received(event("live.error", **inner))
    assert ("error", "upstream.bad_message") in checked.seen
