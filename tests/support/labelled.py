"""Speech in noise of which every moment is known to be speech or not, and how well it is found.

The labels come from the clean recordings: a step of 10 ms is speech if it is within 40 dB of the
loudest one of its recording, and so is a gap of up to 200 ms, which is what a plosive leaves.
They agree with the synthesiser's own phoneme boundaries to 30 ms.
"""

import statistics
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from livehandled.voice.detector import Detector
from livehandled.voice.pcm import Samples, from_bytes, to_bytes

RATE = 16_000
STEP_S = 0.01

Noise = Literal["none", "white", "fan"]
CONDITIONS: tuple[tuple[Noise, float], ...] = (
    ("none", 0.0),
    ("white", 20.0),
    ("white", 10.0),
    ("fan", 20.0),
    ("fan", 10.0),
)
"""Noise and the ratio of speech to it, in dB."""

_STEP = int(RATE * STEP_S)
_BELOW_PEAK_DB = 40.0
_LONGEST_CLOSURE = 20  # steps
SPEECH_DBFS = -26.0  # while speech lasts, as telephony sets its levels
_LEAD_S = 3.0
_PAUSE_S = 1.0
_SETTLING_S = 1.0
_RECENT_S = 0.1  # an edge is so late at least, where speech is what made it
_CHUNK = 640

_ROOT = Path(__file__).parents[2]
_RECORDINGS = (
    *sorted((_ROOT / "client" / "livectl" / "data").glob("*.wav")),
    *sorted((_ROOT / "tests" / "support" / "recordings").glob("*.wav")),
)

Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Labelled:
    """A stream of audio and what is true of it."""

    pcm: bytes
    speech: Labels
    """Of each step of 10 ms."""
    onsets_s: tuple[float, ...]
    """Where speech begins after a second without."""


@dataclass(frozen=True)
class Found:
    """How well a detector did on a stream."""

    f1: float
    """Of the steps: harmonic mean of how many of those found are speech, and the reverse."""
    latencies_s: tuple[float, ...]
    """From each onset that was found to the end of the frame that decided it."""
    missed: int
    """Onsets without an edge before their speech had ended."""
    false_starts: int
    """Edges where no speech was, once the detector has had a second to know the noise."""

    @property
    def median_s(self) -> float:
        return statistics.median(self.latencies_s) if self.latencies_s else float("nan")


def speech_in_noise(
    noise: Noise, snr_db: float, *, seed: int = 1, gain_db: float = 0.0, lead_s: float = _LEAD_S
) -> Labelled:
    """Return all recordings, a second apart, in noise that lasts from the start to the end."""
    parts: list[Samples] = [np.zeros(int(lead_s * RATE), np.float32)]
    labels = [np.zeros(parts[0].size // _STEP, np.bool_)]
    onsets = []
    pause = np.zeros(int(_PAUSE_S * RATE), np.float32)
    for samples, speech in _recordings():
        begun = sum(label.size for label in labels)
        onsets.append((begun + int(np.argmax(speech))) * STEP_S)
        parts += [samples, pause]
        labels += [speech, np.zeros(pause.size // _STEP, np.bool_)]
    mixed = np.concatenate(parts)
    if noise != "none":
        mixed = mixed + steady_noise(noise, mixed.size, SPEECH_DBFS - snr_db, seed=seed)
    scaled = (mixed * 10 ** (gain_db / 20)).astype(np.float32)
    return Labelled(to_bytes(scaled), np.concatenate(labels), tuple(onsets))


def steady_noise(noise: Noise, samples: int, level_dbfs: float, *, seed: int = 1) -> Samples:
    """Return noise of one level: white, or a fan's, which is rumble and the hum of its blades."""
    raw = np.random.default_rng(seed).standard_normal(samples)
    if noise == "fan":
        spectrum = np.fft.rfft(raw)
        hertz = np.fft.rfftfreq(samples, 1 / RATE)
        raw = np.fft.irfft(spectrum / (1 + (hertz / 250) ** 2), samples)
        raw /= np.sqrt(np.mean(raw**2))
        at = np.arange(samples) / RATE
        raw += sum(0.5 / k * np.sin(2 * np.pi * 110 * k * at + k) for k in range(1, 9))
    level: Samples = (raw / np.sqrt(np.mean(raw**2)) * 10 ** (level_dbfs / 20)).astype(np.float32)
    return level


def measure(detector: Detector, labelled: Labelled) -> Found:
    """Let a detector that has heard nothing hear it all, in chunks of 20 ms."""
    frame_s = detector.frame_size / detector.sample_rate
    starts = []
    heard = []
    for first in range(0, len(labelled.pcm), _CHUNK):
        before = detector.frames_processed
        edges = detector.push(labelled.pcm[first : first + _CHUNK])
        heard += [detector.speaking] * (detector.frames_processed - before)
        starts += [(edge.frame + 1) * frame_s for edge in edges if edge.speaking]
    return _judge(labelled, np.array(heard), starts, frame_s)


def _judge(labelled: Labelled, heard: Labels, starts: Sequence[float], frame_s: float) -> Found:
    speech = labelled.speech
    middle = (np.arange(speech.size) + 0.5) * STEP_S
    found = heard[np.minimum((middle / frame_s).astype(int), heard.size - 1)]
    f1 = 2 * int((found & speech).sum()) / (int(found.sum()) + int(speech.sum()))
    ends = [*(onset - _PAUSE_S for onset in labelled.onsets_s[1:]), speech.size * STEP_S]
    firsts = [
        min((s for s in starts if onset < s < end + _PAUSE_S / 2), default=None)
        for onset, end in zip(labelled.onsets_s, ends, strict=True)
    ]
    latencies = [
        first - onset
        for first, onset in zip(firsts, labelled.onsets_s, strict=True)
        if first is not None
    ]
    recently = round(_RECENT_S / STEP_S)
    false = [
        start
        for start in starts
        if start > _SETTLING_S and not speech[int(start / STEP_S) - recently :][:recently].any()
    ]
    return Found(f1, tuple(latencies), len(firsts) - len(latencies), len(false))


@cache
def _recordings() -> tuple[tuple[Samples, Labels], ...]:
    return tuple(_recording(path) for path in _RECORDINGS)


def _recording(path: Path) -> tuple[Samples, Labels]:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        samples = from_bytes(file.readframes(file.getnframes()))
    samples = samples[: samples.size // _STEP * _STEP]
    power = np.mean(samples.reshape(-1, _STEP) ** 2, axis=1)
    speech = _without_closures(power > power.max() * 10 ** (-_BELOW_PEAK_DB / 10))
    level = np.sqrt(power[speech].mean())
    return samples * np.float32(10 ** (SPEECH_DBFS / 20) / level), speech


def _without_closures(speech: Labels) -> Labels:
    filled = speech.copy()
    loud = np.flatnonzero(speech)
    for before, after in pairwise(loud):
        if after - before <= _LONGEST_CLOSURE:
            filled[before:after] = True
    return filled
