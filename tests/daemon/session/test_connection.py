"""One WebSocket: opened with deadlines, closed in time, its failures told by name."""

import logging
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Close
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import Key
from livehandled.gemini.closing import action_of
from livehandled.gemini.server import ServerMessage
from livehandled.session.connection import close_error, open_connection, set_up
from livehandled.session.plan import Plan, refusal
from support.proxy import proxying
from support.rigs import leaks, shorten_patience
from support.service import (
    KEY,
    PATH,
    QUIET,
    SETUP_COMPLETE,
    Call,
    Json,
    Script,
    closing,
    converse,
    running,
)

pytestmark = pytest.mark.anyio

SETUP: Json = {"model": "models/gemini-3.8-live"}


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_patience(monkeypatch)


@pytest.fixture(autouse=True)
def no_key_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert not leaks(caplog)


def plan(url: str, *, connect_s: float = 2.0, setup_s: float = 2.0, proxy: str = "") -> Plan:
    return Plan(
        url=url.replace("http", "ws", 1) + PATH,
        setup=SETUP,
        connect_timeout_s=connect_s,
        setup_timeout_s=setup_s,
        credentials=Key(KEY, "test"),
        proxy=proxy,
    )


async def failure(to: Plan) -> LiveHandleError:
    """Open a connection and set it up; return why that failed."""
    with anyio.fail_after(4):
        with pytest.raises(LiveHandleError) as caught:
            async with open_connection(to) as websocket:
                await set_up(websocket, to)
    error = caught.value
    assert KEY not in f"{error.message} {error.data} {error.to_json()}"
    return error


async def failure_of(
    script: Script, *, connect_s: float = 2.0, setup_s: float = 2.0
) -> LiveHandleError:
    async with running(script) as service:
        error = await failure(plan(service.url, connect_s=connect_s, setup_s=setup_s))
        assert len(service.requests) == 1  # never a second attempt
        return error


# Opening.


async def test_k10_the_upgrade_carries_the_key_in_a_header_and_the_setup_comes_first() -> None:
    async with running() as service:
        to = plan(service.url)
        async with open_connection(to) as websocket:
            frame, decoded = await set_up(websocket, to)
            assert b"s-1" in frame
            assert decoded.message.setup_complete is not None
            assert decoded.message.setup_complete.session_id == "s-1"
        request = service.requests[0]
        assert request.path == PATH
        assert request.headers["x-goog-api-key"] == KEY
        assert request.headers["user-agent"] == "livehandle"
        assert "sec-websocket-extensions" not in request.headers
        call = await service.call()
        await call.until(lambda c: c.closed)
        assert call.heard == [{"setup": SETUP}]


@pytest.mark.parametrize(
    ("status", "words", "name"),
    [
        (HTTPStatus.UNAUTHORIZED, "Request had invalid credentials.", "auth.rejected"),
        (HTTPStatus.FORBIDDEN, "The API has not been enabled.", "auth.rejected"),
        (HTTPStatus.NOT_FOUND, "No such path.", "upstream.rejected"),
        (HTTPStatus.BAD_REQUEST, "API key not valid.", "auth.rejected"),
        (HTTPStatus.TOO_MANY_REQUESTS, "Slow down.", "upstream.quota"),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "Oops.", "upstream.unreachable"),
        (HTTPStatus.UNAUTHORIZED, f"The key {KEY} is unknown.", "auth.rejected"),
    ],
)
async def test_a_refused_upgrade_is_told_in_the_servers_own_words(
    status: HTTPStatus, words: str, name: str
) -> None:
    async with running(refuse=status, words=words) as service:
        error = await failure(plan(service.url))
        assert len(service.requests) == 1
    assert error.name == name
    assert words.replace(KEY, "***") in error.message
    assert error.data["http_status"] == status


async def test_a_redirect_is_not_followed_for_it_would_carry_the_key_away() -> None:
    async with running() as elsewhere:
        location = elsewhere.url.replace("http", "ws", 1) + PATH
        answer = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        async with tcp_server(answering(answer.encode())) as url:
            error = await failure(plan(url))
        assert elsewhere.requests == []
    assert error.name == "upstream.rejected"
    assert error.data["http_status"] == 302


