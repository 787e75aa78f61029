"""A client's side of the protocol, without a socket."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livehandle.calls import anew
from livehandle.feeds import BUFFER_BYTES, LIMIT_BYTES, Feed
from livehandle.toolbox import Registration, ToolCall
from livehandle.wire import MAX_LINE_BYTES, Wire
from livehandle_proto.errors import LiveHandleError
from support.scripted_daemon import event

Message = dict[str, Any]


class Rig:
    """A wire, and what a daemon would see and say."""

    def __init__(self) -> None:
        self.carried_out: list[ToolCall] = []
        self.cancelled: list[str] = []
        self.wakes = 0
        self.wire = Wire(
            "a test",
            "/run/s",
            carry_out=self.carried_out.append,
            cancel=self.cancelled.append,
            wake=self._wake,
        )

    def _wake(self) -> None:
        self.wakes += 1

    def connected(self, **hello: object) -> list[Message]:
        """Connect, and be greeted; return what was asked beside hello."""
        self.wire.next_delay_s()
        self.wire.connected()
        first, *others = self.asked()
        assert first["method"] == "daemon.hello"
        self.answer(first, hello)
        return others

    def asked(self) -> list[Message]:
        """Return what has been written since."""
        lines = bytes(self.wire.outbox).splitlines()
        self.wire.outbox.clear()
        return [json.loads(line) for line in lines]

    def lost(self) -> LiveHandleError:
        """Lose the connection, at the daemon's end of it."""
        return self.wire.lost(None)

    def is_ready(self) -> bool:
        return self.wire.ready

    def reads(self) -> bool:
        return self.wire.may_read

    def answer(self, request: Message, result: object) -> None:
        self.say({"jsonrpc": "2.0", "id": request["id"], "result": result})

    def refuse(self, request: Message, name: str) -> None:
        error = LiveHandleError(name, "No.").to_json()
        self.say({"jsonrpc": "2.0", "id": request["id"], "error": error})

    def say(self, message: object) -> None:
        self.wire.received(json.dumps(message).encode() + b"\n")

    def own(self, topic: str, **data: object) -> None:
        """Say what concerns the connection itself."""
        self.say({"method": "event", "params": {"topic": topic, "data": data}})

    def subscribed(self, name: str = "e1", **more: object) -> Feed:
        """Subscribe, and have it answered."""
        feed = Feed("events", ["live.*"], None, False)
        self.wire.feeds.subscribe(feed)
        (request,) = self.asked()
        self.answer(request, {"subscription": name, "cursor": "k3f9:0", **more})
        return feed

    def taken(self, feed: Feed) -> list[tuple[str, Mapping[str, object]]]:
        """Take all events that wait."""
        taken = []
        while (one := self.wire.feeds.take(feed)) is not None:
            taken.append((one.topic, one.data))
        return taken

    def registered(self) -> Registration:
        registration = Registration(
            add, name=None, description=None, parameters={"type": "object"}, timeout_ms=500
        )
        self.wire.tools.register(registration)
        (request,) = self.asked()
        self.answer(request, {"registration": "r1", "declared": "now"})
        return registration


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.connected(version="1")
    return rig


# Connecting


def test_hello_comes_first_and_makes_the_client_ready() -> None:
    rig = Rig()
    rig.wire.connected()
    assert not rig.is_ready()
    (hello,) = rig.asked()
    assert hello["params"] == {"client": "a test", "max_line_bytes": MAX_LINE_BYTES}
    rig.answer(hello, {"version": "1"})
    assert rig.is_ready()
    assert rig.wire.hello == {"version": "1"}


def test_a_daemon_that_refuses_hello_says_why() -> None:
    rig = Rig()
    rig.wire.connected()
    (hello,) = rig.asked()
    with pytest.raises(LiveHandleError) as refused:
        rig.refuse(hello, "daemon.forbidden")
    assert refused.value.name == "daemon.forbidden"
    assert not rig.is_ready()


