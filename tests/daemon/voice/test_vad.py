"""The energy VAD, statement by statement (F1 to F9), and what it does in noise."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.voice.pcm import from_bytes, level_dbfs
from livehandled.voice.vad import Edge, EnergyVad, VadConfig, VadState, zero_crossing_rate
from support.speech import noise, silence, speech_like, square

RUST_TESTS = VadConfig(
    frame_duration_ms=20, min_speech_frames=2, hangover_frames=2, speech_zcr_range=(0.01, 0.9)
)
LOUD = square(320)
QUIET = bytes(640)


def vad_with(*, min_speech_frames: int = 2, hangover_frames: int = 3) -> EnergyVad:
    return EnergyVad(
        VadConfig(
            frame_duration_ms=20,
            min_speech_frames=min_speech_frames,
            hangover_frames=hangover_frames,
            speech_zcr_range=(0.01, 0.9),
        )
    )


def test_f1_the_defaults_are_those_of_the_handle() -> None:
    config = VadConfig()
    assert config.frame_size == 480
    assert config == VadConfig(
        sample_rate=16_000,
        frame_duration_ms=30,
        start_threshold_db=15.0,
        stop_threshold_db=10.0,
        min_speech_frames=2,
        hangover_frames=8,
        speech_zcr_range=(0.02, 0.5),
        initial_noise_floor_db=-60.0,
    )


def test_f2_before_any_frame_there_is_nothing_to_tell() -> None:
    vad = EnergyVad()
    assert vad.state == "silence"
    assert not vad.speaking
    assert vad.frames_processed == 0
    assert vad.last_probability is None
    assert vad.last_transition is None


def test_f2_frames_probability_and_last_transition_follow_the_audio() -> None:
    vad = vad_with()
    vad.push(QUIET)
    assert (vad.frames_processed, vad.last_probability, vad.last_transition) == (1, 0.0, None)
    vad.push(LOUD * 3)
    assert (vad.frames_processed, vad.last_probability, vad.last_transition) == (4, 1.0, 2)
    vad.push(QUIET * 3)
    assert (vad.frames_processed, vad.last_probability, vad.last_transition) == (7, 0.0, 6)


def test_f3_a_partial_frame_waits_for_the_rest() -> None:
    vad = EnergyVad(RUST_TESTS)
    wave = square(640)
    assert vad.push(wave[:200]) == []
    assert vad.frames_processed == 0
    assert vad.push(wave[200:]) == [Edge(speaking=True, frame=1)]
    assert vad.speaking


def test_f4_silence_is_silence() -> None:
    vad = vad_with()
    assert vad.push(QUIET * 10) == []
    assert vad.state == "silence"


def test_f4_the_first_loud_frame_is_pending_and_the_second_starts_speech() -> None:
    vad = vad_with()
    assert vad.push(LOUD) == []
    assert vad.state == "pending_speech"
    assert not vad.speaking
    assert vad.push(LOUD) == [Edge(speaking=True, frame=1)]
    assert vad.state == "speech"


def test_f5_the_last_frame_of_the_hangover_ends_speech() -> None:
    vad = vad_with(hangover_frames=3)
    vad.push(LOUD * 2)
    assert vad.push(QUIET) == []
    assert vad.state == "hangover"
    assert vad.speaking
    assert vad.push(QUIET) == []
    assert vad.push(QUIET) == [Edge(speaking=False, frame=4)]
    assert vad.state == "silence"


def test_f5_speech_in_the_hangover_goes_on_without_an_edge() -> None:
    vad = vad_with(hangover_frames=3)
    vad.push(LOUD * 2 + QUIET * 2)
    assert vad.push(LOUD) == []
    assert vad.state == "speech"
    assert vad.push(QUIET * 2) == []


def test_f6_one_loud_frame_is_no_speech() -> None:
    vad = vad_with()
    assert vad.push(LOUD + QUIET) == []
    assert vad.state == "silence"


def test_f6_with_a_minimum_of_one_the_first_frame_starts_speech() -> None:
    assert vad_with(min_speech_frames=1).push(LOUD) == [Edge(speaking=True, frame=0)]


@pytest.mark.parametrize(
    ("samples", "lowest", "highest"), [([32767] * 320, -1.0, 0.1), ([0] * 320, -96.0, -96.0)]
)
def test_f7_levels(samples: list[int], lowest: float, highest: float) -> None:
    level = level_dbfs(from_bytes(np.array(samples, "<i2").tobytes()))
    assert lowest <= level <= highest


def test_f7_zero_crossings() -> None:
    alternating = np.tile([1000, -1000], 50)
    assert zero_crossing_rate(alternating < 0) > 0.9
    assert zero_crossing_rate(np.full(100, 1000) < 0) == 0.0
    assert zero_crossing_rate(np.zeros(1) < 0) == 0.0


def test_f8_reset_forgets_the_floor_and_the_frames() -> None:
    vad = vad_with()
    vad.push(noise(4.0) + LOUD[:100])
    assert vad.noise_floor_db > -45.0
    vad.reset()
    assert vad.noise_floor_db == -60.0
    assert (vad.state, vad.frames_processed) == (VadState.SILENCE, 0)
    assert vad.push(LOUD) == []
    assert vad.frames_processed == 1, "a partial frame from before would make it misaligned"


def test_f9_the_hangover_is_speaking() -> None:
    vad = vad_with(hangover_frames=3)
    vad.push(LOUD * 2 + QUIET)
    assert (vad.state, vad.speaking) == (VadState.HANGOVER, True)


AUDIO = silence(0.4) + speech_like(0.9) + silence(0.5) + speech_like(0.6, seed=5) + noise(0.7)


@given(st.lists(st.integers(0, len(AUDIO)), max_size=40))
def test_f9_where_the_stream_is_cut_never_matters(cuts: list[int]) -> None:
    whole = EnergyVad()
    expected = whole.push(AUDIO)
    assert len(expected) >= 3
    vad = EnergyVad()
    bounds = [0, *sorted(cuts), len(AUDIO)]
    edges = [e for a, b in pairwise(bounds) for e in vad.push(AUDIO[a:b])]
    assert edges == expected
    assert (vad.state, vad.frames_processed) == (whole.state, whole.frames_processed)


def test_one_byte_at_a_time_is_heard_alike() -> None:
    audio = QUIET[:-1] + LOUD * 3 + QUIET
    vad = vad_with()
    assert [e for i in range(len(audio)) for e in vad.push(audio[i : i + 1])] == vad_with().push(
        audio
    )


@pytest.mark.parametrize("level_dbfs", [-65.0, -50.0, -40.0, -30.0])
def test_steady_noise_never_starts_speech_once_it_is_known(level_dbfs: float) -> None:
    vad = EnergyVad()
    vad.push(noise(3.0, level_dbfs=level_dbfs))
    assert vad.push(noise(10.0, level_dbfs=level_dbfs, seed=9)) == []
    assert not vad.speaking


def test_a_step_of_loud_noise_does_not_lock_the_detector_on() -> None:
    vad = EnergyVad()
    vad.push(noise(4.0, level_dbfs=-65.0))
    vad.push(noise(4.0, level_dbfs=-30.0))
    assert not vad.speaking
    assert vad.noise_floor_db > -35.0


def test_the_floor_moves_during_speech_too() -> None:
    vad = EnergyVad()
    vad.push(silence(1.0))
    before = vad.noise_floor_db
    vad.push(speech_like(3.5))
    assert vad.noise_floor_db > before


def test_the_faintest_noise_after_digital_silence_is_no_speech() -> None:
    vad = EnergyVad()
    assert vad.push(silence(4.0) + noise(4.0, level_dbfs=-68.0)) == []


@pytest.mark.parametrize("background_dbfs", [-96.0, -60.0, -50.0])
def test_speech_over_a_quieter_background_is_found_once_and_ends_once(
    background_dbfs: float,
) -> None:
    background = from_bytes(noise(6.0, level_dbfs=background_dbfs))
    speech = from_bytes(silence(2.0) + speech_like(2.0) + silence(2.0))
    mixed = ((background + speech) * 32767).astype("<i2").tobytes()
    vad = EnergyVad(VadConfig(hangover_frames=12))
    edges = vad.push(mixed)
    assert [edge.speaking for edge in edges] == [True, False]
    assert abs(edges[0].frame * 0.03 - 2.0) < 0.15
    assert abs(edges[1].frame * 0.03 - (4.0 + 12 * 0.03)) < 0.2


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 24_000, 44_100, 48_000])
def test_any_rate_is_heard_in_its_own_frames(rate: int) -> None:
    vad = EnergyVad(VadConfig(sample_rate=rate))
    edges = vad.push(
        silence(0.5, rate=rate) + speech_like(0.8, rate=rate) + silence(0.6, rate=rate)
    )
    assert [edge.speaking for edge in edges] == [True, False]


def test_a_frame_without_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="sample"):
        EnergyVad(VadConfig(sample_rate=10))
