"""The catalogue of topics, and the patterns that name them (protocol section 5)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto import topics as t
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.roles import ClaimChange
from livehandle_proto.tools import ToolCall, ToolCancel
from livehandle_proto.topics import OWN_TOPICS, RAW_STREAM, SEMANTIC_STREAM, TOPICS, match
from livehandle_proto.values import Ended, ErrorObject, FunctionCall, Value

STREAM = {"session.audio_data", "session.media", "session.raw", "live.audio", "live.media"}
STATE = {"session.phase_changed", "live.telemetry", "state.changed"}

MUST_EXIST = """
    session.connected session.text_delta session.text_complete session.audio_data session.media
    session.input_transcription session.output_transcription session.thought session.tool_call
    session.tool_call_cancelled session.turn_complete session.generation_complete
    session.interrupted session.phase_changed session.go_away session.disconnected session.error
    session.resume_update session.voice_activity_start session.voice_activity_end
    session.interaction_status session.usage session.raw
    live.audio live.media live.text_delta live.text_complete live.input_transcript
    live.output_transcript live.thought live.vad_start live.vad_end live.extraction
    live.extraction_error live.state_promotion live.tool_execution live.tool_cancelled
    live.turn_complete live.turn_metrics live.telemetry live.stalled
    live.interrupted live.connected live.disconnected live.error live.go_away
    session.reconnecting session.resumed live.reconnecting live.resumed
    tool.call tool.cancel daemon.claim_changed
    state.changed extractor.run
    events.lagged events.dropped daemon.notification_failed daemon.stopping daemon.bye
    daemon.recording_changed
