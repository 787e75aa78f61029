"""One WebSocket to the service: opened with deadlines, its failures told by name (wire 1, 4.4)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import mask
from livehandled.gemini.closing import meaning_of_close, meaning_of_http
from livehandled.gemini.codec import Decoded, FrameError, decode_server, encode_setup
from livehandled.gemini.endpoints import public
from livehandled.gemini.models import Traits, traits_of
from livehandled.gemini.opening import detects_activity
from livehandled.gemini.server import ServerMessage

# The library logs every header at debug level, and one of them is the key.
_library_log = logging.getLogger(f"{__name__}.websockets")
_library_log.setLevel(logging.INFO)

# A tool call or a bundled message can pass the library's default of 1 MiB (wire 3.4).
_MAX_FRAME_BYTES = 64 * 1024 * 1024
# Pongs were seen 8 to 30 s late while the service was busy (wire 6, 4).
_PING_INTERVAL_S = 20.0
_PING_TIMEOUT_S = 60.0
# The service has so long to answer our close, and all of closing is over soon after.
_CLOSE_ANSWER_S = 0.8
_CLOSE_S = 1.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Plan(NamedTuple):
    """How to reach the service and what to open the session with."""

    url: str
    headers: Mapping[str, str]
    """Credentials: never logged."""
    setup: dict[str, object]
    connect_timeout_s: float
    setup_timeout_s: float
    secrets: tuple[str, ...] = ()
    """Texts that no message may show."""
    model: str = ""
    traits: Traits = traits_of("", "gemini")
    transcript_is_text: bool = False
    """Text is wanted of a model that only speaks (J6)."""

    @property
    def takes_marks(self) -> bool:
        """Whether activity marks may be sent: the service does not detect activity (B13)."""
        return not detects_activity(self.setup)


@asynccontextmanager
async def open_connection(plan: Plan) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket, and close it at the end: within a second, whatever the service does.

    Raises `upstream.unreachable`, `session.timeout`, or what the service's refusal means.
    """
    websocket = await _connect(plan)
    try:
        yield websocket
    finally:
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(_CLOSE_S):
                # Where the service does not read, what is unsent holds the close up.
                await websocket.close()
            websocket.transport.abort()
            await websocket.wait_closed()  # at once: the transport is gone


class _Connection(ClientConnection):
    """A connection that ends soon after the service's close.

    The library waits for the service to end TCP as well, and notices at the next ping if not.
    """

    _ending: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._ending is None and self.protocol.close_expected():
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(_CLOSE_ANSWER_S, self.transport.abort)


class _Attempt(connect):
    """One attempt at one address: a redirect would carry the key to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _connect(plan: Plan) -> ClientConnection:
    host = urlsplit(plan.url).hostname or ""
    try:
        with anyio.fail_after(plan.connect_timeout_s):
            return await _Attempt(
                plan.url,
                create_connection=_Connection,
                additional_headers=plan.headers,
                user_agent_header="livehandle",
                compression=None,  # base64 of noise: 60 us a frame for nothing
                proxy=None if host in _LOOPBACK else True,
                open_timeout=None,
                close_timeout=_CLOSE_ANSWER_S,
                ping_interval=_PING_INTERVAL_S,
                ping_timeout=_PING_TIMEOUT_S,
                max_size=_MAX_FRAME_BYTES,
                logger=_library_log,
            )
    except InvalidStatus as error:
        answer = error.response
        raise meaning_of_http(answer.status_code, bytes(answer.body), plan.secrets) from error
    except TimeoutError as error:
        seconds = plan.connect_timeout_s
        raise LiveHandleError(
            "session.timeout",
            f"No connection to {public(plan.url)} within {seconds:g} s: check the network, a "
            "proxy, or session.base_url.",
        ) from error
    # An ImportError is a SOCKS proxy without its library, a ValueError a host that is no name.
    except (OSError, WebSocketException, ImportError, ValueError) as error:
        raise LiveHandleError(
            "upstream.unreachable",
            f"Cannot reach {public(plan.url)}: {mask(_why(error), plan.secrets)}. Check the "
            "network, a proxy, and session.base_url.",
        ) from error


def _why(error: Exception) -> str:
    """Return what went wrong, without a URL that may hold a password."""
    if isinstance(error, InvalidURI):
        return f"the URL is wrong: {error.msg}"
    if isinstance(error, InvalidProxy):
        return f"the proxy that the environment names is wrong: {error.msg}"
    return str(error) or type(error).__name__


async def set_up(websocket: ClientConnection, plan: Plan) -> tuple[bytes, Decoded]:
    """Send the setup and return the frame with the service's `setupComplete`, and what it says.

    Raises `session.timeout`, `session.setup_failed`, or what the service's refusal means. Other
    messages that come first are passed over (K5).
    """
    try:
        with anyio.fail_after(plan.setup_timeout_s):
            await websocket.send(encode_setup(plan.setup), text=True)
            while True:
                frame = await websocket.recv(decode=False)
                decoded = decode_server(frame)
                if refused := refusal(decoded.message, plan):
                    raise refused
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
        raise close_error(closed, plan, during_setup=True) from closed


def refusal(message: ServerMessage, plan: Plan) -> LiveHandleError | None:
    """Return what an error object means, which the service rarely sends instead of a close."""
    if message.error is None and message.code is None:
        return None
    said = message.message or (message.error or {}).get("message") or "nothing more"
    return LiveHandleError(
        "upstream.rejected",
        "Check what was sent: the service answered with an error, saying "
        f'"{mask(str(said), plan.secrets)}".',
    )


def close_error(closed: ConnectionClosed, plan: Plan, *, during_setup: bool) -> LiveHandleError:
    """Return what a close means. Without a close frame it counts as 1006 (RFC 6455, 7.1.5).

    Where this side closed first, for a frame too large or a pong that did not come, it is this
    side's code and reason (wire 4.4).
    """
    close = closed.sent if closed.sent and not closed.rcvd_then_sent else closed.rcvd
    code, reason = (close.code, close.reason) if close else (1006, "")
    return meaning_of_close(code, reason, during_setup, plan.secrets)
