"""When to connect again after a connection was lost, and when to give up (wire 4.4)."""

import random
from collections.abc import Callable
from typing import Literal, TypeAlias

from livehandled.gemini.closing import Action

Loss: TypeAlias = Action | Literal["rotate"]
"""What a loss calls for. `rotate`: this side gave the connection up, for a new one."""

STABLE_S = 10.0
"""Seconds a connection has to be set up before its loss starts a new count."""

_BASE_S, _MOST_S = 1.0, 30.0  # K1
_SLOW_BASE_S, _SLOW_MOST_S = 30.0, 300.0
_MOST_SLOW = 5
_SHORT_S = 1.0
"""A rotation after less than this was not asked for by age."""


class Retries:
    """Counts the attempts of one session since it was last stable.

    `jitter` returns random numbers from 0 to 1. Times are monotonic seconds.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self._ready_at: float | None = None
        self._stopped = False
        self._forget()

    def _forget(self) -> None:
        self._attempts = 0
        self._slow = 0
        self._fresh = False
        self._once = False

    @property
    def attempt(self) -> int:
        """Number of the attempt that follows, from 1.

        Rotations do not raise it, but for those in the first second of a connection.
        """
        return max(1, self._attempts)

    def set_up(self, now: float) -> None:
        """Note that a connection was set up. Only its loss tells whether it was stable."""
        self._ready_at = now

    def went_on(self) -> None:
        """Note that a turn came to its end: what was not liked before that was something else."""
        self._once = False

    def lost(self, action: Loss, now: float) -> float | None:
        """Return the seconds to wait before the next attempt; None to give up, for good.

        `retry` backs off with full jitter, without end: an outage may last a night (K1; not
        K2's fixed delays). `slow` waits out a quota, five times. `once` and `fresh` are as
        `retry`, but the second `once` gives up, and the first `fresh` does not wait.
        Nor does `rotate`, unless connections are ended in their first second again and again.
        """
        age = 0.0 if self._ready_at is None else now - self._ready_at
        if age >= STABLE_S:
            self._forget()
        self._ready_at = None
        if self._stopped or action == "stop":
            self._stopped = True
            return None
        if action == "rotate" and age >= _SHORT_S:
            return 0.0
        self._attempts += 1
        return self._delay(action)

    def _delay(self, action: Loss) -> float | None:
        if action == "rotate":
            # The first is free; who is sent away at once every time is not to spin.
            return 0.0 if self._attempts == 1 else self._backoff()
        if action == "slow":
            return self._slow_delay()
        if action == "once":
            if self._once:
                self._stopped = True
                return None
            self._once = True
        elif action == "fresh" and not self._fresh:
            self._fresh = True
            return 0.0
        return self._backoff()

    def _backoff(self) -> float:
        return self._jitter() * _doubled(_BASE_S, self._attempts, _MOST_S)

    def _slow_delay(self) -> float | None:
        if self._slow == _MOST_SLOW:
            self._stopped = True
            return None
        self._slow += 1
        # A quota is not free again after no time at all: half of the delay is not random.
        most = _doubled(_SLOW_BASE_S, self._slow, _SLOW_MOST_S)
        return most * (1 + self._jitter()) / 2


def _doubled(base: float, attempt: int, most: float) -> float:
    """Return `base` doubled with every attempt after the first, up to `most`."""
    return min(most, base * 2.0 ** min(attempt - 1, 16))