def test_attempts_are_made_at_once_then_ever_later_to_two_seconds() -> None:
    wire = Rig().wire
    delays = [wire.next_delay_s() for _ in range(9)]
    assert delays == [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert wire.attempts == 9


def test_the_wait_begins_anew_once_the_daemon_has_answered(rig: Rig) -> None:
    rig.lost()
    rig.wire.next_delay_s()
    rig.wire.next_delay_s()
    rig.connected()
    assert rig.wire.next_delay_s() == 0.0


# Calls


def test_answers_may_come_in_another_order(rig: Rig) -> None:
    slow, quick = rig.wire.begin("done", {}), rig.wire.begin("phase", {})
    first, second = rig.asked()
    rig.answer(second, "quick")
    assert (slow.done, quick.done) == (False, True)
    rig.answer(first, "slow")
    assert (slow.result(), quick.result()) == ("slow", "quick")


def test_a_request_is_json_rpc_in_one_line(rig: Rig) -> None:
    rig.wire.begin("send_text", {"text": "a\nb é \u2028"})
    assert rig.wire.outbox.count(b"\n") == 1
    (request,) = rig.asked()
    assert request == {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "send_text",
        "params": {"text": "a\nb é \u2028"},
    }


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object(), "\ud800"])
def test_what_is_no_json_is_not_sent(rig: Rig, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        rig.wire.begin("state.set", {"key": "a", "value": value})
    assert rig.asked() == []
    call = rig.wire.begin("phase", {})
    rig.answer(rig.asked()[0], "active")
    assert call.result() == "active"


def test_an_error_has_its_name_and_data_whatever_the_daemon(rig: Rig) -> None:
    call = rig.wire.begin("phase", {})
    error = {"code": 7, "message": "New.", "data": {"name": "x.new", "extra": 1}, "more": []}
    rig.say({"jsonrpc": "2.0", "id": rig.asked()[0]["id"], "error": error})
    with pytest.raises(LiveHandleError) as raised:
        call.result()
    assert (raised.value.name, raised.value.data) == ("x.new", {"extra": 1})


@pytest.mark.parametrize("request_id", [99, "2", True, None, [2], 2.0])
def test_an_answer_to_nothing_is_nothing(rig: Rig, request_id: object) -> None:
    call = rig.wire.begin("phase", {})
    rig.say({"jsonrpc": "2.0", "id": request_id, "result": 1})
    assert not call.done


def test_true_is_no_number() -> None:
    rig = Rig()
    rig.wire.connected()
    rig.say({"jsonrpc": "2.0", "id": True, "result": {}})
    assert not rig.is_ready()


def test_a_call_that_is_given_up_is_forgotten(rig: Rig) -> None:
    call = rig.wire.begin("phase", {})
    rig.wire.forget(call)
    rig.answer(rig.asked()[0], 1)
    assert not call.done


def test_a_subscription_is_not_forgotten_with_its_call(rig: Rig) -> None:
    feed = Feed("events", None, None, False)
    rig.wire.forget(rig.wire.feeds.subscribe(feed))
    rig.wire.feeds.close(feed)
    rig.answer(rig.asked()[0], {"subscription": "e1", "cursor": "k3f9:0"})
    assert [r["method"] for r in rig.asked()] == ["unsubscribe"]


def test_an_unknown_notification_is_passed_over(rig: Rig) -> None:
    rig.say({"jsonrpc": "2.0", "method": "news", "params": [1]})
    assert rig.is_ready()


# Lines


@settings(max_examples=40)
@given(st.data())
def test_lines_are_the_same_however_they_come(data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.text(max_size=20), max_size=8))
    whole = b"".join(event("live.text_delta", n + 1, text=t) for n, t in enumerate(texts))
    rig = Rig()
    rig.connected()
    feed = rig.subscribed()
    rest = whole
    while rest:
        length = data.draw(st.integers(1, len(rest)))
        rig.wire.received(rest[:length])
        rest = rest[length:]
    assert [got["text"] for _, got in rig.taken(feed)] == texts


