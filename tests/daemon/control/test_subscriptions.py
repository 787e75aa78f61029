"""Delivery classes for one listener: what a slow one gets, and that nothing is lost in silence."""

import gc
import json
import socket
from collections.abc import Iterable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.methods import MIN_LINE_BYTES
from livehandle_proto.states import StateChange
from livehandle_proto.topics import Audio, PhaseChange, Text
from livehandled.control.outlet import Outlet, Waiting
from livehandled.control.subscriptions import Backlog, StreamPlace, Subscription
from livehandled.hub import Hub
from support.control import new_hub

LOG, STATE, STREAM = "live.text_delta", "session.phase_changed", "live.audio"
LIMIT = 2000


class Connection:
    """Stands for a socket whose peer reads as much as the test says."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = bytearray()

    def send(self, data: bytes) -> int:
        if not self.room:
            raise BlockingIOError
        taken = data[: self.room]
        self.room -= len(taken)
        self.taken += taken
        return len(taken)


class Listener:
    """A connection with a hub behind it."""

    def __init__(self, *, room: int = 0, ring_events: int = 4096) -> None:
        self.hub: Hub = new_hub(ring_events)
        self.connection = Connection(room)
        self.outlet = Outlet(cast("socket.socket", self.connection))
        self.backlog = Backlog(log_bytes=LIMIT, stream_bytes=LIMIT)
        self.count = 0

    def subscribe(
        self,
        topics: Iterable[str] = (LOG, STATE, STREAM),
        *,
        since: int | None = None,
        line_bytes: int = MIN_LINE_BYTES,
    ) -> Subscription:
        """Subscribe, and begin."""
        self.count += 1
        subscription = Subscription(
            f"e{self.count}",
            topics,
            start_seq=self.hub.last_seq if since is None else since,
            hub=self.hub,
            outlet=self.outlet,
            backlog=self.backlog,
            line_bytes=line_bytes,
        )
        subscription.activate()
        return subscription

    def log(self, *texts: str) -> None:
        """Publish log events."""
        for text in texts:
            self.hub.publish(LOG, Text(text=text))

    def audio(self, count: int = 1, size: int = 100) -> None:
        """Publish stream events."""
        for _ in range(count):
            self.hub.publish(STREAM, Audio(data="A" * size, mime_type="audio/pcm"))

    def phase(self, count: int = 1) -> None:
        """Publish state events."""
        for _ in range(count):
            self.hub.publish(STATE, PhaseChange(phase="active", previous="setup_sent"))

    def state(self, key: str, *values: object) -> None:
        """Publish changes of a key of the state."""
        for value in values:
            change = StateChange(key=key, value=value, removed=False, sequence=1, origin="set")
            self.hub.publish("state.changed", change, key=key)

    def read(self, size: int = 10**9) -> None:
        """Let the peer read so many bytes."""
        self.connection.room += size
        self.outlet._flush()

    def stop_reading(self) -> None:
        """Make the peer's buffer full."""
        self.connection.room = 0
        self.outlet.write(b"{}\n")

    def events(self) -> list[dict[str, Any]]:
        """Let the peer read everything; return the events it read since the last time."""
        self.read()
        self.connection.room = 10**9
        lines = bytes(self.connection.taken).splitlines()
        self.connection.taken.clear()
        return [json.loads(line)["params"] for line in lines if line != b"{}"]


def topics(events: list[dict[str, Any]]) -> list[str]:
    return [event["topic"] for event in events]


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["text"] for event in events if event["topic"] == LOG]


def test_an_event_is_told_with_all_its_fields() -> None:
    it = Listener(room=10**6)
    it.subscribe()
    it.log("Hel")
    assert it.events() == [
        {
            "subscription": "e1",
            "seq": 1,
            "cursor": f"{it.hub.instance}:1",
            "ts_ms": 1_780_000_000_000,
            "topic": LOG,
            "data": {"text": "Hel"},
        }
    ]


def test_only_the_topics_of_the_subscription_come_and_none_after_its_end() -> None:
    it = Listener(room=10**6)
    subscription = it.subscribe([LOG])
    it.log("a")
    it.phase()
    it.audio()
    it.log("b")
    subscription.end()
    it.log("c")
    assert texts(it.events()) == ["a", "b"]


def test_a_slow_reader_gets_all_of_the_log_in_order_as_far_as_it_may_wait() -> None:
    it = Listener()
    it.subscribe()
    it.stop_reading()
    it.log(*map(str, range(10)))
    assert texts(it.events()) == [*map(str, range(10))]
    assert it.backlog.log_bytes == 0


