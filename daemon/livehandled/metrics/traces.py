"""The conversation as OpenTelemetry sees it, by the semantic conventions for generative AI.

A turn is a trace: its span lasts from the first sign of it to its end, its children are the calls
of tools. What was said is in none of them. Instants are those of the events, wall clock.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from livehandle_proto import topics as t
from livehandle_proto.values import Ended, ErrorObject, FunctionCall, Session
from livehandled.hub import Event, Hub

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Span, Tracer

_PROVIDERS = {"gemini": "gcp.gemini", "vertex": "gcp.vertex_ai", "emulator": "livehandle.emulator"}

_BEGINS = {"live.vad_start", "live.input_transcript", "session.phase_changed", "session.tool_call"}
_SPEAKS = {"user_speaking", "model_speaking", "tool_call_pending"}

_TOPICS = (
    *sorted(_BEGINS),
    *("live.turn_metrics", "session.turn_complete", "session.reconnecting", "session.resumed"),
    *("live.interrupted", "live.tool_execution", "live.tool_cancelled", "session.error"),
    *("live.stalled", "session.disconnected"),
)

# The boundaries that the conventions give, and so what dashboards expect.
DURATIONS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)


class Traces:
    """Makes spans and measurements of events. `session` tells which model holds the session."""

    def __init__(
        self, hub: Hub, session: Callable[[], Session], tracer: "Tracer", meter: "Meter"
    ) -> None:
        from opentelemetry import trace  # an extra

        self._session = session
        self._tracer = tracer
        self._within = trace.set_span_in_context
        self._status = trace.Status(trace.StatusCode.ERROR)
        self._turn: Span | None = None
        self._turn_began_ms = 0
        self._gap: Span | None = None
        self._calls: dict[str, Span] = {}
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "How long a turn took.",
            explicit_bucket_boundaries_advisory=DURATIONS_S,
        )  # fmt: skip
        self._first = meter.create_histogram(
            "gen_ai.server.time_to_first_token", "s", "From the user's last word to the answer.",
            explicit_bucket_boundaries_advisory=DURATIONS_S,
        )  # fmt: skip
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens of a turn.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )  # fmt: skip
        hub.attach(self._heard, _TOPICS)

    def _heard(self, event: Event) -> None:
        if event.topic in _BEGINS:
            self._begin(event)
        match event.data:
            case t.ToolCalls(function_calls=calls):
                for call in calls:
                    self._called(call, event.ts_ms)
            case t.ToolExecution(call_id=call_id):
                self._answered(call_id, event.ts_ms)
            case t.CallIds(ids=ids):
                for call_id in ids:
                    self._answered(call_id, event.ts_ms, "cancelled")
            case t.TurnMetrics():
                self._measure(event.data)
            case t.TurnComplete(reason=reason):
                self._end(event.ts_ms, reason)
            case _:
                self._disturbed(event)

    def _disturbed(self, event: Event) -> None:
        match event.data:
            case t.Reconnecting(cause=cause):
                self._lost(cause, event.ts_ms)
            case t.Resumed(restored=restored):
                self._resumed(restored, event.ts_ms)
            case Ended():
                self._end(event.ts_ms, "disconnected")
                self._resumed("", event.ts_ms)
            case ErrorObject(data={"name": str(name)}):
                self._note("exception", {"exception.type": name}, event.ts_ms)
            case t.Stalled(silent_ms=silent_ms):
                self._note("stalled", {"livehandle.silent_ms": silent_ms}, event.ts_ms)
            case _ if event.topic == "live.interrupted":
                self._note("interrupted", {}, event.ts_ms)

    def _begin(self, event: Event) -> None:
        if self._turn is not None:
            return
        if isinstance(event.data, t.PhaseChange) and event.data.phase not in _SPEAKS:
            return
        session = self._session()
        self._turn_began_ms = event.ts_ms
        self._turn = self._tracer.start_span(
            f"chat {session.model}",
            attributes={
                **self._common(session),
                "gen_ai.conversation.id": session.session_id or "",
                "gen_ai.output.type": "speech",
            },
            start_time=_ns(event.ts_ms),
        )

    def _common(self, session: Session) -> dict[str, str]:
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _PROVIDERS.get(session.backend, session.backend),
            "gen_ai.request.model": session.model,
        }

    def _measure(self, figures: t.TurnMetrics) -> None:
        common = self._common(self._session())
        if figures.latency_ms is not None:
            self._first.record(figures.latency_ms / 1000, common)
        sides = {"input": figures.prompt_tokens, "output": figures.response_tokens}
        for side, tokens in sides.items():
            if tokens is None:
                continue
            self._tokens.record(tokens, {**common, "gen_ai.token.type": side})
            if self._turn is not None:
                self._turn.set_attribute(f"gen_ai.usage.{side}_tokens", tokens)
        if self._turn is not None:
            self._turn.set_attribute("livehandle.turn", figures.turn)

    def _end(self, at_ms: int, reason: str | None) -> None:
        for call_id in tuple(self._calls):
            if reason == "disconnected":
                self._answered(call_id, at_ms, "session ended")
        if self._turn is None:
            return
        common = self._common(self._session())
        if reason is not None:
            self._turn.set_attribute("livehandle.turn_end", reason)
        if reason in {"disconnected", "reconnected"}:
            self._turn.set_status(self._status)
            self._turn.set_attribute("error.type", reason)
            common["error.type"] = reason
        self._turn.end(_ns(at_ms))
        self._duration.record(max(0, at_ms - self._turn_began_ms) / 1000, common)
        self._turn = None

    def _called(self, call: FunctionCall, at_ms: int) -> None:
        session = self._session()
        parent = None if self._turn is None else self._within(self._turn)
        self._calls[call.id] = self._tracer.start_span(
            f"execute_tool {call.name}",
            context=parent,
            attributes={
                **self._common(session),
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": call.name,
                "gen_ai.tool.call.id": call.id,
                "gen_ai.tool.type": "function",
            },
            start_time=_ns(at_ms),
        )

    def _answered(self, call_id: str, at_ms: int, error: str = "") -> None:
        span = self._calls.pop(call_id, None)
        if span is None:
            return
        if error:
            span.set_status(self._status)
            span.set_attribute("error.type", error)
        span.end(_ns(at_ms))

    def _lost(self, cause: str, at_ms: int) -> None:
        """Begin the span of a gap: from the first attempt to the one that succeeds."""
        if self._gap is None:
            self._gap = self._tracer.start_span("reconnect", start_time=_ns(at_ms))
        self._gap.add_event("attempt", {"livehandle.cause": cause}, _ns(at_ms))

    def _resumed(self, restored: str, at_ms: int) -> None:
        if self._gap is None:
            return
        if restored:
            self._gap.set_attribute("livehandle.restored", restored)
        else:
            self._gap.set_status(self._status)
        self._gap.end(_ns(at_ms))
        self._gap = None

    def _note(self, name: str, attributes: Mapping[str, str | int], at_ms: int) -> None:
        if self._turn is not None:
            self._turn.add_event(name, attributes, _ns(at_ms))


def _ns(ms: int) -> int:
    return ms * 1_000_000
