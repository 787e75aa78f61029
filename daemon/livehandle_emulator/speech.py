"""A voice for what the emulator says: letters become sounds, no model and no recording.

Each letter is given the resonances of a vowel, or a noise, and the sounds run into each other.
It is a robot's speech: it has the rhythm, pitch and spectrum of speech, and few would make out
every word.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from livehandled.voice.pcm import Samples

SPEECH_RATE = 24_000
"""Of the voice's samples, in Hz: what the service sends (wire 4.8)."""

_FRAME = 120  # samples: 5 ms
_SMOOTHING_FRAMES = 7
_PITCH_HZ = 118.0
_PITCH_FALL = 0.2  # share of the pitch that is lost by the end of a phrase
_HIGHEST_HARMONIC_HZ = 4_000.0
_BANDWIDTHS_HZ = np.array([90.0, 130.0, 200.0])
_FORMANT_GAINS = np.array([1.0, 0.55, 0.25])
_PEAK = 0.5

_Array = NDArray[np.float64]


class _Sound(NamedTuple):
    """How one letter sounds."""

    milliseconds: int
    formants: tuple[float, float, float] = (500.0, 1500.0, 2500.0)  # in Hz
    voice: float = 0.0
    hiss: float = 0.0  # noise that is strongest at high frequencies
    breath: float = 0.0  # noise that is not


_PAUSE = _Sound(70)
_STOP = _Sound(160)
_SOUNDS = {
    "a": _Sound(105, (730, 1090, 2440), 1.0),
    "e": _Sound(85, (530, 1840, 2480), 0.9),
    "i": _Sound(80, (300, 2250, 3000), 0.8),
    "o": _Sound(100, (570, 840, 2410), 1.0),
    "u": _Sound(90, (320, 870, 2240), 0.9),
    "y": _Sound(70, (300, 2100, 2900), 0.7),
    "w": _Sound(60, (300, 700, 2200), 0.5),
    "j": _Sound(60, (290, 2200, 2900), 0.5, hiss=0.1),
    "l": _Sound(65, (360, 1300, 2700), 0.55),
    "r": _Sound(65, (420, 1250, 1650), 0.55),
    "m": _Sound(70, (250, 1000, 2200), 0.4),
    "n": _Sound(65, (260, 1450, 2300), 0.4),
    "v": _Sound(60, (300, 1100, 2300), 0.3, breath=0.05),
    "z": _Sound(70, (300, 1700, 2600), 0.25, hiss=0.15),
    "s": _Sound(90, hiss=0.3),
    "x": _Sound(90, hiss=0.25),
    "c": _Sound(70, hiss=0.2),
    "f": _Sound(80, breath=0.12),
    "h": _Sound(55, breath=0.1),
    "b": _Sound(55, (300, 900, 2200), 0.25, breath=0.03),
    "d": _Sound(55, (300, 1700, 2600), 0.25, hiss=0.05),
    "g": _Sound(55, (300, 1500, 2000), 0.25, breath=0.04),
    "p": _Sound(60, breath=0.06),
    "t": _Sound(60, hiss=0.12),
    "k": _Sound(60, breath=0.08),
    "q": _Sound(60, breath=0.08),
    " ": _PAUSE,
    ",": _STOP,
    ".": _STOP,
    "!": _STOP,
    "?": _STOP,
    ":": _STOP,
}
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def speak(text: str) -> Samples:
    """Return the sound of a text, the same for the same text."""
    sounds = [sound for word in text.split() for sound in (*_sounds(word), _PAUSE)]
    if not sounds:
        return np.zeros(0, np.float32)
    frames = [max(1, sound.milliseconds * SPEECH_RATE // 1000 // _FRAME) for sound in sounds]
    tracks = np.repeat(
        np.array([[*s.formants, s.voice, s.hiss, s.breath] for s in sounds]), frames, axis=0
    )
    smooth = _smoothed(tracks)
    signal = _voiced(smooth[:, :3], smooth[:, 3]) + _noise(smooth[:, 4], smooth[:, 5])
    peak = float(np.abs(signal).max())
    scaled: Samples = (signal * (_PEAK / peak if peak > 0.0 else 0.0)).astype(np.float32)
    return scaled


def _sounds(word: str) -> list[_Sound]:
    spelt = "".join(_DIGITS[int(c)] if c in "0123456789" else c for c in word.lower())
    return [
        _SOUNDS[c] if c in _SOUNDS else _SOUNDS["aeiou"[ord(c) % 5]]
        for c in spelt
        if c in _SOUNDS or c.isalpha()
    ]


def _smoothed(tracks: _Array) -> _Array:
    """Return tracks whose steps have become slopes: one sound runs into the next."""
    edge = _SMOOTHING_FRAMES // 2
    padded = np.pad(tracks, ((edge + 1, edge), (0, 0)), mode="edge")
    padded[: edge + 1, 3:] = 0.0  # out of silence
    sums = np.cumsum(padded, axis=0)
    smooth: _Array = (sums[_SMOOTHING_FRAMES:] - sums[:-_SMOOTHING_FRAMES]) / _SMOOTHING_FRAMES
    return smooth


def _voiced(formants: _Array, loudness: _Array) -> _Array:
    """Return the harmonics of a falling pitch, each as strong as the resonances make it."""
    count = len(loudness)
    at = np.arange(count * _FRAME) / _FRAME
    pitch = _PITCH_HZ * (1.0 - _PITCH_FALL * at / count + 0.04 * np.sin(at / 23.0))
    phase = 2.0 * np.pi * np.cumsum(pitch) / SPEECH_RATE
    # sin(k x) follows from the two before it, at a fraction of the cost of a sine.
    twice_cosine = 2.0 * np.cos(phase)
    before, harmonic = np.zeros_like(phase), np.sin(phase)
    signal = np.zeros_like(phase)
    frame_pitch = pitch[::_FRAME]
    for k in range(1, int(_HIGHEST_HARMONIC_HZ / _PITCH_HZ) + 1):
        distance = (k * frame_pitch[:, np.newaxis] - formants) / _BANDWIDTHS_HZ
        gain = (_FORMANT_GAINS / (1.0 + distance**2)).sum(axis=1) * loudness
        signal += np.interp(at, np.arange(count), gain) * harmonic
        before, harmonic = harmonic, twice_cosine * harmonic - before
    return signal


def _noise(hiss: _Array, breath: _Array) -> _Array:
    count = len(hiss) * _FRAME
    white = np.random.default_rng(0).standard_normal(count + 2)
    at, frames = np.arange(count) / _FRAME, np.arange(len(hiss))
    sharp = np.diff(white, n=2) * 0.4
    mixed: _Array = np.interp(at, frames, hiss) * sharp + np.interp(at, frames, breath) * white[2:]
    return mixed
