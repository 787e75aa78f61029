"""Recordings are begun and ended here, in the loop; a thread of their own writes them."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from anyio import CancelScope, to_thread

from livehandle_proto import recordings as r
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import Value
from livehandled.config.schema import Recording as Settings
from livehandled.recording.running import END_S, Running, failed
from livehandled.recording.shelf import Place, Shelf
from livehandled.recording.taps import SoundTap, WireTap
from livehandled.recording.writer import Outcome
from livehandled.redaction import Redaction
from livehandled.session.router import Ear
from livehandled.session.wiretap import Wiretap

_log = logging.getLogger(__name__)


class Heard(Protocol):
    """Where both sides can be heard."""

    sound: Ear | None


class Recorder:
    """Records what goes over the wire and what is heard, one recording at a time.

    `default` is where recordings are unless `recording.directory` names another place.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        default: Path | None,
        wiretap: Wiretap,
        router: Heard,
        publish: Callable[[str, Value], None],
        clock: Callable[[], float],
        now_ms: Callable[[], int],
        redaction: Redaction | None = None,
    ) -> None:
        self.settings = settings
        """What the next recording goes by."""
        self.redaction = redaction
        """What the next recording masks."""
        self._default = default
        self._wiretap = wiretap
        self._router = router
        self._publish = publish
        self._clock = clock
        self._now_ms = now_ms
        self._running: Running | None = None
        self._starting = False
        self._closed = False

    def start(self, params: r.RecordingStart) -> Awaitable[r.Recording]:
        """Begin a recording; await what it is and where.

        Raises `recording.running` and `wire.invalid_params` at once; the wait raises
        `recording.failed`, `recording.running` where another has begun meanwhile, and
        `wire.invalid_params` for a name that is taken.
        """
        self._check_none_runs()
        if not (params.wire or params.audio):
            raise LiveHandleError(
                "wire.invalid_params",
                "There is nothing to record: leave wire or audio true.",
                param="audio",
                expected="wire or audio",
            )
        redacts = self.redaction is not None and self.redaction.reads_texts
        sound = params.audio and not (redacts and self.settings.redacted_audio == "leave_out")
        if not (params.wire or sound):
            raise LiveHandleError(
                "wire.invalid_params",
                "Set recording.redacted_audio to keep: sound is left out where texts are redacted.",
                param="audio",
            )
        return self._start(params, self.redaction if redacts else None, sound)

    def stop(self) -> Awaitable[r.Recording]:
        """End the recording; await how much there is of it. Raises `recording.not_running`."""
        if self._running is None:
            raise LiveHandleError(
                "recording.not_running", "No recording runs: begin one with recording.start."
            )
        return self._stop(self._running)

    def current(self) -> r.Recording | None:
        """Return the recording that runs."""
        return None if self._running is None else self._running.describe()

    async def kept(self) -> r.Recordings:
        """Return the recordings on disk. Raises `recording.failed`."""
        shelf = self._shelf()
        try:
            return await to_thread.run_sync(shelf.listed)
        except OSError as error:
            raise failed(f"{shelf.directory} cannot be read ({error.strerror})") from error

    async def close(self) -> None:
        """End what runs, and what is being started, for the daemon stops."""
        self._closed = True
        if self._running is not None:
            self._running.reason = "stopping"
            self._detach()
            await self._running.end()

    # Within.

    def _check_none_runs(self) -> None:
        if self._running is not None or self._starting:
            raise LiveHandleError(
                "recording.running", "A recording runs: stop it with recording.stop first."
            )

    async def _start(
        self, params: r.RecordingStart, redaction: Redaction | None, sound: bool
    ) -> r.Recording:
        self._check_none_runs()
        self._starting = True
        try:
            with CancelScope(shield=True):  # half of it would be an empty directory
                running = await self._opened(params, redaction, sound)
        finally:
            self._starting = False
        self._running = running
        running.start()
        if running.wire is not None:
            self._wiretap.listen(WireTap(running.inbox, running.now))
        if running.audio is not None:
            self._router.sound = SoundTap(running.inbox, running.now)
        _log.info("recording %s has begun: %s", running.place.name, running.place.path)
        begun = self._tell(running, "started")
        if self._closed:
            await self.close()
        return begun

    async def _opened(
        self, params: r.RecordingStart, redaction: Redaction | None, sound: bool
    ) -> Running:
        settings, shelf, started_ms = self.settings, self._shelf(), self._now_ms()
        place = await to_thread.run_sync(_made, shelf, params.name, started_ms, settings.keep)
        running = Running(
            place,
            shelf,
            started_ms=started_ms,
            started=self._clock(),
            clock=self._clock,
            redaction=redaction,
            over=self._over,
        )
        await to_thread.run_sync(running.open, params.wire, sound, settings)
        return running

    async def _stop(self, running: Running) -> r.Recording:
        self._detach()  # what comes now is no part of it
        if await running.end():
            return running.describe()
        raise failed(
            f"The disk has not taken the end of the recording within {END_S:g} s: it goes on"
        )

    def _over(self, running: Running, outcome: Outcome) -> None:
        """Note that the thread has ended, whoever ended it."""
        self._detach()
        self._running = None
        place, reason = running.place, outcome.reason
        if reason == "failed":
            why = (
                f"The recording {place.name} ended, for {place.path} cannot be written "
                f"({outcome.why}): see to the disk, and begin another."
            )
            _log.warning("%s [recording.failed]", why)
            self._tell(running, "failed", why)
            return
        told: r.RecordingReason = running.reason if reason == "stopped" else reason
        _log.info("recording %s has ended: %s", place.name, told)
        self._tell(running, told)

    def _detach(self) -> None:
        self._wiretap.leave()
        self._router.sound = None

    def _tell(
        self, running: Running, reason: r.RecordingReason, message: str | None = None
    ) -> r.Recording:
        recording = running.describe()
        change = r.RecordingChange(reason=reason, recording=recording, message=message)
        self._publish("daemon.recording_changed", change)
        return recording

    def _shelf(self) -> Shelf:
        directory = self.settings.directory
        if directory:
            return Shelf(Path(directory).expanduser())
        if self._default is None:
            raise LiveHandleError(
                "recording.failed", "Set recording.directory: no place for recordings is known."
            )
        return Shelf(self._default)


def _made(shelf: Shelf, name: str | None, started_ms: int, keep: int) -> Place:
    try:
        return shelf.make(name, started_ms=started_ms, keep=keep)
    except OSError as error:
        raise failed(f"{shelf.directory} cannot be used ({error.strerror})") from error
