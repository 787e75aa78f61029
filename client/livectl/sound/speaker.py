"""What the model speaks through, other than a sound device: a pipe to a player."""

import fcntl
import os
import select
import sys
import termios
from struct import unpack
from threading import Lock
from typing import Protocol

from livectl.sound.pace import Pace
from livectl.sound.playback import Playback
from livectl.usage import usage

_PIECE_MS = 20
# More and a barge-in is heard late; less and a busy machine is heard.
_AHEAD_S = 0.1
_HICCUP_S = 0.2


class Speaker(Protocol):
    """Plays what `playback` has. Whoever uses that holds `lock`."""

    playback: Playback
    lock: Lock

    def tick(self, now: float) -> None:
        """Do what is to be done a hundred times a second."""

    def close(self) -> None:
        """Play no more."""


class PipeSpeaker:
    """Writes raw PCM in real time, silence where nobody speaks, to a file descriptor.

    It runs a tenth of a second ahead of time. If the player does not read, time stands still.
    """

    def __init__(self, fd: int, rate: int) -> None:
        self.playback = Playback(rate)
        self.lock = Lock()
        self._fd = fd
        self._pace = Pace(catch_up_s=_HICCUP_S, ahead_s=_AHEAD_S)
        self._frames = rate * _PIECE_MS // 1000

    def tick(self, now: float) -> None:
        """Write what is due and what finds room."""
        seconds = self._frames / self.playback.rate
        while (due := self._pace.due(now)) is not None and self._has_room():
            heard_at = max(due, now + self._unread() / 2 / self.playback.rate)
            with self.lock:
                pcm = self.playback.pull(self._frames, heard_at)
            self._write(pcm.ljust(self._frames * 2, b"\0"))
            self._pace.passed(seconds)

    def close(self) -> None:
        """Leave the rest to the player."""

    def _has_room(self) -> bool:
        # Of a pipe: for 4096 bytes, more than a piece of any rate up to 96 kHz.
        return bool(select.select([], [self._fd], [], 0)[1])

    def _unread(self) -> int:
        """Return how many bytes the player has yet to take from the pipe."""
        try:
            told = fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4))
        except OSError:  # no pipe
            return 0
        return int(unpack("i", told)[0])

    def _write(self, pcm: bytes) -> None:
        rest = memoryview(pcm)
        while rest:
            rest = rest[os.write(self._fd, rest) :]


def piped(rate: int) -> PipeSpeaker:
    """Return a speaker that writes to standard output. Raises `client.usage` for a terminal."""
    if sys.stdout is None or sys.stdout.isatty():
        raise usage(
            "Standard output is a terminal: pipe it into a player, such as "
            "livectl talk --stdout-pcm | aplay -q -t raw -f S16_LE -r 24000 -c 1."
        )
    return PipeSpeaker(sys.stdout.fileno(), rate)
