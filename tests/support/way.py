"""The way from a daemon to the service, which a test can close, open again, and put a guard on."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PATIENCE_S = 10.0
_REVOKED = {
    "error": {
        "code": 403,
        "message": "API key expired. Please renew the API key.",
        "status": "PERMISSION_DENIED",
    }
}


class Way:
    """Relays what comes to a port of this machine to another one."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._revoked: set[bytes] = set()
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.open()

    @property
    def url(self) -> str:
        """As `session.base_url` takes it."""
        return f"ws://127.0.0.1:{self.port}"

    def revoke(self, key: str) -> None:
        """Have nobody pass from now on who shows this key."""
        self._revoked.add(key.encode())

    def cut(self) -> None:
        """End every connection there is."""
        for end in self._ends:
            with suppress(OSError):  # it may be gone already
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End every connection, and refuse others."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # else accept goes on
            listener.close()
        self.cut()

    def open(self) -> None:
        """Take connections, at the port of before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._start(self._serve, self._listener)

    def end(self) -> None:
        """Close it for good."""
        self.close()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
        for end in self._ends:
            end.close()

    def _start(self, run: object, *given: object) -> None:
        thread = threading.Thread(target=run, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # closed
                return
            self._ends.append(client)
            self._start(self._guard, client)

    def _guard(self, client: socket.socket) -> None:
        head = b""
        with suppress(OSError):
            while b"\r\n\r\n" not in head and (data := client.recv(65_536)):
                head += data
            if any(key in head for key in self._revoked):
                body = json.dumps(_REVOKED).encode()
                told = b"Content-Type: application/json\r\nConnection: close\r\n"
                length = b"Content-Length: %d\r\n" % len(body)
                client.sendall(b"HTTP/1.1 403 Forbidden\r\n" + told + length + b"\r\n" + body)
            elif head:
                service = socket.create_connection(("127.0.0.1", self._behind), _PATIENCE_S)
                service.settimeout(None)
                self._ends.append(service)
                service.sendall(head)
                self._start(_pump, service, client)
                _pump(client, service)
            client.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # either side may end it
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def way_to(url: str) -> Iterator[Way]:
    """Run a way to a service on this machine."""
    way = Way(int(url.rpartition(":")[2]))
    try:
        yield way
    finally:
        way.end()
