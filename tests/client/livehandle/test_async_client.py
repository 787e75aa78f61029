"""The asynchronous client against a scripted daemon, over a real socket, on both event loops."""

import socket
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from livehandle import AsyncClient, AsyncSubscription, LiveHandleError
from livehandle.connection import connect
from support.scripted_daemon import (
    HANG_UP,
    Reply,
    Request,
    event,
    failure,
    in_turn,
    lines,
    result,
    scripted_daemon,
)

pytestmark = pytest.mark.anyio

_S = 10.0
HELLO = result({"version": "1", "instance": "k3f9"})
SUBSCRIBED = result({"subscription": "e1", "cursor": "k3f9:0"})
PHASE = result({"phase": "active"})


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def own(topic: str, **data: Any) -> bytes:
    """Return the line of an event that concerns the connection itself."""
    return event(topic, **data).replace(b'"subscription": "e1", ', b"")


async def next_of(events: AsyncSubscription, count: int) -> list[str]:
    return [(await anext(events)).topic for _ in range(count)]


async def test_open_says_hello_and_methods_return_their_results() -> None:
    script = {"daemon.hello": HELLO, "phase": PHASE, "state.set": result(None)}
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path), client="a test") as live:
            assert live.daemon["version"] == "1"
            assert await live.phase() == {"phase": "active"}
            await live.state_set(key="app:a", value=None)
    assert daemon.sent("daemon.hello") == [{"client": "a test", "max_line_bytes": 2**24}]
    assert daemon.sent("state.set") == [{"key": "app:a", "value": None}]


async def test_calls_of_several_tasks_are_answered_in_any_order() -> None:
    asked = threading.Event()
    late: list[Request] = []
    order: list[object] = []

    def keep(request: Request) -> list[bytes]:
        late.append(request)
        asked.set()
        return []

    def both(request: Request) -> list[bytes]:
        return result({})(request) + result({"reason": "closed"})(late[0])

    script = {"daemon.hello": HELLO, "done": keep, "phase": PHASE, "session": both}
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live, anyio.create_task_group() as tasks:

            async def done() -> None:
                order.append((await live.done())["reason"])

            tasks.start_soon(done)
            await anyio.to_thread.run_sync(asked.wait, _S)
            order.append((await live.phase())["phase"])
            await live.session()
    assert order == ["active", "closed"]


async def test_a_cancelled_call_leaves_the_client_usable() -> None:
    answers = in_turn(lines(), PHASE)
    with scripted_daemon({"daemon.hello": HELLO, "phase": answers}) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            with anyio.move_on_after(0.01) as scope:
                await live.phase()
            assert scope.cancelled_caught
            assert live._wire._pending == {}
            assert await live.phase() == {"phase": "active"}


async def test_a_call_that_is_cancelled_in_the_middle_of_its_line_is_sent_whole() -> None:
    script = {"daemon.hello": HELLO, "send_audio": result(None), "phase": PHASE}
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            with anyio.CancelScope() as scope, anyio.fail_after(10):
                scope.cancel()
                await live.send_audio(data="A" * 1_000_000)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(lambda: live.send_audio(data="A" * 4_000_000))
                    await anyio.lowlevel.checkpoint()
                    scope.cancel()
            assert await live.phase() == {"phase": "active"}


async def test_an_error_in_the_body_comes_out_as_it_is() -> None:
    with scripted_daemon({"daemon.hello": HELLO, "phase": failure("session.ended")}) as daemon:
        with pytest.raises(LiveHandleError) as ended:
            async with AsyncClient.open(str(daemon.path)) as live:
                await live.phase()
        assert ended.value.name == "session.ended"
        with pytest.raises(ZeroDivisionError):
            async with AsyncClient.open(str(daemon.path)):
                _ = 1 / 0


