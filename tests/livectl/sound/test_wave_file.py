"""WAV files of every kind that recorders and converters write."""

import io
import math
import wave
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livectl.sound import wave_file
from livectl.sound.wave_file import BadWaveError, WaveFormat, is_wave, read_format, read_mono
from support.waves import FLOAT, PCM, chunk, encoded, form, riff, tone


def read(data: bytes) -> tuple[WaveFormat, list[float]]:
    stream = io.BytesIO(data)
    assert is_wave(stream.read(wave_file.HEAD_BYTES))
    found = read_format(stream)
    return found, list(chain.from_iterable(read_mono(stream, found)))


@pytest.mark.parametrize(
    ("width", "kind", "extensible"),
    [
        (1, PCM, False),
        (2, PCM, False),
        (3, PCM, False),
        (4, PCM, False),
        (4, FLOAT, False),
        (8, FLOAT, False),
        (2, PCM, True),
        (3, PCM, True),
        (4, FLOAT, True),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_every_kind_of_sample_is_the_same_sound(
    width: int, kind: int, extensible: bool, channels: int
) -> None:
    sound = tone(440, 8000, 0.05)
    spread = [sample for sample in sound for _ in range(channels)]
    told = form(8000, channels, width, kind, extensible=extensible)
    found, samples = read(riff(told, chunk(b"data", encoded(spread, width, kind))))
    assert found[:4] == (kind == FLOAT, width, channels, 8000)
    assert found.data_bytes / found.bytes_per_second == pytest.approx(0.05)
    step = 256 if width == 1 else 1  # one level of the coarser of both
    assert samples == pytest.approx([s * 32768 for s in sound], abs=step)


def test_channels_are_averaged() -> None:
    sound = [0.5, -0.25, 0.25, 0.75]
    _, samples = read(riff(form(16_000, 2, 2), chunk(b"data", encoded(sound, 2))))
    assert samples == [4096, 16384]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_the_extremes_of_integers_are_kept(width: int) -> None:
    _, samples = read(riff(form(16_000, 1, width), chunk(b"data", encoded([-1, 0, 1], width))))
    low, middle, high = samples
    assert (low, middle) == (-32768, 0)
    assert 32512 <= high < 32768


def test_floats_out_of_range_are_clipped_and_what_is_no_number_is_silence() -> None:
    wild = [2.0, -2.0, math.inf, -math.inf, math.nan, 0.5]
    _, samples = read(riff(form(16_000, 1, 4, FLOAT), chunk(b"data", encoded(wild, 4, FLOAT))))
    assert samples == [32768, -32768, 32768, -32768, 0, 16384]


def test_other_chunks_are_passed_over() -> None:
    data = riff(
        chunk(b"LIST", b"odd"),
        form(16_000, 1, 2),
        chunk(b"fact", b"1234"),
        chunk(b"data", encoded([0.5], 2)),
        chunk(b"LIST", b"not samples"),
    )
    assert read(data)[1] == [16384]


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_recorder_that_cannot_know_the_length_is_read_to_the_end(claimed: int) -> None:
    data = riff(form(16_000, 1, 2), chunk(b"data", encoded([0.5] * 1000, 2), claimed))
    assert read(data)[1] == [16384] * 1000


def test_a_chunk_of_any_length_is_passed_over_in_little_memory() -> None:
    data = riff(
        chunk(b"id3 ", bytes(300_001)), form(16_000, 1, 2), chunk(b"data", encoded([0.5], 2))
    )
    assert read(data)[1] == [16384]
    with pytest.raises(BadWaveError, match="ends before its first sample"):
        read(riff(chunk(b"LIST", b"", 0xFFFFFFFF)))


def test_a_cut_file_gives_whole_frames() -> None:
    data = riff(form(16_000, 2, 2), chunk(b"data", encoded([0.5] * 4, 2)))
    assert read(data[:-3])[1] == [16384]


def test_no_samples_are_no_sound() -> None:
    assert read(riff(form(16_000, 1, 2), chunk(b"data", b"")))[1] == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (riff(), "ends before its first sample"),
        (riff(form(16_000, 1, 2)), "ends before its first sample"),
        (riff(form(16_000, 1, 2))[:-2], "ends before its first sample"),
        (riff(chunk(b"data", b"1234")), "samples come before what they are"),
        (riff(chunk(b"fmt ", b"1234"), chunk(b"data", b"")), "does not say what its samples"),
        (riff(chunk(b"fmt ", form(8000, 1, 2, 0xFFFE)[8:])), "does not say what its samples"),
        (riff(form(16_000, 1, 1, 7)), r"compressed \(format 7\)"),
        (riff(form(16_000, 1, 2, 2, extensible=True)), r"compressed \(format 2\)"),
        (riff(form(16_000, 0, 2)), "0 channels"),
        (riff(form(16_000, 1, 5)), "frames of 5 bytes"),
        (riff(form(16_000, 1, 2, FLOAT)), "frames of 2 bytes"),
        (riff(form(0, 1, 2)), "rate is 0 Hz"),
        (riff(form(3_999, 1, 2)), "rate is 3999 Hz"),
        (riff(form(400_000, 1, 2)), "rate is 400000 Hz"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, why: str) -> None:
    with pytest.raises(BadWaveError, match=why):
        read(data)


@pytest.mark.parametrize("head", [b"", b"RIFF", b"RIFF1234AVI ", b"fLaC12345678", b"RIFX1234WAVE"])
def test_another_file_is_no_wav(head: bytes) -> None:
    assert not is_wave(head)


@given(st.binary(max_size=80))
def test_any_bytes_are_samples_or_a_reason(body: bytes) -> None:
    try:
        _, samples = read(riff(body))
    except BadWaveError:
        return
    assert all(-32768 <= sample <= 32768 for sample in samples)


@given(st.binary(min_size=16, max_size=40), st.binary(max_size=40))
def test_any_format_is_samples_or_a_reason(told: bytes, data: bytes) -> None:
    try:
        read(riff(chunk(b"fmt ", told), chunk(b"data", data)))
    except BadWaveError:
        return


def test_what_is_written_is_read_by_the_standard_library(tmp_path: Path) -> None:
    pcm = encoded(tone(440, 24_000, 0.1), 2)
    (tmp_path / "a.wav").write_bytes(wave_file.head(24_000, len(pcm)) + pcm)
    with wave.open(str(tmp_path / "a.wav"), "rb") as file:
        assert file.getparams()[:4] == (1, 2, 24_000, 2400)
        assert file.readframes(10_000) == pcm
