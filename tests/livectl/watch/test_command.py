"""Events on the terminal."""

import json

import pytest

from livectl.__main__ import main
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


@pytest.mark.parametrize("command", ["watch", "events", "subscribe"])
@pytest.mark.parametrize(
    ("words", "params"),
    [
        ([], {}),
        (["live.*", "live.audio"], {"topics": ["live.*", "live.audio"]}),
        (["--since", "k3f9:4"], {"since": "k3f9:4"}),
        (["--snapshot"], {"snapshot": True}),
        (["--topics", "live.*, tool.*"], {"topics": ["live.*", "tool.*"]}),
        (["live.audio", "--topics", "live.*"], {"topics": ["live.audio", "live.*"]}),
    ],
)
def test_a_subscription_asks_for_what_is_named(
    command: str, words: list[str], params: dict[str, object]
) -> None:
    method = "events" if command == "watch" else command
    with scripted_daemon({method: result(SUBSCRIBED, BYE)}) as daemon:
        assert run(daemon, command, *words) == 0
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
    assert [row.split(maxsplit=2)[1:] for row in shown.out.splitlines()] == [
        ["model", "a"],
        ["events", "fell behind: 3 missed"],
        ["model", "b"],
        ["daemon", "says goodbye"],
    ]
    assert shown.err == ""


def test_who_was_too_slow_for_the_ring_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    first = result(SUBSCRIBED, event("events.lagged", 6, last_seq=0, missed=3))
    again = result(SUBSCRIBED | {"reset": True, "snapshot": {}}, BYE)
    with scripted_daemon({"events": in_turn(first, again)}) as daemon:
        assert run(daemon, "events") == 0
    assert "events after k3f9:0 are lost" in capsys.readouterr().err


def test_with_quiet_nothing_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    first = result(SUBSCRIBED, event("events.lagged", 6, last_seq=0, missed=3))
    again = result(SUBSCRIBED | {"reset": True}, BYE)
    with scripted_daemon({"events": in_turn(first, again)}) as daemon:
        assert run(daemon, "watch", "--quiet") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("topics", "shown"), [([], 1), (["state.*"], 2), (["state.changed"], 2)])
def test_the_daemons_own_keys_are_shown_to_who_names_the_state(
    topics: list[str], shown: int, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = [event("state.changed", key=key, value=1) for key in ("session:turn_count", "app:a")]
    with scripted_daemon({"events": result(SUBSCRIBED, *changes, BYE)}) as daemon:
        assert run(daemon, "watch", *topics) == 0
        assert capsys.readouterr().out.count(" = 1\n") == shown
        assert run(daemon, "watch", "--json") == 0
    assert capsys.readouterr().out.count("\n") == 3  # nothing is left out of JSON
