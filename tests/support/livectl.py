"""livectl as a process of its own."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from support.daemon import environment

_TIMEOUT_S = 30.0
_COMMAND = (sys.executable, "-m", "livectl", "--socket")


class Done(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str


def livectl(
    socket: Path, *words: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
) -> Done:
    """Run livectl against a socket, to its end."""
    done = subprocess.run(
        [*_COMMAND, str(socket), *words],
        env=environment(socket.parent, environ),
        input=stdin,
        capture_output=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


class Running:
    """A livectl under way: read its output, signal it, and wait for its end."""

    def __init__(self, socket: Path, *words: str, environ: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [*_COMMAND, str(socket), *words],
            env=environment(socket.parent, environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_until(self, text: str) -> None:
        """Read its output up to and with a text."""
        assert self.process.stdout is not None
        seen = ""
        while not seen.endswith(text):
            letter = self.process.stdout.read(1)
            assert letter, f"it ended after {seen!r}"
            seen += letter

    def signal(self, number: int) -> Done:
        """Send it a signal and wait for its end."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> Done:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=_TIMEOUT_S)
        return Done(self.process.returncode, out, err)