def test_a_log_that_overflows_ends_the_subscription_with_one_notice_and_since_resumes() -> None:
    it = Listener()
    subscription = it.subscribe([LOG])
    it.stop_reading()
    it.log(*map(str, range(100)))
    events = it.events()
    assert topics(events).count("events.lagged") == 1
    *before, notice = events
    assert notice["data"]["last_seq"] == before[-1]["seq"] == notice["seq"]
    assert notice["data"]["missed"] == 100 - len(before)
    assert notice["subscription"] == "e1"
    assert subscription.ended
    it.log("later")
    assert it.events() == []
    it.subscribe([LOG], since=it.hub.parse(notice["cursor"]))
    assert texts(before) + texts(it.events()) == [*map(str, range(100)), "later"]


def test_a_lagging_subscription_hurts_no_other_of_its_connection_and_gets_no_more() -> None:
    it = Listener()
    it.subscribe([LOG])
    it.subscribe([STATE])
    it.stop_reading()
    it.log(*map(str, range(100)))
    it.phase()
    it.audio()
    events = it.events()
    it.phase()
    events += it.events()
    assert [e["topic"] for e in events if e["subscription"] == "e2"] == [STATE, STATE]


def test_a_state_is_told_once_with_its_latest_value_however_slow_the_reader() -> None:
    it = Listener()
    it.subscribe()
    it.stop_reading()
    it.log("before")
    it.phase(10_000)
    it.log("after")
    assert len(it.outlet._waiting) == 3
    events = it.events()
    assert topics(events) == [LOG, STATE, LOG]
    assert events[1]["seq"] == 10_001
    it.phase()
    assert topics(it.events()) == [STATE]


def test_of_each_key_of_the_state_a_slow_reader_gets_the_latest_value() -> None:
    it = Listener()
    it.subscribe({"state.changed"})
    it.stop_reading()
    it.state("a", *range(1000))
    it.state("b", 1)
    it.state("a", "last")
    assert len(it.outlet._waiting) == 2
    assert [(e["data"]["key"], e["data"]["value"]) for e in it.events()] == [
        ("b", 1),
        ("a", "last"),
    ]


def test_a_stream_drops_the_oldest_and_says_how_many() -> None:
    it = Listener()
    it.subscribe()
    it.stop_reading()
    it.audio(10_000)
    assert len(it.outlet._waiting) < 20
    assert it.backlog.stream_bytes <= LIMIT
    notice, *rest = it.events()
    assert notice["topic"] == "events.dropped"
    dropped = 10_000 - len(rest)
    assert notice["data"] == {"count": dropped, "from": 1, "to": dropped}
    assert [e["seq"] for e in rest] == [*range(dropped + 1, 10_001)]
    it.audio()
    assert topics(it.events()) == [STREAM]


def held() -> int:
    """Return how many lines there are that wait or once did."""
    return sum(isinstance(one, Waiting | StreamPlace) for one in gc.get_objects())


def test_what_was_dropped_or_written_is_free_without_the_garbage_collector() -> None:
    it = Listener()
    it.subscribe([STREAM])
    it.stop_reading()
    gc.collect()
    before = held()
    gc.disable()
    try:
        it.audio(1000)
        assert held() - before < 2 * len(it.backlog.stream) + 5
        it.events()
        assert held() == before
    finally:
        gc.enable()


def test_a_notice_of_dropped_events_does_not_overtake_the_log() -> None:
    it = Listener()
    it.subscribe()
    it.stop_reading()
    for i in range(5):
        it.audio(5)
        it.log(str(i))
    events = it.events()
    assert texts(events) == [*map(str, range(5))]
    seqs = [e["seq"] for e in events]
    assert seqs == sorted(set(seqs))
    assert topics(events)[0] == "events.dropped"


def test_each_subscription_is_told_of_its_own_dropped_events() -> None:
    it = Listener()
    it.subscribe([STREAM])
    it.subscribe([STREAM])
    it.stop_reading()
    it.audio(100)
    events = it.events()
    for name in ("e1", "e2"):
        own = [e for e in events if e["subscription"] == name]
        assert topics(own).count("events.dropped") == 1
        notice = next(e for e in own if e["topic"] == "events.dropped")
        assert notice["data"]["count"] + len(own) - 1 == 100


def test_a_subscription_that_has_ended_is_still_told_what_was_dropped_before() -> None:
    it = Listener()
    subscription = it.subscribe([STREAM])
    it.stop_reading()
    it.audio(100)
    subscription.end()
    it.audio()
    notice, *rest = it.events()
    assert notice["topic"] == "events.dropped"
    assert notice["data"]["count"] + len(rest) == 100


def test_what_came_since_is_replayed_exactly_before_what_comes() -> None:
    it = Listener(room=10**6)
    it.log("a", "b")
    it.phase(3)
    it.log("c")
    it.subscribe(since=1)
    it.log("d")
    events = it.events()
    assert texts(events) == ["b", "c", "d"]
    assert [e["seq"] for e in events] == [2, 5, 6, 7]


