"""What is written to one connection: at once where it has room, else in order.

Answers are never dropped: while one waits, the peer is not read from. Events wait by the rules
of their delivery class, which `subscriptions` keeps.
"""

import socket
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

import anyio

_MOST_GATHERED = 65_536
"""Bytes: as much as waits without having been tried."""


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
        self.idle = True
        """Whether everything has been handed to the kernel. Kept, for each event asks."""
        self._connection = connection
        self._send = connection.send
        self._waiting: OrderedDict[Waiting, None] = OrderedDict()
        self._unsent = b""
        self._gathered: list[bytes] | None = None
        self._gathered_bytes = 0
        self._answers = 0
        self._behind_since = 0.0
        self._work = anyio.Event()
        self._progress = anyio.Event()

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
        """Write a line now, or with those that are gathered; only while `idle`."""
        if self._gathered is not None:
            self._gathered.append(line)
            self._gathered_bytes += len(line)
            if self._gathered_bytes < _MOST_GATHERED:
                return
            line = self._take_gathered()
        if self.broken:
            return
        try:
            sent = self._send(line)
        except BlockingIOError:
            sent = 0
        except OSError:  # the peer is gone: its own reader sees the same
            self.breaks()
            return
        if sent < len(line):
            self._unsent = line[sent:]
            self.idle = False
            self._behind_since = monotonic()
            self._work.set()

    def gather(self) -> None:
        """Gather what is written, to write it in one go; to be ended in this turn of the loop."""
        self._gathered = []

    def gathered(self) -> None:
        """Write what was gathered."""
        line = self._take_gathered()
        self._gathered = None
        if line:
            self.write(line)

    def _take_gathered(self) -> bytes:
        assert self._gathered is not None
        line = b"".join(self._gathered)
        self._gathered.clear()
        self._gathered_bytes = 0
        return line

    def wait(self, waiting: Waiting) -> None:
        """Let a line wait its turn."""
        if not self.broken:
            if self.idle:
                self._behind_since = monotonic()
            self._waiting[waiting] = None
            self.idle = False
            self._work.set()

    def drop(self, waiting: Waiting) -> None:
        """Forget a line that waits, and its place."""
        self._waiting.pop(waiting, None)
        self._settle()

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
        self.idle = True
        self._work.set()
        self._progress.set()

    def _answer_taken(self, line: bytes) -> bytes:
        self._answers -= 1
        return line

    def _flush(self) -> None:
        """Write until the kernel is full or nothing waits. To render may write by itself."""
        behind_since = self._behind_since
        line, self._unsent = self._unsent, b""
        if line:
            self.write(line)
        while self._waiting and not self._unsent:
            waiting, _ = self._waiting.popitem(last=False)
            self._settle()
            line = waiting.line if waiting.render is None else waiting.render()
            if line:
                self.write(line)
        self._settle()
        self._behind_since = behind_since

    def _settle(self) -> None:
        self.idle = not self._waiting and not self._unsent
