"""Small editions of the campaigns: a few cells, one rotation, and a few conversations."""

import pytest

from campaign import matrix, rotations, schedules
from campaign.matrix import Moment

CELLS: list[tuple[str, Moment, str]] = [
    ("close 1011", "first setup", "failed: session.setup_failed"),
    ("refuse 429", "first setup", "failed: upstream.quota"),
    ("no setupComplete", "first setup", "failed: session.timeout"),
    ("close 1007", "setup of a reconnect", "reseeded (the last handle was refused"),
    ("forget all handles", "idle", "reseeded (the last handle was refused"),
    ("close 1000", "idle", "handle"),
    ("abort (1006)", "model speaking", "handle"),
    ("go-away, 10 s left", "user speaking", "handle"),
    ("close 1008 not implemented", "tool pending", "handle"),
    ("go-away, 0 s left", "draining", "handle"),
    ("garbage", "model speaking", "unaffected"),
    ("stall, 1.5 s", "idle", "unaffected"),
]


@pytest.mark.parametrize(
    ("fault", "moment", "expected"), CELLS, ids=[f"{fault} {moment}" for fault, moment, _ in CELLS]
)
def test_a_fault_at_a_moment_loses_nothing_and_doubles_nothing(
    fault: str, moment: Moment, expected: str
) -> None:
    row = next(row for row in matrix.ROWS if row.name == fault)
    cell = matrix.run_cell(row, moment)
    assert list(cell.problems) == []
    assert cell.outcome.startswith(expected), cell.outcome


def test_a_rotation_while_the_model_speaks_takes_no_time_and_loses_no_chunk() -> None:
    result = rotations.run(["model speaking"], says_s=0.6, listens_s=2.0)
    assert list(result.problems) == []
    assert len(result.rotations) == 1
    assert result.chunks_heard == result.chunks_sent


@pytest.mark.parametrize("seed", [1, 7])
def test_a_conversation_at_random_loses_nothing_and_doubles_nothing(seed: int) -> None:
    result = schedules.run_one(schedules.schedule(seed))
    assert list(result.problems) == [], schedules.failure(result)


def test_a_seed_gives_the_same_schedule_each_time() -> None:
    assert schedules.schedule(57) == schedules.schedule(57)
    assert schedules.schedule(57) != schedules.schedule(58)
