"""What is read from one connection: lines, taken as long as their answers are."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable

import anyio

from livehandled.control.lines import LineReader
from livehandled.control.outlet import Outlet

_READ_BYTES = 65_536

_TURN_LINES = 64
"""Lines taken in one turn of the loop, so that no client delays another by many short ones."""


class Inlet:
    """The reading side of a connected, non-blocking socket.

    Each line is handed to `take`, unless an answer waits in the outlet: then nothing is read.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        max_line_bytes: int,
        outlet: Outlet,
        take: Callable[[bytes], None],
    ) -> None:
        self.lines = LineReader(max_line_bytes)
        self.held: deque[bytes] = deque()
        """Lines that came in and have not been taken."""
        self._connection = connection
        self._outlet = outlet
        self._take = take
        self._pause = anyio.Event()
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
                # As long as the peer says nothing that ends or holds up its input.
                await self._pause.wait()
            finally:
                loop.remove_reader(self._connection)
            if self._fault is not None:
                raise self._fault
            while self.held or self._outlet.answers_wait:
                await self._outlet.answers_taken()
                self._take_held()
                await anyio.lowlevel.checkpoint()

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
        try:
            self._over = not self._receive()
            self._take_held()
        except Exception as fault:  # noqa: BLE001 - raised again in the peer's own task
            self._fault = fault
        if self._over or self._fault is not None or self.held or self._outlet.answers_wait:
            self._pause.set()

    def _receive(self) -> bool:
        """Receive what has come in. False if nothing more will."""
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:  # the peer is gone
            self._outlet.breaks()
            return False
        self.held += self.lines.feed(data)
        return bool(data) and not self.refused

    def _take_held(self) -> None:
        for _ in range(min(len(self.held), _TURN_LINES)):
            if self._outlet.answers_wait:
                return
            self._take(self.held.popleft())