def test_a_replay_longer_than_the_backlog_reaches_a_reader_that_reads() -> None:
    it = Listener(room=10**6)
    it.log(*map(str, range(500)))
    it.stop_reading()
    it.subscribe(since=0)
    it.log("live")
    assert len(it.outlet._waiting) < 50
    assert texts(it.events()) == [*map(str, range(500)), "live"]
    it.log("later")
    assert texts(it.events()) == ["later"]


def test_two_long_replays_on_one_connection_both_come_whole() -> None:
    it = Listener(room=10**6)
    it.log(*map(str, range(300)))
    it.stop_reading()
    it.subscribe([LOG], since=0)
    it.subscribe([LOG], since=0)
    events = []
    for _ in range(1000):
        it.read(997)
    events += it.events()
    for name in ("e1", "e2"):
        assert texts([e for e in events if e["subscription"] == name]) == [*map(str, range(300))]


def test_a_replay_that_the_ring_overtakes_ends_with_a_notice() -> None:
    it = Listener(room=10**6, ring_events=100)
    it.log(*map(str, range(100)))
    it.stop_reading()
    subscription = it.subscribe([LOG], since=0)
    it.log(*map(str, range(100, 250)))
    events = it.events()
    assert topics(events)[-1] == "events.lagged"
    assert topics(events).count("events.lagged") == 1
    assert events[-1]["data"]["last_seq"] == events[-2]["seq"]
    assert events[-1]["data"]["missed"] == 250 - events[-2]["seq"]
    assert subscription.ended


def test_a_replay_that_cannot_begin_is_told_at_once() -> None:
    it = Listener(room=10**6, ring_events=10)
    it.log(*map(str, range(20)))
    it.subscribe([LOG], since=3)
    (notice,) = it.events()
    assert notice["topic"] == "events.lagged"
    assert notice["data"] == {"last_seq": 3, "missed": 17}


def test_a_subscription_that_ends_during_its_replay_gets_no_more_of_it() -> None:
    it = Listener(room=10**6)
    it.log(*map(str, range(500)))
    it.stop_reading()
    subscription = it.subscribe([LOG], since=0)
    waiting = len(it.outlet._waiting)
    subscription.end()
    it.log("later")
    assert len(it.events()) == waiting - 1


def test_a_subscription_that_ended_before_it_began_never_begins() -> None:
    it = Listener(room=10**6)
    subscription = it.subscribe([LOG])
    subscription.end()
    subscription.activate()
    it.log("a")
    assert it.events() == []


@pytest.mark.parametrize("room", [0, 10**7])
def test_an_event_too_long_for_a_line_is_told_by_an_error(room: int) -> None:
    it = Listener(room=room)
    subscription = it.subscribe([LOG])
    if not room:
        it.stop_reading()
    it.log("x" * MIN_LINE_BYTES)
    (event,) = it.events()
    assert event["topic"] == LOG
    assert event["seq"] == 1
    assert event["data"]["error"]["data"]["name"] == "wire.result_too_large"
    subscription.line_bytes = 2 * MIN_LINE_BYTES
    it.log("x" * MIN_LINE_BYTES)
    assert texts(it.events()) == ["x" * MIN_LINE_BYTES]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.integers(0, 600)),
        st.tuples(st.just("audio"), st.integers(0, 900)),
        st.tuples(st.just("phase"), st.just(0)),
        st.tuples(st.just("read"), st.integers(1, 3000)),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_whatever_the_reader_does_nothing_is_lost_in_silence(
    actions: list[tuple[str, int]],
) -> None:
    it = Listener()
    subscription = it.subscribe()
    logs: list[str] = []
    streams = phases = 0
    for action, size in actions:
        if action == "log":
            logs.append(f"{len(logs)}" + "x" * size)
            it.log(logs[-1])
        elif action == "audio":
            streams += not subscription.ended
            it.audio(size=size)
        elif action == "phase":
            phases += 1
            it.phase()
        else:
            it.read(size)
        assert it.backlog.log_bytes <= LIMIT
    events = it.events()
    seqs = [e["seq"] for e in events if e["topic"] != "events.lagged"]
    assert seqs == sorted(set(seqs))
    told = sum(e["data"]["count"] for e in events if e["topic"] == "events.dropped")
    told += topics(events).count(STREAM)
    lagged = topics(events).count("events.lagged")
    assert lagged == subscription.ended
    if lagged:
        assert topics(events)[-1] == "events.lagged"
        it.subscribe(since=events[-1]["data"]["last_seq"])
        events += it.events()
    else:
        assert told == streams
    assert texts(events) == logs
    assert (STATE in topics(events)) == (phases > 0)
