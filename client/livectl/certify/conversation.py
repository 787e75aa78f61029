"""The certification without sockets: what the client does comes in, what is written goes out."""

from livectl.certify.checks import Results
from livectl.certify.script import script
from livectl.certify.service import Action, Service

_SILENT_WAITS = 2
"""So many waits in vain for a client that says nothing at all, and it is held to hang."""


class Conversation:
    """One run of the script against one client.

    Times are monotonic seconds, given by the caller, who carries out what `actions` returns and
    calls `tick` at `deadline`. `first_s` is how long the first connection may take, None for as
    long as it takes.
    """

    def __init__(self, first_s: float | None, now: float) -> None:
        self.results = Results()
        self.over = False
        """Set when there is nothing left to wait for from the connection."""
        self.complete = False
        """Set when the conversation came to its end."""
        self.deadline: float | None = None
        """When `tick` is to be called."""
        self._service = Service(self.results)
        self._script = script(self._service, first_s)
        self._silent = 0
        self._requests = 0
        self._wait = next(self._script)
        self._begin_wait(now)

    @property
    def client(self) -> str:
        """What the client calls itself; empty before it has."""
        return self._service.client

    def actions(self) -> list[Action]:
        """Return what is to be done with the connections, in order, once."""
        taken, self._service.actions = self._service.actions, []
        return taken

    def connected(self, connection: int, now: float) -> None:
        """Take a new connection; they count from 1."""
        self._service.connected(connection)
        self._go_on(now)

    def received(self, connection: int, data: bytes, now: float) -> None:
        """Take what came over a connection."""
        for request in self._service.received(connection, data):
            self._service.answer(request)
            self._go_on(now)

    def closed(self, connection: int, now: float) -> None:
        """Take that the client has closed a connection, or its writing side of it."""
        self._service.closed(connection)
        if self._service.left and not self._wait.may_leave and not self.over:
            self._stop("the client closed the connection, still missing")
        self._go_on(now)

    def exited(self, code: int, now: float) -> None:
        """Take that the client's process has ended, and all it wrote has been read."""
        self._go_on(now)
        if not self.over:
            self._stop(f"the client ended with exit code {code}, still missing")
        if self.complete:
            self.results.judge("end.exit", code == 0, f"exit code {code}")

    def tick(self, now: float) -> None:
        """Go on without what was waited for, if its time is over."""
        if self.over or self.deadline is None or now < self.deadline:
            return
        wait = self._wait
        self.results.failed(wait.check, f"still missing after {wait.seconds:g} s: {wait.missing}")
        self._silent = self._silent + 1 if self._requests == self._service.requests else 0
        if wait.vital or self._silent >= _SILENT_WAITS:
            self._finish(complete=False)
        else:
            self._next(False, now)
            self._go_on(now)

    def _go_on(self, now: float) -> None:
        while not self.over and self._wait.met():
            self._silent = 0
            self._next(True, now)

    def _next(self, met: bool, now: float) -> None:
        try:
            self._wait = self._script.send(met)
        except StopIteration:
            self._finish(complete=True)
        else:
            self._begin_wait(now)

    def _begin_wait(self, now: float) -> None:
        seconds = self._wait.seconds
        self.deadline = None if seconds is None else now + seconds
        self._requests = self._service.requests

    def _stop(self, why: str) -> None:
        self.results.failed(self._wait.check, f"{why}: {self._wait.missing}")
        self._finish(complete=False)

    def _finish(self, *, complete: bool) -> None:
        self.over, self.complete, self.deadline = True, complete, None
        if self._service.requests:
            self.results.finish()
