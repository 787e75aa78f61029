"""A proxy on loopback that tunnels by CONNECT."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, SocketAttribute, SocketStream


class Proxy:
    """What a test knows of the proxy."""

    def __init__(self, port: int, refusal: bytes) -> None:
        self.port = port
        self.requests: list[bytes] = []
        """The heads of all requests that came."""
        self._refusal = refusal

    async def serve(self, client: SocketStream) -> None:
        async with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await client.receive()
            self.requests.append(head)
            if self._refusal:
                await client.send(self._refusal)
                return
            host, _, port = head.split()[1].decode().rpartition(":")
            async with await anyio.connect_tcp(host, int(port)) as service:
                await client.send(b"HTTP/1.1 200 OK\r\n\r\n")
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(pump, client, service, tasks.cancel_scope)
                    tasks.start_soon(pump, service, client, tasks.cancel_scope)


async def pump(
    source: ByteReceiveStream,
    target: ByteSendStream,
    both: anyio.CancelScope,
    kept: bytearray | None = None,
) -> None:
    """Pass on what comes, and keep it too; the end of either side is that of both."""
    try:
        async for data in source:
            if kept is not None:
                kept += data
            await target.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # either side may end it
    both.cancel()


@asynccontextmanager
async def proxying(refusal: bytes = b"") -> AsyncIterator[Proxy]:
    """Run a proxy, which tunnels, or answers every request with the refusal."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    proxy = Proxy(listener.extra(SocketAttribute.local_port), refusal)  # noqa: S610 - not Django's
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, proxy.serve)
        yield proxy
        tasks.cancel_scope.cancel()
