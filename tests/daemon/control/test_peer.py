"""One connection: order, batches, half-close, refusals, limits, and how it ends."""

import gc
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.envelope import MAX_BATCH, MAX_ID_BYTES
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorRun, Respond
from livehandle_proto.methods import (
    MIN_LINE_BYTES,
    Client,
    Done,
    Hello,
    SendText,
    Unsubscribe,
)
from livehandle_proto.topics import SEMANTIC_STREAM, Text
from livehandle_proto.values import Params
from livehandled.config.schema import Limits
from livehandled.control import peer as peer_module
from livehandled.control.credentials import credentials_of
from livehandled.control.dispatch import Dispatcher
from livehandled.control.lines import HTTP_REFUSAL
from livehandled.control.outlet import Waiting
from livehandled.control.peer import Peer
from livehandled.control.readers import Readers
from support.control import WAIT_S, LoopClient, connected, fill, handlers_with, new_hub
from support.wire import notification, request

pytestmark = pytest.mark.anyio

LINE_LIMIT = 100_000
TOPIC = "live.text_delta"


class Serving:
    """A peer that runs, its client, and what its calls have done."""

    def __init__(self, ours: socket.socket, theirs: socket.socket, **limits: Any) -> None:
        self.hub = new_hub()
        self.client = LoopClient(theirs)
        self.begun: list[object] = []
        self.release = anyio.Event()
        """Ends the slow calls."""
        self.over = anyio.Event()
        """Set when the connection is closed."""
        handlers = {
            "send_text": self._text,
            "done": self._done,
            "events": self._events,
            "unsubscribe": self._unsubscribe,
            "daemon.hello": self._hello,
        }
        self.peer = Peer(
            ours,
            connection_id="c1",
            who=credentials_of(ours),
            dispatcher=Dispatcher(handlers_with(handlers)),
            hub=self.hub,
            limits=Limits(max_line_bytes=LINE_LIMIT, client_buffer_bytes=65_536, **limits),
            readers=Readers(),
        )

    async def run(self) -> None:
        await self.peer.run()
        self.over.set()

    def publish(self, text: str) -> None:
        self.hub.publish(TOPIC, Text(text=text))

    @property
    def shown(self) -> Client:
        return self.peer.describe(roles=[], tools=0)

    async def until_begun(self, count: int) -> None:
        """Wait until so many calls have begun."""
        with anyio.fail_after(WAIT_S):
            while len(self.begun) < count:
                await anyio.lowlevel.checkpoint()

    async def ended(self) -> None:
        """Wait until the daemon has closed the connection."""
        with anyio.fail_after(WAIT_S):
            await self.over.wait()

    def _text(self, _peer: Peer, params: Params) -> object:
        assert isinstance(params, SendText)
        self.begun.append(params.text)
        if params.text == "refuse":
            raise LiveHandleError("text.empty", "The text is empty: send words.")
        return params.text * 60_000 if params.text == "large" else params.text

    def _done(self, _peer: Peer, params: Params) -> Awaitable[object]:
        assert isinstance(params, Done)
        self.begun.append(params.timeout_ms)

        async def wait() -> object:
            await self.release.wait()
            return params.timeout_ms

        return wait()

    def _events(self, peer: Peer, _params: Params) -> object:
        name = peer.subscribe("e", SEMANTIC_STREAM, self.hub.last_seq).name
        return {"subscription": name, "padding": "x" * self.padding}

    def _unsubscribe(self, peer: Peer, params: Params) -> None:
        assert isinstance(params, Unsubscribe)
        peer.unsubscribe(params.subscription)

    def _hello(self, peer: Peer, params: Params) -> None:
        assert isinstance(params, Hello)
        if params.client:
            peer.introduce(params.client)
        if params.max_line_bytes is not None:
            peer.raise_line_limit(params.max_line_bytes)

    padding = 0


@asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[Serving]:
    with connected() as (ours, theirs):
        it = Serving(ours, theirs, **limits)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.run)
            yield it
            it.client.connection.close()


def named(message: Any) -> object:
    """Return what an answer says, in short: the result, or the error's name."""
    return message["result"] if "result" in message else message["error"]["data"]["name"]


# Framing and order.


