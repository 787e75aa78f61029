"""The event log: numbers, delivery classes, replay (protocol section 5)."""

import json
import tracemalloc
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto import topics as t
from livehandle_proto.envelope import event_head
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.states import StateChange
from livehandle_proto.topics import TOPICS
from livehandle_proto.values import FunctionCall, Phase
from livehandled import hub as hub_module
from livehandled.hub import Event, Hub

LOG, STATE, STREAM = "live.text_delta", "session.phase_changed", "live.audio"
AUDIO = t.Audio(data="AAAA", mime_type="audio/pcm;rate=24000")


def new_hub(ring_events: int = 8) -> Hub:
    ticks = count(1_780_000_000_000)
    return Hub(ring_events=ring_events, wall_ms=lambda: next(ticks))


def text(words: str) -> t.Text:
    return t.Text(text=words)


def phase(name: Phase) -> t.PhaseChange:
    return t.PhaseChange(phase=name, previous="connecting")


def listening(hub: Hub, *topics: str) -> list[Event]:
    heard: list[Event] = []
    hub.attach(heard.append, topics)
    return heard


def seqs(events: list[Event]) -> list[int]:
    return [event.seq for event in events]


def test_events_are_numbered_through_and_their_cursor_names_this_start_of_the_daemon() -> None:
    hub, other = new_hub(), new_hub()
    heard = listening(hub, LOG, STATE)
    assert hub.last_seq == 0
    assert hub.cursor() == f"{hub.instance}:0"
    hub.publish(LOG, text("a"))
    hub.publish(STATE, phase("active"))
    assert [(e.seq, e.cursor) for e in heard] == [
        (1, f"{hub.instance}:1"),
        (2, f"{hub.instance}:2"),
    ]
    assert hub.cursor() == heard[-1].cursor
    assert hub.instance != other.instance


def test_an_events_line_is_a_notification_of_the_subscription() -> None:
    hub = new_hub()
    heard = listening(hub, LOG)
    hub.publish(LOG, text("Hel"))
    assert json.loads(heard[0].line(event_head("e1"))) == {
        "jsonrpc": "2.0",
        "method": "event",
        "params": {
            "subscription": "e1",
            "seq": 1,
            "cursor": f"{hub.instance}:1",
            "ts_ms": 1_780_000_000_000,
            "topic": LOG,
            "data": {"text": "Hel"},
        },
    }


def test_an_event_is_encoded_once_whatever_the_number_of_subscribers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[int] = []

    def counted(seq: int, cursor: str, ts_ms: int, topic: str, data: object) -> bytes:
        encoded.append(seq)
        return b"body\n"

    monkeypatch.setattr(hub_module, "event_body", counted)
    hub = new_hub()
    heard = listening(hub, LOG)
    hub.publish(LOG, text("a"))
    assert encoded == []
    for head in (b"1", b"1", b"2", b"1"):
        assert heard[0].line(head) == head + b"body\n"
    assert heard[0].line(b"1") is heard[0].line(b"1")
    assert encoded == [1]


def test_an_event_keeps_one_line_however_many_subscriptions_came_and_went() -> None:
    hub = new_hub()
    heard = listening(hub, LOG)
    hub.publish(LOG, text("x" * 50_000))
    tracemalloc.start()
    try:
        for number in range(100):
            heard[0].line(event_head(f"e{number}"))
        kept, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10 * 50_000


def test_data_nested_too_deep_to_be_written_is_told_as_an_error() -> None:
    hub = new_hub()
    heard = listening(hub, "session.tool_call")
    deep: object = 1
    for _ in range(20_000):
        deep = [deep]
    call = FunctionCall(id="c1", name="f", args={"a": deep})
    hub.publish("session.tool_call", t.ToolCalls(function_calls=[call]))
    told = json.loads(heard[0].line(event_head("s1")))["params"]["data"]
    assert told["error"]["data"]["name"] == "wire.result_too_large"


def test_a_stream_event_that_nobody_asked_for_is_not_even_numbered() -> None:
    hub = new_hub()
    assert not hub.wanted(STREAM)
    hub.publish(STREAM, AUDIO)
    assert hub.last_seq == 0
    heard = listening(hub, STREAM)
    assert hub.wanted(STREAM)
    hub.publish(STREAM, AUDIO)
    assert seqs(heard) == [1]
    assert list(hub.replay(0, [STREAM])) == []


@pytest.mark.parametrize("topic", [LOG, STATE])
def test_what_can_be_replayed_is_wanted_by_whoever_comes_later(topic: str) -> None:
    assert new_hub().wanted(topic)


def test_of_a_state_the_latest_is_kept_and_stands_at_its_place_in_the_sequence() -> None:
    hub = new_hub()
    hub.publish(STATE, phase("setup_sent"))
    hub.publish(LOG, text("a"))
    hub.publish(STATE, phase("active"))
    hub.publish(LOG, text("b"))
    assert seqs(list(hub.replay(0, [STATE, LOG]))) == [2, 3, 4]
    assert seqs(list(hub.replay(3, [STATE, LOG]))) == [4]
    assert seqs(list(hub.replay(0, [STATE]))) == [3]


