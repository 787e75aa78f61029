"""Metrics over HTTP, at a Unix socket or a port of this machine, for Prometheus to fetch."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Control
from livehandled.control import listener
from livehandled.metrics.prometheus import CONTENT_TYPE

_PATH = "/metrics"


@asynccontextmanager
async def serving(where: str, control: Control, text: Callable[[], str]) -> AsyncIterator[None]:
    """Answer `GET /metrics` while the block runs; an empty `where` is nowhere.

    Raises `config.invalid` where the place cannot be used.
    """
    if not where:
        yield
        return
    from websockets.asyncio.server import ServerConnection, serve  # nobody else here needs it yet
    from websockets.http11 import Request, Response

    def answer(connection: ServerConnection, request: Request) -> Response:
        status, body = _answer(request.path, "Origin" in request.headers, text)
        response = connection.respond(status, body)
        if status == HTTPStatus.OK:
            del response.headers["Content-Type"]
            response.headers["Content-Type"] = CONTENT_TYPE
        return response

    async def never(_connection: ServerConnection) -> None:
        """Hold no WebSocket: each request is answered before it would be one."""

    with _bound(where, control) as bound:
        async with serve(never, sock=bound, process_request=answer):
            yield


def _answer(target: str, has_origin: bool, text: Callable[[], str]) -> tuple[HTTPStatus, str]:
    if has_origin:  # a page in a browser, of whoever's
        return HTTPStatus.FORBIDDEN, "Not for pages of a browser.\n"
    if urlsplit(target).path != _PATH:
        return HTTPStatus.NOT_FOUND, f"Ask for {_PATH}.\n"
    return HTTPStatus.OK, text()


@contextmanager
def _bound(where: str, control: Control) -> Iterator[socket.socket]:
    if where.startswith("/"):
        path = Path(where)
        with listener.bind(path, mode=control.mode, group=control.group) as bound:
            yield bound
        path.unlink(missing_ok=True)
        return
    host, _, port = where.rpartition(":")
    try:
        bound = socket.create_server(
            (host.strip("[]"), int(port)),
            family=socket.AF_INET6 if host.startswith("[") else socket.AF_INET,
        )
    except (OSError, OverflowError) as error:
        raise LiveHandleError(
            "config.invalid",
            f"Set metrics.listen to another place, {where} cannot be used: {error}.",
            param="metrics.listen",
        ) from error
    with bound:
        yield bound