async def test_every_line_is_answered_in_order_and_blank_ones_are_passed_over() -> None:
    async with serving() as it:
        await it.client.send(b"\n \r\n" + request("send_text", 1, text="a") + b"\n")
        await it.client.send(b"nonsense\n" + request("send_text", 2, text="b"))
        answers = [await it.client.read() for _ in range(3)]
        assert [(a["id"], named(a)) for a in answers] == [
            (1, "a"),
            (None, "wire.parse_error"),
            (2, "b"),
        ]


@pytest.mark.parametrize("end", [b"", b" ", b"\r", b"\n"])
async def test_the_last_line_needs_no_end_and_the_connection_then_closes(end: bytes) -> None:
    async with serving() as it:
        await it.client.send(request("send_text", 1, text="a").strip() + end)
        it.client.half_close()
        assert [named(a) for a in await it.client.rest()] == ["a"]
        await it.ended()


@pytest.mark.parametrize("chunk", [1, 7])
async def test_a_request_may_come_in_any_pieces(chunk: int) -> None:
    async with serving() as it:
        data = request("send_text", 1, text="ä") + request("send_text", 2, text="b")
        for i in range(0, len(data), chunk):
            await it.client.send(data[i : i + chunk])
            await anyio.wait_all_tasks_blocked()
        assert [named(await it.client.read()) for _ in range(2)] == ["ä", "b"]


async def test_a_slow_call_holds_up_none_behind_it_and_all_begin_in_order() -> None:
    async with serving() as it:
        await it.client.send(request("done", 1, timeout_ms=5))
        await it.client.send(request("send_text", 2, text="a") + request("done", 3, timeout_ms=6))
        await it.client.send(request("send_text", 4, text="b"))
        assert [(await it.client.read())["id"] for _ in range(2)] == [2, 4]
        assert it.begun == [5, "a", 6, "b"]
        it.release.set()
        late = [await it.client.read() for _ in range(2)]
        assert {a["id"]: a["result"] for a in late} == {1: 5, 3: 6}


async def test_after_a_half_close_slow_calls_are_answered_and_then_the_connection_closes() -> None:
    async with serving() as it:
        await it.client.send(request("done", 1, timeout_ms=5))
        it.client.half_close()
        await it.until_begun(1)
        it.release.set()
        assert [named(a) for a in await it.client.rest()] == [5]
        await it.ended()


async def test_after_a_half_close_events_go_on_until_the_peer_closes() -> None:
    async with serving() as it:
        await it.client.send(request("events"))
        it.client.half_close()
        assert named(await it.client.read()) == {"subscription": "e1", "padding": ""}
        await anyio.wait_all_tasks_blocked()
        it.publish("a")
        assert (await it.client.read())["params"]["data"] == {"text": "a"}
        assert not it.over.is_set()
        it.client.connection.close()
        await it.ended()


@pytest.mark.parametrize("data", [b"", request("done"), request("events")])
async def test_a_peer_that_goes_takes_its_calls_and_subscriptions_with_it(data: bytes) -> None:
    async with serving() as it:
        await it.client.send(data + request("send_text", 9, text="a"))
        await it.client.read()
        it.client.connection.close()
        await it.ended()
        it.publish("nobody hears")
        assert all(s.ended for s in it.peer.subscriptions.values())


async def test_calls_of_a_peer_that_has_gone_already_are_carried_out() -> None:
    async with serving() as it:
        await it.client.send(request("send_text", 1, text="a") + request("send_text", 2, text="b"))
        it.client.connection.close()
        await it.ended()
        assert it.begun == ["a", "b"]


# Batches and notifications.


def batch(*members: bytes) -> bytes:
    return b"[" + b",".join(member.strip() for member in members) + b"]\n"


async def test_a_batch_is_answered_by_one_array_in_its_order() -> None:
    async with serving() as it:
        line = batch(
            request("send_text", 1, text="a"),
            notification("send_text", text="b"),
            b"5",
            request("nope", 2),
            b'{"id":3}',
            request("send_text", 4, text="refuse"),
        )
        answers = await it.client.ask(b"  " + line)
        assert [(a["id"], named(a)) for a in answers] == [
            (1, "a"),
            (None, "wire.invalid_request"),
            (2, "wire.method_not_found"),
            (3, "wire.invalid_request"),
            (4, "text.empty"),
        ]
        assert it.begun == ["a", "b", "refuse"]


