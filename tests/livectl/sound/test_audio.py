"""Files and pipes to chunks of 16 kHz PCM, and when each is due."""

import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livectl.sound.audio import CHUNK_BYTES, CHUNK_MS, due, level, open_source, silence
from livehandle_proto.errors import LiveHandleError
from support.waves import chunk, encoded, form, riff, rms, share_of, tone, wave


def samples(chunks: list[bytes]) -> "array[int]":
    return array("h", b"".join(chunks))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.wav"


@contextmanager
def stdin(data: bytes) -> Iterator[None]:
    """Let standard input be a pipe with these bytes in it, which must be few."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    with pytest.MonkeyPatch.context() as monkeypatch, os.fdopen(reading) as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        yield


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_tone_in_a_file_is_that_tone_in_chunks(
    file: Path, rate: int, channels: int, width: int
) -> None:
    file.write_bytes(wave(tone(440, rate, 0.3), rate, channels=channels, width=width))
    source = open_source(str(file))
    assert source.seconds == pytest.approx(0.3)
    chunks = list(source.chunks)
    assert {len(piece) for piece in chunks[:-1]} == {CHUNK_BYTES}
    heard = samples(chunks)
    assert len(heard) == pytest.approx(4_800, abs=1)
    middle = heard[400:4_400]
    assert share_of(middle, 440, 16_000) > 0.999
    assert rms(middle) == pytest.approx(rms(tone(440, 16_000, 0.3)) * 32768, rel=0.01)


def test_pcm_of_the_right_kind_is_passed_as_it_is(file: Path) -> None:
    data = encoded(tone(440, 16_000, 0.1), 2)
    file.write_bytes(riff(form(16_000, 1, 2), chunk(b"data", data)))
    assert b"".join(open_source(str(file)).chunks) == data


@given(data=st.binary(min_size=2, max_size=3 * CHUNK_BYTES))
def test_standard_input_that_is_no_wav_is_raw_pcm(data: bytes) -> None:
    with stdin(data):
        source = open_source("-")
        chunks = list(source.chunks)
    assert source.seconds is None
    assert b"".join(chunks) == data[: len(data) // 2 * 2]
    assert all(len(piece) == CHUNK_BYTES for piece in chunks[:-1])


@pytest.mark.parametrize("claimed", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_standard_input_may_be_wav_of_unknown_length(claimed: int) -> None:
    data = encoded(tone(440, 16_000, 0.1), 2)
    with stdin(riff(form(16_000, 1, 2), chunk(b"data", data, claimed))):
        source = open_source("-")
        assert source.seconds is None
        assert b"".join(source.chunks) == data


@pytest.mark.parametrize("claimed", [None, 0, 0xFFFFFFFF])
def test_the_length_of_a_file_is_what_is_there(
    file: Path, claimed: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(tone(440, 16_000, 0.1), 2)
    file.write_bytes(riff(form(16_000, 1, 2), chunk(b"data", data, claimed)))
    source = open_source(str(file))
    assert source.seconds == pytest.approx(0.1)
    assert b"".join(source.chunks) == data
    with file.open() as redirected:
        monkeypatch.setattr("sys.stdin", redirected)
        assert open_source("-").seconds == pytest.approx(0.1)


@pytest.mark.parametrize("data", [b"", b"\0", wave([], 16_000)])
def test_nothing_to_hear_is_wrong_usage(data: bytes) -> None:
    with stdin(data), pytest.raises(LiveHandleError, match="standard input: it has no audio"):
        open_source("-")


def test_a_file_without_a_sample_is_wrong_usage(file: Path) -> None:
    file.write_bytes(wave([], 16_000))
    with pytest.raises(LiveHandleError, match="it has no audio, not one whole sample"):
        open_source(str(file))


def test_a_pipe_is_heard_as_it_comes() -> None:
    """A recorder's first chunk is there before its second."""
    reading, writing = os.pipe()
    with pytest.MonkeyPatch.context() as monkeypatch, os.fdopen(reading) as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        os.write(writing, bytes(CHUNK_BYTES))
        chunks = open_source("-").chunks
        assert next(chunks) == bytes(CHUNK_BYTES)
        os.write(writing, b"\1" * CHUNK_BYTES)
        assert next(chunks) == b"\1" * CHUNK_BYTES
        os.close(writing)
        assert list(chunks) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        (b"", "is no WAV file"),
        (b"ID3 this is music", "is no WAV file, convert it"),
        (riff(form(16_000, 1, 1, 7)), "compressed"),
    ],
)
def test_what_is_no_audio_is_wrong_usage(file: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LiveHandleError, match=why) as refused:
        open_source(str(file))
    assert refused.value.name == "client.usage"


def test_a_directory_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(LiveHandleError, match="Is a directory"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(("seconds", "chunks"), [(0, 0), (0.02, 1), (0.021, 2), (1.5, 75)])
def test_silence_is_whole_chunks_of_zeros(seconds: float, chunks: int) -> None:
    assert list(silence(seconds)) == [bytes(CHUNK_BYTES)] * chunks


@pytest.mark.parametrize(
    ("peak", "decibels"), [(1.0, -3.01), (0.5, -9.03), (0.05, -29.03), (0.0, -96.0)]
)
def test_a_level_is_that_of_the_power(peak: float, decibels: float) -> None:
    assert level(encoded(tone(400, 16_000, 0.1, peak), 2)) == pytest.approx(decibels, abs=0.05)


def test_no_samples_have_no_level() -> None:
    assert level(b"") == -96.0


@pytest.mark.parametrize(
    ("number", "speed", "seconds"),
    [
        (0, 1.0, 0.0),
        (1, 1.0, 0.02),
        (50, 1.0, 1.0),
        (50, 2.0, 0.5),
        (50, 0.5, 2.0),
        (50, 0.0, 0.0),
    ],
)
def test_a_chunk_is_due_by_its_number_and_speed(number: int, speed: float, seconds: float) -> None:
    assert due(number, speed) == pytest.approx(seconds)


def test_the_schedule_does_not_drift_in_a_day() -> None:
    chunks = 24 * 3600 * 1000 // CHUNK_MS
    assert due(chunks, 1.0) == pytest.approx(24 * 3600, abs=1e-6)
