"""The first words to a daemon, and what they show of it."""

import json

import pytest

from livectl import commands
from livectl.__main__ import main
from livehandle_proto import API_LEVEL
from support.daemon import running_daemon
from support.scripted_daemon import Reply, lines, result, scripted_daemon

OLDER = {"api_level": API_LEVEL - 1, "api_compatible": 1}
NEWER = {"api_level": 9, "api_compatible": 8}


def test_a_daemon_hears_which_command_it_is_and_that_lines_may_be_long() -> None:
    script = {"daemon.hello": result(OLDER), "phase": result({"phase": "idle"})}
    with scripted_daemon(script) as daemon:
        assert main(["--socket", str(daemon.path), "phase"]) == 0
    assert daemon.sent("daemon.hello") == [{"client": "livectl phase", "max_line_bytes": 2**24}]


@pytest.mark.parametrize("words", [["daemon.hello"], ["call", "daemon.hello"]])
def test_who_says_hello_says_it_once(words: list[str]) -> None:
    with scripted_daemon({"daemon.hello": result(OLDER)}) as daemon:
        assert main(["--socket", str(daemon.path), *words]) == 0
    assert daemon.sent("daemon.hello") == [{}]


@pytest.mark.parametrize(
    ("hello", "told"),
    [
        (OLDER, f"API level {API_LEVEL - 1}, and livectl {API_LEVEL}: update livehandled, or "),
        (NEWER, f"API level 9, and livectl {API_LEVEL}: update livectl."),
    ],
)
def test_a_daemon_of_another_level_is_told_as_that(
    hello: object, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({"daemon.hello": result(hello)}) as daemon:
        assert main(["--socket", str(daemon.path), "phase"]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("answer", [result(None), result({"api_level": "2"})])
def test_what_does_not_say_its_level_is_no_daemon(answer: Reply) -> None:
    with scripted_daemon({"daemon.hello": answer}) as daemon:
        assert main(["--socket", str(daemon.path), "phase"]) == 2


@pytest.mark.parametrize(
    "words", ["watch", "ask Hi", "chat", "connect", "state.get a", "wait turn --timeout 1"]
)
def test_what_never_answers_is_given_up(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "HELLO_S", 0.05)
    with scripted_daemon({"daemon.hello": lines()}) as daemon:
        assert main(["--socket", str(daemon.path), *words.split()]) == 2
    assert "did not answer within 0.05 s" in capsys.readouterr().err


def test_a_result_that_needs_a_long_line_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with running_daemon("--emulator") as daemon:
        assert main(["--socket", str(daemon.path), "--json", "rpc.discover"]) == 0
    assert len(json.loads(capsys.readouterr().out)["methods"]) > 50


@pytest.mark.parametrize("command", ["phase", "doctor"])
def test_an_instance_that_the_environment_contradicts_is_refused(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVEHANDLE_SOCKET", "/nonexistent/s")
    assert main(["--instance", "foo", command]) == 3
    assert "name two daemons: unset the variable. [client.usage]" in capsys.readouterr().err
