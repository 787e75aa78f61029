"""Events in words."""

import pytest

from livectl.description import topics
from livectl.watch.wording import COLOURS, GROWING, worded
from livehandle.connection import Event


def told(topic: str, **data: object) -> tuple[str, str]:
    return worded(Event({"topic": topic, "cursor": "k3f9:7", "data": data}))


CALL: dict[str, object] = {"id": "1", "name": "get_time", "args": {"zone": "UTC"}}
CASES: list[tuple[str, dict[str, object], tuple[str, str]]] = [
    ("live.vad_start", {}, ("you", "(begin to speak)")),
    ("live.turn_complete", {"turn": 3, "interrupted": False}, ("turn", "3 complete")),
    ("live.turn_complete", {"turn": 3, "interrupted": True}, ("turn", "3 was interrupted")),
    (
        "live.turn_complete",
        {"turn": 3, "reason": "soft_timeout"},
        ("turn", "3 complete (soft_timeout)"),
    ),
    (
        "live.turn_metrics",
        {"turn": 3, "latency_ms": 152, "prompt_tokens": 6, "response_tokens": 62},
        ("turn", "3 answered after 152 ms, 6 + 62 tokens"),
    ),
    (
        "live.turn_metrics",
        {"turn": 3, "latency_ms": None, "prompt_tokens": None, "response_tokens": None},
        ("turn", "3"),
    ),
    ("live.interrupted", {}, ("stop", "the user cut the model off")),
    (
        "live.tool_execution",
        {**CALL, "result": {"output": "noon"}},
        ("tool", 'get_time({"zone": "UTC"}) -> {"output": "noon"}'),
    ),
    ("live.tool_cancelled", {"ids": ["a", "b"]}, ("tool", "no longer wanted: a, b")),
    (
        "session.tool_call",
        {"function_calls": [CALL]},
        ("tool", 'the model calls get_time({"zone": "UTC"})'),
    ),
    ("tool.call", CALL, ("tool", 'yours to answer: get_time({"zone": "UTC"})')),
    (
        "state.changed",
        {"key": "app:a", "value": {"b": 1}, "removed": False},
        ("state", 'app:a = {"b": 1}'),
    ),
    ("state.changed", {"key": "app:a", "value": None, "removed": True}, ("state", "app:a removed")),
    ("session.phase_changed", {"phase": "b", "previous": "a"}, ("phase", "a -> b")),
    (
        "live.reconnecting",
        {"attempt": 2, "delay_ms": 500, "cause": "gone"},
        ("session", "connecting anew in 500 ms, attempt 2: gone"),
    ),
    (
        "live.resumed",
        {"restored": "fresh", "reason": "no handle", "gap_ms": 90, "lost": 3},
        ("session", "goes on after 90 ms: fresh, for no handle, 3 frames lost"),
    ),
    (
        "live.resumed",
        {"restored": "handle", "reason": None, "gap_ms": 90, "lost": 0},
        ("session", "goes on after 90 ms: handle"),
    ),
    (
        "live.disconnected",
        {"reason": "closed", "code": 1008, "message": "No."},
        ("session", "ended: closed 1008 No."),
    ),
    (
        "live.go_away",
        {"time_left_ms": 50},
        ("session", "the service closes the connection in 50 ms"),
    ),
    ("live.go_away", {}, ("session", "the service closes the connection")),
    (
        "live.error",
        {"code": 1301, "message": "Wait.", "data": {"name": "upstream.quota"}},
        ("error", "Wait. [upstream.quota]"),
    ),
    ("live.error", {"message": "two\nlines"}, ("error", '"two\\nlines"')),
    (
        "live.extraction",
        {"name": "order", "value": {"item": "latte"}},
        ("found", 'order: {"item": "latte"}'),
    ),
    ("events.dropped", {"count": 7, "from": 1, "to": 9}, ("events", "fell behind: 7 dropped")),
    # All else has its topic and its fields.
    ("session.text_delta", {"text": "Hel "}, ("session", 'text_delta text="Hel "')),
    (
        "session.resume_update",
        {"resumable": True, "x": None},
        ("session", "resume_update resumable=true"),
    ),
    (
        "live.audio",
        {"data": "AAAA" * 100, "mime_type": "x"},
        ("live", "audio data=(300 bytes) mime_type=x"),
    ),
    ("newer.topic", {}, ("newer", "topic")),
]


@pytest.mark.parametrize(("topic", "data", "line"), CASES)
def test_an_event_is_a_kind_of_line_and_its_words(
    topic: str, data: dict[str, object], line: tuple[str, str]
) -> None:
    assert told(topic, **data) == line


@pytest.mark.parametrize("topic", topics())
def test_every_topic_has_words_for_its_example_and_for_nothing(topic: str) -> None:
    example = topics()[topic].example
    for data in (example if isinstance(example, dict) else {}, {}):
        kind, text = told(topic, **data)
        assert kind
        assert "\n" not in text


def test_every_kind_of_words_has_a_colour() -> None:
    assert set(GROWING.values()) <= COLOURS.keys()
    assert GROWING.keys() <= topics().keys()
