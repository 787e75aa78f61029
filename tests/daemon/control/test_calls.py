"""Each method of the catalogue, from its parameters to the handle and back."""

from typing import cast

import msgspec
import pytest

from livehandle_proto import methods as m
from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorSpec, Respond
from livehandle_proto.recordings import RecordingStart
from livehandle_proto.states import StateKeys, StateValue
from livehandle_proto.tools import ToolsRegister, ToolsRespond, ToolsUnregister
from livehandle_proto.topics import RAW_STREAM, SEMANTIC_STREAM, Nothing
from livehandled.control.peer import Peer
from livehandled.extraction.extractor import CLIENTS
from livehandled.redaction import REDACTED, Redaction
from support.calls import ENDED, SESSION, Called, refused

pytestmark = pytest.mark.anyio


def test_every_method_has_a_handler() -> None:
    assert Called().handlers.keys() == m.METHODS.keys()


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


PEER = object()
"""Stands for the peer that calls."""


def test_phase_session_status_and_telemetry_are_told() -> None:
    it = Called()
    assert it.call("phase") == m.PhaseNow(phase="active")
    assert it.call("session") == SESSION
    assert it.call("telemetry") == it.overview.telemetry()
    assert it.call("daemon.status") == it.overview.status()
    assert it.call("daemon.ping") is None


def test_hello_remembers_who_calls_and_how_long_a_line_it_reads() -> None:
    it = Called()
    daemon = it.call("daemon.hello", client="me", max_line_bytes=1_000_000)
    assert it.peer.client == "me"
    assert daemon.limits.your_max_line_bytes == 1_000_000
    for unnamed in ({}, {"client": ""}):
        assert it.call("daemon.hello", **unnamed).limits.your_max_line_bytes == 1_000_000
        assert it.peer.client == "me"


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


def test_m7_s3_masked_keys_are_masked_wherever_the_state_is_told() -> None:
    it = Called()
    it.handle.redaction = Redaction(keys=["pin"])
    it.handle.kept.set("app:pin", 1)
    it.handle.kept.set("app:pin", 2)
    it.handle.kept.set("app:a", 3)
    it.handle.kept.set_derived("pin", 4)
    it.handle.kept.set("b", {"pin": 5})
    assert it.call("state") == {
        "app:a": 3,
        "app:pin": REDACTED,
        "derived:pin": REDACTED,
        "b": {"pin": REDACTED},
    }
    assert it.overview.snapshot().state == it.call("state")
    for key in ("app:pin", "pin"):
        assert it.call("state.get", key=key) == StateValue(value=REDACTED, present=True)
    mutations = it.call("state.mutations_since", cursor=0).mutations
    values = [(one.key, one.old, one.new) for one in mutations]
    assert values == [
        ("app:pin", msgspec.UNSET, REDACTED),
        ("app:pin", REDACTED, REDACTED),
        ("app:a", msgspec.UNSET, 3),
        ("derived:pin", msgspec.UNSET, REDACTED),
        ("b", msgspec.UNSET, {"pin": REDACTED}),
    ]
    assert it.call("extracted", name="pin") == REDACTED
    assert it.call("state.remove", key="app:pin") == StateValue(value=REDACTED, present=True)
    assert it.handle.kept.get("pin") == 4


def test_z15_context_that_waits_is_told_redacted() -> None:
    it = Called()
    it.handle.redaction = Redaction({"word": "[a-z]+"})
    told = it.call("pending_context").turns
    assert [turn["role"] for turn in told] == [REDACTED] * len(told)


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
    assert it.handle.asked == [
        ("extractors.register", spec, it.peer, it.peer),
        ("extractors.unregister", "Order", it.peer, CLIENTS),
    ]
    pattern = {"item": "order"}
    it.call("extractors.register", name="Tea", kind="regex", patterns=pattern)
    spec = ExtractorSpec(name="Tea", kind="regex", patterns=pattern)
    assert it.handle.asked[-1] == ("extractors.register", spec)
    it.call("extractors.respond", run_id="Order-1", value=None)
    assert it.peer.answered == [Respond(run_id="Order-1", value=None)]


# Tools and roles.


@pytest.mark.parametrize(
    ("method", "params", "asked"),
    [
        (
            "register",
            {"declarations": [{"name": "f"}]},
            ("register", ToolsRegister(declarations=[{"name": "f"}]), PEER),
        ),
        ("unregister", {}, ("unregister", ToolsUnregister(), PEER)),
        (
            "unregister",
            {"registration": "t"},
            ("unregister", ToolsUnregister(registration="t"), PEER),
        ),
        ("list", {}, ("listed",)),
        (
            "respond",
            {"call_id": "1", "result": 5},
            ("respond", ToolsRespond(call_id="1", result=5), PEER),
        ),
    ],
)
def test_tools_are_the_peers_own(
    method: str, params: dict[str, object], asked: tuple[object, ...]
) -> None:
    it = Called()
    name, *arguments = asked
    assert it.call(f"tools.{method}", **params) == name
    expected = [it.peer if one is PEER else one for one in arguments]
    assert it.handle.asked == [(f"tools.{name}", *expected)]


def test_a_role_is_claimed_and_released_and_who_holds_it_is_told() -> None:
    it = Called()
    claims = it.call("claim", role="mic")
    assert claims == it.call("claims") == it.claims.holders()
    assert it.claims.of(cast("Peer", it.peer)) == ["mic"]
    assert refused(it, it.other, "claim", role="mic") == "roles.claimed"
    assert it.call_by(it.other, "claim", role="mic", force=True).mic.connection == "c2"
    assert it.call_by(it.other, "release", role="mic") is None
    assert refused(it, it.other, "release", role="mic") == "roles.not_held"


def test_a_peer_that_has_gone_leaves_neither_extractors_nor_tools_nor_roles() -> None:
    it = Called()
    it.call("claim", role="mic")
    it.calls.left(cast("Peer", it.peer))
    assert it.handle.asked == [("extractors.unregister_all", it.peer), ("tools.left", it.peer)]
    assert it.changes[-1].reason == "left"


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
    it = Called()
    answer = it.call("events", snapshot=True)
    assert answer.snapshot == it.overview.snapshot()
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


def test_a_recording_is_begun_ended_and_told() -> None:
    it = Called()
    for method in ("recording", "recording.stop", "recording.list"):
        it.call(method)
    it.call("recording.start", name="call", audio=False)
    assert it.handle.asked == [
        *(("recorder.current",), ("recorder.stop",), ("recorder.kept",)),
        ("recorder.start", RecordingStart(name="call", audio=False)),
    ]
