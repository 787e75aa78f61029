"""What a client sends, line by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livectl.certify.checks import Results
from livectl.certify.lines import Lines, Request, shown

PING = b'{"jsonrpc":"2.0","id":1,"method":"daemon.ping"}\n'


def read(*pieces: bytes) -> tuple[list[Request], dict[str, str]]:
    results = Results()
    lines = Lines(1, results)
    requests = [request for piece in pieces for request in lines.receive(piece)]
    return requests, {one.check.name: one.got for one in results.outcomes() if one.got}


@pytest.mark.parametrize(
    ("line", "check", "words"),
    [
        (b"\n", "framing.line", "it is empty"),
        (b"hello\n", "framing.line", "no JSON"),
        (b"[1]\n", "framing.line", "no object (no batches here): [1]"),
        (b"\xff\n", "framing.line", "utf-8"),
        (b'{"id": NaN}\n', "framing.line", "NaN is no JSON"),
        (PING.replace(b'"2.0"', b"2.0"), "framing.request", '`"jsonrpc": 2.0`'),
        (b'{"jsonrpc":"2.0","id":1}\n', "framing.request", "`method` is null"),
        (PING.replace(b"}", b',"params":[]}'), "framing.request", "`params` is no object"),
        (PING.replace(b":1,", b":null,"), "ids.legal", "id null"),
        (PING.replace(b":1,", b":true,"), "ids.legal", "id true"),
        (PING.replace(b":1,", b":1.5,"), "ids.legal", "id 1.5"),
        (PING * 2, "ids.unique", "id 1 again"),
    ],
)
def test_what_is_wrong_with_a_line_is_told(line: bytes, check: str, words: str) -> None:
    _, wrong = read(line)
    assert wrong.keys() == {check}
    assert words in wrong[check]


def test_an_id_may_be_used_again_after_its_answer() -> None:
    results = Results()
    lines = Lines(1, results)
    (request,) = lines.receive(PING)
    lines.answered(request.id)
    assert lines.receive(PING) == [request]
    assert not [one for one in results.outcomes() if one.verdict == "failed"]


def test_a_notification_wants_no_answer() -> None:
    (request,), wrong = read(PING.replace(b'"id":1,', b""))
    assert (request.wants_answer, request.id, wrong) == (False, None, {})
    (request,), _ = read(PING.replace(b":1,", b":null,"))
    assert request.wants_answer


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_read_alike_however_they_are_cut(data: bytes, at: int) -> None:
    assert read(data[:at], data[at:]) == read(data)


@given(st.lists(st.sampled_from([PING, b"{}\n", b"[]\n", '{"é":"ü"}\n'.encode()]), max_size=5))
def test_messages_are_read_byte_by_byte_as_at_once(lines: list[bytes]) -> None:
    data = b"".join(lines)
    assert read(*(bytes([byte]) for byte in data)) == read(data)


def test_what_is_shown_is_short_and_on_one_line() -> None:
    assert shown(b"a\nb") == "'a\\nb'"
    assert len(shown("x" * 1000)) < 130
