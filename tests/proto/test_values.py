"""The values that methods and events share, as JSON has them."""

from typing import get_args

import msgspec
import pytest

from livehandle_proto.values import (
    Close,
    Connection,
    Ended,
    ErrorObject,
    FunctionCall,
    InputVadState,
    PendingContext,
    Phase,
    Session,
    Value,
    VoiceState,
    Writer,
)

NO_SESSION = Session(
    session_id=None,
    phase="disconnected",
    backend="gemini",
    model="gemini-3.8-live",
    connected_ms=None,
    connection=None,
    resumable=False,
    reconnects=0,
    current_turn=None,
    turns=0,
    last_close=None,
)


def test_a22_the_phases_are_those_of_the_rust_handle_in_snake_case() -> None:
    assert get_args(Phase) == (
        "disconnected",
        "connecting",
        "setup_sent",
        "active",
        "user_speaking",
        "model_speaking",
        "interrupted",
        "tool_call_pending",
        "tool_call_executing",
        "disconnecting",
    )


def test_a_session_shows_every_field_even_where_there_is_none() -> None:
    assert msgspec.to_builtins(NO_SESSION) == {
        "session_id": None,
        "phase": "disconnected",
        "backend": "gemini",
        "model": "gemini-3.8-live",
        "connected_ms": None,
        "connection": None,
        "resumable": False,
        "reconnects": 0,
        "current_turn": None,
        "turns": 0,
        "last_close": None,
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Ended(reason="disconnected"), {"reason": "disconnected"}),
        (
            Ended(reason="closed", code=1011, message="Internal error"),
            {"reason": "closed", "code": 1011, "message": "Internal error"},
        ),
        (Close(code=1000, reason=""), {"code": 1000, "reason": ""}),
        (Close(), {}),
        (
            Connection(state="ready", generation=1, url="wss://h/p"),
            {"state": "ready", "generation": 1, "url": "wss://h/p"},
        ),
        (FunctionCall(id="", name="f", args={}), {"id": "", "name": "f", "args": {}}),
        (
            ErrorObject(code=1300, message="m", data={"name": "upstream.rejected"}),
            {"code": 1300, "message": "m", "data": {"name": "upstream.rejected"}},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Value) else "",
)
def test_what_is_unset_is_left_out(value: Value, shown: dict[str, object]) -> None:
    assert msgspec.to_builtins(value) == shown


VOICE = VoiceState(
    user_speaking=False,
    playback_active=True,
    prompt_pending=False,
    prompt_epoch=0,
    last_barge_in_ms_ago=None,
    last_playback_drained_ms_ago=0,
)
VAD = InputVadState(
    backend="off",
    sample_rate=16_000,
    frame_duration_ms=20,
    frame_size=320,
    state="silence",
    speaking=False,
    last_probability=None,
    frames_processed=0,
    last_transition_ms_ago=None,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            VOICE,
            {
                "user_speaking": False,
                "playback_active": True,
                "prompt_pending": False,
                "prompt_epoch": 0,
                "last_barge_in_ms_ago": None,
                "last_playback_drained_ms_ago": 0,
            },
        ),
        (
            VAD,
            {
                "backend": "off",
                "sample_rate": 16_000,
                "frame_duration_ms": 20,
                "frame_size": 320,
                "state": "silence",
                "speaking": False,
                "last_probability": None,
                "frames_processed": 0,
                "last_transition_ms_ago": None,
            },
        ),
        (
            Writer(kind="direct", pending_context=0, prompt_armed=False),
            {"kind": "direct", "pending_context": 0, "prompt_armed": False},
        ),
        (PendingContext(turns=[], prompt_armed=False), {"turns": [], "prompt_armed": False}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Value) else "",
)
def test_c1_f2_what_a_clone_asks_for_has_every_field_even_where_there_is_none(
    value: Value, shown: dict[str, object]
) -> None:
    assert msgspec.to_builtins(value) == shown
    assert msgspec.convert(shown, type(value)) == value


@pytest.mark.parametrize("state", ["talking", "", None])
def test_an_unknown_state_of_the_detector_is_refused(state: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**msgspec.to_builtins(VAD), "state": state}, InputVadState)


@pytest.mark.parametrize("value", [NO_SESSION, Ended(reason="stopped"), Close(code=1000)])
def test_a_value_is_read_back_as_it_was_and_never_changes(value: Value) -> None:
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], None)


@pytest.mark.parametrize("reason", ["crashed", "", None])
def test_an_unknown_reason_of_an_end_is_refused(reason: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"reason": reason}, Ended)
