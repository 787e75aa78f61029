"""The asynchronous client, for asyncio and trio: methods, events and functions, over every loss."""

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from livehandle.calls import Call, anew
from livehandle.connection import connect, silent
from livehandle.feeds import READ_BYTES, Feed
from livehandle.methods import AsyncMethods
from livehandle.subscriptions import AsyncSubscription
from livehandle.toolbox import Handler, Registration, ToolCall
from livehandle.wire import AWAY_S, Wire, over
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import socket_file

if TYPE_CHECKING:
    from typing import Self

    from livehandle.types import AnyEvent, Daemon


class AsyncClient(AsyncMethods):
    """A client of the daemon, for any number of tasks of one event loop.

    A lost connection is opened again, and what stood on it is taken up: subscriptions after
    their last event, functions with the calls that wait. A call that is cancelled may have been
    carried out; the client goes on.
    """

    def __init__(self, path: str, tasks: TaskGroup, *, client: str) -> None:
        self._path = path
        self._tasks = tasks
        self._error = silent(path, AWAY_S)
        self._closed = False
        self._refused = False
        self._running: dict[str, anyio.CancelScope] = {}
        self._changed = anyio.Event()
        self._wire = Wire(
            client, path, carry_out=self._carry_out, cancel=self._cancel, wake=self._wake
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: str | None = None, instance: str | None = None, *, client: str = "python"
    ) -> "AsyncIterator[Self]":
        """Connect to the daemon, by default where `livehandled` listens by default.

        `client` is what the client calls itself. Raises `daemon.unreachable` where no daemon
        answers, `config.invalid` for a path or an instance that cannot be, and what the daemon
        says to those it does not admit.
        """
        failure: Exception | None = None
        where = socket_file(path, instance, os.environ)
        async with anyio.create_task_group() as tasks:
            live = cls(where, tasks, client=client)
            tasks.start_soon(live._run)
            try:
                await live._ready()
                yield live
            except Exception as error:  # noqa: BLE001 - raised below, without the task group's wrapping
                failure = error
            finally:
                live._close()
        if failure is not None:
            raise failure

    @property
    def daemon(self) -> "Daemon":
        """Who answered last: its version, its limits, its session then."""
        return cast("Daemon", self._wire.hello)

    async def call(self, method: str, /, **params: object) -> object:
        """Call a method and return its result. Raises what the daemon answers instead.

        Raises `daemon.unreachable` where the connection is lost before the answer: the call may
        have been carried out, and is not made again. One that begins while the daemon is away
        waits for it, 10 seconds at most.
        """
        await self._ready()
        call = self._wire.begin(method, params)
        try:
            return await self._answer(call)
        finally:
            self._wire.forget(call)

    async def events(
        self,
        *,
        topics: Sequence[str] | None = None,
        since: str | None = None,
        snapshot: bool = False,
    ) -> AsyncSubscription:
        """Subscribe, by default to the semantic events: every `live.*` but audio and media.

        `since` is the cursor to go on after. With `snapshot` the subscription holds one.
        """
        return await self._subscribed(Feed("events", topics, since, snapshot))

    async def subscribe(
        self,
        *,
        topics: Sequence[str] | None = None,
        since: str | None = None,
        snapshot: bool = False,
    ) -> AsyncSubscription:
        """Subscribe, by default to the raw events: every `session.*` but audio and media."""
        return await self._subscribed(Feed("subscribe", topics, since, snapshot))

    async def register(
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
        Another one of that name is carried out no more.
        An `async def` runs in a task of its own, which is cancelled where the model does not
        want the answer any more.
        """
        await self._ready()
        registration = Registration(
            handler,
            name=name,
            description=description,
            parameters=parameters,
            timeout_ms=timeout_ms,
        )
        await self._answer(self._wire.tools.register(registration))

    async def unregister(self, name: str) -> None:
        """Carry a function out no more. Raises `tools.unknown_registration` if it is not ours."""
        await self._ready()
        await self._answer(self._wire.tools.unregister(name))

    async def _subscribed(self, feed: Feed) -> AsyncSubscription:
        await self._ready()
        try:
            await self._answer(self._wire.feeds.subscribe(feed))
        except BaseException:
            self._end(feed)
            raise
        return AsyncSubscription(feed, self._next_event, self._end)

    async def _next_event(self, feed: Feed) -> "AnyEvent | None":
        await checkpoint()
        while not (feed.has_news or self._closed):
            # As long as nothing happens.
            await self._changed.wait()
        if self._closed:
            return None
        held_up = not self._wire.may_read
        event = self._wire.feeds.take(feed)
        if held_up:
            self._wake()
        return cast("AnyEvent | None", event)

    def _end(self, feed: Feed) -> None:
        self._wire.feeds.close(feed)
        self._wake()

    async def _ready(self) -> None:
        """Wait for a daemon that is away, but not for one that has never been there."""
        with anyio.move_on_after(AWAY_S):
            while not (self._wire.ready or self._closed or self._refused):
                await self._changed.wait()
        if self._closed or not self._wire.ready:
            raise anew(self._error)

    async def _answer(self, call: Call) -> object:
        while not call.done:
            # As long as the daemon takes, which has its own deadlines; a loss ends it.
            await self._changed.wait()
        return call.result()

    async def _run(self) -> None:
        """Connect, again after every loss."""
        while True:
            await anyio.sleep(self._wire.next_delay_s())
            try:
                connected = connect(self._path, timeout=0.0)
            except LiveHandleError as error:
                self._lost(error)
                continue
            with connected:
                self._wire.connected()
                async with anyio.create_task_group() as both:
                    both.start_soon(self._write, connected)
                    why = await self._read(connected)
                    both.cancel_scope.cancel()
            self._lost(why)

    def _lost(self, why: LiveHandleError | None) -> None:
        # Who opens it is told at once, unless the daemon is only busy.
        is_busy = why is not None and isinstance(why.__cause__, BlockingIOError)
        self._refused = not self._wire.hello and not is_busy
        self._error = self._wire.lost(why)

    async def _read(self, connected: socket.socket) -> LiveHandleError | None:
        """Read to the end; return why it is one, where that is not the end of the file."""
        while True:
            while not self._wire.may_read:
                # As long as nobody reads what has come.
                await self._changed.wait()
            # As long as the daemon says nothing.
            await anyio.wait_readable(connected)
            try:
                data = connected.recv(READ_BYTES)
                if not data:
                    return None
                self._wire.received(data)
            except BlockingIOError:
                continue
            except OSError:
                return None
            except LiveHandleError as error:
                return error

    async def _write(self, connected: socket.socket) -> None:
        while True:
            while not self._wire.outbox:
                # As long as there is nothing to say.
                await self._changed.wait()
            try:
                sent = connected.send(self._wire.outbox)
            except BlockingIOError:
                # As long as the daemon takes nothing; if it is gone the reader sees it.
                await anyio.wait_writable(connected)
            except OSError:
                return  # the reader sees the end, after what the daemon said before it
            else:
                del self._wire.outbox[:sent]

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _close(self) -> None:
        self._closed = True
        self._error = over()
        self._wake()
        self._tasks.cancel_scope.cancel()

    def _carry_out(self, call: ToolCall) -> None:
        scope = self._running[call.id] = anyio.CancelScope()
        self._tasks.start_soon(self._run_handler, call, scope)

    def _cancel(self, call_id: str) -> None:
        if scope := self._running.get(call_id):
            scope.cancel()

    async def _run_handler(self, call: ToolCall, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await checkpoint()  # for one that was cancelled already
                result = call.handler(**call.args)
                if isinstance(result, Awaitable):
                    result = await result
                self._wire.tools.respond(call.id, result)
        except Exception as error:  # noqa: BLE001 - the model is told
            self._wire.tools.respond(call.id, error=error)
        del self._running[call.id]
        if scope.cancelled_caught:
            self._wire.tools.give_up(call.id)
