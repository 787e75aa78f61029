"""Accepting, admitting and letting go, on a real socket in one loop."""

import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import Params
from livehandled.config.schema import Control, Limits
from livehandled.control import listener, server
from livehandled.control import peer as peer_module
from livehandled.control.credentials import Credentials
from livehandled.control.dispatch import Dispatcher
from livehandled.control.peer import Peer
from livehandled.control.server import ControlServer
from livehandled.log import line
from support.control import WAIT_S, LoopClient, handlers_with, new_hub
from support.daemon import private_directory
from support.wire import request

pytestmark = pytest.mark.anyio


class Served:
    """A control server that runs."""

    def __init__(self, bound: socket.socket, path: Path, control: Control) -> None:
        self.path = path
        self.waits = anyio.Event()
        self.over = anyio.Event()
        self.gone: list[Peer] = []
        self.server = ControlServer(
            bound,
            dispatcher=Dispatcher(handlers_with({"done": self._done})),
            hub=new_hub(),
            control=control,
            limits=Limits(),
            left=self.gone.append,
        )

    async def run(self) -> None:
        await self.server.run()
        self.over.set()

    def connect(self) -> LoopClient:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.path))
        connection.setblocking(False)
        return LoopClient(connection)

    async def ended(self) -> None:
        with anyio.fail_after(WAIT_S):
            await self.over.wait()

    async def until_clients(self, count: int) -> None:
        with anyio.fail_after(WAIT_S):
            while len(self.server.peers) != count:
                await anyio.lowlevel.checkpoint()

    def _done(self, _peer: Peer, _params: Params) -> Awaitable[object]:
        async def wait() -> None:
            self.waits.set()
            await anyio.sleep_forever()

        return wait()


@asynccontextmanager
async def serving(**control: Any) -> AsyncIterator[Served]:
    with private_directory() as directory:
        path = directory / "s"
        with listener.bind(path, mode=0o600, group="") as bound:
            it = Served(bound, path, Control(**control))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(it.run)
                yield it
                tasks.cancel_scope.cancel()


async def test_many_clients_are_served_each_on_its_own() -> None:
    async with serving() as it:
        clients = [it.connect() for _ in range(20)]
        for i, client in enumerate(clients):
            await client.send(request("phase", i))
        for i, client in enumerate(clients):
            assert (await client.read())["id"] == i
        assert len(it.server.peers) == 20
        for client in clients:
            client.connection.close()
        await it.until_clients(0)


async def test_a_fault_in_one_connection_is_logged_and_costs_no_other_client(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_peer: Peer, _line: bytes) -> None:
        raise ZeroDivisionError("a fault of ours")

    async with serving() as it:
        other = it.connect()
        await other.send(request("phase", 1))
        assert (await other.read())["id"] == 1
        monkeypatch.setattr(Peer, "_take", fails)
        unlucky = it.connect()
        await unlucky.send(request("phase", 2))
        assert await unlucky.rest() == []
        await it.until_clients(1)
        monkeypatch.undo()
        await other.send(request("phase", 3))
        assert (await other.read())["id"] == 3
        for client in (other, unlucky):
            client.connection.close()
    assert "a fault of ours" in caplog.text


def nobody(_connection: socket.socket) -> Credentials:
    return Credentials(pid=1, uid=64_001, gid=64_001)


async def test_another_user_is_refused_before_a_byte_is_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "credentials_of", nobody)
    async with serving() as it:
        client = it.connect()
        await client.send(b"nonsense\n" + request("phase"))
        answer = await client.read()
        assert answer["id"] is None
        assert answer["error"]["data"]["name"] == "daemon.forbidden"
        assert "64001" in answer["error"]["message"]
        with pytest.raises(ConnectionResetError):  # what it wrote was never read
            await client.line()
        client.connection.close()
        assert not it.server.peers


async def test_refusals_do_not_fill_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", server.__name__)
    monkeypatch.setattr(server, "_MOST_REFUSED", 2)
    async with serving() as it:
        for uid in (64_001, 64_001, 64_002, 64_001, 64_002, 64_003, 64_003):
            who = Credentials(pid=1, uid=uid, gid=uid)
            monkeypatch.setattr(server, "credentials_of", lambda _connection, who=who: who)
            client = it.connect()
            assert (await client.read())["error"]["data"]["name"] == "daemon.forbidden"
            client.connection.close()
        assert len(it.server._refused) == 2
    said = [(r.levelname, line(r)) for r in caplog.records if r.getMessage() == "client refused"]
    assert said == [
        (level, f"client refused uid={uid} pid=1 error=daemon.forbidden")
        for level, uid in [
            ("WARNING", 64_001),
            ("DEBUG", 64_001),
            ("WARNING", 64_002),
            ("DEBUG", 64_001),
            ("DEBUG", 64_002),
            ("DEBUG", 64_003),
            ("DEBUG", 64_003),
        ]
    ]


async def test_a_listed_user_is_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "credentials_of", nobody)
    async with serving(uids=(64_001,)) as it:
        client = it.connect()
        assert (await client.ask(request("phase")))["id"] == 1
        client.connection.close()


