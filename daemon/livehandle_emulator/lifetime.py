"""How long a connection lives: its go-away, its end, and its end for want of input (wire 4.3)."""

from livehandle_emulator.closing import Close, close
from livehandle_emulator.scenario import Lifetime as Rules
from livehandled.gemini.server import GoAway, ServerMessage

_IGNORED = (
    "Connection aborted because the client failed to close the connection after receiving a "
    "GoAway signal"
)
_DEADLINE = "Deadline expired before operation could complete."
_ABORTED = "The operation was aborted."


class Lifetime:
    """The time of one connection, in seconds of the caller's clock, from when it was opened."""

    def __init__(self, rules: Rules, opened_at: float) -> None:
        self._idle_s = rules.idle_ms / 1000
        self._heard_at = opened_at
        self._ends_at = opened_at + rules.connection_ms / 1000 if rules.connection_ms else None
        self._warns_at = None
        if self._ends_at is not None and rules.go_away_ms:
            self._warns_at = max(opened_at, self._ends_at - rules.go_away_ms / 1000)
        self._warned = False
        self._ready = False

    @property
    def deadline(self) -> float | None:
        """When there is something to send or to end, None if never."""
        times = [self._ends_at, self._idles_at, self._warns_at if self._ready else None]
        return min((at for at in times if at is not None), default=None)

    @property
    def _idles_at(self) -> float | None:
        return self._heard_at + self._idle_s if self._idle_s else None

    def ready(self) -> None:
        """Note that the setup is complete: a go-away does not come before that."""
        self._ready = True

    def heard(self, now: float) -> None:
        """Note a message of the client's."""
        self._heard_at = now

    def go_away(self, time_left_s: float | None, now: float) -> ServerMessage:
        """Return a go-away out of turn; without a time left the end stays where it was.

        With one, the connection ends then, if not before.
        """
        self._warned = True
        self._warns_at = None
        if time_left_s is None:
            return ServerMessage(go_away=GoAway())
        ends_at = now + time_left_s
        self._ends_at = ends_at if self._ends_at is None else min(ends_at, self._ends_at)
        return ServerMessage(go_away=GoAway(time_left=f"{time_left_s:.9g}s"))

    def due(self, now: float) -> list[ServerMessage | Close]:
        """Return what is due by `now`: a go-away, or the end."""
        if self._ends_at is not None and self._ends_at <= now:
            return [close(1008, _IGNORED) if self._warned else close(1011, _DEADLINE)]
        if self._idles_at is not None and self._idles_at <= now:
            return [close(1008, _ABORTED)]
        if self._ready and self._warns_at is not None and self._warns_at <= now:
            left = self._ends_at - now if self._ends_at is not None else None
            return [self.go_away(left, now)]
        return []
