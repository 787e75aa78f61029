"""A process on a terminal of its own."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

_TIMEOUT_S = 30.0
# The process makes the terminal its own, so that Ctrl-C reaches it; only it can.
_OWN = (
    "import fcntl, os, sys, termios; "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


class OnTerminal:
    """Types to a process, and reads what it shows."""

    def __init__(
        self, command: list[str], environ: Mapping[str, str], *, columns: int = 80
    ) -> None:
        self._fd, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._left = ""
        self.seen = ""
        """All that it has shown."""
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _OWN, *command],
            stdin=other,
            stdout=other,
            stderr=other,
            env=dict(environ),
            start_new_session=True,
        )
        os.close(other)

    def __enter__(self) -> "OnTerminal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()  # nothing if it has ended
        self.process.wait(_TIMEOUT_S)
        os.close(self._fd)

    def type(self, text: str) -> None:
        """Type a text; control characters are keys."""
        os.write(self._fd, text.encode())

    def until(self, text: str) -> str:
        """Read up to a text; return what came before it."""
        deadline = time.monotonic() + _TIMEOUT_S
        while text not in self._left:
            assert self._read(deadline), self._left
        before, _, self._left = self._left.partition(text)
        return before

    def interrupt(self) -> None:
        """Press Ctrl-C, once the process waits for a key.

        Pressed within microseconds of another key, CPython's readline sees it at the next one.
        """
        deadline = time.monotonic() + _TIMEOUT_S
        while (
            Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S"
        ):
            assert time.monotonic() < deadline
        self.type("\x03")

    def end(self) -> int:
        """Read to the end; return the exit code."""
        deadline = time.monotonic() + _TIMEOUT_S
        while self._read(deadline):
            pass
        return self.process.wait(_TIMEOUT_S)

    def _read(self, deadline: float) -> bool:
        """Read more; False at the end, or where nothing comes in time."""
        ready, _, _ = select.select([self._fd], [], [], max(deadline - time.monotonic(), 0))
        try:
            text = os.read(self._fd, 65536).decode(errors="replace") if ready else ""
        except OSError:  # the process has closed its side
            text = ""
        self._left += text
        self.seen += text
        return bool(text)
