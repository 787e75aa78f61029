"""What is read from a connection, and when it is not read from."""

import itertools
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest

from livehandled.config.schema import Limits
from livehandled.control import inlet
from livehandled.control.inlet import Inlet
from livehandled.control.outlet import Outlet
from livehandled.control.readers import Readers
from support.control import Noting, connected, fill, received, running

pytestmark = pytest.mark.anyio

LIMIT = 1000


class Reading:
    """An inlet under test, and what it took: of a line of several requests, each by itself."""

    def __init__(
        self, ours: Noting, theirs: socket.socket, readers: Readers, **limits: Any
    ) -> None:
        self.sends = ours.sends
        self.theirs = theirs
        self.readers = readers
        self.outlet = Outlet(ours)
        self.taken: list[bytes] = []
        self.then: Callable[[bytes], None] = lambda _line: None
        self.inlet = Inlet(
            ours,
            limits=Limits(**{"max_line_bytes": LIMIT, **limits}),
            outlet=self.outlet,
            readers=readers,
            take=self._take,
        )

    def _take(self, line: bytes) -> Iterator[None] | None:
        if b"," in line:
            return self._each(line.split(b","))
        self._begin(line)
        return None

    def _each(self, requests: list[bytes]) -> Iterator[None]:
        for request in requests:
            self._begin(request)
            yield

    def _begin(self, request: bytes) -> None:
        self.taken.append(request)
        self.then(request)

    async def until(self, count: int) -> None:
        """Wait until so many requests were taken."""
        with anyio.fail_after(10):
            while len(self.taken) < count:
                await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def reading(**limits: Any) -> AsyncIterator[Reading]:
    with connected() as (plain, theirs), Noting(plain) as ours, Readers() as readers:
        yield Reading(ours, theirs, readers, **limits)


async def test_lines_are_taken_as_they_come_until_the_peer_has_no_more() -> None:
    async with reading() as it, anyio.create_task_group() as tasks:
        tasks.start_soon(it.inlet.run)
        it.theirs.send(b"1\n2\n")
        await it.until(2)
        it.theirs.send(b"3\n4")
        await it.until(3)
        it.theirs.shutdown(socket.SHUT_WR)
    assert it.taken == [b"1", b"2", b"3"]
    assert it.inlet.lines.finish() == b"4"


async def test_nothing_is_taken_while_an_answer_waits_and_all_of_it_after() -> None:
    async with reading() as it, running(it.outlet):
        it.then = lambda line: it.outlet.answer(b"answer %b\n" % line)
        fillers = fill(it.outlet)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.inlet.run)
            it.theirs.send(b"".join(b"%d\n" % i for i in range(100)))
            it.theirs.shutdown(socket.SHUT_WR)
            await it.until(1)
            await anyio.wait_all_tasks_blocked()
            assert it.taken == [b"0"]
            assert len(it.inlet.held) == 99
            data = await received(it.theirs, lambda data: data.endswith(b"answer 99\n"))
        answers = [b"answer %d\n" % i for i in range(100)]
        assert data == b"filler\n" * fillers + b"".join(answers)


async def test_a_peer_whose_answers_wait_is_not_read_from() -> None:
    async with reading() as it, running(it.outlet):
        it.then = lambda line: it.outlet.answer(b"answer %b\n" % line)
        fill(it.outlet)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.inlet.run)
            it.theirs.send(b"first\n")
            await it.until(1)
            with suppress(BlockingIOError):
                while it.theirs.send(b"x" * 99 + b"\n"):  # until the kernel's buffer is full
                    await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
            assert it.taken == [b"first"]
            assert len(it.inlet.held) <= 65_536 / 100 + 1
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("data", "requests"),
    [(b"x\n" * 500, 500), ((b"x," * 24 + b"x\n") * 20, 500), (b"x,x\n" * 50 + b"x\n" * 50, 150)],
    ids=["lines", "batches", "both"],
)
async def test_many_requests_give_others_their_turn(data: bytes, requests: int) -> None:
    async with reading(turn_requests=8, turn_ms=1000) as it, anyio.create_task_group() as tasks:
        turns = 0
        taken: Counter[int] = Counter()

        def count(_line: bytes) -> None:
            taken[turns] += 1

        it.then = count
        it.theirs.send(data)
        it.theirs.shutdown(socket.SHUT_WR)
        tasks.start_soon(it.inlet.run)
        while taken.total() < requests:
            turns += 1
            await anyio.lowlevel.checkpoint()
        assert max(taken.values()) <= 16  # a turn of the reader's task and one of its callback
    assert it.taken == [b"x"] * requests


