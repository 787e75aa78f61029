"""One recording, from its first line to its last."""

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import anyio

from livehandle_proto import __version__
from livehandle_proto import recordings as r
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.wire_file import AUDIO, WIRE
from livehandled.config.schema import Recording as Settings
from livehandled.recording.inbox import Inbox
from livehandled.recording.lines import Lines
from livehandled.recording.scrub import Scrubber
from livehandled.recording.shelf import Place, Shelf
from livehandled.recording.writer import Outcome, Writer
from livehandled.redaction import Redaction

_log = logging.getLogger(__name__)

END_S = 5.0
"""The longest that the end of a recording waits for the disk."""


class Running:
    """The files of one recording, and the thread that writes them.

    `over` is called in the loop when the thread has ended.
    """

    def __init__(
        self,
        place: Place,
        shelf: Shelf,
        *,
        started_ms: int,
        started: float,
        clock: Callable[[], float],
        redaction: Redaction | None,
        over: Callable[["Running", Outcome], None],
    ) -> None:
        self.place = place
        self.inbox = Inbox()
        self.wire: Path | None = None
        self.audio: Path | None = None
        self.reason: Literal["stopped", "stopping"] = "stopped"
        """Why it ends, if nothing else ends it."""
        self._shelf = shelf
        self._started_ms = started_ms
        self._started = started
        self._clock = clock
        self._redaction = redaction
        self._over = over
        self._writer: Writer | None = None
        self._ended_s: float | None = None
        self._done = anyio.Event()

    def now(self) -> float:
        """Return the seconds since its start."""
        return self._clock() - self._started

    def open(self, wire: bool, audio: bool, settings: Settings) -> None:
        """Open its files. Blocks. Raises `recording.failed`; nothing is left of it then."""
        files: list[int] = []
        try:
            if wire:
                files.append(self.place.open(WIRE))
                self.wire = self.place.path / WIRE
            if audio:
                files.append(self.place.open(AUDIO))
                self.audio = self.place.path / AUDIO
        except OSError as error:
            self._shelf.discard(self.place)
            raise failed(f"{self.place.path} cannot be written ({error.strerror})") from error
        silent = self._redaction is not None and settings.redacted_audio == "leave_out"
        lines = Lines(Scrubber(self._redaction, silent=silent))
        self._writer = Writer(
            self.inbox,
            lines=lines,
            header=lines.header(
                version=__version__,
                name=self.place.name,
                started_ms=self._started_ms,
                redacted=self._redaction is not None,
                audio="left_out" if silent else "recorded" if audio else "not_asked",
            ),
            wire=files[0] if wire else None,
            audio=files[-1] if audio else None,
            max_bytes=settings.max_bytes,
            now=self.now,
        )

    def start(self) -> None:
        """Begin to write."""
        loop = asyncio.get_running_loop()
        writer = self._writer
        assert writer is not None  # it was opened

        def run() -> None:
            try:
                outcome = writer.run()
            except Exception as error:  # noqa: BLE001 - else nobody could end it, nor begin another
                _log.exception("recording %s ended by an error of its own", self.place.name)
                outcome = Outcome("failed", type(error).__name__)
            try:
                loop.call_soon_threadsafe(self._ended, outcome)
            except RuntimeError:
                _log.debug("the loop has ended before the recording")

        # The process must not wait for a disk that takes nothing more.
        threading.Thread(target=run, name="recording", daemon=True).start()

    async def end(self) -> bool:
        """End it; return whether the disk has it all within the time."""
        self.inbox.close()
        with anyio.move_on_after(END_S):
            await self._done.wait()
        return self._done.is_set()

    def describe(self) -> r.Recording:
        """Return what there is of it."""
        writer = self._writer
        assert writer is not None  # it was opened
        seconds = self.now() if self._ended_s is None else self._ended_s
        return r.Recording(
            name=self.place.name,
            wire=None if self.wire is None else str(self.wire),
            audio=None if self.audio is None else str(self.audio),
            redacted=self._redaction is not None,
            started_ms=self._started_ms,
            duration_ms=round(seconds * 1000),
            frames=writer.frames,
            wire_bytes=writer.wire_bytes,
            audio_bytes=writer.audio_bytes,
            dropped=self.inbox.dropped + writer.lost,
        )

    def _ended(self, outcome: Outcome) -> None:
        self._ended_s = self.now()
        self._over(self, outcome)
        self._done.set()


def failed(why: str) -> LiveHandleError:
    """Return the error of a recording that cannot be written."""
    return LiveHandleError("recording.failed", f"{why}: see to the disk or recording.directory.")
