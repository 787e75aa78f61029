"""Pieces of the control socket for tests inside one loop: pairs of sockets, hubs, handlers."""

import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import anyio

from livehandle_proto.methods import METHODS
from livehandle_proto.values import Params
from livehandled.control.dispatch import Handler
from livehandled.control.outlet import Outlet
from livehandled.hub import Hub

P = TypeVar("P")

SEND_BUFFER = 4096
"""Asked for; the kernel gives a small multiple."""

WAIT_S = 20.0


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give the daemon's end of a connection, which does not block and takes little, and ours."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        theirs.setblocking(False)
        yield ours, theirs


class Noting(socket.socket):
    """A socket, in the place of another, that notes what it is given to write, a send each."""

    def __init__(self, other: socket.socket) -> None:
        super().__init__(other.family, other.type, fileno=other.detach())
        self.setblocking(False)
        self.sends: list[bytes] = []

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Write, as far as there is room."""
        self.sends.append(bytes(data))
        return super().send(data, flags)


@asynccontextmanager
async def running(outlet: Outlet) -> AsyncIterator[None]:
    """Run an outlet's writer."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outlet.run)
        yield
        tasks.cancel_scope.cancel()


def fill(outlet: Outlet, line: bytes = b"filler\n") -> int:
    """Write lines until the kernel takes no more; return how many."""
    count = 0
    while outlet.idle:
        outlet.write(line)
        count += 1
    return count


async def received(connection: socket.socket, wanted: Callable[[bytes], bool]) -> bytes:
    """Read until what has come is as wanted, or the other side has closed."""
    data = b""
    with anyio.fail_after(WAIT_S):
        while not wanted(data):
            await anyio.wait_readable(connection)
            more = connection.recv(65_536)
            if not more:
                break
            data += more
    return data


async def lines_until(connection: socket.socket, last: bytes) -> list[bytes]:
    """Read lines until one ends as `last` does; return them without the fillers."""
    data = await received(connection, lambda data: data.endswith(last + b"\n"))
    return [line for line in data.splitlines() if line != b"filler"]


def new_hub(ring_events: int = 4096) -> Hub:
    """Return a hub whose wall clock stands still."""
    return Hub(ring_events=ring_events, wall_ms=lambda: 1_780_000_000_000)


def handlers_with(some: Mapping[str, Handler[P]]) -> dict[str, Handler[P]]:
    """Return a handler for every method of the catalogue: those given, and ones that do nothing."""

    def nothing(_peer: P, _params: Params) -> object:
        return None

    return {name: some.get(name, nothing) for name in METHODS}


class LoopClient:
    """The client's end of a connection, in the daemon's own loop."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = b""

    async def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        while data:
            with anyio.fail_after(WAIT_S):
                await anyio.wait_writable(self.connection)
            data = data[self.connection.send(data) :]

    def half_close(self) -> None:
        """Write no more."""
        self.connection.shutdown(socket.SHUT_WR)

    async def line(self) -> bytes:
        """Return the next line without its end, or nothing where the daemon has closed."""
        while b"\n" not in self._buffer:
            with anyio.fail_after(WAIT_S):
                await anyio.wait_readable(self.connection)
            data = self.connection.recv(65_536)
            if not data:
                assert not self._buffer, f"a line without an end: {self._buffer[:200]!r}"
                return b""
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    async def read(self) -> Any:
        """Return the next message: an answer, a batch of them, or an event."""
        line = await self.line()
        assert line, "the daemon closed the connection"
        return json.loads(line)

    async def rest(self) -> list[Any]:
        """Return every message until the daemon closes the connection."""
        return [json.loads(line) async for line in self._lines()]

    async def ask(self, data: bytes) -> Any:
        """Write bytes; return the message that comes next."""
        await self.send(data)
        return await self.read()

    async def _lines(self) -> AsyncIterator[bytes]:
        while line := await self.line():
            yield line
