"""Small things fetched over HTTP before a connection, in worker threads and by deadlines."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TypeVar, cast
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.endpoints import is_loopback

_T = TypeVar("_T")
_C = TypeVar("_C")

MAX_ANSWER_BYTES = 65_536
"""No more of an answer is read: a token takes one or two thousand."""


class Sockets:
    """The sockets of one fetch: when they are shut, whatever waits for them in a thread ends.

    A timeout of a blocking library is one for each read: who sends a byte a second holds the
    thread for ever.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: list[socket.socket] = []
        self._shut = False

    def watched(self, kind: type[_C]) -> type[_C]:
        """Return the same kind of `http.client.HTTPConnection`, whose sockets are held here.

        From the moment that they are connected: a proxy's answer and the handshake of TLS are
        waited for as the answer is.
        """

        def get(connection: _C) -> object:
            return vars(connection).get("sock")

        def put(connection: _C, plug: socket.socket | None) -> None:
            vars(connection)["sock"] = plug
            if plug is not None:
                self._hold(plug.fileno())

        made = type(kind.__name__, (kind,), {"sock": property(get, put)})
        return cast("type[_C]", made)

    def shut(self) -> None:
        """Shut them, and every one that is still to come."""
        with self._lock:
            self._shut = True
            while self._held:
                _shut(self._held.pop())

    def _hold(self, descriptor: int) -> None:
        # A descriptor of our own: TLS takes the library's away, and a closed one's number is
        # soon somebody else's.
        plug = socket.socket(fileno=os.dup(descriptor))
        with self._lock:
            if self._shut:
                _shut(plug)
            else:
                self._held.append(plug)


class Fetching:
    """Fetches one thing at a time, each in a thread that does not outlive its deadline.

    What cannot be ended from outside, a look-up of a name or a connect, has an end of its own;
    until then it is the only one.
    """

    def __init__(self, timeout_s: float, where: str) -> None:
        self._timeout_s = timeout_s
        self._where = where
        self._turn = Lock()

    async def run(self, work: Callable[[Sockets], _T]) -> _T:
        """Return what blocking work returns. Raises `upstream.unreachable` after the deadline."""
        sockets = Sockets()
        try:
            with anyio.fail_after(self._timeout_s):
                return await anyio.to_thread.run_sync(
                    partial(self._alone, work, sockets), abandon_on_cancel=True
                )
        except TimeoutError as error:
            why = f"no answer within {self._timeout_s:g} s"
            raise unreachable(self._where, why) from error
        finally:
            sockets.shut()

    def _alone(self, work: Callable[[Sockets], _T], sockets: Sockets) -> _T:
        # By then nobody waits for this one any more.
        if not self._turn.acquire(timeout=self._timeout_s):
            raise TimeoutError
        try:
            return work(sockets)
        finally:
            self._turn.release()


def proxies(proxy: str, url: str) -> dict[str, str] | None:
    """Return the proxies by scheme for what is fetched from a URL; None: the environment's."""
    if proxy and proxy != "none":
        return {"http": proxy, "https": proxy}
    return {} if proxy == "none" or is_loopback(urlsplit(url).hostname or "") else None


def passwords(proxy: str) -> tuple[str, ...]:
    """Return the password of a proxy, as it is and as its URL spells it."""
    try:
        password = urlsplit(proxy).password
    except ValueError:  # brackets around what is no IPv6 address: nothing connects to that
        return ()
    return (password, unquote(password)) if password else ()


def unreachable(where: str, why: str) -> LiveHandleError:
    """Return the error of a service that could not be asked."""
    return LiveHandleError(
        "upstream.unreachable",
        f"Cannot reach {where}: {why}. Check the network, a proxy, and session.base_url.",
    )


def _shut(plug: socket.socket) -> None:
    with plug, suppress(OSError):  # the other side may have ended it
        plug.shutdown(socket.SHUT_RDWR)
