"""One WebSocket to the service: opened with deadlines, its failures told by name (wire 1, 4.4)."""

import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
)

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import mask
from livehandled.gemini.closing import meaning_of_close, meaning_of_http
from livehandled.gemini.codec import FrameError, decode_server, encode_setup
from livehandled.gemini.endpoints import public
from livehandled.gemini.server import SetupComplete

_log = logging.getLogger(__name__)
# The library logs every header at debug level, and one of them is the key.
_library_log = logging.getLogger(f"{__name__}.websockets")
_library_log.setLevel(logging.INFO)

# A tool call or a bundled message can pass the library's default of 1 MiB (wire 3.4).
_MAX_FRAME_BYTES = 64 * 1024 * 1024
# Pongs were seen 8 to 30 s late while the service was busy (wire 6, 4).
_PING_INTERVAL_S = 20.0
_PING_TIMEOUT_S = 60.0
_CLOSE_TIMEOUT_S = 1.0
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


@asynccontextmanager
async def open_connection(plan: Plan) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket and close it at the end, within a second either way.

    Raises `upstream.unreachable`, `session.timeout`, or what the service's refusal means.
    """
    websocket = await _connect(plan)
    try:
        yield websocket
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(2 * _CLOSE_TIMEOUT_S):
            await websocket.close()


async def _connect(plan: Plan) -> ClientConnection:
    host = urlsplit(plan.url).hostname or ""
    try:
        with anyio.fail_after(plan.connect_timeout_s):
            return await connect(
                plan.url,
                additional_headers=plan.headers,
                user_agent_header="livehandle",
                compression=None,  # base64 of noise: 60 us a frame for nothing
                proxy=None if host in _LOOPBACK else True,
                open_timeout=None,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=_PING_INTERVAL_S,
                ping_timeout=_PING_TIMEOUT_S,
                max_size=_MAX_FRAME_BYTES,
                logger=_library_log,
            )
    except InvalidStatus as error:
        body = (error.response.body or b"").decode("utf-8", "replace")
        raise meaning_of_http(error.response.status_code, mask(body, plan.secrets)) from error
    except TimeoutError as error:
        seconds = plan.connect_timeout_s
        raise LiveHandleError(
            "session.timeout",
            f"No connection to {public(plan.url)} within {seconds:g} s: check the network, a "
            "proxy, or session.base_url.",
        ) from error
    except (OSError, InvalidHandshake, InvalidURI, ssl.SSLError) as error:
        why = mask(str(error) or type(error).__name__, plan.secrets)
        raise LiveHandleError(
            "upstream.unreachable",
            f"Cannot reach {public(plan.url)}: {why}. Check the network and session.base_url.",
        ) from error


async def set_up(websocket: ClientConnection, plan: Plan) -> SetupComplete:
    """Send the setup and return the service's answer.

    Raises `session.timeout` or what the service's close means. Other messages that come first
    are passed over (K5).
    """
    try:
        with anyio.fail_after(plan.setup_timeout_s):
            await websocket.send(encode_setup(plan.setup), text=True)
            while True:
                message = decode_server(await websocket.recv(decode=False)).message
                if message.setup_complete is not None:
                    return message.setup_complete
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


def close_error(closed: ConnectionClosed, plan: Plan, *, during_setup: bool) -> LiveHandleError:
    """Return what a close means. Without a close frame it counts as 1006 (RFC 6455, 7.1.5)."""
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
    return meaning_of_close(code, mask(reason, plan.secrets), during_setup=during_setup)
