"""What is counted of events."""

from collections.abc import Sequence

import msgspec
import pytest

from livehandle_proto import topics as t
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import Ended, ErrorObject, Value
from livehandled.metrics.counts import Counts
from support.control import new_hub


def executed(name: str) -> tuple[str, Value]:
    return "live.tool_execution", t.ToolExecution(call_id="c", name=name, args={}, result={})


def failed(name: str) -> tuple[str, Value]:
    told = LiveHandleError(name, "Why.").to_json()
    return "session.error", msgspec.convert(told, ErrorObject)


def reconnecting(cause: str) -> tuple[str, Value]:
    return "session.reconnecting", t.Reconnecting(attempt=1, delay_ms=0, cause=cause)


def counts(*events: tuple[str, Value]) -> Counts:
    hub = new_hub()
    counts = Counts(hub)
    for topic, data in events:
        hub.publish(topic, data)
    return counts


RESUMED = t.Resumed(restored="handle", reason=None, gap_ms=1, lost=0)


@pytest.mark.parametrize(
    ("events", "attribute", "counted"),
    [
        ([("session.connected", t.SessionStarted(session_id="s"))], "sessions", 1),
        ([reconnecting("closed with code 1006"), reconnecting("rotation: it is old")], "lost", 1),
        ([("session.resumed", RESUMED)] * 2, "resumed", {"handle": 2}),
        ([("session.disconnected", Ended(reason="closed"))], "ended", {"closed": 1}),
        ([failed("upstream.quota"), failed("upstream.quota")], "errors", {"upstream.quota": 2}),
        ([executed("a"), executed("b"), executed("a")], "calls", {"a": 2, "b": 1}),
        ([("live.tool_cancelled", t.CallIds(ids=["1", "2"]))], "cancelled", 2),
        ([("live.resumed", RESUMED), ("live.disconnected", Ended(reason="closed"))], "ended", {}),
    ],
)
def test_each_thing_is_counted_once(
    events: Sequence[tuple[str, Value]], attribute: str, counted: object
) -> None:
    assert getattr(counts(*events), attribute) == counted


def test_only_so_many_functions_have_a_count_of_their_own() -> None:
    counted = counts(*(executed(f"f{n}") for n in range(150)), executed("f0")).calls
    assert len(counted) == 101
    assert counted["f0"] == 2
    assert counted["other"] == 50


def test_nobody_has_to_make_an_event_of_audio_for_it() -> None:
    hub = new_hub()
    Counts(hub)
    assert not hub.wanted("live.audio")