"""
"""Those of section 5, and our own."""


def test_the_topics_of_the_protocol_are_there_and_those_that_were_added() -> None:
    assert set(TOPICS) == set(MUST_EXIST.split()) | {"session.audio_held"}


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_delivered_by_its_class_and_says_what_it_means(name: str) -> None:
    expected = "stream" if name in STREAM else "state" if name in STATE else "log"
    assert TOPICS[name].delivery == expected
    assert TOPICS[name].meaning.endswith((".", "…"))
    assert issubclass(TOPICS[name].data, Value)


def test_subscribe_gives_the_raw_events_by_default_and_events_the_semantic_ones() -> None:
    assert {n for n in TOPICS if n.startswith("session.")} - STREAM == RAW_STREAM
    live = {n for n in TOPICS if n.startswith("live.")} - STREAM
    others = {"daemon.stopping", "daemon.claim_changed", "daemon.recording_changed"}
    assert live | others | {"state.changed"} == SEMANTIC_STREAM


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["live.audio"], {"live.audio"}),
        (["session.raw", "session.raw"], {"session.raw"}),
        (["session.*"], RAW_STREAM),
        (["live.*", "daemon.*", "state.*"], SEMANTIC_STREAM),
        (["state.*"], {"state.changed"}),
        (["*"], RAW_STREAM | SEMANTIC_STREAM),
        (["*", "live.audio"], RAW_STREAM | SEMANTIC_STREAM | {"live.audio"}),
        (
            ["daemon.*"],
            {"daemon.stopping", "daemon.claim_changed", "daemon.recording_changed"},
        ),
        ([], set()),
    ],
)
def test_a_pattern_is_a_topic_or_a_prefix_or_a_star(
    patterns: list[str], expected: set[str]
) -> None:
    assert match(patterns) == expected


@pytest.mark.parametrize("pattern", ["*", "session.*", "live.*", "daemon.*"])
def test_a_star_names_neither_a_stream_nor_what_concerns_one_connection(pattern: str) -> None:
    assert not match([pattern]) & (STREAM | OWN_TOPICS)


@pytest.mark.parametrize(
    ("pattern", "suggestion"),
    [
        ("live.audoi", "live.audio"),
        ("live.Audio", "live.audio"),
        ("live.text-delta", "live.text_delta"),
        ("sesion.*", "session.*"),
        ("live.**", "live.*"),
        ("daemon.by", None),  # one edit from a topic that cannot be subscribed
        ("events.lagged", None),
        ("events.*", None),
        ("extractor.run", None),
        ("extractor.*", None),
        ("tool.*", None),
        ("live.audio.*", None),
        ("live", None),
        (".*", None),
        ("**", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_what_names_nothing_is_refused_with_the_nearest_name(
    pattern: str, suggestion: str | None
) -> None:
    with pytest.raises(LiveHandleError) as caught:
        match(["live.audio", pattern])
    assert caught.value.name == "events.unknown_topic"
    assert caught.value.data.get("did_you_mean") == suggestion
    assert caught.value.data["param"] == "topics"
    hint = f"did you mean {suggestion}?" if suggestion else "name a topic"
    assert hint in caught.value.message
    assert len(msgspec.json.encode(caught.value.to_json())) < 10_000


@given(st.lists(st.sampled_from([*TOPICS, "*", "live.*", "session.*"]) | st.text(max_size=12)))
def test_what_several_patterns_match_is_what_each_matches(patterns: list[str]) -> None:
    each = [matched(pattern) for pattern in patterns]
    if None in each:
        assert matched(*patterns) is None
    else:
        assert matched(*patterns) == frozenset().union(*(topics or () for topics in each))


def matched(*patterns: str) -> frozenset[str] | None:
    """Return what patterns match, or None where one of them matches nothing."""
    try:
        return match(patterns)
    except LiveHandleError as error:
        if error.name != "events.unknown_topic":
            raise
        return None


@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        (t.Nothing(), b"{}"),
        (t.Text(text=""), b'{"text":""}'),
        (t.TranscriptDelta(text=" hi"), b'{"text":" hi","is_final":false}'),
        (t.Audio(data="AAA=", mime_type="audio/pcm"), b'{"data":"AAA=","mime_type":"audio/pcm"}'),
        (
            t.Media(data="AAA=", mime_type="image/png"),
            b'{"data":"AAA=","mime_type":"image/png","part":1,"parts":1}',
        ),
        (
            t.ToolCalls(function_calls=[FunctionCall(id="c1", name="f", args={"a": 1})]),
            b'{"function_calls":[{"id":"c1","name":"f","args":{"a":1}}]}',
        ),
        (t.CallIds(ids=["c1"]), b'{"ids":["c1"]}'),
        (t.TurnComplete(turn=0), b'{"turn":0}'),
        (
            t.PhaseChange(phase="active", previous="setup_sent"),
            b'{"phase":"active","previous":"setup_sent"}',
        ),
        (
            t.TurnEnded(turn=0, turn_number=None, user="hi", model="", interrupted=False),
            b'{"turn":0,"turn_number":null,"user":"hi","model":"","interrupted":false,"reason":null}',
        ),
        (
            t.TurnMetrics(turn=1, latency_ms=5, prompt_tokens=None, response_tokens=3),
            b'{"turn":1,"latency_ms":5,"prompt_tokens":null,"response_tokens":3}',
        ),
        (
            t.ToolExecution(call_id="c1", name="f", args={}, result={"output": 1}),
            b'{"call_id":"c1","name":"f","args":{},"result":{"output":1}}',
        ),
        (t.Telemetry(telemetry={"errors": 0}), b'{"telemetry":{"errors":0}}'),
        (t.GoAway(), b"{}"),
        (t.GoAway(time_left_ms=0), b'{"time_left_ms":0}'),
        (
            t.ResumeUpdate(resumable=True),
            b'{"resumable":true,"last_consumed_client_message_index":null}',
        ),
        (t.Usage(total_token_count=3), b'{"total_token_count":3}'),
        (
            t.Usage(prompt_tokens_by_modality={"AUDIO": 7}),
            b'{"prompt_tokens_by_modality":{"AUDIO":7}}',
        ),
        (t.Lagged(last_seq=7, missed=2), b'{"last_seq":7,"missed":2}'),
        (t.Dropped(count=2, first=3, last=9), b'{"count":2,"from":3,"to":9}'),
        (
            ClaimChange(role="mic", holder=None, previous=None, reason="left"),
            b'{"role":"mic","holder":null,"previous":null,"reason":"left"}',
        ),
        (
            ToolCall(call_id="1", registration="r", name="f", args={}, deadline_ms=9),
            b'{"call_id":"1","registration":"r","name":"f","args":{},"deadline_ms":9}',
        ),
        (ToolCancel(call_id="1", reason="timeout"), b'{"call_id":"1","reason":"timeout"}'),
        (t.Stopping(reason="SIGTERM"), b'{"reason":"SIGTERM"}'),
        (Ended(reason="stopped"), b'{"reason":"stopped"}'),
        (
            t.FailedNotification(method=None, error=ErrorObject(code=1, message="m", data={})),
            b'{"method":null,"error":{"code":1,"message":"m","data":{}}}',
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Value) else "",
)
def test_data_is_encoded_by_its_names_and_read_back(data: Value, encoded: bytes) -> None:
    assert msgspec.json.encode(data) == encoded
    assert msgspec.json.decode(encoded, type=type(data)) == data