async def test_clients_are_bounded_and_their_places_are_given_back() -> None:
    async with serving(max_clients=2) as it:
        first, second, third = it.connect(), it.connect(), it.connect()
        answer = await third.read()
        assert answer["error"]["data"]["name"] == "daemon.too_many_clients"
        assert answer["error"]["message"].startswith("2 clients are connected")
        assert await third.line() == b""
        assert (await second.ask(request("phase")))["id"] == 1
        first.connection.close()
        await it.until_clients(1)
        fourth = it.connect()
        assert (await fourth.ask(request("phase")))["id"] == 1
        for client in (second, third, fourth):
            client.connection.close()


async def test_one_user_is_bounded_and_others_are_served_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(max_clients_per_uid=2, uids=(64_001,)) as it:
        with monkeypatch.context() as patch:
            patch.setattr(server, "credentials_of", nobody)
            clients = [it.connect() for _ in range(3)]
            answer = await clients[2].read()
        assert answer["id"] is None
        assert answer["error"]["data"]["name"] == "daemon.too_many_clients"
        said = (
            "User 64001 has 2 clients connected: close one, or raise control.max_clients_per_uid."
        )
        assert answer["error"]["message"] == said
        assert await clients[2].line() == b""
        said = "client refused uid=64001 pid=1 error=daemon.too_many_clients"
        assert said in [line(record) for record in caplog.records]
        own = it.connect()
        assert (await own.ask(request("phase")))["id"] == 1
        for client in (*clients, own):
            client.connection.close()
        await it.until_clients(0)


async def test_a_place_of_a_user_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(max_clients_per_uid=1) as it:
        for _ in range(3):
            client = it.connect()
            assert (await client.ask(request("phase")))["id"] == 1
            client.connection.close()
            await it.until_clients(0)
        assert not it.server._of_uid


async def test_a_limit_of_all_clients_below_that_of_one_user_holds_too() -> None:
    async with serving(max_clients=1, max_clients_per_uid=2) as it:
        first, second = it.connect(), it.connect()
        answer = await second.read()
        assert answer["error"]["message"].startswith("1 clients are connected")
        for client in (first, second):
            client.connection.close()


async def test_each_connection_is_logged_with_its_process_its_user_and_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with serving() as it:
        for number in (1, 2):
            client = it.connect()
            await client.ask(request("phase"))
            (peer,) = it.server.peers
            assert peer.id == f"c{number}"
            assert peer.who == (os.getpid(), os.geteuid(), os.getegid())
            for name in (f"name {number}\n2026 INFO forged\u202e", "another"):
                peer.introduce(name)
                assert peer.client == name
            client.connection.close()
            await it.until_clients(0)
    who = f"uid={os.geteuid()} pid={os.getpid()}"
    assert [line(record) for record in caplog.records] == [
        told
        for number in (1, 2)
        for told in (
            f"client connected client=c{number} {who}",
            rf'client named client=c{number} name="name {number}\n2026 INFO forged\u202e"',
            f"client named client=c{number} name=another",
            f"client gone client=c{number} {who} name=another",
        )
    ]


async def test_a_group_that_does_not_exist_is_refused_at_the_start() -> None:
    with pytest.raises(LiveHandleError, match="no-such-group"):
        async with serving(group="no-such-group"):
            pass


async def test_a_refused_client_that_has_gone_already_hurts_nobody() -> None:
    async with serving(max_clients=1) as it:
        first = it.connect()
        assert await first.ask(request("phase"))
        it.connect().connection.close()
        second = it.connect()
        assert (await second.read())["error"]["data"]["name"] == "daemon.too_many_clients"
        first.connection.close()
        second.connection.close()


async def test_a_client_that_cannot_be_accepted_is_accepted_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_ACCEPT_PAUSE_S", 0)
    failures = [
        OSError(errno.EMFILE, "Too many open files"),
        ConnectionAbortedError(),
        BlockingIOError(),
    ]

    class Listener(socket.socket):
        def accept(self) -> tuple[socket.socket, Any]:
            if failures:
                raise failures.pop(0)
            return super().accept()

    async with serving() as it:
        bound = it.server._listener
        with Listener(bound.family, bound.type, fileno=socket.dup(bound.fileno())) as failing:
            it.server._listener = failing
            client = it.connect()
            assert (await client.ask(request("phase")))["id"] == 1
            client.connection.close()
            await it.until_clients(0)
            it.server.close()
            await it.ended()
    assert "cannot accept a client: Too many open files" in caplog.messages


async def test_while_stopping_nobody_is_accepted_and_new_calls_are_refused() -> None:
    async with serving() as it:
        client = it.connect()
        await client.send(request("done", 1))
        await it.waits.wait()
        it.server.refuse_calls()
        late = it.connect()
        answer = await client.ask(request("phase", 2))
        assert answer["error"]["data"]["name"] == "daemon.stopping"
        assert len(it.server.peers) == 1
        it.server.close()
        (last,) = await client.rest()
        assert (last["id"], last["error"]["data"]["name"]) == (1, "daemon.stopping")
        client.connection.close()
        late.connection.close()
        await it.ended()


@pytest.mark.parametrize("steps", range(8))
async def test_a_client_that_connects_while_the_server_closes_does_not_hold_it_up(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_module, "_GOODBYE_S", 0.05)
    async with serving() as it:
        client = it.connect()
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        it.server.close()
        await it.ended()
        client.connection.close()


async def test_a_server_without_clients_closes_at_once() -> None:
    async with serving() as it:
        it.server.close()
        await it.ended()
