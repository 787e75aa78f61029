"""What the service manager is told, as sd_notify(3) has it: one datagram for each word."""

import logging
import socket
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import NamedTuple

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandled.alarm import Alarm

_log = logging.getLogger(__name__)

TELLING = ("session.phase_changed", "session.reconnecting", "session.disconnected")
"""Events after which the status may be another."""

_STATUS_S = 1.0
"""At least, from one status to the next."""

_WAIT_S = 1.0
"""The longest that the daemon waits for a manager who is busy, with what must not be lost."""

_MAX_CHARS = 400
"""Of a status."""


class Manager(NamedTuple):
    """The service manager who started this process; nobody, where there is no address."""

    address: str
    """A path, or `@` and a name that is in no file system."""
    watchdog_s: float | None
    """Silence after which the manager kills the daemon, None where it never does."""

    def tell(self, *words: str, wait: bool = False) -> None:
        """Send words such as `READY=1`. A manager who is not there holds nothing up.

        Without `wait` they are dropped where the manager does not keep up.
        """
        if not self.address:
            return
        address = self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.settimeout(_WAIT_S if wait else 0)
                out.sendto(
                    "\n".join(words).encode(errors="replace"),
                    "\0" + address[1:] if address.startswith("@") else address,
                )
        except OSError as error:
            level = logging.WARNING if wait else logging.DEBUG
            name = words[0].partition("=")[0]
            _log.log(level, "the service manager is not told %s: %s", name, error)


def manager(environ: MutableMapping[str, str], pid: int) -> Manager:
    """Return the manager that the environment names, and take it out: it is not for children."""
    address = environ.pop("NOTIFY_SOCKET", "")
    usec, of = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", str(pid))
    if not address.startswith(("/", "@")):
        address = ""  # none, or of a kind that virtual machines have
    watched = bool(address) and of == str(pid) and usec.isdecimal() and int(usec) > 0
    return Manager(address, int(usec) / 1e6 if watched else None)


class Notifier:
    """Keeps a manager informed: that the daemon is ready, what it does, and that it lives.

    `status` returns a line for people; it is sent when it may be another, at most once a second.
    The watchdog is fed twice in its time, from the event loop, as long as `alive` says so, or the
    daemon stops: then the session's tasks may end. Both are `run`'s work.
    """

    def __init__(
        self,
        manager: Manager,
        *,
        status: Callable[[], str],
        alive: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._manager = manager
        self._status = status
        self._alive = alive
        self._clock = clock
        self._note = ""
        self._ready = False
        self._stopping = False
        self._status_at: float | None = None
        """When the next status is due, None where none is."""
        self._told_at = 0.0
        self._beat_at: float | None = None
        self._alarm = Alarm(clock=clock, deadline=self._deadline, due=self._due)

    async def run(self) -> None:
        """Send what is due until cancelled."""
        await self._alarm.run()

    def ready(self) -> None:
        """Tell that clients are served from now on."""
        self._ready = True
        self._tell_status("READY=1")
        if self._manager.watchdog_s is not None:
            self._beat_at = self._clock()
            self._alarm.look()

    def changed(self) -> None:
        """Note that the status may be another."""
        if self._ready and self._manager.address and self._status_at is None:
            self._status_at = max(self._clock(), self._told_at + _STATUS_S)
            self._alarm.look()

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that the configuration is read again and, at the end, that it has been.

        Why it was refused stands in the status until one is taken: a manager cannot be told that
        a reload has failed. Before it is ready, and once it stops, a reload is not told: its end
        would say that clients are served.
        """
        if self._ready:
            # The manager compares it with the time at which it asked.
            monotonic_usec = int(self._clock() * 1e6)
            self._manager.tell("RELOADING=1", f"MONOTONIC_USEC={monotonic_usec}", wait=True)
        try:
            yield
            self._note = ""
        except LiveHandleError as error:
            self._note = f"; reload refused: {error.message}"
            raise
        finally:
            if self._ready:
                self._tell_status("READY=1")

    def stopping(self, reason: str) -> None:
        """Tell that the daemon ends, for the reason that clients are told."""
        self._ready = False
        self._stopping = True
        self._status_at = None
        self._manager.tell("STOPPING=1", f"STATUS=Stopping: {reason}", wait=True)

    def _deadline(self) -> float | None:
        times = [at for at in (self._status_at, self._beat_at) if at is not None]
        return min(times, default=None)

    def _due(self, now: float) -> None:
        if self._status_at is not None and now >= self._status_at:
            self._tell_status()
        if self._beat_at is not None and now >= self._beat_at:
            assert self._manager.watchdog_s is not None
            self._beat_at = now + self._manager.watchdog_s / 2
            if self._stopping or self._alive():
                self._manager.tell("WATCHDOG=1")
            else:
                _log.error("the watchdog is not fed: the session's tasks do not run")

    def _tell_status(self, *words: str) -> None:
        if not self._manager.address:
            return
        self._status_at, self._told_at = None, self._clock()
        text = "".join(c if c.isprintable() else " " for c in self._status() + self._note)
        self._manager.tell(*words, f"STATUS={text[:_MAX_CHARS]}", wait=bool(words))


def status_line(session: v.Session) -> str:
    """Return where a session stands, for `systemctl status`."""
    line = f"Session {session.phase}, {session.turns} turns, model {session.model}"
    connection = session.connection
    if connection is None:
        return line
    if connection.cause is not None:
        return f"{line}; {connection.state}: {connection.cause}"
    if connection.state == "failed" and session.last_close is not None:
        return f"{line}; failed: code {session.last_close.code} {session.last_close.reason or ''}"
    return line
