"""Real time for streams."""

import pytest

from livectl.sound.pace import Pace


def done(pace: Pace, now: float, seconds: float = 0.1) -> int:
    """Do all pieces that are due; return how many there were."""
    count = 0
    while pace.due(now) is not None:
        pace.passed(seconds)
        count += 1
    return count


def test_pieces_come_at_their_own_time() -> None:
    pace = Pace(catch_up_s=1.0)
    assert pace.due(5.0) == 5.0
    assert [done(pace, 5.0), done(pace, 5.09), done(pace, 5.11), done(pace, 5.55)] == [1, 0, 1, 4]
    assert pace.due(5.6) == pytest.approx(5.6)


def test_a_stream_may_run_ahead_of_time() -> None:
    pace = Pace(catch_up_s=1.0, ahead_s=0.25)
    assert done(pace, 0.0) == 3
    assert done(pace, 0.1) == 1
    assert pace.due(0.2) == pytest.approx(0.4), "the piece's time, not ours"


def test_what_is_late_catches_up_with_a_part_only() -> None:
    pace = Pace(catch_up_s=0.35)
    assert done(pace, 0.0) == 1
    assert done(pace, 60.0) == 4
    assert done(pace, 60.0) == 0


def test_a_speed_is_kept() -> None:
    pace = Pace(catch_up_s=1.0, speed=1.25)
    assert sum(done(pace, n * 0.01) for n in range(1000)) == 125
