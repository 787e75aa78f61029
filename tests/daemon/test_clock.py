"""The wall clock, and what is said where it jumps."""

import logging

import pytest

from livehandled.clock import JUMP_MS, WallClock

NOON = 1_780_000_000_000


class Rig:
    """A clock whose wall and monotonic time a test sets."""

    def __init__(self) -> None:
        self.wall, self.monotonic = NOON, 100.0
        self.clock = WallClock(lambda: self.wall, lambda: self.monotonic)

    def later(self, wall_ms: int, monotonic_s: float) -> int:
        self.wall += wall_ms
        self.monotonic += monotonic_s
        return self.clock.now_ms()


@pytest.mark.parametrize(
    ("wall_ms", "monotonic_s", "said"),
    [
        (3_600_000, 3600.0, None),
        (JUMP_MS - 1, 0.0, None),
        (1 - JUMP_MS, 0.0, None),
        (3_600_000, 0.0, "the clock jumped forward by 3600 s"),
        (-86_399_000, 1.0, "the clock jumped back by 86400 s"),
        (0, 3600.0, "the clock jumped back by 3600 s"),
    ],
)
def test_what_the_other_clock_does_not_know_of_is_a_jump(
    wall_ms: int, monotonic_s: float, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()
    with caplog.at_level(logging.INFO):
        assert rig.later(wall_ms, monotonic_s) == NOON + wall_ms
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == (
        [] if said is None else [said]
    )


def test_each_jump_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    for _ in range(2):
        rig.later(3_600_000, 0.0)
        rig.later(10, 0.01)
    assert len(caplog.records) == 2
