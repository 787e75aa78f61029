"""When to give up a connection for a new one, before the service ends it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.session.rotation import Quiet, Rotation

CEILING = 3300.0
IDLE = Quiet(
    turn_open=False,
    user_speaking=False,
    calls_open=False,
    sending=False,
    turn_ended_at=None,
    handle_at=None,
    wants_handle=True,
)
TURN = IDLE._replace(turn_open=True)
USER = IDLE._replace(user_speaking=True)
CALL = IDLE._replace(calls_open=True)
SENDING = IDLE._replace(sending=True)
BUSY = [TURN, USER, CALL, SENDING, TURN._replace(calls_open=True)]


def rotation(ready_at: float = 0.0, ceiling_s: float = CEILING) -> Rotation:
    return Rotation(ready_at, ceiling_s)


@pytest.mark.parametrize("quiet", [IDLE, *BUSY])
def test_nothing_happens_before_the_ceiling_unless_told(quiet: Quiet) -> None:
    one = rotation(ready_at=100.0)
    assert not one.due(quiet, 100.0 + CEILING - 0.1)
    assert one.deadline(quiet, 100.0) == 100.0 + CEILING
    assert (one.draining, one.why) == (False, None)


# time_left, seconds until the connection is given up at the latest: less a fifth, at most 10 s
LEFT = [
    (300.0, 290.0),
    (60.0, 50.0),
    (50.0, 40.0),
    (30.0, 24.0),
    (10.0, 8.0),
    (1.0, 0.8),
    (0.0, 0.0),
    (-5.0, 0.0),
    (None, 16.0),
]


@pytest.mark.parametrize(("left", "latest"), LEFT)
@pytest.mark.parametrize("quiet", BUSY)
def test_z6_a_go_away_waits_for_the_boundary_until_a_margin_before_the_end(
    quiet: Quiet, left: float | None, latest: float
) -> None:
    one = rotation()
    one.go_away(left, 7.0)
    assert (one.draining, one.why) == (True, "go_away")
    assert one.deadline(quiet, 7.0) == pytest.approx(7.0 + latest)
    assert one.due(quiet, 7.0) is (latest == 0.0)
    if latest:
        assert not one.due(quiet, 7.0 + latest - 0.01)
        assert one.due(quiet, 7.0 + latest + 0.001)


def test_agents_js_2507_a_go_away_one_second_into_a_reply_does_not_cut_it() -> None:
    one = rotation(ready_at=0.0)
    one.go_away(300.0, 1.0)
    for now in (1.0, 5.0, 60.0, 200.0):
        assert not one.due(TURN, now)
    ended = IDLE._replace(turn_ended_at=200.5)
    assert not one.due(ended, 200.5)  # its handle is on the way
    assert one.due(ended._replace(handle_at=200.7), 200.7)


def test_tau2_bench_461_a_silent_service_does_not_hold_the_deadline_up() -> None:
    one = rotation()
    one.go_away(50.0, 0.0)
    at = one.deadline(TURN, 0.0)
    assert at == 40.0  # a timer: nothing has come from the service since
    assert one.due(TURN, at)


@pytest.mark.parametrize(
    ("second", "latest"),
    [(10.0, 13.0), (0.0, 5.0), (60.0, 50.0), (300.0, 50.0), (None, 21.0)],
)
def test_a_second_go_away_only_shortens_the_time(second: float | None, latest: float) -> None:
    one = rotation()
    one.go_away(60.0, 0.0)
    one.go_away(second, 5.0)
    assert one.deadline(TURN, 5.0) == pytest.approx(latest)


def test_voiceclaw_53_a_call_is_answered_and_its_turn_ended_first() -> None:
    one = rotation()
    one.go_away(60.0, 0.0)
    assert not one.due(CALL, 20.0)  # 2.5 gives no handle for a running call
    assert not one.due(TURN._replace(handle_at=0.0), 22.0)
    ended = IDLE._replace(turn_ended_at=25.0, handle_at=0.0)
    assert not one.due(ended, 25.0)
    assert one.due(ended._replace(handle_at=25.3), 25.3)


def test_a_call_that_never_ends_does_not_hold_the_connection() -> None:
    one = rotation()
    one.go_away(60.0, 0.0)
    assert one.due(CALL, 50.0)


def test_a_go_away_is_for_its_own_connection() -> None:
    old = rotation(ready_at=0.0)
    old.go_away(30.0, 1.0)
    new = rotation(ready_at=10.0)
    assert new.deadline(TURN, 10.0) == 10.0 + CEILING
    assert not new.due(TURN, 1000.0)


@pytest.mark.parametrize(
    ("ended", "handle", "wants", "wait"),
    [
        (None, None, True, 0.0),  # there is no turn to cover
        (50.0, 50.0, True, 0.0),
        (50.0, 50.1, True, 0.0),
        (50.0, 49.9, True, 1.0),
        (50.0, None, True, 1.0),
        (50.0, None, False, 0.0),
        (50.0, 49.9, False, 0.0),
    ],
)
def test_at_a_boundary_the_turns_handle_is_awaited_for_a_second(
    ended: float | None, handle: float | None, wants: bool, wait: float
) -> None:
    one = rotation()
    one.go_away(60.0, 50.2)
    quiet = IDLE._replace(turn_ended_at=ended, handle_at=handle, wants_handle=wants)
    assert one.deadline(quiet, 50.2) == 50.2 + wait
    assert one.due(quiet, 50.2) is not bool(wait)
    if wait:
        assert not one.due(quiet, 51.1)
        assert one.due(quiet, 51.2)


def test_the_second_counts_from_the_last_boundary() -> None:
    one = rotation()
    one.go_away(300.0, 0.0)
    ended = IDLE._replace(turn_ended_at=5.0)
    assert not one.due(ended, 5.0)
    assert not one.due(ended._replace(user_speaking=True), 5.5)
    assert not one.due(ended, 20.0)
    assert one.deadline(ended, 20.0) == 21.0


def test_a_boundary_may_be_older_than_the_go_away() -> None:
    one = rotation()
    ended = IDLE._replace(turn_ended_at=5.0)
    assert not one.due(ended, 5.0)
    one.go_away(300.0, 60.0)
    assert one.due(ended, 60.0)


def test_where_nobody_looked_since_the_last_turn_the_second_counts_from_its_end() -> None:
    one = rotation()
    assert not one.due(IDLE, 1.0)
    one.go_away(300.0, 60.0)
    ended = IDLE._replace(turn_ended_at=59.9)
    assert one.deadline(ended, 60.0) == 60.9
    assert one.due(ended._replace(handle_at=60.1), 60.1)


def test_the_handle_is_not_awaited_beyond_the_services_deadline() -> None:
    one = rotation()
    one.go_away(1.0, 0.0)
    assert one.deadline(IDLE._replace(turn_ended_at=0.5), 0.5) == pytest.approx(0.8)


def test_a_connection_too_old_is_given_up_as_if_a_minute_were_left() -> None:
    one = rotation(ready_at=10.0)
    assert one.deadline(TURN, 100.0) == 10.0 + CEILING
    assert not one.due(TURN, 10.0 + CEILING)
    assert (one.draining, one.why) == (True, "ceiling")
    assert one.deadline(TURN, 10.0 + CEILING) == 10.0 + CEILING + 50.0
    assert not one.due(TURN, 10.0 + CEILING + 49.9)
    assert one.due(TURN, 10.0 + CEILING + 50.0)


def test_a_connection_too_old_and_idle_is_given_up_at_once() -> None:
    assert rotation().due(IDLE, CEILING)


def test_a_go_away_may_come_when_the_connection_is_too_old_and_the_reverse() -> None:
    one = rotation()
    one.due(TURN, CEILING)
    one.go_away(20.0, CEILING + 1.0)
    assert (one.why, one.deadline(TURN, CEILING + 1.0)) == ("go_away", CEILING + 17.0)
    other = rotation()
    other.go_away(300.0, CEILING - 10.0)
    assert other.deadline(TURN, CEILING - 10.0) == CEILING + 50.0


def test_what_is_asked_for_waits_for_the_boundary_without_a_deadline_of_its_own() -> None:
    one = rotation(ceiling_s=math.inf)
    one.ask()
    assert (one.draining, one.why) == (True, "asked")
    assert one.deadline(CALL, 0.0) == math.inf
    assert not one.due(CALL, 1e6)
    assert one.due(IDLE, 1e6)


def test_what_is_asked_for_does_not_outwait_the_ceiling_or_a_go_away() -> None:
    one = rotation()
    one.ask()
    assert one.deadline(TURN, 0.0) == CEILING + 50.0
    one.go_away(60.0, 0.0)
    assert (one.why, one.deadline(TURN, 0.0)) == ("go_away", 50.0)


def test_a_connection_is_given_up_once() -> None:
    one = rotation()
    one.go_away(0.0, 5.0)
    assert one.due(IDLE, 5.0)
    one.go_away(0.0, 6.0)
    one.ask()
    assert not one.due(IDLE, 6.0)
    assert one.deadline(IDLE, CEILING + 100.0) is None
    assert one.draining


times = st.floats(0.0, 4000.0)
quiets = st.builds(
    Quiet,
    turn_open=st.booleans(),
    user_speaking=st.booleans(),
    calls_open=st.booleans(),
    sending=st.booleans(),
    turn_ended_at=st.one_of(st.none(), times),
    handle_at=st.one_of(st.none(), times),
    wants_handle=st.booleans(),
)
go_aways = st.lists(st.tuples(times, st.one_of(st.none(), st.floats(0.0, 400.0))), max_size=3)


@given(go_aways=go_aways, asked=st.booleans(), quiet=quiets, now=times, later=st.floats(0.0, 1.0))
def test_until_its_deadline_nothing_is_due_and_at_it_the_next_step_is_taken(
    go_aways: list[tuple[float, float | None]],
    asked: bool,
    quiet: Quiet,
    now: float,
    later: float,
) -> None:
    one = rotation()
    for told_at, left in sorted(go_aways, key=lambda told: told[0]):
        one.go_away(left, min(told_at, now))
    if asked:
        one.ask()
    if one.due(quiet, now):
        assert one.draining
        assert quiet.boundary or one.why != "asked"
        return
    at = one.deadline(quiet, now)
    assert at is not None
    assert at > now
    between = now + (at - now) * later
    if between < at:
        assert not one.due(quiet, between)
    was_draining = one.draining
    assert one.due(quiet, at) or (one.draining and not was_draining)


@given(
    left=st.one_of(st.none(), st.floats(0.0, 400.0)),
    asks=st.lists(st.tuples(st.floats(0.0, 500.0), quiets), max_size=20),
)
def test_a_connection_is_given_up_once_and_only_with_cause(
    left: float | None, asks: list[tuple[float, Quiet]]
) -> None:
    one = rotation()
    one.go_away(left, 0.0)
    given_up = 0
    for now, quiet in sorted(asks, key=lambda ask: ask[0]):
        if one.due(quiet, now):
            given_up += 1
            told = 20.0 if left is None else left
            assert quiet.boundary or now >= told - 10.0
        elif now >= (20.0 if left is None else left):
            assert given_up == 1
    assert given_up <= 1
