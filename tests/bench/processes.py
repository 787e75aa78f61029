"""The processes that benchmarks measure: daemon, naive server, emulator; and a thin client."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

PYTHON = (sys.executable, "-W", "ignore")

# A daemon that finds no uvloop, though it may be installed.
_WITHOUT_UVLOOP = (
    "import sys; sys.modules['uvloop'] = None; from livehandled.__main__ import main; main()"
)
DAEMON = (*PYTHON, "-m", "livehandled")
DAEMON_WITHOUT_UVLOOP = (*PYTHON, "-c", _WITHOUT_UVLOOP)
NAIVE = (*PYTHON, "-m", "bench.naive")
_CONNECT_S = 60.0


@contextmanager
def running(command: Sequence[str], **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that writes nothing worth reading to stderr, and end it."""
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def serving(command: Sequence[str], **environment: str) -> Iterator[tuple[int, Path]]:
    """Run a server on a socket of its own, named by `--socket`; its process id and the socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.sock")
        with running([*command, "--socket", str(path)], **environment) as process:
            connected(path).close()
            yield process.pid, path


@contextmanager
def emulator(scenario: str) -> Iterator[str]:
    """Run the emulator over TLS, which is all that the SDK speaks, and trust it; its https URL."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "scenario.toml")
        file.write_text(scenario)
        command = [*PYTHON, "-m", "livehandle_emulator", "--port", "0", "--tls"]
        with running([*command, "--scenario", str(file)]) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            trusted = process.stdout.readline().strip().partition("=")[2]
            with patch.dict(os.environ, SSL_CERT_FILE=trusted):
                yield url.replace("wss://", "https://")


def connected(path: Path) -> socket.socket:
    """Return a connection to the socket, once somebody listens there."""
    deadline = time.monotonic() + _CONNECT_S
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)
        else:
            return connection


def line_of(method: str, **params: object) -> bytes:
    """Return the line of a request."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return json.dumps(request).encode() + b"\n"


class Client:
    """A thin client: a blocking socket and lines."""

    def __init__(self, path: Path) -> None:
        self.socket = connected(path)
        self._lines = self.socket.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: object) -> None:
        self._lines.close()
        self.socket.close()

    def line(self) -> bytes:
        """Return the next line."""
        return self._lines.readline()

    def call(self, method: str, **params: object) -> Mapping[str, object]:
        """Return the result of a call; raise `RuntimeError` for an error."""
        self.socket.sendall(line_of(method, **params))
        answer: dict[str, object] = json.loads(self.line())
        if "result" not in answer:
            raise RuntimeError(answer)
        result = answer["result"]
        return result if isinstance(result, dict) else {}
