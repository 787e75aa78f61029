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
from livehandle_proto.extractors import ExtractorSpec, Respond
from livehandle_proto.states import StateKeys, StateValue
from livehandle_proto.topics import RAW_STREAM, SEMANTIC_STREAM, Nothing
from livehandled.config.schema import Limits
from livehandled.context import PendingContext
from livehandled.control.calls import Calls, Surroundings
from livehandled.control.peer import Peer
from livehandled.extraction.extractor import CLIENTS
from livehandled.gemini.content import text_content
from livehandled.handle import LiveHandle
from livehandled.hub import Hub
from livehandled.state import State
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
QUEUE = m.ClientQueue(
    client="c",
    subscriptions=1,
    queued_lines=2,
    queued_bytes=3,
    lag_ms=4,
    dropped=5,
    lagged=6,
)
SENDS = frozenset(
    name.removeprefix("writer.")
    for name in m.METHODS
    if name.startswith("writer.") and name != "writer.disconnect"
) | {
    *("playback_drained", "user_speech_started", "user_speech_ended"),
    *("flush_deferred_prompt", "queue_context"),
}
"""What returns something to be awaited."""


class Sent:
    """What a send of the handle returns."""

    def __init__(self, *, done: bool) -> None:
        self.done = done

    def __await__(self) -> Any:
        yield from anyio.lowlevel.checkpoint().__await__()


class Asked:
    """Stands for anything; notes what it is asked for, by name and with a prefix."""

    def __init__(self, handle: "Handle", prefix: str = "") -> None:
        self._handle = handle
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        def asked(*arguments: object, **named: object) -> object:
            self._handle.asked.append((self._prefix + name, *arguments, *named.items()))
            return Sent(done=self._handle.ready) if name in SENDS else name

        return asked


class Underlying(Asked):
    """Stands for the underlying session."""

    def describe(self) -> v.Session:
        return SESSION

    def resume_handle(self) -> str:
        return "rh-42"

    async def wait_for_phase(self, phase: v.Phase, *_time: object) -> v.Phase:
        return phase


class Handle(Asked):
    """Stands for the handle."""

    def __init__(self) -> None:
        super().__init__(self)
        self.asked: list[tuple[object, ...]] = []
        self.ready = True
        self.kept = State(now_ms=lambda: 0)

    def phase(self) -> v.Phase:
        return "active"

    def session(self) -> Asked:
        return Underlying(self, "session.")

    def writer(self) -> Asked:
        return Asked(self, "writer.")

    def state(self) -> State:
        return self.kept

    def extractors(self) -> Asked:
        return Asked(self, "extractors.")

    def telemetry(self) -> dict[str, object]:
        return {"errors": 0}

    def pending_context(self) -> PendingContext:
        context = PendingContext()
        context.extend([text_content("Hi", "model")])
        return context

    async def done(self, timeout_ms: int | None = None) -> v.Ended:
        self.asked.append(("done", timeout_ms))
        return ENDED


class StandIn:
    """Stands for a peer; notes what it is told."""

    def __init__(self) -> None:
        self.client = ""
        self.line_bytes = m.MIN_LINE_BYTES
        self.subscribed: list[tuple[str, frozenset[str], int]] = []
        self.unsubscribed: list[str] = []
        self.answered: list[object] = []
        self.runs = self

    def respond(self, answer: object) -> None:
        self.answered.append(answer)

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
            clients=lambda: [QUEUE] * 3,
            shut_down=self._stop,
        )
        self.calls = Calls(cast("LiveHandle", self.handle), self.hub, around)
        self._handlers = self.calls.handlers()

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
        ("writer", {}, ("writer_state",)),
        ("writer.disconnect", {}, ("writer.disconnect",)),
        ("session.disconnect", {}, ("session.disconnect",)),
        ("voice_state", {}, ("voice_state",)),
        ("input_vad_state", {}, ("input_vad_state",)),
        ("transcript", {}, ("transcript", None)),
        ("transcript", {"turns": 3}, ("transcript", 3)),
        ("extracted", {"name": "Order"}, ("extracted", "Order")),
    ],
)
def test_the_handles_answer_is_the_methods(
    method: str, params: dict[str, object], asked: tuple[object, ...]
) -> None:
    it = Called()
    assert it.call(method, **params) == str(asked[0]).rpartition(".")[2]
    assert it.handle.asked == [asked]


TOOL_ANSWER = m.ToolAnswer(id="1", name="f", response=5)


TURN = {"role": "model", "parts": [{"text": "a"}]}
SENT: dict[str, tuple[dict[str, object], tuple[object, ...]]] = {
    "send_text": ({"text": "hi"}, ("hi",)),
    "send_audio": ({"data": "AAAA"}, ("AAAA",)),
    "send_video": ({"data": "/9j/"}, ("/9j/",)),
    "send_tool_response": (
        {"responses": [{"id": "1", "name": "f", "response": 5}]},
        ([TOOL_ANSWER],),
    ),
    "update_instruction": ({"instruction": "Be brief."}, ("Be brief.",)),
    "send_client_content": (
        {"turns": [TURN], "turn_complete": True},
        ([TURN], ("turn_complete", True)),
    ),
    "queue_context": (
        {"turns": [TURN], "text": "b", "role": "user", "prompt": True},
        ([TURN], ("text", "b"), ("role", "user"), ("prompt", True)),
    ),
}
ALL_SENDS = [
    name for name in m.METHODS if name.rpartition(".")[2] in SENDS and name != "session.disconnect"
]


