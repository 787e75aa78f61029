"""One connection in use, against a real server: reading, writing, and watching the time."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import Key
from livehandled.gemini.closing import action_of
from livehandled.gemini.codec import Decoded
from livehandled.gemini.content import text_content
from livehandled.session import link as module
from livehandled.session.connection import open_connection, set_up
from livehandled.session.ledger import Ledger
from livehandled.session.link import Link
from livehandled.session.outbox import Kind, Message, Outbox
from livehandled.session.plan import Plan
from livehandled.session.rotation import Quiet, Rotation
from support.service import (
    KEY,
    PATH,
    TURN_COMPLETE,
    Call,
    Script,
    Service,
    closing,
    converse,
    running,
    saying,
    text,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("no_key_in_the_log", "short_patience"),
]

QUIET = Quiet(
    turn_open=False,
    user_speaking=False,
    calls_open=False,
    sending=False,
    turn_ended_at=None,
    handle_at=None,
    wants_handle=False,
)
BIG = 2**24
"""More than all buffers on the way hold: it is read on the other side, or the write waits."""


class Rig:
    """A link, and what it is told and tells."""

    def __init__(self) -> None:
        self.outbox = Outbox(limit=256, media_s=1.0)
        self.ledger = Ledger()
        self.rotation = Rotation(time.monotonic(), 3600.0)
        self.quiet = QUIET
        self.replying = False
        self.taken: list[Decoded] = []
        self.told: list[str] = []
        self.on_take: Callable[[], None] = lambda: None
        self.over = anyio.Event()
        self.link: Link

    async def run(self) -> None:
        await self.link.run()
        self.over.set()

    def take(self, _frame: bytes, decoded: Decoded) -> None:
        self.taken.append(decoded)
        self.on_take()

    def put(self, *frames: str) -> None:
        """Send text."""
        for frame in frames:
            turn = [text_content(frame, "user")]
            self.outbox.put(Message(frame.encode(), "text", turn), now=time.monotonic())
        self.link.wake()

    def media(self, frame: bytes) -> None:
        """Send media."""
        self.outbox.put(Message(frame, "media"), now=time.monotonic())
        self.link.wake()

    async def until(self, fulfilled: Callable[[], bool]) -> None:
        while not fulfilled():
            await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def linked(
    script: Script = converse, rig: Rig | None = None
) -> AsyncIterator[tuple[Service, Rig]]:
    """Run a link, whose setup is over, until the end of the block."""
    rig = rig or Rig()
    async with running(script) as service:
        plan = Plan(
            url=service.url.replace("http", "ws", 1) + PATH,
            setup={"model": "models/m"},
            connect_timeout_s=2.0,
            setup_timeout_s=2.0,
            credentials=Key(KEY, "test"),
        )
        with anyio.fail_after(10):
            async with open_connection(plan) as socket, anyio.create_task_group() as tasks:
                await set_up(socket, plan)
                rig.link = Link(
                    socket,
                    plan,
                    outbox=rig.outbox,
                    ledger=rig.ledger,
                    rotation=rig.rotation,
                    clock=time.monotonic,
                    take=rig.take,
                    tell=lambda error: rig.told.append(error.name),
                    quiet=lambda: rig.quiet,
                    replying=lambda: rig.replying,
                )
                tasks.start_soon(rig.run)
                yield service, rig
                tasks.cancel_scope.cancel()


def lost(rig: Rig) -> LiveHandleError:
    error = rig.link.lost
    assert error is not None
    return error


# Reading.


async def test_messages_are_handed_on_and_junk_is_told_and_passed_over() -> None:
    async with linked(saying("junk", text("Hi"), TURN_COMPLETE)) as (_, rig):
        await rig.until(lambda: len(rig.taken) == 2)
        assert rig.told == ["upstream.bad_message"]
        assert not rig.over.is_set()


async def test_a_close_ends_it_and_says_why() -> None:
    async with linked(closing(1011, "why")) as (_, rig):
        await rig.over.wait()
        assert lost(rig).data["close_code"] == 1011
        assert lost(rig).data["close_reason"] == "why"


async def test_a_message_that_came_before_the_close_is_read() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        await call.say(TURN_COMPLETE)
        await call.websocket.close(1011)

    async with linked(script) as (_, rig):
        await rig.over.wait()
        assert len(rig.taken) == 1


# Writing.


async def test_what_waits_is_written_in_order_and_noted_before() -> None:
    async with linked() as (service, rig):
        rig.put('{"n":1}', '{"n":2}')
        call = await service.call()
        await call.until(lambda c: len(c.heard) == 3)
        assert call.heard[1:] == [{"n": 1}, {"n": 2}]
        assert rig.ledger.last == 2


async def test_a_pong_says_that_what_was_written_before_its_ping_was_read() -> None:
    async with linked() as (_, rig):
        rig.put('{"n":1}')
        await rig.until(lambda: rig.ledger.last == 1 and not rig.ledger.unread)
        rig.put('{"n":2}')
        assert rig.ledger.last == 1
        await rig.until(lambda: rig.ledger.last == 2 and not rig.ledger.unread)


async def test_media_and_what_must_arrive_keep_their_order() -> None:
    async with linked() as (service, rig):
        for n in range(1, 41):
            kind: Kind = "text" if n % 7 == 0 else "media"
            rig.outbox.put(Message(b'{"n":%d}' % n, kind), now=time.monotonic())
            rig.link.wake()
            if n % 5 == 0:
                await anyio.lowlevel.checkpoint()
        call = await service.call()
        await call.until(lambda c: len(c.heard) == 41)
        assert call.heard[1:] == [{"n": n} for n in range(1, 41)]


async def test_media_is_not_asked_about() -> None:
    async with linked() as (service, rig):
        rig.outbox.put(Message(b'{"n":1}', "media"), now=time.monotonic())
        rig.link.wake()
        call = await service.call()
        await call.until(lambda c: len(c.heard) == 2)
        assert rig.ledger.last == 0
        assert not rig.ledger.unread


async def test_what_is_written_before_a_pong_has_come_is_asked_about_at_once() -> None:
    held: list[Callable[[], None]] = []

    async def reading_nothing(call: Call) -> None:
        await call.set_up()
        call.websocket.transport.pause_reading()
        held.append(call.websocket.transport.resume_reading)
        await call.websocket.wait_closed()

    async with linked(reading_nothing) as (_, rig):
        await rig.until(lambda: bool(held))
        rig.put('{"n":1}')
        await rig.until(lambda: rig.ledger.last == 1)
        rig.put('{"n":2}')
        await rig.until(lambda: rig.ledger.last == 2)
        assert rig.ledger.unread
        held[0]()
        await rig.until(lambda: not rig.ledger.unread)


async def test_a_write_that_fails_ends_it_as_a_read_that_fails_does() -> None:
    async def breaking(call: Call) -> None:
        await call.set_up()
        call.websocket.transport.pause_reading()
        await call.websocket.wait_closed()

    async with linked(breaking) as (service, rig):
        rig.put('"' + "x" * BIG + '"')
        await rig.until(lambda: rig.ledger.last == 1)
        service.calls[0].websocket.transport.abort()
        await rig.over.wait()
        assert (lost(rig).name, action_of(lost(rig))) == ("upstream.unreachable", "retry")
        assert len(rig.ledger.again([], anew=True).messages) == 1


async def test_a_service_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNWRITTEN_S", 0.05)

    async def reading_nothing(call: Call) -> None:
        await call.set_up()
        call.websocket.transport.pause_reading()
        await call.websocket.wait_closed()

    async with linked(reading_nothing) as (_, rig):
        rig.put('"' + "x" * BIG + '"')
        await rig.over.wait()
        assert "has read nothing for 0.05 s" in lost(rig).message
        assert action_of(lost(rig)) == "retry"


async def test_media_waits_for_a_service_that_does_not_read_until_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "UNWRITTEN_S", 0.05)
    deaf = anyio.Event()

    async def reading_nothing(call: Call) -> None:
        await call.set_up()
        call.websocket.transport.pause_reading()
        deaf.set()
        await call.websocket.wait_closed()

    rig = Rig()
    rig.outbox = Outbox(limit=256, media_s=60.0)
    async with linked(reading_nothing, rig):
        await deaf.wait()
        rig.media(b'"' + b"x" * BIG + b'"')
        await rig.until(lambda: not len(rig.outbox))  # there was room for it
        assert not rig.link._socket.writable
        for n in range(10):
            rig.media(b'{"n":%d}' % n)
        await rig.over.wait()
        assert "has read nothing for 0.05 s" in lost(rig).message
        assert action_of(lost(rig)) == "retry"
        assert (len(rig.outbox), rig.outbox.dropped) == (9, 0)  # one was on its way


@pytest.mark.parametrize("by", ["stop", "rotation"])
async def test_nothing_is_written_once_it_is_over(by: str) -> None:
    async with linked() as (service, rig):
        await rig.until(lambda: rig.link._waits)
        if by == "stop":
            rig.link.stop()
        else:
            rig.rotation.ask()
            rig.link.look()
        await rig.over.wait()
        rig.media(b'{"late":1}')
        await anyio.lowlevel.checkpoint()
        assert len(rig.outbox) == 1
        assert rig.link._socket.writable
        rig.link._socket.write([b'{"last":1}'])
        call = await service.call()
        await call.until(lambda c: c.heard[-1] == {"last": 1})
        assert len(call.heard) == 2


async def test_a_stop_ends_it_once_all_is_written() -> None:
    async with linked() as (service, rig):
        rig.put(*(f'{{"n":{n}}}' for n in range(50)))
        rig.link.stop()
        await rig.over.wait()
        assert rig.link.lost is None
        call = await service.call()
        await call.until(lambda c: len(c.heard) == 51)


async def test_a_stop_with_nothing_to_write_ends_it_at_once() -> None:
    async with linked() as (_, rig):
        await anyio.lowlevel.checkpoint()
        rig.link.stop()
        await rig.over.wait()
        assert rig.link.lost is None


# Watching.


async def test_a_connection_from_which_nothing_comes_is_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SILENT_S", 0.05)
    async with linked() as (_, rig):
        await rig.over.wait()
        assert "nothing came for 0.05 s" in lost(rig).message
        assert (lost(rig).name, action_of(lost(rig))) == ("upstream.unreachable", "retry")


async def test_pongs_are_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_S", 0.2)
    async with linked() as (_, rig):
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            number = rig.ledger.last + 1
            rig.put('{"n":1}')
            await rig.until(lambda n=number: rig.ledger.last == n and not rig.ledger.unread)  # type: ignore[misc]  # bound at once
        assert not rig.over.is_set()


@pytest.mark.parametrize("begins", ["before", "with a message"])
async def test_a_reply_that_stands_still_is_given_up(
    begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALLED_S", 0.05)
    rig = Rig()
    rig.replying = begins == "before"

    def began() -> None:
        rig.replying = True

    rig.on_take = began
    async with linked(saying(text("Hel")), rig):
        await rig.over.wait()
        assert "the reply has stood still for 0.05 s" in lost(rig).message


async def test_silence_without_a_reply_is_no_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALLED_S", 0.01)
    looks: list[int] = []
    rig = Rig()

    async with linked(rig=rig):
        rig.link._replying = lambda: bool(looks.append(1))  # type: ignore[func-returns-value]  # counts
        await rig.until(lambda: len(looks) > 10)  # it has looked again and again
        assert not rig.over.is_set()


async def test_at_a_boundary_a_draining_connection_is_given_up() -> None:
    rig = Rig()
    rig.quiet = QUIET._replace(turn_open=True)
    async with linked(rig=rig):
        rig.rotation.ask()
        rig.link.look()
        await anyio.lowlevel.checkpoint()
        assert not rig.over.is_set()
        rig.quiet = QUIET
        rig.link.look()
        await rig.over.wait()
        assert rig.link.lost is None


async def test_a_message_after_which_nothing_stands_against_it_is_looked_at() -> None:
    rig = Rig()
    rig.quiet = QUIET._replace(turn_open=True)
    rig.rotation.ask()

    def ended() -> None:
        rig.quiet = QUIET

    rig.on_take = ended
    async with linked(saying(TURN_COMPLETE), rig):
        await rig.over.wait()
        assert len(rig.taken) == 1
        assert rig.link.lost is None


async def test_a_pong_after_which_nothing_is_on_its_way_is_looked_at() -> None:
    async with linked() as (_, rig):
        rig.link._quiet = lambda: QUIET._replace(sending=rig.ledger.unread)
        rig.put('{"n":1}')
        rig.rotation.ask()
        await rig.over.wait()
        assert not rig.ledger.unread
        assert rig.link.lost is None


async def test_the_services_deadline_comes_without_a_message() -> None:
    rig = Rig()
    rig.quiet = QUIET._replace(turn_open=True)
    rig.rotation.go_away(0.1, time.monotonic())
    async with linked(rig=rig):
        await rig.over.wait()
        assert rig.link.lost is None
