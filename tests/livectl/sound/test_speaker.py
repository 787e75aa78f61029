"""A pipe to a player in the place of a speaker."""

import fcntl
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from livectl.sound.speaker import PipeSpeaker, piped
from livehandle_proto.errors import LiveHandleError

RATE = 24_000
SECOND = 2 * RATE
VOICE = b"\1\2" * RATE


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def read(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 20)
    except BlockingIOError:
        return b""


def test_it_is_a_stream_without_gaps_a_tenth_of_a_second_ahead(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    speaker = PipeSpeaker(writing, RATE)
    speaker.tick(5.0)
    assert read(reading) == bytes(round(SECOND * 0.12))
    speaker.playback.take(VOICE, RATE)
    heard = b""
    for n in range(1, 201):
        speaker.tick(5.0 + n / 100)
        heard += read(reading)
    assert len(heard) == pytest.approx(2 * SECOND, abs=2000)
    assert heard == VOICE + bytes(len(heard) - SECOND)


def test_speech_has_drained_when_its_time_has_come_not_when_it_is_written(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    speaker = PipeSpeaker(writing, RATE)
    speaker.playback.take(VOICE[: SECOND // 10], RATE)
    speaker.playback.turn_complete()
    speaker.tick(5.0)
    read(reading)
    assert not speaker.playback.drained(5.09)
    assert speaker.playback.drained(5.11)


def test_what_the_player_has_not_taken_has_not_been_heard(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    speaker = PipeSpeaker(writing, RATE)
    for n in range(100):
        speaker.tick(5.0 + n / 100)  # a second of silence, which nobody reads
    speaker.playback.take(VOICE[: SECOND // 100], RATE)
    speaker.playback.turn_complete()
    speaker.tick(6.0)
    assert not speaker.playback.drained(6.9)
    assert speaker.playback.drained(7.2)


def test_a_player_that_does_not_read_stops_time_and_is_not_waited_for(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 8192)
    speaker = PipeSpeaker(writing, RATE)
    for n in range(1000):
        speaker.tick(n / 100)
    speaker.playback.take(VOICE, RATE)
    speaker.tick(10.0)
    assert not any(read(reading))
    heard = b""
    for n in range(200):
        speaker.tick(10 + n / 100)
        heard += read(reading)
    assert heard[:SECOND] == VOICE, "not a sample is lost"


def test_a_file_takes_everything(tmp_path: Path) -> None:
    path = tmp_path / "a.pcm"
    with path.open("wb") as file:
        speaker = PipeSpeaker(file.fileno(), RATE)
        speaker.playback.take(VOICE[:960], RATE)
        speaker.tick(0.0)
    assert path.read_bytes().rstrip(b"\0") == VOICE[:960]


def test_a_terminal_is_no_player(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb"), os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        with pytest.raises(LiveHandleError, match="is a terminal: pipe it into a player"):
            piped(RATE)