def test_a_forgotten_event_cannot_be_replayed_and_everything_after_it_can() -> None:
    hub = new_hub(ring_events=2)
    assert hub.can_replay(0)
    for words in "abcd":
        hub.publish(LOG, text(words))
    assert [hub.can_replay(seq) for seq in range(6)] == [False, False, True, True, True, False]
    assert seqs(list(hub.replay(2, [LOG]))) == [3, 4]


def test_a_detached_sink_gets_nothing_more_even_where_an_event_makes_it_detach() -> None:
    hub = new_hub()
    after = []

    def once(event: Event) -> None:
        hub.detach(once)
        after.append(event.seq)

    hub.attach(once, [LOG, STATE])
    heard = listening(hub, LOG)
    hub.publish(LOG, text("a"))
    hub.publish(LOG, text("b"))
    hub.publish(STATE, phase("active"))
    assert after == [1]
    assert seqs(heard) == [1, 2]
    hub.detach(once)  # a second time is no error


def test_an_unknown_topic_is_a_fault_of_this_program() -> None:
    with pytest.raises(KeyError):
        new_hub().publish("session.nothing", t.Nothing())


def test_a_cursor_of_another_start_is_told_from_one_of_this() -> None:
    hub = new_hub()
    assert hub.parse(f"{hub.instance}:0") == 0
    assert hub.parse(f"{hub.instance}:1842") == 1842
    assert hub.parse("k3f9:1842") is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        ":",
        "1842",
        "k3f9:",
        ":1842",
        "k3f9:-1",
        "k3f9:1.0",
        "k3f9:1:2",
        "k3f9: 1",
        "k3f9:¹",
        "k3f9:٣",
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(LiveHandleError) as caught:
        new_hub().parse(cursor)
    assert caught.value.name == "events.bad_cursor"
    assert caught.value.data["param"] == "since"


@pytest.mark.parametrize("digits", [21, 5000, 100_000])
def test_a_number_too_long_to_be_an_events_is_no_cursor_either(digits: int) -> None:
    hub = new_hub()
    with pytest.raises(LiveHandleError) as caught:
        hub.parse(f"{hub.instance}:{'9' * digits}")
    assert caught.value.name == "events.bad_cursor"
    assert len(caught.value.message) < 300


@given(st.text(max_size=30))
def test_any_text_is_a_cursor_or_is_refused_by_name(cursor: str) -> None:
    assert parsed(cursor) in {None, "events.bad_cursor"}


def parsed(cursor: str) -> int | str | None:
    """Return what a cursor is read as, or the name of the error."""
    try:
        return new_hub().parse(cursor)
    except LiveHandleError as error:
        return error.name


published = st.sampled_from([LOG, "live.turn_complete", STATE, STREAM])


@given(
    topics=st.lists(published, max_size=40),
    joined=st.integers(0, 40),
    wanted=st.sets(published, min_size=1),
    ring_events=st.integers(1, 12),
)
def test_a_replay_is_what_a_live_sink_got_or_it_is_refused(
    topics: list[str], joined: int, wanted: set[str], ring_events: int
) -> None:
    hub = new_hub(ring_events)
    data = {LOG: text("a"), "live.turn_complete": t.TurnComplete(turn=0), STREAM: AUDIO}
    live: list[Event] = []
    since = None
    for number, topic in enumerate([*topics, None]):
        if number == min(joined, len(topics)):
            since = hub.last_seq
            hub.attach(live.append, wanted)
        if topic is not None:
            hub.publish(topic, data.get(topic, phase("active")))
    assert since is not None
    logged = [e for e in live if TOPICS[e.topic].delivery == "log"]
    states = [e for e in live if TOPICS[e.topic].delivery == "state"][-1:]
    if hub.can_replay(since):
        replayed = list(hub.replay(since, wanted))
        assert replayed == sorted(logged + states, key=lambda e: e.seq)
    else:
        after = sum(TOPICS[e].delivery == "log" for e in topics[joined:])
        assert after > ring_events
    assert seqs(live) == sorted(set(seqs(live)))
    assert hub.can_replay(hub.last_seq)


def changed(key: str, value: object) -> StateChange:
    return StateChange(key=key, value=value, removed=False, sequence=1, origin="set")


def test_of_the_keys_of_one_state_topic_each_is_replayed_with_its_latest_value() -> None:
    hub = new_hub()
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        hub.publish("state.changed", changed(key, value), key=key)
    replayed = list(hub.replay(0, {"state.changed"}))
    assert [e.data for e in replayed] == [changed("b", 2), changed("a", 3)]
    assert hub.can_replay(0)


def test_keys_without_end_are_forgotten_from_the_oldest_and_a_replay_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "_MAX_STATES", 10)
    hub = new_hub()
    for number in range(25):
        hub.publish("state.changed", changed(str(number), number), key=str(number))
    assert len(hub._states) == 10
    assert not hub.can_replay(14)
    assert hub.can_replay(15)
    assert seqs(list(hub.replay(15, {"state.changed"}))) == [*range(16, 26)]
