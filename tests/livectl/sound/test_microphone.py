"""Pipes and recordings in the place of a microphone."""

import io
import os
import pty
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from livectl.sound.audio import CHUNK_BYTES, RATE
from livectl.sound.microphone import TAIL_S, PacedMicrophone, RawPipe, piped, recording
from livehandle_proto.errors import LiveHandleError
from support.waves import encoded, share_of, tone, wave

TAIL = bytes(round(TAIL_S * RATE) * 2)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def all_of(microphone: PacedMicrophone) -> tuple[bytes, float]:
    """Listen to the end, in no time; return what was heard, and how long it would have taken."""
    heard, now = b"", 100.0
    while not microphone.ended:
        heard += b"".join(microphone.chunks(now))
        now += 0.01
    return heard, now - 100.0


def test_it_sends_in_real_time_what_comes_at_once() -> None:
    pieces = iter([b"\1\0" * 320] * 100)
    heard, seconds = all_of(PacedMicrophone(lambda: next(pieces, None)))
    assert heard == b"\1\0" * 32_000 + TAIL
    assert seconds == pytest.approx(2.0 + TAIL_S, abs=0.05)


def test_it_waits_for_what_has_not_come() -> None:
    pieces = iter([b"\1\0" * 320, b"", b"\2\0" * 320, None])
    microphone = PacedMicrophone(lambda: next(pieces))
    assert list(microphone.chunks(0.0)) == [b"\1\0" * 320]
    assert list(microphone.chunks(0.02)) == []
    assert list(microphone.chunks(0.02)) == [b"\2\0" * 320]
    assert not microphone.ended


def test_a_recording_does_not_rush_after_a_delay(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wave(encoded(tone(440, RATE, 0.5), 16), RATE))
    microphone = recording(str(path))
    assert len(b"".join(microphone.chunks(0.0))) == CHUNK_BYTES
    after = len(b"".join(microphone.chunks(3.0)))
    assert after == pytest.approx(0.2 * RATE * 2, abs=2 * CHUNK_BYTES)


def test_a_pipe_is_read_as_it_comes(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    raw = RawPipe(reading, RATE)
    assert raw.read() == b""
    os.write(writing, b"\1\0\2")
    assert raw.read() == b"\1\0"
    os.write(writing, b"\0" + b"\3\0" * 1000)
    assert raw.read() == b"\2\0" + b"\3\0" * 319, "20 ms at a time, and no sample is cut"
    os.close(writing)
    rest = b""
    while piece := raw.read():
        rest += piece
    assert rest == b"\3\0" * 681
    assert raw.read() is None


def test_another_rate_is_converted(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    samples = array("h", (round(32767 * s) for s in tone(440, 44_100, 0.3)))
    os.write(writing, samples.tobytes())
    os.close(writing)
    heard, _ = all_of(PacedMicrophone(RawPipe(reading, 44_100).read))
    speech = heard.removesuffix(TAIL)
    assert len(speech) / 2 == pytest.approx(0.3 * RATE, abs=2)
    assert share_of([s / 32768 for s in array("h", speech)], 440, RATE) > 0.98


def test_a_pipe_without_a_sample_is_told(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.close(writing)
    with pytest.raises(LiveHandleError, match="ended before its first sample") as caught:
        RawPipe(reading, RATE).read()
    assert caught.value.name == "client.usage"


def test_a_terminal_is_no_recorder(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb"), os.fdopen(theirs, "rb", buffering=0) as terminal:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(terminal)))
        with pytest.raises(LiveHandleError, match="is a terminal: pipe a recorder into it"):
            piped(RATE)
