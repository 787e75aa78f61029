"""The energy VAD, statement by statement (F1 to F10), and what it does in noise."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.voice.detector import Edge, VadConfig, VadState
from livehandled.voice.pcm import from_bytes, level_dbfs, to_bytes
from livehandled.voice.vad import EnergyVad, _NoiseFloor, zero_crossing_rate
from support.labelled import RATE, SPEECH_DBFS, Noise, measure, speech_in_noise, steady_noise
from support.speech import noise, silence, speech_like, square

DEFAULT = VadConfig()
BALANCED = VadConfig(start_threshold_db=12.0, stop_threshold_db=8.0)
SENSITIVE = VadConfig(start_threshold_db=9.0, stop_threshold_db=6.0)
CONFIGS = [pytest.param(DEFAULT, id="15/10"), pytest.param(SENSITIVE, id="9/6")]
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
    assert vad.backend == "energy-zcr"
    assert (vad.sample_rate, vad.frame_duration_ms, vad.frame_size) == (16_000, 30, 480)
    assert vad.state == "silence"
    assert not vad.speaking
    assert vad.frames_processed == 0
    assert vad.last_probability is None


def test_f2_frames_and_probability_follow_the_audio() -> None:
    vad = vad_with()
    vad.push(QUIET)
    assert (vad.frames_processed, vad.last_probability) == (1, 0.0)
    vad.push(LOUD * 3)
    assert (vad.frames_processed, vad.last_probability) == (4, 1.0)
    vad.push(QUIET * 3)
    assert (vad.frames_processed, vad.last_probability) == (7, 0.0)


def test_f3_a_partial_frame_waits_for_the_rest() -> None:
    vad = EnergyVad(RUST_TESTS)
    wave = square(640)
    assert vad.push(wave[: 2 * 100]) == []
    assert (vad.frames_processed, vad.speaking) == (0, False)
    assert vad.push(wave[2 * 100 :]) == [Edge(speaking=True, frame=1)]
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
    assert lowest < level <= highest or level == lowest == highest


@pytest.mark.parametrize("amplitude", [1, 10, 1_000, 32_767])
def test_f7_the_floor_is_in_the_same_decibels(amplitude: int) -> None:
    frame = square(480, amplitude=amplitude)
    vad = EnergyVad()
    vad.push(frame * 100)
    expected = level_dbfs(from_bytes(frame))
    assert vad.noise_floor_db == (pytest.approx(expected, abs=0.01) if amplitude > 1 else -60.0)


def test_f7_zero_crossings() -> None:
    alternating = np.tile(np.array([1000, -1000], np.float32), 50)
    assert zero_crossing_rate(alternating) > 0.9
    assert zero_crossing_rate(np.full(100, 1000, np.float32)) == 0.0
    assert zero_crossing_rate(np.zeros(1, np.float32)) == 0.0


@pytest.mark.parametrize(
    ("period", "starts"), [(4, True), (2, False), (80, True), (120, False), (1_000, False)]
)
def test_f1_f7_only_what_crosses_zero_like_speech_starts_it(period: int, starts: bool) -> None:
    vad = EnergyVad()
    vad.push(silence(0.3) + square(4_800, period=period))
    assert vad.speaking is starts


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


@pytest.mark.parametrize(("odd", "more"), [(1, 0), (639, 1), (641, 1)])
def test_f9_an_odd_byte_waits_as_well(odd: int, more: int) -> None:
    vad = vad_with(min_speech_frames=1)
    audio = LOUD * 3
    assert len(vad.push(audio[:odd])) == (odd >= 640)
    vad.push(audio[odd:])
    assert (vad.frames_processed, vad.speaking) == (3, True)


NOISY_STREET = VadConfig(
    start_threshold_db=21.0, stop_threshold_db=16.0, min_speech_frames=1, hangover_frames=10
)


@pytest.mark.parametrize(
    ("over_floor_db", "edges"), [(19.0, []), (24.0, [Edge(True, 100), Edge(False, 110)])]
)
def test_f10_a_noisy_street_needs_more_over_the_floor_and_less_time(
    over_floor_db: float, edges: list[Edge]
) -> None:
    street = noise(3.0, level_dbfs=-50.0)
    vad = EnergyVad(NOISY_STREET)
    vad.push(street)
    assert not vad.speaking
    assert vad.push(noise(0.03, level_dbfs=-50.0 + over_floor_db) + street[:19_200]) == edges


def test_f10_a_frame_of_any_length_is_heard_by_energy() -> None:
    vad = EnergyVad(VadConfig(frame_duration_ms=32))
    assert (vad.backend, vad.frame_size) == ("energy-zcr", 512)
    assert len(vad.push(silence(0.3) + speech_like(0.5) + silence(0.5))) == 2


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


@pytest.mark.parametrize("kind", ["white", "fan"])
@pytest.mark.parametrize("level_dbfs", [-70.0, -60.0, -50.0, -40.0, -30.0])
@pytest.mark.parametrize("config", CONFIGS)
def test_steady_noise_is_known_within_a_second_and_never_starts_speech_again(
    config: VadConfig, level_dbfs: float, kind: Noise
) -> None:
    audio = to_bytes(steady_noise(kind, 30 * RATE, level_dbfs))
    vad = EnergyVad(config)
    vad.push(audio[: 2 * RATE])
    assert not vad.speaking
    assert vad.push(audio[2 * RATE :]) == []


class AveragingFloor(_NoiseFloor):
    """The floor of the Rust detector (F8): an average that moves in silence alone."""

    def __init__(self, vad: EnergyVad) -> None:
        super().__init__(vad.config)
        self._vad = vad
        self._count = 0

    def add(self, level: float) -> None:
        if self._vad.state is VadState.SILENCE:
            self._count += 1
            self.level += min(0.01, 1 / self._count) * (level - self.level)


def averaging_vad() -> EnergyVad:
    vad = EnergyVad()
    vad._floor = AveragingFloor(vad)
    return vad


@pytest.mark.parametrize("kind", ["white", "fan"])
@pytest.mark.parametrize("from_dbfs", [-70.0, -50.0])
def test_f8_a_step_of_noise_does_not_lock_it_on_as_it_does_the_rust_floor(
    from_dbfs: float, kind: Noise
) -> None:
    quiet = to_bytes(steady_noise(kind, 4 * RATE, from_dbfs))
    louder = to_bytes(steady_noise(kind, 60 * RATE, -30.0))
    ours, theirs = EnergyVad(), averaging_vad()
    for vad in (ours, theirs):
        assert vad.push(quiet) == []
        assert [edge.speaking for edge in vad.push(louder[: 2 * RATE])] == [True]
    edges = ours.push(louder[2 * RATE :])
    assert [edge.speaking for edge in edges] == [False]
    assert edges[0].frame * 0.03 < 4.0 + 3.0 + 8 * 0.03
    assert ours.noise_floor_db == pytest.approx(-30.0, abs=3.0)
    assert theirs.push(louder[2 * RATE :]) == []
    assert theirs.speaking, "a minute later"


def test_f8_noise_that_is_gone_does_not_make_it_deaf() -> None:
    vad = EnergyVad()
    vad.push(noise(10.0, level_dbfs=-20.0))
    edges = vad.push(silence(0.5) + speech_like(0.8, level=0.1) + silence(0.5))
    assert [edge.speaking for edge in edges] == [True, False]


def test_the_floor_moves_during_speech_too() -> None:
    vad = EnergyVad()
    vad.push(silence(1.0))
    before = vad.noise_floor_db
    vad.push(speech_like(3.5))
    assert vad.noise_floor_db > before


def test_the_faintest_noise_after_digital_silence_is_no_speech() -> None:
    vad = EnergyVad()
    assert vad.push(silence(4.0) + noise(4.0, level_dbfs=-50.0)) == []


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


class Bound(NamedTuple):
    """What a detector must do at least, on the six onsets of a labelled stream."""

    f1: float
    median_s: float
    slowest_s: float
    missed: int = 0


DEAFENED = Bound(f1=0.2, median_s=0.5, slowest_s=2.0, missed=4)
"""15 dB over the floor is where the loudest syllables lie: what is said at 10 dB is half lost."""

QUALITY: list[tuple[VadConfig, Noise, float, Bound]] = [
    (DEFAULT, "none", 0.0, Bound(f1=0.90, median_s=0.10, slowest_s=0.15)),
    (DEFAULT, "white", 20.0, Bound(f1=0.88, median_s=0.15, slowest_s=0.27)),
    (DEFAULT, "fan", 20.0, Bound(f1=0.88, median_s=0.15, slowest_s=0.27)),
    (DEFAULT, "fan", 10.0, Bound(f1=0.55, median_s=0.25, slowest_s=1.2)),
    (DEFAULT, "white", 10.0, DEAFENED),
    (BALANCED, "white", 10.0, Bound(f1=0.80, median_s=0.20, slowest_s=0.30)),
    (BALANCED, "fan", 10.0, Bound(f1=0.83, median_s=0.20, slowest_s=0.30)),
    (SENSITIVE, "none", 0.0, Bound(f1=0.90, median_s=0.10, slowest_s=0.15)),
    (SENSITIVE, "white", 20.0, Bound(f1=0.88, median_s=0.12, slowest_s=0.18)),
    (SENSITIVE, "fan", 20.0, Bound(f1=0.88, median_s=0.12, slowest_s=0.18)),
    (SENSITIVE, "white", 10.0, Bound(f1=0.85, median_s=0.18, slowest_s=0.27)),
    (SENSITIVE, "fan", 10.0, Bound(f1=0.85, median_s=0.18, slowest_s=0.27)),
]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("config", "kind", "snr_db", "bound"), QUALITY)
def test_f8_speech_is_found_in_noise(
    config: VadConfig, kind: Noise, snr_db: float, bound: Bound, seed: int
) -> None:
    found = measure(EnergyVad(config), speech_in_noise(kind, snr_db, seed=seed))
    assert found.f1 >= bound.f1
    assert found.missed <= bound.missed
    assert found.median_s <= bound.median_s
    assert max(found.latencies_s) <= bound.slowest_s
    assert found.false_starts == 0


@pytest.mark.parametrize("kind", ["white", "fan"])
def test_f8_the_rust_floor_finds_no_speech_in_a_noise_it_did_not_begin_in(kind: Noise) -> None:
    louder = speech_in_noise(kind, 20.0, gain_db=10.0)
    ours, theirs = measure(EnergyVad(), louder), measure(averaging_vad(), louder)
    assert ours.f1 >= 0.85
    assert ours.missed == 0
    assert theirs.f1 < 0.75
    assert theirs.missed == len(louder.onsets_s)


@pytest.mark.parametrize("kind", ["none", "white"])
def test_who_speaks_from_the_first_moment_is_heard(kind: Noise) -> None:
    found = measure(EnergyVad(), speech_in_noise(kind, 20.0, lead_s=0.0))
    assert (found.missed, found.f1 > 0.88) == (0, True)


@pytest.mark.parametrize("gain_db", [-18.0, -10.0, 12.0])
def test_the_level_of_the_microphone_hardly_matters(gain_db: float) -> None:
    assert SPEECH_DBFS + gain_db > -45.0
    found = measure(EnergyVad(), speech_in_noise("white", 20.0, gain_db=gain_db))
    assert (found.missed, found.false_starts) == (0, 0)
    assert found.f1 > 0.85
