"""Turn commit: which raw edges of speech become the edges of an activity (G1 to G9).

A short pause does not end the user's turn, and a short "mhm" does not interrupt the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class CommitConfig:
    """How long an edge waits before it counts."""

    eot_hold_ms: float
    """A pause shorter than this is bridged."""
    min_interruption_ms: float
    """Speech shorter than this does not interrupt the model. A free floor never waits (G6)."""


PRESETS: Mapping[str, CommitConfig] = {
    "immediate": CommitConfig(0, 0),
    "responsive": CommitConfig(400, 600),
    "conversational": CommitConfig(800, 1400),
}
"""By the name that `voice.commit` takes (G1)."""


class CommitSignal(StrEnum):
    """A committed edge."""

    ACTIVITY_START = "activity_start"
    ACTIVITY_END = "activity_end"
    INTERRUPTION_START = "interruption_start"
    """The start of an activity, too: one that began while the model spoke."""


class TurnCommit:
    """Commits raw edges. A start (of either kind) and an end take turns, a start first."""

    def __init__(self, config: CommitConfig) -> None:
        self.config = config
        self._active = False
        self._held_since: float | None = None  # an end if active, else an interruption

    @property
    def active(self) -> bool:
        """Whether an activity is open, be it in a pause that may be bridged (G3)."""
        return self._active

    @property
    def pending(self) -> bool:
        """Whether an interruption waits to be long enough (G5)."""
        return not self._active and self._held_since is not None

    def advance(
        self, edges: Sequence[bool], now_ms: float, *, model_speaking: bool
    ) -> list[CommitSignal]:
        """Take the raw edges of this moment (True: speech started), return what is committed.

        `now_ms` is on the clock of the audio and never falls. What has waited long enough by
        then is committed before the edges are looked at; exactly long enough will do (G7).
        """
        signals = self._expire(now_ms)
        for speaking in edges:
            if speaking == self._active:
                self._held_since = None  # the pause is bridged (G3), the "mhm" dismissed (G4)
            elif speaking and not model_speaking and not self.pending:
                self.open()
                signals.append(CommitSignal.ACTIVITY_START)
            elif self._held_since is None:
                self._held_since = now_ms
            signals += self._expire(now_ms)
        return signals

    def _expire(self, now_ms: float) -> list[CommitSignal]:
        """Commit what is held, if it has been held long enough."""
        wait_ms = self.config.eot_hold_ms if self._active else self.config.min_interruption_ms
        if self._held_since is None or now_ms - self._held_since < wait_ms:
            return []
        if self._active:
            self.close()
            return [CommitSignal.ACTIVITY_END]
        # Whether the model still speaks is not asked again (G9).
        self.open()
        return [CommitSignal.INTERRUPTION_START]

    def open(self) -> None:
        """Open the activity by hand: without a signal, and whatever was held is forgotten."""
        self._active = True
        self._held_since = None

    def close(self) -> None:
        """Close the activity by hand; an interruption that waits is dismissed."""
        self._active = False
        self._held_since = None
