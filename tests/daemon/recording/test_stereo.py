"""Both sides on one clock."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from livehandled.recording import stereo as stereo_module
from livehandled.recording.stereo import Stereo
from livehandled.recording.wave_head import HEAD_BYTES, RATE, head

LEFT, RIGHT = 0, 1


def tone(seconds: float, rate: int, hertz: float = 440.0) -> bytes:
    at = np.arange(round(seconds * rate)) / rate
    return bytes((10_000 * np.sin(2 * np.pi * hertz * at)).astype("<i2"))


def sides(data: bytes) -> NDArray[np.int16]:
    return np.frombuffer(data, "<i2").reshape(-1, 2)


def sounding(side: NDArray[np.int16]) -> tuple[float, float]:
    """Return when sound begins and ends, in seconds."""
    loud = np.flatnonzero(np.abs(side) > 500)
    return float(loud[0] / RATE), float(loud[-1] / RATE)


def test_each_side_is_where_it_was_in_time() -> None:
    stereo = Stereo()
    stereo.user(tone(0.5, 16_000), at=1.0)
    stereo.model(tone(0.5, 24_000), 24_000, at=2.0)
    both = sides(stereo.take(3.0))
    assert len(both) == 3 * RATE
    assert sounding(both[:, LEFT]) == pytest.approx((0.5, 1.0), abs=0.005)
    assert sounding(both[:, RIGHT]) == pytest.approx((2.0, 2.5), abs=0.005)


def test_speech_that_comes_ahead_follows_what_still_plays() -> None:
    stereo = Stereo()
    for at in (1.0, 1.01, 1.02):
        stereo.model(tone(0.5, 24_000), 24_000, at)
    assert sounding(sides(stereo.take(4.0))[:, RIGHT]) == pytest.approx((1.0, 2.5), abs=0.005)


def test_an_interruption_cuts_what_had_not_been_played() -> None:
    stereo = Stereo()
    stereo.model(tone(2.0, 24_000), 24_000, at=1.0)
    stereo.cut(1.5)
    stereo.model(tone(0.25, 24_000), 24_000, at=2.0)
    right = sides(stereo.take(4.0))[:, RIGHT]
    assert sounding(right[: 2 * RATE - 10]) == pytest.approx((1.0, 1.5), abs=0.005)
    assert sounding(right[round(1.6 * RATE) :]) == pytest.approx((0.4, 0.65), abs=0.005)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_speech_of_another_rate_lasts_as_long(rate: int) -> None:
    stereo = Stereo()
    stereo.model(tone(0.5, rate), rate, at=0.5)
    assert sounding(sides(stereo.take(2.0))[:, RIGHT]) == pytest.approx((0.5, 1.0), abs=0.005)


@pytest.mark.parametrize("piece", [77, 320, 341, 1600])
def test_pieces_of_the_microphone_with_jitter_are_one_sound(piece: int) -> None:
    """The seams are as smooth as a tone: no sample jumps further than the tone does."""
    whole = tone(1.0, 16_000)
    stereo = Stereo()
    jitter = np.random.default_rng(1).uniform(0.0, 0.05, 16_000)
    for n, first in enumerate(range(0, len(whole), 2 * piece)):
        at = 1.0 + (first // 2 + piece) / 16_000 + jitter[n]
        stereo.user(whole[first : first + 2 * piece], at)
    left = sides(stereo.take(4.0))[:, LEFT].astype(int)
    begin, end = sounding(left)
    assert end - begin == pytest.approx(1.0, abs=0.01)
    inside = left[round((begin + 0.01) * RATE) : round((end - 0.01) * RATE)]
    assert np.abs(np.diff(inside)).max() < 1.2 * 10_000 * 2 * np.pi * 440 / RATE


def test_a_pause_of_the_microphone_is_a_pause() -> None:
    stereo = Stereo()
    stereo.user(tone(0.25, 16_000), at=0.5)
    stereo.user(tone(0.25, 16_000), at=2.0)
    left = sides(stereo.take(3.0))[:, LEFT]
    assert sounding(left[: 1 * RATE]) == pytest.approx((0.25, 0.5), abs=0.005)
    assert sounding(left[1 * RATE :]) == pytest.approx((0.75, 1.0), abs=0.005)


def test_what_runs_too_far_ahead_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stereo_module, "MOST_AHEAD_S", 2.0)
    stereo = Stereo()
    second = bytes(2 * 24_000)
    assert [stereo.model(second, 24_000, 0.0) for _ in range(4)] == [True, True, True, False]
    assert stereo.model(second, 24_000, 1.5)
    assert not all(stereo.user(bytes(2 * 16_000), 0.0) for _ in range(4))


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["user", "model", "cut", "take"]),
            st.integers(0, 3000),
            st.floats(0.0, 0.5),
        ),
        max_size=20,
    )
)
def test_whatever_comes_as_much_is_taken_as_time_has_passed(
    steps: list[tuple[str, int, float]],
) -> None:
    stereo, now, taken = Stereo(), 0.0, 0
    for what, size, gap in steps:
        now += gap
        match what:
            case "user":
                stereo.user(bytes(2 * size), now)
            case "model":
                stereo.model(bytes(2 * size), 24_000, now)
            case "cut":
                stereo.cut(now)
            case _:
                taken += len(stereo.take(now))
    taken += len(stereo.take(now + 1.0))
    assert taken == 4 * round((now + 1.0) * RATE)


def test_the_head_says_what_follows() -> None:
    assert len(head(0)) == HEAD_BYTES
    assert head(400)[:4] == b"RIFF"
    assert int.from_bytes(head(400)[4:8], "little") == 436
    assert int.from_bytes(head(400)[40:44], "little") == 400