async def test_a_batch_with_a_slow_call_is_answered_whole_and_holds_up_nothing() -> None:
    async with serving() as it:
        await it.client.send(batch(request("done", 1, timeout_ms=5), request("phase", 2)))
        await it.client.send(batch(request("send_text", 3, text="a")))
        assert [a["id"] for a in await it.client.read()] == [3]
        it.release.set()
        assert [a["id"] for a in await it.client.read()] == [1, 2]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"[]\n", "wire.invalid_request"),
        (b"[1,\n", "wire.parse_error"),
        (batch(*[request("phase")] * (MAX_BATCH + 1)), "wire.invalid_request"),
    ],
)
async def test_a_batch_that_is_none_gets_one_error(line: bytes, name: str) -> None:
    async with serving() as it:
        answer = await it.client.ask(line)
        assert (answer["id"], named(answer)) == (None, name)


async def test_notifications_are_not_answered_alone_or_in_a_batch() -> None:
    async with serving() as it:
        await it.client.send(notification("send_text", text="a"))
        await it.client.send(batch(notification("send_text", text="b"), notification("phase")))
        answer = await it.client.ask(request("send_text", 1, text="c"))
        assert named(answer) == "c"
        assert it.begun == ["a", "b", "c"]


async def test_a_failed_notification_becomes_an_event_of_its_own_connection() -> None:
    async with serving() as it:
        event = await it.client.ask(notification("send_text", text="refuse"))
        assert event["method"] == "event"
        params = event["params"]
        assert "subscription" not in params
        assert params["topic"] == "daemon.notification_failed"
        assert params["data"]["method"] == "send_text"
        assert params["data"]["error"]["data"]["name"] == "text.empty"
        assert it.hub.last_seq == 0  # it is no event of the daemon's


async def test_a_slow_notification_that_ends_well_says_nothing() -> None:
    async with serving() as it:
        it.release.set()
        await it.client.send(notification("done"))
        await it.until_begun(1)
        it.client.half_close()
        assert await it.client.rest() == []


# Subscriptions.


async def test_the_answer_comes_before_the_first_event() -> None:
    async with serving() as it:
        await it.client.send(batch(request("events", 1), request("done", 2)))
        await it.until_begun(1)
        it.publish("a")
        # The answer to another line does not begin the subscription of the first.
        assert named(await it.client.ask(request("send_text", 3, text="x"))) == "x"
        it.publish("b")
        it.release.set()
        assert [a["id"] for a in await it.client.read()] == [1, 2]
        events = [(await it.client.read())["params"] for _ in range(2)]
        assert [e["data"]["text"] for e in events] == ["a", "b"]
        assert {e["subscription"] for e in events} == {"e1"}


async def test_a_subscription_whose_answer_did_not_fit_never_begins() -> None:
    async with serving() as it:
        it.padding = 40_000
        first, second = await it.client.ask(batch(request("events", 1), request("events", 2)))
        assert named(first)["subscription"] == "e1"  # type: ignore[index] # a result of ours
        assert named(second) == "wire.result_too_large"
        it.publish("a")
        assert (await it.client.read())["params"]["subscription"] == "e1"
        assert named(await it.client.ask(request("send_text", 3, text="x"))) == "x"


async def test_a_subscription_made_by_a_notification_begins_too() -> None:
    async with serving() as it:
        await it.client.send(notification("events") + request("send_text", 1, text="x"))
        assert named(await it.client.read()) == "x"
        it.publish("a")
        assert (await it.client.read())["params"]["subscription"] == "e1"


async def test_after_unsubscribe_is_answered_nothing_more_comes() -> None:
    async with serving() as it:
        await it.client.ask(request("events"))
        it.publish("a")
        await it.client.send(request("unsubscribe", 2, subscription="e1"))
        assert (await it.client.read())["params"]["data"] == {"text": "a"}
        assert named(await it.client.read()) is None
        it.publish("b")
        for name, near in (("e1", None), ("e2", None)):
            error = (await it.client.ask(request("unsubscribe", 3, subscription=name)))["error"]
            assert error["data"]["name"] == "events.unknown_subscription"
            assert error["data"].get("did_you_mean") == near


