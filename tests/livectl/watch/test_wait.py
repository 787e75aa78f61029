"""Waiting for a phase, a turn or an event."""

import json

import pytest

from livectl.__main__ import main
from support.scripted_daemon import (
    ScriptedDaemon,
    event,
    failure,
    in_turn,
    result,
    scripted_daemon,
)

SUBSCRIBED = {"subscription": "e1", "cursor": "k3f9:0"}
END = event("live.turn_complete", 7, turn=3, interrupted=False)


def run(daemon: ScriptedDaemon, *words: str) -> int:
    return main(["--socket", str(daemon.path), "wait", *words])


def test_a_phase_is_waited_for_by_the_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    script = {"session.wait_for_phase": result({"phase": "model_speaking"})}
    with scripted_daemon(script) as daemon:
        assert run(daemon, "phase", "model-speaking", "--timeout", "1.5") == 0
        assert run(daemon, "phase", "model_speaking", "--json") == 0
    assert daemon.sent("session.wait_for_phase") == [
        {"phase": "model_speaking", "timeout_ms": 1500},
        {"phase": "model_speaking"},
    ]
    assert capsys.readouterr().out == 'model_speaking\n{"phase": "model_speaking"}\n'


def test_a_phase_that_does_not_come_in_time_exits_6() -> None:
    script = {"session.wait_for_phase": failure("session.timeout", "Not yet.")}
    with scripted_daemon(script) as daemon:
        assert run(daemon, "phase", "active", "--timeout", "0") == 6


@pytest.mark.parametrize(
    ("words", "topics"),
    [
        (["turn"], {"topics": ["live.turn_complete"]}),
        (["event", "live.turn_complete", "tool.*"], {"topics": ["live.turn_complete", "tool.*"]}),
        (["event", "live.*", "--since", "k:1"], {"topics": ["live.*"], "since": "k:1"}),
    ],
)
def test_the_first_event_that_is_named_ends_it(
    words: list[str], topics: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({"events": result(SUBSCRIBED, END)}) as daemon:
        assert run(daemon, *words) == 0
        assert capsys.readouterr().out.endswith("turn     3 complete\n")
        assert run(daemon, *words, "--json") == 0
    assert daemon.sent("events") == [topics, topics]
    assert json.loads(capsys.readouterr().out)["data"]["turn"] == 3


def test_what_did_not_come_in_time_exits_6_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_daemon({"events": result(SUBSCRIBED)}) as daemon:
        assert run(daemon, "event", "live.connected", "--timeout", "0") == 6
        assert "No live.connected came within 0 s" in capsys.readouterr().err
        assert run(daemon, "turn", "--timeout", "0.01") == 6
    assert "No live.turn_complete came within 0.01 s" in capsys.readouterr().err


def test_a_notice_of_the_connection_is_not_what_was_waited_for() -> None:
    lagged = event("events.lagged", 6, last_seq=5, missed=3)
    script = {"events": in_turn(result(SUBSCRIBED, lagged), result(SUBSCRIBED, END))}
    with scripted_daemon(script) as daemon:
        assert run(daemon, "event", "*") == 0
    assert daemon.sent("events")[1] == {"topics": ["*"], "since": "k3f9:0"}


def test_what_concerns_the_connection_alone_is_not_it_either(
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = json.loads(event("tool.cancel", 5, call_id="c1"))
    own["params"]["subscription"] = None
    script = {"events": result(SUBSCRIBED, json.dumps(own).encode() + b"\n", END)}
    with scripted_daemon(script) as daemon:
        assert run(daemon, "turn", "--json") == 0
    assert json.loads(capsys.readouterr().out)["topic"] == "live.turn_complete"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["phase"], "Give one phase"),
        (["phase", "a", "b"], "Give one phase"),
        (["phase", "a", "--since", "k:1"], "leave --since out"),
        (["turn", "3"], "A turn has no name, and '3' is given"),
        (["event"], "Give the event to wait for"),
        (["trun"], "did you mean turn?"),
    ],
)
def test_wrong_words_are_told_before_anything_is_called(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({}) as daemon:
        assert run(daemon, *words) == 3
    assert daemon.requests == []
    assert why in capsys.readouterr().err
