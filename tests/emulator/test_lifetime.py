"""Go-away, the end of a connection, and its end for want of input."""

import pytest

from livehandle_emulator.closing import Close
from livehandle_emulator.lifetime import Lifetime
from livehandle_emulator.scenario import Lifetime as Rules
from livehandled.gemini.server import ServerMessage

GOAWAY = (
    "Connection aborted because the client failed to close the connection after receiving a "
    "GoAway signal"
)


def life(*, ready: bool = True, **rules: int) -> Lifetime:
    lifetime = Lifetime(Rules(**rules), 100.0)
    if ready:
        lifetime.ready()
    return lifetime


def told(out: list[ServerMessage | Close]) -> list[object]:
    return [
        one if isinstance(one, Close) else one.go_away.time_left if one.go_away else one
        for one in out
    ]


def test_by_default_a_connection_lives_for_ever_and_may_be_silent() -> None:
    lifetime = life()
    assert lifetime.deadline is None
    assert lifetime.due(1e9) == []


def test_the_go_away_comes_in_time_and_the_end_of_who_ignores_it_after() -> None:
    lifetime = life(connection_ms=600_000, go_away_ms=60_000)
    assert lifetime.deadline == 640.0
    assert lifetime.due(639.9) == []
    assert told(lifetime.due(640.0)) == ["60s"]
    assert lifetime.deadline == 700.0
    assert lifetime.due(699.9) == []
    assert lifetime.due(700.0) == [Close(1008, GOAWAY)]


def test_without_a_go_away_the_end_is_an_expired_deadline() -> None:
    lifetime = life(connection_ms=1_000, go_away_ms=0)
    assert lifetime.deadline == 101.0
    assert lifetime.due(101.0) == [Close(1011, "Deadline expired before operation could complete.")]


def test_a_go_away_longer_than_the_connection_comes_with_what_is_left() -> None:
    lifetime = life(connection_ms=1_500, go_away_ms=60_000)
    assert lifetime.deadline == 100.0
    assert told(lifetime.due(100.25)) == ["1.25s"]


def test_nobody_is_told_to_go_before_the_setup_is_complete() -> None:
    lifetime = life(ready=False, connection_ms=1_000, go_away_ms=900)
    assert lifetime.deadline == 101.0
    assert lifetime.due(100.5) == []
    lifetime.ready()
    assert told(lifetime.due(100.5)) == ["0.5s"]


def test_want_of_input_ends_a_connection() -> None:
    lifetime = life(idle_ms=180_000)
    lifetime.heard(150.0)
    assert lifetime.deadline == 330.0
    assert lifetime.due(329.0) == []
    assert lifetime.due(330.0) == [Close(1008, "The operation was aborted.")]


@pytest.mark.parametrize(
    ("connection_ms", "left_s", "ends_at"), [(0, 5.0, 105.0), (2_000, 5.0, 102.0), (0, 0.0, 100.0)]
)
def test_a_go_away_out_of_turn_ends_the_connection_when_it_says(
    connection_ms: int, left_s: float, ends_at: float
) -> None:
    lifetime = life(connection_ms=connection_ms)
    assert told([lifetime.go_away(left_s, 100.0)]) == [f"{left_s:g}s"]
    assert lifetime.deadline == ends_at
    assert lifetime.due(ends_at) == [Close(1008, GOAWAY)]


def test_a_go_away_without_a_time_leaves_the_end_alone() -> None:
    lifetime = life()
    assert told([lifetime.go_away(None, 100.0)]) == [None]
    assert lifetime.deadline is None
