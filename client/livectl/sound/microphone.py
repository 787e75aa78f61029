"""What speaks to the model, other than a sound device: a pipe or a recording."""

import os
import select
from collections.abc import Callable, Iterator
from typing import Protocol

from livectl.sound import audio as sound
from livectl.sound.pace import Pace
from livectl.sound.playback import samples_of, to_bytes
from livectl.sound.resample import Resampler
from livectl.usage import standard_input, usage

TAIL_S = 1.5
"""The silence after the end, by which the service hears that it is the end."""

_PIPE_HOLDS_S = 2.0  # 64 KiB of 16-bit samples at 16 kHz
_HICCUP_S = 0.2
# The recorder has a clock of its own: one that is fast must not fill the pipe.
_SPEED = 1.005


class Microphone(Protocol):
    """Where the user's voice comes from: 16-bit mono PCM at 16 kHz."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""

    def chunks(self, now: float) -> Iterator[bytes]:
        """Yield what is to be sent by now, without waiting for more."""

    def close(self) -> None:
        """Listen no more."""


class PacedMicrophone:
    """Sends in real time what `read` returns; silence after its end, and then nothing more.

    `read` returns a piece, empty if there is none yet, or None at the end. After a delay it
    catches up with at most `catch_up_s` at once.
    """

    def __init__(
        self,
        read: Callable[[], bytes | None],
        *,
        catch_up_s: float = _HICCUP_S,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._read = read
        self._pace = Pace(catch_up_s=catch_up_s, speed=_SPEED)
        self._tail = sound.silence(TAIL_S)
        self._in_tail = False
        self.ended = False
        self.close = close

    def chunks(self, now: float) -> Iterator[bytes]:
        """Yield what is to be sent by now."""
        while not self.ended and self._pace.due(now) is not None:
            piece = self._read()
            if piece:
                self._pace.passed(len(piece) / 2 / sound.RATE)
                yield piece
            elif piece is not None:
                return
            elif self._in_tail:
                self.ended = True
            else:
                self._in_tail = True
                self._read = lambda: next(self._tail, None)


def recording(name: str) -> PacedMicrophone:
    """Return a microphone that hears a WAV file, or `-`: standard input."""
    chunks = sound.open_source(name).chunks
    return PacedMicrophone(lambda: next(chunks, None))


def piped(rate: int) -> PacedMicrophone:
    """Return a microphone that hears raw PCM from standard input. Raises `client.usage`."""
    stream = standard_input()
    if stream.isatty():
        raise usage(
            "Standard input is a terminal: pipe a recorder into it, such as "
            "arecord -q -t raw -f S16_LE -r 16000 -c 1 | livectl talk --stdin-pcm."
        )
    return PacedMicrophone(RawPipe(stream.fileno(), rate).read, catch_up_s=_PIPE_HOLDS_S)


class RawPipe:
    """16-bit little-endian mono PCM of a rate, read from a file descriptor as it comes."""

    def __init__(self, fd: int, rate: int) -> None:
        self._fd = fd
        self._piece = rate * 2 * sound.CHUNK_MS // 1000 // 2 * 2
        self._pending = b""
        self._resampler = Resampler(rate, sound.RATE) if rate != sound.RATE else None
        self._any = False
        self._over = False

    def read(self) -> bytes | None:
        """Return up to 20 ms at 16 kHz, nothing if there is none yet, None at the end.

        Raises `client.usage` if the end comes before the first sample.
        """
        if self._over:
            return None
        if not select.select([self._fd], [], [], 0)[0]:
            return b""
        data = os.read(self._fd, self._piece - len(self._pending))
        if not data:
            return self._end()
        self._any = True
        data = self._pending + data
        whole = len(data) // 2 * 2
        self._pending = data[whole:]
        if self._resampler is None:
            return data[:whole]
        return to_bytes(self._resampler.push(samples_of(data[:whole])))

    def _end(self) -> bytes | None:
        self._over = True
        if not self._any:
            raise usage("Standard input ended before its first sample: see what the recorder says.")
        return to_bytes(self._resampler.finish()) if self._resampler else None
