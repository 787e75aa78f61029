"""One WebSocket to the service: opened with deadlines, its failures told by name (wire 1, 4.4)."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import mask
from livehandled.gemini.closing import meaning_of_close, meaning_of_http
from livehandled.gemini.codec import Decoded, FrameError, decode_server, encode_setup
from livehandled.gemini.endpoints import is_loopback, public
from livehandled.session.fetching import unreachable
from livehandled.session.plan import Plan, refusal
from livehandled.session.wiretap import Listener

# The library logs every header at debug level, and one of them is the key.
_library_log = logging.getLogger(f"{__name__}.websockets")
_library_log.setLevel(logging.INFO)

# A tool call or a bundled message can pass the library's default of 1 MiB (wire 3.4).
_MAX_FRAME_BYTES = 64 * 1024 * 1024
# Pongs were seen 8 to 30 s late while the service was busy (wire 6, 4).
_PING_INTERVAL_S = 20.0
_UNACKNOWLEDGED_MS = 30_000
# The service has so long to answer our close, and all of closing is over soon after.
_CLOSE_ANSWER_S = 0.8
_CLOSE_S = 1.0
# What CPython 3.11 raises if a transport is aborted whose last bytes went out after its close.
_ABORT_ERRORS = (AttributeError,)
_MOST_IN_A_ROW = 4
_OF_MESSAGES = {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}


class Socket(ClientConnection):
    """A connection that knows when it last heard anything, and ends soon after the service's close.

    The library waits for the service to end TCP as well, and notices at the next ping if not.
    """

    heard_at = 0.0
    """When bytes came last, pongs among them: monotonic seconds."""
    came = 0
    """Whole messages that have come."""
    taken = 0
    """Of them, those that `recv` has returned."""
    on_pong: Callable[[bytes, int], None] | None = None
    """Called with a pong's payload, and how many messages came before it."""
    tap: Listener | None = None
    """Who listens to the messages of both directions, while they are recorded."""
    _ending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the beginning of the connection."""
        super().connection_made(transport)
        self.heard_at = time.monotonic()
        # What the other side's machine does not acknowledge for so long is lost: a network that
        # is gone is noticed by what is said into it, long before a pong is missed.
        plug = transport.get_extra_info("socket")
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)

    def process_event(self, event: Event) -> None:
        """Take one event; a pong keeps its place among the messages."""
        super().process_event(event)
        if not isinstance(event, Frame):
            return
        if event.opcode is Opcode.PONG and self.on_pong is not None:
            self.on_pong(bytes(event.data), self.came)
        elif event.opcode in _OF_MESSAGES and event.fin:
            self.came += 1

    @property
    def writable(self) -> bool:
        """Whether it is open, and has room for more."""
        return self.protocol.state is State.OPEN and not self.paused

    def write(self, frames: Sequence[bytes]) -> None:
        """Write messages at once, in one go; only while `writable`.

        Each `send` would be a task's turn and a write of its own: for audio that is most of what
        it costs.
        """
        for frame in frames:
            self.protocol.send_text(frame)
        if self.tap is not None:
            for frame in frames:
                self.tap.sent(frame)
        self.transport.write(b"".join(self.protocol.data_to_send()))

    def abort(self) -> None:
        """End it without a word more."""
        with suppress(*_ABORT_ERRORS):
            self.transport.abort()

    async def send_asking(self, frame: bytes, payload: bytes) -> None:
        """Send a message and right behind it a ping, whose pong tells that it was read.

        In one write: a reply may be quick, and is to find the ping there. Raises
        `ConnectionClosed`.
        """
        if self.tap is not None:
            self.tap.sent(frame)
        async with self.send_context():
            self.protocol.send_text(frame)
            self.protocol.send_ping(payload)
            self.protocol.writes = [b"".join(self.protocol.writes)]

    async def say(self, frame: bytes) -> None:
        """Send a message. Raises `ConnectionClosed`."""
        if self.tap is not None:
            self.tap.sent(frame)
        await self.send(frame, text=True)

    async def next(self) -> bytes:
        """Return the next message. Raises `ConnectionClosed`."""
        if self.taken % _MOST_IN_A_ROW == 0:
            # What came in a burst would be returned without a wait, and keep all clients waiting.
            await asyncio.sleep(0)
        frame = await self.recv(decode=False)
        self.taken += 1
        if self.tap is not None:
            self.tap.came(frame)
        return frame

    def data_received(self, data: bytes) -> None:
        """Take what came, and note when."""
        super().data_received(data)
        self.heard_at = time.monotonic()
        if self._ending is None and self.protocol.close_expected():
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(_CLOSE_ANSWER_S, self.abort)


@asynccontextmanager
async def open_connection(plan: Plan) -> AsyncIterator[Socket]:
    """Open a WebSocket, and close it at the end: within a second, whatever the service does.

    Credentials are asked for anew. Raises what `Credentials.authorise` does,
    `upstream.unreachable`, `session.timeout`, or what the service's refusal means.
    """
    headers = await plan.credentials.authorise()
    websocket = await _connect(plan, headers)
    try:
        yield websocket
    finally:
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(_CLOSE_S), suppress(*_ABORT_ERRORS):
                # Where the service does not read, what is unsent holds the close up.
                await websocket.close()
            websocket.abort()
            await websocket.wait_closed()  # at once: the transport is gone


class _Attempt(connect):
    """One attempt at one address: a redirect would carry the key to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _connect(plan: Plan, headers: Mapping[str, str]) -> Socket:
    try:
        with anyio.fail_after(plan.connect_timeout_s):
            websocket = await _Attempt(
                plan.url,
                create_connection=Socket,
                additional_headers=headers,
                user_agent_header="livehandle",
                compression=None,  # base64 of noise: 60 us a frame for nothing
                proxy=_proxy(plan),
                open_timeout=None,
                close_timeout=_CLOSE_ANSWER_S,
                ping_interval=_PING_INTERVAL_S,
                ping_timeout=None,  # the link counts any traffic as a sign of life
                max_size=_MAX_FRAME_BYTES,
                logger=_library_log,
            )
    except InvalidStatus as error:
        answer = error.response
        raise meaning_of_http(answer.status_code, bytes(answer.body), plan.secrets) from error
    except InvalidProxyStatus as error:
        status = error.response.status_code
        if status == 407:
            raise meaning_of_http(status, b"", plan.secrets) from error
        raise unreachable(public(plan.url), f"its proxy answered with status {status}") from error
    except TimeoutError as error:
        seconds = plan.connect_timeout_s
        raise LiveHandleError(
            "session.timeout",
            f"No connection to {public(plan.url)} within {seconds:g} s: check the network, a "
            "proxy, or session.base_url.",
        ) from error
    # An ImportError is a SOCKS proxy without its library, a ValueError a host that is no name.
    except (OSError, WebSocketException, ImportError, ValueError) as error:
        raise unreachable(public(plan.url), mask(_why(error), plan.secrets)) from error
    assert isinstance(websocket, Socket)
    return websocket


