"""WAV files: what their samples are, read from a stream that need not seek, and written.

The standard library's `wave` refuses, on Python 3.11, the extensible header that common tools
write for 24 bits, and reads no floats.
"""

import sys
from array import array
from collections.abc import Iterator
from struct import Struct, error, pack
from typing import IO, NamedTuple

_CHUNK = Struct("<4sI")
_FORMAT = Struct("<HHIIHH")
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBFORMAT_AT = 24
_RATES = range(4_000, 384_001)
_MOST = 2**32 - 1
_MOST_FORMAT = 65_536  # bytes of what says what the samples are
_WIDTHS = {_PCM: {1, 2, 3, 4}, _FLOAT: {4, 8}}
_READS_PER_SECOND = 50  # as live as a recorder that writes to a pipe

HEAD_BYTES = 12


class BadWaveError(Exception):
    """What a stream has that cannot be read as WAV, for people."""


class WaveFormat(NamedTuple):
    """What the samples of a WAV file are."""

    is_float: bool
    width: int
    """Bytes of one sample."""
    channels: int
    rate: int
    data_bytes: int
    """Most that all samples take: a recorder that writes to a pipe claims the largest number."""

    @property
    def bytes_per_second(self) -> int:
        """How much of it a second is."""
        return self.width * self.channels * self.rate


def is_wave(head: bytes) -> bool:
    """Whether the first `HEAD_BYTES` of a stream begin a WAV file."""
    return head[:4] == b"RIFF" and head[8:12] == b"WAVE"


def read_format(stream: IO[bytes]) -> WaveFormat:
    """Read, after the head, up to the first sample. Raises `BadWaveError`."""
    found: tuple[bool, int, int, int] | None = None
    while True:
        name, size = _CHUNK.unpack(_exactly(stream, _CHUNK.size))
        if name == b"data":
            if found is None:
                raise BadWaveError("its samples come before what they are")
            # Zero is what some recorders write until they know better.
            return WaveFormat(*found, data_bytes=size or _MOST)
        if name == b"fmt " and size <= _MOST_FORMAT:
            found = _format(_exactly(stream, size + size % 2))
        else:
            _skip(stream, size + size % 2)


def read_mono(stream: IO[bytes], form: WaveFormat) -> Iterator["array[float]"]:
    """Yield the mean of the channels, as 16-bit values with fractions, piece by piece."""
    frame = form.width * form.channels
    piece = max(form.rate // _READS_PER_SECOND, 1) * frame
    left = form.data_bytes
    while left > 0 and (data := stream.read(min(piece, left))):
        left -= len(data)
        yield _mono(data[: len(data) // frame * frame], form)


def head(rate: int, data_bytes: int) -> bytes:
    """Return what comes before `data_bytes` of mono 16-bit samples in a WAV file."""
    form = _FORMAT.pack(_PCM, 1, rate, rate * 2, 2, 16)
    chunks = pack("<4sI", b"fmt ", len(form)) + form + pack("<4sI", b"data", data_bytes)
    return pack("<4sI", b"RIFF", 4 + len(chunks) + data_bytes) + b"WAVE" + chunks


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BadWaveError("it ends before its first sample")
    return data


def _skip(stream: IO[bytes], size: int) -> None:
    while size > 0:
        size -= len(_exactly(stream, min(size, _MOST_FORMAT)))


def _format(body: bytes) -> tuple[bool, int, int, int]:
    try:
        kind, channels, rate, _, block, _ = _FORMAT.unpack_from(body)
        if kind == _EXTENSIBLE:
            (kind,) = Struct("<H").unpack_from(body, _SUBFORMAT_AT)
    except error as cut:
        raise BadWaveError("it does not say what its samples are") from cut
    if kind not in _WIDTHS:
        raise BadWaveError(f"it is compressed (format {kind}), convert it to PCM")
    if not channels or block // channels not in _WIDTHS[kind]:
        raise BadWaveError(f"it has {channels} channels in frames of {block} bytes")
    if rate not in _RATES:
        raise BadWaveError(f"its rate is {rate} Hz, not {_RATES[0]} to {_RATES[-1]}")
    return kind == _FLOAT, block // channels, channels, rate


def _mono(data: bytes, form: WaveFormat) -> "array[float]":
    samples, scale = _samples(data, form)
    if form.channels == 1:
        return array("d", (sample * scale for sample in samples))
    scale /= form.channels
    channels = (samples[channel :: form.channels] for channel in range(form.channels))
    return array("d", (total * scale for total in map(sum, zip(*channels, strict=True))))


def _samples(data: bytes, form: WaveFormat) -> "tuple[array[int] | array[float], float]":
    """Return the samples, and what makes 16-bit values of them."""
    if form.is_float:
        floats = array("f" if form.width == 4 else "d", data)
        _to_little(floats)
        return array("d", map(_clipped, floats)), 32768.0
    if form.width == 1:  # the one width that is unsigned
        return array("h", (byte - 128 for byte in data)), 256.0
    if form.width == 3:
        padded = bytearray(len(data) // 3 * 4)
        for byte in range(3):
            padded[byte + 1 :: 4] = data[byte::3]
        data = bytes(padded)
    integers = array("h" if form.width == 2 else "i", data)
    _to_little(integers)
    return integers, 1.0 if form.width == 2 else 1 / 65536


def _clipped(sample: float) -> float:
    if -1.0 <= sample <= 1.0:
        return sample
    return (sample > 1.0) - (sample < -1.0) + 0.0  # what is no number is silence


def _to_little(samples: "array[int] | array[float]") -> None:
    if sys.byteorder == "big":
        samples.byteswap()
