"""What it means that the service closed the connection or refused it (wire 4.4)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import ERRORS
from livehandled.gemini import closing
from livehandled.gemini.closing import (
    CLOSES,
    REFUSALS,
    Meaning,
    meaning_of_close,
    meaning_of_http,
)

# code, reason, name in a session, name during the setup, configuration in a session
MODEL, QUOTA, AUTH = "upstream.model_not_found", "upstream.quota", "auth.rejected"
REJECTED, UNREACHABLE = "upstream.rejected", "upstream.unreachable"
ENDED, FAILED = "session.ended", "session.setup_failed"

CLOSE_CASES = [
    (1000, "", ENDED, FAILED, False),
    (1001, "going away", ENDED, FAILED, False),
    (1002, "", REJECTED, REJECTED, False),
    (1005, "", ENDED, FAILED, False),
    (1006, "", UNREACHABLE, UNREACHABLE, False),
    (1007, "Request contains an invalid argument.", REJECTED, REJECTED, True),
    (1007, "Unknown name \"proactivity\" at 'setup': Cannot find field.", REJECTED, REJECTED, True),
    (1007, "Thinking level must be specified for this model.", REJECTED, REJECTED, True),
    (1007, "BLOCKING function calls are not supported.", REJECTED, REJECTED, True),
    (
        1007,
        "The requested combination of response modalities (TEXT) is not supported",
        REJECTED,
        REJECTED,
        True,
    ),
    (1007, "Precondition check failed.", REJECTED, REJECTED, True),
    (1007, "API key not valid. Please pass a valid API key.", AUTH, AUTH, True),
    (1007, "Invalid session handle", FAILED, FAILED, False),
    (
        1008,
        "models/x is not found for API version v1beta, or is not supported for bidiGenerateContent",
        MODEL,
        MODEL,
        True,
    ),
    (
        1008,
        "Publisher Model `projects/p/x` was not found or you have no access",
        MODEL,
        MODEL,
        True,
    ),
    (1008, "Operation is not implemented, or supported, or enabled.", REJECTED, REJECTED, False),
    (1008, "BidiGenerateContent session not found", FAILED, FAILED, False),
    (1008, "Requested entity was not found.", FAILED, FAILED, False),
    (
        1008,
        (
            "Connection aborted because the client failed to close the connection after "
            "receiving a GoAway signal"
        ),
        ENDED,
        FAILED,
        False,
    ),
    (1008, "The operation was aborted.", ENDED, FAILED, False),
    (1008, "Your API key was reported as leaked. Please use another API key.", AUTH, AUTH, True),
    (1008, "Method doesn't allow unregistered callers", AUTH, AUTH, True),
    (1008, "You exceeded your current quota", QUOTA, QUOTA, False),
    (1008, "Something new.", REJECTED, REJECTED, False),
    (1009, "message too big", REJECTED, REJECTED, True),
    (1011, "Internal error encountered.", ENDED, FAILED, False),
    (1011, "The service is currently unavailable.", UNREACHABLE, UNREACHABLE, False),
    (1011, "Deadline expired before operation could complete.", ENDED, FAILED, False),
    (1011, "RESOURCE_EXHAUSTED", QUOTA, QUOTA, False),
    (1011, "Resource has been exhausted (e.g. check quota).", QUOTA, QUOTA, False),
    (1011, "Too many concurrent sessions", QUOTA, QUOTA, False),
    (1011, "keepalive ping timeout", UNREACHABLE, UNREACHABLE, False),
    (1012, "", UNREACHABLE, UNREACHABLE, False),
    (1013, "try again later", UNREACHABLE, UNREACHABLE, False),
    (1014, "", UNREACHABLE, UNREACHABLE, False),
    (1015, "", UNREACHABLE, UNREACHABLE, False),
    (4000, "whatever", ENDED, FAILED, False),
]


@pytest.mark.parametrize(("code", "reason", "name", "in_setup", "configuration"), CLOSE_CASES)
def test_a_close_in_a_session_has_its_meaning(
    code: int, reason: str, name: str, in_setup: str, configuration: bool
) -> None:
    error = meaning_of_close(code, reason, during_setup=False)
    assert (error.name, error.data["configuration"]) == (name, configuration)


@pytest.mark.parametrize(("code", "reason", "name", "in_setup", "configuration"), CLOSE_CASES)
def test_a_close_during_the_setup_has_its_meaning(
    code: int, reason: str, name: str, in_setup: str, configuration: bool
) -> None:
    error = meaning_of_close(code, reason, during_setup=True)
    rejected = in_setup == REJECTED
    assert (error.name, error.data["configuration"]) == (in_setup, configuration or rejected)


@pytest.mark.parametrize(("code", "reason", "name", "in_setup", "configuration"), CLOSE_CASES)
def test_a_close_is_told_verbatim(
    code: int, reason: str, name: str, in_setup: str, configuration: bool
) -> None:
    error = meaning_of_close(code, reason, during_setup=False)
    assert (error.data["close_code"], error.data["close_reason"]) == (code, reason)
    assert reason in error.message
    assert f"code {code}" in error.message


@pytest.mark.parametrize("row", [*CLOSES, *REFUSALS])
def test_every_row_of_the_tables_can_be_used(row: Meaning) -> None:
    assert row.name in ERRORS
    assert row.advice[0].isupper()
    assert all(word == word.lower() for word in row.words)
    assert not (row.configuration and ERRORS[row.name].retryable)


@pytest.mark.parametrize("table", [CLOSES, REFUSALS])
def test_no_row_of_a_table_is_hidden_behind_an_earlier_one(table: tuple[Meaning, ...]) -> None:
    for row in table:
        for code in row.codes or [4000]:
            for word in row.words or [""]:
                assert closing._first(table, code, word) is row


@given(code=st.integers(0, 65_535), reason=st.text(max_size=123), during_setup=st.booleans())
def test_every_close_has_a_meaning(code: int, reason: str, during_setup: bool) -> None:
    error = meaning_of_close(code, reason, during_setup)
    assert error.name in ERRORS
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


HTTP_CASES = [
    (200, b"<html>a page</html>", REJECTED, True),
    (301, b"", REJECTED, True),
    (400, google("API key not valid. Please pass a valid API key."), AUTH, True),
    (400, google("User location is not supported for the API use."), REJECTED, True),
    (401, b"", AUTH, True),
    (403, google("Method doesn't allow unregistered callers"), AUTH, True),
    (403, google("API has not been used in project 1 before or it is disabled."), AUTH, True),
    (403, google("Quota exceeded for this project"), QUOTA, False),
    (404, b"<!DOCTYPE html><title>404</title>", REJECTED, True),
    (404, google("models/x is not found for API version v1"), MODEL, True),
    (407, b"", UNREACHABLE, False),
    (408, b"", UNREACHABLE, False),
    (426, b"", REJECTED, True),
    (429, b"", QUOTA, False),
    (429, google("Please pass a valid API key."), QUOTA, False),
    (500, b"", UNREACHABLE, False),
    (502, b"<html>bad gateway</html>", UNREACHABLE, False),
    (503, google("The model is overloaded."), UNREACHABLE, False),
]


@pytest.mark.parametrize(("status", "body", "name", "configuration"), HTTP_CASES)
def test_an_http_answer_to_the_upgrade_has_its_meaning(
    status: int, body: bytes, name: str, configuration: bool
) -> None:
    error = meaning_of_http(status, body)
    assert (error.name, error.data["configuration"]) == (name, configuration)
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
