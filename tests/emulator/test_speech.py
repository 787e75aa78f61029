"""The emulator's voice."""

import tracemalloc

import numpy as np
import pytest

from livehandle_emulator import speech
from livehandle_emulator.speech import SPEECH_RATE, speak
from livehandled.voice.pcm import level_dbfs, resample, to_bytes
from livehandled.voice.vad import EnergyVad, VadConfig

SENTENCE = "You typed: what is the weather in Oslo?"


def test_the_same_text_sounds_the_same_and_another_does_not() -> None:
    assert speak(SENTENCE).tobytes() == speak(SENTENCE).tobytes()
    assert speak(SENTENCE).tobytes() != speak(SENTENCE + " And now?").tobytes()


@pytest.mark.parametrize("text", [SENTENCE, "a", "sss", "2026", "Привет, мир", "こんにちは", "…"])
def test_anything_can_be_said_at_a_level_that_does_not_clip(text: str) -> None:
    samples = speak(text)
    assert float(abs(samples).max(initial=0.0)) <= 0.5 + 1e-6
    if text != "…":
        assert level_dbfs(samples) > -45.0


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_nothing_takes_no_time(text: str) -> None:
    assert speak(text).size == 0


def test_it_speaks_about_as_fast_as_people_do() -> None:
    seconds = speak(SENTENCE).size / SPEECH_RATE
    assert 8.0 < len(SENTENCE) / seconds < 20.0


def test_a_voice_activity_detector_takes_it_for_speech() -> None:
    sound = to_bytes(resample(speak(SENTENCE), SPEECH_RATE, 16_000))
    vad = EnergyVad(VadConfig(hangover_frames=15))
    edges = vad.push(bytes(16_000) + sound + bytes(32_000))
    assert [edge.speaking for edge in edges] == [True, False]


def test_a_long_text_takes_little_more_room_than_its_sound() -> None:
    tracemalloc.start()
    try:
        samples = speak(SENTENCE * 10)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 6 * samples.nbytes


def test_a_long_sound_is_as_if_it_were_made_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    vowels = "aeiou " * 20
    samples = speak(vowels)
    monkeypatch.setattr(speech, "_PIECE", 1_000_000)
    assert np.allclose(speak(vowels), samples, atol=1e-3)
