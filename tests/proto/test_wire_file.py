"""The form of a wire file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.wire_file import NoRecordingError, read

HEADER = b'{"livehandle_recording": 1, "name": "n"}\n'
LINES = [b'{"ms": 1, "what": "open"}\n', b'{"ms": 2.5, "what": "in", "frame": {}}\n']


def test_the_header_comes_first_and_then_line_by_line() -> None:
    header, rest = read([HEADER, *LINES])
    assert header["name"] == "n"
    assert [line["what"] for line in rest] == ["open", "in"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "has no header"),
        ([b"RIFF\n"], "has no header"),
        ([b"[1]\n"], "has no header"),
        ([b'{"ms": 1, "what": "open"}\n'], "has no header"),
        ([b'{"livehandle_recording": "1"}\n'], "has no header"),
        ([b'{"livehandle_recording": 2}\n'], "of version 2 of the form, and this reads 1"),
        ([HEADER, b"no JSON\n"], "at line 2"),
        ([HEADER, LINES[0], b'{"ms": true, "what": "in"}\n'], "at line 3"),
        ([HEADER, b'{"what": "in"}\n'], "at line 2"),
        ([HEADER, b"[" * 100_000 + b"\n"], "at line 2"),
    ],
)
def test_what_is_no_recording_is_refused_in_words(lines: list[bytes], words: str) -> None:
    with pytest.raises(NoRecordingError, match=words):
        list(read(lines)[1])


@given(st.integers(0, len(LINES[0]) + len(LINES[1])))
def test_a_file_that_was_cut_anywhere_is_read_up_to_there(kept: int) -> None:
    text = (HEADER + b"".join(LINES))[: len(HEADER) + kept]
    told = list(read(text.splitlines(keepends=True))[1])
    whole = sum(kept >= end for end in (len(LINES[0]) - 1, sum(map(len, LINES)) - 1))
    assert len(told) == whole
