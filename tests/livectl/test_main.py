"""livectl as a process, and its exit codes (protocol section 7)."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from livectl.__main__ import main
from livehandle_proto.errors import ERRORS
from support.daemon import environment
from support.livectl import Running, livectl
from support.scripted_daemon import event, failure, lines, result, scripted_daemon

_S = 30.0


@pytest.mark.parametrize(("name", "code"), [("auth.rejected", 4), ("session.timeout", 6)])
def test_an_error_is_one_line_with_its_name(
    name: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({"phase": failure(name, "Do this.")}) as daemon:
        assert main(["--socket", str(daemon.path), "phase"]) == code
    told = capsys.readouterr()
    assert told.err == f"livectl: Do this. [{name}]\n"
    assert told.out == ""


def test_with_json_an_error_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_daemon({"phase": failure("auth.rejected", "No.", close_code=1007)}) as daemon:
        assert main(["--socket", str(daemon.path), "phase", "--json"]) == 4
    error = json.loads(capsys.readouterr().err)["error"]
    assert (error["code"], error["message"]) == (1401, "No.")
    assert error["data"] == {"name": "auth.rejected", "retryable": False, "close_code": 1007}


def test_a_process_prints_data_alone_on_stdout() -> None:
    with scripted_daemon({"phase": result({"phase": "active"})}) as daemon:
        assert livectl(daemon.path, "phase") == (0, "active\n", "")


def test_without_a_daemon_the_exit_code_is_2() -> None:
    done = livectl(Path("/nonexistent/s"), "phase")
    assert (done.code, done.out) == (2, "")
    assert "livehandled --emulator" in done.err


def test_an_instance_that_cannot_be_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--instance", "a/b", "phase"]) == 3
    assert "[client.usage]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "as_json"),
    [
        (["--json", "phse"], True),
        (["phase", "--jsn", "--json"], True),
        (["send-text", "--json", "--", "Hi", "--json"], True),
        (["send-text", "--", "Hi", "--json"], False),
        (["phse"], False),
    ],
)
def test_wrong_usage_is_told_like_any_error(
    words: list[str], as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    if as_json:
        assert json.loads(told.err)["error"]["data"]["name"] == "client.usage"
        assert json.loads(told.err)["error"]["code"] == ERRORS["client.usage"].code
    else:
        assert told.err.startswith("livectl: ")
        assert told.err.endswith(" [client.usage]\n")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("No session is open: call connect.", "No session is open: run livectl connect."),
        ("Wait, or claim it with force.", "Wait, or take it with livectl talk --force."),
        ("The catalogue lists it.", "The catalogue lists it."),
    ],
)
def test_what_a_client_is_told_to_do_is_told_as_a_command(
    message: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({"phase": failure("session.ended", message)}) as daemon:
        assert main(["--socket", str(daemon.path), "phase"]) == 1
        assert capsys.readouterr().err == f"livectl: {shown} [session.ended]\n"
        assert main(["--socket", str(daemon.path), "phase", "--json"]) == 1
    assert json.loads(capsys.readouterr().err)["error"]["message"] == message


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (["watch"], "watching until Ctrl-C"),
        (["wait", "turn"], "waiting for live.turn_complete"),
        (["wait", "phase", "active"], "waiting for the phase active"),
        (["record", os.devnull, "--seconds", "0.01"], "recording until Ctrl-C"),
    ],
)
def test_people_are_told_what_is_under_way(
    words: list[str],
    note: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    over = (event("live.turn_complete"), event("daemon.bye"))
    script = {"events": result({"subscription": "e1"}, *over)}
    script["session.wait_for_phase"] = result({"phase": "active"})
    with scripted_daemon(script) as daemon:
        assert main(["--socket", str(daemon.path), *words]) == 0
        assert capsys.readouterr().err == ""
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        assert main(["--socket", str(daemon.path), *words]) == 0
        assert capsys.readouterr().err == f"livectl: {note}\n"
        assert main(["--socket", str(daemon.path), *words, "--quiet"]) == 0
        assert capsys.readouterr().err == ""


def test_ctrl_c_exits_130_without_a_word() -> None:
    with scripted_daemon({"events": result({}, event("live.turn_complete", turn=0))}) as daemon:
        running = Running(daemon.path, "events")
        running.read_until("turn     0 complete\n")
        assert running.signal(signal.SIGINT) == (130, "", "")


def test_ctrl_c_is_heeded_while_the_command_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_words: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("livectl.arguments.parse", interrupt)
    assert main(["phase"]) == 130


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    many = [event("live.text_delta", n, text="x" * 100) for n in range(2000)]
    with scripted_daemon({"events": result({}, *many)}) as daemon:
        running = Running(daemon.path, "events", "--json")
        running.read_until("\n")
        assert running.process.stdout is not None
        running.process.stdout.close()
        running.process.stdout = None
        done = running.end()
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("redirection", "code", "told"),
    [
        (">/dev/full", 1, "livectl: Reading or writing failed: No space left on device.\n"),
        (">&-", 0, ""),
        ("<&-", 0, ""),
    ],
)
def test_a_redirection_that_fails_is_told_without_a_traceback(
    redirection: str, code: int, told: str
) -> None:
    command = f'"$0" -m livectl --socket "$1" phase {redirection}'
    with scripted_daemon({"phase": result({"phase": "active"})}) as daemon:
        done = subprocess.run(
            ["sh", "-c", command, sys.executable, str(daemon.path)],
            env=environment(daemon.path.parent),
            capture_output=True,
            text=True,
            timeout=_S,
            check=False,
        )
    assert (done.returncode, done.stderr) == (code, told)


@pytest.mark.parametrize("words", [["send-text", "-"], ["call", "phase", "-"]])
def test_a_closed_input_has_nothing_to_read(words: list[str]) -> None:
    command = '"$0" -m livectl "$@" <&-'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=_S,
        check=False,
    )
    assert done.returncode == 3
    assert "standard input is closed" in done.stderr


ASCII = {"PYTHONIOENCODING": "ascii"}
LATIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("environ", [ASCII, LATIN])
def test_a_terminal_that_lacks_a_letter_is_no_reason_to_stop(environ: dict[str, str]) -> None:
    with scripted_daemon({"phase": result({"phase": "✓\ud800"})}) as daemon:
        assert livectl(daemon.path, "phase", environ=environ) == (0, "??\n", "")
        code, out, err = livectl(daemon.path, "phase", "--json", environ=environ)
    assert (code, json.loads(out), err) == (0, {"phase": "✓\ud800"}, "")  # nothing is lost


def test_what_is_no_daemon_is_told_without_a_traceback() -> None:
    with scripted_daemon({"phase": lines(b"220 mail ready\n")}) as daemon:
        done = livectl(daemon.path, "phase")
    assert done.code == 2
    assert "is not livehandled" in done.err
    assert "Traceback" not in done.err


def test_asking_for_the_phase_imports_little() -> None:
    """The start of the command is most of its time (bar 22 of the daemon reference)."""
    heavy = {
        *("numpy", "websockets", "anyio", "asyncio", "msgspec", "pybase64", "platformdirs"),
        *("jsonrpcserver", "livehandled", "livehandle_emulator"),
    }
    if sys.version_info < (3, 12):  # later ones may import some of it on their own account
        heavy |= {"typing", "pathlib", "shutil", "dataclasses", "inspect", "tempfile", "base64"}
    script = (
        "import sys; before = set(sys.modules); from livectl.__main__ import main; "
        "code = main(sys.argv[1:]); print(*sorted(set(sys.modules) - before)); sys.exit(code)"
    )
    with scripted_daemon({"phase": result({"phase": "active"})}) as daemon:
        done = subprocess.run(
            [
                *(sys.executable, "-I", "-S", "-c", _with_paths(script)),
                *("--socket", str(daemon.path), "phase"),
            ],
            capture_output=True,
            text=True,
            timeout=_S,
            check=True,
        )
    phase, imported = done.stdout.splitlines()
    assert phase == "active"
    assert heavy & set(imported.split()) == set()


def _with_paths(script: str) -> str:
    """Return a script that finds our packages without the imports of `site`."""
    import livectl
    import livehandle
    import livehandle_proto

    packages = (livectl, livehandle, livehandle_proto)
    roots = {str(Path(os.fsdecode(package.__path__[0])).parent) for package in packages}
    return f"import sys; sys.path += {sorted(roots)!r}; {script}"
