"""What the model said, what came out at the other end, and how much of the one is in the other."""

import base64
import os
import threading
from collections.abc import Callable
from typing import IO, TypeVar

from support.wire import WireClient

T = TypeVar("T")

RATE = 24_000
_PIECE = 120  # bytes: 2.5 ms
_WAIT_S = 20.0


class Gathered:
    """All that comes out of a stream, PCM or text, read in a thread as it comes."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._stream = stream
        self._data = bytearray()
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def data(self) -> bytes:
        """All of it, by now."""
        with self._more:
            return bytes(self._data)

    def wait(self, wanted: Callable[[bytes], T | None]) -> T:
        """Wait until what has come is as wanted; return what `wanted` returns of it."""
        with self._more:
            found: list[T | None] = []

            def looked() -> bool:
                found[:] = [wanted(bytes(self._data))]
                return found[0] is not None

            assert self._more.wait_for(looked, _WAIT_S), bytes(self._data)[-500:]
            assert found[0] is not None
            return found[0]

    def speech(self, start: int, seconds: float) -> int:
        """Wait for so much sound after a place; return the place where it begins."""

        def begin(data: bytes) -> int | None:
            rest = data[start:]
            silent = (len(rest) - len(rest.lstrip(b"\0"))) // 2 * 2
            return start + silent if len(rest) - silent >= seconds * RATE * 2 else None

        return self.wait(begin)

    def silence(self, start: int, seconds: float) -> int:
        """Wait for so much silence after a place; return the place where it begins."""

        def begin(data: bytes) -> int | None:
            at = data.find(bytes(round(seconds * RATE) * 2), start)
            return at + at % 2 if at >= 0 else None

        return self.wait(begin)

    def close(self) -> bytes:
        """Wait for its end; return all of it."""
        self._thread.join(_WAIT_S)
        self._stream.close()
        return bytes(self._data)

    def _read(self) -> None:
        while data := os.read(self._stream.fileno(), 4096):
            with self._more:
                self._data += data
                self._more.notify_all()


def reply_of(listener: WireClient) -> bytes:
    """Return the speech of the next turn, all that was sent, whoever has heard it."""
    pieces = []
    while True:
        event = listener.event()
        if event["topic"] == "live.audio":
            pieces.append(base64.b64decode(event["data"]["data"]))
        elif event["topic"] == "live.turn_complete":
            return b"".join(pieces)


def share_heard(said: bytes, heard: bytes) -> float:
    """Return how much of PCM is found in what was heard, sample by sample and in order.

    Pieces of 2.5 ms count, silence apart: where a busy machine has left a gap, one is lost.
    """
    at = found = 0
    pieces = [said[i : i + _PIECE] for i in range(0, len(said) - _PIECE + 1, _PIECE)]
    audible = [piece for piece in pieces if any(piece)]
    for piece in audible:
        place = heard.find(piece, at)
        if place >= 0:
            at = place + len(piece)
            found += 1
    return found / len(audible)
