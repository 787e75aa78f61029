"""The commands that make the built-in emulator fail."""

import json

import pytest

from livectl.__main__ import main
from support.scripted_daemon import failure, result, scripted_daemon


@pytest.mark.parametrize(
    ("words", "params"),
    [
        (["go-away", "--time-left-ms", "5000"], {"do": "go_away", "time_left_ms": 5000}),
        (["goaway", "5s"], {"do": "go_away", "time_left_ms": 5000}),
        (["close", "--code", "1008", "--reason", "not now"], {"do": "close", "code": 1008}),
        (["abort", "--at", "tool-call", "--times", "0"], {"do": "abort", "at": "tool_call"}),
        (["stall", "--pings", "false"], {"do": "stall", "pings": False}),
        (["abort", "--at", "audio", "--after-ms", "2s"], {"at": "audio", "after_ms": 2000}),
    ],
)
def test_a_fault_is_asked_for(words: list[str], params: dict[str, object]) -> None:
    with scripted_daemon({"daemon.fault": result(None)}) as daemon:
        assert main(["--socket", str(daemon.path), "fault", *words]) == 0
    (sent,) = daemon.sent("daemon.fault")
    assert isinstance(sent, dict)
    assert params.items() <= sent.items()
    unnamed = ("--reason" in words) + ("--times" in words) + ("--after-ms" in words)
    assert len(sent) - len(params) == unnamed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clos"], "did you mean close? [client.usage]"),
        (["slow"], "--bytes-per-s: slow needs it. [client.usage]"),
        (["abort", "1"], "'1': abort takes no values. [client.usage]"),
        (["stall", "-5s"], "such as 500ms, 5s or 2m, not '-5s'. [client.usage]"),
        (["stall", "--for-ms", "-5s"], "--for-ms: it must be a length of time up to 24 days"),
        (["stall", "--for-ms"], "Argument --for-ms: expected one argument"),
        (["stall", "--for-ms", "--at", "audio"], "Argument --for-ms: expected one argument"),
        (["stall", "5s", "--for-ms", "3s"], "it is given twice, as '5s' and as '3s'"),
        (["--at", "audio"], "WHAT is missing: see livectl fault --help"),
        (["close", "1011", "\udcff"], "--reason: it must be UTF-8 text"),
    ],
)
def test_what_is_no_fault_is_not_asked_for(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({}) as daemon:
        assert main(["--socket", str(daemon.path), "fault", *words]) == 3
    assert daemon.requests == []
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_without_an_emulator_the_daemon_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refusal = failure("upstream.unsupported", "Start the daemon with --emulator to make faults.")
    with scripted_daemon({"daemon.fault": refusal}) as daemon:
        assert main(["--socket", str(daemon.path), "fault", "abort"]) == 5
    assert "--emulator" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "params", "shown"),
    [
        ([], {}, "close --at model-turn --code 1008\n"),
        (["--clear"], {"clear": True}, "close --at model-turn --code 1008\n"),
    ],
)
def test_faults_are_shown_a_line_each(
    words: list[str], params: object, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = {"do": "close", "at": "model_turn", "code": 1008}
    with scripted_daemon({"daemon.faults": result({"faults": [fault]})}) as daemon:
        assert main(["--socket", str(daemon.path), "faults", *words]) == 0
        assert capsys.readouterr().out == shown
        assert main(["--socket", str(daemon.path), "faults", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == fault
    assert daemon.sent("daemon.faults") == [params, params]
