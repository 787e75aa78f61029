"""What is written to one connection: at once where it has room, else in order.

Answers are never dropped: while one waits, the peer is not read from. Events wait by the rules
of their delivery class, which `subscriptions` keeps.
"""

import socket
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

import anyio


class Waiting:
    """A line that waits for room, or one that is made when its turn comes."""

    __slots__ = ("line", "render")

    def __init__(self, line: bytes, render: Callable[[], bytes] | None = None) -> None:
        self.line = line
        self.render = render


class Outlet:
    """The writing side of a connected, non-blocking socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.broken = False
        """Set when the peer takes nothing any more."""
        self._connection = connection
        self._waiting: OrderedDict[Waiting, None] = OrderedDict()
        self._unsent = b""
        self._answers = 0
        self._behind_since = 0.0
        self._work = anyio.Event()
        self._progress = anyio.Event()

    @property
    def idle(self) -> bool:
        """Whether everything has been handed to the kernel."""
        return not self._waiting and not self._unsent

    @property
    def waiting(self) -> int:
        """Lines that wait their turn."""
        return len(self._waiting) + bool(self._unsent)

    @property
    def behind_s(self) -> float:
        """Seconds since the peer last had read everything; 0 if it has."""
        return 0.0 if self.idle else monotonic() - self._behind_since

    @property
    def answers_wait(self) -> bool:
        """Whether an answer waits behind another line."""
        return self._answers > 0

    def answer(self, line: bytes) -> None:
        """Write an answer now, or after what waits."""
        if self.idle:
            self.write(line)
        else:
            self._answers += 1
            self.wait(Waiting(line, lambda: self._answer_taken(line)))

    def write(self, line: bytes) -> None:
        """Write a line now; only while `idle`."""
        if not self.broken and not self._send(line):
            self._behind_since = monotonic()

    def wait(self, waiting: Waiting) -> None:
        """Let a line wait its turn."""
        if not self.broken:
            if self.idle:
                self._behind_since = monotonic()
            self._waiting[waiting] = None
            self._work.set()

    def drop(self, waiting: Waiting) -> None:
        """Forget a line that waits, and its place."""
        self._waiting.pop(waiting, None)

    async def run(self) -> None:
        """Write what waits whenever there is room, until the peer is gone."""
        while not self.broken:
            if self.idle:
                # As long as everything is written at once.
                await self._work.wait()
                self._work = anyio.Event()
                continue
            # As long as the peer does not read; what may wait is bounded.
            await anyio.wait_writable(self._connection)
            self._flush()
            self._progress.set()
            self._progress = anyio.Event()

    async def answers_taken(self) -> None:
        """Wait until no answer waits, or the peer is gone."""
        while self._answers:
            # As long as the peer does not read.
            await self._progress.wait()

    async def emptied(self) -> None:
        """Wait until nothing waits, or the peer is gone. The caller sets the deadline."""
        while not self.idle:
            await self._progress.wait()

    def breaks(self) -> None:
        """Forget all that waits: the peer takes nothing any more."""
        self.broken = True
        self._waiting.clear()
        self._unsent = b""
        self._answers = 0
        self._work.set()
        self._progress.set()

    def _answer_taken(self, line: bytes) -> bytes:
        self._answers -= 1
        return line

    def _flush(self) -> None:
        """Write until the kernel is full or nothing waits. To render may write by itself."""
        line, self._unsent = self._unsent, b""
        if line and not self._send(line):
            return
        while self._waiting and not self._unsent:
            waiting, _ = self._waiting.popitem(last=False)
            line = waiting.line if waiting.render is None else waiting.render()
            if line:
                self._send(line)

    def _send(self, line: bytes) -> bool:
        """Hand a line to the kernel and keep what it does not take. True if it took all."""
        try:
            sent = self._connection.send(line)
        except BlockingIOError:
            sent = 0
        except OSError:  # the peer is gone: its own reader sees the same
            self.breaks()
            return False
        if sent < len(line):
            self._unsent = line[sent:]
            self._work.set()
            return False
        return True