async def test_an_unknown_subscription_is_answered_with_a_near_one() -> None:
    async with serving() as it:
        await it.client.ask(request("events"))
        error = (await it.client.ask(request("unsubscribe", 2, subscription="e2")))["error"]
        assert error["data"]["did_you_mean"] == "e1"


async def test_subscriptions_are_bounded_and_their_places_are_given_back() -> None:
    async with serving(subscriptions=3) as it:
        for i in range(1, 4):
            assert named(await it.client.ask(request("events", i))) != "events.too_many"
        refused = await it.client.ask(request("events", 4))
        assert named(refused) == "events.too_many"
        assert refused["error"]["message"].startswith("This connection has 3 subscriptions:")
        await it.client.ask(request("unsubscribe", 5, subscription="e2"))
        answer = await it.client.ask(request("events", 6))
        assert answer["result"]["subscription"] == "e4"


# Limits.


@pytest.mark.parametrize("split", [False, True])
async def test_http_gets_one_plain_refusal_and_the_end(split: bool) -> None:
    async with serving() as it:
        data = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for piece in [data[i : i + 1] for i in range(len(data))] if split else [data]:
            await it.client.send(piece)
            await anyio.lowlevel.checkpoint()
        lines = []
        while line := await it.client.line():
            lines.append(line + b"\n")
        assert b"".join(lines) == HTTP_REFUSAL
        it.client.connection.close()
        await it.ended()


async def test_a_line_too_long_is_refused_after_those_before_it_and_the_connection_closes() -> None:
    async with serving() as it:
        await it.client.send(request("done", 1) + request("send_text", 2, text="a"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.client.send, b"x" * 5_000_000)  # it does not stop to listen
            answers = await it.client.rest()
        assert [named(a) for a in answers] == ["a", "wire.too_long", "wire.closed"]
        assert [a["id"] for a in answers] == [2, None, 1]
        assert answers[1]["error"]["data"]["expected"] == f"at most {LINE_LIMIT} bytes"
        it.client.connection.close()
        await it.ended()


async def test_a_refused_peer_that_stays_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "_GOODBYE_S", 0.05)
    async with serving() as it:
        await it.client.send(b"GET / HTTP/1.1\r\n\r\n")
        await it.ended()


async def test_a_line_of_just_the_limit_is_taken() -> None:
    async with serving() as it:
        line = request("send_text", 1, text="").strip()
        text = "x" * (LINE_LIMIT - len(line))
        answer = await it.client.ask(line.replace(b'""', b'"' + text.encode() + b'"') + b"\n")
        assert named(answer) == "wire.result_too_large"
        assert it.begun == [text]


async def test_a_result_too_large_fits_once_the_limit_is_raised() -> None:
    async with serving() as it:
        error = (await it.client.ask(request("send_text", 1, text="large")))["error"]
        enough = int(error["data"]["expected"].removeprefix("at least "))
        await it.client.ask(request("events", 2))
        await it.client.ask(request("daemon.hello", 3, max_line_bytes=enough))
        assert named(await it.client.ask(request("send_text", 4, text="large"))) == "large" * 60_000
        it.publish("x" * MIN_LINE_BYTES)
        assert (await it.client.read())["params"]["data"] == {"text": "x" * MIN_LINE_BYTES}


HOSTILE = "\x01" * 60_000
LONG_ID = "x" * (MAX_ID_BYTES - 2)


@pytest.mark.parametrize(
    "member",
    [
        request(HOSTILE[:100], LONG_ID),
        notification(HOSTILE[:100]),
        request("send_text", LONG_ID, **{HOSTILE[:100]: 1}),
        notification("send_text", **{HOSTILE[:100]: 1}),
        request("unsubscribe", LONG_ID, subscription=HOSTILE[:100]),
        b'{"jsonrpc":"' + b"\\u0001" * 100 + b'","id":"' + LONG_ID.encode() + b'"}',
    ],
)
async def test_no_line_of_a_batch_of_hostile_requests_is_too_long(member: bytes) -> None:
    async with serving() as it:
        await it.client.send(batch(*[member] * MAX_BATCH) + request("phase", "last"))
        while True:
            line = await it.client.line()
            assert 0 < len(line) < MIN_LINE_BYTES - 1
            if line.endswith(b'"id":"last"}'):
                break


