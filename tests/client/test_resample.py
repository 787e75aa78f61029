"""One rate to another: a tone stays that tone, of that level and length."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livectl.resample import Resampler
from support.waves import rms, share_of, tone

RATES = [8_000, 11_025, 12_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]


def resampled(samples: list[float], from_rate: int, *, piece: int | None = None) -> list[int]:
    """Convert samples from -1 to 1 to 16 kHz, in pieces."""
    resampler = Resampler(from_rate, 16_000)
    scaled = array("d", (s * 32768 for s in samples))
    size = piece or len(scaled)
    out: list[int] = []
    for at in range(0, len(scaled), size):
        out += resampler.push(scaled[at : at + size])
    return out + list(resampler.finish())


@pytest.mark.parametrize("rate", [*RATES, 16_000])
@pytest.mark.parametrize("hertz", [200, 1_000, 3_000])
def test_a_tone_keeps_its_frequency_level_and_length(rate: int, hertz: int) -> None:
    out = resampled(tone(hertz, rate, 0.25), rate)
    assert len(out) == pytest.approx(4_000, abs=1)
    middle = out[400:3_600]  # away from the ends, whole periods
    assert share_of(middle, hertz, 16_000) > 0.9999
    assert rms(middle) == pytest.approx(rms(tone(hertz, 16_000, 0.25)) * 32768, rel=0.005)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_its_place_in_time(rate: int) -> None:
    out = resampled(tone(1_000, rate, 0.1), rate)
    wanted = [s * 32768 for s in tone(1_000, 16_000, 0.1)]
    assert out[200:1_400] == pytest.approx(wanted[200:1_400], abs=0.01 * 32768)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_what_16_khz_cannot_carry_is_taken_out(rate: int) -> None:
    high = resampled(tone(9_500, rate, 0.1), rate)
    assert rms(high[200:1_400]) < 0.01 * 32768


@given(st.sampled_from([8_000, 22_050, 48_000]), st.integers(1, 500))
def test_the_pieces_make_no_difference(rate: int, piece: int) -> None:
    samples = tone(440, rate, 0.02)
    assert resampled(samples, rate, piece=piece) == resampled(samples, rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_what_is_too_loud_is_clipped(rate: int) -> None:
    out = resampled([s * 4 for s in tone(300, rate, 0.1)], rate)
    assert (min(out), max(out)) == (-32768, 32767)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_nothing_becomes_nothing(rate: int) -> None:
    assert len(resampled([], rate, piece=1)) <= 1
