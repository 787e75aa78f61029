"""The commands that call one method."""

import json
from pathlib import Path

import pytest

from livectl import commands
from livectl.__main__ import main
from support.scripted_daemon import Reply, ScriptedDaemon, failure, result, scripted_daemon

SESSION = {
    "session_id": "s1",
    "phase": "active",
    "connection": {"generation": 1, "url": "ws://127.0.0.1/x"},
    "last_close": None,
    "resumable": False,
    "turns": 3,
}
PEOPLE = """\
session_id             s1
phase                  active
connection.generation  1
connection.url         ws://127.0.0.1/x
resumable              false
turns                  3
"""


def run(daemon: ScriptedDaemon, *words: str) -> int:
    return main(["--socket", str(daemon.path), *words])


@pytest.mark.parametrize(
    ("words", "method", "params", "answer"),
    [
        (["phase"], "phase", {}, {"phase": "active"}),
        (["session"], "session", {}, SESSION),
        (["status"], "daemon.status", {}, {"pid": 7, "session": SESSION}),
        (["telemetry"], "telemetry", {}, {"turn_count": 1}),
        (["connect"], "connect", {"config": {}}, SESSION),
        (
            ["connect", "session.model=x", "voice.vad=off", "session.store=true"],
            "connect",
            {"config": {"session": {"model": "x", "store": True}, "voice": {"vad": "off"}}},
            SESSION,
        ),
        (["disconnect"], "disconnect", {}, None),
        (["done"], "done", {}, {"reason": "disconnected"}),
        (["done", "--timeout", "1.5"], "done", {"timeout_ms": 1500}, {"reason": "closed"}),
        (["call", "daemon.ping"], "daemon.ping", {}, None),
        (["call", "send-text", "text=Hi"], "send_text", {"text": "Hi"}, None),
        (["call", "send_text", '["Hi"]'], "send_text", ["Hi"], None),
    ],
)
def test_a_command_calls_its_method_and_prints_the_result(
    words: list[str],
    method: str,
    params: object,
    answer: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with scripted_daemon({method: result(answer)}) as daemon:
        assert run(daemon, *words, "--json") == 0
    assert daemon.sent(method) == [params]
    told = capsys.readouterr()
    if answer is None and words[0] != "call":  # null is no object to print
        assert told.out == ""
    else:
        assert told.out.count("\n") == 1
        assert json.loads(told.out) == answer
    assert told.err == ""


@pytest.mark.parametrize(
    ("words", "reply", "shown"),
    [
        (["phase"], result({"phase": "model_speaking"}), "model_speaking\n"),
        (["session"], result(SESSION), PEOPLE),
        (["disconnect"], result(None), ""),
        (["done"], result({"reason": "closed", "code": 1000}), "reason  closed\ncode    1000\n"),
        (["call", "phase"], result({"phase": "é"}), '{\n  "phase": "é"\n}\n'),
    ],
)
def test_people_see_text(
    words: list[str], reply: Reply, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    method = words[-1]
    with scripted_daemon({method: reply}) as daemon:
        assert run(daemon, *words) == 0
    assert capsys.readouterr().out == shown


def test_a_session_that_does_not_end_in_time_exits_6(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_daemon({"done": failure("session.timeout", "It has not ended.")}) as daemon:
        assert run(daemon, "done", "--timeout", "0") == 6
    assert capsys.readouterr().err == "livectl: It has not ended. [session.timeout]\n"


def test_what_the_daemon_says_of_a_configuration_is_its_own_error() -> None:
    with scripted_daemon({"connect": failure("config.invalid", "No such key.")}) as daemon:
        assert run(daemon, "connect", "session.modle=x") == 1


def test_wrong_words_are_told_before_anything_is_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with scripted_daemon({}) as daemon:
        assert run(daemon, "call", "send_text", "Hi") == 3
    assert daemon.requests == []
    assert "no key=value" in capsys.readouterr().err


def test_who_finds_no_daemon_is_told_of_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "SYSTEM_SOCKETS", str(tmp_path))
    monkeypatch.delenv("LIVEHANDLE_SOCKET", raising=False)
    assert main(["--instance", "of-nobody", "phase"]) == 2
    assert f"give --socket {tmp_path}/default.sock." in capsys.readouterr().err
    assert main(["--socket", f"{tmp_path}/s", "phase"]) == 2
    assert "the system's daemons" not in capsys.readouterr().err
