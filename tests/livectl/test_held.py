"""What is there as long as its connection is held until Ctrl-C."""

import json
import signal
from typing import Any

import pytest

from livectl.__main__ import main
from support.daemon import running_daemon
from support.livectl import Running, livectl
from support.scripted_daemon import event, result, scripted_daemon

ME = {"connection": "c1", "client": "livectl claim", "pid": 7, "uid": 0}
HELD = "livectl: held until Ctrl-C\n"
BYE = event("daemon.bye")
SUBSCRIBED = result({"subscription": "e1", "cursor": "k3f9:0"})
DECLARATIONS = json.dumps([{"name": "get_time"}])


@pytest.mark.parametrize(
    ("words", "method", "answer"),
    [
        (["claim", "mic"], "claim", {"mic": None, "speaker": None}),
        (["tools.register"], "tools.register", {"registration": "r1", "declared": "now"}),
        (["extractors.register", "Mood", "client"], "extractors.register", {"name": "Mood"}),
    ],
)
def test_what_the_connection_is_told_is_printed_to_its_end(
    words: list[str], method: str, answer: object, capsys: pytest.CaptureFixture[str]
) -> None:
    call = event("tool.call", name="f", args={})
    with scripted_daemon({method: result(answer, call, BYE)}) as daemon:
        assert main(["--socket", str(daemon.path), *words]) == 0
        told = capsys.readouterr()
        assert "yours to answer: f({})" in told.out
        assert told.err == HELD
        assert main(["--socket", str(daemon.path), *words, "--json", "--quiet"]) == 0
    told = capsys.readouterr()
    first, *events = map(json.loads, told.out.splitlines())
    assert first == answer
    assert [one["topic"] for one in events] == ["tool.call", "daemon.bye"]
    assert told.err == ""


def test_what_needs_no_connection_is_not_held() -> None:
    with scripted_daemon({"extractors.register": result({"name": "Mood"})}) as daemon:
        words = ["extractors.register", "Mood", "regex", "--patterns", "{}"]
        assert main(["--socket", str(daemon.path), *words]) == 0


def test_a_role_that_is_taken_by_force_is_held_no_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    thief = ME | {"connection": "c2", "client": "thief"}
    change: dict[str, Any] = {"role": "mic", "holder": thief, "previous": ME, "reason": "forced"}
    script = {
        "claim": result({"mic": ME, "speaker": None}),
        "events": result(
            {"subscription": "e1"},
            event("daemon.claim_changed", **change | {"reason": "claimed"}),
            event("daemon.claim_changed", **change),
        ),
    }
    with scripted_daemon(script) as daemon:
        assert main(["--socket", str(daemon.path), "claim", "mic"]) == 1
    assert "take it back with livectl claim mic --force. [roles.claimed]" in capsys.readouterr().err


def test_a_claim_lasts_until_ctrl_c_and_tools_answer_until_then() -> None:
    command = "cat >&2; echo noon"
    with running_daemon("--emulator") as daemon, daemon.client() as client:
        claim = Running(daemon.path, "claim", "speaker")
        claim.read_until("livectl claim (pid ")
        words = ["tools.register", "--declarations", DECLARATIONS, "--exec", command]
        tools = Running(daemon.path, *words)
        tools.read_until("declared")
        assert livectl(daemon.path, "ask", "call get_time").out == "get_time answered noon.\n"
        assert client.result("claims")["speaker"]["client"] == "livectl claim"
        done = claim.signal(signal.SIGINT)
        assert (done.code, done.err) == (130, HELD)
        done = tools.signal(signal.SIGINT)
        assert (done.code, done.err) == (130, HELD + "{}")
        assert client.result("claims") == {"mic": None, "speaker": None}
        assert client.result("tools.list")["tools"][0]["connection"] is None
