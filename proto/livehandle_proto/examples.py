"""One example of each method and of each topic, as the description shows them.

Together they are one conversation: a kiosk in a café, connected to `livehandled --emulator`, whose
model repeats what is typed. The tests carry every call out against a real daemon. Numbers, ids and
times are another time's; of free-form results an example shows a part.
"""

from collections.abc import Mapping
from typing import NamedTuple

from livehandle_proto import __version__
from livehandle_proto.methods import METHODS

Json = dict[str, object]


class Call(NamedTuple):
    """A request, and the result that was answered."""

    params: Json
    result: object


_INSTANCE = "k3f9a1c7"
_SESSION_ID = "011944bd2dd979cf1"
_REGISTRATION = "5f0c2a9be1d47c83"
_ORDER_STATUS = f"function-call-{_SESSION_ID}-1"
_MENU = f"function-call-{_SESSION_ID}-2"
_AUDIO = "AAAIAP//DADu/xQA4v8cAA=="
_JPEG = "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="
_TURN: Json = {"role": "user", "parts": [{"text": "I am allergic to nuts."}]}
_KIOSK: Json = {"connection": "c1", "client": "kiosk", "pid": 4211, "uid": 1000}
_SPEC: Json = {
    "name": "Order",
    "kind": "regex",
    "patterns": {"item": "(latte|espresso|tea)"},
}
_DECLARATION: Json = {
    "name": "order_status",
    "description": "Tells where an order stands.",
    "parameters": {
        "type": "object",
        "properties": {"order": {"type": "integer"}},
        "required": ["order"],
    },
}
_LATTE: Json = {
    "turn_number": 0,
    "user": "One latte, please.",
    "model": "You typed: One latte, please.",
    "tool_calls": [],
    "interrupted": False,
}
_FAULT: Json = {"do": "close", "at": "turn_complete", "code": 1011}
_CLOSED: Json = {
    "session_id": None,
    "phase": "disconnected",
    "backend": "emulator",
    "model": "gemini-3.8-live",
    "connected_ms": None,
    "connection": None,
    "resumable": False,
    "reconnects": 0,
    "current_turn": None,
    "turns": 0,
    "last_close": None,
}
_OPEN: Json = {
    **_CLOSED,
    "session_id": _SESSION_ID,
    "phase": "active",
    "connected_ms": 12,
    "connection": {
        "state": "ready",
        "generation": 1,
        "url": "ws://127.0.0.1:35031/ws/google.ai.generativelanguage.v1beta.GenerativeService"
        ".BidiGenerateContent",
    },
}
_RECORDINGS = "/home/ada/.local/state/livehandle/default-6f1f2c3d.recordings"
_RECORDING: Json = {
    "name": "yesterdays-call",
    "wire": f"{_RECORDINGS}/yesterdays-call.recording/wire.jsonl",
    "audio": f"{_RECORDINGS}/yesterdays-call.recording/audio.wav",
    "redacted": False,
    "started_ms": 1767225600000,
    "duration_ms": 480,
    "frames": 12,
    "wire_bytes": 18641,
    "audio_bytes": 46124,
    "dropped": 0,
}
_LATER: Json = {**_OPEN, "connected_ms": 5230, "resumable": True, "turns": 1}
_LIMITS: Json = {
    "max_line_bytes": 16777216,
    "your_max_line_bytes": 1048576,
    "max_batch": 100,
    "ring_events": 4096,
    "ring_bytes": 33554432,
    "client_buffer_bytes": 1048576,
    "pending_calls": 256,
    "subscriptions": 64,
    "turn_requests": 16,
    "turn_ms": 0.25,
    "max_clients": 256,
    "max_clients_per_uid": 192,
}
_CLIENT: Json = {
    **_KIOSK,
    "roles": ["mic"],
    "tools": 1,
    "subscriptions": 2,
    "pending": 0,
    "queued_lines": 0,
    "queued_bytes": 0,
    "lag_ms": 0,
    "dropped": 0,
    "lagged": 0,
}

_SENDS: Mapping[str, Json] = {
    "send_audio": {"data": _AUDIO},
    "send_text": {"text": "One latte, please."},
    "send_video": {"data": _JPEG},
    "send_tool_response": {
        "responses": [{"id": _MENU, "name": "menu", "response": {"drinks": ["latte", "tea"]}}]
    },
    "send_client_content": {"turns": [_TURN], "turn_complete": False},
    "update_instruction": {"instruction": "Answer in Italian."},
    "signal_activity_start": {},
    "signal_activity_end": {},
    "disconnect": {},
}


