"""The program `follow` that compiled languages ship, over a restart of the daemon."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from support.daemon import DaemonProcess, private_directory

_END_S = 30.0
_LOST = "lost: daemon.unreachable\n"


def outlives_its_daemon(follow: str) -> None:
    """Kill the daemon below the program, start another, and see that it goes on."""
    with private_directory() as directory:
        first = DaemonProcess(directory / "s", "--emulator")
        try:
            first.wait_for("listening on")
            with _started(follow, directory / "s") as lines:
                assert lines.readline() == "following\n"
                _ask(first, lines)
                first.stop(signal.SIGKILL)
                line = lines.readline()
                assert line == _LOST
                second = DaemonProcess(directory / "s", "--emulator")
                try:
                    while line == _LOST:  # twice, if it met the dying one
                        line = lines.readline()
                    assert line == "connected again\n"
                    assert lines.readline().startswith("anew from: ")
                    _ask(second, lines)
                finally:
                    second.close()
        finally:
            first.close()


@contextmanager
def _started(path: str, socket: Path) -> Iterator[IO[str]]:
    environ = os.environ | {"LIVEHANDLE_SOCKET": str(socket)}
    with subprocess.Popen([path], env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
            process.send_signal(signal.SIGINT)
            process.wait(_END_S)
        finally:
            process.kill()


def _ask(daemon: DaemonProcess, lines: IO[str]) -> None:
    """Have the model call the program's function, and speak of its result."""
    with daemon.client() as client:
        client.result("send_text", text="call get_rain")
        # Turns without words come first, such as the one that calls.
        assert "answered: get_rain\n" in iter(lines.readline, "")
        assert lines.readline() == "turn: get_rain answered It rains..\n"