@pytest.mark.parametrize("make", [request, notification])
@pytest.mark.parametrize(
    ("method", "params"),
    [(HOSTILE[:15_000], {}), ("send_text", {HOSTILE[:15_000]: 1}), ("send_text", {"text": 5})],
)
async def test_no_line_of_a_hostile_request_is_too_long(
    make: Callable[..., bytes], method: str, params: dict[str, object]
) -> None:
    async with serving() as it:
        await it.client.send(make(method, **params))
        assert 0 < len(await it.client.line()) < MIN_LINE_BYTES - 1


async def test_calls_that_wait_are_bounded_and_their_places_are_given_back() -> None:
    async with serving(pending_calls=20) as it:
        line = batch(*[request("done", "slow", timeout_ms=1)] * 5)
        await it.client.send(line * 4)
        await it.until_begun(20)
        refused = await it.client.ask(request("send_text", 1, text="a"))
        assert named(refused) == "wire.too_many_pending"
        assert refused["error"]["message"].startswith("20 calls of this connection wait")
        assert it.shown.pending == 20
        it.release.set()
        for _ in range(4):
            assert [named(a) for a in await it.client.read()] == [1] * 5
        assert named(await it.client.ask(request("send_text", 2, text="a"))) == "a"
        assert it.shown.pending == 0


async def test_a_long_batch_keeps_no_other_connection_waiting() -> None:
    async with serving(turn_requests=4) as long, serving() as other:
        members = [request("send_text", i, text="a") for i in range(MAX_BATCH)]
        await long.client.send(batch(*members))
        await long.until_begun(1)
        assert named(await other.client.ask(request("send_text", 1, text="b"))) == "b"
        assert len(long.begun) < MAX_BATCH
        assert [a["id"] for a in await long.client.read()] == list(range(MAX_BATCH))


async def test_lines_behind_a_batch_begin_after_all_of_it() -> None:
    async with serving(turn_requests=2) as it:
        members = [request("send_text", i, text=str(i)) for i in range(9)]
        await it.client.send(batch(*members) + request("send_text", 9, text="9"))
        assert len(await it.client.read()) == 9
        assert named(await it.client.read()) == "9"
        assert it.begun == list("0123456789")


async def test_a_peer_that_does_not_read_its_answers_is_not_read_from() -> None:
    async with serving() as it:
        line = request("send_text", 1, text="x" * 1000)
        with suppress(BlockingIOError):
            while it.client.connection.send(line):
                await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        begun = len(it.begun)
        assert begun < 200  # answers of 1 KB in the kernel's few buffers
        assert len(it.peer.outlet._waiting) == 1
        while len(it.begun) == begun:  # it reads again, and is read from again
            await it.client.line()


# The end.


RUN = ExtractorRun(
    run_id="Order-1", name="Order", turn=0, window=[], text="x" * 5000, deadline_ms=1
)


async def test_runs_that_are_over_are_not_asked_for_and_take_no_room() -> None:
    async with serving() as it:
        fill(it.peer.outlet)
        lines = it.peer.outlet.waiting
        for _ in range(2000):
            with anyio.move_on_after(0):
                await it.peer.runs(RUN)
        assert it.shown.queued_bytes == 0
        assert it.peer.outlet.waiting <= lines


async def test_runs_that_wait_are_counted_and_written_once_the_peer_reads() -> None:
    async with serving() as it, anyio.create_task_group() as tasks:
        fill(it.peer.outlet)
        for i in range(3):
            tasks.start_soon(it.peer.runs, msgspec.structs.replace(RUN, run_id=f"Order-{i}"))
        await anyio.lowlevel.checkpoint()
        assert it.shown.queued_bytes > 3 * 5000
        seen: list[str] = []
        while len(seen) < 3:
            line = await it.client.line()
            if line != b"filler":
                seen.append(json.loads(line)["params"]["data"]["run_id"])
        assert seen == ["Order-0", "Order-1", "Order-2"]
        assert it.shown.queued_bytes == 0
        for run_id in seen:
            it.peer.runs.respond(Respond(run_id=run_id, value=1))


