"""Each method of the catalogue, from its parameters to the handle and back."""

import os
from collections.abc import Awaitable
from typing import Any, cast

import anyio
import msgspec
import pytest

from livehandle_proto import methods as m
from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.topics import RAW_STREAM, SEMANTIC_STREAM, Nothing
from livehandled.config.schema import Limits
from livehandled.control.calls import Calls, Surroundings
from livehandled.control.peer import Peer
from livehandled.handle import LiveHandle
from livehandled.hub import Hub
from support.control import new_hub

pytestmark = pytest.mark.anyio

SESSION = v.Session(
    session_id="s",
    phase="active",
    backend="gemini",
    model="m",
    connected_ms=5,
    connection=None,
    resumable=False,
    reconnects=0,
    current_turn=None,
    turns=0,
    last_close=None,
)
ENDED = v.Ended(reason="closed", code=1000)


class Sent:
    """What a send of the handle returns."""

    def __init__(self, *, done: bool) -> None:
        self.done = done

    def __await__(self) -> Any:
        yield from anyio.lowlevel.checkpoint().__await__()


class Handle:
    """Stands for the handle; notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.ready = True
        self.over = anyio.Event()

    def __getattr__(self, name: str) -> Any:
        def asked(*arguments: object) -> object:
            self.asked.append((name, *arguments))
            return Sent(done=self.ready) if name.startswith("send_") else name

        return asked

    def phase(self) -> v.Phase:
        return "active"

    def session(self) -> v.Session:
        return SESSION

    def telemetry(self) -> dict[str, object]:
        return {"errors": 0}

    async def done(self) -> v.Ended:
        await self.over.wait()
        return ENDED


class StandIn:
    """Stands for a peer; notes what it is told."""

    def __init__(self) -> None:
        self.client = ""
        self.line_bytes = m.MIN_LINE_BYTES
        self.subscribed: list[tuple[str, frozenset[str], int]] = []
        self.unsubscribed: list[str] = []

    def raise_line_limit(self, line_bytes: int) -> None:
        self.line_bytes = line_bytes

    def subscribe(self, prefix: str, topics: frozenset[str], start_seq: int) -> Any:
        self.subscribed.append((prefix, topics, start_seq))
        return type("Subscription", (), {"name": f"{prefix}1"})

    def unsubscribe(self, name: str) -> None:
        self.unsubscribed.append(name)


class Called:
    """The handlers of all methods, with everything around them."""

    def __init__(self, ring_events: int = 4096) -> None:
        self.handle = Handle()
        self.hub: Hub = new_hub(ring_events)
        self.peer = StandIn()
        self.stops = 0
        around = Surroundings(
            socket="/run/s",
            limits=Limits(),
            started=100.0,
            clock=lambda: 101.5,
            peers=lambda: 3,
            shut_down=self._stop,
        )
        self._handlers = Calls(cast("LiveHandle", self.handle), self.hub, around).handlers()

    def call(self, method: str, **params: object) -> Any:
        """Call a method; return what its handler does."""
        typed = msgspec.convert(params, m.METHODS[method].params)
        return self._handlers[method](cast("Peer", self.peer), typed)

    def _stop(self) -> None:
        self.stops += 1


def test_every_method_has_a_handler() -> None:
    assert Called()._handlers.keys() == m.METHODS.keys()


@pytest.mark.parametrize(
    ("method", "params", "asked"),
    [
        ("connect", {"config": {"a": {}}}, ("connect", {"a": {}})),
        ("connect", {}, ("connect", {})),
        ("disconnect", {}, ("disconnect",)),
        ("session.config", {}, ("config",)),
    ],
)
def test_the_handles_answer_is_the_methods(
    method: str, params: dict[str, object], asked: tuple[object, ...]
) -> None:
    it = Called()
    assert it.call(method, **params) == asked[0]
    assert it.handle.asked == [asked]


TOOL_ANSWER = m.ToolAnswer(id="1", name="f", response=5)


@pytest.mark.parametrize(
    ("method", "params", "argument"),
    [
        ("send_text", {"text": "hi"}, "hi"),
        ("send_audio", {"data": "AAAA"}, "AAAA"),
        ("send_video", {"data": "/9j/"}, "/9j/"),
        (
            "send_tool_response",
            {"responses": [{"id": "1", "name": "f", "response": 5}]},
            [TOOL_ANSWER],
        ),
    ],
)
async def test_a_send_is_answered_at_once_in_an_open_session_and_else_once_it_is_open(
    method: str, params: dict[str, object], argument: object
) -> None:
    it = Called()
    assert it.call(method, **params) is None
    it.handle.ready = False
    settled: Awaitable[None] = it.call(method, **params)
    assert it.handle.asked == [(method, argument)] * 2  # sent before anybody waits
    await settled


def test_phase_session_and_telemetry_are_the_handles() -> None:
    it = Called()
    assert it.call("phase") == m.PhaseNow(phase="active")
    assert it.call("session") == SESSION
    assert it.call("telemetry") == {"errors": 0}
    assert it.call("daemon.ping") is None


def test_hello_says_who_answers_and_remembers_who_calls() -> None:
    it = Called()
    daemon = it.call("daemon.hello", client="me", max_line_bytes=1_000_000)
    assert it.peer.client == "me"
    assert daemon.name == "livehandled"
    assert daemon.api_level >= daemon.api_compatible == 1
    assert daemon.instance == it.hub.instance
    assert daemon.session == SESSION
    assert daemon.limits.your_max_line_bytes == 1_000_000
    assert daemon.limits.max_line_bytes == 16 * 2**20
    assert it.call("daemon.hello").limits.your_max_line_bytes == 1_000_000
    assert it.peer.client == "me"


def test_status_shows_the_daemon_at_a_glance() -> None:
    it = Called()
    it.hub.publish("live.interrupted", Nothing())
    status = it.call("daemon.status")
    assert (status.pid, status.socket, status.uptime_ms) == (os.getpid(), "/run/s", 1500)
    assert (status.clients, status.last_seq, status.session) == (3, 1, SESSION)


def test_shutdown_is_passed_on() -> None:
    it = Called()
    assert it.call("daemon.shutdown") is None
    assert it.stops == 1


@pytest.mark.parametrize("params", [{}, {"timeout_ms": None}, {"timeout_ms": 60_000}])
async def test_done_answers_how_the_session_ended(params: dict[str, object]) -> None:
    it = Called()
    it.handle.over.set()
    assert await it.call("done", **params) == ENDED


@pytest.mark.parametrize("milliseconds", [0, 1])
async def test_done_says_when_the_time_is_over(milliseconds: int) -> None:
    it = Called()
    with pytest.raises(LiveHandleError, match="wait longer") as timeout:
        await it.call("done", timeout_ms=milliseconds)
    assert timeout.value.name == "session.timeout"


async def test_the_longest_wait_is_one_the_clock_can_count() -> None:
    it = Called()
    with anyio.move_on_after(0):
        await it.call("done", timeout_ms=m.MAX_TIMEOUT_MS)


@pytest.mark.parametrize(
    ("method", "prefix", "default"),
    [("events", "e", SEMANTIC_STREAM), ("subscribe", "s", RAW_STREAM)],
)
def test_a_subscription_begins_after_the_last_event(
    method: str, prefix: str, default: frozenset[str]
) -> None:
    it = Called()
    it.hub.publish("live.interrupted", Nothing())
    answer = it.call(method)
    assert answer == m.Subscribed(subscription=f"{prefix}1", cursor=f"{it.hub.instance}:1")
    assert it.peer.subscribed == [(prefix, default, 1)]


def test_topics_are_matched_and_unknown_ones_refused() -> None:
    it = Called()
    it.call("events", topics=["live.audio", "session.phase_changed"])
    assert it.peer.subscribed[0][1] == {"live.audio", "session.phase_changed"}
    with pytest.raises(LiveHandleError) as refused:
        it.call("events", topics=["live.audios"])
    assert refused.value.name == "events.unknown_topic"
    assert refused.value.data["did_you_mean"] == "live.audio"
    assert len(it.peer.subscribed) == 1


def test_a_snapshot_comes_when_asked_for() -> None:
    answer = Called().call("events", snapshot=True)
    assert answer.snapshot == m.Snapshot(phase="active", session=SESSION, telemetry={"errors": 0})
    assert not answer.reset


def published(it: Called, count: int) -> Called:
    for _ in range(count):
        it.hub.publish("live.interrupted", Nothing())
    return it


@pytest.mark.parametrize("snapshot", [False, True])
def test_since_begins_there_and_needs_no_snapshot(snapshot: bool) -> None:
    it = published(Called(), 5)
    answer = it.call("events", since=f"{it.hub.instance}:2", snapshot=snapshot)
    assert answer == m.Subscribed(subscription="e1", cursor=f"{it.hub.instance}:2")
    assert it.peer.subscribed[0][2] == 2


@pytest.mark.parametrize("since", ["other:2", "{}:1", "{}:6"])
def test_since_that_cannot_be_honoured_is_reset_with_a_snapshot(since: str) -> None:
    it = published(Called(ring_events=3), 5)
    answer = it.call("events", since=since.format(it.hub.instance))
    assert answer.reset
    assert answer.snapshot is not None
    assert answer.cursor == f"{it.hub.instance}:5"
    assert it.peer.subscribed[0][2] == 5


@pytest.mark.parametrize("since", ["", "nonsense", ":5", "a:", "a:-1", "a:" + "9" * 5000])
def test_since_that_is_no_cursor_is_refused(since: str) -> None:
    it = Called()
    with pytest.raises(LiveHandleError) as refused:
        it.call("events", since=since)
    assert refused.value.name == "events.bad_cursor"
    assert it.peer.subscribed == []


def test_unsubscribe_is_passed_on() -> None:
    it = Called()
    assert it.call("unsubscribe", subscription="e1") is None
    assert it.peer.unsubscribed == ["e1"]
