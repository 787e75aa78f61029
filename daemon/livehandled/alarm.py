"""One timer for everything in a session that waits for a time, and not for an event."""

from collections.abc import Callable

import anyio


class Alarm:
    """Calls `due` once the earliest deadline has come.

    `deadline` says when that is, in the clock's seconds, or None. Whoever may have brought it
    forward calls `look`: a deadline that moves away, as it does with each chunk of audio, costs
    no wake-up of the task but one when the time has come.

    `due` moves the deadline it is called for. What it raises ends `run`, and so the task group
    of the owner: an alarm that has died would be a session whose speech never ends.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        deadline: Callable[[], float | None],
        due: Callable[[float], None],
    ) -> None:
        self._clock = clock
        self._deadline = deadline
        self._due = due
        self._sleeps_until: float | None = None
        self._wake = anyio.Event()

    def look(self) -> None:
        """Take note of a deadline that may be earlier than the one waited for."""
        deadline = self._deadline()
        if deadline is not None and (self._sleeps_until is None or deadline < self._sleeps_until):
            self._wake.set()

    async def run(self) -> None:
        """Wait for deadlines until cancelled."""
        while True:
            self._wake = anyio.Event()
            self._sleeps_until = self._deadline()
            if self._sleeps_until is None:
                await self._wake.wait()  # as long as there is nothing to wait for
                continue
            with anyio.move_on_after(max(0.0, self._sleeps_until - self._clock())):
                await self._wake.wait()
            now = self._clock()
            deadline = self._deadline()
            if deadline is not None and now >= deadline:
                self._due(now)
