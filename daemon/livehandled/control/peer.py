"""One connection: its calls and its subscriptions."""

import logging
import select
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import anyio
import msgspec
from anyio.abc import TaskGroup

from livehandle_proto import topics as t
from livehandle_proto.envelope import BadRequestError, decode_batch, event_body, event_head
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import MIN_LINE_BYTES, Client
from livehandle_proto.roles import Role
from livehandle_proto.suggest import nearest
from livehandle_proto.values import ErrorObject, Value
from livehandled.config.schema import Limits
from livehandled.control.answers import answer_line, fitted, plain_line
from livehandled.control.credentials import Credentials
from livehandled.control.dispatch import Answer, Dispatcher, Later, failed
from livehandled.control.inlet import Inlet
from livehandled.control.lines import HTTP_REFUSAL
from livehandled.control.outlet import Outlet, Waiting
from livehandled.control.readers import Readers
from livehandled.control.subscriptions import Backlog, Subscription
from livehandled.extraction.client_kind import ClientRuns
from livehandled.hub import Hub
from livehandled.log import ids

_log = logging.getLogger(__name__)

_HANG_UP_POLL_S = 0.25
_GOODBYE_S = 1.0
_MAX_TOLD_METHOD = 100
_OWN_HEAD = event_head(None)
_NULL = msgspec.Raw(b"null")


