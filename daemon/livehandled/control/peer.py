"""One connection: its reader, its pending calls, its subscriptions."""

import asyncio
import logging
import select
import socket
from collections.abc import Callable
from typing import NamedTuple

import anyio
import msgspec
from anyio.abc import TaskGroup

from livehandle_proto import topics as t
from livehandle_proto.envelope import BadRequestError, decode_batch, event_body, event_head
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import MIN_LINE_BYTES
from livehandle_proto.suggest import nearest
from livehandle_proto.values import ErrorObject, Value
from livehandled.control.credentials import Credentials
from livehandled.control.dispatch import Answer, Dispatcher, Later, failed
from livehandled.control.lines import HTTP_REFUSAL, LineReader
from livehandled.control.outlet import Outlet
from livehandled.control.subscriptions import Backlog, Subscription
from livehandled.hub import Hub

_log = logging.getLogger(__name__)

_READ_BYTES = 65_536
_MAX_PENDING = 256
_MAX_SUBSCRIPTIONS = 64
_HANG_UP_POLL_S = 0.25
_GOODBYE_S = 1.0
_OWN_HEAD = event_head(None)


class PeerLimits(NamedTuple):
    """What one connection may take, in bytes."""

    line_bytes: int
    buffer_bytes: int


class Peer:
    """A client's connection, from accept to close.

    `run` is its only task of its own; slow calls and the writer live inside it.
    """

    def __init__(
        self,
        connection: socket.socket,
        who: Credentials,
        *,
        dispatcher: "Dispatcher[Peer]",
        hub: Hub,
        limits: PeerLimits,
    ) -> None:
        self.who = who
        self.client = ""
        self.line_bytes = MIN_LINE_BYTES
        """Lines to this peer are shorter than this."""
        self.subscriptions: dict[str, Subscription] = {}
        self.outlet = Outlet(connection)
        self.stopping = False
        """Set when the daemon stops: new calls are refused."""
        self._connection = connection
        self._dispatcher = dispatcher
        self._hub = hub
        self._lines = LineReader(limits.line_bytes)
        self._max_line = limits.line_bytes
        half = limits.buffer_bytes // 2
        self._backlog = Backlog(log_bytes=half, stream_bytes=half)
        self._subscribed = 0
        self._pending = 0
        self._after_answer: list[Callable[[], None]] = []
        self._calls: TaskGroup | None = None
        self._closing = False
        self._pause = anyio.Event()
        self._input_over = False
        self._fault: Exception | None = None

    async def run(self) -> None:
        """Serve the connection until the peer has gone, or `close` lets it go."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.outlet.run)
                async with anyio.create_task_group() as calls:
                    self._calls = calls
                    if not self._closing:
                        await self._read()
                        await self._linger()
                    calls.cancel_scope.cancel()
                if self._closing:
                    await self._say_goodbye()
                tasks.cancel_scope.cancel()
        finally:
            for subscription in self.subscriptions.values():
                subscription.end()
            self._connection.close()

    def close(self) -> None:
        """Let the peer go: calls that wait are answered, then the connection closes."""
        self.stopping = self._closing = True
        if self._calls is not None:
            self._calls.cancel_scope.cancel()

    def subscribe(self, prefix: str, topics: frozenset[str], start_seq: int) -> Subscription:
        """Add a subscription, which begins once the answer to the request is written."""
        self.subscriptions = {n: s for n, s in self.subscriptions.items() if not s.ended}
        if len(self.subscriptions) >= _MAX_SUBSCRIPTIONS:
            raise LiveHandleError(
                "events.too_many",
                f"This connection has {_MAX_SUBSCRIPTIONS} subscriptions: end one, or name "
                "several topics in one.",
            )
        self._subscribed += 1
        subscription = Subscription(
            f"{prefix}{self._subscribed}",
            topics,
            start_seq=start_seq,
            hub=self._hub,
            outlet=self.outlet,
            backlog=self._backlog,
            line_bytes=self.line_bytes,
        )
        self.subscriptions[subscription.name] = subscription
        self._after_answer.append(subscription.activate)
        return subscription

    def unsubscribe(self, name: str) -> None:
        """End a subscription. Raises `events.unknown_subscription`."""
        subscription = self.subscriptions.pop(name, None)
        if subscription is None or subscription.ended:
            raise LiveHandleError(
                "events.unknown_subscription",
                f"This connection has no subscription {name[:80]!r}: give the name that events "
                "or subscribe answered.",
                param="subscription",
                did_you_mean=nearest(name, self.subscriptions),
            )
        subscription.end()

    def raise_line_limit(self, line_bytes: int) -> None:
        """Let lines to this peer be longer, now and in subscriptions it has."""
        self.line_bytes = line_bytes
        for subscription in self.subscriptions.values():
            subscription.line_bytes = line_bytes

    def tell(self, topic: str, data: Value) -> None:
        """Write an event that concerns this connection alone."""
        seq = self._hub.last_seq
        cursor = self._hub.cursor()
        self.outlet.answer(_OWN_HEAD + event_body(seq, cursor, self._hub.now_ms(), topic, data))

    async def _read(self) -> None:
        """Take lines until the peer has no more, or breaks a rule that ends its input.

        A reader that stays registered costs a third of one that is registered for each wait,
        so this is the event loop's own, not anyio's; lines are taken in its callback.
        """
        loop = asyncio.get_running_loop()
        while not self._input_over:
            self._pause = anyio.Event()
            loop.add_reader(self._connection, self._on_readable)
            try:
                # As long as the peer says nothing that ends or holds up its input.
                await self._pause.wait()
            finally:
                loop.remove_reader(self._connection)
            if self._fault is not None:
                raise self._fault
            await self.outlet.answers_taken()
        self._end_of_input()

    def _on_readable(self) -> None:
        try:
            self._input_over = not self._receive()
        except Exception as fault:  # noqa: BLE001 - raised again in the peer's own task
            self._fault = fault
        if self._input_over or self._fault is not None or self.outlet.answers_wait:
            self._pause.set()

    def _receive(self) -> bool:
        """Take what has come in. False if nothing more will."""
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:  # the peer is gone
            self.outlet.breaks()
            return False
        for line in self._lines.feed(data):
            self._take(line)
        return bool(data) and not (self._lines.http or self._lines.overlong)

    def _end_of_input(self) -> None:
        if self._lines.http:
            self.outlet.answer(HTTP_REFUSAL)
        elif self._lines.overlong:
            error = LiveHandleError(
                "wire.too_long",
                f"A line may be {self._max_line} bytes long: send less at a time, or raise "
                "limits.max_line_bytes in the daemon's configuration.",
                expected=f"at most {self._max_line} bytes",
            )
            self._answer([failed(msgspec.Raw(b"null"), None, error)], batch=False)
        elif line := self._lines.finish().strip():
            self._take(line)

    async def _say_goodbye(self) -> None:
        if any(not s.ended for s in self.subscriptions.values()):
            self.tell("daemon.bye", t.Nothing())
        with anyio.move_on_after(_GOODBYE_S):
            await self.outlet.emptied()

    async def _linger(self) -> None:
        """Go on answering a peer that only closed its writing side, until it has gone."""
        poll = select.poll()
        poll.register(self._connection, 0)
        refused = self._lines.http or self._lines.overlong
        while not self.outlet.broken:
            awaited = self._pending or any(not s.ended for s in self.subscriptions.values())
            if self.outlet.idle and (refused or not awaited):
                return
            if poll.poll(0):  # nothing was asked for: it is a hang-up or an error
                return
            await anyio.sleep(_HANG_UP_POLL_S)

    def _take(self, line: bytes) -> None:
        """Begin what a line asks for. Requests begin in the order they came."""
        if line.lstrip()[:1] != b"[":
            begun = self._start(line)
            if isinstance(begun, Later):
                self._spawn([begun], batch=False)
            else:
                self._answer([begun], batch=False)
            return
        try:
            members = decode_batch(line)
        except BadRequestError as bad:
            self._answer([failed(bad.request_id, None, bad.error)], batch=False)
            return
        begun_all = [self._start(member) for member in members]
        if any(isinstance(begun, Later) for begun in begun_all):
            self._spawn(begun_all, batch=True)
        else:
            self._answer([b for b in begun_all if isinstance(b, Answer)], batch=True)

    def _start(self, text: bytes | msgspec.Raw) -> Answer | Later:
        if self.stopping:
            return self._refuse(text, "daemon.stopping", "The daemon is stopping: try again soon.")
        if self._pending >= _MAX_PENDING:
            why = f"{_MAX_PENDING} calls of this connection wait already: await an answer first."
            return self._refuse(text, "wire.too_many_pending", why)
        return self._dispatcher.start(self, text)

    def _refuse(self, text: bytes | msgspec.Raw, name: str, why: str) -> Answer:
        return self._dispatcher.refuse(text, LiveHandleError(name, why))

    def _spawn(self, begun: list[Answer | Later], *, batch: bool) -> None:
        assert self._calls is not None
        self._pending += 1
        self._calls.start_soon(self._wait_for, begun, batch)

    async def _wait_for(self, begun: list[Answer | Later], batch: bool) -> None:
        """Answer when all of a line is done, or as far as it is when the daemon stops."""
        answers = [_interrupted(one) if isinstance(one, Later) else one for one in begun]

        async def wait(place: int, later: Later) -> None:
            answers[place] = await later.answer()

        try:
            async with anyio.create_task_group() as waits:
                for place, one in enumerate(begun):
                    if isinstance(one, Later):
                        waits.start_soon(wait, place, one)
        finally:
            self._pending -= 1
            self._answer(answers, batch=batch)

    def _answer(self, answers: list[Answer], *, batch: bool) -> None:
        """Write the answers to a line, then let its subscriptions begin."""
        for answer in answers:
            if answer.notification and answer.error is not None:
                error = msgspec.convert(answer.error, ErrorObject)
                failure = t.FailedNotification(method=answer.method, error=error)
                self.tell("daemon.notification_failed", failure)
        texts = self._fitting([a for a in answers if not a.notification])
        if batch and texts:
            self.outlet.answer(b"[" + b",".join(texts) + b"]\n")
        elif texts:
            self.outlet.answer(texts[0] + b"\n")
        activations, self._after_answer = self._after_answer, []
        for activate in activations:
            activate()

    def _fitting(self, answers: list[Answer]) -> list[bytes]:
        """Return the answers' texts, each that does not fit the line replaced by an error."""
        texts: list[bytes] = []
        room = self.line_bytes - len("[]\n") - _ERROR_BYTES * (len(answers) - 1)
        for answer in answers:
            text = answer.text
            if len(text) + 1 >= room:
                text = _too_large(answer).text
            texts.append(text)
            room -= len(text) + 1 - _ERROR_BYTES
        return texts


# An error of `_too_large` with a long id; MAX_BATCH of them fit the shortest line.
_ERROR_BYTES = 512


def _interrupted(later: Later) -> Answer:
    error = LiveHandleError("daemon.stopping", "The daemon stopped before the call was done.")
    return failed(later.request.id, later.request.method, error)


def _too_large(answer: Answer) -> Answer:
    error = LiveHandleError(
        "wire.result_too_large",
        f"The answer is {len(answer.text)} bytes long: raise max_line_bytes in daemon.hello.",
        param="max_line_bytes",
        expected=f"more than {len(answer.text) + 1}",
    )
    return failed(answer.request_id, answer.method, error)
