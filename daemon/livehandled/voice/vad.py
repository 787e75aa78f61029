"""Voice activity detection by energy and zero crossings (F1 to F9).

The noise floor is where this differs from the Rust detector (F8): not an average that moves in
silence alone, which locks on at the first step of loud noise, but the tenth percentile of the
last three seconds, which moves during speech too.
"""

from bisect import bisect_left, insort
from collections import deque
from math import log10

import numpy as np

from livehandled.voice.detector import Detector, Edge, FrameDetector, VadConfig, VadState
from livehandled.voice.pcm import SILENCE_DBFS, Samples

__all__ = ["Detector", "Edge", "EnergyVad", "VadConfig", "VadState", "zero_crossing_rate"]

_INT16 = np.dtype("<i2")
_FULL_SCALE_DB = 20.0 * log10(32768.0)

_FLOOR_WINDOW_MS = 3000
_FLOOR_PERCENTILE = 0.1
# Frames that the initial floor counts for. It gives way after nine times as many louder ones:
# half a second, so that a noisy room is known within the first second.
_INITIAL_WEIGHT = 2
# Below it no microphone is open. That says nothing of the room, so it counts as the initial floor:
# as it is, the faintest noise after it would stand above the floor.
_DIGITAL_SILENCE_DBFS = -75.0


class EnergyVad(FrameDetector):
    """Takes for speech what is well above the noise floor; to begin, it must sound voiced too."""

    backend = "energy-zcr"

    def __init__(self, config: VadConfig | None = None) -> None:
        super().__init__(config or VadConfig())

    def reset(self) -> None:
        """Forget everything heard, the noise floor too (F8)."""
        super().reset()
        self._floor = _NoiseFloor(self.config)

    @property
    def noise_floor_db(self) -> float:
        """The estimated level of the background, in dBFS."""
        return self._floor.level

    def _like_speech(self, frame: bytes) -> bool:
        samples: Samples = np.frombuffer(frame, _INT16).astype(np.float32)
        power = float(samples.dot(samples)) / samples.size
        level = max(10.0 * log10(power) - _FULL_SCALE_DB, SILENCE_DBFS) if power else SILENCE_DBFS
        over_floor = level - self._floor.level
        self._floor.add(level)
        config = self.config
        if self._speaking:
            loud = over_floor > config.stop_threshold_db
        else:
            low, high = config.speech_zcr_range
            loud = (
                over_floor > config.start_threshold_db
                and low <= zero_crossing_rate(samples) <= high
            )
        self._probability = 1.0 if loud else 0.0
        return loud


class _NoiseFloor:
    """The tenth percentile of the levels of the last three seconds."""

    def __init__(self, config: VadConfig) -> None:
        self._size = max(1, _FLOOR_WINDOW_MS // config.frame_duration_ms)
        self._initial = config.initial_noise_floor_db
        self._recent = deque([self._initial] * _INITIAL_WEIGHT)
        self._sorted = list(self._recent)
        self.level = self._initial

    def add(self, level: float) -> None:
        if len(self._recent) >= self._size:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        if level < _DIGITAL_SILENCE_DBFS:
            level = self._initial
        self._recent.append(level)
        insort(self._sorted, level)
        self.level = self._sorted[int(len(self._sorted) * _FLOOR_PERCENTILE)]


def zero_crossing_rate(samples: Samples) -> float:
    """Return the share of neighbouring samples that differ in sign (F7)."""
    negative = samples < 0
    crossings = int(np.count_nonzero(negative[1:] != negative[:-1]))
    return crossings / max(1, samples.size - 1)