async def test_requests_that_take_long_give_others_their_turn_earlier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(inlet, "monotonic", lambda: now)
    async with reading(turn_requests=1000, turn_ms=10) as it, anyio.create_task_group() as tasks:
        turns = 0
        taken: Counter[int] = Counter()

        def takes_long(_line: bytes) -> None:
            nonlocal now
            now += 0.004
            taken[turns] += 1

        it.then = takes_long
        it.theirs.send(b"x\n" * 50 + b"x," * 49 + b"x\n")
        it.theirs.shutdown(socket.SHUT_WR)
        tasks.start_soon(it.inlet.run)
        while taken.total() < 100:
            turns += 1
            await anyio.lowlevel.checkpoint()
        assert max(taken.values()) <= 6  # three of 4 ms are more than 10 ms


@asynccontextmanager
async def two_reading(**limits: Any) -> AsyncIterator[tuple[Reading, Reading]]:
    """Two connections that are read from, and no turn that ends by its time."""
    with connected() as (plain, theirs), Noting(plain) as ours:
        async with reading(turn_ms=1000, **limits) as one, anyio.create_task_group() as tasks:
            other = Reading(ours, theirs, one.readers, turn_ms=1000, **limits)
            tasks.start_soon(one.inlet.run)
            tasks.start_soon(other.inlet.run)
            await anyio.wait_all_tasks_blocked()
            yield one, other
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("data", [b"x\n" * 100, b"x," * 99 + b"x\n"], ids=["lines", "a batch"])
async def test_who_sends_much_is_held_up_as_soon_as_another_has_sent_something(
    data: bytes,
) -> None:
    async with two_reading(turn_requests=1000) as (flooder, quiet):
        taken_before: list[int] = []

        def other_sends(_line: bytes) -> None:
            if len(flooder.taken) == 10:
                quiet.theirs.send(b"y\n")

        flooder.then = other_sends
        quiet.then = lambda _line: taken_before.append(len(flooder.taken))
        flooder.theirs.send(data)
        await flooder.until(100)
    assert taken_before == [10]


async def test_who_sends_much_goes_on_though_another_always_has_something_to_be_read() -> None:
    async with two_reading(turn_requests=1000) as (flooder, busy):

        def sends_another(line: bytes) -> None:
            busy.theirs.send(line + b"\n")

        busy.then = sends_another
        busy.theirs.send(b"y\n")
        flooder.theirs.send(b"x\n" * 100)
        await flooder.until(100)
        assert 50 <= len(busy.taken) <= 400


async def test_two_who_send_much_have_whole_turns() -> None:
    async with two_reading(turn_requests=10) as (one, other):
        order: list[str] = []
        one.then = lambda _line: order.append("one")
        other.then = lambda _line: order.append("other")
        one.theirs.send(b"x\n" * 100)
        other.theirs.send(b"x\n" * 100)
        await one.until(100)
        await other.until(100)
    changes = sum(a != b for a, b in itertools.pairwise(order))
    assert changes <= 2 * 100 / 10 + 2


async def test_a_batch_by_itself_is_begun_at_once_beside_one_who_sends_much() -> None:
    async with two_reading(turn_requests=10) as (flooder, quiet):
        flooder.theirs.send(b"x\n" * 100)
        quiet.theirs.send(b"y,y\n")
        await quiet.until(2)
        assert len(flooder.taken) <= 20