class Peer:
    """A client's connection, from accept to close.

    `run` is its only task of its own; slow calls and the writer live inside it.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        connection_id: str,
        who: Credentials,
        dispatcher: "Dispatcher[Peer]",
        hub: Hub,
        limits: Limits,
        readers: Readers,
    ) -> None:
        self.id = connection_id
        """Of this connection, and of no other of this daemon."""
        self.who = who
        self.client = ""
        """What it calls itself."""
        self.line_bytes = MIN_LINE_BYTES
        """Lines to this peer are shorter than this."""
        self.subscriptions: dict[str, Subscription] = {}
        self.outlet = Outlet(connection)
        self.runs = ClientRuns(partial(self.ask, "extractor.run"))
        """What its extractors have been asked."""
        self.serves = False
        """Set once it carries something out: it is told of the end as a subscriber is."""
        self.stopping = False
        """Set when the daemon stops: new calls are refused."""
        self._connection = connection
        self._dispatcher = dispatcher
        self._hub = hub
        self._inlet = Inlet(
            connection, limits=limits, outlet=self.outlet, readers=readers, take=self._take
        )
        self._limits = limits
        half = limits.client_buffer_bytes // 2
        self._backlog = Backlog(log_bytes=half, stream_bytes=half)
        self._asking: OrderedDict[Waiting, None] = OrderedDict()
        """What it is asked to do, and has not been told of."""
        self._subscribed = 0
        self._made: Subscription | None = None
        """The subscription that the call just begun has made."""
        self._pending = 0
        self._calls: TaskGroup | None = None
        self._closing = False

    async def run(self) -> None:
        """Serve the connection until the peer has gone, or `close` lets it go."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.outlet.run)
                async with anyio.create_task_group() as calls:
                    self._calls = calls
                    if not self._closing:
                        await self._listen()
                    calls.cancel_scope.cancel()
                with anyio.move_on_after(_GOODBYE_S):
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
        most = self._limits.subscriptions
        if len(self.subscriptions) >= most:
            raise LiveHandleError(
                "events.too_many",
                f"This connection has {most} subscriptions: end one, or name several topics in "
                "one.",
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
        self._made = subscription
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

    def introduce(self, client: str) -> None:
        """Take the name that the client gives itself.

        Each is logged, so that nobody acts under a name that the log does not know.
        """
        if client != self.client:
            _log.info("client named", extra=ids(client=self.id, name=client))
        self.client = client

    @property
    def missed(self) -> int:
        """How many events it was not told, for it read too slowly."""
        return self._backlog.dropped + self._backlog.lagged

    def raise_line_limit(self, line_bytes: int) -> None:
        """Let lines to this peer be longer, now and in subscriptions it has."""
        self.line_bytes = line_bytes
        for subscription in self.subscriptions.values():
            subscription.line_bytes = line_bytes

    def describe(self, *, roles: list[Role], tools: int) -> Client:
        """Return whose connection it is, what waits for it, and what it has missed."""
        return Client(
            connection=self.id,
            client=self.client,
            pid=self.who.pid,
            uid=self.who.uid,
            roles=roles,
            tools=tools,
            pending=self._pending,
            subscriptions=sum(not s.ended for s in self.subscriptions.values()),
            queued_lines=self.outlet.waiting,
            queued_bytes=self._backlog.log_bytes
            + self._backlog.stream_bytes
            + sum(len(waiting.line) for waiting in self._asking),
            lag_ms=round(self.outlet.behind_s * 1000),
            dropped=self._backlog.dropped,
            lagged=self._backlog.lagged,
        )

    def tell(self, topic: str, data: Value) -> None:
        """Write an event that concerns this connection alone."""
        self.outlet.answer(self._own_line(topic, data))

    def _own_line(self, topic: str, data: Value) -> bytes:
        seq, cursor = self._hub.last_seq, self._hub.cursor()
        return _OWN_HEAD + event_body(seq, cursor, self._hub.now_ms(), topic, data)

    def ask(self, topic: str, data: Value) -> Callable[[], bool]:
        """Write what asks the peer to do something; return what takes it back.

        That returns whether it could: it was not written yet. So a peer that does not read has no
        more waiting than what it is still wanted for. Raises `wire.result_too_large`.
        """
        line = self._own_line(topic, data)
        if len(line) >= self.line_bytes:
            raise LiveHandleError(
                "wire.result_too_large",
                f"The line of {topic} is {len(line)} bytes long: raise max_line_bytes in "
                "daemon.hello.",
                param="max_line_bytes",
                expected=f"more than {len(line)}",
            )
        # No cycle of references: what was taken back is to be free now.
        waiting = Waiting(line, self._asked)
        if self.outlet.idle:
            self.outlet.write(line)
        else:
            self._asking[waiting] = None
            self.outlet.wait(waiting)
        return partial(self._take_back, waiting)

    def _asked(self) -> bytes:
        waiting, _ = self._asking.popitem(last=False)  # they wait in one order here and there
        return waiting.line

    def _take_back(self, waiting: Waiting) -> bool:
        waits = waiting in self._asking
        self._asking.pop(waiting, None)
        self.outlet.drop(waiting)
        return waits

    async def _listen(self) -> None:
        """Take what the peer asks for, until it has gone or is let go."""
        try:
            await self._inlet.run()
            self._end_of_input()
            await self._linger()
        finally:
            if self._closing:  # a batch that is half begun is answered as a whole
                self._inlet.take_rest()

    def _end_of_input(self) -> None:
        if self._inlet.lines.http:
            self.outlet.answer(HTTP_REFUSAL)
        elif self._inlet.lines.overlong:
            error = LiveHandleError(
                "wire.too_long",
                f"A line may be {self._limits.max_line_bytes} bytes long: send less at a time, or "
                "raise limits.max_line_bytes in the daemon's configuration.",
                expected=f"at most {self._limits.max_line_bytes} bytes",
            )
            self._answer([failed(_NULL, None, error)])
        elif line := self._inlet.lines.finish().strip():
            self._inlet.held.append(line)
            self._inlet.take_rest()

    async def _linger(self) -> None:
        """Go on answering a peer that only closed its writing side, until it has gone."""
        poll = select.poll()
        poll.register(self._connection, 0)
        while not (self.outlet.broken or self._inlet.refused):
            listens = any(not s.ended for s in self.subscriptions.values())
            if self.outlet.idle and not self._pending and not listens:
                return
            if poll.poll(0):  # nothing was asked for: it is a hang-up or an error
                return
            await anyio.sleep(_HANG_UP_POLL_S)

    async def _say_goodbye(self) -> None:
        """Write the last lines to a peer that has not gone. The caller sets the deadline."""
        listens = self.serves or any(not s.ended for s in self.subscriptions.values())
        if self._closing and listens:
            self.tell("daemon.bye", t.Nothing())
        if self._closing or self._inlet.refused:
            await self.outlet.emptied()
            await self._inlet.pass_over()

    def _take(self, line: bytes) -> Iterator[None] | None:
        """Begin what a line asks for, a batch as it is iterated over.

        Requests begin in the order they came.
        """
        if line.lstrip()[:1] == b"[":
            return self._take_batch(line)
        begun = self._start(line)
        made, self._made = self._made, None
        if isinstance(begun, Answer) and (plain := plain_line(begun, line_bytes=self.line_bytes)):
            self.outlet.answer(plain)
            if made is not None:
                made.activate()
            return None
        self._go_on([begun], {} if made is None else {0: made})
        return None

    def _take_batch(self, line: bytes) -> Iterator[None]:
        try:
            texts = decode_batch(line)
        except BadRequestError as bad:
            self._answer([failed(bad.request_id, None, bad.error)])
            return
        begun: list[Answer | Later] = []
        made: dict[int, Subscription] = {}
        for place, text in enumerate(texts):
            begun.append(self._start(text))
            if self._made is not None:
                made[place], self._made = self._made, None
            yield
        self._go_on(begun, made, batch=True)

    def _go_on(
        self, begun: list[Answer | Later], made: dict[int, Subscription], *, batch: bool = False
    ) -> None:
        """Answer a line that was begun, now if all of it is done."""
        answers = [one for one in begun if isinstance(one, Answer)]
        if len(answers) == len(begun):
            self._answer(answers, made, batch=batch)
        else:
            assert self._calls is not None
            self._calls.start_soon(self._wait_for, begun, made, batch)

    def _start(self, text: bytes | msgspec.Raw) -> Answer | Later:
        if self.stopping:
            return self._refuse(text, "daemon.stopping", "The daemon is stopping: try again soon.")
        most = self._limits.pending_calls
        if self._pending >= most:
            why = f"{most} calls of this connection wait already: await an answer first."
            return self._refuse(text, "wire.too_many_pending", why)
        begun = self._dispatcher.start(self, text)
        self._pending += isinstance(begun, Later)
        return begun

    def _refuse(self, text: bytes | msgspec.Raw, name: str, why: str) -> Answer:
        return self._dispatcher.refuse(text, LiveHandleError(name, why))

    async def _wait_for(
        self, begun: list[Answer | Later], made: dict[int, Subscription], batch: bool
    ) -> None:
        """Answer when all of a line is done, or as far as it is when the daemon stops."""
        answers = {place: one for place, one in enumerate(begun) if isinstance(one, Answer)}
        waits = {place: one for place, one in enumerate(begun) if isinstance(one, Later)}

        async def wait(place: int, later: Later) -> None:
            answers[place] = await later.answer()
            del waits[place]

        try:
            async with anyio.create_task_group() as tasks:
                for place, later in waits.items():
                    tasks.start_soon(wait, place, later)
        finally:
            self._pending -= sum(isinstance(one, Later) for one in begun)
            if self.stopping or self._inlet.refused or not waits:
                answers |= {place: self._interrupted(later) for place, later in waits.items()}
                self._answer([answers[place] for place in range(len(begun))], made, batch=batch)

    def _answer(
        self,
        answers: list[Answer],
        made: Mapping[int, Subscription] | None = None,
        *,
        batch: bool = False,
    ) -> None:
        """Write the answers to a line, then let the subscriptions it made begin."""
        for answer in answers:
            if answer.notification and answer.error is not None:
                error = msgspec.convert(answer.error, ErrorObject)
                method = None if answer.method is None else answer.method[:_MAX_TOLD_METHOD]
                self.tell(
                    "daemon.notification_failed", t.FailedNotification(method=method, error=error)
                )
        told = fitted(answers, line_bytes=self.line_bytes)
        if line := answer_line(told, batch=batch):
            self.outlet.answer(line)
        for place, subscription in (made or {}).items():
            if told[place] is answers[place]:
                subscription.activate()
            else:  # the client does not know its name
                subscription.end()

    def _interrupted(self, later: Later) -> Answer:
        """Return the answer of a call that is not done when the connection ends."""
        if self.stopping:
            name, why = "daemon.stopping", "The daemon stopped before the call was done."
        else:
            name = "wire.closed"
            why = "The connection ends for a line that is too long: call again by another."
        error = LiveHandleError(name, why)
        return failed(later.request.id, later.request.method, error)
