"""What stands before the samples of a stereo WAV file."""

from struct import pack

RATE = 24_000
"""Hz, of both sides."""

FRAME_BYTES = 4
"""A sample of each side, 16 bits."""

HEAD_BYTES = 44

UNKNOWN = 2**32 - 1 - HEAD_BYTES
"""Bytes of samples, as recorders that cannot know write it: whoever reads goes on to the end."""


def head(data_bytes: int) -> bytes:
    """Return the head of so many bytes of stereo 16-bit samples at 24 kHz."""
    form = pack("<HHIIHH", 1, 2, RATE, RATE * FRAME_BYTES, FRAME_BYTES, 16)
    chunks = pack("<4sI", b"fmt ", len(form)) + form + pack("<4sI", b"data", data_bytes)
    return pack("<4sI", b"RIFF", 4 + len(chunks) + data_bytes) + b"WAVE" + chunks