async def test_blank_lines_are_read_a_few_at_a_time() -> None:
    async with reading() as it, anyio.create_task_group() as tasks:
        tasks.start_soon(it.inlet.run)
        it.theirs.send(b"\n" * 100 + b"1\n")
        await it.until(1)
        assert it.inlet._read_bytes == 2048
        it.theirs.send(b"x" * 40 + b"\n")
        await it.until(2)
        assert it.inlet._read_bytes == 65_536
        tasks.cancel_scope.cancel()


async def test_lines_that_are_shorter_than_any_request_are_read_a_few_at_a_time() -> None:
    async with reading() as it, anyio.create_task_group() as tasks:
        held: list[int] = []
        it.then = lambda _line: held.append(len(it.inlet.held))
        tasks.start_soon(it.inlet.run)
        it.theirs.send(b"{\n")
        await it.until(1)
        it.theirs.send(b"{\n" * 10_000)
        await it.until(10_001)
        assert max(held) < 1024
        request = b"x" * 40 + b"\n"
        it.theirs.send(request)
        await it.until(10_002)
        it.theirs.send(request * 500)  # after one of full length as much is read as ever
        await it.until(10_502)
        assert max(held[10_002:]) == 499
        tasks.cancel_scope.cancel()


async def test_after_a_long_line_another_is_read_first() -> None:
    async with two_reading(max_line_bytes=40_000) as (long, quiet):
        order: list[str] = []
        long.then = lambda _line: order.append("long")
        quiet.then = lambda _line: order.append("quiet")
        long.theirs.send(b"x" * 30_000 + b"\n")
        await long.until(1)
        long.theirs.send(b"x" * 30_000 + b"\n")
        quiet.theirs.send(b"y\n")
        await long.until(2)
    assert order == ["long", "quiet", "long"]


