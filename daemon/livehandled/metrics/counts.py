"""What is counted since the daemon started, of events and of totals that go on from a run before.

A run that crashed has counted more than it kept: what goes on from there goes back, and whoever
takes rates of it would see a reset. So nothing that was restored is among what is measured here.
"""

from collections import Counter
from collections.abc import Mapping

from msgspec.structs import replace

from livehandle_proto import topics as t
from livehandle_proto.values import Ended, ErrorObject
from livehandled.hub import Event, Hub
from livehandled.latency import SavedLatency
from livehandled.telemetry import SavedTelemetry

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


def since(total: SavedTelemetry, restored: SavedTelemetry | None) -> SavedTelemetry:
    """Return the counters without what was restored, those by modality and by source as well.

    What is no counter, such as the newest report of the usage, is as in `total`.
    """
    if restored is None:
        return total
    counters = {
        name: value - getattr(restored, name)
        for name in total.__struct_fields__
        if isinstance(value := getattr(total, name), int)
    }
    tokens, latency = restored.tokens_by_modality, restored.response_latency_by_source
    return replace(
        total,
        **counters,
        tokens_by_modality={
            modality: _tokens_since(counted, tokens.get(modality, {}))
            for modality, counted in total.tokens_by_modality.items()
        },
        response_latency_by_source={
            source: _latency_since(figures, latency.get(source))
            for source, figures in total.response_latency_by_source.items()
        },
    )


def _tokens_since(total: Mapping[str, int], restored: Mapping[str, int]) -> dict[str, int]:
    return {direction: count - restored.get(direction, 0) for direction, count in total.items()}


def _latency_since(total: SavedLatency, restored: SavedLatency | None) -> SavedLatency:
    if restored is None:
        return total
    return replace(
        total,
        count=total.count - restored.count,
        total_ms=total.total_ms - restored.total_ms,
        buckets=[
            all_ - before for all_, before in zip(total.buckets, restored.buckets, strict=True)
        ],
    )
