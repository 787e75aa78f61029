"""The thread that writes a recording, so that no disk keeps the conversation waiting."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

import pybase64

from livehandled.recording.inbox import Inbox
from livehandled.recording.items import (
    Closed,
    Cut,
    Frame,
    Item,
    ModelAudio,
    Opened,
    UserAudio,
)
from livehandled.recording.lines import Lines
from livehandled.recording.wave_head import FRAME_BYTES, HEAD_BYTES, UNKNOWN, head
from livehandled.voice.playback import rate_of

if TYPE_CHECKING:
    from livehandled.recording.stereo import Stereo

LAG_S = 1.0
"""A piece of the user's sound this long has its place; the beginning of a longer one comes late."""

EVERY_S = 0.25
"""How often sound is written while nothing else is."""

_PIECE_S = 60.0
"""Of sound, at one time: after a long silence there is much of it."""


class Outcome(NamedTuple):
    """How the writing ended."""

    reason: Literal["stopped", "full", "failed"]
    why: str = ""
    """Of what failed, in the words of the system."""


class _FullError(Exception):
    """The recording has as many bytes as it may."""


class Writer:
    """Writes one recording until its inbox is closed, it is full, or the disk fails.

    `wire` and `audio` are descriptors of new files, which are closed at the end.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        lines: Lines,
        header: bytes,
        wire: int | None,
        audio: int | None,
        max_bytes: int,
        now: Callable[[], float],
    ) -> None:
        self.frames = 0
        self.wire_bytes = 0
        self.audio_bytes = 0
        self.lost = 0
        """Pieces of sound that came too far ahead of their time."""
        self._inbox = inbox
        self._lines = lines
        self._header = header
        self._wire = wire
        self._audio = audio
        self._max_bytes = max_bytes
        self._now = now
        self._stereo: Stereo | None = None
        self._written_s = 0.0
        self._told_dropped = 0

    def run(self) -> Outcome:
        """Write, and return how it ended. Blocks."""
        outcome = Outcome("stopped")
        try:
            try:
                self._begin()
                while not self._inbox.over:
                    self._step(self._inbox.take(EVERY_S))
                self._sound_until(self._now())
            except _FullError:
                outcome = Outcome("full")
            self._finish(outcome.reason)
        except OSError as error:
            outcome = Outcome("failed", error.strerror or type(error).__name__)
            with suppress(OSError):  # what there is can be played all the same
                self._say_size()
        finally:
            self._inbox.close()
            for file in (self._wire, self._audio):
                if file is not None:
                    os.close(file)
        return outcome

    def _begin(self) -> None:
        if self._wire is not None:
            _write(self._wire, self._header)
            self.wire_bytes += len(self._header)
        if self._audio is not None:
            # With it comes numpy, a tenth of a second that the loop must not wait for.
            from livehandled.recording.stereo import Stereo

            self._stereo = Stereo()
            _write(self._audio, head(UNKNOWN))
            self.audio_bytes += HEAD_BYTES

    def _step(self, items: Sequence[Item]) -> None:
        now = self._now()
        for item in items:
            self._take(item)
        if self._inbox.dropped != self._told_dropped and self._wire is not None:
            dropped = self._inbox.dropped
            self._put_lines(self._lines.dropped(now, dropped - self._told_dropped))
            self._told_dropped = dropped
        self._sound_until(now - LAG_S)

    def _take(self, item: Item) -> None:
        stereo = self._stereo
        match item:
            case Opened():
                self._put_lines(self._lines.opened(item))
            case Frame():
                self.frames += 1
                self._put_lines(self._lines.frame(item))
            case Closed():
                self._put_lines(self._lines.closed(item))
            case UserAudio() if stereo is not None:
                self.lost += not stereo.user(item.pcm, item.at)
            case ModelAudio() if stereo is not None:
                rate = rate_of(item.mime_type)
                self.lost += not stereo.model(_pcm(item.data), rate, item.at)
            case Cut() if stereo is not None:
                stereo.cut(item.at)

    def _put_lines(self, lines: bytes) -> None:
        assert self._wire is not None  # else nobody listens to the wire
        if self.wire_bytes + self.audio_bytes + len(lines) > self._max_bytes:
            raise _FullError
        _write(self._wire, lines)
        self.wire_bytes += len(lines)

    def _sound_until(self, until: float) -> None:
        """Write the sound up to a time, a piece at a time."""
        stereo, audio = self._stereo, self._audio
        while stereo is not None and audio is not None and self._written_s < until:
            upto = min(until, self._written_s + _PIECE_S)
            samples = stereo.take(upto)
            room = self._max_bytes - self.wire_bytes - self.audio_bytes
            written = samples[: max(0, room) // FRAME_BYTES * FRAME_BYTES]
            _write(audio, written)
            self.audio_bytes += len(written)
            self._written_s = upto
            if len(written) < len(samples):
                raise _FullError

    def _finish(self, reason: str) -> None:
        """Say in both files that and where they end, and wait until the disk has them."""
        if self._wire is not None:
            end = self._lines.end(self._now(), reason)
            _write(self._wire, end)
            self.wire_bytes += len(end)
            os.fsync(self._wire)
        if self._audio is not None:
            self._say_size()
            os.fsync(self._audio)

    def _say_size(self) -> None:
        if self._audio is not None:
            os.pwrite(self._audio, head(max(0, self.audio_bytes - HEAD_BYTES)), 0)


def _pcm(data: str) -> bytes:
    """Return the bytes of base64, nothing for what is none: whoever plays it hears nothing."""
    try:
        return pybase64.b64decode(data)
    except ValueError:
        return b""


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
