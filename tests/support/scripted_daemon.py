"""A control socket that plays a script: what a client does with answers it cannot provoke."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livehandle_proto import API_COMPATIBLE, API_LEVEL
from livehandle_proto.errors import LiveHandleError
from support.daemon import private_directory

Request = dict[str, Any]
Reply = Callable[[Request], list[bytes]]

_TIMEOUT_S = 20.0


def event(topic: str, seq: int = 1, **data: object) -> bytes:
    """Return an event's line."""
    params = {
        "subscription": "e1",
        "seq": seq,
        "cursor": f"k3f9:{seq}",
        "ts_ms": 1_780_000_000_000 + seq,
        "topic": topic,
        "data": data,
    }
    return _line({"jsonrpc": "2.0", "method": "event", "params": params})


def result(value: object, *after: bytes, before: tuple[bytes, ...] = ()) -> Reply:
    """Answer with a result, with other lines before or after it."""

    def reply(request: Request) -> list[bytes]:
        if "id" not in request:
            return [*before, *after]
        return [*before, _line({"jsonrpc": "2.0", "id": request["id"], "result": value}), *after]

    return reply


def failure(name: str, message: str = "It failed.", **data: object) -> Reply:
    """Answer with an error."""
    error = LiveHandleError(name, message, **data).to_json()
    return lambda request: [_line({"jsonrpc": "2.0", "id": request["id"], "error": error})]


def lines(*given: bytes) -> Reply:
    """Write lines as they are, whatever the request."""
    return lambda _request: list(given)


def in_turn(*replies: Reply) -> Reply:
    """Answer the first request with the first, and so on."""
    left = list(replies)
    return lambda request: left.pop(0)(request)


HELLO = {"api_level": API_LEVEL, "api_compatible": API_COMPATIBLE}
"""What a daemon answers that has no other answer to `daemon.hello`."""

HANG_UP = b""
"""A line that stands for the end of the connection."""


class ScriptedDaemon:
    """Serves one client after another, in a thread."""

    def __init__(self, path: Path, script: Mapping[str, Reply]) -> None:
        self.path = path
        self.requests: list[Request] = []
        """What was asked, in order, without the greeting that a script has no answer to."""
        self._greeted = "daemon.hello" not in script
        self._script = {"daemon.hello": result(HELLO), **script}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def sent(self, method: str) -> list[Any]:
        """Return the parameters of every request of a method."""
        return [request["params"] for request in self.requests if request["method"] == method]

    def close(self) -> None:
        """Serve no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_TIMEOUT_S)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            with connection, connection.makefile("rb") as received:
                try:
                    self._converse(connection, received)
                except OSError:  # the client has gone
                    continue

    def _converse(self, connection: socket.socket, received: Any) -> None:
        connection.settimeout(_TIMEOUT_S)
        for line in received:
            request = json.loads(line)
            if request["method"] != "daemon.hello" or not self._greeted:
                self.requests.append(request)
            unknown = failure("wire.method_not_found", f"No method {request['method']}.")
            for answer in self._script.get(request["method"], unknown)(request):
                if answer == HANG_UP:
                    return
                connection.sendall(answer)


@contextmanager
def scripted_daemon(script: Mapping[str, Reply]) -> Iterator[ScriptedDaemon]:
    """Run a scripted daemon in a directory of its own."""
    with private_directory() as directory:
        daemon = ScriptedDaemon(directory / "s", script)
        try:
            yield daemon
        finally:
            daemon.close()


def _line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"
