"""The commands to an emulator that runs, as processes."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.emulator import EmulatorProcess, running_emulator


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with running_emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running


def command(emulator: EmulatorProcess, *words: str) -> subprocess.CompletedProcess[str]:
    port = emulator.url.rpartition(":")[2]
    return subprocess.run(
        [sys.executable, "-m", "livehandle_emulator", *words, "--port", port],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_faults_are_made_told_and_cleared(emulator: EmulatorProcess) -> None:
    made = command(emulator, "fault", "close", "1011", "some reason", "--at", "turn-complete")
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert command(emulator, "fault", "go-away", "50s", "--at", "audio").returncode == 0
    assert command(emulator, "faults").stdout == (
        "close --at turn-complete --reason 'some reason'\ngo-away --at audio --time-left-ms 50000\n"
    )
    cleared = command(emulator, "faults", "--clear")
    assert (cleared.returncode, cleared.stdout) == (0, "")


def test_sessions_are_lines_of_json(emulator: EmulatorProcess) -> None:
    done = command(emulator, "sessions")
    assert (done.returncode, [json.loads(line) for line in done.stdout.splitlines()]) == (0, [])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fault", "clos"), 3, "did you mean close?"),
        (("fault", "abort", "--at", "lunch"), 3, "--at: there is no 'lunch'; known are now"),
        (("fault",), 3, "the following arguments are required: WHAT (try --help)"),
        (("fault", "stall", "--for-ms"), 3, "argument --for-ms: expected one argument"),
        (("fault", "stall", "-5s"), 3, "--for-ms: it must be a length of time"),
        (("fault", "stall", "--for-ms", "-5s"), 3, "--for-ms: it must be a length of time"),
        (("fault", "stall", "5s", "--for-ms", "3s"), 3, "--for-ms: it is given twice"),
        (("fault", "abort", "--tim", "1"), 3, "unrecognized arguments: --tim"),
        (("fault", "abort", "--port", "65536"), 3, "'65536' is not a port"),
        (("fault", "close"), 1, "Open a connection to the emulator first"),
        (("fault", "stall", "--host", "127.0.0.2", "--at", "audio"), 1, "No emulator answers"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    emulator: EmulatorProcess, words: tuple[str, ...], code: int, said: str
) -> None:
    done = command(emulator, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
