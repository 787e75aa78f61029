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

_PIECE = 64  # frames
_WITHIN = np.arange(_FRAME) / _FRAME
_HARMONICS = np.arange(1, int(_HIGHEST_HARMONIC_HZ / _PITCH_HZ) + 1)[:, np.newaxis]
_POINTS = 512  # of a period
_PERIODS = np.sin(2.0 * np.pi * _HARMONICS * np.arange(_POINTS) / _POINTS).astype(np.float32)


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
    random = np.random.default_rng(0)
    # By pieces: what is computed of a sample takes many times the room of the sample.
    signal: Samples = np.concatenate(
        [
            _signal(smooth[first : first + _PIECE + 1], first, len(smooth), random)
            for first in range(0, len(smooth) - 1, _PIECE)
        ]
    )
    peak = float(np.abs(signal).max())
    return signal * np.float32(_PEAK / peak if peak > 0.0 else 0.0)


def _sounds(word: str) -> list[_Sound]:
    spelt = "".join(_DIGITS[int(c)] if c in "0123456789" else c for c in word.lower())
    return [
        _SOUNDS[c] if c in _SOUNDS else _SOUNDS["aeiou"[ord(c) % 5]]
        for c in spelt
        if c in _SOUNDS or c.isalpha()
    ]


def _smoothed(tracks: _Array) -> _Array:
    """Return tracks whose steps have become slopes: one sound runs into the next.

    There is a row for the beginning of each frame, and one for the end of the last.
    """
    edge = _SMOOTHING_FRAMES // 2
    padded = np.pad(tracks, ((edge + 1, edge + 1), (0, 0)), mode="edge")
    padded[: edge + 1, 3:] = 0.0  # out of silence
    sums = np.cumsum(padded, axis=0)
    smooth: _Array = (sums[_SMOOTHING_FRAMES:] - sums[:-_SMOOTHING_FRAMES]) / _SMOOTHING_FRAMES
    return smooth


def _signal(tracks: _Array, first: int, count: int, random: np.random.Generator) -> Samples:
    """Return the sound of frames from the one numbered `first` on, of `count` in all."""
    voiced = _voiced(tracks[:, :3], tracks[:, 3], first, count)
    signal: Samples = (voiced + _noise(tracks[:, 4], tracks[:, 5], random)).astype(np.float32)
    return signal


def _voiced(formants: _Array, loudness: _Array, first: int, count: int) -> _Array:
    """Return the harmonics of a falling pitch, each as strong as the resonances make it."""
    at = first + np.arange(len(loudness))
    fall = _PITCH_FALL / count
    pitch = _PITCH_HZ * (1.0 - fall * at + 0.04 * np.sin(at / 23.0))
    distance = ((_HARMONICS * pitch)[..., np.newaxis] - formants) / _BANDWIDTHS_HZ
    gains = (_FORMANT_GAINS / (1.0 + distance**2)).sum(axis=2) * loudness
    # One period of each frame's wave, to be read at the pace of the pitch. A matrix product would
    # go to threads, which wait for each other where the machine is busy.
    waves = np.einsum("kf,kp->fp", gains.astype(np.float32), _PERIODS)
    # The integral of the pitch.
    periods = at - fall / 2.0 * at**2 + 0.04 * 23.0 * (1.0 - np.cos(at / 23.0))
    periods *= _PITCH_HZ * _FRAME / SPEECH_RATE
    points = (_between(periods) % 1.0 * _POINTS).astype(np.intp).reshape(-1, _FRAME)
    start = np.take_along_axis(waves[:-1], points, axis=1)
    end = np.take_along_axis(waves[1:], points, axis=1)
    return _mixed(start, end).ravel()


def _noise(hiss: _Array, breath: _Array, random: np.random.Generator) -> _Array:
    white = random.standard_normal((len(hiss) - 1) * _FRAME + 2)
    sharp = np.diff(white, n=2) * 0.4
    return _between(hiss) * sharp + _between(breath) * white[2:]


def _between(track: _Array) -> _Array:
    """Return what has a value at the beginning of each frame for each of its samples."""
    return _mixed(track[:-1, np.newaxis], track[1:, np.newaxis]).ravel()


def _mixed(start: _Array | Samples, end: _Array | Samples) -> _Array:
    """Return what turns from one into the other within each frame."""
    mixed: _Array = start + (end - start) * _WITHIN
    return mixed
