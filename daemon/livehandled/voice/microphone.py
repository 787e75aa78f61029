"""What becomes of microphone audio: edges, marks and frames, in the order of the wire (B6).

With client authority the service hears only what lies between two activity marks, and the start
mark comes late: after the frames the detector needs, or after a held interruption. So that the
first syllable is not cut, audio outside an activity goes through a delay line and leaves it
after the mark (wire 4.7).
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from livehandled.voice.commit import CommitSignal, TurnCommit
from livehandled.voice.detector import Detector, Edge

SILENT_AFTER = 1.0
"""Seconds after a chunk has been played, without another: the microphone has fallen silent."""

_MOST_SILENCE = 1001  # frames: the longest hangover that may be set, and one that had begun
_SAMPLE_BYTES = 2


class Heard(NamedTuple):
    """Speech started or ended, as the detector has it."""

    speaking: bool


class Committed(NamedTuple):
    """An activity starts or ends."""

    speaking: bool


class Audio(NamedTuple):
    """A frame to send: the base64 text as it came."""

    data: str


Step = Heard | Committed | Audio


class Microphone:
    """Turns each chunk of microphone audio into steps to be carried out in order.

    `detector` is a fresh one, or None: then nothing is heard, and audio passes straight through.
    `commit` is given if the client has authority over activities, that is if the service's
    automatic detection is off; without it there is neither a mark nor a delay. `pre_roll_ms` is
    how much audio before the start of speech goes into its activity.

    Outside an activity the last `pre_roll_ms` of audio wait in the delay line, rounded up to
    whole chunks. While an interruption is held nothing leaves the line, so it never holds more
    than pre-roll and `min_interruption_ms` together, each rounded up to whole chunks.
    """

    def __init__(
        self, detector: Detector | None, commit: TurnCommit | None, *, pre_roll_ms: int
    ) -> None:
        self.detector = detector
        self._commit = commit
        rate = detector.sample_rate if detector is not None else 0
        self._bytes_per_ms = _SAMPLE_BYTES * rate / 1000
        self._heard_bytes = 0  # the clock of the audio (B9); counted whole, it cannot drift
        self._line = _DelayLine(pre_roll_ms * self._bytes_per_ms)
        self._silent_at: float | None = None
        self._last_transition_at: float | None = None

    @property
    def last_transition_at(self) -> float | None:
        """When the last edge of speech was heard, None before any (F2)."""
        return self._last_transition_at

    @property
    def deadline(self) -> float | None:
        """When to call `fell_silent`, should no chunk come before; None if nothing waits."""
        if self.detector is None or self._silent_at is None:
            return None
        active = self._commit is not None and self._commit.active
        waits = self.detector.speaking or active or self._line
        return self._silent_at if waits else None

    def push(self, data: str, pcm: bytes, now: float, *, model_speaking: bool) -> list[Step]:
        """Take a chunk, its base64 text and its bytes (whole samples, at least one).

        A frame is never cut. It comes after the last start of speech in it, and before the end
        of speech unless that start follows (B6, B11). An activity that ends and another that
        starts in one chunk are one.
        """
        if self.detector is None:
            return [Audio(data)]
        # Whoever sends a second of audio at a time sends one a second.
        self._silent_at = now + len(pcm) / self._bytes_per_ms / 1000 + SILENT_AFTER
        edges = self._hear(self.detector, pcm, now)
        if not edges and self._commit is None:
            return [Audio(data)]
        starts = max((at for at, edge in enumerate(edges, 1) if edge.speaking), default=0)
        heard = [Heard(edge.speaking) for edge in edges]
        if self._commit is None:
            return [*heard[:starts], Audio(data), *heard[starts:]]
        was_active = self._commit.active
        started = self._advance(self.detector, self._commit, edges, model_speaking)
        opening: list[Step] = []
        if started and not was_active:
            opening.append(Committed(True))
        self._line.append(data, len(pcm))
        in_activity = was_active or started
        if in_activity:
            opening += self._line.release_all()
        elif not self._commit.pending:
            opening += self._line.release_surplus()
        ended = in_activity and not self._commit.active
        return [*heard[:starts], *opening, *heard[starts:], *([Committed(False)] if ended else [])]

    def fell_silent(self, now: float) -> list[Step]:
        """End what is open: no chunk came in time, and none may come for long.

        The detector hears silence until speech has ended. Nothing is sent, an interruption that
        is held is dismissed, and what waits in the line is dropped: it would be stale.
        """
        self._silent_at = None
        self._line.clear()
        steps: list[Step] = []
        if self.detector is not None:
            frame = bytes(_SAMPLE_BYTES * self.detector.frame_size)
            for _ in range(_MOST_SILENCE):
                if not self.detector.speaking:
                    break
                steps += [Heard(edge.speaking) for edge in self._hear(self.detector, frame, now)]
        if self._commit is not None:
            if self._commit.active:
                steps.append(Committed(False))
            self._commit.close()
        return steps

    def activity_opened(self) -> list[Step]:
        """Note that a client opened the activity: the steps come after its mark."""
        if self._commit is None or self._commit.active:
            return []
        self._commit.open()
        if self.detector is not None and not self.detector.speaking:
            # Silence counts from the first chunk: this client may have started no microphone.
            self._silent_at = None
        return self._line.release_all()

    def activity_closed(self) -> None:
        """Note that a client closed the activity: from now on the line fills again."""
        if self._commit is not None:
            self._commit.close()

    def _hear(self, detector: Detector, pcm: bytes, now: float) -> list[Edge]:
        self._heard_bytes += len(pcm)
        edges = detector.push(pcm)
        if edges:
            self._last_transition_at = now
        return edges

    def _advance(
        self, detector: Detector, commit: TurnCommit, edges: Sequence[Edge], model_speaking: bool
    ) -> bool:
        """Commit each edge at its own time, not at the chunk's; return whether one started."""
        signals = []
        for edge in edges:
            at_ms = _SAMPLE_BYTES * (edge.frame + 1) * detector.frame_size / self._bytes_per_ms
            signals += commit.advance([edge.speaking], at_ms, model_speaking=model_speaking)
        now_ms = self._heard_bytes / self._bytes_per_ms
        signals += commit.advance([], now_ms, model_speaking=model_speaking)
        return any(signal is not CommitSignal.ACTIVITY_END for signal in signals)


class _DelayLine:
    """Chunks that wait, oldest first."""

    def __init__(self, keep: float) -> None:
        self._keep = keep  # bytes of audio
        self._chunks: deque[tuple[str, int]] = deque()
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def append(self, data: str, size: int) -> None:
        self._chunks.append((data, size))
        self._size += size

    def release_surplus(self) -> list[Step]:
        """Let go of what is not needed to keep as much as is to be kept."""
        released: list[Step] = []
        while self._chunks and self._size - self._chunks[0][1] >= self._keep:
            data, size = self._chunks.popleft()
            self._size -= size
            released.append(Audio(data))
        return released

    def release_all(self) -> list[Step]:
        released: list[Step] = [Audio(data) for data, _ in self._chunks]
        self.clear()
        return released

    def clear(self) -> None:
        self._chunks.clear()
        self._size = 0