@pytest.mark.parametrize("method", ALL_SENDS)
async def test_a_send_is_answered_at_once_in_an_open_session_and_else_once_it_is_open(
    method: str,
) -> None:
    params, arguments = SENT.get(method.rpartition(".")[2], ({}, ()))
    it = Called()
    assert it.call(method, **params) is None
    it.handle.ready = False
    settled: Awaitable[None] = it.call(method, **params)
    assert it.handle.asked == [(method, *arguments)] * 2  # sent before anybody waits
    await settled


def test_phase_session_and_telemetry_are_the_handles() -> None:
    it = Called()
    assert it.call("phase") == m.PhaseNow(phase="active")
    assert it.call("session") == SESSION
    assert it.call("telemetry") == {"errors": 0, "clients": [QUEUE] * 3}
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


@pytest.mark.parametrize("milliseconds", [None, 0, 60_000, m.MAX_TIMEOUT_MS])
async def test_done_answers_how_the_session_ended(milliseconds: int | None) -> None:
    it = Called()
    assert await it.call("done", timeout_ms=milliseconds) == ENDED
    assert it.handle.asked == [("done", milliseconds)]


async def test_wait_for_phase_answers_as_phase_does() -> None:
    it = Called()
    assert await it.call("session.wait_for_phase", phase="active") == it.call("phase")


def test_a20_the_resumption_handle_is_a_secret() -> None:
    answer = Called().call("session.resume_handle")
    assert answer == m.ResumeHandle(present=True, resumable=False)
    assert b"rh-42" not in msgspec.json.encode(answer)


def test_the_context_that_waits_is_shown_as_it_would_be_given() -> None:
    waiting = Called().call("pending_context")
    assert waiting == v.PendingContext(
        turns=[{"role": "model", "parts": [{"text": "Hi"}]}], prompt_armed=False
    )


# The state.


def test_m1_m10_the_state_is_read_and_written() -> None:
    it = Called()
    assert it.call("state.set", key="app:a", value=[1]) is None
    assert it.call("state.set", key="b", value=None) is None
    assert it.call("state") == {"app:a": [1], "b": None}
    assert it.call("state.get", key="app:a") == StateValue(value=[1], present=True)
    assert it.call("state.keys") == StateKeys(keys=["app:a", "b"])
    assert it.call("state.keys", prefix="app:") == StateKeys(keys=["app:a"])
    assert it.call("state.clear_prefix", prefix="app:") is None
    assert it.call("state") == {"b": None}


def test_null_and_no_value_are_told_apart() -> None:
    it = Called()
    for method in ("state.get", "state.remove"):
        assert it.call(method, key="k") == StateValue(value=None, present=False)
    it.call("state.set", key="k", value=None)
    assert it.call("state.get", key="k") == StateValue(value=None, present=True)
    assert it.call("state.remove", key="k") == StateValue(value=None, present=True)
    assert it.call("state.get", key="k") == StateValue(value=None, present=False)


def test_a23_m1_get_falls_back_to_what_is_derived_and_remove_does_not() -> None:
    it = Called()
    it.handle.kept.set_derived("k", 5)
    assert it.call("state.get", key="k") == StateValue(value=5, present=True)
    assert it.call("state.remove", key="k") == StateValue(value=None, present=False)
    assert it.call("state.get", key="k") == StateValue(value=5, present=True)


def test_m5_m6_the_journal_goes_on_from_a_cursor() -> None:
    it = Called()
    for value in (1, 1):
        it.call("state.set", key="k", value=value)
    it.call("state.remove", key="nothing")
    told = it.call("state.mutations_since", cursor=0)
    assert [(x.sequence, x.key, x.new) for x in told.mutations] == [(1, "k", 1), (2, "k", 1)]
    assert (told.cursor, told.gap) == (2, False)
    assert it.call("state.mutations_since", cursor=2).mutations == []
    assert it.call("state.mutations_since", cursor=3).gap  # another daemon's


def test_m5_a_gap_in_the_journal_is_told() -> None:
    it = Called()
    for value in range(1025):
        it.call("state.set", key="k", value=value)
    told = it.call("state.mutations_since", cursor=0)
    assert (told.mutations[0].sequence, told.more, told.gap) == (2, True, True)
    assert told.cursor == told.mutations[-1].sequence
    assert not it.call("state.mutations_since", cursor=1).gap


# Extractors.


def test_a_clients_extractors_are_its_own() -> None:
    it = Called()
    it.call("extractors.register", name="Order", kind="client")
    spec = ExtractorSpec(name="Order", kind="client")
    it.call("extractors.unregister", name="Order")
    it.calls.left(cast("Peer", it.peer))
    assert it.handle.asked == [
        ("extractors.register", spec, it.peer, it.peer),
        ("extractors.unregister", "Order", it.peer, CLIENTS),
        ("extractors.unregister_all", it.peer),
    ]
    pattern = {"item": "order"}
    it.call("extractors.register", name="Tea", kind="regex", patterns=pattern)
    spec = ExtractorSpec(name="Tea", kind="regex", patterns=pattern)
    assert it.handle.asked[-1] == ("extractors.register", spec)
    it.call("extractors.respond", run_id="Order-1", value=None)
    assert it.peer.answered == [Respond(run_id="Order-1", value=None)]


# Events.


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
    snapshot = answer.snapshot
    assert isinstance(snapshot, m.Snapshot)
    assert (snapshot.phase, snapshot.session) == ("active", SESSION)
    assert snapshot.telemetry == {"errors": 0}
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
