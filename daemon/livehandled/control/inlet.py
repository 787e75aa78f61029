"""What is read from one connection: lines, taken as long as their answers are."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic

import anyio

from livehandled.config.schema import Limits
from livehandled.control.lines import LineReader
from livehandled.control.outlet import Outlet
from livehandled.control.readers import Readers

_READ_BYTES = 65_536
_SHORTEST_REQUEST = 30
_FEW_BYTES = 2048
"""As much is read at a time of lines that are shorter: to cut 64 KiB of them takes milliseconds.
Whether they are is seen in the first of as many bytes."""
_MUCH_BYTES = 16_384

_OVER = object()


class Inlet:
    """The reading side of a connected, non-blocking socket.

    Each line is handed to `take`, unless an answer waits in the outlet: then nothing is read.
    What `take` returns is iterated over, a request at a time. So many requests as `limits` allows
    are begun in one turn of the loop, and none but the first once another of the `readers` has sent
    something: no client may keep another waiting.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        limits: Limits,
        outlet: Outlet,
        readers: Readers,
        take: Callable[[bytes], Iterator[None] | None],
    ) -> None:
        self.lines = LineReader(limits.max_line_bytes)
        self.held: deque[bytes] = deque()
        """Lines that came in and have not been taken."""
        self._connection = connection
        self._descriptor = connection.fileno()
        self._outlet = outlet
        self._readers = readers
        self._take = take
        self._batch: Iterator[None] | None = None
        """A line that has not been begun wholly."""
        self._turn_requests = limits.turn_requests
        self._turn_s = limits.turn_ms / 1000
        self._pause = anyio.Event()
        self._stepped_aside = False
        """Whether the last turn ended because others had sent something."""
        self._read_bytes = _READ_BYTES
        self._sent_much = False
        """Whether what was received last takes long by itself, be it one request."""
        self._over = False
        self._fault: Exception | None = None

    @property
    def refused(self) -> bool:
        """Whether the peer broke a rule that ends its input."""
        return self.lines.http or self.lines.overlong

    async def run(self) -> None:
        """Take lines until the peer has no more, or is refused.

        A reader that stays registered costs a third of one that is registered for each wait,
        so this is the event loop's own, not anyio's; lines are taken in its callback.
        """
        loop = asyncio.get_running_loop()
        while not self._over:
            self._pause = anyio.Event()
            loop.add_reader(self._connection, self._on_readable)
            try:
                with self._readers.reading(self._connection):
                    # As long as the peer says nothing that ends or holds up its input.
                    await self._pause.wait()
            finally:
                loop.remove_reader(self._connection)
            if self._fault is not None:
                raise self._fault
            while self._more or self._outlet.answers_wait:
                await self._outlet.answers_taken()
                if self._stepped_aside:  # the others are read in this turn of the loop
                    self._stepped_aside = False
                    await anyio.lowlevel.checkpoint()
                self._take_held()
                await anyio.lowlevel.checkpoint()

    def take_rest(self) -> None:
        """Take at once what came in and has not been taken."""
        while self._more:
            self._take_next()

    async def pass_over(self) -> None:
        """Say that no more is written, and read what is still sent, until the peer closes.

        The caller sets the deadline.

        A socket that is closed with input unread resets its peer, which may lose what was
        written to it last.
        """
        try:
            self._connection.shutdown(socket.SHUT_WR)
            while True:
                await anyio.wait_readable(self._connection)
                if not self._connection.recv(_READ_BYTES):
                    return
        except OSError:  # the peer is gone
            return

    def _on_readable(self) -> None:
        if self._sent_much:
            self._sent_much = False
            if self._readers.others_wait(self._descriptor):
                return  # once: what it sent is read in the next turn of the loop
        try:
            self._over = not self._receive()
            self._take_held()
        except Exception as fault:  # noqa: BLE001 - raised again in the peer's own task
            self._fault = fault
        if self._over or self._fault is not None or self._more or self._outlet.answers_wait:
            self._pause.set()

    def _receive(self) -> bool:
        """Receive what has come in. False if nothing more will."""
        try:
            data = self._connection.recv(self._read_bytes)
        except BlockingIOError:
            return True
        except OSError:  # the peer is gone
            self._outlet.breaks()
            return False
        self._sent_much = len(data) > _MUCH_BYTES
        ends = data.count(b"\n", 0, _FEW_BYTES)
        short = min(len(data), _FEW_BYTES) < _SHORTEST_REQUEST * ends
        self._read_bytes = _FEW_BYTES if short else _READ_BYTES
        self.held += self.lines.feed(data)
        return bool(data) and not self.refused

    @property
    def _more(self) -> bool:
        return bool(self.held) or self._batch is not None

    def _take_held(self) -> None:
        if len(self.held) < 2 and self._batch is None:
            if self.held and not self._outlet.answers_wait:  # most often it is one line
                self._take_next()
            if self._batch is None:
                return
        self._outlet.gather()
        try:
            self._take_turn()
        finally:
            self._outlet.gathered()

    def _take_turn(self) -> None:
        until = monotonic() + self._turn_s
        for _ in range(self._turn_requests):
            if self._outlet.answers_wait or not self._more:
                return
            self._take_next()
            if self._readers.others_wait(self._descriptor):
                self._stepped_aside = True
                return
            if monotonic() >= until:
                return

    def _take_next(self) -> None:
        if self._batch is None:
            self._batch = self._take(self.held.popleft())
        elif next(self._batch, _OVER) is _OVER:
            self._batch = None
