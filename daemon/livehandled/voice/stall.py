"""A model that falls silent in the middle of what it says (pains 13). Sans-I/O."""

from collections.abc import Callable

_SPEAKS = frozenset({"audio_data", "text_delta", "media"})
_WORDS = "output_transcription"
_STOPS = frozenset({"generation_complete", "interrupted", "tool_call", "disconnected"})


class StallDetector:
    """Knows when the user hears nothing though the model has not said all.

    Speech comes faster than it plays: silence begins where what came has been played. `after_s`
    says how long it may last, in seconds; 0 for ever. `look` is called where a deadline appears.
    Instants are monotonic seconds.
    """

    def __init__(self, after_s: Callable[[], float], look: Callable[[], None]) -> None:
        self.deadline: float | None = None
        """When it is a stall; None where nothing is waited for."""
        self._after_s = after_s
        self._look = look
        self._silent_from = 0.0

    def hear(self, name: str, now: float, plays_until: float) -> None:
        """Take an event of the session, and the moment until which the model is heard."""
        # Words trail the speech, and may come after its end: they are no sign that more is to come.
        if name in _SPEAKS or (name == _WORDS and self.deadline is not None):
            self._silent_from = max(now, plays_until)
            self._wait()
        elif name in _STOPS:
            self.stop()

    def stop(self) -> None:
        """Wait no longer: the model has said all, or is not to go on."""
        self.deadline = None

    def due(self, now: float) -> int | None:
        """Return how long nothing was heard, ms, where that is a stall. It is told once."""
        if self.deadline is None or now < self.deadline:
            return None
        self.deadline = None
        return round((now - self._silent_from) * 1000)

    def _wait(self) -> None:
        after_s = self._after_s()
        if not after_s:
            return
        waited = self.deadline is not None
        self.deadline = self._silent_from + after_s
        if not waited:
            self._look()