def _sends(prefix: str) -> Mapping[str, Call]:
    calls = {prefix + name: Call(params, None) for name, params in _SENDS.items()}
    return {name: call for name, call in calls.items() if name in METHODS}


CALLS: Mapping[str, Call] = {
    "rpc.discover": Call({}, {"openrpc": "1.3.2", "info": {"title": "livehandled"}}),
    "daemon.hello": Call(
        {"client": "kiosk", "max_line_bytes": 1048576},
        {
            "name": "livehandled",
            "version": __version__,
            "api_level": 2,
            "api_compatible": 1,
            "instance": _INSTANCE,
            "capabilities": ["events.replay", "events.snapshot", "roles", "tools"],
            "limits": _LIMITS,
            "session": _CLOSED,
        },
    ),
    "daemon.ping": Call({}, None),
    "daemon.status": Call(
        {},
        {
            "name": "livehandled",
            "version": __version__,
            "pid": 4190,
            "instance": _INSTANCE,
            "config_file": "/home/ada/.config/livehandle/config.toml",
            "socket": "/run/user/1000/livehandle/default.sock",
            "uptime_ms": 5310,
            "clients": [_CLIENT],
            "last_seq": 84,
            "session": _LATER,
        },
    ),
    "daemon.reload": Call({}, {"applied": [], "at_connect": [], "at_restart": []}),
    "daemon.shutdown": Call({}, None),
    "daemon.fault": Call(_FAULT, None),
    "daemon.faults": Call({}, {"faults": [_FAULT]}),
    "connect": Call(
        {
            "config": {
                "session": {
                    "instruction": "You take orders in a café.",
                    "setup": {
                        "tools": [
                            {
                                "functionDeclarations": [
                                    {"name": "menu", "description": "Tells what is served."}
                                ]
                            }
                        ]
                    },
                },
                "context": {"delivery": "deferred"},
            }
        },
        _OPEN,
    ),
    "disconnect": Call({}, None),
    "done": Call({"timeout_ms": 60000}, {"reason": "disconnected"}),
    "phase": Call({}, {"phase": "active"}),
    "session": Call({}, _LATER),
    "session.config": Call(
        {},
        {
            "session": {
                "backend": {"value": "emulator", "source": "flag --set"},
                "model": {"value": "gemini-3.8-live", "source": "default"},
                "instruction": {"value": "You take orders in a café.", "source": "connect"},
            },
            "context": {"delivery": {"value": "deferred", "source": "connect"}},
        },
    ),
    **_sends(""),
    "playback_drained": Call({}, None),
    "user_speech_started": Call({}, None),
    "user_speech_ended": Call({}, None),
    "flush_deferred_prompt": Call({}, None),
    "voice_state": Call(
        {},
        {
            "user_speaking": True,
            "playback_active": False,
            "prompt_pending": False,
            "prompt_epoch": 0,
            "last_barge_in_ms_ago": 3,
            "last_playback_drained_ms_ago": None,
        },
    ),
    "input_vad_state": Call(
        {},
        {
            "backend": "energy-zcr",
            "sample_rate": 16000,
            "frame_duration_ms": 30,
            "frame_size": 480,
            "state": "silence",
            "speaking": False,
            "last_probability": None,
            "frames_processed": 0,
            "last_transition_ms_ago": None,
        },
    ),
    "queue_context": Call({"text": "Order 7 is ready."}, None),
    "pending_context": Call(
        {},
        {
            "turns": [{"role": "model", "parts": [{"text": "Order 7 is ready."}]}],
            "prompt_armed": False,
        },
    ),
    "writer": Call({}, {"kind": "deferred", "pending_context": 1, "prompt_armed": False}),
    **_sends("writer."),
    **_sends("session."),
    "session.wait_for_phase": Call({"phase": "active", "timeout_ms": 5000}, {"phase": "active"}),
    "session.resume_handle": Call({}, {"present": True, "resumable": True}),
    "transcript": Call({"turns": 1}, {"turns": [_LATTE], "current": None}),
    "state": Call({}, {"app:theme": "dark"}),
    "state.get": Call({"key": "app:theme"}, {"value": "dark", "present": True}),
    "state.set": Call({"key": "app:theme", "value": "dark"}, None),
    "state.remove": Call({"key": "app:theme"}, {"value": "dark", "present": True}),
    "state.keys": Call({"prefix": "app:"}, {"keys": ["app:theme"]}),
    "state.clear_prefix": Call({"prefix": "app:"}, None),
    "state.forget": Call({}, None),
    "state.mutations_since": Call(
        {"cursor": 0},
        {
            "mutations": [
                {
                    "sequence": 1,
                    "key": "app:theme",
                    "new": "dark",
                    "origin": "set",
                    "timestamp_ms": 1780000000123,
                    "delta": False,
                }
            ],
            "cursor": 1,
            "more": False,
            "gap": False,
        },
    ),
    "extracted": Call({"name": "Order"}, {"item": "latte"}),
    "extractors.register": Call(_SPEC, None),
    "extractors.unregister": Call({"name": "Order"}, None),
    "extractors.list": Call({}, {"extractors": [{"spec": _SPEC, "owner": "client"}]}),
    "extractors.respond": Call({"run_id": "Mood-1", "value": {"mood": "cheerful"}}, None),
    "recording.start": Call(
        {"name": "yesterdays-call"},
        {**_RECORDING, "duration_ms": 0, "frames": 0, "wire_bytes": 0, "audio_bytes": 0},
    ),
    "recording": Call({}, {**_RECORDING, "frames": 4, "wire_bytes": 1874, "audio_bytes": 44}),
    "recording.stop": Call({}, _RECORDING),
    "recording.list": Call(
        {},
        {
            "directory": _RECORDINGS,
            "recordings": [
                {"name": "yesterdays-call", "bytes": 64765, "modified_ms": 1767225600480}
            ],
        },
    ),
    "tools.register": Call(
        {"declarations": [_DECLARATION]},
        {"registration": _REGISTRATION, "declared": "connect"},
    ),
    "tools.unregister": Call({"registration": _REGISTRATION}, {"declared": "now"}),
    "tools.list": Call(
        {},
        {
            "tools": [
                {
                    "name": "menu",
                    "description": "Tells what is served.",
                    "client": None,
                    "connection": None,
                    "timeout_ms": None,
                    "pending": 0,
                    "declared": True,
                },
                {
                    "name": "order_status",
                    "description": "Tells where an order stands.",
                    "client": "kiosk",
                    "connection": "c1",
                    "timeout_ms": 30000,
                    "pending": 0,
                    "declared": True,
                },
            ]
        },
    ),
    "tools.respond": Call({"call_id": _ORDER_STATUS, "result": {"status": "ready"}}, None),
    "claim": Call({"role": "speaker"}, {"mic": None, "speaker": _KIOSK}),
    "release": Call({"role": "speaker"}, None),
    "claims": Call({}, {"mic": _KIOSK, "speaker": None}),
    "events": Call(
        {"topics": ["live.*", "live.audio"]},
        {"subscription": "e1", "cursor": f"{_INSTANCE}:0"},
    ),
    "subscribe": Call(
        {"topics": ["session.*"]},
        {"subscription": "s2", "cursor": f"{_INSTANCE}:0"},
    ),
    "unsubscribe": Call({"subscription": "s2"}, None),
    "metrics": Call({}, {"exposition": "# TYPE livehandle_turns_total counter\n…"}),
    "telemetry": Call({}, {"text_turns_in": 1, "turn_count": 1, "errors": 0, "clients": [_CLIENT]}),
}
"""A call of each method."""

