"""Small things fetched over HTTP before a connection, in worker threads and by deadlines."""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.endpoints import is_loopback

_T = TypeVar("_T")


async def in_thread(work: Callable[[], _T], timeout_s: float, where: str) -> _T:
    """Return what blocking work returns. Raises `upstream.unreachable` after the deadline."""
    try:
        with anyio.fail_after(timeout_s):
            # The work's own timeouts end the thread that is left behind.
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except TimeoutError as error:
        raise unreachable(where, f"no answer within {timeout_s:g} s") from error


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