def test_a_partial_line_is_thrown_away_with_its_connection(rig: Rig) -> None:
    feed = rig.subscribed()
    line = event("live.text_delta", 1, text="whole")
    rig.wire.received(line + line[:40])
    rig.lost()
    (again,) = rig.connected()
    rig.answer(again, {"subscription": "e1", "cursor": "k3f9:1"})
    rig.wire.received(event("live.text_delta", 2, text="next"))
    texts = [data["text"] for topic, data in rig.taken(feed) if topic == "live.text_delta"]
    assert texts == ["whole", "next"]


def test_a_daemon_says_what_it_is_and_no_echo() -> None:
    echo: Message = {"method": "daemon.hello", "params": {}}
    answers: list[Message] = [echo, {"result": None}, {"result": [1]}]
    for answer in answers:
        rig = Rig()
        rig.wire.connected()
        with pytest.raises(LiveHandleError, match="is not livehandled"):
            rig.say({"jsonrpc": "2.0", "id": rig.asked()[0]["id"], **answer})
        assert not rig.is_ready()


@pytest.mark.parametrize("line", [b"HTTP/1.1 400 Bad\n", b"[]\n", b"7\n", b"\xff\n", b"[" * 9000])
def test_what_is_no_message_is_no_daemon(rig: Rig, line: bytes) -> None:
    with pytest.raises(LiveHandleError, match="is not livehandled") as refused:
        rig.wire.received(line + b"\n")
    assert refused.value.name == "daemon.unreachable"


# Losses


def test_calls_in_flight_fail_and_are_not_made_again(rig: Rig) -> None:
    calls = [rig.wire.begin("done", {}), rig.wire.begin("phase", {})]
    rig.asked()
    rig.lost()
    errors = []
    for call in calls:
        assert call.done
        with pytest.raises(LiveHandleError, match="closed the connection") as lost:
            call.result()
        assert lost.value.name == "daemon.unreachable"
        errors.append(lost.value)
    assert errors[0] is not errors[1]
    assert rig.connected() == []


def test_calls_in_flight_fail_with_what_the_daemon_said_last(rig: Rig) -> None:
    call = rig.wire.begin("send_text", {"text": "x"})
    error = LiveHandleError("wire.too_long", "Send shorter lines.").to_json()
    with pytest.raises(LiveHandleError) as said:
        rig.say({"jsonrpc": "2.0", "id": None, "error": error})
    assert rig.wire.lost(said.value).name == "wire.too_long"
    with pytest.raises(LiveHandleError, match="shorter"):
        call.result()
    assert rig.lost().name == "daemon.unreachable"


def test_what_was_not_sent_is_not_sent_on_the_next_connection(rig: Rig) -> None:
    rig.wire.begin("send_text", {"text": "x"})
    rig.lost()
    assert rig.wire.outbox == b""


def test_a_subscription_goes_on_after_its_last_event(rig: Rig) -> None:
    feed = rig.subscribed()
    rig.wire.received(event("live.text_delta", 5, text="a"))
    rig.lost()
    (again,) = rig.connected()
    assert again["method"] == "events"
    assert again["params"] == {"topics": ["live.*"], "since": "k3f9:5"}
    rig.answer(again, {"subscription": "e7", "cursor": "k3f9:9"})
    assert [topic for topic, _ in rig.taken(feed)] == [
        "live.text_delta",
        "client.disconnected",
        "client.connected",
    ]


def test_a_loss_is_told_with_its_error_and_the_return_with_its_attempt(rig: Rig) -> None:
    feed = rig.subscribed()
    rig.lost()
    rig.wire.next_delay_s()
    rig.wire.lost(LiveHandleError("daemon.unreachable", "Gone."))  # an attempt that failed
    rig.connected()
    (lost, gone), (back, how) = rig.taken(feed)
    assert (lost, back) == ("client.disconnected", "client.connected")
    assert "closed the connection" in str(gone["error"])
    assert how == {"attempt": 2}


def test_a_subscription_without_events_goes_on_after_its_answer(rig: Rig) -> None:
    rig.subscribed()
    rig.lost()
    assert rig.connected()[0]["params"]["since"] == "k3f9:0"


