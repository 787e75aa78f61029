"""`livectl certify` as a command: real sockets, real processes, and the report."""

import json
import os
import socket
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from livectl.certify.checks import CHECKS, Results
from livectl.certify.command import as_json, report, run
from support.daemon import private_directory
from support.livectl import Running, livectl
from support.minimal_client import main

TESTS = Path(__file__).parents[2]
CLIENT = [sys.executable, "-m", "support.minimal_client"]
PATHS = {"PYTHONPATH": str(TESTS)}


def certify(tmp_path: Path, *words: str, wrong: str = "") -> tuple[int, str, str]:
    command = ["--", *CLIENT, *wrong.split()]
    done = livectl(tmp_path / "certify", "certify", *words, *command, environ=PATHS)
    assert not (tmp_path / "certify").exists()
    return done


def test_a_right_client_passes_over_a_real_socket(tmp_path: Path) -> None:
    code, out, err = certify(tmp_path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line[:4] for line in lines[:-1]] == ["PASS"] * len(CHECKS)
    assert lines[-1] == f"minimal: {len(CHECKS)} of {len(CHECKS)} checks passed."


def test_a_wrong_client_gets_what_it_did_and_where_it_is_written(tmp_path: Path) -> None:
    code, out, _ = certify(tmp_path, "--language", "Lua", wrong="no since")
    assert code == 1
    at = out.index("FAIL lag.since")
    failed = out[at:].splitlines()[:3]
    assert failed[1].startswith("     got:  since None, and 'c1:")
    assert failed[2] == "     see:  protocol section 5; client/README.md, step 4c"
    assert out.endswith(f"Lua: {len(CHECKS) - 3} of {len(CHECKS)} checks passed, 3 failed.\n")


def test_a_client_that_ends_early_is_not_waited_for(tmp_path: Path) -> None:
    code, out, _ = certify(tmp_path, "--json", wrong="gives up at a loss")
    told = json.loads(out)
    assert (code, told["passed"], told["language"]) == (1, False, "minimal")
    verdicts = {check["name"]: check["verdict"] for check in told["checks"]}
    assert verdicts["text.long"] == "passed"
    assert verdicts["loss.returns"] == "failed"
    assert verdicts["end.exit"] == "not reached"
    (failed,) = (check for check in told["checks"] if check["verdict"] == "failed")
    assert failed["got"].startswith("the client ended with exit code 1")
    assert (failed["section"], failed["step"]) == (5, "4b")


def test_without_a_command_it_says_where_it_waits(tmp_path: Path) -> None:
    with private_directory() as directory:
        running = Running(directory / "c", "certify")
        assert running.process.stderr is not None
        told = running.process.stderr.readline() + running.process.stderr.readline()
        assert f"LIVEHANDLE_SOCKET={directory / 'c'} your-client" in told
        assert (directory / "c").stat().st_mode & 0o777 == 0o600
        assert main(str(directory / "c"), "") == 0
        done = running.end()
    assert done.code == 0, done.out
    assert done.out.endswith(f"{len(CHECKS) - 1} of {len(CHECKS) - 1} checks passed.\n")
    assert "end.exit" not in done.out


def test_a_socket_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        done = livectl(path, "certify", "--", "true")
        assert done.code == 3
        assert "give --socket a path where nothing is yet" in done.err
    assert path.exists()


def test_a_command_that_cannot_be_run_is_said(tmp_path: Path) -> None:
    done = livectl(tmp_path / "s", "certify", "--", "no-such-program")
    assert (done.code, done.out) == (3, "")
    assert "Cannot run no-such-program: No such file" in done.err
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("program", ["exit 0", "exit 7"])
def test_a_program_that_never_connects_is_told_so(tmp_path: Path, program: str) -> None:
    done = livectl(tmp_path / "s", "certify", "--", "sh", "-c", program)
    assert done.code == 1
    assert f"ended with exit code {program[-1]}, still missing: a connection" in done.out
    assert f"0 of {len(CHECKS)} checks passed, 1 failed, {len(CHECKS) - 1} not reached" in done.out


def test_what_the_client_prints_is_no_part_of_the_report(tmp_path: Path) -> None:
    done = livectl(tmp_path / "s", "certify", "--json", "--", "sh", "-c", "echo hello")
    json.loads(done.out)
    assert done.err == "hello\n"


def test_what_the_client_has_started_ends_with_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        path = Path(f"/proc/{os.getpid()}/fd/{writing}")
        done = livectl(tmp_path / "s", "certify", "--", "sh", "-c", f"sleep 60 >{path} & exit 0")
        os.close(writing)
        assert pipe.read() == b""  # nobody holds the other end
    assert done.code == 1


def test_a_client_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("livectl.certify.server.STEP_S", 0.1)
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    program = f"{sys.executable} -m support.minimal_client; echo $$ >pid; exec sleep 60"
    command = ["sh", "-c", f"cd {tmp_path}; {program}"]
    path = str(tmp_path / "s")
    given = Namespace(socket=path, command=command, language=None, json=True, quiet=True)
    assert run(given) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    (failed,) = (check for check in checks if check["verdict"] != "passed")
    assert failed["name"] == "end.exit"
    assert failed["got"].startswith("it still runs")
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_the_report_tells_what_was_not_reached() -> None:
    results = Results()
    results.passed("ping")
    results.failed("ping", "first")
    results.failed("ping", "second")
    results.failed("hello.first", "why")
    results.passed("hello.first")
    told = report("It", results).splitlines()
    assert "     got:  first" in told
    assert "     got:  second" not in told
    assert (
        told[-1]
        == f"It: 0 of {len(CHECKS)} checks passed, 2 failed, {len(CHECKS) - 2} not reached."
    )
    verdicts = [check["verdict"] for check in json.loads(as_json("It", results))["checks"]]
    assert verdicts.count("not reached") == len(CHECKS) - 2
    assert not results.all_passed()
