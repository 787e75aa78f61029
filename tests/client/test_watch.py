"""Events on the terminal."""

import json

import pytest

from livectl.__main__ import main
from livectl.watch import line
from livehandle import Event
from support.scripted_daemon import (
    ScriptedDaemon,
    event,
    in_turn,
    lines,
    result,
    scripted_daemon,
)

SUBSCRIBED = {"subscription": "e1", "cursor": "k3f9:0"}
BYE = event("daemon.bye", 9)


def run(daemon: ScriptedDaemon, *words: str) -> int:
    return main(["--socket", str(daemon.path), *words])


def told(topic: str, **data: object) -> str:
    return line(Event({"topic": topic, "cursor": "k3f9:7", "data": data}))


@pytest.mark.parametrize(
    ("topic", "data", "shown"),
    [
        ("live.text_delta", {"text": "Hel"}, '"Hel"'),
        ("live.text_delta", {"text": "a\n\x1b[31mé"}, '"a\\n\\u001b[31mé"'),
        ("live.input_transcript", {"text": "Hi", "is_final": True}, '"Hi"'),
        ("live.vad_start", {}, ""),
        ("live.turn_complete", {"turn": 3}, "turn=3"),
        ("session.phase_changed", {"phase": "a", "previous": "b"}, "phase=a previous=b"),
        ("live.error", {"message": "two\nlines"}, 'message="two\\nlines"'),
        ("live.audio", {"data": "AAAA" * 100, "mime_type": "x"}, "data=(300 bytes) mime_type=x"),
        ("session.tool_call", {"function_calls": [{"id": "1"}]}, 'function_calls=[{"id": "1"}]'),
    ],
)
def test_an_event_is_one_line(topic: str, data: dict[str, object], shown: str) -> None:
    assert told(topic, **data).split(maxsplit=2) == ["k3f9:7", topic, *([shown] if shown else [])]
    assert "\n" not in told(topic, **data)


@pytest.mark.parametrize("method", ["events", "subscribe"])
@pytest.mark.parametrize(
    ("words", "params"),
    [
        ([], {}),
        (["live.*", "live.audio"], {"topics": ["live.*", "live.audio"]}),
        (["--since", "k3f9:4"], {"since": "k3f9:4"}),
        (["--snapshot"], {"snapshot": True}),
    ],
)
def test_a_subscription_asks_for_what_is_named(
    method: str, words: list[str], params: dict[str, object]
) -> None:
    with scripted_daemon({method: result(SUBSCRIBED, BYE)}) as daemon:
        assert run(daemon, method, *words) == 0
    assert daemon.sent(method) == [params]


def test_with_json_each_event_is_the_object_that_came(capsys: pytest.CaptureFixture[str]) -> None:
    script = {"events": result(SUBSCRIBED, event("live.text_delta", 8, text="é"), BYE)}
    with scripted_daemon(script) as daemon:
        assert run(daemon, "events", "--json") == 0
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == json.loads(event("live.text_delta", 8, text="é"))["params"]
    assert last["topic"] == "daemon.bye"


@pytest.mark.parametrize("extra", [{"snapshot": {"phase": "active"}}, {"reset": True}])
def test_a_snapshot_or_a_reset_is_shown_first(
    extra: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    script = {"events": result(SUBSCRIBED | extra, BYE)}
    with scripted_daemon(script) as daemon:
        assert run(daemon, "events", "--json") == 0
        assert json.loads(capsys.readouterr().out.splitlines()[0]) == SUBSCRIBED | extra
        assert run(daemon, "events") == 0
    assert "k3f9:0" in capsys.readouterr().out


def test_a_daemon_that_dies_without_a_word_is_unreachable() -> None:
    with scripted_daemon({"events": lines(b"")}) as daemon:
        assert run(daemon, "events") == 2


def test_who_was_too_slow_goes_on_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    lagged = event("events.lagged", 6, last_seq=5, missed=3)
    again = result(SUBSCRIBED, event("live.text_delta", 6, text="b"), BYE)
    first = result(SUBSCRIBED, event("live.text_delta", 5, text="a"), lagged)
    with scripted_daemon({"events": in_turn(first, again)}) as daemon:
        assert run(daemon, "events", "live.*", "--since", "k3f9:1", "--snapshot") == 0
    assert daemon.sent("events")[1] == {"topics": ["live.*"], "since": "k3f9:5"}
    shown = capsys.readouterr()
    assert [row.split()[1] for row in shown.out.splitlines()] == [
        *("live.text_delta", "events.lagged", "live.text_delta", "daemon.bye")
    ]
    assert shown.err == ""


def test_who_was_too_slow_for_the_ring_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    first = result(SUBSCRIBED, event("events.lagged", 6, last_seq=0, missed=3))
    again = result(SUBSCRIBED | {"reset": True, "snapshot": {}}, BYE)
    with scripted_daemon({"events": in_turn(first, again)}) as daemon:
        assert run(daemon, "events") == 0
    assert "events after k3f9:0 are lost" in capsys.readouterr().err