def _proxy(plan: Plan) -> str | Literal[True] | None:
    """Return the proxy as the library takes it: True is what the environment names."""
    if plan.proxy:
        return None if plan.proxy == "none" else plan.proxy
    return None if is_loopback(urlsplit(plan.url).hostname or "") else True


def _why(error: Exception) -> str:
    """Return what went wrong, without a URL that may hold a password."""
    if isinstance(error, InvalidURI):
        return f"the URL is wrong: {error.msg}"
    if isinstance(error, InvalidProxy):
        return f"the proxy's URL is wrong: {error.msg}"
    return str(error) or type(error).__name__


async def set_up(
    websocket: Socket, plan: Plan, setup: Mapping[str, object] | None = None
) -> tuple[bytes, Decoded]:
    """Send the setup and return the frame with the service's `setupComplete`, and what it says.

    Without a setup it is that of a session that begins. Raises `session.timeout`,
    `session.setup_failed`, or what the service's refusal means. Other messages that come first
    are passed over (K5).
    """
    resumption = (plan.setup if setup is None else setup).get("sessionResumption")
    with_handle = isinstance(resumption, Mapping) and "handle" in resumption
    try:
        with anyio.fail_after(plan.setup_timeout_s):
            await websocket.say(encode_setup(plan.setup if setup is None else setup))
            while True:
                frame = await websocket.next()
                decoded = decode_server(frame)
                if refused := refusal(decoded.message, plan):
                    action = "fresh" if with_handle else "stop"
                    raise LiveHandleError(refused.name, refused.message, action=action)
                if decoded.message.setup_complete is not None:
                    return frame, decoded
    except TimeoutError as error:
        raise LiveHandleError(
            "session.timeout",
            f"The service did not answer the setup within {plan.setup_timeout_s:g} s: check "
            "the model and session.setup, a field it does not know can keep it silent.",
        ) from error
    except FrameError as error:
        raise LiveHandleError(
            "session.setup_failed", f"The service answered the setup with no message: {error}."
        ) from error
    except ConnectionClosed as closed:
        raise close_error(closed, plan, during_setup=True, with_handle=with_handle) from closed


def close_error(
    closed: ConnectionClosed, plan: Plan, *, during_setup: bool, with_handle: bool = False
) -> LiveHandleError:
    """Return what a close means. Without a close frame it counts as 1006 (RFC 6455, 7.1.5).

    Where this side closed first, for a frame too large or a pong that did not come, it is this
    side's code and reason (wire 4.4).
    """
    close = closed.sent if closed.sent and not closed.rcvd_then_sent else closed.rcvd
    code, reason = (close.code, close.reason) if close else (1006, "")
    return meaning_of_close(code, reason, during_setup, plan.secrets, with_handle=with_handle)
