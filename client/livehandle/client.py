"""The blocking client: every method, typed events, functions of the model, over every loss."""

import inspect
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from livehandle.calls import Call, anew
from livehandle.connection import connect, silent
from livehandle.feeds import READ_BYTES, Feed
from livehandle.methods import Methods
from livehandle.subscriptions import Subscription
from livehandle.toolbox import Handler, Registration, ToolCall
from livehandle.wire import AWAY_S, Wire, over
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import socket_file

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from livehandle.types import AnyEvent, Daemon


class Client(Methods):
    """A client of the daemon. Not for several threads at a time: give each thread its own.

    A lost connection is opened again while the client waits for something, and what stood on it
    is taken up: subscriptions after their last event, functions with the calls that wait.
    Functions of the model are carried out in this thread, whenever it waits for something else.
    """

    def __init__(self, path: str, *, client: str) -> None:
        self._path = path
        self._connection: socket.socket | None = None
        self._error = silent(path, AWAY_S)
        self._closed = False
        self._next_attempt = 0.0
        self._alone = threading.Lock()
        self._calls: deque[ToolCall] = deque()
        self._busy = False
        self._wire = Wire(client, path, carry_out=self._calls.append, cancel=self._cancelled)
        self._wire.next_delay_s()

    @classmethod
    def open(
        cls, path: str | None = None, instance: str | None = None, *, client: str = "python"
    ) -> "Self":
        """Connect to the daemon, by default where `livehandled` listens by default.

        `client` is what the client calls itself. Raises `daemon.unreachable` where no daemon
        answers, `config.invalid` for a path or an instance that cannot be, and what the daemon
        says to those it does not admit.
        """
        live = cls(socket_file(path, instance, os.environ), client=client)
        live._until(lambda: live._wire.ready or live._wire.attempts > 1, AWAY_S)
        if live._wire.ready:
            return live
        error = anew(live._error)
        live.close()
        raise error

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
        """Close the connection. Subscriptions end, functions are carried out no more."""
        self._flush()  # the last words
        if not self._closed:
            self._closed = True
            self._detach()
            self._error = over()

    @property
    def daemon(self) -> "Daemon":
        """Who answered last: its version, its limits, its session then."""
        return cast("Daemon", self._wire.hello)

    def call(self, method: str, /, **params: object) -> object:
        """Call a method and return its result. Raises what the daemon answers instead.

        Raises `daemon.unreachable` where the connection is lost before the answer: the call may
        have been carried out, and is not made again. One that begins while the daemon is away
        waits for it, 10 seconds at most.
        """
        return self.wait(self.begin(method, **params))

    def begin(self, method: str, /, **params: object) -> Call:
        """Make a call without waiting for its answer: `wait` does, and `done` tells of it."""
        self._ready()
        call = self._wire.begin(method, params)
        self._flush()
        return call

    def wait(self, call: Call, timeout: float | None = None) -> object:
        """Return the result of a call that was begun. Raises what the daemon answers instead.

        Raises `daemon.unreachable` if it is not there within `timeout` seconds; by default it
        may take as long as the daemon does, which has its own deadlines.
        """
        try:
            if not self._until(lambda: call.done, timeout):
                raise silent(self._path, timeout)
        finally:
            if not call.done:
                self._wire.forget(call)
        return call.result()

    def events(
        self,
        *,
        topics: Sequence[str] | None = None,
        since: str | None = None,
        snapshot: bool = False,
    ) -> Subscription:
        """Subscribe, by default to the semantic events: every `live.*` but audio and media.

        `since` is the cursor to go on after. With `snapshot` the subscription holds one.
        """
        return self._subscribed(Feed("events", topics, since, snapshot))

    def subscribe(
        self,
        *,
        topics: Sequence[str] | None = None,
        since: str | None = None,
        snapshot: bool = False,
    ) -> Subscription:
        """Subscribe, by default to the raw events: every `session.*` but audio and media."""
        return self._subscribed(Feed("subscribe", topics, since, snapshot))

    def register(
        self,
        handler: Handler,
        *,
        name: str | None = None,
        description: str | None = None,
        parameters: Mapping[str, object] | None = None,
        timeout_ms: int | None = None,
    ) -> None:
        """Carry out a function of the model: `handler` gets its arguments by name.

        `name` and `description` are by default the handler's own, `parameters` is the schema of
        the arguments. What the handler returns is told to the model, and so is what it raises.
        Another one of that name is carried out no more. Raises TypeError for an `async def`.
        """
        if inspect.iscoroutinefunction(handler):
            raise TypeError("A Client carries out plain functions: use AsyncClient for async def.")
        self._ready()
        registration = Registration(
            handler,
            name=name,
            description=description,
            parameters=parameters,
            timeout_ms=timeout_ms,
        )
        self.wait(self._wire.tools.register(registration))

    def unregister(self, name: str) -> None:
        """Carry a function out no more. Raises `tools.unknown_registration` if it is not ours."""
        self._ready()
        self.wait(self._wire.tools.unregister(name))

    def _subscribed(self, feed: Feed) -> Subscription:
        self._ready()
        try:
            self.wait(self._wire.feeds.subscribe(feed))
        except BaseException:
            self._wire.feeds.close(feed)
            raise
        return Subscription(feed, self._next_event, self._end)

    def _next_event(self, feed: Feed, timeout: float | None) -> "AnyEvent | None":
        self._until(lambda: feed.has_news or self._closed, timeout)
        return None if self._closed else cast("AnyEvent | None", self._wire.feeds.take(feed))

    def _end(self, feed: Feed) -> None:
        self._wire.feeds.close(feed)
        self._flush()

    def _ready(self) -> None:
        """Take in what has come, a loss among it; wait for a daemon that is away."""
        self._flush()
        if not self._until(lambda: self._wire.ready or self._closed, AWAY_S) or self._closed:
            raise anew(self._error)

    def _until(self, is_over: Callable[[], bool], timeout: float | None) -> bool:
        """Go on until something is over; False if `timeout` seconds pass before."""
        deadline = None if timeout is None else time.monotonic() + timeout
        in_time = True
        while True:
            while self._calls and not self._busy:
                self._carry_out(self._calls.popleft())
            if is_over() or not in_time:
                return is_over()
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            in_time = left != 0.0  # once more, for what is there by then
            self._step(left)

    def _flush(self) -> None:
        """Write and read what there is without waiting."""
        if self._connection is not None:
            self._step(0.0)

    def _step(self, timeout: float | None) -> None:
        """Write and read what there is; wait for it `timeout` seconds at most."""
        if self._closed:
            raise anew(self._error)
        if not self._alone.acquire(blocking=False):
            raise RuntimeError("This Client waits already: open one for each thread.")
        try:
            if self._connection is None:
                self._connect(timeout)
            else:
                self._exchange(self._connection, timeout)
        except LiveHandleError as error:
            self._detach(error)
        except OSError:
            self._detach()
        finally:
            self._alone.release()

    def _exchange(self, connection: socket.socket, timeout: float | None) -> None:
        poll = select.poll()
        poll.register(connection, select.POLLIN | (select.POLLOUT if self._wire.outbox else 0))
        for _, ready in poll.poll(None if timeout is None else timeout * 1000):
            if ready & select.POLLOUT:
                self._write(connection)
            if ready & ~select.POLLOUT:
                self._read(connection)

    def _write(self, connection: socket.socket) -> None:
        try:
            sent = connection.send(self._wire.outbox)
        except BlockingIOError:
            return
        except OSError:
            # The reader sees the end, after what the daemon said before it.
            sent = len(self._wire.outbox)
        del self._wire.outbox[:sent]

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._wire.received(data)
        else:
            self._detach()

    def _connect(self, timeout: float | None) -> None:
        """Connect when it is time; wait for that `timeout` seconds at most."""
        left = self._next_attempt - time.monotonic()
        if left > 0:
            time.sleep(left if timeout is None else min(left, timeout))
            return
        self._connection = connect(self._path)
        self._connection.setblocking(False)
        self._wire.connected()

    def _detach(self, error: LiveHandleError | None = None) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._error = self._wire.lost(error)
        self._next_attempt = time.monotonic() + self._wire.next_delay_s()

    def _carry_out(self, call: ToolCall) -> None:
        self._busy = True
        try:
            result = call.handler(**call.args)
        except Exception as error:  # noqa: BLE001 - the model is told
            self._wire.tools.respond(call.id, error=error)
        else:
            self._wire.tools.respond(call.id, result)
        finally:
            self._busy = False
        self._flush()

    def _cancelled(self, call_id: str) -> None:
        """Leave out a call that has not begun. One that runs cannot be stopped."""
        for call in [call for call in self._calls if call.id == call_id]:
            self._calls.remove(call)
            self._wire.tools.give_up(call_id)
