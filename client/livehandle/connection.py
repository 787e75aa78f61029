"""A connection to the daemon: calls and events over one Unix socket, blocking.

Only the standard library, and little of it, so that a command-line client starts quickly.
"""

import json
import os
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import socket_file

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself would be a tenth of the start
    from types import TracebackType
    from typing import Self

_READ_BYTES = 65_536
_CONNECT_S = 5.0
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Event:
    """One event of a subscription."""

    __slots__ = ("cursor", "data", "params", "seq", "subscription", "topic", "ts_ms")

    def __init__(self, params: Mapping[str, object]) -> None:
        data, seq, ts_ms = params.get("data"), params.get("seq"), params.get("ts_ms")
        name = params.get("subscription")
        self.params = params
        """The whole of it, as it came."""
        self.topic = str(params.get("topic", ""))
        self.data: Mapping[str, object] = data if isinstance(data, dict) else {}
        self.subscription = name if isinstance(name, str) else None
        """None for what concerns the connection itself."""
        self.seq = seq if isinstance(seq, int) else 0
        self.cursor = str(params.get("cursor", ""))
        """Give it as `since` to go on after this event."""
        self.ts_ms = ts_ms if isinstance(ts_ms, int) else 0
        """When it happened, in milliseconds since 1970."""

    def __repr__(self) -> str:
        return f"Event({self.params!r})"


class Connection:
    """One connection. Not for several threads at a time.

    Events that come while an answer is awaited are kept for `next_event`. They are not bounded
    here: the daemon bounds what a connection has not read, by the topic's delivery class, and
    this client reads only while it waits for something.
    """

    def __init__(
        self, connected: socket.socket, path: str, *, answer_timeout: float | None = None
    ) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._path = path
        self.answer_timeout = answer_timeout
        """Bounds the wait for each answer from now on, in seconds; None: there is no bound."""
        self._last_id = 0
        self._buffer = bytearray()
        self._lines: deque[bytes] = deque()
        self._events: deque[Event] = deque()
        self._answers: dict[int, Mapping[str, object]] = {}
        self._poll = select.poll()

    @classmethod
    def open(
        cls,
        path: str | None = None,
        instance: str | None = None,
        *,
        answer_timeout: float | None = None,
    ) -> "Self":
        """Connect to the daemon, by default where `livehandled` listens by default.

        `answer_timeout` bounds the wait for each answer, in seconds. By default there is no
        bound: the daemon has its own deadline for what it waits for, and `done` may take as
        long as the session. Raises `daemon.unreachable` where no daemon answers,
        `config.invalid` for a path or an instance that cannot be.
        """
        where = socket_file(path, instance, os.environ)
        return cls(connect(where), where, answer_timeout=answer_timeout)

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        traceback: "TracebackType | None",
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
        deadline = self._answer_deadline()
        while request_id not in self._answers:
            if not self._receive(deadline):
                raise self._silent()
        return _result(self._answers.pop(request_id))

    def next_event(self, timeout: float | None = None) -> Event | None:
        """Return the next event, or None if none comes within `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._events:
            if not self._receive(deadline):
                return None
        return self._events.popleft()

    def events(self) -> Iterator[Event]:
        """Yield events as they come, to the daemon's last one.

        Raises `daemon.unreachable` if the daemon is gone without that `daemon.bye`.
        """
        while True:
            event = self.next_event()
            if event is not None:
                yield event
                if event.topic == "daemon.bye":
                    return

    def _write(self, message: Mapping[str, object]) -> None:
        rest = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        deadline = self._answer_deadline()
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                # The daemon reads nothing from a client whose events fill the way: take them in.
                ready = self._ready(_READABLE | select.POLLOUT, deadline)
                if not ready:
                    raise self._silent() from None
                if ready & _READABLE:
                    self._read()
            except OSError:
                # The daemon may have said why before it closed; the end itself raises.
                while self._receive(deadline):
                    pass
                raise self._closed() from None

    def _receive(self, deadline: float | None) -> bool:
        """Take in one message. False if the deadline, in monotonic seconds, comes first."""
        while not self._lines:
            if not self._ready(_READABLE, deadline):
                return False
            self._read()
        self._sort(self._lines.popleft())
        return True

    def _ready(self, events: int, deadline: float | None) -> int:
        """Return which of the poll events have come; 0 if the deadline comes first."""
        if self._socket.fileno() < 0:
            raise self._closed()
        self._poll.register(self._socket, events)
        left = None if deadline is None else max(deadline - time.monotonic(), 0.0) * 1000
        return next((ready for _, ready in self._poll.poll(left)), 0)

    def _read(self) -> None:
        """Take in what has come. Raises `daemon.unreachable` at the end."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise self._closed()
        self._lines += lines_of(self._buffer, data)

    def _sort(self, line: bytes) -> None:
        message = message_of(line, self._path)
        if message.get("method") == "event":
            params = message.get("params")
            self._events.append(Event(params if isinstance(params, dict) else {}))
            return
        request_id = message.get("id")
        if isinstance(request_id, int):
            self._answers[request_id] = message
        else:
            _result(message)  # an error that concerns the connection as a whole

    def _answer_deadline(self) -> float | None:
        timeout = self.answer_timeout
        return None if timeout is None else time.monotonic() + timeout

    def _silent(self) -> LiveHandleError:
        return silent(self._path, self.answer_timeout)

    def _closed(self) -> LiveHandleError:
        return closed(self._path)


