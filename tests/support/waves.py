"""Tones, and WAV files of every kind."""

import math
import struct
from collections.abc import Sequence

PCM, FLOAT = 1, 3

Samples = Sequence[float]


def tone(hertz: float, rate: int, seconds: float, peak: float = 0.5) -> list[float]:
    """Return a sine from -1 to 1."""
    turn = 2 * math.pi * hertz / rate
    return [peak * math.sin(turn * i) for i in range(round(rate * seconds))]


def rms(samples: Samples) -> float:
    """Return the root of the mean square."""
    return math.sqrt(sum(s * s for s in samples) / len(samples))


def share_of(samples: Samples, hertz: float, rate: int) -> float:
    """Return how much of the power is at one frequency, from 0 to 1 (Goertzel's filter)."""
    turn = 2 * math.pi * hertz / rate
    real = sum(s * math.cos(turn * i) for i, s in enumerate(samples))
    imaginary = sum(s * math.sin(turn * i) for i, s in enumerate(samples))
    power = sum(s * s for s in samples)
    return 2 * (real**2 + imaginary**2) / len(samples) / power


def encoded(samples: Samples, width: int, kind: int = PCM) -> bytes:
    """Return samples from -1 to 1 as a WAV file's data."""
    if kind == FLOAT:
        return struct.pack(f"<{len(samples)}{'f' if width == 4 else 'd'}", *samples)
    full = 2 ** (8 * width - 1)
    whole = [min(max(round(s * full), -full), full - 1) for s in samples]
    if width == 1:
        return bytes(s + 128 for s in whole)
    return b"".join(s.to_bytes(width, "little", signed=True) for s in whole)


def form(
    rate: int, channels: int, width: int, kind: int = PCM, *, extensible: bool = False
) -> bytes:
    """Return the chunk that says what the samples are."""
    tag = 0xFFFE if extensible else kind
    block = channels * width
    body = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, 8 * width)
    if extensible:
        guid = struct.pack("<H", kind) + bytes.fromhex("000000001000800000aa00389b71")
        body += struct.pack("<HHI", 22, 8 * width, 0) + guid
    return chunk(b"fmt ", body)


def chunk(name: bytes, body: bytes, claimed: int | None = None) -> bytes:
    """Return a chunk, padded to an even length; `claimed` is a length it does not have."""
    size = len(body) if claimed is None else claimed
    return name + struct.pack("<I", size) + body + bytes(len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    """Return a WAV file of chunks."""
    body = b"WAVE" + b"".join(chunks)
    return chunk(b"RIFF", body)


def wave(samples: Samples, rate: int, *, channels: int = 1, width: int = 2) -> bytes:
    """Return a plain WAV file; all channels carry the same."""
    spread = [sample for sample in samples for _ in range(channels)]
    return riff(form(rate, channels, width), chunk(b"data", encoded(spread, width)))
