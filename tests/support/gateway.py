"""What stands between daemon and service, mints tokens, and sees all that the service says."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketAttribute, SocketStream

from support.proxy import pump

_MINTS = b"POST "
_HANDLE = re.compile(rb'"newHandle":\s*"([^"]+)"')


class Gateway:
    """Plain HTTP and WebSocket on loopback, passed on as it is to another port."""

    def __init__(self, port: int, behind: int) -> None:
        self.url = f"ws://127.0.0.1:{port}"
        self.tokens: list[str] = []
        """The tokens it has minted."""
        self._behind = behind
        self._said = bytearray()

    @property
    def handles(self) -> set[str]:
        """The resumption handles that the service has given."""
        return {found.decode() for found in _HANDLE.findall(bytes(self._said))}

    async def serve(self, client: SocketStream) -> None:
        """Mint a token, or pass a connection on."""
        async with client:
            head = await client.receive()
            if head.startswith(_MINTS):
                await self._mint(client)
                return
            async with await anyio.connect_tcp("127.0.0.1", self._behind) as service:
                await service.send(head)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(pump, client, service, tasks.cancel_scope)
                    tasks.start_soon(pump, service, client, tasks.cancel_scope, self._said)

    async def _mint(self, client: SocketStream) -> None:
        self.tokens.append(f"auth_tokens/marked-token-{len(self.tokens)}-0123456789")
        body = json.dumps({"name": self.tokens[-1]}).encode()
        await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@asynccontextmanager
async def gateway(behind: int) -> AsyncIterator[Gateway]:
    """Run a gateway before a service on a port of this machine."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    made = Gateway(listener.extra(SocketAttribute.local_port), behind)  # noqa: S610 - not Django's
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, made.serve)
        yield made
        tasks.cancel_scope.cancel()
