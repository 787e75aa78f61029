"""Where the wire can be listened to: one place for all connections of all sessions.

Without a listener, a message costs one test of an attribute.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple, Protocol

from livehandle_proto.errors import LiveHandleError

_NO_CLOSE = 1006
"""What a connection without a close frame counts as (RFC 6455, 7.1.5)."""


class Connected(NamedTuple):
    """A connection that is open. Its repr shows no secret."""

    session: str | None
    generation: int
    model: str
    backend: str
    url: str
    secrets: Sequence[str]
    """Texts that nobody may see."""
    handles: Sequence[str]
    """Resumption handles that are known."""

    def __repr__(self) -> str:
        return f"Connected(session={self.session!r}, generation={self.generation}, ***)"


class Listener(Protocol):
    """Hears everything, in the loop: it may keep it or drop it, but never wait."""

    def opened(self, connection: Connected, *, before: bool) -> None:
        """Take a connection; `before` tells that it was open already."""

    def sent(self, frame: bytes, *, before: bool = False) -> None:
        """Take a message to the service."""

    def came(self, frame: bytes, *, before: bool = False) -> None:
        """Take a message of the service."""

    def closed(
        self, by: Literal["service", "daemon", "network"], code: int | None, reason: str | None
    ) -> None:
        """Take the end of the connection."""


class Tapped(Protocol):
    """A socket, as far as it can be listened to."""

    tap: Listener | None


class Wiretap:
    """Hands what goes over the connection there is to the listener there is."""

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._socket: Tapped | None = None
        self._connection: Connected | None = None
        self._setup: bytes | None = None
        self._complete: bytes | None = None

    def listen(self, listener: Listener) -> None:
        """Hear everything from now on; of a connection that is open, how it was set up first."""
        self._listener = listener
        if self._socket is None or self._connection is None:
            return
        listener.opened(self._connection, before=True)
        if self._setup is not None:
            listener.sent(self._setup, before=True)
        if self._complete is not None:
            listener.came(self._complete, before=True)
        self._socket.tap = listener

    def leave(self) -> None:
        """Hear nothing more."""
        self._listener = None
        if self._socket is not None:
            self._socket.tap = None

    @contextmanager
    def connected(self, socket: Tapped, connection: Connected) -> Iterator[None]:
        """Note a connection, and its end: by an error, or else by this side."""
        self._socket, self._connection = socket, connection
        self._setup = self._complete = None
        socket.tap = self._listener
        if self._listener is not None:
            self._listener.opened(connection, before=False)
        try:
            yield
        except LiveHandleError as error:
            self.closed(error)
            raise
        finally:
            self.closed(None)

    def asked(self, setup: bytes) -> None:
        """Note the setup that is being said, for one who listens later."""
        self._setup = setup

    def set_up(self, complete: bytes) -> None:
        """Note the answer to the setup, for one who listens later."""
        self._complete = complete

    def closed(self, error: LiveHandleError | None) -> None:
        """Note the end of the connection, once; without an error this side has ended it."""
        socket, self._socket = self._socket, None
        if self._listener is None or socket is None:
            return
        code = None if error is None else error.data.get("close_code")
        reason = None if error is None else error.data.get("close_reason")
        if error is None:
            self._listener.closed("daemon", None, None)
        elif isinstance(code, int) and code != _NO_CLOSE:
            self._listener.closed("service", code, reason if isinstance(reason, str) else "")
        else:
            self._listener.closed("network", None, None)