async def test_what_is_asked_of_a_peer_is_taken_back_as_long_as_it_is_not_written() -> None:
    async with serving() as it:
        take_back = it.peer.ask("live.text_delta", Text(text="at once"))
        assert not take_back()
        assert (await it.client.read())["params"]["data"] == {"text": "at once"}
        fillers = fill(it.peer.outlet)
        kept = it.peer.ask("live.text_delta", Text(text="kept"))
        take_back = it.peer.ask("live.text_delta", Text(text="taken back"))
        assert take_back()
        assert not take_back()  # only once
        lines = [await it.client.line() for _ in range(fillers + 1)]
        assert json.loads(lines[-1])["params"]["data"] == {"text": "kept"}
        assert it.peer.outlet.idle
        assert not kept()
        assert it.shown.queued_bytes == 0


async def test_what_was_asked_is_free_without_the_garbage_collector() -> None:
    def held() -> int:
        return sum(type(one) is Waiting for one in gc.get_objects())

    async with serving() as it:
        fillers = fill(it.peer.outlet)
        gc.collect()
        before = held()
        gc.disable()
        try:
            taken_back = [it.peer.ask(TOPIC, Text(text="taken back")) for _ in range(5)]
            kept = it.peer.ask(TOPIC, Text(text="kept"))
            assert held() == before + 6
            assert [take_back() for take_back in taken_back] == [True] * 5
            del taken_back
            assert held() == before + 1
            for _ in range(fillers + 1):
                await it.client.line()
            assert not kept()
            del kept
            assert held() == before
        finally:
            gc.enable()


async def test_what_is_asked_of_a_peer_that_has_gone_leaves_nothing_behind() -> None:
    async with serving() as it:
        fill(it.peer.outlet)
        waits = it.peer.ask("live.text_delta", Text(text="waits"))
        it.client.connection.close()
        await it.ended()
        assert waits()  # it was never written
        late = it.peer.ask("live.text_delta", Text(text="late"))
        late()
        assert it.shown.queued_bytes == 0


async def test_a_peer_is_described() -> None:
    async with serving() as it:
        await it.client.ask(request("daemon.hello", client="phone"))
        await it.client.ask(request("events"))
        await it.client.send(request("done"))
        await it.until_begun(1)
        fill(it.peer.outlet)
        it.publish("waits")
        shown = it.peer.describe(roles=["mic"], tools=3)
        assert shown.lag_ms >= 0
        assert shown.queued_bytes > len("waits")
        assert msgspec.structs.replace(shown, lag_ms=0, queued_bytes=0) == Client(
            connection="c1",
            client="phone",
            pid=os.getpid(),
            uid=os.getuid(),
            roles=["mic"],
            tools=3,
            subscriptions=1,
            pending=1,
            queued_lines=2,
            queued_bytes=0,
            lag_ms=0,
            dropped=0,
            lagged=0,
        )


async def test_every_name_of_a_client_is_logged_and_the_last_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with serving() as it:
        for name in ("phone\n", "tablet", "tablet"):
            await it.client.ask(request("daemon.hello", client=name))
        assert it.shown.client == "tablet"
    named = [getattr(r, "ids", {}) for r in caplog.records if r.message == "client named"]
    assert named == [{"client": "c1", "name": name} for name in ("phone\n", "tablet")]


@pytest.mark.parametrize("serves", [True, False])
async def test_one_that_carries_something_out_is_told_of_the_end_and_no_other(serves: bool) -> None:
    async with serving() as it:
        await it.client.ask(request("phase"))
        it.peer.serves = serves
        it.peer.close()
        rest = await it.client.rest()
        assert [event["params"]["topic"] for event in rest] == ["daemon.bye"] * serves


async def test_a_peer_let_go_has_its_calls_answered_and_is_told_last() -> None:
    async with serving() as it:
        await it.client.ask(request("events", 1))
        await it.client.send(request("done", 2))
        await it.client.send(batch(request("done", 3), request("send_text", 4, text="a")))
        await it.until_begun(3)
        it.peer.close()
        *answers, bye = await it.client.rest()
        said = [[named(one) for one in a] if isinstance(a, list) else named(a) for a in answers]
        assert sorted(said, key=str) == [["daemon.stopping", "a"], "daemon.stopping"]
        assert bye["params"]["topic"] == "daemon.bye"
        it.client.connection.close()
        await it.ended()


