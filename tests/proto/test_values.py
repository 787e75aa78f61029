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
    Phase,
    Session,
    Value,
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
        (Connection(generation=1, url="wss://h/p"), {"generation": 1, "url": "wss://h/p"}),
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


@pytest.mark.parametrize("value", [NO_SESSION, Ended(reason="stopped"), Close(code=1000)])
def test_a_value_is_read_back_as_it_was_and_never_changes(value: Value) -> None:
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], None)


@pytest.mark.parametrize("reason", ["crashed", "", None])
def test_an_unknown_reason_of_an_end_is_refused(reason: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"reason": reason}, Ended)
