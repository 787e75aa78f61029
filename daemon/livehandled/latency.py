"""How long the user waits for an answer: when the wait begins and ends, and its figures (H)."""

from bisect import bisect_left
from collections import deque
from itertools import zip_longest
from typing import Annotated, Literal

from msgspec import Meta, Struct

EndOfSpeech = Literal["server_vad", "client_vad", "activity_end"]
"""Who says that the user stopped speaking (Z13)."""

Source = Literal[EndOfSpeech, "text"]
"""What a response answers: the end of speech, or a text."""

BOUNDS_MS = (
    *(50, 100, 150, 200, 300, 400, 500, 650, 800),
    *(1000, 1300, 1600, 2000, 2500, 3000, 4000, 5000),
)
"""The upper ends of the histogram's buckets, each inclusive; one more is open (H2)."""

RECENT = 256
"""Percentiles are those of this many samples, the latest (H2)."""


_BUCKETS = len(BOUNDS_MS) + 1


class SavedLatency(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a `Latency` outlives the daemon: all of it. Its sums and samples are in ms."""

    count: int
    last_ms: int
    min_ms: int
    max_ms: int
    total_ms: int
    recent: Annotated[list[int], Meta(max_length=RECENT)]
    buckets: Annotated[list[int], Meta(min_length=_BUCKETS, max_length=_BUCKETS)]


class Latency:
    """Response latencies in whole milliseconds: all of them, and the recent ones (H6 to H9)."""

    def __init__(self) -> None:
        self.count = 0
        self.last_ms = 0
        self.min_ms = 0
        self.max_ms = 0
        self._total_ms = 0
        self._recent: deque[int] = deque(maxlen=RECENT)
        self._buckets = [0] * _BUCKETS

    @property
    def mean_ms(self) -> int:
        """The mean of all samples, rounded; 0 without a sample."""
        return round(self._total_ms / self.count) if self.count else 0

    def record(self, ms: int) -> None:
        """Add one sample."""
        self.min_ms = min(self.min_ms, ms) if self.count else ms
        self.max_ms = max(self.max_ms, ms)
        self.last_ms = ms
        self.count += 1
        self._total_ms += ms
        self._recent.append(ms)
        self._buckets[bisect_left(BOUNDS_MS, ms)] += 1

    def export(self) -> SavedLatency:
        """Return what is to be saved."""
        return SavedLatency(
            count=self.count,
            last_ms=self.last_ms,
            min_ms=self.min_ms,
            max_ms=self.max_ms,
            total_ms=self._total_ms,
            recent=list(self._recent),
            buckets=list(self._buckets),
        )

    def restore(self, saved: SavedLatency) -> None:
        """Go on from what an earlier run exported."""
        self.count = saved.count
        self.last_ms = saved.last_ms
        self.min_ms = saved.min_ms
        self.max_ms = saved.max_ms
        self._total_ms = saved.total_ms
        self._recent = deque(saved.recent, maxlen=RECENT)
        self._buckets = list(saved.buckets)

    def snapshot(self) -> dict[str, object]:
        """Return all figures by name; without a sample each is 0."""
        p50, p90, p99 = self._percentiles(50, 90, 99)
        return {
            "count": self.count,
            "last_ms": self.last_ms,
            "min_ms": self.min_ms,
            "max_ms": self.max_ms,
            "mean_ms": self.mean_ms,
            "total_ms": self._total_ms,
            "p50_ms": p50,
            "p90_ms": p90,
            "p99_ms": p99,
            "histogram": [
                {"upper_ms": upper, "count": count}
                for upper, count in zip_longest(BOUNDS_MS, self._buckets)
            ],
        }

    def display(self) -> str:
        """Return the figures as one line for people (H3, H6)."""
        if not self.count:
            return "turns=0 (no response measured yet)"
        p50, p90, p99 = self._percentiles(50, 90, 99)
        return (
            f"turns={self.count} last={self.last_ms}ms p50={p50}ms p90={p90}ms p99={p99}ms "
            f"min={self.min_ms}ms max={self.max_ms}ms"
        )

    def _percentiles(self, *percents: int) -> list[int]:
        """Return nearest-rank percentiles of the recent samples."""
        ranked = sorted(self._recent)
        if not ranked:
            return [0] * len(percents)
        return [ranked[-(-len(ranked) * percent // 100) - 1] for percent in percents]


class ResponseTimer:
    """When the user's turn ended and which piece of the model's is the first to answer it.

    Several sources may tell of one end of speech: the first one counts, and the others do not
    move it, even if they come after the answer (Z13). Speech that begins anew ends the wait.
    Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._armed: tuple[float, Source] | None = None
        self._end_told = False
        self._answering = False
        self._old_answer = False

    def text_sent(self, now: float) -> None:
        """Wait for the answer to a text from now on, whatever was waited for before."""
        self._arm(now, "text")

    def speech_started(self) -> None:
        """Wait no more: the user goes on, and the answer will be to what is said now."""
        self._armed = None
        self._end_told = False

    def speech_ended(self, now: float, source: EndOfSpeech) -> None:
        """Wait for the answer to this speech, unless its end has been told before."""
        if not self._end_told:
            self._end_told = True
            self._arm(now, source)

    def responded(self, now: float, kind: Literal["audio", "text"]) -> tuple[int, Source] | None:
        """Return the milliseconds waited and what for, or None if this is not a first answer.

        Speech is answered by audio, a text by either (H5).
        """
        self._answering = True
        if self._armed is None or self._old_answer:
            return None
        since, source = self._armed
        if kind == "text" and source != "text":
            return None
        self._armed = None
        return max(round((now - since) * 1000), 0), source

    def answer_ended(self) -> None:
        """Take what comes next for a new answer: this one is complete or was interrupted."""
        self._answering = False
        self._old_answer = False

    def turn_ended(self) -> None:
        """End the answer. An end of speech told after this is new, unless one still waits."""
        self.answer_ended()
        if self._armed is None:
            self._end_told = False

    def _arm(self, now: float, source: Source) -> None:
        self._armed = now, source
        # The rest of an answer under way answers nothing new, such as a cough or a text sent
        # meanwhile. Where the service itself says that speech ended, all that follows does (H13).
        self._old_answer = self._answering and source != "server_vad"
