"""Daemons as real processes, each on a private socket with a short path."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.wire import WireClient

_START_S = 30.0
_STOP_S = 15.0


@contextmanager
def private_directory() -> Iterator[Path]:
    """Give a directory of mode 0700 whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="lh-") as directory:
        yield Path(directory)


def environment(directory: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment that knows no key, no configuration and no other daemon."""
    kept = {"PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR"}
    environ = {name: value for name, value in os.environ.items() if name in kept}
    environ |= {"HOME": str(directory), "XDG_RUNTIME_DIR": str(directory)}
    return environ | dict(extra or {})


class DaemonProcess:
    """A `livehandled` of its own, which may be listening, have been refused, or have died."""

    def __init__(
        self,
        path: Path,
        *flags: str,
        environ: Mapping[str, str] | None = None,
        umask: int = -1,
        command: tuple[str, ...] = (sys.executable, "-m", "livehandled"),
    ) -> None:
        self.path = path
        self.log: list[str] = []
        """What it wrote to stderr, by lines."""
        self._said = threading.Condition()
        self._over = False
        self.process = subprocess.Popen(
            [*command, "--socket", str(path), *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(path.parent, environ),
            umask=umask,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text: str) -> None:
        """Wait until it has logged a text."""
        with self._said:
            self._said.wait_for(lambda: self._over or self._has_said(text), _START_S)
        assert self._has_said(text), "".join(self.log)

    def client(self) -> WireClient:
        """Connect to it."""
        return WireClient.to(self.path)

    def exit_code(self) -> int:
        """Wait until it has ended by itself; return its exit code."""
        code = self.process.wait(_STOP_S)
        self._reader.join(_STOP_S)
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; return its exit code."""
        self.process.send_signal(number)
        return self.exit_code()

    def close(self) -> None:
        """Make sure that it is gone. Fails if it wrote a traceback."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        self._reader.join(_STOP_S)
        assert self.process.stderr is not None
        self.process.stderr.close()
        assert not any("Traceback" in line for line in self.log), "".join(self.log)

    def _has_said(self, text: str) -> bool:
        return any(text in line for line in self.log)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._said:
                self.log.append(line)
                self._said.notify_all()
        with self._said:
            self._over = True
            self._said.notify_all()


@contextmanager
def running_daemon(
    *flags: str,
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    umask: int = -1,
) -> Iterator[DaemonProcess]:
    """Run a daemon that listens, by default in a directory of its own; stop it by SIGTERM."""
    with private_directory() as directory:
        daemon = DaemonProcess(path or directory / "s", *flags, environ=environ, umask=umask)
        try:
            daemon.wait_for("listening on")
            yield daemon
        finally:
            daemon.close()


@contextmanager
def refused_daemon(
    path: Path, *flags: str, environ: Mapping[str, str] | None = None
) -> Iterator[DaemonProcess]:
    """Run a daemon that ends by itself."""
    daemon = DaemonProcess(path, *flags, environ=environ)
    try:
        daemon.exit_code()
        yield daemon
    finally:
        daemon.close()
