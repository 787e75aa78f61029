"""One rate to another: a tone stays that tone, of that level and length."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livectl.sound.resample import Resampler
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


def decibels(level: float, *, of: float) -> float:
    return 20 * math.log10(max(level, 1e-9) / of)


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


@pytest.mark.parametrize("rate", [22_050, 24_000, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("hertz", [8_000, 8_200, 8_500, 9_000, 9_500, 10_900])
def test_what_16_khz_cannot_carry_is_50_db_down(rate: int, hertz: int) -> None:
    high = resampled(tone(hertz, rate, 0.1), rate)
    assert decibels(rms(high[200:1_400]), of=rms(tone(hertz, rate, 0.1)) * 32768) < -50


@pytest.mark.parametrize("rate", [8_000, 11_025, 12_000])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.85, 0.9, 0.95])
def test_what_a_lower_rate_did_not_have_is_not_invented(rate: int, share: float) -> None:
    """The mirror image of a tone, beyond what the lower rate can carry, is 50 dB down."""
    hertz = round(share * rate / 2 / 20) * 20  # whole periods in the middle
    middle = resampled(tone(hertz, rate, 0.25), rate)[400:3_600]
    image = share_of(middle, rate - hertz, 16_000) * rms(middle) ** 2
    assert decibels(math.sqrt(image), of=rms(tone(hertz, rate, 0.25)) * 32768) < -50


@pytest.mark.parametrize("rate", RATES)
def test_the_band_of_speech_is_flat(rate: int) -> None:
    hertz = round(0.85 * min(rate, 16_000) / 2 / 20) * 20
    middle = resampled(tone(hertz, rate, 0.25), rate)[400:3_600]
    assert decibels(rms(middle), of=rms(tone(hertz, rate, 0.25)) * 32768) > -0.2


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
