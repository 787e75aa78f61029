"""When to connect again after a connection was lost, and when to give up."""

from collections.abc import Iterable, Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.gemini.closing import Action
from livehandled.session.retry import STABLE_S, Loss, Retries

LOSSES: Sequence[Loss] = (*get_args(Action), "rotate")


def most_of_it() -> float:
    return 1.0


def none_of_it() -> float:
    return 0.0


def delays(retries: Retries, losses: Iterable[Loss]) -> list[float | None]:
    return [retries.lost(loss, 0.0) for loss in losses]


@pytest.mark.parametrize(
    ("losses", "most"),
    [
        (["retry"] * 7, [1, 2, 4, 8, 16, 30, 30]),
        (["slow"] * 6, [30, 60, 120, 240, 300, None]),
        (["once", "once"], [1, None]),
        (["once", "retry", "once"], [1, 2, None]),
        (["fresh", "fresh", "fresh"], [0, 2, 4]),
        (["fresh", "retry"], [0, 2]),
        (["retry", "fresh", "once"], [1, 0, 4]),
        (["slow", "retry", "slow"], [30, 2, 60]),
        # These connections are given up before their first second is over.
        (["rotate", "rotate", "rotate", "retry"], [0, 2, 4, 8]),
        (["retry", "rotate", "retry"], [1, 2, 4]),
        (["stop"], [None]),
        (["retry", "stop", "retry", "rotate"], [1, None, None, None]),
    ],
)
def test_the_longest_delays_are(losses: list[Loss], most: list[float | None]) -> None:
    assert delays(Retries(most_of_it), losses) == most


@pytest.mark.parametrize(
    ("losses", "least"),
    [
        (["retry"] * 3, [0, 0, 0]),
        (["slow"] * 6, [15, 30, 60, 120, 150, None]),
        (["once", "fresh", "fresh"], [0, 0, 0]),
    ],
)
def test_the_shortest_delays_are(losses: list[Loss], least: list[float | None]) -> None:
    assert delays(Retries(none_of_it), losses) == least


def test_an_outage_may_last_a_night() -> None:
    assert set(delays(Retries(most_of_it), ["retry"] * 5_000)[5:]) == {30.0}


@pytest.mark.parametrize(
    ("lived", "expected"), [(1.0, [1, 1, 1, 1, 2, 3]), (0.9, [1, 1, 2, 3, 4, 5])]
)
def test_attempts_are_numbered_from_one_and_rotations_count_where_nothing_lived_a_second(
    lived: float, expected: list[int]
) -> None:
    retries = Retries(most_of_it)
    numbers = [retries.attempt]
    for loss in ("rotate", "retry", "rotate", "fresh", "retry"):
        retries.set_up(0.0)
        retries.lost(loss, lived)
        numbers.append(retries.attempt)
    assert numbers == expected


def test_a_rotation_after_a_second_does_not_wait_however_often() -> None:
    retries = Retries(most_of_it)
    for number in range(20):
        retries.set_up(float(number))
        assert retries.lost("rotate", number + 1.0) == 0.0


@pytest.mark.parametrize(
    ("stood", "delay", "attempt"),
    [(0.0, 4.0, 3), (STABLE_S - 0.001, 4.0, 3), (STABLE_S, 1.0, 1), (3600.0, 1.0, 1)],
)
def test_only_a_stable_connection_starts_a_new_count(
    stood: float, delay: float, attempt: int
) -> None:
    retries = Retries(most_of_it)
    delays(retries, ["retry", "retry"])
    retries.set_up(100.0)
    assert retries.attempt == 2  # setupComplete alone does not
    assert retries.lost("retry", 100.0 + stood) == delay
    assert retries.attempt == attempt


def test_time_without_a_connection_is_not_stable() -> None:
    retries = Retries(most_of_it)
    retries.set_up(0.0)
    retries.lost("once", 1.0)
    assert retries.lost("once", 100.0) is None


def test_what_was_not_liked_after_a_turn_is_something_else() -> None:
    retries = Retries(lambda: 1.0)
    assert retries.lost("once", 1.0) is not None
    retries.went_on()
    assert retries.lost("once", 2.0) is not None
    assert retries.lost("once", 3.0) is None


@pytest.mark.parametrize(("stood", "delay"), [(9.0, None), (10.0, 1.0)])
def test_what_was_not_liked_once_may_happen_again_after_a_stable_time(
    stood: float, delay: float | None
) -> None:
    retries = Retries(most_of_it)
    retries.lost("once", 0.0)
    retries.set_up(1.0)
    assert retries.lost("once", 1.0 + stood) == delay


def test_a_quota_is_waited_out_again_after_a_stable_time() -> None:
    retries = Retries(most_of_it)
    delays(retries, ["slow"] * 5)
    retries.set_up(0.0)
    assert retries.lost("slow", STABLE_S) == 30.0


def test_a_rotation_of_a_stable_connection_starts_a_new_count() -> None:
    retries = Retries(most_of_it)
    delays(retries, ["retry"] * 4)
    retries.set_up(0.0)
    assert retries.lost("rotate", STABLE_S) == 0.0
    assert retries.lost("retry", STABLE_S) == 1.0


steps = st.lists(
    st.tuples(
        st.sampled_from(LOSSES),
        st.one_of(st.none(), st.floats(0.0, 2 * STABLE_S)),  # seconds it was ready, if it was
        st.floats(0.0, 1.0),
    ),
    max_size=40,
)


@given(steps)
def test_every_delay_is_within_its_bounds_and_a_stop_is_final(
    steps: list[tuple[Loss, float | None, float]],
) -> None:
    now = 0.0
    shares = iter([share for _, _, share in steps])
    retries = Retries(lambda: next(shares))  # each delay takes one at most
    stopped = False
    for loss, stood, _ in steps:
        if stood is not None:
            retries.set_up(now)
            now += stood
        delay = retries.lost(loss, now)
        stopped = stopped or delay is None
        if stopped or delay is None:
            assert delay is None
            continue
        assert loss != "stop"
        low, high = (15.0, 300.0) if loss == "slow" else (0.0, 30.0)
        assert low <= delay <= high
        if loss == "rotate" and stood is not None and stood >= 1.0:
            assert delay == 0.0
        now += delay


@given(
    st.lists(
        st.tuples(st.sampled_from(["retry", "rotate"]), st.floats(0.0, STABLE_S - 0.01)),
        max_size=30,
    )
)
def test_caps_never_fall_before_a_connection_was_stable(steps: list[tuple[Loss, float]]) -> None:
    retries = Retries(most_of_it)
    now, before = 0.0, 0.0
    for loss, stood in steps:
        retries.set_up(now)
        now += stood
        delay = retries.lost(loss, now)
        assert delay is not None
        if loss == "retry":
            assert delay >= before
            before = delay


def test_the_jitter_is_random_where_none_is_given() -> None:
    assert len({Retries().lost("retry", 0.0) for _ in range(5)}) > 1
