"""A relay between one client and the daemon that gives the client's function a name of its own.

Names of functions are one to a daemon. So five copies of one program, which all register
`get_weather`, can be used at the same time, and none of them need know.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = "get_weather"


class Relay:
    """Relays every connection that comes to `path`."""

    def __init__(self, path: Path, daemon: Path, name: str) -> None:
        self.path = path
        self._daemon = daemon
        self._ours, self._theirs = f'"{NAME}"'.encode(), f'"{name}"'.encode()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._start(self._serve)

    def close(self) -> None:
        """Relay no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(10)
        self._listener.close()
        for end in self._sockets:
            _shut(end, socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(10)
        for end in self._sockets:
            end.close()

    def _start(self, run: object, *given: object) -> None:
        thread = threading.Thread(target=run, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            service = socket.socket(socket.AF_UNIX)
            service.connect(str(self._daemon))
            self._sockets += (client, service)
            self._start(self._pump, client, service, b"tools.register", self._ours, self._theirs)
            self._start(self._pump, service, client, b'"tool.call"', self._theirs, self._ours)

    def _pump(
        self, source: socket.socket, target: socket.socket, what: bytes, old: bytes, new: bytes
    ) -> None:
        with source.makefile("rb") as lines:
            try:
                for line in lines:
                    target.sendall(line.replace(old, new) if what in line else line)
            except OSError:  # either side may end it
                pass
        _shut(target, socket.SHUT_WR)


@contextmanager
def relaying(path: Path, daemon: Path, name: str) -> Iterator[Path]:
    """Relay connections to a path, to the daemon; the client's function has the name there."""
    relay = Relay(path, daemon, name)
    try:
        yield path
    finally:
        relay.close()


def _shut(end: socket.socket, how: int) -> None:
    with suppress(OSError):  # it may be gone already
        end.shutdown(how)
