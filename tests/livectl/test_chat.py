"""A typed conversation."""

import json
import stat
import sys
from pathlib import Path

import pytest

from livectl.__main__ import main
from livectl.chat import PROMPT, history_file
from support.daemon import environment
from support.livectl import livectl
from support.scripted_daemon import (
    Reply,
    ScriptedDaemon,
    event,
    failure,
    in_turn,
    result,
    scripted_daemon,
)
from support.terminals import OnTerminal

IDLE = {"phase": "active", "current_turn": None}
SUBSCRIBED = result({"subscription": "e1", "cursor": "k3f9:0"})


def turn(number: int, words: str) -> list[bytes]:
    said = event("live.output_transcript", number * 2, text=words)
    end = event("live.turn_complete", number * 2 + 1, turn=number, model=words, interrupted=False)
    return [said, end]


def script(*sends: Reply) -> dict[str, Reply]:
    return {
        "daemon.ping": result(None),
        "session": result(IDLE),
        "events": SUBSCRIBED,
        "send_text": in_turn(*sends),
    }


TWO = script(result(None, *turn(0, "Good day.")), result(None, *turn(1, "Well, thanks.")))


def on_terminal(daemon: ScriptedDaemon, *words: str) -> OnTerminal:
    command = [sys.executable, "-m", "livectl", "--socket", str(daemon.path), "chat", *words]
    environ = environment(daemon.path.parent, {"TERM": "xterm", "INPUTRC": "/dev/null"})
    return OnTerminal(command, environ)


def test_from_a_pipe_each_line_is_a_turn_and_answers_alone_are_printed() -> None:
    with scripted_daemon(TWO | {"send_text": in_turn(*[result(None, *turn(0, "Yes."))] * 2)}) as d:
        done = livectl(d.path, "chat", stdin="Grüß dich\n\nAnd you?\n".encode())
        assert done == (0, "Yes.\nYes.\n", "")
        assert d.sent("send_text") == [{"text": "Grüß dich"}, {"text": "And you?"}]


def test_with_json_each_answer_is_an_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines").write_text("One\nTwo")
    sends = in_turn(result(None, *turn(0, "A")), result(None, *turn(1, "B")))
    with (
        scripted_daemon(TWO | {"send_text": sends}) as daemon,
        (tmp_path / "lines").open() as stdin,
    ):
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["--socket", str(daemon.path), "chat", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["text"], one["turn"]) for one in answers] == [("A", 0), ("B", 1)]


@pytest.mark.parametrize(
    ("lines", "code", "why"),
    [(b"One\nTwo\n", 5, "[upstream.quota]"), (b"\xff\n", 3, "not UTF-8")],
)
def test_from_a_pipe_the_first_error_ends_it(lines: bytes, code: int, why: str) -> None:
    refusing = script(failure("upstream.quota", "Wait."))
    with scripted_daemon(refusing) as daemon:
        done = livectl(daemon.path, "chat", stdin=lines)
    assert (done.code, done.out) == (code, "")
    assert why in done.err


def test_without_a_daemon_nothing_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--socket", "/nonexistent/s", "chat"]) == 2
    assert capsys.readouterr().out == ""


def test_at_a_terminal_it_converses_until_ctrl_d_and_keeps_what_was_typed() -> None:
    sends = [result(None, *turn(n, f"Answer {n}.")) for n in range(3)]
    with scripted_daemon(script(*sends)) as daemon:
        with on_terminal(daemon) as chat:
            assert "Ctrl-D ends" in chat.until(PROMPT)
            chat.type("Hello\r")
            assert "Answer 0.\r\n" in chat.until(PROMPT)
            chat.type("half a line")
            chat.until("half a line")
            chat.interrupt()  # it is thrown away
            chat.until(PROMPT)
            chat.type("\r")  # nothing is no turn
            chat.until(PROMPT)
            chat.type("Again\r")
            assert "Answer 1." in chat.until(PROMPT)
            chat.type("\x04")
            assert chat.end() == 0
        with on_terminal(daemon, "--quiet") as chat:
            assert chat.until(PROMPT) == ""
            chat.type("\x1b[A")
            chat.until("Again")
            chat.type("\r")
            chat.until("Answer 2.")
            chat.until(PROMPT)
            chat.type("\x04")
            assert chat.end() == 0
        assert [one["text"] for one in daemon.sent("send_text")] == ["Hello", "Again", "Again"]
        (kept,) = daemon.path.parent.rglob("chat_history")
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert kept.read_text().split() == ["Hello", "Again"]  # the same line again is no news


def test_ctrl_c_cuts_a_reply_off_and_its_rest_is_not_the_next_ones() -> None:
    endless = result(None, event("live.output_transcript", 1, text="Once upon a time"))
    rest = [event("live.output_transcript", 2, text="there was"), *turn(0, "Once upon a time")[1:]]
    cut = script(endless, result(None, *rest, *turn(1, "Very well.")))
    speaking = {"phase": "model_speaking", "current_turn": 0}
    cut["session"] = in_turn(result(IDLE), result(speaking))
    with scripted_daemon(cut) as daemon, on_terminal(daemon) as chat:
        chat.until(PROMPT)
        chat.type("Tell me\r")
        chat.until("Once upon a time")
        chat.type("\x03")
        assert "[cut off]" in chat.until(PROMPT)
        chat.type("Stop\r")
        answer = chat.until(PROMPT)
        assert "Very well." in answer
        assert "there was" not in answer
        chat.type("\x04")
        assert chat.end() == 0


def test_at_a_terminal_an_error_is_told_and_it_goes_on() -> None:
    sends = [failure("session.queue_full", "Wait."), result(None, *turn(0, "Yes."))]
    with scripted_daemon(script(*sends)) as daemon, on_terminal(daemon) as chat:
        chat.until(PROMPT)
        chat.type("One\r")
        assert "livectl: Wait. [session.queue_full]" in chat.until(PROMPT)
        chat.type("Two\r")
        assert "Yes." in chat.until(PROMPT)


def test_the_history_is_in_the_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    assert history_file() == Path("/home/me/state/livehandle/chat_history")


def test_without_a_history_it_converses_all_the_same() -> None:
    with scripted_daemon(script(result(None, *turn(0, "Yes.")))) as daemon:
        (daemon.path.parent / ".local").touch()  # where a directory is needed
        with on_terminal(daemon) as chat:
            assert "No history is kept" in chat.until(PROMPT)
            chat.type("One\r")
            assert "Yes." in chat.until(PROMPT)
