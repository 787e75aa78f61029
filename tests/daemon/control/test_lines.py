"""Bytes to lines: every way to cut the same bytes gives the same lines."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from livehandled.control.lines import LineReader

LIMIT = 12

# Few letters, so that line ends, blanks, HTTP and long lines are all common.
STREAMS = st.lists(
    st.sampled_from([b"\n", b"{}", b" ", b"\r", b"GET ", b"P", b"PO", b"PRI ", b"x", b"12345678"]),
    max_size=12,
).map(b"".join)


def read(chunks: list[bytes]) -> tuple[list[bytes], bool, bool]:
    reader = LineReader(LIMIT)
    lines = [line for chunk in chunks for line in reader.feed(chunk)]
    if not (reader.http or reader.overlong):
        lines.append(reader.finish())
    return lines, reader.http, reader.overlong


def one_by_one(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@given(STREAMS, st.data())
def test_any_cut_gives_the_same_lines(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(edges)]
    assert read(chunks) == read([stream])


@given(STREAMS)
@example(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
@example(b"{}\n" + b"x" * (LIMIT + 1) + b"\n{}\n")
def test_one_byte_at_a_time_gives_the_same_lines(stream: bytes) -> None:
    assert read(one_by_one(stream)) == read([stream])


@given(st.lists(st.binary(min_size=1, max_size=LIMIT), max_size=8))
def test_lines_come_out_as_they_went_in(lines: list[bytes]) -> None:
    lines = [b"{" + line.replace(b"\n", b"")[: LIMIT - 1] for line in lines]
    assert read([b"\n".join(lines)])[0] == (lines or [b""])


@pytest.mark.parametrize(
    ("stream", "lines"),
    [
        (b"{}\n", [b"{}", b""]),
        (b"{}\r\n[]\n", [b"{}\r", b"[]", b""]),
        (b"{}\n[]", [b"{}", b"[]"]),
        (b"\n \n\r\n\t\n{}\n", [b"{}", b""]),
        (b"", [b""]),
        (b"\xff\x00\n", [b"\xff\x00", b""]),
        (b"x" * LIMIT + b"\n", [b"x" * LIMIT, b""]),
    ],
)
def test_a_line_ends_at_each_newline_and_blank_ones_are_passed_over(
    stream: bytes, lines: list[bytes]
) -> None:
    assert read([stream]) == (lines, False, False)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("start", [b"GET ", b"POST ", b"PRI "])
def test_http_is_known_by_the_first_bytes_and_gives_no_lines(start: bytes, split: bool) -> None:
    stream = start + b"/ HTTP/1.1\r\nHost: x\r\n\r\n"
    assert read(one_by_one(stream) if split else [stream]) == ([], True, False)


@pytest.mark.parametrize("stream", [b"GETS \n", b"G\n", b"PUT \n", b"get \n", b"{}\nGET \n"])
def test_what_only_resembles_http_is_a_line(stream: bytes) -> None:
    lines, http, _ = read([stream])
    assert (lines, http) == ([*stream.split(b"\n")], False)


@pytest.mark.parametrize("start", [b"G", b"GET", b"POS", b"PRI"])
def test_a_beginning_of_http_is_a_final_line_when_nothing_follows(start: bytes) -> None:
    assert read([start]) == ([start], False, False)


def test_lines_before_one_that_is_too_long_are_given_and_none_after() -> None:
    stream = b"{}\n" + b"x" * (LIMIT + 1) + b"\n{}\n"
    assert read([stream]) == ([b"{}"], False, True)


def test_a_line_that_grows_too_long_is_known_before_it_ends() -> None:
    reader = LineReader(LIMIT)
    known = []
    for data in (b"x" * LIMIT, b"x", b"\n{}\n"):
        assert reader.feed(data) == []
        known.append(reader.overlong)
    assert known == [False, True, True]
