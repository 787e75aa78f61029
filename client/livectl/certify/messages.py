"""The lines that the certification writes: answers, events, and what stands in them."""

import json

UNKNOWN = {"x-certify": {"of": "a newer daemon", "list": [1, None, "ü"]}}
"""A field that no client knows."""

SESSION: dict[str, object] = {
    "session_id": "certify",
    "phase": "active",
    "backend": "emulator",
    "model": "gemini-3.8-live",
    "connected_ms": 1000,
    "connection": None,
    "resumable": False,
    "reconnects": 0,
    "current_turn": None,
    "turns": 0,
    "last_close": None,
}

_LIMITS = {
    "max_line_bytes": 16_777_216,
    "max_batch": 100,
    "ring_events": 4096,
    "ring_bytes": 33_554_432,
    "client_buffer_bytes": 1_048_576,
    "pending_calls": 256,
    "subscriptions": 64,
    "turn_requests": 32,
    "turn_ms": 1.0,
    "max_clients": 256,
    "max_clients_per_uid": 192,
}

SNAPSHOT: dict[str, object] = {
    "phase": "active",
    "session": SESSION,
    "voice_state": {
        "user_speaking": False,
        "playback_active": False,
        "prompt_pending": False,
        "prompt_epoch": 0,
        "last_barge_in_ms_ago": None,
        "last_playback_drained_ms_ago": None,
    },
    "input_vad_state": {
        "backend": "energy-zcr",
        "sample_rate": 16_000,
        "frame_duration_ms": 30,
        "frame_size": 480,
        "state": "silence",
        "speaking": False,
        "last_probability": None,
        "frames_processed": 0,
        "last_transition_ms_ago": None,
    },
    "state": {"app:kept": True},
    "transcript": {"turns": [], "current": None},
    "pending_tools": [],
    "claims": {"mic": None, "speaker": None},
    "telemetry": {},
}


def hello(instance: str, line_bytes: int) -> dict[str, object]:
    """Return what `daemon.hello` answers."""
    return {
        "name": "livectl certify",
        "version": "0",
        "api_level": 2,
        "api_compatible": 1,
        "instance": instance,
        "capabilities": ["events.replay", "events.snapshot", "roles", "tools", "x-certify"],
        "limits": {**_LIMITS, "your_max_line_bytes": line_bytes},
        "session": SESSION,
        **UNKNOWN,
    }


def result(request_id: object, value: object) -> bytes:
    """Return the line of an answer."""
    return line({"jsonrpc": "2.0", "result": value, "id": request_id})


def failure(request_id: object, code: int, name: str, message: str) -> bytes:
    """Return the line of an error, with fields nobody knows."""
    data = {"name": name, "retryable": False, **UNKNOWN}
    error = {"code": code, "message": message, "data": data, **UNKNOWN}
    return line({"jsonrpc": "2.0", "error": error, "id": request_id, **UNKNOWN})


def line(message: dict[str, object]) -> bytes:
    """Return a message as a line, letters as they are."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Events:
    """Numbers the events of one daemon, which has an instance of its own."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.cursor = f"{instance}:0"
        """Of the last event of the subscription."""
        self._seq = 0

    def of(self, subscription: str, topic: str, data: object, **more: object) -> bytes:
        """Return the next event's line, of a subscription."""
        self.cursor = self._next()
        return line(self._message(topic, data, {"subscription": subscription, **more}))

    def own(self, topic: str, data: object) -> bytes:
        """Return the next line of an event that concerns the connection itself."""
        self._next()
        return line(self._message(topic, data, {}))

    def notice(self, subscription: str, topic: str, data: object) -> bytes:
        """Return the line of a notice, which has the number of the event before it."""
        return line(self._message(topic, data, {"subscription": subscription}))

    @property
    def last_seq(self) -> int:
        """The number of the last event."""
        return self._seq

    def _next(self) -> str:
        self._seq += 1
        return f"{self.instance}:{self._seq}"

    def _message(self, topic: str, data: object, more: dict[str, object]) -> dict[str, object]:
        place = {
            "seq": self._seq,
            "cursor": f"{self.instance}:{self._seq}",
            "ts_ms": 1_780_000_000_000 + self._seq,
        }
        params = {**more, **place, "topic": topic, "data": data}
        return {"jsonrpc": "2.0", "method": "event", "params": params}
