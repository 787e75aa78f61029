"""Calls of the model that a shell command carries out."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livectl.function import Function
from livehandle.connection import Connection, Event
from support.scripted_daemon import Reply, ScriptedDaemon, failure, result, scripted_daemon


@pytest.fixture
def daemon() -> Iterator[ScriptedDaemon]:
    with scripted_daemon({"tools.respond": result(None)}) as daemon:
        yield daemon


def call(call_id: str = "1", **args: object) -> Event:
    return Event({"topic": "tool.call", "data": {"call_id": call_id, "name": "f", "args": args}})


def carried_out(daemon: ScriptedDaemon, command: str, *events: Event) -> list[object]:
    """Take the events and wait until no call is under way; return what was answered."""
    with Connection.open(str(daemon.path), answer_timeout=10) as connection:
        function = Function(connection, command)
        for one in events:
            function.take(one)
        deadline = time.monotonic() + 10
        while function.busy:
            assert time.monotonic() < deadline
            function.tick()
        function.close()
    return daemon.sent("tools.respond")


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ("cat", {"result": {"room": "é"}}),
        ("echo noon", {"result": "noon"}),
        ("echo $1", {"result": "f"}),
        ("echo '[1'", {"result": "[1"}),
        ("true", {"result": ""}),
        ("echo No such room.; exit 4", {"error": "No such room."}),
        ("exit 4", {"error": "The command failed with exit code 4."}),
        ("yes | head -c 1048577", {"error": "The command printed more than 1048576 bytes."}),
    ],
)
def test_the_output_is_the_result_and_a_failure_the_error(
    daemon: ScriptedDaemon, command: str, outcome: dict[str, object]
) -> None:
    assert carried_out(daemon, command, call(room="é")) == [{"call_id": "1", **outcome}]


def test_calls_run_side_by_side(daemon: ScriptedDaemon, tmp_path: Path) -> None:
    pipe = tmp_path / "p"
    os.mkfifo(pipe)
    command = f"read args; case $args in *1*) cat {pipe};; *) echo 2 >{pipe};; esac"
    answered = carried_out(daemon, command, call("1", n=1), call("2", n=2))
    assert {"call_id": "1", "result": 2} in answered


def test_what_is_no_longer_wanted_is_ended_with_all_that_it_started(
    daemon: ScriptedDaemon,
) -> None:
    cancel = Event({"topic": "tool.cancel", "data": {"call_id": "1"}})
    other = Event({"topic": "tool.cancel", "data": {"call_id": "2"}})
    assert carried_out(daemon, "sleep 60 | sleep 60", call(), other, cancel) == []


@pytest.mark.parametrize("reply", [failure("tools.call_expired", "Too late.")])
def test_an_answer_that_comes_too_late_is_told(
    reply: Reply, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({"tools.respond": reply}) as daemon:
        carried_out(daemon, "true", call())
    assert capsys.readouterr().err == "livectl: Too late. [tools.call_expired]\n"
