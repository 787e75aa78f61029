"""Wrong usage, and what is read from standard input."""

import io
import os
from pathlib import Path

import pytest

from livectl.usage import read_bytes, read_text, standard_input
from livehandle_proto.errors import LiveHandleError


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes, encoding: str = "utf-8") -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding=encoding))


@pytest.mark.parametrize(
    ("given", "text"),
    [(b"", ""), (b"a", "a"), (b"a\n", "a"), (b"a\n\n", "a\n"), ("é☃".encode(), "é☃")],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_text_is_utf_8_whatever_the_locale(
    given: bytes, text: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin(monkeypatch, given, encoding)
    assert read_text() == text


def test_bytes_are_read_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"\xff\0\n")
    assert read_bytes() == b"\xff\0\n"


def test_what_is_no_text_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"ab\xff")
    with pytest.raises(LiveHandleError, match="not UTF-8 text") as refused:
        read_text()
    assert refused.value.name == "client.usage"


def test_a_closed_input_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(LiveHandleError, match="standard input is closed") as refused:
        standard_input()
    assert refused.value.name == "client.usage"


def test_an_input_that_cannot_be_read_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writable = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    with os.fdopen(writable, "wb") as file:

        class Refusing:
            def read(self) -> bytes:
                return os.read(file.fileno(), 1)

        class Input:
            buffer = Refusing()

        monkeypatch.setattr("sys.stdin", Input())
        with pytest.raises(LiveHandleError, match="Cannot read standard input: Bad file"):
            read_bytes()
