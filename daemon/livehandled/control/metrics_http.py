"""Metrics over HTTP, at a Unix socket or a port of this machine, for Prometheus to fetch."""

import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Control
from livehandled.control import listener
from livehandled.metrics.prometheus import CONTENT_TYPE

_PATH = "/metrics"
_HERE = ("127.0.0.1", "::1", "localhost")

_websockets = logging.getLogger(f"{__name__}.websockets")
_websockets.setLevel(logging.WARNING)  # it logs each request at INFO


@asynccontextmanager
async def serving(bound: socket.socket | None, text: Callable[[], str]) -> AsyncIterator[None]:
    """Answer `GET /metrics` at what `listening` gave while the block runs."""
    if bound is None:
        yield
        return
    on_tcp = bound.family != socket.AF_UNIX
    from websockets.asyncio.server import ServerConnection, serve  # nobody else here needs it yet
    from websockets.http11 import Request, Response

    def answer(connection: ServerConnection, request: Request) -> Response:
        from_page = "Origin" in request.headers
        if from_page or (on_tcp and not _is_here(request.headers.get_all("Host"))):
            return connection.respond(HTTPStatus.FORBIDDEN, "Not for pages of a browser.\n")
        status, body = _answer(request.path, text)
        response = connection.respond(status, body)
        if status == HTTPStatus.OK:
            del response.headers["Content-Type"]
            response.headers["Content-Type"] = CONTENT_TYPE
        return response

    async def never(_connection: ServerConnection) -> None:
        """Hold no WebSocket: each request is answered before it would be one."""

    async with serve(never, sock=bound, process_request=answer, logger=_websockets):
        yield


def _is_here(hosts: Sequence[str]) -> bool:
    """Return whether a request names this machine; a page's own name may lead here as well."""
    try:
        return [urlsplit(f"//{host}").hostname in _HERE for host in hosts] == [True]
    except ValueError:  # brackets around what is no IPv6 address
        return False


def _answer(target: str, text: Callable[[], str]) -> tuple[HTTPStatus, str]:
    if urlsplit(target).path != _PATH:
        return HTTPStatus.NOT_FOUND, f"Ask for {_PATH}.\n"
    return HTTPStatus.OK, text()


@contextmanager
def listening(where: str, control: Control) -> Iterator[socket.socket | None]:
    """Hold the place while the block runs; an empty `where` is nowhere.

    Raises `config.invalid` where the place cannot be used, and `daemon.already_running` where
    somebody else has it.
    """
    if not where:
        yield None
        return
    if where.startswith("/"):
        path = Path(where)
        with listener.bind(path, mode=control.mode, group=control.group) as bound:
            try:
                yield bound
            finally:
                path.unlink(missing_ok=True)
        return
    host, _, port = where.rpartition(":")
    try:
        bound = socket.create_server(
            (host.strip("[]"), int(port)),
            family=socket.AF_INET6 if host.startswith("[") else socket.AF_INET,
        )
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise LiveHandleError(
                "daemon.already_running",
                f"Stop who listens on {where}, or set metrics.listen to another place.",
            ) from error
        raise LiveHandleError(
            "config.invalid",
            f"Set metrics.listen to another place, {where} cannot be used: {error}.",
            param="metrics.listen",
        ) from error
    with bound:
        yield bound
