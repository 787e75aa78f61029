"""PCM arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.voice import pcm


def sine(hz: float, rate: int, seconds: float = 0.5) -> pcm.Samples:
    return np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


@given(st.lists(st.integers(-32768, 32767)))
def test_bytes_survive_the_way_through_samples(values: list[int]) -> None:
    data = np.array(values, dtype="<i2").tobytes()
    assert pcm.to_bytes(pcm.from_bytes(data)) == data


def test_an_odd_last_byte_is_no_sample() -> None:
    assert pcm.from_bytes(b"\x00\x40\x7f").tolist() == [0.5]


def test_samples_beyond_full_scale_are_clipped() -> None:
    data = pcm.to_bytes(np.array([2.0, -2.0], np.float32))
    assert np.frombuffer(data, "<i2").tolist() == [32767, -32768]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], -96.0),
        ([0.0] * 100, -96.0),
        ([1e-9] * 100, -96.0),
        ([1.0, -1.0] * 50, 0.0),
        ([0.1, -0.1] * 50, -20.0),
    ],
)
def test_levels_in_dbfs(samples: list[float], expected: float) -> None:
    assert pcm.level_dbfs(np.array(samples, np.float32)) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("from_rate", "to_rate", "hz"),
    [
        (16_000, 24_000, 440),
        (16_000, 24_000, 6_500),
        (24_000, 16_000, 5_000),
        (44_100, 16_000, 1_000),
        (48_000, 16_000, 1_000),
        (8_000, 24_000, 3_000),
        (11_025, 16_000, 2_000),
    ],
)
def test_a_tone_is_the_same_tone_at_another_rate(from_rate: int, to_rate: int, hz: int) -> None:
    result = pcm.resample(sine(hz, from_rate), from_rate, to_rate)
    middle = slice(to_rate // 10, -to_rate // 10)
    error = (result - sine(hz, to_rate)[: result.size])[middle]
    assert pcm.level_dbfs(error) < -65.0


@pytest.mark.parametrize("hz", [8_600, 11_000, 19_000])
def test_what_the_new_rate_cannot_hold_is_gone(hz: int) -> None:
    result = pcm.resample(sine(hz, 44_100), 44_100, 16_000)
    assert pcm.level_dbfs(result[1_000:-1_000]) < -75.0


def test_a_constant_stays_that_constant() -> None:
    result = pcm.resample(np.full(2_000, 0.5, np.float32), 44_100, 48_000)
    assert np.allclose(result[200:-200], 0.5, atol=1e-4)


@given(
    size=st.integers(0, 400),
    rates=st.tuples(
        st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 12_347]),
        st.sampled_from([8_000, 16_000, 24_000, 48_000]),
    ),
)
def test_the_length_follows_the_rates(size: int, rates: tuple[int, int]) -> None:
    from_rate, to_rate = rates
    result = pcm.resample(np.zeros(size, np.float32), from_rate, to_rate)
    assert result.size == -(-size * to_rate // from_rate)


def test_the_same_rate_gives_a_copy() -> None:
    samples = sine(440, 16_000)
    result = pcm.resample(samples, 16_000, 16_000)
    assert np.array_equal(result, samples)
    assert not np.shares_memory(result, samples)


@pytest.mark.parametrize("rates", [(0, 16_000), (16_000, 0), (-1, 16_000)])
def test_a_rate_must_be_positive(rates: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        pcm.resample(np.zeros(4, np.float32), *rates)
