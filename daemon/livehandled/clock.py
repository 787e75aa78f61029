"""The wall clock, which is for people to read, and may jump.

Nothing waits by it: what waits, waits by monotonic seconds.
"""

import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)

JUMP_MS = 5_000
"""Smaller differences are the clock being set right, as it always is."""


class WallClock:
    """Milliseconds since 1970, and a line in the log when the clock has jumped.

    `wall` is milliseconds since 1970, `monotonic` seconds, which stand still while the machine
    sleeps.
    """

    def __init__(self, wall: Callable[[], int], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._ahead = self._difference(wall())

    def now_ms(self) -> int:
        """Return the time."""
        now = self._wall()
        ahead = self._difference(now)
        jump, self._ahead = ahead - self._ahead, ahead
        if abs(jump) >= JUMP_MS:
            _log.warning(
                "the clock jumped %s by %d s, or the machine slept: the session goes on, by a "
                "clock of its own; compare times before and after with care",
                "forward" if jump > 0 else "back",
                round(abs(jump) / 1000),
            )
        return now

    def _difference(self, now: int) -> float:
        return now - self._monotonic() * 1000
