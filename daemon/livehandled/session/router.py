"""From session events to their readers: counters, and both event streams."""

from collections.abc import Iterable

from livehandle_proto import topics as t
from livehandled.hub import Hub
from livehandled.session.conversation import SessionEvent
from livehandled.telemetry import Telemetry

_SEMANTIC = {
    "connected": "live.connected",
    "text_delta": "live.text_delta",
    "text_complete": "live.text_complete",
    "audio_data": "live.audio",
    "media": "live.media",
    "input_transcription": "live.input_transcript",
    "output_transcription": "live.output_transcript",
    "thought": "live.thought",
    "turn_complete": "live.turn_complete",
    "interrupted": "live.interrupted",
    "disconnected": "live.disconnected",
    "error": "live.error",
    "go_away": "live.go_away",
}
"""The semantic topic of each session event that has one."""


class Router:
    """Counts each session event and publishes it as raw and as semantic event."""

    def __init__(self, hub: Hub, telemetry: Telemetry) -> None:
        self._hub = hub
        self._telemetry = telemetry

    def wants_raw(self) -> bool:
        """Return whether anybody asked for the service's messages verbatim."""
        return self._hub.wanted("session.raw")

    def route(self, events: Iterable[SessionEvent]) -> None:
        """Count and publish, in order."""
        for name, data in events:
            self._count(name, data)
            self._hub.publish(f"session.{name}", data)
            semantic = _SEMANTIC.get(name)
            if semantic is not None:
                self._hub.publish(semantic, data)

    def heard(self, *, speaking: bool) -> None:
        """Publish an edge of the daemon's own voice activity detection."""
        self._hub.publish("live.vad_start" if speaking else "live.vad_end", t.Nothing())

    def _count(self, name: str, data: object) -> None:
        telemetry = self._telemetry
        if isinstance(data, t.Audio):
            telemetry.audio_out(len(data.data))
        elif isinstance(data, t.Usage):
            telemetry.usage(data)
        elif isinstance(data, t.ToolCalls):
            telemetry.tool_calls += len(data.function_calls)
        elif name == "turn_complete":
            telemetry.turn_count += 1
        elif name == "interrupted":
            telemetry.interruptions += 1
        elif name == "error":
            telemetry.errors += 1