def test_a_reset_is_told_with_the_snapshot_and_its_cursor_counts(rig: Rig) -> None:
    feed = rig.subscribed()
    rig.lost()
    (again,) = rig.connected()
    snapshot = {"phase": "active"}
    answer = {"subscription": "e1", "cursor": "new:1", "reset": True, "snapshot": snapshot}
    rig.answer(again, answer)
    assert rig.taken(feed)[-1] == ("client.reset", snapshot)
    rig.lost()
    assert rig.connected()[0]["params"]["since"] == "new:1"


def test_a_subscription_that_is_refused_later_ends_with_the_error(rig: Rig) -> None:
    feed = rig.subscribed()
    rig.lost()
    (again,) = rig.connected()
    rig.refuse(again, "events.bad_cursor")
    assert feed.has_news
    assert rig.wire.feeds.take(feed) is not None  # the loss
    assert rig.wire.feeds.take(feed) is not None  # the return
    with pytest.raises(LiveHandleError) as ended:
        rig.wire.feeds.take(feed)
    assert ended.value.name == "events.bad_cursor"
    rig.lost()
    assert rig.connected() == []


def test_a_subscription_that_was_never_answered_is_not_taken_up(rig: Rig) -> None:
    feed = Feed("events", None, None, False)
    call = rig.wire.feeds.subscribe(feed)
    rig.asked()
    rig.lost()
    assert rig.connected() == []
    assert call.done


def test_events_of_a_subscription_that_has_ended_are_nobodys(rig: Rig) -> None:
    feed = rig.subscribed()
    rig.wire.feeds.close(feed)
    assert [r["method"] for r in rig.asked()] == ["unsubscribe"]
    rig.wire.received(event("live.text_delta", 1, text="late"))
    assert not feed.waiting
    rig.lost()
    assert rig.connected() == []


def test_a_subscription_whose_reader_left_early_is_ended_when_it_is_there(rig: Rig) -> None:
    feed = Feed("subscribe", None, None, True)
    rig.wire.feeds.subscribe(feed)
    (request,) = rig.asked()
    assert request["params"] == {"snapshot": True}
    rig.wire.feeds.close(feed)
    rig.answer(request, {"subscription": "e1", "cursor": "k3f9:0"})
    assert rig.asked()[0]["params"] == {"subscription": "e1"}


def test_what_concerns_the_connection_comes_to_every_reader(rig: Rig) -> None:
    feeds = [rig.subscribed("e1"), rig.subscribed("e2")]
    rig.own("daemon.bye")
    assert [rig.taken(feed) for feed in feeds] == [[("daemon.bye", {})]] * 2


def test_a_topic_of_a_newer_daemon_comes_as_it_is(rig: Rig) -> None:
    feed = rig.subscribed()
    rig.wire.received(event("live.smell", 1, of="roses", new=[1]))
    assert rig.taken(feed) == [("live.smell", {"of": "roses", "new": [1]})]


# Slow readers


def test_after_the_daemons_lag_it_goes_on_once_the_notice_is_read(rig: Rig) -> None:
    feed = rig.subscribed()
    rig.wire.received(event("live.text_delta", 3, text="a"))
    rig.wire.received(event("events.lagged", 8, last_seq=3, missed=5))
    assert rig.asked() == []
    assert rig.taken(feed)[-1] == ("events.lagged", {"last_seq": 3, "missed": 5})
    assert rig.asked()[0]["params"]["since"] == "k3f9:3"


def fill(rig: Rig, size: int = BUFFER_BYTES) -> int:
    """Send as much as is kept for a reader, or another size; return the last number."""
    seq = 0
    while size > 0:
        seq += 1
        line = event("live.text_delta", seq, text="x" * 10_000)
        rig.wire.received(line)
        size -= len(line) - 1
    return seq


def test_a_reader_who_does_not_read_stops_the_reading(rig: Rig) -> None:
    feed = rig.subscribed()
    assert rig.reads()
    fill(rig)
    assert not rig.reads()
    rig.wire.feeds.take(feed)
    assert rig.reads()