def lines_of(rest: bytearray, data: bytes) -> list[bytes]:
    """Return the lines that are whole with what was read; keep what is left of it in `rest`."""
    *lines, left = data.split(b"\n")
    if lines:
        lines[0] = bytes(rest) + lines[0]
        rest.clear()
    rest += left
    return lines


def message_of(line: bytes, where: str) -> Mapping[str, object]:
    """Return what the daemon says in a line. Raises `daemon.unreachable` for what none says."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise no_daemon_says(where)
    if isinstance(message.get("id"), int) and not ("result" in message or "error" in message):
        raise no_daemon_says(where)  # it says what we have said
    return message


def silent(where: str, timeout: float | None) -> LiveHandleError:
    """Return the error of a daemon that takes too long, in seconds."""
    return LiveHandleError(
        "daemon.unreachable",
        f"The daemon at {where} did not answer within {timeout} s: see its log.",
        path=where,
    )


def closed(where: str) -> LiveHandleError:
    """Return the error of a daemon that is gone."""
    return LiveHandleError(
        "daemon.unreachable",
        f"The daemon at {where} closed the connection: see its log.",
        path=where,
    )


def no_daemon_says(where: str) -> LiveHandleError:
    """Return the error of something else that answers in the daemon's place."""
    return LiveHandleError(
        "daemon.unreachable",
        f"What answers at {where} is not livehandled: give the daemon's own socket.",
        path=where,
    )


def connect(where: str, timeout: float = _CONNECT_S) -> socket.socket:
    """Return a socket that is connected to the daemon at a path, within so many seconds.

    Raises `daemon.unreachable` where none answers.
    """
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connecting.settimeout(timeout)
    deadline = time.monotonic() + timeout
    while True:
        try:
            connecting.connect(where)
        except BlockingIOError as error:
            # The daemon is there, and has more callers than it has accepted yet.
            if time.monotonic() >= deadline:
                connecting.close()
                raise _no_daemon(where, error) from error
            time.sleep(0.02)
        except OSError as error:
            connecting.close()
            raise _no_daemon(where, error) from error
        else:
            return connecting


def _no_daemon(where: str, error: OSError) -> LiveHandleError:
    advice = "start one with `livehandled`, or without a key with `livehandled --emulator`"
    if isinstance(error, PermissionError):
        advice = "it belongs to another user, give --socket or ask for access"
    why = error.strerror or str(error)
    return LiveHandleError(
        "daemon.unreachable", f"No daemon answers at {where} ({why}): {advice}.", path=where
    )


def _result(answer: Mapping[str, object]) -> object:
    error = answer.get("error")
    if isinstance(error, dict):
        raise LiveHandleError.from_json(error)
    return answer.get("result")
