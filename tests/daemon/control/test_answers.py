"""The line of answers always fits, and says what to raise where an answer does not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from livehandle_proto.envelope import MAX_BATCH, MAX_ID_BYTES
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import MIN_LINE_BYTES
from livehandled.control.answers import answer_line, fitted, plain_line
from livehandled.control.dispatch import Answer, failed

LONG_ID = json.dumps("x" * (MAX_ID_BYTES - 2)).encode()


def answer(size: int, request_id: bytes = b"1") -> Answer:
    """Return an answer of so many bytes, or a few more."""
    head = b'{"jsonrpc":"2.0","result":"", "id":' + request_id + b"}"
    text = head.replace(b'""', b'"' + b"x" * (size - len(head)) + b'"')
    return Answer(Raw(request_id), "phase", text, None)


NOTIFICATION = Answer(Raw(), "phase", b"never written", None)


def test_a_single_answer_is_an_object_and_a_batch_an_array() -> None:
    one, two = answer(0), answer(0, b"2")
    assert answer_line([one], batch=False) == one.text + b"\n"
    assert answer_line([one], batch=True) == b"[" + one.text + b"]\n"
    assert answer_line([one, NOTIFICATION, two], batch=True) == (
        b"[" + one.text + b"," + two.text + b"]\n"
    )


def test_notifications_alone_are_answered_with_nothing() -> None:
    assert answer_line([NOTIFICATION], batch=False) == b""
    assert answer_line([NOTIFICATION, NOTIFICATION], batch=True) == b""


@given(
    st.lists(
        st.one_of(st.integers(0, 2000), st.integers(30_000, 80_000)),
        min_size=1,
        max_size=MAX_BATCH,
    )
)
def test_a_batch_of_any_answers_fits_the_shortest_line(sizes: list[int]) -> None:
    answers = [answer(size, LONG_ID) for size in sizes]
    told = fitted(answers, line_bytes=MIN_LINE_BYTES)
    line = answer_line(told, batch=True)
    assert len(line) < MIN_LINE_BYTES
    assert [one["id"] for one in json.loads(line)] == [json.loads(LONG_ID)] * len(sizes)
    if len(answer_line(answers, batch=True)) < MIN_LINE_BYTES:
        assert told == answers


def test_an_answer_too_large_names_what_to_raise_and_by_how_much() -> None:
    large = answer(MIN_LINE_BYTES)
    (told,) = fitted([large], line_bytes=MIN_LINE_BYTES)
    error = json.loads(told.text)["error"]
    assert error["data"]["name"] == "wire.result_too_large"
    assert error["data"]["param"] == "max_line_bytes"
    enough = int(error["data"]["expected"].removeprefix("at least "))
    assert fitted([large], line_bytes=enough) == [large]
    assert told.error == error
    assert told.request_id == large.request_id


def test_what_a_batch_needs_is_said_for_the_whole_of_it() -> None:
    answers = [answer(40_000), NOTIFICATION, answer(40_000, b"2"), answer(20, b"3")]
    told = fitted(answers, line_bytes=MIN_LINE_BYTES)
    assert told[0] is answers[0]
    assert told[1] is NOTIFICATION
    assert told[3] is answers[3]
    error = json.loads(told[2].text)["error"]
    enough = int(error["data"]["expected"].removeprefix("at least "))
    assert fitted(answers, line_bytes=enough) == answers


@pytest.mark.parametrize("spare", [1, 2, 3, 4, 5])
def test_an_answer_just_within_the_limit_is_kept_or_said_to_be_too_large(spare: int) -> None:
    told = fitted([answer(MIN_LINE_BYTES - spare)], line_bytes=MIN_LINE_BYTES)
    assert len(answer_line(told, batch=False)) < MIN_LINE_BYTES
    assert len(answer_line(told, batch=True)) < MIN_LINE_BYTES
    assert (told[0].error is None) == (spare >= 4)


@pytest.mark.parametrize("spare", [0, 1, 2, 3, 4, 5, 60_000])
def test_a_result_by_itself_is_a_plain_line_where_it_fits_and_only_there(spare: int) -> None:
    one = answer(MIN_LINE_BYTES - spare)
    (told,) = fitted([one], line_bytes=MIN_LINE_BYTES)
    line = answer_line([one], batch=False) if told is one else b""
    assert plain_line(one, line_bytes=MIN_LINE_BYTES) == line
    assert bool(line) == (spare >= 4)


@pytest.mark.parametrize("request_id", [b"1", b"null", b""])
def test_errors_and_notifications_are_no_plain_lines(request_id: bytes) -> None:
    error = LiveHandleError("text.empty", "The text is empty: send words.")
    bad = failed(Raw(request_id), "send_text", error)
    assert plain_line(bad, line_bytes=MIN_LINE_BYTES) == b""
    assert plain_line(NOTIFICATION, line_bytes=MIN_LINE_BYTES) == b""
