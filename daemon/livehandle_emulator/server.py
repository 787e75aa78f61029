"""The WebSocket server around the sessions; it answers `generateContent` on the same port."""

import http
import logging
import secrets
import ssl
from collections import deque

import anyio
from anyio.abc import TaskStatus
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from livehandle_emulator.closing import Close
from livehandle_emulator.endpoint import credential_of, endpoint_of, refused_upgrade
from livehandle_emulator.generate_content import Exchange
from livehandle_emulator.scenario import Scenario
from livehandle_emulator.session import Session
from livehandled.gemini.codec import encode
from livehandled.gemini.server import ServerMessage

_MAX_FRAME_BYTES = 32 * 1024 * 1024  # the service documents none, and takes files inline
_PING_S = 30.0  # pongs of busy clients were seen half a minute late
_PONG_S = 90.0
_CLOSE_S = 2.0
_POST = b"POST "
_MOST_UNSENT = 256  # messages for a client that does not read, before it is not read from

_log = logging.getLogger(__name__)
# The library logs every header at debug level, and one of them is the client's key.
_library_log = logging.getLogger(f"{__name__}.websockets")
_library_log.setLevel(logging.WARNING)
# Some versions of the library log a traceback for whoever connects and is no WebSocket client.
_library_log.addFilter(lambda record: record.msg != "opening handshake failed")


async def serve(
    scenario: Scenario | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `task_status` is told the port once clients can connect.

    Port 0 takes any free one. Raises `OSError` if the address cannot be had.
    """
    emulator = _Emulator(scenario or Scenario())

    class Connection(_Connection):
        scenario = emulator.scenario

    server = await listen(
        emulator.converse,
        host,
        port,
        ssl=tls,
        process_request=emulator.admit,
        create_connection=Connection,
        max_size=_MAX_FRAME_BYTES,
        ping_interval=_PING_S,
        ping_timeout=_PONG_S,
        close_timeout=_CLOSE_S,
        logger=_library_log,
    )
    try:
        task_status.started(_port_of(server))
        await anyio.sleep_forever()
    finally:
        server.close()
        with anyio.move_on_after(2 * _CLOSE_S, shield=True):
            await server.wait_closed()


def _port_of(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


class _Emulator:
    """What all connections share."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse an upgrade at another path, or on Vertex without credentials (wire 4.4)."""
        endpoint = endpoint_of(request.path)
        if endpoint is None:
            return connection.respond(http.HTTPStatus.NOT_FOUND, "Not Found\n")
        credential = credential_of(request.path, request.headers)
        if refused_upgrade(endpoint, credential, self.scenario.keys):
            return connection.respond(
                http.HTTPStatus.UNAUTHORIZED,
                "Request had invalid authentication credentials.\n",
            )
        return None

    async def converse(self, websocket: ServerConnection) -> None:
        """Serve one connection to its end: one task reads, this one writes."""
        request = websocket.request
        endpoint = endpoint_of(request.path) if request else None
        if request is None or endpoint is None:
            return
        credential = credential_of(request.path, request.headers)
        session = Session(endpoint, credential, self.scenario, secrets.token_hex(8))
        link = _Link(websocket, session, binary=endpoint.vertex)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.read)
            await link.write()
            tasks.cancel_scope.cancel()


class _Connection(ServerConnection):
    """A connection that answers a POST itself: the library reads nothing but GET."""

    scenario: Scenario
    _first = b""
    _exchange: Exchange | None = None
    _posts: bool | None = None

    def data_received(self, data: bytes) -> None:
        """Take the first bytes to see what is spoken here, and then hand everything on."""
        if self._posts is None:
            self._first = data = self._first + data
            if len(data) < len(_POST) and _POST.startswith(data):
                return
            self._posts = data.startswith(_POST)
            if self._posts:
                self._exchange = Exchange(self.scenario)
        if self._exchange is None:
            super().data_received(data)
        elif answer := self._exchange.receive(data):
            self.transport.write(answer)
            self.transport.close()  # a request that never ends is ended by open_timeout


class _Link:
    """A session and its socket."""

    def __init__(self, websocket: ServerConnection, session: Session, *, binary: bool) -> None:
        self._websocket = websocket
        self._session = session
        self._binary = binary
        self._unsent: deque[ServerMessage | Close] = deque()
        self._more = anyio.Event()
        self._room = anyio.Event()
        self._gone = False

    async def read(self) -> None:
        """Give every frame to the session until the client goes."""
        try:
            while True:
                frame = await self._websocket.recv(decode=False)
                self._unsent.extend(self._session.receive(frame, anyio.current_time()))
                self._more.set()
                while len(self._unsent) > _MOST_UNSENT:
                    self._room = anyio.Event()
                    await self._room.wait()  # no deadline: a ping that is not answered ends it
        except ConnectionClosed:
            self._gone = True
            self._more.set()

    async def write(self) -> None:
        """Send what the session has to send, when it is due, until it or the client ends."""
        try:
            while not self._gone:
                self._unsent.extend(self._session.advance(anyio.current_time()))
                self._more = anyio.Event()
                while self._unsent:
                    out = self._unsent.popleft()
                    if isinstance(out, Close):
                        await self._websocket.close(*out)
                        return
                    await self._websocket.send(encode(out), text=not self._binary)
                self._room.set()
                await self._until_due()
        except ConnectionClosed:
            _log.debug("the client went while it was being answered")

    async def _until_due(self) -> None:
        deadline = self._session.deadline
        wait = None if deadline is None else max(0.0, deadline - anyio.current_time())
        with anyio.move_on_after(wait):
            await self._more.wait()
