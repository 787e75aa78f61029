"""What a server's end of a WebSocket does below the messages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from livehandle_emulator.server_socket import Socket

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Socket, ClientConnection]]:
    """Give both ends of a connection that echoes."""
    ends: list[Socket] = []
    opened = anyio.Event()

    async def converse(connection: ServerConnection) -> None:
        ends.append(cast(Socket, connection))
        opened.set()
        async for message in connection:
            await connection.send(message)

    async with (
        serve(converse, "127.0.0.1", 0, create_connection=Socket, ping_interval=60) as server,
        connect(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}") as client,
    ):
        await opened.wait()
        yield ends[0], client
        ends[0].transport.abort()


async def test_a_silent_socket_keeps_what_it_has_to_say() -> None:
    async with pair() as (ours, client):
        ours.silence()
        await client.send("one")
        await client.send("two")
        await ours.send("said meanwhile")
        assert ours.silent
        ours.speak()
        assert sorted([str(await client.recv()) for _ in range(3)]) == [
            *("one", "said meanwhile", "two"),
        ]
        assert not ours.silent


async def test_a_deaf_socket_hears_later_what_was_said_meanwhile() -> None:
    async with pair() as (ours, client):
        ours.silence(deaf=True)
        await client.send("one")
        ours.speak()
        ours.speak()  # once more does nothing
        assert await client.recv() == "one"


async def test_what_was_under_way_to_a_deaf_socket_is_heard_in_order() -> None:
    async with pair() as (ours, client):
        ours.silence(deaf=True)
        masked = bytes([0x81, 0x83, 0, 0, 0, 0]) + b"abc"  # a text frame with a mask of zeros
        ours.data_received(masked[:4])
        ours.data_received(masked[4:])
        ours.speak()
        assert await client.recv() == "abc"


async def test_nobody_is_given_up_while_silent() -> None:
    async with pair() as (ours, _):
        keepalive = ours.keepalive_task
        assert keepalive is not None
        ours.silence()
        assert ours.keepalive_task is None
        ours.speak()
        assert ours.keepalive_task not in (None, keepalive)


async def test_a_reset_is_no_close() -> None:
    async with pair() as (ours, client):
        ours.reset()
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1006


async def test_a_slow_message_is_whole_and_pongs_stand_behind_it() -> None:
    async with pair() as (ours, client), anyio.create_task_group() as tasks:
        tasks.start_soon(slowly, ours)
        pong = await client.ping()
        assert await client.recv() == "x" * 500
        await pong
        ours.reset()


async def slowly(socket: Socket) -> None:
    await socket.send_slowly(b"x" * 500, text=True, bytes_per_s=5000)
