"""What is written to one connection: at once where it has room, else in order.

Answers are never dropped: while one waits, the peer is not read from. Events wait by the rules
of their delivery class, which `subscriptions` keeps.
"""

import socket
from collections import deque
from collections.abc import Callable

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
        self.waiting_bytes = 0
        self.broken = False
        """Set when the peer takes nothing any more."""
        self._connection = connection
        self._waiting: deque[Waiting] = deque()
        self._unsent = b""
        self._answers = 0
        self._work = anyio.Event()
        self._progress = anyio.Event()

    @property
    def idle(self) -> bool:
        """Whether everything has been handed to the kernel."""
        return not self._waiting and not self._unsent

    @property
    def answers_wait(self) -> bool:
        """Whether an answer has not been handed to the kernel yet."""
        return self._answers > 0

    def answer(self, line: bytes) -> None:
        """Write an answer now, or after what waits."""
        if self.idle:
            self.write(line)
            return
        self._answers += 1
        self.wait(Waiting(line, lambda: self._answer_taken(line)))

    def write(self, line: bytes) -> None:
        """Write a line now; only while `idle`."""
        if not self.broken:
            self._send(line)

    def wait(self, waiting: Waiting) -> None:
        """Let a line wait its turn."""
        if self.broken:
            return
        self._waiting.append(waiting)
        self.waiting_bytes += len(waiting.line)
        self._work.set()

    def drop(self, waiting: Waiting) -> None:
        """Drop the line of what waits; its place stays."""
        self.waiting_bytes -= len(waiting.line)
        waiting.line = b""

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
        while self._answers and not self.broken:
            # As long as the peer does not read.
            await self._progress.wait()

    async def emptied(self) -> None:
        """Wait until nothing waits, or the peer is gone. The caller sets the deadline."""
        while not self.idle and not self.broken:
            await self._progress.wait()

    def breaks(self) -> None:
        """Forget all that waits: the peer takes nothing any more."""
        self.broken = True
        self._waiting.clear()
        self._unsent = b""
        self.waiting_bytes = 0
        self._work.set()
        self._progress.set()

    def _answer_taken(self, line: bytes) -> bytes:
        self._answers -= 1
        return line

    def _flush(self) -> None:
        line, self._unsent = self._unsent, b""
        while not self.broken:
            if line and not self._send(line):
                return
            if not self._waiting:
                return
            waiting = self._waiting.popleft()
            self.waiting_bytes -= len(waiting.line)
            line = waiting.line if waiting.render is None else waiting.render()

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