async def test_a_batch_that_is_half_begun_when_the_peer_is_let_go_is_answered_as_a_whole() -> None:
    async with serving(turn_requests=2) as it:
        slow = [request("done", i) for i in (2, 3)]
        rest = [request("send_text", i, text="b") for i in range(4, 50)]
        await it.client.send(batch(request("send_text", 1, text="a"), *slow, *rest))
        await it.until_begun(2)
        begun = len(it.begun)
        assert begun < 49
        it.peer.close()
        (answers,) = await it.client.rest()
        assert [a["id"] for a in answers] == list(range(1, 50))
        assert [named(a) for a in answers[:begun]].count("daemon.stopping") == min(begun - 1, 2)
        assert {named(a) for a in answers[begun:]} == {"daemon.stopping"}
        assert len(it.begun) == begun  # nothing is begun any more
        it.client.connection.close()
        await it.ended()


async def test_a_fault_while_a_peer_is_let_go_is_raised_in_its_own_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Dispatcher, "refuse", fails)
    with connected() as (ours, theirs):
        it = Serving(ours, theirs, turn_requests=1)

        async def run() -> None:
            with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
                await it.run()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await it.client.send(batch(*[request("send_text", 1, text="a")] * 50))
            await it.until_begun(1)
            it.peer.close()


async def test_a_peer_without_subscriptions_is_let_go_without_a_word() -> None:
    async with serving() as it:
        await it.client.ask(request("phase"))
        it.peer.close()
        assert await it.client.rest() == []
        it.client.connection.close()
        await it.ended()


async def test_a_peer_may_be_let_go_before_it_runs() -> None:
    async with serving() as it:
        it.peer.close()
        assert await it.client.rest() == []
        it.client.connection.close()
        await it.ended()


async def test_while_stopping_new_calls_are_refused_and_old_ones_end() -> None:
    async with serving() as it:
        await it.client.send(request("done", 1, timeout_ms=5))
        await it.until_begun(1)
        it.peer.stopping = True
        assert named(await it.client.ask(request("send_text", 2, text="a"))) == "daemon.stopping"
        answers = await it.client.ask(batch(request("phase", 3), b"5"))
        assert [named(a) for a in answers] == ["daemon.stopping", "wire.invalid_request"]
        it.release.set()
        assert named(await it.client.read()) == 5
        assert it.begun == [5]


async def test_lines_that_were_held_back_are_refused_by_a_peer_let_go() -> None:
    async with serving() as it:
        line = request("send_text", 1, text="x" * 1000)
        count = 200
        await it.client.send(line * count)
        await it.until_begun(1)
        await anyio.wait_all_tasks_blocked()
        taken = len(it.begun)
        assert taken < count
        it.peer.close()
        names = [named(a) for a in await it.client.rest()]
        assert names[:taken] == ["x" * 1000] * taken
        assert set(names[taken:]) == {"daemon.stopping"}


async def test_a_peer_that_does_not_read_is_let_go_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peer_module, "_GOODBYE_S", 0.05)
    async with serving() as it:
        await it.client.send(request("send_text", 1, text="x" * 1000) * 60)
        await it.until_begun(1)
        it.peer.close()
        await it.ended()


@given(
    st.lists(
        st.sampled_from([b"[", b"]", b",", b"{}", b"\n", b"1", request("phase")])
        | st.binary(max_size=9),
        max_size=12,
    )
)
def test_any_bytes_are_answered_by_valid_lines_and_the_peer_lives(pieces: list[bytes]) -> None:
    data = b"x" + b"".join(pieces) + b"\n"  # no HTTP

    async def exchange() -> None:
        async with serving() as it:
            await it.client.send(data + request("send_text", "last", text="alive"))
            it.client.half_close()
            *messages, last = await it.client.rest()
            assert named(last) == "alive"
            for message in messages:
                for one in message if isinstance(message, list) else [message]:
                    assert one["jsonrpc"] == "2.0"
                    assert isinstance(json.dumps(named(one)), str)

    anyio.run(exchange)
