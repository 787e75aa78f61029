"""Voice activity detection by energy and zero crossings (F1 to F9).

The noise floor is where this differs from the Rust detector: not an average that moves in
silence alone, which locks on at the first step of loud noise, but the tenth percentile of the
last three seconds, which moves during speech too.
"""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from livehandled.voice.pcm import from_bytes, level_dbfs

_FLOOR_WINDOW_MS = 3000
_FLOOR_PERCENTILE = 0.1
# Digital silence says nothing of the room: without a limit, the faintest noise after it would
# stand above the floor.
_LOWEST_FLOOR_DBFS = -75.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VadConfig:
    """What counts as speech (F1). Levels are in dB over the noise floor."""

    sample_rate: int = 16_000
    frame_duration_ms: int = 30
    start_threshold_db: float = 15.0
    stop_threshold_db: float = 10.0
    min_speech_frames: int = 2
    """Frames in a row before speech has started."""
    hangover_frames: int = 8
    """Quiet frames in a row before speech has ended."""
    speech_zcr_range: tuple[float, float] = (0.02, 0.5)
    """Share of sample pairs that change sign, for speech to start; both ends count as speech."""
    initial_noise_floor_db: float = -60.0

    @property
    def frame_size(self) -> int:
        """Samples in a frame."""
        return self.sample_rate * self.frame_duration_ms // 1000


class VadState(StrEnum):
    """Where the detector is. Speech and hangover are both speaking (F9)."""

    SILENCE = "silence"
    PENDING_SPEECH = "pending_speech"
    SPEECH = "speech"
    HANGOVER = "hangover"


class Edge(NamedTuple):
    """Speech started or ended."""

    speaking: bool
    frame: int
    """The frame that decided it, counted from 0: the last of `min_speech_frames` loud frames,
    or the last of `hangover_frames` quiet ones."""


class EnergyVad:
    """Finds the edges of speech in one stream of 16-bit mono PCM.

    Where the stream is cut into chunks never matters: what does not fill a frame waits for
    the next chunk, an odd byte too.
    """

    def __init__(self, config: VadConfig | None = None) -> None:
        self.config = config or VadConfig()
        self._frame_bytes = 2 * self.config.frame_size
        if self._frame_bytes <= 0:
            raise ValueError(f"a frame must hold a sample: {self.config}")
        self.reset()

    def reset(self) -> None:
        """Forget everything heard (F8)."""
        self._rest = b""
        self._speaking = False
        self._contrary = 0  # frames in a row that speak for the next edge
        self._frames = 0
        self._last_transition: int | None = None
        self._last_probability: float | None = None
        self._floor = _NoiseFloor(self.config)

    @property
    def state(self) -> VadState:
        """The state after the last whole frame."""
        if self._speaking:
            return VadState.HANGOVER if self._contrary else VadState.SPEECH
        return VadState.PENDING_SPEECH if self._contrary else VadState.SILENCE

    @property
    def speaking(self) -> bool:
        """Whether someone speaks: in speech or in hangover (F9)."""
        return self._speaking

    @property
    def noise_floor_db(self) -> float:
        """The estimated level of the background, in dBFS."""
        return self._floor.level

    @property
    def frames_processed(self) -> int:
        """Whole frames heard."""
        return self._frames

    @property
    def last_transition(self) -> int | None:
        """The frame of the last edge, None before any (F2)."""
        return self._last_transition

    @property
    def last_probability(self) -> float | None:
        """1.0 if the last frame was like speech, else 0.0; None before any frame (F2)."""
        return self._last_probability

    def push(self, pcm: bytes) -> list[Edge]:
        """Hear more audio and return the edges in it, oldest first."""
        pending = self._rest + pcm
        whole = len(pending) // self._frame_bytes
        self._rest = pending[whole * self._frame_bytes :]
        if whole == 0:
            return []
        size = self._frame_bytes // 2
        samples = from_bytes(pending[: whole * self._frame_bytes])
        negative = samples < 0
        edges = []
        for first in range(0, whole * size, size):
            frame = slice(first, first + size)
            edge = self._step(level_dbfs(samples[frame]), zero_crossing_rate(negative[frame]))
            if edge is not None:
                edges.append(edge)
        return edges

    def _step(self, level: float, zcr: float) -> Edge | None:
        """Take one frame in, and return the edge it makes, if any (F4, F5, F6)."""
        config = self.config
        frame = self._frames
        self._frames += 1
        over_floor = level - self._floor.level
        self._floor.add(level)
        if self._speaking:
            loud = over_floor > config.stop_threshold_db
            needed = config.hangover_frames
        else:
            low, high = config.speech_zcr_range
            loud = over_floor > config.start_threshold_db and low <= zcr <= high
            needed = config.min_speech_frames
        self._last_probability = 1.0 if loud else 0.0
        self._contrary = 0 if loud == self._speaking else self._contrary + 1
        if self._contrary < max(1, needed):
            return None
        self._speaking = loud
        self._contrary = 0
        self._last_transition = frame
        return Edge(loud, frame)


class _NoiseFloor:
    """The tenth percentile of the levels of the last three seconds."""

    def __init__(self, config: VadConfig) -> None:
        size = max(1, _FLOOR_WINDOW_MS // config.frame_duration_ms)
        self._recent = deque([config.initial_noise_floor_db] * size)
        self._sorted = list(self._recent)
        self._rank = int(size * _FLOOR_PERCENTILE)
        self.level = config.initial_noise_floor_db

    def add(self, level: float) -> None:
        bounded = max(level, _LOWEST_FLOOR_DBFS)
        oldest = self._recent.popleft()
        self._recent.append(bounded)
        del self._sorted[bisect_left(self._sorted, oldest)]
        insort(self._sorted, bounded)
        self.level = self._sorted[self._rank]


def zero_crossing_rate(negative: NDArray[np.bool_]) -> float:
    """Return the share of neighbouring samples that differ in sign, given their signs (F7)."""
    crossings = int(np.count_nonzero(negative[1:] != negative[:-1]))
    return crossings / max(1, negative.size - 1)
