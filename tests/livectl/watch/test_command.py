"""Events on the terminal."""

import json

import pytest

from livectl import reopening
from livectl.__main__ import main
from support.scripted_daemon import (
    HANG_UP,
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


def test_a_snapshot_is_shown_first(capsys: pytest.CaptureFixture[str]) -> None:
    answer = SUBSCRIBED | {"snapshot": {"phase": "active"}}
    with scripted_daemon({"events": result(answer, BYE)}) as daemon:
        assert run(daemon, "events", "--snapshot", "--json") == 0
        assert json.loads(capsys.readouterr().out.splitlines()[0]) == answer
        assert run(daemon, "events", "--snapshot") == 0
    assert "snapshot.phase  active\n" in capsys.readouterr().out


def test_what_cannot_be_replayed_is_told_and_is_no_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = SUBSCRIBED | {"reset": True, "snapshot": {"phase": "active"}}
    with scripted_daemon({"events": result(answer, BYE)}) as daemon:
        assert run(daemon, "watch", "--since", "k3f8:7") == 0
        told = capsys.readouterr()
        assert told.err == "livectl: what came after k3f8:7 is lost; going on from here\n"
        assert told.out.count("\n") == 1
        assert run(daemon, "watch", "--since", "k3f8:7", "--quiet", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[0]) == answer
    assert told.err == ""


@pytest.mark.parametrize("command", ["watch", "subscribe"])
def test_it_goes_on_with_a_daemon_that_is_back(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = result(SUBSCRIBED, event("live.text_delta", 5, text="a"), HANG_UP)
    again = result(SUBSCRIBED, event("live.text_delta", 6, text="b"), BYE)
    method = "events" if command == "watch" else command
    with scripted_daemon({method: in_turn(first, again)}) as daemon:
        assert run(daemon, command, "live.*", "--snapshot", "--json") == 0
    topics = {"topics": ["live.*"]}
    assert daemon.sent(method) == [topics | {"snapshot": True}, topics | {"since": "k3f9:5"}]
    told = capsys.readouterr()
    said = [json.loads(row)["data"].get("text") for row in told.out.splitlines()]
    assert said == ["a", "b", None]
    assert told.err.splitlines() == [
        "livectl: the daemon is gone: waiting until it is back",
        "livectl: the daemon is back",
    ]


def test_of_a_daemon_that_stays_away_the_cursor_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reopening, "AWAY_S", 0.0)
    first = result(SUBSCRIBED, event("live.text_delta", 5, text="a"), HANG_UP)
    with scripted_daemon({"events": first}) as daemon:
        assert run(daemon, "watch", "--quiet") == 2
    assert capsys.readouterr().err == (
        "livectl: The daemon is gone: start it, then go on with --since k3f9:5 "
        "[daemon.unreachable]\n"
    )


def test_a_daemon_that_dies_without_a_word_is_unreachable() -> None:
    with scripted_daemon({"events": lines(HANG_UP)}) as daemon:
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
    assert "what came after k3f9:0 is lost" in capsys.readouterr().err


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