_WORDS: Json = {"text": "You ", "is_final": False}
_SPEECH: Json = {"data": _AUDIO, "mime_type": "audio/pcm;rate=24000"}
_PICTURE: Json = {"data": _JPEG, "mime_type": "image/jpeg", "part": 1, "parts": 1}
_DROPPED_OUT = (
    "Connect again, the service failed: the service closed the connection with code 1011."
)
_RECONNECTING: Json = {"attempt": 1, "delay_ms": 250, "cause": _DROPPED_OUT}
_RESUMED: Json = {"restored": "handle", "reason": None, "gap_ms": 310, "lost": 2}
_PASSED_OVER: Json = {
    "code": 1305,
    "message": "Passed over serverContent.colour.",
    "data": {"name": "upstream.bad_message", "retryable": False},
}
_ORDER_CALL: Json = {"id": _ORDER_STATUS, "name": "order_status", "args": {"order": 7}}

EVENTS: Mapping[str, Json] = {
    "session.connected": {"session_id": _SESSION_ID},
    "session.text_delta": {"text": "You typed: "},
    "session.text_complete": {"text": "You typed: One latte, please."},
    "session.audio_data": _SPEECH,
    "session.media": _PICTURE,
    "session.input_transcription": {"text": " latte", "is_final": False},
    "session.output_transcription": _WORDS,
    "session.thought": {"text": "The guest orders a latte."},
    "session.tool_call": {"function_calls": [_ORDER_CALL]},
    "session.tool_call_cancelled": {"ids": [_ORDER_STATUS]},
    "session.turn_complete": {"turn": 0},
    "session.generation_complete": {},
    "session.phase_changed": {"phase": "model_speaking", "previous": "active"},
    "session.interrupted": {},
    "session.go_away": {"time_left_ms": 50000},
    "session.reconnecting": _RECONNECTING,
    "session.resumed": _RESUMED,
    "session.audio_held": {"policy": "buffer", "held": True, "frames": 0},
    "session.disconnected": {"reason": "disconnected"},
    "session.error": _PASSED_OVER,
    "session.resume_update": {"resumable": True, "last_consumed_client_message_index": None},
    "session.voice_activity_start": {},
    "session.voice_activity_end": {},
    "session.interaction_status": {"status": "IDLE"},
    "session.usage": {
        "prompt_token_count": 50,
        "response_token_count": 64,
        "total_token_count": 114,
        "prompt_tokens_by_modality": {"TEXT": 50},
        "response_tokens_by_modality": {"AUDIO": 64},
    },
    "session.raw": {"message": {"serverContent": {"turnComplete": True}}},
    "live.audio": _SPEECH,
    "live.media": _PICTURE,
    "live.text_delta": {"text": "You typed: "},
    "live.text_complete": {"text": "You typed: One latte, please."},
    "live.input_transcript": {"text": " latte", "is_final": False},
    "live.output_transcript": _WORDS,
    "live.thought": {"text": "The guest orders a latte."},
    "live.vad_start": {},
    "live.vad_end": {},
    "live.extraction": {"name": "Order", "value": {"item": "latte"}, "turn": 0},
    "live.extraction_error": {
        "name": "Mood",
        "error": {
            "code": 1615,
            "message": "Correct the client's extractor Mood, it said: no idea",
            "data": {"name": "extraction.failed", "retryable": True},
        },
        "turn": 0,
    },
    "live.state_promotion": {
        "extractor": "Order",
        "field": "item",
        "state_key": "app:item",
        "accepted": True,
        "reason": "accepted",
        "value": "latte",
    },
    "live.tool_execution": {
        "call_id": _ORDER_STATUS,
        "name": "order_status",
        "args": {"order": 7},
        "result": {"status": "ready"},
    },
    "live.tool_cancelled": {"ids": [_ORDER_STATUS]},
    "live.turn_complete": {
        "turn": 0,
        "turn_number": 0,
        "user": "One latte, please.",
        "model": "You typed: One latte, please.",
        "interrupted": False,
        "reason": None,
    },
    "live.turn_metrics": {
        "turn": 0,
        "latency_ms": 151,
        "prompt_tokens": 50,
        "response_tokens": 64,
    },
    "live.telemetry": {"telemetry": {"text_turns_in": 1, "turn_count": 1, "errors": 0}},
    "live.stalled": {"silent_ms": 3000},
    "live.interrupted": {},
    "live.connected": {"session_id": _SESSION_ID},
    "live.reconnecting": _RECONNECTING,
    "live.resumed": _RESUMED,
    "live.disconnected": {"reason": "disconnected"},
    "live.error": _PASSED_OVER,
    "live.go_away": {"time_left_ms": 50000},
    "state.changed": {
        "key": "app:theme",
        "value": "dark",
        "removed": False,
        "sequence": 1,
        "origin": "set",
    },
    "tool.call": {
        "call_id": _ORDER_STATUS,
        "registration": _REGISTRATION,
        "name": "order_status",
        "args": {"order": 7},
        "deadline_ms": 30000,
    },
    "tool.cancel": {"call_id": _ORDER_STATUS, "reason": "cancelled"},
    "extractor.run": {
        "run_id": "Mood-1",
        "name": "Mood",
        "turn": 0,
        "window": [_LATTE],
        "text": "User: One latte, please.\nAssistant: You typed: One latte, please.",
        "deadline_ms": 10000,
    },
    "events.lagged": {"last_seq": 2300, "missed": 41},
    "events.dropped": {"count": 12, "from": 2301, "to": 2340},
    "daemon.notification_failed": {
        "method": "send_text",
        "error": {
            "code": 1120,
            "message": "The text is empty: send words.",
            "data": {"name": "text.empty", "retryable": False, "param": "text"},
        },
    },
    "daemon.claim_changed": {
        "role": "mic",
        "holder": _KIOSK,
        "previous": None,
        "reason": "audio",
    },
    "daemon.recording_changed": {
        "reason": "stopped",
        "recording": _RECORDING,
    },
    "daemon.stopping": {"reason": "SIGTERM"},
    "daemon.bye": {},
}
"""The data of an event of each topic."""
