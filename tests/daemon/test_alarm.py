"""The one timer of a session."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.lowlevel import checkpoint

from livehandled.alarm import Alarm

pytestmark = pytest.mark.anyio


class Rig:
    """An alarm on the event loop's clock, with deadlines to be set."""

    def __init__(self) -> None:
        self.deadlines: list[float] = []
        self.rang: list[float] = []
        self.asked = 0
        self.on_due: Callable[[], None] = lambda: None
        self._rung = anyio.Event()
        self.alarm = Alarm(clock=anyio.current_time, deadline=self._deadline, due=self._due)

    def set(self, seconds: float) -> None:
        self.deadlines.append(anyio.current_time() + seconds)

    async def rings(self, times: int) -> None:
        with anyio.fail_after(5):
            while len(self.rang) < times:
                self._rung = anyio.Event()
                await self._rung.wait()

    def _deadline(self) -> float | None:
        self.asked += 1
        return min(self.deadlines, default=None)

    def _due(self, now: float) -> None:
        assert now >= min(self.deadlines)
        self.deadlines = [at for at in self.deadlines if at > now]
        self.rang.append(now)
        self._rung.set()
        self.on_due()


@asynccontextmanager
async def running() -> AsyncIterator[Rig]:
    rig = Rig()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rig.alarm.run)
        await anyio.wait_all_tasks_blocked()
        yield rig
        tasks.cancel_scope.cancel()


async def test_it_rings_once_the_time_has_come() -> None:
    async with running() as rig:
        rig.set(0.02)
        due_at = rig.deadlines[0]
        rig.alarm.look()
        await rig.rings(1)
        assert rig.rang[0] >= due_at
        await anyio.wait_all_tasks_blocked()
        assert len(rig.rang) == 1


async def test_with_nothing_to_wait_for_it_sleeps() -> None:
    async with running() as rig:
        before = rig.asked
        await anyio.wait_all_tasks_blocked()
        assert rig.asked == before


async def test_a_deadline_that_was_there_before_it_ran_is_kept() -> None:
    rig = Rig()
    rig.set(0.0)
    rig.alarm.look()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rig.alarm.run)
        await rig.rings(1)
        tasks.cancel_scope.cancel()


async def test_a_deadline_in_the_past_rings_at_once() -> None:
    async with running() as rig:
        rig.set(-1000.0)
        rig.alarm.look()
        await rig.rings(1)


async def test_a_deadline_that_comes_nearer_is_not_missed() -> None:
    async with running() as rig:
        rig.set(3600.0)
        rig.alarm.look()
        await anyio.wait_all_tasks_blocked()
        rig.set(0.01)
        rig.alarm.look()
        await rig.rings(1)
        assert len(rig.deadlines) == 1


async def test_two_looks_in_one_turn_of_the_loop_keep_the_earlier() -> None:
    async with running() as rig:
        for seconds in (3600.0, 0.01):
            rig.set(seconds)
            rig.alarm.look()
        await rig.rings(1)


async def test_a_look_between_the_alarms_waking_and_its_next_sleep_is_not_missed() -> None:
    async with running() as rig:
        rig.set(3600.0)
        rig.alarm.look()  # wakes the task, which has not run yet
        await checkpoint()
        rig.set(0.01)
        rig.alarm.look()
        await rig.rings(1)


async def test_a_look_from_within_due_is_not_missed() -> None:
    async with running() as rig:

        def on_due() -> None:
            if len(rig.rang) < 3:
                rig.set(0.0)
                rig.alarm.look()

        rig.on_due = on_due
        rig.set(0.0)
        rig.alarm.look()
        await rig.rings(3)


async def test_a_deadline_that_moves_away_wakes_nobody_until_the_old_time() -> None:
    async with running() as rig:
        rig.set(3600.0)
        rig.alarm.look()
        await anyio.wait_all_tasks_blocked()
        slept = rig.asked
        for more in range(100):  # each chunk of audio
            rig.deadlines = [anyio.current_time() + 3600.0 + more]
            rig.alarm.look()
        await anyio.wait_all_tasks_blocked()
        assert rig.asked == slept + 100


async def test_at_the_old_time_of_a_deadline_that_moved_away_nothing_is_due() -> None:
    async with running() as rig:
        rig.set(0.01)
        rig.alarm.look()
        await anyio.wait_all_tasks_blocked()
        later = anyio.current_time() + 0.05
        rig.deadlines = [later]
        await rig.rings(1)
        assert rig.rang[0] >= later


async def test_a_deadline_that_is_gone_at_its_time_rings_no_more() -> None:
    async with running() as rig:
        rig.set(0.01)
        rig.alarm.look()
        await anyio.wait_all_tasks_blocked()
        rig.deadlines.clear()
        asked = rig.asked
        with anyio.fail_after(5):
            while rig.asked == asked:  # it wakes, and finds nothing
                await checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert rig.rang == []
        rig.set(0.0)
        rig.alarm.look()
        await rig.rings(1)


async def test_a_due_that_does_not_move_its_deadline_leaves_others_their_turn() -> None:
    rang = 0

    def due(now: float) -> None:
        nonlocal rang
        rang += 1

    stuck = Alarm(clock=anyio.current_time, deadline=lambda: 0.0, due=due)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stuck.run)
        for _ in range(50):
            await checkpoint()
        tasks.cancel_scope.cancel()
    assert 0 < rang <= 50


async def test_what_due_raises_ends_the_owner_and_is_never_silent() -> None:
    def due(now: float) -> None:
        raise ValueError("broken")

    alarm = Alarm(clock=anyio.current_time, deadline=lambda: 0.0, due=due)
    with pytest.raises(ValueError, match="broken"):
        await alarm.run()


async def test_it_can_be_made_outside_an_event_loop_and_asked_before_it_runs() -> None:
    rig = await anyio.to_thread.run_sync(Rig)
    rig.set(0.0)
    rig.alarm.look()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rig.alarm.run)
        await rig.rings(1)
        tasks.cancel_scope.cancel()