async def test_events_come_to_each_subscription_to_its_end() -> None:
    script = {
        "daemon.hello": HELLO,
        "events": result({"subscription": "e1", "cursor": "k3f9:0"}, event("live.vad_start", 1)),
        "subscribe": result(
            {"subscription": "e2", "cursor": "k3f9:0", "snapshot": {"phase": "active"}}
        ),
        "unsubscribe": result(None),
        "phase": PHASE,
    }
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            events = await live.events(topics=("live.*",))
            raw = await live.subscribe(snapshot=True)
            assert dict(raw.snapshot or {}) == {"phase": "active"}
            assert await next_of(events, 1) == ["live.vad_start"]
            events.close()
            assert [event async for event in events] == []
            await live.phase()
        assert [event async for event in raw] == []
    assert daemon.sent("unsubscribe") == [{"subscription": "e1"}]


async def test_a_subscription_that_is_cancelled_before_its_answer_is_not_taken_up() -> None:
    script = {"daemon.hello": HELLO, "events": lines(), "done": lines(HANG_UP), "phase": PHASE}
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            with anyio.move_on_after(0.01):
                await live.events()
            with pytest.raises(LiveHandleError):
                await live.done()
            await live.phase()
    assert len(daemon.sent("events")) == 1
    assert len(daemon.sent("daemon.hello")) == 2


async def test_a_subscription_that_was_lost_before_its_answer_is_not_taken_up() -> None:
    script = {"daemon.hello": HELLO, "events": lines(HANG_UP), "phase": PHASE}
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            with pytest.raises(LiveHandleError):
                await live.events()
            await live.phase()
    assert len(daemon.sent("events")) == 1


async def test_a_plain_function_that_was_cancelled_before_it_began_is_not_called() -> None:
    seen: list[int] = []
    told = called("c1", a=1) + own("tool.cancel", call_id="c1") + called("c2", a=2)
    answers = Respond(1)
    with scripted_daemon(tool_script(told, **{"tools.respond": answers})) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            await live.register(lambda a: seen.append(a), name="add")
            await live.phase()
            await answers.have_come()
    assert seen == [2]


async def test_a_lost_connection_is_opened_again_and_the_subscription_goes_on() -> None:
    partial = b'{"jsonrpc":"2.0","method":"event","params":{"topic":"li'
    answers = [
        result({"subscription": "e1", "cursor": f"k3f9:{n}"}, event("live.vad_end", n + 1))
        for n in range(2)
    ]
    script = {"daemon.hello": HELLO, "events": in_turn(*answers), "done": lines(partial, HANG_UP)}
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            events = await live.events()
            with pytest.raises(LiveHandleError) as lost:
                await live.done()
            topics = await next_of(events, 4)
    assert lost.value.name == "daemon.unreachable"
    assert topics == ["live.vad_end", "client.disconnected", "client.connected", "live.vad_end"]
    assert daemon.sent("events") == [{}, {"since": "k3f9:1"}]
    assert len(daemon.sent("done")) == 1


async def test_a_daemon_that_stays_away_is_not_waited_for_longer_than_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    greetings = [HELLO]

    def greet_once(request: Request) -> list[bytes]:
        return greetings.pop()(request) if greetings else [HANG_UP]

    script: dict[str, Reply] = {"daemon.hello": greet_once, "done": lines(HANG_UP)}
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            with pytest.raises(LiveHandleError, match="closed the connection"):
                await live.done()
            monkeypatch.setattr("livehandle.async_client.AWAY_S", 0.01)
            with pytest.raises(LiveHandleError) as away:
                await live.phase()
    assert away.value.name == "daemon.unreachable"


FULL = b'{"id":null,"error":{"code":1904,"message":"Full.","data":{"name":"x"}}}\n'


@pytest.mark.parametrize(
    ("hello", "why"),
    [
        (lines(b"HTTP/1.1 400 Bad Request\r\n"), "is not livehandled"),
        (lines(FULL, HANG_UP), "Full"),
        (lines(HANG_UP), "closed the connection"),
        (failure("daemon.stopping", "It stops."), "It stops"),
    ],
)
async def test_a_client_that_is_not_taken_is_told_why(hello: Reply, why: str) -> None:
    with (
        scripted_daemon({"daemon.hello": hello}) as daemon,
        pytest.raises(LiveHandleError, match=why),
    ):
        async with AsyncClient.open(str(daemon.path)):
            pass


