"""Two voices on one clock: what the user said and what was heard of the model. Sans-I/O.

Each side is placed where it was in time. The user's ends when it came; pieces that follow on each
other are joined, whatever their jitter. The model's begins when it came, or behind what still
plays of it, as a speaker plays it; an interruption cuts it off.
"""

import numpy as np
from numpy.typing import NDArray

from livehandled.recording.wave_head import RATE
from livehandled.voice import pcm

MOST_AHEAD_S = 900.0
"""Speech that is further ahead of what is heard is not kept."""

_JOINED_S = 0.25
"""What begins so soon after the last piece is its continuation."""

_USER_RATE = 16_000
_BEFORE, _BEHIND = 64, 32
"""Samples that the filter looks back on and ahead to: more than its half width."""

_Samples = NDArray[np.int16]


class _Side:
    """The samples of one side from the first that was not taken on."""

    def __init__(self) -> None:
        self.first = 0
        self.end = 0
        """Behind the last sample there is."""
        self._pieces: list[tuple[int, _Samples]] = []

    def put(self, at: int, samples: _Samples) -> None:
        """Put samples at a place, which is behind all there are: what is before `first` is late."""
        at = max(at, self.end, self.first)
        self._pieces.append((at, samples))
        self.end = at + samples.size

    def cut(self, at: int) -> None:
        """Drop what is at a place or behind it."""
        kept = [(start, samples[: max(0, at - start)]) for start, samples in self._pieces]
        self._pieces = [(start, samples) for start, samples in kept if samples.size]
        self.end = min(self.end, max(at, self.first))

    def take(self, until: int) -> _Samples:
        """Remove and return what is before a place, with silence where there is nothing."""
        taken = np.zeros(max(0, until - self.first), np.int16)
        rest: list[tuple[int, _Samples]] = []
        for start, samples in self._pieces:
            here = max(0, until - start)
            taken[start - self.first :][: min(here, samples.size)] = samples[:here]
            if here < samples.size:
                rest.append((start + here, samples[here:]))
        self._pieces = rest
        self.first = max(self.first, until)
        return taken


class Stereo:
    """Aligns the two sides. Times are seconds from the start, and do not go back."""

    def __init__(self) -> None:
        self._user = _Side()
        self._model = _Side()
        self._tail = np.zeros(_BEFORE + _BEHIND, np.float32)
        """Of the user's samples, those that the filter looks back on, and those not done yet."""

    def user(self, data: bytes, at: float) -> bool:
        """Take the microphone's sound, PCM at 16 kHz whose last sample was heard at `at`.

        False, and it is not taken, if it is too far ahead: it is sent faster than anybody speaks.
        """
        if self._user.end / RATE - at > MOST_AHEAD_S:
            return False
        samples = pcm.from_bytes(data)
        start = round((at - samples.size / _USER_RATE) * RATE)
        joined = start - self._user.end < _JOINED_S * RATE
        if not joined:
            self._tail = np.zeros(_BEFORE + _BEHIND, np.float32)
        place = self._user.end if joined else start - _raised(_BEHIND)
        self._user.put(place, _int16(self._resampled(samples)))
        return True

    def _resampled(self, samples: pcm.Samples) -> pcm.Samples:
        """Return what can be said by now at the higher rate: the filter looks both ways."""
        known = np.concatenate([self._tail, samples])
        # An odd sample waits, so that every piece is whole at both rates.
        until = known.size - _BEHIND - known.size % 2
        self._tail = known[until - _BEFORE :]
        return pcm.resample(known, _USER_RATE, RATE)[_raised(_BEFORE) : _raised(until)]

    def model(self, data: bytes, rate: int, at: float) -> bool:
        """Take speech of the model that came at `at`. False, and it is not taken, if too far on."""
        if self._model.end / RATE - at > MOST_AHEAD_S:
            return False
        samples = pcm.from_bytes(data)
        self._model.put(round(at * RATE), _int16(pcm.resample(samples, rate, RATE)))
        return True

    def cut(self, at: float) -> None:
        """Note that what of the model had not been played was thrown away."""
        self._model.cut(round(at * RATE))

    def take(self, until: float) -> bytes:
        """Remove and return both sides up to a time, sample by sample, left and right."""
        end = round(until * RATE)
        left, right = self._user.take(end), self._model.take(end)
        both = np.empty((left.size, 2), "<i2")
        both[:, 0], both[:, 1] = left, right
        return both.tobytes()


def _raised(samples: int) -> int:
    """Return how many samples an even number of the user's become."""
    return samples * RATE // _USER_RATE


def _int16(samples: pcm.Samples) -> _Samples:
    return np.frombuffer(pcm.to_bytes(samples), "<i2").astype(np.int16)
