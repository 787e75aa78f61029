"""The catalogue of methods: complete, in its own style, and described."""

import re

import msgspec
import pytest

from livehandle_proto.methods import (
    MAX_LINE_BYTES,
    MAX_TIMEOUT_MS,
    METHODS,
    MIN_LINE_BYTES,
    Done,
    Hello,
    QueueContext,
    SendClientContent,
    SendToolResponse,
    StateCursor,
    Subscribe,
    TranscriptWindow,
    WaitForPhase,
)
from livehandle_proto.roles import Claim, Release
from livehandle_proto.tools import MAX_TOOL_TIMEOUT_MS, ToolsRegister, ToolsRespond
from livehandle_proto.values import Params

EACH = pytest.mark.parametrize("name", METHODS)

SENDS = (
    *("send_audio", "send_text", "send_video", "send_tool_response", "send_client_content"),
    *("update_instruction", "signal_activity_start", "signal_activity_end", "disconnect"),
)

# Protocol section 4, as far as this API level goes.
EXPECTED = {
    *("rpc.discover", "daemon.hello", "daemon.ping", "daemon.status", "daemon.shutdown"),
    *("daemon.reload", "metrics", "state.forget"),
    *("daemon.fault", "daemon.faults"),
    *("connect", "disconnect", "done", "phase", "session", "session.config"),
    *("send_audio", "send_text", "send_video", "send_tool_response", "update_instruction"),
    *("playback_drained", "user_speech_started", "user_speech_ended", "flush_deferred_prompt"),
    *("voice_state", "input_vad_state", "queue_context", "pending_context", "writer"),
    *(f"{prefix}.{send}" for prefix in ("writer", "session") for send in SENDS),
    *("session.wait_for_phase", "session.resume_handle", "transcript", "extracted"),
    *("state", "state.get", "state.set", "state.remove", "state.keys", "state.clear_prefix"),
    *("state.mutations_since", "extractors.register", "extractors.unregister"),
    *("extractors.list", "extractors.respond"),
    *("tools.register", "tools.unregister", "tools.list", "tools.respond"),
    *("claim", "release", "claims"),
    *("recording", "recording.list", "recording.start", "recording.stop"),
    *("events", "subscribe", "unsubscribe", "telemetry"),
}


def test_the_methods_of_this_level_are_there() -> None:
    assert set(METHODS) == EXPECTED


@EACH
def test_a_name_is_in_snake_case_below_at_most_one_area(name: str) -> None:
    assert re.fullmatch(r"([a-z]+\.)?[a-z]+(_[a-z]+)*", name)


@EACH
def test_a_meaning_is_one_sentence(name: str) -> None:
    assert re.fullmatch(r"[A-Z][^.]*(\.\w[^.]*)*\.", METHODS[name].meaning)


@EACH
def test_unknown_parameters_are_refused_and_names_are_in_snake_case(name: str) -> None:
    params = METHODS[name].params
    assert issubclass(params, Params)
    fields = msgspec.structs.fields(params)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", field.encode_name) for field in fields)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"no_such_parameter":1}', type=params)


@pytest.mark.parametrize(
    ("params", "text", "right"),
    [
        (Hello, b'{"max_line_bytes":%d}' % MIN_LINE_BYTES, True),
        (Hello, b'{"max_line_bytes":%d}' % (MIN_LINE_BYTES - 1), False),
        (Hello, b'{"max_line_bytes":%d}' % MAX_LINE_BYTES, True),
        (Hello, b'{"max_line_bytes":%d}' % (MAX_LINE_BYTES + 1), False),
        (Hello, b'{"client":"%s"}' % (b"x" * 64), True),
        (Hello, b'{"client":"%s"}' % (b"x" * 65), False),
        (Done, b'{"timeout_ms":0}', True),
        (Done, b'{"timeout_ms":-1}', False),
        (Done, b'{"timeout_ms":%d}' % MAX_TIMEOUT_MS, True),
        (Done, b'{"timeout_ms":1%s}' % (b"0" * 400), False),
        (WaitForPhase, b'{"phase":"active","timeout_ms":-1}', False),
        (WaitForPhase, b'{"phase":"active","timeout_ms":%d}' % MAX_TIMEOUT_MS, True),
        (WaitForPhase, b'{"phase":"active","timeout_ms":%d}' % (MAX_TIMEOUT_MS + 1), False),
        (TranscriptWindow, b'{"turns":0}', True),
        (TranscriptWindow, b'{"turns":-1}', False),
        (StateCursor, b'{"cursor":0}', True),
        (StateCursor, b'{"cursor":-1}', False),
        (SendToolResponse, b'{"responses":[]}', False),
        (SendClientContent, b'{"turns":[],"turn_complete":true}', True),
        (SendClientContent, b'{"turns":[{"role":"user","parts":[]}],"turn_complete":true}', False),
        (QueueContext, b'{"turns":[]}', True),
        (QueueContext, b'{"turns":[{"role":"system","parts":[{}]}]}', False),
        (ToolsRegister, b'{"timeout_ms":1}', True),
        (ToolsRegister, b'{"timeout_ms":0}', False),
        (ToolsRegister, b'{"timeout_ms":%d}' % MAX_TOOL_TIMEOUT_MS, True),
        (ToolsRegister, b'{"timeout_ms":%d}' % (MAX_TOOL_TIMEOUT_MS + 1), False),
        (ToolsRespond, b'{"call_id":"c","result":null}', True),
        (ToolsRespond, b'{"call_id":"c","error":""}', False),
        (ToolsRespond, b'{"call_id":"c","scheduling":"when_idle"}', False),
        (Claim, b'{"role":"mic"}', True),
        (Claim, b'{"role":"screen"}', False),
        (Release, b"{}", False),
        (Subscribe, b'{"topics":[]}', False),
        (Subscribe, b'{"topics":null}', True),
    ],
)
def test_bounds_are_kept(params: type[Params], text: bytes, right: bool) -> None:
    if right:
        msgspec.json.decode(text, type=params)
    else:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(text, type=params)