def _answering(it: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each request be answered at once, and no turn end by its time."""
    monkeypatch.setattr(inlet, "monotonic", lambda: 0.0)
    it.then = lambda request: it.outlet.answer(b"answer %b\n" % request)


async def test_the_answers_of_a_turn_are_written_in_one_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with reading(turn_requests=4) as it, anyio.create_task_group() as tasks:
        _answering(it, monkeypatch)
        it.theirs.send(b"".join(b"%d\n" % i for i in range(10)))
        it.theirs.shutdown(socket.SHUT_WR)
        tasks.start_soon(it.inlet.run)
        await it.until(10)
    turns = [range(4), range(4, 8), range(8, 10)]
    assert it.sends == [b"".join(b"answer %d\n" % i for i in turn) for turn in turns]


async def test_the_answer_to_a_line_by_itself_is_held_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with reading() as it, anyio.create_task_group() as tasks:
        _answering(it, monkeypatch)
        answer, written = it.then, []

        def and_look(request: bytes) -> None:
            answer(request)
            written.append(list(it.sends))

        it.then = and_look
        tasks.start_soon(it.inlet.run)
        it.theirs.send(b"1\n")
        await it.until(1)
        it.theirs.send(b"2\n")
        await it.until(2)
        tasks.cancel_scope.cancel()
    assert written == [[b"answer 1\n"], [b"answer 1\n", b"answer 2\n"]]


async def test_what_was_answered_before_a_fault_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with reading() as it:
        _answering(it, monkeypatch)
        answer = it.then

        def fails_at_3(request: bytes) -> None:
            if request == b"3":
                raise RuntimeError("3")
            answer(request)

        it.then = fails_at_3
        it.theirs.send(b"1\n2\n3\n4\n")
        with anyio.fail_after(10), pytest.raises(RuntimeError, match="3"):
            await it.inlet.run()
        it.outlet.answer(b"later\n")
        assert it.sends == [b"answer 1\nanswer 2\n", b"later\n"]


async def test_what_comes_behind_a_batch_begins_after_all_of_it() -> None:
    async with reading(turn_requests=2) as it, anyio.create_task_group() as tasks:
        tasks.start_soon(it.inlet.run)
        it.theirs.send(b"1\n2,3,4,5,6\n7\n8,9\n")
        await it.until(9)
        assert b"".join(it.taken) == b"123456789"
        tasks.cancel_scope.cancel()


async def test_a_batch_that_is_half_begun_waits_with_the_answers_and_goes_on_after_them() -> None:
    async with reading() as it, running(it.outlet):
        it.then = lambda request: it.outlet.answer(b"answer\n") if request == b"2" else None
        fill(it.outlet)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.inlet.run)
            it.theirs.send(b"1,2,3\n4\n")
            it.theirs.shutdown(socket.SHUT_WR)
            await it.until(2)
            await anyio.wait_all_tasks_blocked()
            assert it.taken == [b"1", b"2"]
            await received(it.theirs, lambda data: data.endswith(b"answer\n"))
        assert it.taken == [b"1", b"2", b"3", b"4"]


async def test_what_has_come_in_can_be_taken_at_once() -> None:
    async with reading(turn_requests=1) as it, anyio.create_task_group() as tasks:
        tasks.start_soon(it.inlet.run)
        it.theirs.send(b"1,2,3\n4\n5,6\n")
        await it.until(1)
        tasks.cancel_scope.cancel()
        it.inlet.take_rest()
    assert b"".join(it.taken) == b"123456"


async def test_events_that_wait_do_not_hold_up_the_input() -> None:
    async with reading() as it:
        fill(it.outlet)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.inlet.run)
            it.theirs.send(b"1\n2\n")
            it.theirs.shutdown(socket.SHUT_WR)
        assert it.taken == [b"1", b"2"]


@pytest.mark.parametrize(
    ("data", "taken"), [(b"GET / HTTP/1.1\r\n\r\n", []), (b"1\n" + b"x" * (LIMIT + 1), [b"1"])]
)
async def test_a_refused_peer_is_not_waited_for(data: bytes, taken: list[bytes]) -> None:
    async with reading() as it:
        it.theirs.send(data)
        with anyio.fail_after(10):
            await it.inlet.run()
        assert it.inlet.refused
        assert it.taken == taken


async def test_what_a_refused_peer_still_sends_is_passed_over_until_it_closes() -> None:
    async with reading() as it, anyio.create_task_group() as tasks:
        tasks.start_soon(it.inlet.pass_over)
        sent = 0
        while sent < 1_000_000:
            await anyio.wait_writable(it.theirs)
            sent += it.theirs.send(b"x" * 10_000)
        assert it.theirs.recv(1) == b""
        it.theirs.close()


async def test_a_peer_that_vanishes_ends_the_input_and_breaks_the_outlet() -> None:
    async with reading() as it:
        fill(it.outlet)  # closed with this unread, it resets our end
        it.theirs.send(b"1\n")
        it.theirs.close()
        with anyio.fail_after(10):
            await it.inlet.run()
            await it.inlet.pass_over()
        assert it.taken == [b"1"]
        assert it.outlet.broken


async def test_the_lines_of_a_peer_that_has_gone_are_taken_all_the_same() -> None:
    async with reading() as it, running(it.outlet):
        it.then = lambda line: it.outlet.answer(b"answer %b\n" % line)
        it.theirs.send(b"1\n2\n3\n")
        it.theirs.close()
        with anyio.fail_after(10):
            await it.inlet.run()
        assert it.taken == [b"1", b"2", b"3"]


async def test_a_fault_in_what_takes_the_lines_is_raised_in_the_readers_own_task() -> None:
    async with reading() as it:

        def fail(line: bytes) -> None:
            raise RuntimeError(line.decode())

        it.then = fail
        it.theirs.send(b"1\n")
        with anyio.fail_after(10), pytest.raises(RuntimeError, match="1"):
            await it.inlet.run()
