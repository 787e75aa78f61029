"""Lines to requests, and what is wrong with those that are none."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from livehandle_proto.envelope import (
    MAX_BATCH,
    MAX_ID_BYTES,
    BadRequestError,
    decode_batch,
    decode_request,
    event_body,
    event_head,
    salvaged_id,
)

DEEP = b"[" * 200_000 + b"]" * 200_000


def request(rest: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","method":"phase",' + rest + b"}"


def refusal(line: bytes) -> tuple[str, bytes]:
    """Return the error's name and the id to answer with."""
    with pytest.raises(BadRequestError) as bad:
        decode_request(line)
    return bad.value.error.name, bytes(bad.value.request_id)


@pytest.mark.parametrize(
    "text", [b"1", b"-1", b"0.5", b"1e999", b'"a"', b'"\\u00e9"', '"é"'.encode(), b"null", b'""']
)
def test_an_id_is_kept_verbatim(text: bytes) -> None:
    decoded = decode_request(request(b'"id": ' + text + b" "))
    assert bytes(decoded.id) == text


def test_a_request_without_an_id_is_a_notification_and_one_without_params_has_none() -> None:
    decoded = decode_request(b'{"jsonrpc":"2.0","method":"phase"}')
    assert bytes(decoded.id) == b""
    assert bytes(decoded.params) == b"{}"


def test_members_that_json_rpc_does_not_know_are_passed_over() -> None:
    assert decode_request(request(b'"id":1,"trace":[1,2]')).method == "phase"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"id":3,',
        b"\xef\xbb\xbf{}",
        b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
        b'{"jsonrpc":"2.0","id":01,"method":"phase"}',
        b'{"jsonrpc":"2.0","id":1,"method":"phase"} {}',
        request(b'"id":"\xff"'),
        request(b'"id":"a\x01b"'),
        request(b'"params":' + DEEP),
        request(b'"x":' + DEEP),
    ],
)
def test_what_is_no_json_or_no_utf8_is_a_parse_error_without_an_id(line: bytes) -> None:
    assert refusal(line) == ("wire.parse_error", b"null")


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (b"5", b"null"),
        (b'"x"', b"null"),
        (b"null", b"null"),
        (b"{}", b"null"),
        (DEEP, b"null"),
        (b'{"id":7,"method":"phase"}', b"7"),
        (b'{"jsonrpc":"1.0","id":"a","method":"phase"}', b'"a"'),
        (b'{"jsonrpc":2.0,"id":"a","method":"phase"}', b'"a"'),
        (b'{"jsonrpc":"2.0","id":7}', b"7"),
        (b'{"jsonrpc":"2.0","id":7,"method":5}', b"7"),
        (b'{"id":"\xff","method":5}', b"null"),
        (request(b'"id":7,"params":null'), b"7"),
        (request(b'"id":7,"params":"x"'), b"7"),
        (request(b'"id":[1]'), b"null"),
        (request(b'"id":{}'), b"null"),
        (request(b'"id":true'), b"null"),
        (request(b'"id":"' + b"x" * MAX_ID_BYTES + b'"'), b"null"),
        (b'{"id":"' + b"x" * MAX_ID_BYTES + b'"}', b"null"),
    ],
)
def test_json_that_is_no_request_is_refused_with_its_id_where_it_has_one(
    line: bytes, request_id: bytes
) -> None:
    assert refusal(line) == ("wire.invalid_request", request_id)


def test_the_longest_id_is_taken() -> None:
    text = b'"' + b"x" * (MAX_ID_BYTES - 2) + b'"'
    assert bytes(decode_request(request(b'"id":' + text)).id) == text


@given(st.binary(max_size=60))
def test_any_bytes_are_a_request_or_refused(line: bytes) -> None:
    with suppress(BadRequestError):
        decode_request(line)
    assert isinstance(salvaged_id(line), Raw)


def test_a_batch_gives_its_members_as_they_are() -> None:
    assert [bytes(one) for one in decode_batch(b'[{"a":1}, 5 ,[]]')] == [b'{"a":1}', b"5", b"[]"]
    assert len(decode_batch(b"[" + b",".join([b"1"] * MAX_BATCH) + b"]")) == MAX_BATCH


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"[]", "wire.invalid_request"),
        (b"[" + b",".join([b"1"] * (MAX_BATCH + 1)) + b"]", "wire.invalid_request"),
        (b"[1,", "wire.parse_error"),
        (b"[1] 2", "wire.parse_error"),
        (DEEP, "wire.parse_error"),
    ],
)
def test_a_batch_that_is_empty_too_long_or_unreadable_is_refused_as_a_whole(
    line: bytes, name: str
) -> None:
    with pytest.raises(BadRequestError) as bad:
        decode_batch(line)
    assert bad.value.error.name == name
    assert bytes(bad.value.request_id) == b"null"


@pytest.mark.parametrize("subscription", [None, "e1"])
def test_an_events_line_is_its_head_and_its_body(subscription: str | None) -> None:
    line = event_head(subscription) + event_body(7, "k:7", 5, "live.text_delta", {"text": "ä\n"})
    assert line.count(b"\n") == 1
    message = json.loads(line)
    assert message["jsonrpc"] == "2.0"
    assert message["method"] == "event"
    assert message["params"].pop("subscription", None) == subscription
    assert message["params"] == {
        "seq": 7,
        "cursor": "k:7",
        "ts_ms": 5,
        "topic": "live.text_delta",
        "data": {"text": "ä\n"},
    }
