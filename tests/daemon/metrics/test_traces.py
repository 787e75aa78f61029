"""A conversation as spans and measurements."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from livehandle_proto.topics import TOPICS
from livehandled.hub import Hub
from livehandled.metrics.traces import Traces
from support.calls import SESSION

COMMON = {
    "gen_ai.provider.name": "gcp.gemini",
    "gen_ai.request.model": "m",
}
SECRET = "what people said"

Told = tuple[str, Mapping[str, object]]


class Rig:
    """Spans and measurements of events; each comes a second after the one before it."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.hub = Hub(ring_events=16, wall_ms=lambda: self.now_ms)
        self.spans = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reader = InMemoryMetricReader()
        meters = MeterProvider([self.reader])
        Traces(self.hub, lambda: SESSION, tracers.get_tracer("t"), meters.get_meter("t"))

    def hear(self, *events: Told) -> Sequence[ReadableSpan]:
        for topic, data in events:
            self.now_ms += 1000
            self.hub.publish(topic, msgspec.convert(dict(data), TOPICS[topic].data))
        return self.spans.get_finished_spans()

    def measured(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        found = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        return {metric.name: list(metric.data.data_points) for metric in found}


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


HEARD: Told = ("live.vad_start", {})
SAID = ("live.input_transcript", {"text": SECRET, "is_final": False})
SPEAKS = ("session.phase_changed", {"phase": "model_speaking", "previous": "active"})
IDLE = ("session.phase_changed", {"phase": "active", "previous": "model_speaking"})
COST = (
    "live.turn_metrics",
    {"turn": 4, "latency_ms": 320, "prompt_tokens": 50, "response_tokens": 7},
)
OVER = ("session.turn_complete", {"turn": 4})
CUT_OFF = ("session.turn_complete", {"turn": 4, "reason": "reconnected"})
CALLED = ("session.tool_call", {"function_calls": [{"id": "c1", "name": "get_time", "args": {}}]})
ANSWERED = (
    "live.tool_execution",
    {"call_id": "c1", "name": "get_time", "args": {"a": SECRET}, "result": {"b": SECRET}},
)
CANCELLED = ("live.tool_cancelled", {"ids": ["c1"]})
LOST = ("session.reconnecting", {"attempt": 1, "delay_ms": 0, "cause": "closed with 1011"})
BACK = ("session.resumed", {"restored": "handle", "reason": None, "gap_ms": 5, "lost": 0})
GONE = ("session.disconnected", {"reason": "closed"})
FAILED = (
    "session.error",
    {"code": 1300, "message": SECRET, "data": {"name": "upstream.quota", "retryable": True}},
)
STALLED = ("live.stalled", {"silent_ms": 3000})


@pytest.mark.parametrize("first", [HEARD, SAID, SPEAKS])
def test_a_turn_is_a_span_from_its_first_sign_to_its_end(
    first: Told,
) -> None:
    rig = Rig()
    (turn,) = rig.hear(IDLE, first, SPEAKS, COST, OVER, IDLE)
    assert turn.name == "chat m"
    assert seconds(turn) == 3
    assert turn.attributes == {
        **COMMON,
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": "s",
        "gen_ai.output.type": "speech",
        "gen_ai.usage.input_tokens": 50,
        "gen_ai.usage.output_tokens": 7,
        "livehandle.turn": 4,
    }


def test_what_it_took_is_measured() -> None:
    rig = Rig()
    rig.hear(HEARD, SPEAKS, COST, OVER)
    measured = rig.measured()
    (duration,) = measured["gen_ai.client.operation.duration"]
    assert (duration.sum, duration.count) == (3.0, 1)
    assert dict(duration.attributes) == {**COMMON, "gen_ai.operation.name": "chat"}
    (first,) = measured["gen_ai.server.time_to_first_token"]
    assert first.sum == 0.32
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum
        for point in measured["gen_ai.client.token.usage"]
    }
    assert tokens == {"input": 50, "output": 7}


def test_a_call_is_a_child_of_its_turn() -> None:
    call, turn = Rig().hear(HEARD, CALLED, SPEAKS, ANSWERED, OVER)
    assert call.name == "execute_tool get_time"
    assert call.parent is not None
    assert call.parent.span_id == turn.context.span_id
    assert seconds(call) == 2
    assert call.attributes == {
        **COMMON,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_time",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.tool.type": "function",
    }


@pytest.mark.parametrize(("end", "error"), [(CANCELLED, "cancelled"), (GONE, "session ended")])
def test_a_call_that_is_not_answered_has_failed(end: Told, error: str) -> None:
    call = Rig().hear(HEARD, CALLED, end)[0]
    assert call.name == "execute_tool get_time"
    assert call.attributes is not None
    assert call.attributes["error.type"] == error
    assert not call.status.is_ok


def test_a_call_that_is_not_waited_for_outlives_its_turn() -> None:
    turn, call = Rig().hear(HEARD, CALLED, OVER, ANSWERED)
    assert (turn.name, call.name) == ("chat m", "execute_tool get_time")
    assert call.parent is not None
    assert call.parent.span_id == turn.context.span_id


@pytest.mark.parametrize(("end", "reason"), [(CUT_OFF, "reconnected"), (GONE, "disconnected")])
def test_a_turn_that_was_cut_off_has_failed(end: Told, reason: str) -> None:
    (turn,) = Rig().hear(SPEAKS, end)
    assert turn.attributes is not None
    assert turn.attributes["error.type"] == reason
    assert not turn.status.is_ok


def test_a_gap_is_a_span_with_its_attempts() -> None:
    (gap,) = Rig().hear(LOST, LOST, BACK)
    assert (gap.name, seconds(gap)) == ("reconnect", 2)
    assert [event.name for event in gap.events] == ["attempt", "attempt"]
    assert gap.attributes == {"livehandle.restored": "handle"}
    (gap,) = Rig().hear(LOST, GONE)
    assert not gap.status.is_ok


def test_what_disturbs_a_turn_is_an_event_of_its_span() -> None:
    rig = Rig()
    rig.hear(FAILED, STALLED)
    (turn,) = rig.hear(SPEAKS, STALLED, FAILED, ("live.interrupted", {}), OVER)
    assert [event.name for event in turn.events] == ["stalled", "exception", "interrupted"]


def test_nothing_of_what_was_said_goes_out() -> None:
    rig = Rig()
    spans = rig.hear(HEARD, SAID, CALLED, ANSWERED, FAILED, SPEAKS, COST, OVER, LOST, BACK)
    told = "".join(span.to_json() for span in spans) + str(rig.measured())
    assert SECRET not in told
    assert json.loads(spans[0].to_json())
