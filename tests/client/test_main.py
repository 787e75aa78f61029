"""livectl as a process, and its exit codes (protocol section 7)."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from livectl.__main__ import exit_code, main
from livehandle_proto.errors import ERRORS
from support.daemon import environment
from support.scripted_daemon import ScriptedDaemon, event, failure, lines, result, scripted_daemon

_S = 30.0

EXIT_CODES = [
    ("daemon.unreachable", 2),
    ("usage", 3),
    ("auth.missing_key", 4),
    ("auth.rejected", 4),
    ("upstream.rejected", 5),
    ("upstream.quota", 5),
    ("session.timeout", 6),
    ("session.not_connected", 1),
    ("config.invalid", 1),
    ("wire.internal", 1),
    ("a.name.of.a.newer.daemon", 1),
]


def livectl(
    daemon: ScriptedDaemon | None, *arguments: str, **given: str
) -> subprocess.CompletedProcess[str]:
    """Run livectl to its end."""
    directory = Path(daemon.path.parent if daemon else "/nonexistent")
    socket = str(daemon.path) if daemon else "/nonexistent/s"
    return subprocess.run(
        [sys.executable, "-m", "livectl", "--socket", socket, *arguments],
        env=environment(directory, given),
        capture_output=True,
        text=True,
        timeout=_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def started(daemon: ScriptedDaemon, *arguments: str) -> subprocess.Popen[str]:
    """Start livectl."""
    return subprocess.Popen(
        [sys.executable, "-m", "livectl", "--socket", str(daemon.path), *arguments],
        env=environment(daemon.path.parent),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("name", "code"), EXIT_CODES)
def test_an_error_has_its_exit_code(name: str, code: int) -> None:
    assert exit_code(name) == code


@pytest.mark.parametrize("name", ERRORS)
def test_no_error_is_a_success(name: str) -> None:
    assert exit_code(name) in {1, 2, 4, 5, 6}


@pytest.mark.parametrize(("name", "code"), EXIT_CODES)
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
        done = livectl(daemon, "phase")
    assert (done.returncode, done.stdout, done.stderr) == (0, "active\n", "")


def test_without_a_daemon_the_exit_code_is_2() -> None:
    done = livectl(None, "phase")
    assert done.returncode == 2
    assert "livehandled --emulator" in done.stderr
    assert done.stdout == ""


def test_an_instance_that_cannot_be_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--instance", "a/b", "phase"]) == 3
    assert "[usage]" in capsys.readouterr().err


def test_ctrl_c_exits_130_without_a_word() -> None:
    with scripted_daemon({"events": result({}, event("live.turn_complete", turn=0))}) as daemon:
        process = started(daemon, "events")
        assert process.stdout is not None
        assert "live.turn_complete" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=_S)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    many = [event("live.text_delta", n, text="x" * 100) for n in range(2000)]
    with scripted_daemon({"events": result({}, *many)}) as daemon:
        process = started(daemon, "events", "--json")
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=_S)
    assert (process.returncode, err) == (0, "")


def test_a_terminal_that_lacks_a_letter_is_no_reason_to_stop() -> None:
    with scripted_daemon({"phase": result({"phase": "✓\ud800"})}) as daemon:
        done = livectl(daemon, "phase", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "??\n")


def test_what_is_no_daemon_is_told_without_a_traceback() -> None:
    with scripted_daemon({"phase": lines(b"220 mail ready\n")}) as daemon:
        done = livectl(daemon, "phase")
    assert done.returncode == 2
    assert "is not livehandled" in done.stderr
    assert "Traceback" not in done.stderr


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
