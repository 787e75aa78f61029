"""When to give up a connection for a new one, before the service ends it (wire 4.3, Z6)."""

from typing import Literal, NamedTuple

_MARGIN_S = 10.0
_MARGIN_PART = 0.2
_ASSUMED_LEFT_S = 20.0
_LEFT_AT_CEILING_S = 60.0  # as a go-away of the service's usually says
_HANDLE_WAIT_S = 1.0


class Quiet(NamedTuple):
    """What stands against giving up the connection just now. Times are monotonic seconds."""

    turn_open: bool
    user_speaking: bool
    calls_open: bool
    sending: bool
    """Something that must not be lost is still on its way out."""
    turn_ended_at: float | None
    handle_at: float | None
    """When the newest usable handle came."""
    wants_handle: bool
    """Whether the next connection is to be opened with a handle."""

    @property
    def boundary(self) -> bool:
        """Whether nothing would be cut off."""
        return not (self.turn_open or self.user_speaking or self.calls_open or self.sending)


class Rotation:
    """Decides when one connection is given up. A new connection has a new Rotation.

    The service's go-away sets a deadline, and so does the connection's age of `ceiling_s`
    seconds since `ready_at`: some connections are ended at 58 minutes without a go-away
    (wire 4.3). Times are monotonic seconds.
    """

    def __init__(self, ready_at: float, ceiling_s: float) -> None:
        self._ceiling_at = ready_at + ceiling_s
        self._latest = _latest(_LEFT_AT_CEILING_S, self._ceiling_at)
        self._told = False
        self._asked = False
        self._aged = False
        self._over = False
        self._boundary_since: float | None = None

    @property
    def draining(self) -> bool:
        """Whether the connection is to be given up, as soon as nothing stands against it."""
        return self.why is not None

    @property
    def why(self) -> Literal["go_away", "ceiling", "asked"] | None:
        """The most pressing cause; the ceiling counts from the first question after it."""
        if self._told:
            return "go_away"
        if self._aged:
            return "ceiling"
        return "asked" if self._asked else None

    def go_away(self, time_left_s: float | None, now: float) -> None:
        """Note the service's warning. A later one can only shorten the time."""
        self._told = True
        left = _ASSUMED_LEFT_S if time_left_s is None else max(0.0, time_left_s)
        self._latest = min(self._latest, _latest(left, now))

    def ask(self) -> None:
        """Have the connection given up at the next boundary, whenever that is."""
        self._asked = True

    def due(self, quiet: Quiet, now: float) -> bool:
        """Return whether to give the connection up now: true once, and never again.

        At a boundary that is as soon as a handle covers the last turn, or a second later; without
        a boundary a margin before the service's deadline, even in a turn or a call.
        """
        if self._over or self._when(quiet, now) > now:
            return False
        self._over = True
        return True

    def deadline(self, quiet: Quiet, now: float) -> float | None:
        """Return when `due` has to be asked again if nothing changes; None once it was true.

        `due` has to be asked at every change of `quiet` too.
        """
        return None if self._over else self._when(quiet, now)

    def _when(self, quiet: Quiet, now: float) -> float:
        """Return when the connection is to be given up, or begins to be too old."""
        self._aged = self._aged or now >= self._ceiling_at
        if not quiet.boundary:
            self._boundary_since = None
        elif self._boundary_since is None:
            self._boundary_since = now
        if not self.draining:
            return self._ceiling_at
        if self._boundary_since is None:
            return self._latest
        return min(self._latest, self._handle_due(quiet, self._boundary_since))

    def _handle_due(self, quiet: Quiet, since: float) -> float:
        """Return until when to wait for a handle at a boundary: a past time for not at all."""
        ended, handle = quiet.turn_ended_at, quiet.handle_at
        if ended is None or not quiet.wants_handle or (handle is not None and handle >= ended):
            return since
        return max(since, ended) + _HANDLE_WAIT_S  # nobody looked while nothing was to be done


def _latest(left: float, now: float) -> float:
    """Return when a connection with so many seconds left is given up in any case."""
    return now + left - min(_MARGIN_S, _MARGIN_PART * left)
