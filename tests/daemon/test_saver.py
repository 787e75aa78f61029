"""When the snapshot is written, and what becomes of a disk that does not take it."""

import errno
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from livehandled import saver
from livehandled.saver import Saver
from livehandled.store import Store, encode
from support.saved import SECRETS, snapshot

pytestmark = pytest.mark.anyio


class Disk(Store):
    """A store that notes what is saved, fails as it is told to, and can be held up."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.saved: list[bytes] = []
        self.error: OSError | None = None
        self.begun = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.most_at_once = 0
        self._at_once = 0

    def save(self, body: bytes) -> None:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self.begun.set()
            assert self.free.wait(10)
            if self.error is not None:
                raise self.error
            super().save(body)
            self.saved.append(body)
        finally:
            self._at_once -= 1


class Rig:
    """A saver with its disk; what it takes is a number that counts up, unless it is told else."""

    def __init__(self, path: Path) -> None:
        self.disk = Disk(path)
        self.taken = 0
        self.failures: list[str] = []
        self.take: Callable[[], bytes] = self.next
        self.saver = Saver(self.disk, lambda: self.take(), failed=self.failures.append)

    def next(self) -> bytes:
        self.taken += 1
        return encode(snapshot(self.taken))

    @property
    def found(self) -> int | None:
        """The number of the snapshot that is on the disk."""
        loaded = Store(self.disk.path).load()
        return None if loaded is None else loaded.turns

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.saver.run)
                yield
                tasks.cancel_scope.cancel()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "s.snapshot")


class Naps:
    """Stands in for `anyio.sleep` in the saver: it lasts until it is ended."""

    def __init__(self) -> None:
        self.asked, self._asked = anyio.create_memory_object_stream[float](100)
        self._naps: list[anyio.Event] = []

    async def sleep(self, seconds: float) -> None:
        nap = anyio.Event()
        self._naps.append(nap)
        self.asked.send_nowait(seconds)
        await nap.wait()

    async def next(self) -> float:
        """Wait until the saver rests, and return how long it means to."""
        return await self._asked.receive()

    def end(self) -> None:
        self._naps.pop().set()

    def close(self) -> None:
        self.asked.close()
        self._asked.close()


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Naps]:
    found = Naps()
    monkeypatch.setattr(anyio, "sleep", found.sleep)
    yield found
    found.close()


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_change_is_written_at_once_and_the_next_ones_together_a_second_later(
    rig: Rig, naps: Naps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver, "EVERY_S", saver.SOON_S + 0.05)  # a short second
    async with rig.running():
        rig.saver.dirty()
        assert await naps.next() == 0.1
        assert rig.found == 1
        for _ in range(5):
            rig.saver.dirty()
        naps.end()
        await anyio.wait_all_tasks_blocked()
        assert rig.taken == 1
        await naps.next()
        assert rig.found == rig.taken == 2


async def test_what_was_sent_is_written_a_tenth_of_a_second_later(rig: Rig, naps: Naps) -> None:
    async with rig.running():
        rig.saver.sent()
        for number in (1, 2, 3):
            assert await naps.next() == 0.1
            assert rig.found == number
            rig.saver.sent()
            naps.end()


async def test_nothing_is_written_while_nothing_changes(rig: Rig, naps: Naps) -> None:
    async with rig.running():
        rig.saver.dirty()
        await naps.next()
        naps.end()
        await anyio.wait_all_tasks_blocked()
    assert rig.taken == 1


async def test_a_change_during_a_write_is_written_after_it(rig: Rig, naps: Naps) -> None:
    rig.disk.free.clear()
    async with rig.running():
        rig.saver.dirty()
        await anyio.to_thread.run_sync(rig.disk.begun.wait, 10)
        rig.saver.dirty()
        rig.disk.free.set()
        await naps.next()
        naps.end()
        await naps.next()
    assert rig.found == 2
    assert rig.disk.most_at_once == 1


async def test_a_slow_disk_does_not_hold_up_the_loop(rig: Rig) -> None:
    rig.disk.free.clear()
    async with rig.running():
        rig.saver.dirty()
        await anyio.to_thread.run_sync(rig.disk.begun.wait, 10)
        assert rig.disk.saved == []  # and we are here
        rig.disk.free.set()


async def test_a_write_that_has_begun_is_ended_before_the_saver_is(rig: Rig) -> None:
    rig.disk.free.clear()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rig.saver.run)
        rig.saver.dirty()
        await anyio.to_thread.run_sync(rig.disk.begun.wait, 10)
        tasks.cancel_scope.cancel()
        rig.disk.free.set()
    assert rig.found == 1


def test_a_flush_writes_changed_or_not(rig: Rig) -> None:
    rig.saver.flush()
    assert rig.found == 1


async def test_a_flush_waits_for_a_write_that_has_begun_and_is_the_last_word(rig: Rig) -> None:
    rig.disk.free.clear()
    async with rig.running():
        rig.saver.dirty()
        await anyio.to_thread.run_sync(rig.disk.begun.wait, 10)
        timer = threading.Timer(0.01, rig.disk.free.set)
        timer.start()
        rig.saver.flush()
        timer.join()
    assert rig.found == 2
    assert rig.disk.most_at_once == 1


def test_what_was_taken_earlier_is_not_written_over_what_is_newer(rig: Rig) -> None:
    """A thread may get to its write only when the flush has been there."""
    old = rig.next()
    rig.saver._taken = 1
    rig.saver.flush()
    assert rig.saver._write(old, 1) is None
    assert rig.found == 2


def test_what_was_taken_before_it_was_forgotten_is_not_written(rig: Rig) -> None:
    old = rig.next()
    rig.saver._taken = 1
    rig.saver.forget()
    assert rig.saver._write(old, 1) is None
    assert rig.found is None
    rig.saver.flush()
    assert rig.found == 2


async def test_a_write_that_has_begun_is_forgotten_too(rig: Rig) -> None:
    rig.disk.free.clear()
    async with rig.running():
        rig.saver.dirty()
        await anyio.to_thread.run_sync(rig.disk.begun.wait, 10)
        timer = threading.Timer(0.01, rig.disk.free.set)
        timer.start()
        rig.saver.forget()
        timer.join()
        assert rig.found is None
    assert rig.found is None
    assert rig.disk.saved != []


def test_what_cannot_be_removed_is_told(rig: Rig) -> None:
    rig.disk.path.mkdir()
    rig.saver.forget()
    assert len(rig.failures) == 1
    assert "cannot be removed" in rig.failures[0]


async def test_a_full_disk_is_told_once_and_tried_again_in_peace(rig: Rig, naps: Naps) -> None:
    rig.disk.error = no_space()
    async with rig.running():
        rig.saver.dirty()
        for _ in range(3):  # though nothing changes any more
            assert await naps.next() == 10.0
            naps.end()
        await naps.next()
        assert rig.failures == [rig.saver.failure]
        rig.disk.error = None
        naps.end()
        assert await naps.next() == 0.1
        assert rig.saver.failure is None
    assert rig.found == rig.taken == 5
    assert len(rig.failures) == 1
    assert "No space left on device" in rig.failures[0]
    assert rig.failures[0].endswith(".")


def test_each_kind_of_failure_is_told_and_after_a_success_told_again(rig: Rig) -> None:
    read_only = OSError(errno.EROFS, os.strerror(errno.EROFS))
    for error in (no_space(), read_only, no_space(), read_only, None, no_space(), OSError("odd")):
        rig.disk.error = error
        rig.saver.flush()
    told = [failure.partition("(")[2].partition(")")[0] for failure in rig.failures]
    full = "No space left on device"
    assert told == [full, "Read-only file system", full, "OSError"]
    assert not any(secret in failure for secret in SECRETS for failure in rig.failures)


@pytest.mark.parametrize("error", [TypeError, ValueError, OverflowError, RecursionError])
async def test_what_is_no_json_is_told_and_the_old_snapshot_stays(
    rig: Rig, naps: Naps, error: type[Exception]
) -> None:
    def broken() -> bytes:
        raise error("with a secret in it")

    rig.saver.flush()
    rig.take = broken
    async with rig.running():
        rig.saver.dirty()
        assert await naps.next() == 10.0
    rig.saver.flush()
    assert rig.found == 1
    assert len(rig.failures) == 1
    assert "no JSON" in rig.failures[0]
    assert "secret" not in rig.failures[0]