async def test_a_daemon_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livehandle.async_client.AWAY_S", 0.01)
    with (
        scripted_daemon({"daemon.hello": lines()}) as daemon,
        pytest.raises(LiveHandleError, match=r"did not answer within 0.01 s"),
    ):
        async with AsyncClient.open(str(daemon.path)):
            pass


async def test_a_daemon_that_is_only_busy_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[str] = []

    def busy_at_first(where: str, timeout: float) -> socket.socket:
        attempts.append(where)
        if len(attempts) == 1:
            raise LiveHandleError("daemon.unreachable", "Busy.") from BlockingIOError()
        return connect(where, timeout)

    monkeypatch.setattr("livehandle.async_client.connect", busy_at_first)
    with scripted_daemon({"daemon.hello": HELLO}) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            assert live.daemon["version"] == "1"
    assert len(attempts) == 2


async def test_no_daemon_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(LiveHandleError, match="livehandled --emulator"):
        async with AsyncClient.open(str(tmp_path / "s")):
            pass


async def test_a_closed_client_says_so() -> None:
    with scripted_daemon({"daemon.hello": HELLO}) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            pass
        with pytest.raises(LiveHandleError, match="This client is closed"):
            await live.phase()


# Functions of the model


def called(call_id: str, **args: object) -> bytes:
    return own("tool.call", call_id=call_id, registration="r1", name="add", args=args)


class Respond:
    """Takes so many answers to calls of the model."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._all = threading.Event()

    def __call__(self, request: Request) -> list[bytes]:
        self._left -= 1
        if not self._left:
            self._all.set()
        return result(None)(request)

    async def have_come(self) -> None:
        await anyio.to_thread.run_sync(self._all.wait, _S)


def tool_script(*told: bytes, **more: Reply) -> dict[str, Reply]:
    return {
        "daemon.hello": HELLO,
        "tools.register": result({"registration": "r1"}),
        "phase": in_turn(result({"phase": "active"}, before=told), PHASE, PHASE),
        "tools.respond": result(None),
        **more,
    }


async def test_calls_of_the_model_run_at_once_in_tasks_of_their_own() -> None:
    released = anyio.Event()

    async def add(a: int, b: int) -> int:
        if a == 1:
            await released.wait()
        else:
            released.set()
        return a + b

    answers = Respond(2)
    calls = (called("c1", a=1, b=2), called("c2", a=2, b=2))
    script = tool_script(*calls, **{"tools.respond": answers})
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            await live.register(add, parameters={"type": "object"}, timeout_ms=500)
            await live.phase()
            await answers.have_come()
    assert {s["call_id"]: s["result"] for s in daemon.sent("tools.respond")} == {"c1": 3, "c2": 4}


async def test_a_handler_that_fails_is_told_to_the_model() -> None:
    def add(a: int, b: int) -> int:
        raise ValueError("too large")

    answers = Respond(1)
    script = tool_script(called("c1", a=1, b=2), **{"tools.respond": answers})
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            await live.register(add)
            await live.phase()
            await answers.have_come()
    assert daemon.sent("tools.respond") == [{"call_id": "c1", "error": "too large"}]


async def test_a_call_that_is_not_wanted_any_more_is_cancelled_and_not_answered() -> None:
    began, ended = anyio.Event(), anyio.Event()

    async def add(a: int, b: int) -> int:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return a + b

    cancel = own("tool.cancel", call_id="c1", reason="cancelled")
    early = called("c2", a=2, b=2) + own("tool.cancel", call_id="c2", reason="cancelled")
    script = tool_script(called("c1", a=1, b=2), session=result({}, before=(cancel, early)))
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            await live.register(add)
            await live.phase()
            await began.wait()
            await live.session()
            await ended.wait()
            await live.phase()
    assert daemon.sent("tools.respond") == []


async def test_a_function_is_carried_out_until_it_is_unregistered() -> None:
    script = tool_script(**{"tools.unregister": result({"declared": "now"})})
    with scripted_daemon(script) as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            await live.register(print)
            await live.unregister("print")
            with pytest.raises(LiveHandleError, match="does not carry out print"):
                await live.unregister("print")
    assert daemon.sent("tools.unregister") == [{"registration": "r1"}]