@asynccontextmanager
async def tcp_server(serve: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve TCP on loopback until the end of the block."""

    async def serve_one(stream: SocketStream) -> None:
        async with stream:
            await serve(stream)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # not Django's
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve_one)
        yield f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


def answering(answer: bytes) -> Callable[[SocketStream], Awaitable[None]]:
    async def serve(stream: SocketStream) -> None:
        await stream.receive()
        await stream.send(answer)

    return serve


async def silent(stream: SocketStream) -> None:
    async for _ in stream:
        pass


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (b"", "upstream.unreachable"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "upstream.unreachable"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "upstream.unreachable"),
        (f"HTTP/1.1 101 S\r\nConnection: {KEY}\r\n\r\n".encode(), "upstream.unreachable"),
        (b"HTTP/1.1 503 S\r\nContent-Length: 5\r\n\r\nLater", "upstream.unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "upstream.rejected"),
        (b"HTTP/1.1 403 F\r\nContent-Length: 99999999\r\n\r\n", "upstream.unreachable"),
    ],
)
async def test_a_server_that_speaks_something_else_is_told_by_name(
    answer: bytes, name: str
) -> None:
    async with tcp_server(answering(answer)) as url:
        error = await failure(plan(url))
    assert error.name == name


async def test_a_server_that_does_not_answer_the_upgrade_is_given_up() -> None:
    async with tcp_server(silent) as url:
        error = await failure(plan(url, connect_s=0.1))
    assert error.name == "session.timeout"
    assert "within 0.1 s" in error.message


async def test_a_server_that_never_accepts_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        error = await failure(plan(f"http://127.0.0.1:{deaf.getsockname()[1]}", connect_s=0.1))
    assert error.name == "session.timeout"


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as bound:  # and not listening, so that nobody else takes the port
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        error = await failure(plan(f"http://127.0.0.1:{port}"))
    assert error.name == "upstream.unreachable"
    assert f"ws://127.0.0.1:{port}{PATH}" in error.message


async def test_a_plain_server_where_tls_is_expected_is_unreachable() -> None:
    async with running() as service:
        error = await failure(plan(service.url.replace("http", "https", 1)))
    assert error.name == "upstream.unreachable"


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://" + "a" * 64 + ".example", ""),  # a label no name may have
        ("http://secret@gateway.example", ""),  # a user without a password
        ("http://gateway.example", "ftp://user:secret@proxy.example"),
        ("http://gateway.example", "socks5://user:secret@127.0.0.1:9"),  # needs a library
        ("http://gateway.example", "http://user:secret@127.0.0.1:1"),
    ],
)
async def test_an_address_or_a_proxy_that_cannot_be_used_is_told_without_its_password(
    url: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ws_proxy", "socks_proxy", "https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    # Without a proxy the name would be asked of a resolver.
    monkeypatch.setenv("ws_proxy", proxy or "http://127.0.0.1:1")
    if not proxy and "secret" not in url:
        monkeypatch.setenv("no_proxy", "*")
    error = await failure(plan(url))
    assert error.name == "upstream.unreachable"
    assert "secret" not in error.message


@pytest.mark.parametrize("user", ["", "user:se%2Fcret@"])
async def test_a_configured_proxy_is_the_way_to_the_service(user: str) -> None:
    async with running() as service, proxying() as proxy:
        to = plan(service.url, proxy=f"http://{user}127.0.0.1:{proxy.port}")
        async with open_connection(to) as websocket:
            await set_up(websocket, to)
        port = service.url.rpartition(":")[2]
    (asked,) = proxy.requests
    assert asked.startswith(f"CONNECT 127.0.0.1:{port} ".encode())
    assert KEY.encode() not in asked  # it goes through the tunnel
    basic = b64encode(b"user:se/cret")
    assert (b"Proxy-Authorization: Basic " + basic in asked) is bool(user)
    assert {"se/cret", "se%2Fcret"} <= set(to.secrets) or not user


@pytest.mark.parametrize(
    ("status", "action", "words"),
    [(407, "stop", "Correct the proxy's user and password"), (403, "retry", "status 403")],
)
async def test_a_proxy_that_refuses_is_told_without_its_password(
    status: int, action: str, words: str
) -> None:
    refusal = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    async with proxying(refusal) as proxy:
        url = f"http://user:secret@127.0.0.1:{proxy.port}"
        error = await failure(plan("http://service.example", proxy=url))
    assert error.name == "upstream.unreachable"
    assert action_of(error) == action
    assert words in error.message
    assert "secret" not in str(error.to_json())


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "http://user:secret@[x"])
async def test_a_proxy_that_is_not_there_is_told_without_its_password(proxy: str) -> None:
    error = await failure(plan("http://service.example", proxy=proxy))
    assert error.name == "upstream.unreachable"
    assert "secret" not in str(error.to_json())


async def test_no_proxy_is_asked_where_none_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ws_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with running() as service:
        # An address that leads here, and is not known for that.
        to = plan(service.url.replace("127.0.0.1", "0.0.0.0"), proxy="none")
        async with open_connection(to):
            assert len(service.requests) == 1


class Renewed:
    """Credentials that are others at each connection."""

    origin = "test"
    fingerprint = "0" * 16
    is_token = False

    def __init__(self) -> None:
        self.given = 0

    def secrets(self) -> tuple[str, ...]:
        return (f"token-{self.given}",)

    async def authorise(self, *, reuse: bool = False) -> dict[str, str]:
        assert not reuse
        self.given += 1
        return {"Authorization": f"Bearer token-{self.given}"}


async def test_every_connection_is_authorised_anew() -> None:
    async with running() as service:
        to = plan(service.url)._replace(credentials=Renewed())
        for number in (1, 2):
            async with open_connection(to):
                assert to.secrets == (f"token-{number}",)
    sent = [request.headers["Authorization"] for request in service.requests]
    assert sent == ["Bearer token-1", "Bearer token-2"]


async def test_a_setup_of_one_connection_is_sent_as_it_is() -> None:
    async with running() as service:
        to = plan(service.url)
        setup = to.setup_for(instruction="newer")
        async with open_connection(to) as websocket:
            await set_up(websocket, to, setup)
        assert (await service.call()).heard == [{"setup": setup}]


async def test_a_local_service_is_reached_without_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ws_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with running() as service, open_connection(plan(service.url)):
        assert len(service.requests) == 1


# Setting up.


async def test_a_transport_that_cannot_be_aborted_any_more_is_closed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(converse) as service, open_connection(plan(service.url)) as websocket:
        await set_up(websocket, plan(service.url))

        def fails() -> None:
            # As asyncio does where the last bytes went out after the close.
            raise AttributeError("'NoneType' object has no attribute 'call_soon'")

        async def closes() -> None:
            websocket.transport.abort()

        abort = websocket.transport.abort
        monkeypatch.setattr(websocket, "close", closes)
        monkeypatch.setattr(websocket.transport, "abort", fails)
        abort()


async def test_a_burst_that_has_come_is_taken_in_turns_with_everything_else() -> None:
    burst = 40
    ahead = 15  # The library reads at least as many before they are taken.

    async def script(call: Call) -> None:
        await call.set_up()
        for number in range(burst):
            await call.say({"serverContent": {"turnComplete": True}, "n": number})
        await call.websocket.close()

    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with running(script) as service, open_connection(plan(service.url)) as websocket:
        await set_up(websocket, plan(service.url))
        while websocket.came < ahead:
            await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count)
            await anyio.lowlevel.checkpoint()
            before = turns
            for _ in range(ahead):
                await websocket.next()
            assert turns - before >= ahead // 4 - 1
            tasks.cancel_scope.cancel()


async def test_messages_of_any_length_are_written_in_one_go() -> None:
    heard: list[int] = []
    done = anyio.Event()

    async def script(call: Call) -> None:
        await call.set_up()
        heard.extend([len(await call.websocket.recv(decode=True)) for _ in sizes])
        done.set()

    sizes = [2, 125, 126, 65_535, 65_536]
    async with running(script) as service, open_connection(plan(service.url)) as websocket:
        await set_up(websocket, plan(service.url))
        assert websocket.writable
        websocket.write([b" " * size for size in sizes])
        with anyio.fail_after(4):
            await done.wait()
    assert heard == sizes
    assert not websocket.writable


@pytest.mark.parametrize(
    ("code", "reason", "name"),
    [
        (1007, "Invalid JSON payload. Unknown name \"x\" at 'setup'", "upstream.rejected"),
        (1007, "API key not valid. Please pass a valid API key.", "auth.rejected"),
        (1008, "models/x is not found for API version v1beta", "upstream.model_not_found"),
        (1008, "You exceeded your current quota", "upstream.quota"),
        (1011, "Internal error encountered.", "session.setup_failed"),
        (1000, "", "session.setup_failed"),
        (1012, "restart", "upstream.unreachable"),
        (1008, f"Key {KEY} was reported as leaked: api key", "auth.rejected"),
    ],
)
async def test_a_refused_setup_is_told_in_the_servers_own_words(
    code: int, reason: str, name: str
) -> None:
    error = await failure_of(closing(code, reason, set_up=False))
    assert error.name == name
    assert error.data["close_code"] == code
    assert error.data["close_reason"] == reason.replace(KEY, "***")
    assert reason.replace(KEY, "***") in error.message


async def test_a_connection_that_breaks_during_the_setup_counts_as_1006() -> None:
    async def script(call: Call) -> None:
        await call.hear()
        call.websocket.transport.abort()

    error = await failure_of(script)
    assert error.name == "upstream.unreachable"
    assert error.data["close_code"] == 1006


async def test_k5_a_setup_without_an_answer_is_given_up() -> None:
    error = await failure_of(Call.hear_all, setup_s=0.1)
    assert error.name == "session.timeout"
    assert "within 0.1 s" in error.message


@pytest.mark.parametrize("frame", [b"", b"junk", b"[]", b"\xff\xfe", b'{"a":', b"[" * 5000])
async def test_k5_an_answer_that_is_no_message_fails_the_setup(frame: bytes) -> None:
    async def script(call: Call) -> None:
        await call.hear()
        await call.say(frame, binary=True)
        await call.hear_all()

    error = await failure_of(script)
    assert error.name == "session.setup_failed"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 403, "message": f"Key {KEY} may not.", "status": "PERMISSION_DENIED"}},
        {"code": 403, "message": f"Key {KEY} may not."},
    ],
)
async def test_an_error_object_instead_of_a_close_is_told_at_once(body: Json) -> None:
    async def script(call: Call) -> None:
        await call.hear()
        await call.say(body)
        await call.hear_all()

    error = await failure_of(script)
    assert error.name == "upstream.rejected"
    assert 'saying "Key *** may not."' in error.message


async def test_k5_other_messages_before_the_answer_are_passed_over() -> None:
    async def script(call: Call) -> None:
        await call.hear()
        await call.say({"usageMetadata": {"totalTokenCount": 1}})
        await call.say({"somethingNew": {}})
        await call.say(SETUP_COMPLETE, binary=True)
        await call.hear_all()

    async with running(script) as service:
        to = plan(service.url)
        async with open_connection(to) as websocket:
            _, decoded = await set_up(websocket, to)
            assert decoded.message.setup_complete is not None


async def test_an_answer_above_a_mebibyte_is_read() -> None:
    async def script(call: Call) -> None:
        await call.hear()
        await call.say(SETUP_COMPLETE | {"padding": "x" * 3_000_000})
        await call.hear_all()

    async with running(script) as service:
        to = plan(service.url)
        async with open_connection(to) as websocket:
            frame, _ = await set_up(websocket, to)
            assert len(frame) > 3_000_000


def lingering(*frames: bytes, code: int, reason: str) -> Callable[[SocketStream], Awaitable[None]]:
    """Return a service that says the frames, closes, and keeps the TCP connection for ever."""

    async def serve(stream: SocketStream) -> None:
        protocol = ServerProtocol(logger=QUIET)
        async for data in stream:
            protocol.receive_data(data)
            for event in protocol.events_received():
                if isinstance(event, Request):
                    protocol.send_response(protocol.accept(event))
                elif protocol.state is State.OPEN:
                    for frame in frames:
                        protocol.send_text(frame)
                    protocol.send_close(code, reason)
            await stream.send(b"".join(protocol.data_to_send()))

    return serve


async def test_a_close_counts_even_where_the_service_keeps_the_connection() -> None:
    async with tcp_server(lingering(code=1007, reason="Unknown name")) as url:
        error = await failure(plan(url))
    assert error.name == "upstream.rejected"
    assert error.data["close_reason"] == "Unknown name"


async def test_a_close_ends_reading_even_where_the_service_keeps_the_connection() -> None:
    answer = b'{"setupComplete":{}}'
    async with tcp_server(lingering(answer, code=1011, reason="Internal")) as url:
        to = plan(url)
        async with open_connection(to) as websocket:
            await set_up(websocket, to)
            with pytest.raises(ConnectionClosed) as caught, anyio.fail_after(3):
                await websocket.recv()
    assert caught.value.rcvd == Close(1011, "Internal")


# Closing.


async def stuck(call: Call) -> None:
    """Set the session up, then read nothing more, not even a close."""
    await call.set_up()
    call.websocket.transport.pause_reading()
    await call.websocket.wait_closed()


@pytest.mark.parametrize("unsent_bytes", [0, 16 * 2**20])
async def test_closing_is_over_in_time_where_the_service_does_not_read(
    unsent_bytes: int,
) -> None:
    async with running(stuck) as service:
        to = plan(service.url)
        with anyio.fail_after(3):
            async with open_connection(to) as websocket:
                await set_up(websocket, to)
                with anyio.move_on_after(0.2 if unsent_bytes else 0):
                    await websocket.send(bytes(unsent_bytes))
            assert websocket.transport.is_closing()
            with pytest.raises(ConnectionClosed):
                await websocket.recv()


async def test_a_cancelled_user_of_a_connection_closes_it() -> None:
    async with running() as service:
        to = plan(service.url)
        with anyio.move_on_after(5) as scope:
            async with open_connection(to) as websocket:
                await set_up(websocket, to)
                scope.cancel()
                await anyio.sleep_forever()
        call = await service.call()
        await call.until(lambda c: c.closed)
        assert call.websocket.close_code == 1000


CLOSED = [
    (ConnectionClosedError(Close(1007, "no"), Close(1007, "no"), True), 1007, "no"),
    (ConnectionClosedError(Close(1011, "bad"), None), 1011, "bad"),
    (ConnectionClosedError(None, None), 1006, ""),
    # This side closed first: a frame too large, a pong that did not come.
    (ConnectionClosedError(None, Close(1009, "frame too big")), 1009, "frame too big"),
    (ConnectionClosedError(Close(1009, ""), Close(1009, "too big"), False), 1009, "too big"),
    (
        ConnectionClosedError(None, Close(1011, "keepalive ping timeout")),
        1011,
        "keepalive ping timeout",
    ),
]


@pytest.mark.parametrize(("closed", "code", "reason"), CLOSED)
def test_a_close_counts_as_the_side_that_began_it_says(
    closed: ConnectionClosed, code: int, reason: str
) -> None:
    error = close_error(closed, plan("http://127.0.0.1:1"), during_setup=False)
    assert error.data["close_code"] == code
    assert error.data["close_reason"] == reason


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (ServerMessage(), None),
        (ServerMessage(message="a field of no error"), None),
        (ServerMessage(code=13), "nothing more"),
        (ServerMessage(error={}), "nothing more"),
        (ServerMessage(error={"message": 5}), "5"),
        (ServerMessage(error={"message": f"bad {KEY}"}), "bad ***"),
        (ServerMessage(code=13, message="Broken"), "Broken"),
    ],
)
def test_an_error_object_is_told_with_its_own_words(
    message: ServerMessage, said: str | None
) -> None:
    refused = refusal(message, plan("http://127.0.0.1:1"))
    if said is None:
        assert refused is None
    else:
        assert refused is not None
        assert refused.name == "upstream.rejected"
        assert refused.message.endswith(f'saying "{said}".')