def test_nothing_is_held_up_for_a_call_a_function_or_another_reader(rig: Rig) -> None:
    rig.subscribed()
    fill(rig)
    call = rig.wire.begin("phase", {})
    assert rig.reads()
    rig.wire.forget(call)
    assert not rig.reads()
    rig.asked()
    other = rig.subscribed("e2")
    assert rig.reads()
    rig.wire.feeds.close(other)
    rig.answer(rig.asked()[0], None)
    assert not rig.reads()
    rig.registered()
    assert rig.reads()


def test_who_must_be_read_past_lags_and_then_goes_on_where_it_was(rig: Rig) -> None:
    feed = rig.subscribed()
    last = fill(rig, LIMIT_BYTES)
    assert rig.asked() == []
    for seq in range(last + 1, last + 4):
        rig.wire.received(event("live.text_delta", seq, text="too much"))
    (unsubscribe,) = rig.asked()
    assert unsubscribe["params"] == {"subscription": "e1"}
    for _ in range(last):
        one = rig.wire.feeds.take(feed)
        assert one is not None
        assert one.topic == "live.text_delta"
    assert rig.asked() == []
    assert rig.taken(feed) == [("events.lagged", {"last_seq": last, "missed": 3})]
    (again,) = rig.asked()
    assert again["params"]["since"] == f"k3f9:{last}"
    rig.wire.received(event("live.text_delta", last + 4, text="still of the old one"))
    rig.answer(unsubscribe, None)
    rig.answer(again, {"subscription": "e2", "cursor": f"k3f9:{last}"})
    assert not feed.waiting
    rig.wire.received(event("live.text_delta", last + 1).replace(b'"e1"', b'"e2"'))
    assert [topic for topic, _ in rig.taken(feed)] == ["live.text_delta"]


def test_what_was_on_its_way_when_a_reader_fell_behind_is_missed(rig: Rig) -> None:
    feed = rig.subscribed()
    last = fill(rig, LIMIT_BYTES)
    rig.wire.received(event("live.text_delta", last + 1))
    for _ in range(last):
        rig.wire.feeds.take(feed)
    rig.wire.received(event("live.text_delta", last + 2))
    assert rig.taken(feed) == [("events.lagged", {"last_seq": last, "missed": 2})]
    assert rig.asked()[-1]["params"]["since"] == f"k3f9:{last}"


def test_a_reader_who_leaves_behind_a_notice_has_ended_already(rig: Rig) -> None:
    feed = rig.subscribed()
    rig.wire.received(event("events.lagged", 8, last_seq=0, missed=8))
    rig.wire.feeds.close(feed)
    assert rig.asked() == []


def test_one_topic_may_stand_alone(rig: Rig) -> None:
    rig.wire.feeds.subscribe(Feed("events", "live.*", None, False))
    assert rig.asked()[0]["params"] == {"topics": ["live.*"]}


def test_what_a_lagging_reader_misses_of_the_connection_is_counted(rig: Rig) -> None:
    feed = rig.subscribed()
    last = fill(rig, LIMIT_BYTES)
    rig.lost()
    assert rig.connected() == []  # it is taken up when it has read
    assert rig.taken(feed)[-1] == ("events.lagged", {"last_seq": last, "missed": 2})
    assert [r["method"] for r in rig.asked()] == ["events"]


def test_a_reader_who_is_full_at_the_return_goes_on_when_it_has_read(rig: Rig) -> None:
    feed = rig.subscribed()
    rig.lost()
    rig.taken(feed)
    (again,) = rig.connected()
    rig.answer(again, {"subscription": "e1", "cursor": "k3f9:0"})
    last = fill(rig)
    rig.lost()
    assert rig.connected() == []
    lost, lagged, back = rig.taken(feed)[-3:]
    assert (lost[0], back[0]) == ("client.disconnected", "client.connected")
    assert lagged == ("events.lagged", {"last_seq": last, "missed": 0})
    assert rig.asked()[0]["params"]["since"] == f"k3f9:{last}"


