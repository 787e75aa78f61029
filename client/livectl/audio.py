"""Audio from files and pipes, as the 16 kHz mono 16-bit PCM that the daemon takes."""

import io
import math
import sys
import wave
from array import array
from collections.abc import Iterator
from typing import IO, cast

from livectl.assignments import usage
from livectl.resample import Resampler

RATE = 16_000
CHUNK_MS = 20
CHUNK_BYTES = RATE * 2 * CHUNK_MS // 1000

_READ_FRAMES = 4096
_WIDTHS = {1: "b", 2: "h", 4: "i"}


class Source:
    """Audio to send: its chunks, and how long it is where that is known."""

    def __init__(self, chunks: Iterator[bytes], seconds: float | None) -> None:
        self.chunks = chunks
        self.seconds = seconds


def open_source(name: str) -> Source:
    """Open a WAV file, or `-`: standard input, WAV or raw 16 kHz mono 16-bit PCM.

    Raises `usage` for what cannot be read or is no such audio.
    """
    try:
        stream: IO[bytes] = sys.stdin.buffer if name == "-" else open(name, "rb")  # noqa: SIM115, PTH123
        head = stream.read(12)
    except OSError as error:
        raise usage(f"Cannot read {name}: {error.strerror}.") from error
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return _wav(name, _Rejoined(head, stream))
    if name == "-":
        return Source(_raw(head, stream), None)
    raise usage(f"{name} is no WAV file: convert it, for example with ffmpeg.")


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


def _raw(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """Yield chunks of what is already PCM; an odd byte at the end is no sample."""
    pending = head
    while True:
        while len(pending) >= CHUNK_BYTES:
            yield pending[:CHUNK_BYTES]
            pending = pending[CHUNK_BYTES:]
        more = stream.read(CHUNK_BYTES - len(pending))
        if not more:
            break
        pending += more
    if len(pending) > 1:
        yield pending[: len(pending) // 2 * 2]


def _wav(name: str, stream: "_Rejoined") -> Source:
    try:
        # Read until the end, chunk by chunk. `wave` asks for no more than `read` and `close`.
        reader = wave.open(cast("IO[bytes]", stream), "rb")  # noqa: SIM115
    except (wave.Error, EOFError) as error:
        raise usage(f"{name} is no WAV file of whole samples (PCM): {error}.") from error
    frames = reader.getnframes()
    # A recorder that writes to a pipe cannot know the length, and claims the longest.
    known = frames < 2**31 // max(reader.getsampwidth() * reader.getnchannels(), 1)
    seconds = frames / reader.getframerate() if known and name != "-" else None
    return Source(_chunked(_converted(reader)), seconds)


def _converted(reader: wave.Wave_read) -> Iterator[bytes]:
    resampler = Resampler(reader.getframerate(), RATE)
    width, channels = reader.getsampwidth(), reader.getnchannels()
    while frames := reader.readframes(_READ_FRAMES):
        yield _little(resampler.push(_mono(frames, width, channels)))
    yield _little(resampler.finish())


def _mono(frames: bytes, width: int, channels: int) -> "array[float]":
    """Return the mean of the channels, as 16-bit values with fractions."""
    whole = frames[: len(frames) // (width * channels) * width * channels]
    if width == 3:
        whole = b"".join(b"\0" + whole[i : i + 3] for i in range(0, len(whole), 3))
        width = 4
    samples = array(_WIDTHS[width], whole)
    if sys.byteorder == "big":
        samples.byteswap()
    if width == 1:  # 8-bit WAV is unsigned
        samples = array("h", (byte - 128 for byte in whole))
    scale = channels * 256.0 ** (width - 2)
    sums = map(sum, zip(*(samples[c::channels] for c in range(channels)), strict=True))
    return array("d", (total / scale for total in sums))


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


class _Rejoined(io.RawIOBase):
    """A stream whose head has been looked at, from its beginning; it need not seek."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        head = self._head if size < 0 else self._head[:size]
        self._head = self._head[len(head) :]
        return head + self._stream.read(-1 if size < 0 else size - len(head))
