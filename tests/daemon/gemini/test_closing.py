"""What it means that the service closed the connection or refused it, and what to do (4.4)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import ERRORS, LiveHandleError
from livehandled.gemini import closing
from livehandled.gemini.closing import (
    CLOSES,
    REFUSALS,
    Action,
    Meaning,
    action_of,
    meaning_of_close,
    meaning_of_http,
)

MODEL, QUOTA, AUTH = "upstream.model_not_found", "upstream.quota", "auth.rejected"
REJECTED, UNREACHABLE = "upstream.rejected", "upstream.unreachable"
ENDED, FAILED = "session.ended", "session.setup_failed"

# What to do after a close in a session, during a setup, and during one with a handle.
Three = tuple[Action, Action, Action]
STOP: Three = ("stop", "stop", "stop")
RETRY: Three = ("retry", "retry", "retry")
SLOW: Three = ("slow", "slow", "slow")
SENT: Three = ("once", "stop", "stop")
SENT_OR_HANDLE: Three = ("once", "stop", "fresh")
HANDLE: Three = ("fresh", "stop", "fresh")

INVALID = "Request contains an invalid argument."
UNKNOWN_NAME = "Unknown name \"proactivity\" at 'setup': Cannot find field."
NO_MODEL = (
    "models/x is not found for API version v1beta, or is not supported for bidiGenerateContent"
)
PUBLISHER = "Publisher Model `projects/p/x` was not found or you have no access"
GO_AWAY = (
    "Connection aborted because the client failed to close the connection after a GoAway signal"
)

# code, reason, name in a session, name during the setup, what to do
CLOSE_CASES: list[tuple[int, str, str, str, Three]] = [
    # The rows of the page, in its order.
    (1000, "", ENDED, FAILED, RETRY),
    (1001, "going away", ENDED, FAILED, RETRY),
    (1006, "", UNREACHABLE, UNREACHABLE, RETRY),
    (1007, INVALID, REJECTED, REJECTED, SENT_OR_HANDLE),
    (1007, UNKNOWN_NAME, REJECTED, REJECTED, STOP),
    (1007, "Unknown name \"x\" at 'setup'", REJECTED, REJECTED, STOP),
    (1007, "Thinking level must be specified for this model.", REJECTED, REJECTED, STOP),
    (1007, "Thinking level is not supported for this model.", REJECTED, REJECTED, STOP),
    (1007, "BLOCKING function calls are not supported.", REJECTED, REJECTED, STOP),
    (1007, "BLOCKING function calls not supported", REJECTED, REJECTED, STOP),
    (1007, "Function response scheduling is not supported.", REJECTED, REJECTED, STOP),
    (
        1007,
        "The requested combination of response modalities (TEXT) is not supported",
        REJECTED,
        REJECTED,
        STOP,
    ),
    (1007, "Precondition check failed.", REJECTED, REJECTED, STOP),
    (1007, "CONTENT_TYPE_AUDIO is not supported", REJECTED, REJECTED, STOP),
    (1007, "API key not valid. Please pass a valid API key.", AUTH, AUTH, STOP),
    (1008, NO_MODEL, MODEL, MODEL, STOP),
    (1008, PUBLISHER, MODEL, MODEL, STOP),
    (
        1008,
        "Operation is not implemented, or supported, or enabled.",
        REJECTED,
        REJECTED,
        SENT_OR_HANDLE,
    ),
    (1008, "BidiGenerateContent session not found", FAILED, FAILED, HANDLE),
    (1008, "Requested entity was not found.", FAILED, FAILED, HANDLE),
    (1008, GO_AWAY, ENDED, FAILED, RETRY),
    (1008, "The operation was aborted.", ENDED, FAILED, RETRY),
    (1008, "Your API key was reported as leaked. Please use another API key.", AUTH, AUTH, STOP),
    (1008, "You exceeded your current quota", QUOTA, QUOTA, STOP),
    (1009, "message too big", REJECTED, REJECTED, SENT),
    (1011, "Internal error encountered.", ENDED, FAILED, RETRY),
    (1011, "The service is currently unavailable.", UNREACHABLE, UNREACHABLE, RETRY),
    (1011, "Deadline expired before operation could complete.", ENDED, FAILED, RETRY),
    (1011, "RESOURCE_EXHAUSTED", QUOTA, QUOTA, SLOW),
    (1011, "Resource has been exhausted (e.g. check quota).", QUOTA, QUOTA, SLOW),
    (1011, "You exceeded your current quota", QUOTA, QUOTA, SLOW),
    (1011, "Too many concurrent sessions", QUOTA, QUOTA, SLOW),
    (1011, "keepalive ping timeout", UNREACHABLE, UNREACHABLE, RETRY),
    (1012, "", UNREACHABLE, UNREACHABLE, RETRY),
    (1013, "try again later", UNREACHABLE, UNREACHABLE, RETRY),
    (1014, "", UNREACHABLE, UNREACHABLE, RETRY),
    # A bad handle (wire 4.3), and what the page has no row for.
    (1007, "Invalid session handle", FAILED, FAILED, HANDLE),
    (1008, "Method doesn't allow unregistered callers", AUTH, AUTH, STOP),
    (1008, "Something new.", REJECTED, REJECTED, SENT_OR_HANDLE),
    (1002, "", REJECTED, REJECTED, SENT),
    (1003, "", REJECTED, REJECTED, SENT),
    (1010, "", REJECTED, REJECTED, SENT),
    (1005, "", ENDED, FAILED, RETRY),
    (1015, "", UNREACHABLE, UNREACHABLE, RETRY),
    (4000, "whatever", ENDED, FAILED, RETRY),
]
CLOSE_FIELDS = ("code", "reason", "name", "in_setup", "actions")


@pytest.mark.parametrize(CLOSE_FIELDS, CLOSE_CASES)
def test_a_close_in_a_session_has_its_meaning(
    code: int, reason: str, name: str, in_setup: str, actions: Three
) -> None:
    for with_handle in (False, True):
        error = meaning_of_close(code, reason, during_setup=False, with_handle=with_handle)
        assert (error.name, error.data["action"]) == (name, actions[0])


@pytest.mark.parametrize(CLOSE_FIELDS, CLOSE_CASES)
def test_a_close_during_the_setup_has_its_meaning(
    code: int, reason: str, name: str, in_setup: str, actions: Three
) -> None:
    error = meaning_of_close(code, reason, during_setup=True)
    assert (error.name, error.data["action"]) == (in_setup, actions[1])
    error = meaning_of_close(code, reason, during_setup=True, with_handle=True)
    assert (error.name, error.data["action"]) == (in_setup, actions[2])


@pytest.mark.parametrize(CLOSE_FIELDS, CLOSE_CASES)
def test_a_close_is_told_verbatim(
    code: int, reason: str, name: str, in_setup: str, actions: Three
) -> None:
    error = meaning_of_close(code, reason, during_setup=False)
    assert (error.data["close_code"], error.data["close_reason"]) == (code, reason)
    assert reason in error.message
    assert f"code {code}" in error.message


@given(code=st.integers(1000, 1015), reason=st.sampled_from([case[1] for case in CLOSE_CASES]))
def test_a_setup_that_the_service_refuses_is_not_sent_twice(code: int, reason: str) -> None:
    error = meaning_of_close(code, reason, during_setup=True)
    assert error.data["action"] not in {"once", "fresh"}
    if error.name in {REJECTED, MODEL, AUTH}:
        assert error.data["action"] == "stop"


@pytest.mark.parametrize("row", [*CLOSES, *REFUSALS])
def test_every_row_of_the_tables_can_be_used(row: Meaning) -> None:
    assert row.name in ERRORS
    assert row.advice[0].isupper()
    assert all(word == word.lower() for word in row.words)


@pytest.mark.parametrize("table", [CLOSES, REFUSALS])
def test_no_row_of_a_table_is_hidden_behind_an_earlier_one(table: tuple[Meaning, ...]) -> None:
    for row in table:
        for code in row.codes or [4000]:
            for word in row.words or [""]:
                assert closing._first(table, code, word) is row


@given(
    code=st.integers(0, 65_535),
    reason=st.text(max_size=123),
    during_setup=st.booleans(),
    with_handle=st.booleans(),
)
def test_every_close_has_a_meaning(
    code: int, reason: str, during_setup: bool, with_handle: bool
) -> None:
    error = meaning_of_close(code, reason, during_setup, with_handle=with_handle)
    assert error.name in ERRORS
    assert action_of(error) == error.data["action"]
    assert error.data["close_reason"] == reason


KEY = "AIzaNotAKey-0123456789_x"


def test_a_close_does_not_show_the_key() -> None:
    error = meaning_of_close(1007, f"API key {KEY} not valid", during_setup=True, secrets=[KEY])
    assert KEY not in str(error.to_json())
    assert error.data["close_reason"] == "API key *** not valid"
    cut = meaning_of_close(1008, f"API key {KEY[:12]}", during_setup=True, secrets=[KEY])
    assert cut.data["close_reason"] == "API key ***"


def google(message: str) -> bytes:
    return json.dumps({"error": {"code": 400, "message": message, "status": "X"}}).encode()


HTTP_CASES: list[tuple[int, bytes, str, Action]] = [
    (200, b"<html>a page</html>", REJECTED, "stop"),
    (301, b"", REJECTED, "stop"),
    (400, google("API key not valid. Please pass a valid API key."), AUTH, "stop"),
    (400, google("User location is not supported for the API use."), REJECTED, "stop"),
    (401, b"", AUTH, "stop"),
    (403, google("Method doesn't allow unregistered callers"), AUTH, "stop"),
    (403, google("API has not been used in project 1 before or it is disabled."), AUTH, "stop"),
    (403, google("Quota exceeded for this project"), QUOTA, "slow"),
    (404, b"<!DOCTYPE html><title>404</title>", REJECTED, "stop"),
    (404, google("models/x is not found for API version v1"), MODEL, "stop"),
    (407, b"", UNREACHABLE, "stop"),
    (408, b"", UNREACHABLE, "retry"),
    (426, b"", REJECTED, "stop"),
    (429, b"", QUOTA, "slow"),
    (429, google("Please pass a valid API key."), QUOTA, "slow"),
    (500, b"", UNREACHABLE, "retry"),
    (502, b"<html>bad gateway</html>", UNREACHABLE, "retry"),
    (503, google("The model is overloaded."), UNREACHABLE, "retry"),
]


@pytest.mark.parametrize(("status", "body", "name", "action"), HTTP_CASES)
def test_an_http_answer_to_the_upgrade_has_its_meaning(
    status: int, body: bytes, name: str, action: Action
) -> None:
    error = meaning_of_http(status, body)
    assert (error.name, error.data["action"]) == (name, action)
    assert error.data["http_status"] == status
    assert f"HTTP status {status}" in error.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (google("No\n such  thing."), 'saying "No such thing."'),
        (b'[{"error": {"message": "In a list."}}]', 'saying "In a list."'),
        (b'{"message": "other"}', 'saying "{"message": "other"}"'),
        (b"plain text\n", 'saying "plain text"'),
        ("as text", 'saying "as text"'),
        (b"\xff", 'saying "\ufffd"'),
        (b"  <html>secret page</html>", "status 400."),
        (b"", "status 400."),
        (None, "status 400."),
        (b"[]", 'saying "[]"'),
        (b"[" * 100_000, "[[["),
        (b"x" * 100_000, "x" * 300 + '".'),
    ],
)
def test_the_servers_own_words_are_told_but_no_page(body: bytes | str | None, said: str) -> None:
    error = meaning_of_http(400, body)
    assert said in error.message
    assert len(error.message) < 500


def test_an_http_answer_does_not_show_the_key() -> None:
    error = meaning_of_http(400, google(f"bad key {KEY}"), secrets=[KEY])
    assert KEY not in str(error.to_json())


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("upstream.unreachable", "retry"),
        ("session.timeout", "retry"),
        ("session.setup_failed", "retry"),
        ("upstream.quota", "slow"),
        ("auth.missing_key", "stop"),
        ("auth.rejected", "stop"),
        ("config.invalid", "stop"),
        ("upstream.unsupported", "stop"),
        ("upstream.rejected", "stop"),
        ("upstream.model_not_found", "stop"),
        ("wire.internal", "stop"),
        ("of a newer version", "stop"),
    ],
)
def test_an_error_that_is_no_close_has_an_action_too(name: str, action: Action) -> None:
    assert action_of(LiveHandleError(name, "Do this.")) == action
    assert action_of(LiveHandleError(name, "Do this.", action="no such thing")) == action
    assert action_of(LiveHandleError(name, "Do this.", action="fresh")) == "fresh"


def test_an_action_survives_the_way_over_the_socket() -> None:
    error = meaning_of_close(1011, "RESOURCE_EXHAUSTED", during_setup=False)
    assert action_of(LiveHandleError.from_json(error.to_json())) == "slow"
