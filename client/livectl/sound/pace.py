"""Real time for what comes or goes faster or slower. Sans-I/O: time is in monotonic seconds."""


class Pace:
    """Says when the next piece of a stream is due: up to `ahead_s` early.

    What is late catches up, with at most `catch_up_s` at once.
    """

    def __init__(self, *, catch_up_s: float, ahead_s: float = 0.0, speed: float = 1.0) -> None:
        self._catch_up_s = catch_up_s
        self._ahead_s = ahead_s
        self._speed = speed
        self._next: float | None = None

    def due(self, now: float) -> float | None:
        """Return the next piece's own time if it is to be done by `now`, else None."""
        self._next = now if self._next is None else max(self._next, now - self._catch_up_s)
        return self._next if self._next <= now + self._ahead_s else None

    def passed(self, seconds: float) -> None:
        """Note a piece of the stream, which takes so long."""
        if self._next is not None:
            self._next += seconds / self._speed
