"""The WebSocket server around the sessions; it answers plain requests on the same port."""

import http
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from anyio.abc import TaskStatus
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.http11 import Request as Upgrade
from websockets.http11 import Response

from livehandle_emulator import control, generate_content
from livehandle_emulator.endpoint import credential_of, endpoint_of, refused_upgrade
from livehandle_emulator.exchange import Json, Request
from livehandle_emulator.link import QUOTA, Link
from livehandle_emulator.scenario import Scenario
from livehandle_emulator.server_socket import Socket
from livehandle_emulator.service import Service
from livehandle_emulator.session import Session
from livehandle_proto.faults import Fault

_MAX_FRAME_BYTES = 32 * 1024 * 1024  # the service documents none, and takes files inline
_OPEN_S = 120.0  # longer than any client waits for an upgrade that a fault holds back
_PING_S = 30.0  # pongs of busy clients were seen half a minute late
_PONG_S = 90.0
_CLOSE_S = 2.0

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
    service: Service | None = None,
    task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `task_status` is told the port once clients can connect.

    Port 0 takes any free one. Whoever holds `service` can make faults and see the sessions; it
    brings a scenario of its own. Raises `OSError` if the address cannot be had.
    """
    emulator = _Emulator(service or Service(scenario))

    class Connection(Socket):
        def answer(self, request: Request, *, local: bool) -> Json:
            return emulator.answer(request, local=local)

    server = await listen(
        emulator.converse,
        host,
        port,
        ssl=tls,
        process_request=emulator.admit,
        create_connection=Connection,
        max_size=_MAX_FRAME_BYTES,
        open_timeout=_OPEN_S,
        ping_interval=_PING_S,
        ping_timeout=_PONG_S,
        close_timeout=_CLOSE_S,
        logger=_library_log,
    )
    try:
        task_status.started(_port_of(server))
        await anyio.sleep_forever()
    finally:
        emulator.let_go()
        server.close()
        with anyio.move_on_after(2 * _CLOSE_S, shield=True):
            await server.wait_closed()


def _port_of(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


class _Emulator:
    """What all connections share."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._newest = 0
        self._open: set[Socket] = set()

    def answer(self, request: Request, *, local: bool) -> Json:
        """Answer a plain request: one to the emulator itself, or one to the service."""
        if control.is_control(request):
            return control.respond(request, self._service, local=local)
        return generate_content.respond(request, self._service.scenario)

    async def admit(self, connection: ServerConnection, upgrade: Upgrade) -> Response | None:
        """Refuse an upgrade at another path, on Vertex without credentials, or by a fault."""
        endpoint = endpoint_of(upgrade.path)
        if endpoint is None:
            return connection.respond(http.HTTPStatus.NOT_FOUND, "Not Found\n")
        assert isinstance(connection, Socket)
        response = await self._struck(connection)
        if response is not None:
            return response
        credential = credential_of(upgrade.path, upgrade.headers)
        if refused_upgrade(endpoint, credential, self._service.scenario.keys):
            return connection.respond(
                http.HTTPStatus.UNAUTHORIZED,
                "Request had invalid authentication credentials.\n",
            )
        return None

    async def converse(self, websocket: ServerConnection) -> None:
        """Serve one connection to its end."""
        request = websocket.request
        endpoint = endpoint_of(request.path) if request else None
        if request is None or endpoint is None:
            return
        assert isinstance(websocket, Socket)
        self._newest = number = self._service.next_connection()
        credential = credential_of(request.path, request.headers)
        session = Session(endpoint, credential, self._service, number)
        link = Link(websocket, session, self._service, number, binary=endpoint.vertex)
        with self._noted(websocket):
            await link.run()

    def let_go(self) -> None:
        """End the connections that nothing can be said to: the others are told."""
        for connection in self._open:
            if connection.silent:
                connection.transport.abort()

    @contextmanager
    def _noted(self, connection: Socket) -> Iterator[None]:
        self._open.add(connection)
        try:
            yield
        finally:
            self._open.discard(connection)

    async def _struck(self, connection: Socket) -> Response | None:
        """Let faults happen at an upgrade; return the answer if one of them is the answer."""
        after: list[Fault] = []
        for fault in self._service.faults.on_upgrade(self._newest + 1):
            if fault.do in ("refuse", "quota"):
                self._note(fault)
                return await _refusal(connection, fault)
            if fault.when == "after":
                after.append(fault)
            else:
                self._note(fault)
                await self._before_upgrade(connection, fault)
        connection.upgrade_faults = after
        return None

    async def _before_upgrade(self, connection: Socket, fault: Fault) -> None:
        await anyio.sleep(fault.after_ms / 1000)
        if fault.do == "forget":
            self._service.faults.forget()
        elif fault.do == "abort":
            connection.reset()
            await connection.wait_closed()
        else:
            connection.silence()
            with self._noted(connection):
                with anyio.move_on_after(fault.for_ms / 1000 if fault.for_ms else None):
                    await connection.wait_closed()  # no deadline but open_timeout
            connection.speak()

    def _note(self, fault: Fault) -> None:
        self._service.journal(
            {"t": anyio.current_time(), "what": "fault", "do": fault.do, "at": "upgrade"}
        )


async def _refusal(connection: Socket, fault: Fault) -> Response:
    await anyio.sleep(fault.after_ms / 1000)
    if fault.do == "quota":
        return connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, f"{QUOTA}\n")
    response = connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, fault.body)
    response.status_code = fault.status
    known = {status.value: status.phrase for status in http.HTTPStatus}
    response.reason_phrase = known.get(fault.status, "Refused")
    return response
