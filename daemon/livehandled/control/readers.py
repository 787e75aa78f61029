"""Which clients have sent what nobody has read yet: so one who floods steps aside for them."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class Readers:
    """The connections that are read from, in a set of the kernel's of its own.

    To ask it costs less than a microsecond; the event loop's own cannot be asked meanwhile.
    """

    def __init__(self) -> None:
        self._readable = select.epoll()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._readable.close()

    @contextmanager
    def reading(self, connection: socket.socket) -> Iterator[None]:
        """Count the connection among those that are read from, for so long."""
        self._readable.register(connection, select.EPOLLIN)
        try:
            yield
        finally:
            self._readable.unregister(connection)

    def others_wait(self, descriptor: int) -> bool:
        """Whether another connection than this one has something to be read."""
        # Of any two that are ready, one is another. Not `any()`: this is asked for every request.
        for ready, _ in self._readable.poll(0, 2):  # noqa: SIM110
            if ready != descriptor:
                return True
        return False
