"""The control socket by hand: a blocking client that knows lines and nothing else."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.checked import Checked

Message = dict[str, Any]

_TIMEOUT_S = 20.0


def request(method: str, request_id: object = 1, **params: object) -> bytes:
    """Return a request's line."""
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


def notification(method: str, **params: object) -> bytes:
    """Return a notification's line."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode() + b"\n"


class WireClient:
    """A connection to a control socket.

    Every line it reads is checked against section 2, and every message against the catalogue.
    """

    def __init__(self, connection: socket.socket, *, max_line: int = 65_536) -> None:
        self.connection = connection
        self.max_line = max_line
        self.events: list[Message] = []
        """Parameters of the events that came while an answer was awaited."""
        connection.settimeout(_TIMEOUT_S)
        self._buffer = b""
        self._ids = 0
        self.checked = Checked()

    @classmethod
    def to(cls, path: Path) -> Self:
        """Connect to a socket."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            raise
        return cls(connection)

    def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.checked.sent(data)
        self.connection.sendall(data)

    def half_close(self) -> None:
        """Write no more."""
        self.checked.sent(b"\n")  # a final line needs no end
        self.connection.shutdown(socket.SHUT_WR)

    def read_line(self) -> bytes:
        """Return the next line with its end, or nothing where the daemon has closed."""
        while b"\n" not in self._buffer:
            data = self.connection.recv(65_536)
            if not data:
                assert not self._buffer, f"a line without an end: {self._buffer[:200]!r}"
                return b""
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        assert len(line) + 1 < self.max_line, f"a line of {len(line) + 1} bytes"
        return line + b"\n"

    def read(self) -> Any:
        """Return the next message."""
        line = self.read_line()
        assert line, "the daemon closed the connection"
        return self._message(line)

    def read_rest(self) -> list[Any]:
        """Return every message until the daemon closes the connection."""
        messages = []
        while line := self.read_line():
            messages.append(self._message(line))
        return messages

    def event(self, wanted: Callable[[Message], bool] = lambda _event: True) -> Message:
        """Return the parameters of the next event that is wanted."""
        while True:
            message = self.events.pop(0) if self.events else self._next_event()
            if wanted(message):
                return message

    def event_of(self, topic: str) -> Message:
        """Return the parameters of the next event of a topic."""
        return self.event(lambda event: event["topic"] == topic)

    def answer(self, request_id: object) -> Message:
        """Return the answer to a request; events that come before it are kept."""
        while True:
            message = self.read()
            if "method" not in message:
                assert message["id"] == request_id, message
                return dict(message)
            self.events.append(message["params"])

    def call(self, method: str, **params: object) -> Message:
        """Call a method; return its answer."""
        self._ids += 1
        self.send(request(method, self._ids, **params))
        return self.answer(self._ids)

    def result(self, method: str, **params: object) -> Any:
        """Call a method that succeeds; return its result."""
        answer = self.call(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    def error(self, method: str, **params: object) -> Message:
        """Call a method that fails; return the error object."""
        answer = self.call(method, **params)
        assert "error" in answer, answer
        return dict(answer["error"])

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _message(self, line: bytes) -> Any:
        message = json.loads(line)
        self.checked.received(message)
        return message

    def _next_event(self) -> Message:
        message = self.read()
        assert message.get("method") == "event", message
        return dict(message["params"])