def test_a_notice_that_is_read_while_the_daemon_is_away_counts_at_the_return(rig: Rig) -> None:
    feed = rig.subscribed()
    rig.wire.received(event("events.lagged", 1, last_seq=0, missed=1))
    rig.lost()
    assert rig.taken(feed)[0] == ("events.lagged", {"last_seq": 0, "missed": 1})
    assert rig.asked() == []
    assert [r["method"] for r in rig.connected()] == ["events"]


# Functions


def test_a_function_is_declared_by_its_name_and_words(rig: Rig) -> None:
    rig.wire.tools.register(
        Registration(add, name=None, description=None, parameters=None, timeout_ms=None)
    )
    declaration = {"name": "add", "description": "Add two numbers."}
    assert rig.asked()[0]["params"] == {"declarations": [declaration]}
    rig.wire.tools.register(
        Registration(add, name="plus", description="+", parameters={}, timeout_ms=5)
    )
    declaration = {"name": "plus", "description": "+", "parameters": {}}  # type: ignore[dict-item] # of another shape than above
    assert rig.asked()[0]["params"] == {"declarations": [declaration], "timeout_ms": 5}


def test_a_call_is_carried_out_and_answered_once(rig: Rig) -> None:
    rig.registered()
    rig.own("tool.call", call_id="c1", registration="r1", name="add", args={"a": 1})
    rig.own("tool.call", call_id="c1", registration="r1", name="add", args={"a": 1})
    assert rig.carried_out == [ToolCall("c1", add, {"a": 1})]
    rig.wire.tools.respond("c1", {"sum": 3})
    (respond,) = rig.asked()
    assert respond["params"] == {"call_id": "c1", "result": {"sum": 3}}
    rig.answer(respond, None)
    rig.lost()
    assert [r["method"] for r in rig.connected()] == ["tools.register"]


def test_an_answer_is_given_again_after_a_loss_until_it_is_confirmed(rig: Rig) -> None:
    rig.registered()
    rig.own("tool.call", call_id="c1", registration="r1", name="add", args={})
    rig.wire.tools.respond("c1", 3)
    rig.lost()
    register, respond = rig.connected()
    assert register["params"] == {"registration": "r1"}
    assert respond["params"] == {"call_id": "c1", "result": 3}
    rig.own("tool.call", call_id="c1", registration="r1", name="add", args={})
    assert len(rig.carried_out) == 1  # it was asked again, and is answered already


def test_an_answer_that_is_there_while_the_daemon_is_away_waits(rig: Rig) -> None:
    rig.registered()
    rig.own("tool.call", call_id="c1", registration="r1", name="add", args={})
    rig.lost()
    rig.wire.tools.respond("c1", error=ValueError("too large"))
    assert rig.asked() == []
    assert rig.connected()[1]["params"] == {"call_id": "c1", "error": "too large"}


def test_an_error_without_words_has_its_kind(rig: Rig) -> None:
    rig.wire.tools.respond("c1", error=KeyError())
    assert rig.asked()[0]["params"]["error"] == "KeyError"


def test_a_registration_that_is_unknown_is_made_anew(rig: Rig) -> None:
    registration = rig.registered()
    rig.lost()
    (present,) = rig.connected()
    rig.refuse(present, "tools.unknown_registration")
    (register,) = rig.asked()
    assert register["params"] == registration.params
    rig.answer(register, {"registration": "r2"})
    rig.own("tool.call", call_id="c1", registration="r2", name="add", args={})
    assert len(rig.carried_out) == 1
    assert rig.wire.tools.registrations == [registration]


