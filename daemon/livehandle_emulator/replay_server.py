"""A recording over WebSockets: each client that connects is played its next connection."""

import http
import logging
import ssl
from collections.abc import Sequence
from pathlib import Path

import anyio
from anyio.abc import TaskStatus
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from livehandle_emulator.closing import Close
from livehandle_emulator.endpoint import endpoint_of
from livehandle_emulator.replay import OVER, Lost, Recorded, Replay, connections
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.wire_file import WIRE, NoRecordingError, read

_MAX_FRAME_BYTES = 32 * 1024 * 1024
_CLOSE_S = 2.0
_PATIENCE_S = 5.0
"""After so long without a message of the recording it is told what the next one waits for."""

_log = logging.getLogger(__name__)
_library_log = logging.getLogger(f"{__name__}.websockets")
_library_log.setLevel(logging.WARNING)
_library_log.addFilter(lambda record: record.msg != "opening handshake failed")


def load(path: Path) -> list[Recorded]:
    """Return the connections of a wire file, or of a recording's directory.

    Raises `config.invalid` for what cannot be played.
    """
    file = path / WIRE if path.is_dir() else path
    try:
        with file.open("rb") as lines:
            found = connections(read(lines)[1])
    except OSError as error:
        raise LiveHandleError(
            "config.invalid", f"The recording {file} cannot be read: {error.strerror}."
        ) from error
    except NoRecordingError as error:
        raise LiveHandleError("config.invalid", f"{file} {error}: give a wire file.") from error
    if not found:
        raise LiveHandleError("config.invalid", f"{file} has no connection: give another.")
    return found


async def serve(
    recorded: Sequence[Recorded],
    *,
    speed: float,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `task_status` is told the port. Raises `OSError`."""
    played = 0

    async def converse(socket: ServerConnection) -> None:
        nonlocal played
        first = await _first(socket) if played < len(recorded) else b""
        if first is None:
            return
        if played == len(recorded):  # another may have had the last one meanwhile
            await socket.close(*OVER)
            return
        replay = Replay(recorded[played], speed=speed)
        out = replay.receive(first, anyio.current_time())
        played += not replay.refused  # else it is for who comes with another setup
        await _play(socket, replay, out)

    server = await listen(
        converse,
        host,
        port,
        ssl=tls,
        process_request=_admit,
        max_size=_MAX_FRAME_BYTES,
        close_timeout=_CLOSE_S,
        logger=_library_log,
    )
    try:
        bound: int = next(iter(server.sockets)).getsockname()[1]
        task_status.started(bound)
        await anyio.sleep_forever()
    finally:
        server.close()
        with anyio.move_on_after(2 * _CLOSE_S, shield=True):
            await server.wait_closed()


async def _admit(socket: ServerConnection, request: Request) -> Response | None:
    if endpoint_of(request.path) is None:
        return socket.respond(http.HTTPStatus.NOT_FOUND, "Not Found\n")
    return None


async def _first(socket: ServerConnection) -> bytes | None:
    """Return the first message of a client, None where it went without one."""
    try:
        return await socket.recv(decode=False)  # as long as the client has nothing to say
    except ConnectionClosed:
        _log.debug("the client went without a message")
        return None


async def _play(socket: ServerConnection, replay: Replay, out: list[bytes | Close | Lost]) -> None:
    """Play one connection, of which `out` is due, to its end, or until the client goes."""
    more = anyio.Event()
    told = False

    async def hear() -> None:
        nonlocal more
        try:
            while True:
                frame = await socket.recv(decode=False)
                out.extend(replay.receive(frame, anyio.current_time()))
                more.set()
        except ConnectionClosed:
            _log.debug("the client went without a close")
        tasks.cancel_scope.cancel()

    request = socket.request
    endpoint = None if request is None else endpoint_of(request.path)
    text = endpoint is not None and not endpoint.vertex
    since = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hear)
        while True:
            more = anyio.Event()
            out.extend(replay.advance(anyio.current_time()))
            while out:
                await _deliver(socket, out.pop(0), text=text)
                since = anyio.current_time()
            deadline = replay.deadline
            if not told and replay.waits_for:
                deadline = since + _PATIENCE_S
                if told := deadline <= anyio.current_time():
                    _log.warning("the recording waits for the client: %s", replay.waits_for)
                    continue
            wait = None if deadline is None else max(0.0, deadline - anyio.current_time())
            with anyio.move_on_after(wait):
                # As long as the recording waits for the client.
                await more.wait()


async def _deliver(socket: ServerConnection, out: bytes | Close | Lost, *, text: bool) -> None:
    try:
        match out:
            case Close():
                await socket.close(*out)
            case Lost():
                socket.transport.abort()
            case _:
                await socket.send(out, text=text)
    except ConnectionClosed:
        _log.debug("the client went while it was being played to")
