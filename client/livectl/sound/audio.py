"""Audio from files and pipes, as the 16 kHz mono 16-bit PCM that the daemon takes."""

import math
import os
import stat
import sys
from array import array
from collections.abc import Iterator
from itertools import chain
from typing import IO, NamedTuple

from livectl.sound.resample import Resampler
from livectl.sound.wave_file import (
    HEAD_BYTES,
    BadWaveError,
    WaveFormat,
    is_wave,
    read_format,
    read_mono,
)
from livectl.usage import standard_input, usage

RATE = 16_000
CHUNK_MS = 20
CHUNK_BYTES = RATE * 2 * CHUNK_MS // 1000


class Source(NamedTuple):
    """Audio to send: its chunks, and how long it is where that is known."""

    chunks: Iterator[bytes]
    seconds: float | None


def open_source(name: str) -> Source:
    """Open a WAV file, or `-`: standard input, WAV or raw 16 kHz mono 16-bit PCM.

    Raises `client.usage` for what cannot be read, is no such audio, or has no samples.
    """
    try:
        stream: IO[bytes] = standard_input() if name == "-" else open(name, "rb")  # noqa: SIM115, PTH123
        try:
            return _source(stream, may_be_raw=name == "-")
        except (BadWaveError, OSError):
            stream.close()
            raise
    except OSError as error:
        raise usage(f"Cannot read {name}: {error.strerror}.") from error
    except BadWaveError as error:
        shown = "standard input" if name == "-" else name
        raise usage(f"Cannot send {shown}: {error}.") from error


def _source(stream: IO[bytes], *, may_be_raw: bool) -> Source:
    head = stream.read(HEAD_BYTES)
    if is_wave(head):
        source = _wave(stream)
    elif may_be_raw:
        source = Source(_raw(head, stream), None)
    else:
        raise BadWaveError("it is no WAV file, convert it, for example with ffmpeg")
    first = next(source.chunks, b"")
    if not first:
        raise BadWaveError("it has no audio, not one whole sample")
    return source._replace(chunks=chain([first], source.chunks))


def silence(seconds: float) -> Iterator[bytes]:
    """Yield chunks of silence."""
    for _ in range(math.ceil(seconds * 1000 / CHUNK_MS)):
        yield bytes(CHUNK_BYTES)


def level(chunk: bytes) -> float:
    """Return the level of 16-bit PCM in dBFS, -96 for silence."""
    samples = array("h", chunk)
    if sys.byteorder == "big":
        samples.byteswap()
    power = sum(s * s for s in samples) / max(len(samples), 1)
    return max(10 * math.log10(power / 32768**2), -96.0) if power else -96.0


def due(chunk: int, speed: float) -> float:
    """Return when a chunk is to be sent, in seconds after the first; `speed` 0 is at once."""
    return chunk * CHUNK_MS / 1000 / speed if speed else 0.0


def _wave(stream: IO[bytes]) -> Source:
    form = read_format(stream)
    about = os.fstat(stream.fileno())
    seconds = None
    if stat.S_ISREG(about.st_mode):
        # The head may claim more than there is, or nothing, if its writer could not know.
        there = about.st_size - stream.tell()
        seconds = min(form.data_bytes, there) / form.bytes_per_second
    return Source(_chunked(_converted(stream, form)), seconds)


def _raw(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """Yield chunks of what is already PCM; an odd byte at the end is no sample."""
    pending = head
    while more := stream.read(CHUNK_BYTES - len(pending)):
        pending += more
        if len(pending) == CHUNK_BYTES:
            yield pending
            pending = b""
    if len(pending) > 1:
        yield pending[: len(pending) // 2 * 2]


def _converted(stream: IO[bytes], form: WaveFormat) -> Iterator[bytes]:
    resampler = Resampler(form.rate, RATE)
    with stream:
        for samples in read_mono(stream, form):
            yield _little(resampler.push(samples))
    yield _little(resampler.finish())


def _little(samples: "array[int]") -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def _chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    pending = b""
    for piece in pieces:
        pending += piece
        while len(pending) >= CHUNK_BYTES:
            yield pending[:CHUNK_BYTES]
            pending = pending[CHUNK_BYTES:]
    if pending:
        yield pending