def test_a_function_that_another_has_taken_is_given_up_with_a_warning(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.registered()
    rig.lost()
    (present,) = rig.connected()
    rig.refuse(present, "tools.name_taken")
    assert rig.wire.tools.registrations == []
    assert "The function add is lost" in caplog.text


def test_the_latest_function_of_a_name_is_the_only_one(rig: Rig) -> None:
    rig.registered()
    latest = Registration(print, name="add", description=None, parameters=None, timeout_ms=None)
    rig.wire.tools.register(latest)
    rig.answer(rig.asked()[0], {"registration": "r2"})
    rig.lost()
    assert [request["params"] for request in rig.connected()] == [{"registration": "r2"}]


@pytest.mark.parametrize("knows", [True, False])
def test_a_function_that_is_unregistered_while_it_is_presented_stays_so(
    rig: Rig, knows: bool
) -> None:
    rig.registered()
    rig.lost()
    (present,) = rig.connected()
    rig.wire.tools.unregister("add")
    rig.asked()
    if knows:
        rig.answer(present, {"registration": "r1"})
    else:
        rig.refuse(present, "tools.unknown_registration")
    assert rig.asked() == []
    assert rig.wire.tools.registrations == []


def test_a_function_is_carried_out_no_more(rig: Rig) -> None:
    rig.registered()
    rig.wire.tools.unregister("add")
    assert rig.asked()[0]["params"] == {"registration": "r1"}
    rig.lost()
    assert rig.connected() == []
    with pytest.raises(LiveHandleError, match="it has registered none") as unknown:
        rig.wire.tools.unregister("add")
    assert unknown.value.name == "tools.unknown_registration"


@pytest.mark.parametrize("answer", [None, [], {}])
def test_answers_of_another_shape_do_no_harm(rig: Rig, answer: object) -> None:
    feed = Feed("events", None, None, False)
    rig.wire.feeds.subscribe(feed)
    rig.wire.tools.register(
        Registration(add, name=None, description=None, parameters=None, timeout_ms=None)
    )
    for request in rig.asked():
        rig.answer(request, answer)
    assert rig.taken(feed) == []


def test_a_cancelled_call_is_told(rig: Rig) -> None:
    rig.registered()
    feed = rig.subscribed()
    rig.own("tool.call", call_id="c1", registration="r1", name="add", args={})
    rig.own("tool.cancel", call_id="c1", reason="cancelled")
    assert rig.cancelled == ["c1"]
    rig.wire.tools.give_up("c1")
    rig.own("tool.cancel", call_id="c1", reason="cancelled")
    assert rig.cancelled == ["c1"]
    assert [topic for topic, _ in rig.taken(feed)] == ["tool.cancel"]


def test_a_call_of_a_registration_that_is_not_ours_comes_as_an_event(rig: Rig) -> None:
    rig.registered()
    feed = rig.subscribed()
    rig.own("tool.call", call_id="c1", registration="by hand", name="add", args={})
    assert [topic for topic, _ in rig.taken(feed)] == ["tool.call"]
    assert rig.carried_out == []


@pytest.mark.parametrize("name", ["tools.call_expired", "tools.unknown_call"])
def test_an_answer_that_comes_too_late_is_no_matter(rig: Rig, name: str) -> None:
    rig.wire.tools.respond("c1", 3)
    rig.refuse(rig.asked()[0], name)
    assert rig.asked() == []
    rig.lost()
    assert rig.connected() == []


def test_a_result_that_the_daemon_does_not_take_is_answered_with_the_reason(rig: Rig) -> None:
    rig.wire.tools.respond("c1", 3)
    rig.refuse(rig.asked()[0], "wire.invalid_params")
    (respond,) = rig.asked()
    assert respond["params"] == {"call_id": "c1", "error": "No."}
    rig.refuse(respond, "wire.invalid_params")
    assert rig.asked() == []


def test_a_result_that_is_no_json_is_answered_with_the_reason(rig: Rig) -> None:
    rig.wire.tools.respond("c1", {1, 2})
    assert "no JSON" in rig.asked()[0]["params"]["error"]


def test_each_waiter_has_an_error_of_its_own() -> None:
    error = LiveHandleError("events.bad_cursor", "No.", param="since")
    again = anew(error)
    assert again is not error
    assert (again.name, again.message, again.data) == (error.name, error.message, error.data)


def test_everything_that_changes_wakes(rig: Rig) -> None:
    before = rig.wakes
    rig.wire.begin("phase", {})
    rig.wire.received(b"")
    rig.lost()
    assert rig.wakes == before + 3
