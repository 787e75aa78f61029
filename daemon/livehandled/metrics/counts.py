"""What is counted of events, since the daemon started."""

from collections import Counter

from livehandle_proto import topics as t
from livehandle_proto.values import Ended, ErrorObject
from livehandled.hub import Event, Hub

_TOPICS = (
    "session.connected",
    "session.reconnecting",
    "session.resumed",
    "session.disconnected",
    "session.error",
    "live.tool_execution",
    "live.tool_cancelled",
)

_MOST_FUNCTIONS = 100
"""Functions that are counted by name; clients choose the names. The rest are `other`."""


class Counts:
    """Counts by what happened; it hears no event of the stream class, so audio costs nothing."""

    def __init__(self, hub: Hub) -> None:
        self.sessions = 0
        """Set up, those taken up from an earlier daemon among them."""
        self.resumed: Counter[str] = Counter()
        """By `restored`."""
        self.lost = 0
        """Connections that ended, or could not be set up, and are tried again."""
        self.ended: Counter[str] = Counter()
        """By reason."""
        self.errors: Counter[str] = Counter()
        """By name."""
        self.calls: Counter[str] = Counter()
        """Answered, by function."""
        self.cancelled = 0
        hub.attach(self._heard, _TOPICS)

    def _heard(self, event: Event) -> None:
        match event.data:
            case t.SessionStarted():
                self.sessions += 1
            case t.Reconnecting(cause=cause):
                self.lost += not cause.startswith("rotation")
            case t.Resumed(restored=restored):
                self.resumed[restored] += 1
            case Ended(reason=reason):
                self.ended[reason] += 1
            case ErrorObject(data={"name": str(name)}):
                self.errors[name] += 1
            case t.ToolExecution(name=name):
                known = name in self.calls or len(self.calls) < _MOST_FUNCTIONS
                self.calls[name if known else "other"] += 1
            case t.CallIds(ids=ids):
                self.cancelled += len(ids)
