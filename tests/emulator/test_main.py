"""The command, as a process."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.sync.client import connect

from support.emulator import GEMINI_PATH, running_emulator


def command(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "livehandle_emulator", *flags],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_prints_its_url_and_stops_by_sigterm(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator:
        host, port = emulator.url.removeprefix("ws://").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=5):
            pass


def test_it_stops_by_sigint_too(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator:
        emulator.process.send_signal(signal.SIGINT)
        assert emulator.process.wait(timeout=10) == 0


def test_with_tls_it_prints_what_to_trust_and_takes_it_away_at_the_end(tmp_path: Path) -> None:
    with running_emulator(tmp_path, tls=True) as emulator:
        assert emulator.url.startswith("wss://127.0.0.1:")
        assert emulator.ca_file is not None
        assert "BEGIN CERTIFICATE" in emulator.ca_file.read_text()
    assert not emulator.ca_file.exists()


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--port", "x"), "argument --port: 'x' is not a port: give 0 to 65535"),
        (("--port", "65536"), "argument --port: '65536' is not a port"),
        (("--port", "-1"), "argument --port:"),
        (("--prot", "1"), "unrecognized arguments: --prot 1"),
        (("extra",), "unrecognized arguments: extra"),
        (("--scenario", "nowhere.toml"), "The scenario nowhere.toml cannot be used"),
        (("--journal", "/no/such/directory/x"), "The journal /no/such/directory/x cannot be"),
        (("--replay", "nowhere.jsonl"), "The recording nowhere.jsonl cannot be read"),
        (("--replay", "x", "--journal", "y"), "--replay plays what was: without --scenario"),
        (("--speed", "-1"), "argument --speed: '-1' is not a speed: give 0 to 1e+06"),
        (("--speed", "fast"), "argument --speed: 'fast' is not a speed"),
    ],
)
def test_bad_flags_are_one_line_and_exit_3(flags: tuple[str, ...], complaint: str) -> None:
    run = command(*flags)
    assert (run.returncode, run.stdout) == (3, "")
    assert complaint in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_bad_scenario_is_one_line_and_exit_3(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text("modles = []")
    run = command("--scenario", str(path))
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr == (
        f"livehandle-emulator: The scenario {path} cannot be used: "
        "modles: there is no such key; did you mean models?\n"
    )


def test_an_address_that_cannot_be_had_is_one_line_and_exit_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = command("--port", str(taken.getsockname()[1]))
    assert (run.returncode, run.stdout) == (1, "")
    assert "cannot listen on 127.0.0.1 port" in run.stderr
    assert run.stderr.count("\n") == 1


def test_the_journal_is_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with running_emulator(tmp_path, flags=("--journal", str(path))) as emulator:
        url = f"{emulator.url}{GEMINI_PATH}?key=secret-key"
        with connect(url, proxy=None) as websocket:
            websocket.send('{"setup": {"model": "models/gemini-3.8-live"}}')
            websocket.recv()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["what"] for line in lines] == ["open", "in", "setup", "out", "close"]
    assert all(line["connection"] == 1 and line["t"] > 0 for line in lines)
    assert "secret-key" not in path.read_text()


def test_help_is_help() -> None:
    run = command("--help")
    assert run.returncode == 0
    assert "--scenario FILE" in run.stdout
    assert "reply_delay_ms = 150" in run.stdout, "the scenario's format is part of the help"


def test_it_starts_without_the_tls_extra(tmp_path: Path) -> None:
    blocked = tmp_path / "trustme.py"
    blocked.write_text("raise ImportError")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-m", "livehandle_emulator", "--tls"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert run.returncode == 3
    assert run.stderr == ("livehandle-emulator: --tls needs a library: run pip install trustme.\n")
