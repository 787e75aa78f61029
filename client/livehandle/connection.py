"""A connection to the daemon: calls and events over one Unix socket, blocking.

Only the standard library, so that a command-line client starts quickly.
"""

import json
import os
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import NamedTuple, Self

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import socket_path

_READ_BYTES = 65_536


class Event(NamedTuple):
    """One event of a subscription."""

    topic: str
    data: Mapping[str, object]
    subscription: str | None
    """None for what concerns the connection itself."""
    seq: int
    cursor: str
    """Give it as `since` to go on after this event."""
    ts_ms: int
    params: Mapping[str, object]
    """The whole of it, as it came."""


class Connection:
    """One connection. Not for several threads at a time.

    Events that come while an answer is awaited are kept for `next_event`. They are not bounded
    here: what is not read the daemon bounds by the topic's delivery class.
    """

    def __init__(self, connected: socket.socket, path: str) -> None:
        self._socket = connected
        self._path = path
        self._last_id = 0
        self._buffer = bytearray()
        self._messages: deque[dict[str, object]] = deque()
        self._events: deque[Event] = deque()
        self._answers: dict[int, dict[str, object]] = {}

    @classmethod
    def open(cls, path: str | None = None, instance: str | None = None) -> Self:
        """Connect to the daemon, by default where `livehandled` listens by default.

        Raises `daemon.unreachable` where none answers.
        """
        where = str(socket_path(path, instance, os.environ))
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.connect(where)
        except OSError as error:
            connected.close()
            raise LiveHandleError(
                "daemon.unreachable",
                f"No daemon answers at {where} ({error.strerror}): start one with "
                "`livehandled`, or without a key with `livehandled --emulator`.",
                path=where,
            ) from error
        return cls(connected, where)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; its subscriptions end with it."""
        self._socket.close()

    def call(self, method: str, /, **params: object) -> object:
        """Call a method and return its result. Raises what the daemon answers instead."""
        return self.wait(self.send(method, params))

    def send(self, method: str, params: object) -> int:
        """Send a request without waiting; `wait` takes its answer by the id returned."""
        self._last_id += 1
        self._write({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        return self._last_id

    def notify(self, method: str, /, **params: object) -> None:
        """Send what needs no answer; if it fails, an event `daemon.notification_failed` says so."""
        self._write({"jsonrpc": "2.0", "method": method, "params": params})

    def wait(self, request_id: int) -> object:
        """Return the result of a request that was sent. Raises what the daemon answers instead."""
        while request_id not in self._answers:
            self._receive(None)
        answer = self._answers.pop(request_id)
        return _result(answer)

    def next_event(self, timeout: float | None = None) -> Event | None:
        """Return the next event, or None if none comes within `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._events:
            if not self._receive(deadline):
                return None
        return self._events.popleft()

    def events(self) -> Iterator[Event]:
        """Yield events as they come, until the daemon has gone or the caller stops."""
        while True:
            event = self.next_event()
            if event is not None:
                yield event

    def _write(self, message: Mapping[str, object]) -> None:
        try:
            self._socket.sendall(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        except OSError:
            # The daemon may have said why before it closed.
            while self._receive(None):
                pass

    def _receive(self, deadline: float | None) -> bool:
        """Take in one message. False if the deadline, in monotonic seconds, comes first."""
        while not self._messages:
            timeout = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            if timeout == 0.0:
                timeout = 1e-6  # zero would mean non-blocking, with another error
            self._socket.settimeout(timeout)
            try:
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                return False
            except OSError:
                data = b""
            finally:
                self._socket.settimeout(None)
            if not data:
                raise LiveHandleError(
                    "daemon.unreachable",
                    f"The daemon at {self._path} closed the connection: see its log.",
                    path=self._path,
                )
            self._split(data)
        self._sort(self._messages.popleft())
        return True

    def _split(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._buffer) + lines[0]
            self._buffer.clear()
        self._buffer += rest
        for line in lines:
            message = json.loads(line)
            if isinstance(message, dict):
                self._messages.append(message)

    def _sort(self, message: dict[str, object]) -> None:
        if message.get("method") == "event":
            self._events.append(_event(message))
            return
        request_id = message.get("id")
        if isinstance(request_id, int):
            self._answers[request_id] = message
        else:
            _result(message)  # an error that concerns the connection as a whole


def _result(answer: dict[str, object]) -> object:
    error = answer.get("error")
    if isinstance(error, dict):
        raise LiveHandleError.from_json(error)
    return answer.get("result")


def _event(message: dict[str, object]) -> Event:
    given = message.get("params")
    params: dict[str, object] = given if isinstance(given, dict) else {}
    data = params.get("data")
    name, seq, ts_ms = params.get("subscription"), params.get("seq"), params.get("ts_ms")
    return Event(
        topic=str(params.get("topic", "")),
        data=data if isinstance(data, dict) else {},
        subscription=name if isinstance(name, str) else None,
        seq=seq if isinstance(seq, int) else 0,
        cursor=str(params.get("cursor", "")),
        ts_ms=ts_ms if isinstance(ts_ms, int) else 0,
        params=params,
    )
