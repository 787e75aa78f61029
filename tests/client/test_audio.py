"""Files and pipes to chunks of 16 kHz PCM, and when each is due."""

import io
from array import array
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livectl.audio import CHUNK_BYTES, CHUNK_MS, due, level, open_source, silence
from livehandle_proto.errors import LiveHandleError
from support.waves import chunk, encoded, form, riff, rms, share_of, tone, wave


def samples(chunks: list[bytes]) -> "array[int]":
    return array("h", b"".join(chunks))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.wav"


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))


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


@given(data=st.binary(max_size=3 * CHUNK_BYTES))
def test_standard_input_that_is_no_wav_is_raw_pcm(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        stdin(monkeypatch, data)
        source = open_source("-")
        chunks = list(source.chunks)
    assert source.seconds is None
    assert b"".join(chunks) == data[: len(data) // 2 * 2]
    assert all(len(piece) == CHUNK_BYTES for piece in chunks[:-1])


def test_standard_input_may_be_wav_of_unknown_length(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(tone(440, 16_000, 0.1), 2)
    stdin(monkeypatch, riff(form(16_000, 1, 2), chunk(b"data", data, 0xFFFFFFFF)))
    source = open_source("-")
    assert source.seconds is None
    assert b"".join(source.chunks) == data


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        (b"", "is no WAV file"),
        (b"ID3 this is music", "is no WAV file: convert it"),
        (riff(form(16_000, 1, 1, 7)), "compressed"),
    ],
)
def test_what_is_no_audio_is_wrong_usage(file: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LiveHandleError, match=why) as refused:
        open_source(str(file))
    assert refused.value.name == "usage"


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
