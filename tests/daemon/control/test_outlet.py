"""What is written to a connection: at once or in order, bounded by what waits."""

import anyio
import pytest

from livehandled.control.outlet import Outlet, Waiting
from support.control import Noting, connected, fill, lines_until, running

pytestmark = pytest.mark.anyio


def test_what_has_room_is_written_at_once() -> None:
    with connected() as (ours, theirs):
        outlet = Outlet(ours)
        outlet.answer(b"a\n")
        outlet.write(b"b\n")
        assert theirs.recv(100) == b"a\nb\n"
        assert outlet.idle
        assert not outlet.answers_wait


def test_what_is_gathered_is_written_in_one_go_and_in_order() -> None:
    with connected() as (ours, theirs):
        outlet = Outlet(ours)
        outlet.gather()
        outlet.answer(b"a\n")
        outlet.write(b"b\n")
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        assert outlet.idle
        outlet.gathered()
        assert theirs.recv(100) == b"a\nb\n"
        outlet.answer(b"c\n")
        assert theirs.recv(100) == b"c\n"


async def test_what_is_gathered_is_bounded() -> None:
    lines = [b"%03d" % i + b"x" * 996 + b"\n" for i in range(70)]
    with connected() as (plain, theirs), Noting(plain) as ours:
        outlet = Outlet(ours)
        outlet.gather()
        for line in lines[:65]:
            outlet.answer(line)
        assert ours.sends == []
        for line in lines[65:]:
            outlet.answer(line)
        assert ours.sends == [b"".join(lines[:66])]  # the first that make 65,536 bytes
        assert theirs.recv(1000) == lines[0]
        outlet.gathered()
        async with running(outlet):
            assert await lines_until(theirs, lines[-1].strip()) == [
                line.strip() for line in lines[1:]
            ]


async def test_a_peer_is_behind_since_it_last_had_read_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("livehandled.control.outlet.monotonic", lambda: now[0])
    with connected() as (ours, theirs):
        outlet = Outlet(ours)
        assert outlet.behind_s == 0.0
        fill(outlet)
        now[0] += 2.0
        outlet.wait(Waiting(b"event\n"))
        now[0] += 1.5
        assert (outlet.behind_s, outlet.waiting) == (3.5, 2)
        async with running(outlet):
            await lines_until(theirs, b"event")
            await outlet.emptied()
        assert (outlet.behind_s, outlet.waiting) == (0.0, 0)


async def test_what_has_no_room_is_written_in_order_once_the_peer_reads() -> None:
    with connected() as (ours, theirs):
        outlet = Outlet(ours)
        fill(outlet)
        async with running(outlet):
            outlet.answer(b"answer 1\n")
            outlet.wait(Waiting(b"event\n"))
            outlet.wait(Waiting(b"", lambda: b"made when its turn came\n"))
            outlet.answer(b"answer 2\n")
            assert await lines_until(theirs, b"answer 2") == [
                b"answer 1",
                b"event",
                b"made when its turn came",
                b"answer 2",
            ]
            await outlet.emptied()


async def test_a_line_longer_than_the_kernel_takes_is_written_in_parts() -> None:
    with connected() as (ours, theirs):
        outlet = Outlet(ours)
        async with running(outlet):
            outlet.answer(b"x" * 1_000_000 + b"\n")
            outlet.answer(b"end\n")
            assert await lines_until(theirs, b"end") == [b"x" * 1_000_000, b"end"]


async def test_an_answer_waits_until_the_kernel_has_it() -> None:
    with connected() as (ours, theirs):
        outlet = Outlet(ours)
        fill(outlet)
        wait = [outlet.answers_wait]
        outlet.wait(Waiting(b"event\n"))
        wait.append(outlet.answers_wait)
        outlet.answer(b"answer\n")
        wait.append(outlet.answers_wait)
        assert wait == [False, False, True]
        async with running(outlet), anyio.create_task_group() as tasks:
            tasks.start_soon(lines_until, theirs, b"answer")
            await outlet.answers_taken()
        assert not outlet.answers_wait


async def test_a_dropped_line_leaves_nothing_behind() -> None:
    with connected() as (ours, _):
        outlet = Outlet(ours)
        waiting = [Waiting(b"%d\n" % i) for i in range(3)]
        for one in waiting:
            outlet.wait(one)
        assert not outlet.idle
        for one in waiting:
            outlet.drop(one)
            outlet.drop(one)
        assert outlet.idle


async def test_a_line_that_is_made_may_be_none_and_may_write_others() -> None:
    with connected() as (ours, theirs):
        outlet = Outlet(ours)
        written: list[int] = []

        def several() -> bytes:
            written.append(fill(outlet, b"several\n"))
            return b""

        async with running(outlet):
            outlet.wait(Waiting(b"", lambda: b""))
            outlet.wait(Waiting(b"", several))
            with anyio.fail_after(10):
                while not written:
                    await anyio.lowlevel.checkpoint()
            outlet.answer(b"end\n")
            lines = await lines_until(theirs, b"end")
        assert lines == [b"several"] * written[0] + [b"end"]


async def test_after_the_peer_has_gone_everything_is_forgotten() -> None:
    with connected() as (ours, theirs):
        outlet = Outlet(ours)
        fill(outlet)
        outlet.answer(b"answer\n")
        theirs.close()
        with anyio.fail_after(10):
            await outlet.run()
            await outlet.answers_taken()
            await outlet.emptied()
        assert outlet.broken
        outlet.answer(b"answer\n")
        outlet.write(b"event\n")
        outlet.wait(Waiting(b"event\n"))
        assert outlet.idle
        assert not outlet.answers_wait


async def test_waiters_are_told_when_the_peer_goes() -> None:
    with connected() as (ours, theirs):
        outlet = Outlet(ours)
        fill(outlet)
        outlet.answer(b"answer\n")
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                for waiter in (outlet.run, outlet.answers_taken, outlet.emptied):
                    tasks.start_soon(waiter)
                await anyio.lowlevel.checkpoint()
                theirs.close()
