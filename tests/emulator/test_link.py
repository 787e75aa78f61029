"""A connection and what goes wrong with it: over real sockets, as a client sees it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from livehandle_emulator.link import MOST_UNSENT, QUOTA, Link
from livehandle_emulator.scenario import Scenario
from livehandle_emulator.service import Service
from livehandle_proto.faults import Fault, FaultMoment, FaultTiming
from support.emulator import FAST, GEMINI_PATH, VERTEX_PATH, serving
from support.live_session import (
    HALF_CASCADE,
    TEXT,
    VERTEX_HALF_CASCADE,
    Client,
    Json,
    kinds,
    text_of,
)

pytestmark = pytest.mark.anyio

KEY = {"x-goog-api-key": "k"}
SHORT_S = 0.1
"""Long enough for what should not come to come."""


def typed(text: str) -> str:
    turn = {"role": "user", "parts": [{"text": text}]}
    return json.dumps({"clientContent": {"turns": [turn], "turnComplete": True}})


def setup(**fields: object) -> str:
    return json.dumps({"setup": {"model": HALF_CASCADE, "generationConfig": TEXT, **fields}})


class Talk:
    """An emulator, and a client of it."""

    def __init__(self, service: Service, port: int, told: list[Json]) -> None:
        self.service = service
        self.told = told
        """The journal."""
        self._port = port

    def link(self, path: str = GEMINI_PATH, **extra: Any) -> connect:
        url = f"ws://127.0.0.1:{self._port}{path}"
        return connect(url, additional_headers=KEY, proxy=None, max_size=None, **extra)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[ClientConnection]:
        async with self.link() as websocket:
            await websocket.send(setup())
            assert "setupComplete" in json.loads(await websocket.recv())
            yield websocket

    def fault(self, **fields: Any) -> None:
        self.service.faults.add(Fault(**fields))


@asynccontextmanager
async def talk(*faults: Fault) -> AsyncIterator[Talk]:
    told: list[Json] = []
    service = Service(Scenario(timing=FAST, fault=list(faults)), told.append)
    async with serving(service=service) as port:
        yield Talk(service, port, told)


async def rest(websocket: ClientConnection) -> tuple[list[Json], int, str]:
    """Return every message until the connection ends, and how it ended."""
    came: list[Json] = []
    with suppress(ConnectionClosed):
        while True:
            came.append(json.loads(await websocket.recv()))
    assert websocket.close_code is not None
    return came, websocket.close_code, websocket.close_reason or ""


async def until(websocket: ClientConnection, kind: str) -> list[Json]:
    came: list[Json] = []
    while kind not in kinds(came):
        came.append(json.loads(await websocket.recv()))
    return came


async def nothing_comes(websocket: ClientConnection) -> None:
    with anyio.move_on_after(SHORT_S) as waited:
        await websocket.recv()
    assert waited.cancelled_caught


@pytest.mark.parametrize("code", [1000, 1001, 1007, 1008, 1011, 1012, 1013, 4000])
async def test_a_connection_is_closed_with_any_code(code: int) -> None:
    async with talk() as it, it.session() as websocket:
        it.fault(do="close", code=code, reason="because")
        assert await rest(websocket) == ([], code, "because")


@pytest.mark.parametrize(
    ("at", "when", "came"),
    [
        ("setup", "before", []),
        ("setup", "instead", []),
        ("setup", "after", ["setupComplete"]),
        ("setup_complete", "before", []),
        ("setup_complete", "instead", []),
        ("setup_complete", "after", ["setupComplete"]),
        ("upgrade", "after", []),
        ("client_content", "before", ["setupComplete"]),
        ("model_turn", "before", ["setupComplete"]),
        ("model_turn", "after", ["setupComplete", "text"]),
        ("generation_complete", "instead", ["setupComplete", "text"]),
        ("turn_complete", "before", ["setupComplete", "text", "generationComplete"]),
        ("turn_complete", "after", ["setupComplete", "text", "generationComplete", "turnComplete"]),
    ],
)
async def test_a_close_has_its_place_among_the_messages(
    at: FaultMoment, when: FaultTiming, came: list[str]
) -> None:
    async with talk(Fault(do="close", at=at, when=when)) as it, it.link() as websocket:
        with suppress(ConnectionClosed):
            await websocket.send(setup())
            await websocket.send(typed("hi"))
        messages, code, _ = await rest(websocket)
        assert code == 1011
        assert list(dict.fromkeys(kinds(messages))) == came


async def test_a_long_reason_is_cut() -> None:
    async with talk() as it, it.session() as websocket:
        it.fault(do="close", reason="é" * 200)
        assert await rest(websocket) == ([], 1011, "é" * 61)


@pytest.mark.parametrize("fault", [Fault(do="abort"), Fault(do="abort", after_ms=20)])
async def test_an_abort_is_a_1006(fault: Fault) -> None:
    async with talk() as it, it.session() as websocket:
        it.service.faults.add(fault)
        assert await rest(websocket) == ([], 1006, "")


async def test_a_quota_is_told_in_the_words_of_the_service() -> None:
    async with talk(Fault(do="quota", at="setup", when="instead")) as it, it.link() as websocket:
        await websocket.send(setup())
        assert await rest(websocket) == ([], 1011, QUOTA)


@pytest.mark.parametrize(
    ("left", "told"), [(5000, {"timeLeft": "5s"}), (1500, {"timeLeft": "1.5s"}), (None, {})]
)
async def test_a_go_away_comes_in_its_place_and_can_be_a_moment(
    left: int | None, told: Json
) -> None:
    go_away = Fault(do="go_away", time_left_ms=left, at="generation_complete", when="before")
    close = Fault(do="close", at="go_away", code=1001)
    async with talk(go_away, close) as it, it.session() as websocket:
        await websocket.send(typed("hi"))
        messages, code, _ = await rest(websocket)
        assert (messages[-1], code) == ({"goAway": told}, 1001)
        assert kinds(messages[:-1]) == ["text"]


async def test_a_go_away_now_ends_the_connection_when_its_time_is_over() -> None:
    async with talk() as it, it.session() as websocket:
        it.fault(do="go_away", time_left_ms=50)
        messages, code, _ = await rest(websocket)
        assert (messages, code) == ([{"goAway": {"timeLeft": "0.05s"}}], 1008)


async def test_a_stall_ends_by_itself() -> None:
    stall = Fault(do="stall", at="setup_complete", when="before", for_ms=20, pings=False)
    async with talk(stall) as it, it.session() as websocket:
        await websocket.send(typed("hi"))
        assert text_of(await until(websocket, "turnComplete")) == "You typed: hi"


@pytest.mark.parametrize(
    ("fault", "pongs"),
    [
        (Fault(do="stall"), True),
        (Fault(do="stall", pings=False), False),
        (Fault(do="half_open"), False),
    ],
)
async def test_what_stalls_for_good_goes_on_when_faults_are_cleared(
    fault: Fault, pongs: bool
) -> None:
    async with talk() as it, it.session() as websocket:
        it.service.faults.add(fault)
        pong = await websocket.ping()
        await websocket.send(typed("hi"))
        await nothing_comes(websocket)
        if pongs:
            await pong
        assert asyncio.ensure_future(pong).done() is pongs
        it.service.faults.clear()
        assert text_of(await until(websocket, "turnComplete")) == "You typed: hi"
        await pong


@pytest.mark.parametrize("do", ["stall", "half_open"])
async def test_a_stalled_connection_can_be_ended(do: Any) -> None:
    async with talk() as it, it.session() as websocket:
        it.fault(do=do)
        await websocket.send(typed("hi"))
        it.fault(do="close", code=1012)
        assert (await rest(websocket))[1] == 1012
    async with talk() as it, it.session() as websocket:
        it.fault(do=do, for_ms=50)
        it.fault(do="abort")
        assert (await rest(websocket))[1] == 1006


@pytest.mark.parametrize("do", ["stall", "half_open"])
async def test_the_emulator_stops_although_a_connection_stalls(do: Any) -> None:
    async with talk() as it:
        websocket = await it.link()
        await websocket.send(setup())
        await websocket.recv()
        it.fault(do=do, **({"pings": False} if do == "stall" else {}))
    assert (await rest(websocket))[1] == 1006


async def test_a_client_that_goes_ends_a_stall() -> None:
    async with talk(Fault(do="stall", at="setup", when="before")) as it:
        async with it.link() as websocket:
            await websocket.send(setup())
        while it.told[-1]["what"] != "close":
            await anyio.lowlevel.checkpoint()
        async with it.session():
            pass


async def test_slow_messages_come_whole_with_pongs_between_them() -> None:
    slow = Fault(do="slow", at="upgrade", bytes_per_s=3000)
    async with talk(slow) as it, it.session() as websocket:
        pong = await websocket.ping()
        await websocket.send(typed("hi"))
        assert text_of(await until(websocket, "turnComplete")) == "You typed: hi"
        await pong


async def test_a_slow_message_can_be_cut_off() -> None:
    async with talk() as it, it.session() as websocket:
        it.fault(do="slow", bytes_per_s=10)
        await websocket.send(typed("hi"))
        it.fault(do="abort", after_ms=20)
        assert await rest(websocket) == ([], 1006, "")


@pytest.mark.parametrize("path", [GEMINI_PATH, VERTEX_PATH])
async def test_messages_come_in_fragments(path: str) -> None:
    fragments = Fault(do="fragment", at="upgrade", bytes=7)
    async with talk(fragments) as it, it.link(path) as websocket:
        vertex = path == VERTEX_PATH
        await websocket.send(setup(model=VERTEX_HALF_CASCADE) if vertex else setup())
        frames = [frame async for frame in websocket.recv_streaming()]
        assert all(len(frame) <= 7 for frame in frames)
        joined = b"".join(f if isinstance(f, bytes) else f.encode() for f in frames)
        assert "setupComplete" in json.loads(joined)


async def test_an_oversized_message_is_valid() -> None:
    async with talk() as it, it.session() as websocket:
        it.fault(do="oversize", bytes=2_000_000)
        frame = await websocket.recv()
        assert (len(frame), json.loads(frame)) == (2_000_000, {"serverContent": {}})
        it.fault(do="oversize", bytes=90_000, at="turn_complete", when="instead")
        await websocket.send(typed("hi"))
        while "turnComplete" not in (frame := str(await websocket.recv())):
            assert len(frame) < 90_000
        assert len(frame) == 90_000


async def test_garbage_is_no_json() -> None:
    async with talk() as it, it.session() as websocket:
        it.fault(do="garbage")
        with pytest.raises(json.JSONDecodeError):
            json.loads(await websocket.recv())
        await websocket.send(typed("hi"))
        assert text_of(await until(websocket, "turnComplete")) == "You typed: hi"


async def test_dropped_messages_never_come_or_are_never_heard() -> None:
    one = Fault(do="drop_message", at="client_content")
    two = Fault(do="drop_message", at="generation_complete")
    async with talk(one, two) as it, it.session() as websocket:
        await websocket.send(typed("lost"))
        await websocket.send(typed("heard"))
        came = await until(websocket, "turnComplete")
        assert text_of(came) == "You typed: heard"
        assert "generationComplete" not in kinds(came)
    assert [entry["text"] for entry in it.service.sessions()[0]["history"]] == [  # type: ignore[attr-defined]  # a list of entries
        *("heard", "You typed: heard"),
    ]


async def test_pongs_can_be_late() -> None:
    async with talk() as it, it.session() as websocket:
        it.fault(do="delay_pong", by_ms=20)
        await (await websocket.ping())
        it.fault(do="delay_pong", by_ms=60_000)
        pong = await websocket.ping()
        await websocket.send(typed("hi"))
        await until(websocket, "turnComplete")
        assert not asyncio.ensure_future(pong).done()


async def test_forgotten_handles_are_unknown() -> None:
    async with talk(Fault(do="forget", at="turn_complete")) as it:
        async with it.link() as websocket:
            await websocket.send(setup(sessionResumption={}))
            await websocket.send(typed("hi"))
            await until(websocket, "turnComplete")
        assert {"what": "fault", "do": "forget"}.items() <= next(
            entry for entry in it.told if entry["what"] == "fault"
        ).items()


async def test_what_is_later_comes_later() -> None:
    fault = Fault(do="close", at="turn_complete", when="before", after_ms=30)
    async with talk(fault) as it, it.session() as websocket:
        await websocket.send(typed("hi"))
        assert text_of(await until(websocket, "turnComplete")) == "You typed: hi"
        assert (await rest(websocket))[1] == 1011


async def test_the_journal_tells_faults_and_what_they_swallow() -> None:
    fault = Fault(do="garbage", at="turn_complete", when="instead")
    async with talk(fault) as it, it.session() as websocket:
        await websocket.send(typed("hi"))
        with pytest.raises(json.JSONDecodeError):
            await until(websocket, "turnComplete")
        told = [entry for entry in it.told if entry["what"] in ("fault", "swallowed")]
        assert [{**entry, "t": 0} for entry in told] == [
            {"t": 0, "connection": 1, "what": "swallowed", "kinds": ["turn_complete", "usage"]},
            {"t": 0, "connection": 1, "what": "fault", "do": "garbage", "at": "turn_complete"},
        ]


async def test_an_upgrade_is_refused_as_often_as_it_should_be() -> None:
    async with talk(Fault(do="refuse", times=2, status=502, body="no")) as it:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as caught:
                await it.link()
            assert caught.value.response.status_code == 502
            assert caught.value.response.body == b"no"
        async with it.session():
            assert it.service.sessions()[0]["connections"] == [1]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(do="quota", at="upgrade"), 429),
        (Fault(do="refuse", status=499), 499),
        (Fault(do="refuse", after_ms=20), 503),
    ],
)
async def test_an_upgrade_is_answered_by_a_status(fault: Fault, status: int) -> None:
    async with talk(fault) as it:
        with pytest.raises(InvalidStatus) as caught:
            await it.link()
        assert caught.value.response.status_code == status


async def test_an_upgrade_can_be_cut_off_or_left_alone() -> None:
    abort = Fault(do="abort", at="upgrade", when="instead")
    stall = Fault(do="stall", at="upgrade", when="before")
    async with talk(abort, stall) as it:
        with pytest.raises((OSError, EOFError, InvalidMessage)):
            await it.link()
        it.fault(do="stall", at="upgrade", when="before")
        with pytest.raises(TimeoutError):
            await it.link(open_timeout=SHORT_S)


async def test_an_upgrade_can_be_late() -> None:
    stall = Fault(do="stall", at="upgrade", when="before", for_ms=20)
    async with talk(stall) as it, it.session():
        pass


async def test_a_fault_can_be_for_the_second_connection_alone() -> None:
    fault = Fault(do="close", at="turn_complete", connection=2, times=0)
    async with talk(fault) as it:
        for closed in (False, True, False):
            async with it.session() as websocket:
                await websocket.send(typed("hi"))
                await until(websocket, "turnComplete")
                if closed:
                    assert (await rest(websocket))[1] == 1011
                else:
                    await websocket.send(typed("hi"))
                    await until(websocket, "turnComplete")


class Stuck:
    """A socket whose client sends without end and reads nothing until told to."""

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.reads = anyio.Event()

    async def recv(self, **_: object) -> bytes:
        await anyio.lowlevel.checkpoint()
        self.received += 1
        return (setup() if self.received == 1 else typed("again")).encode()

    async def send(self, *_: object, **__: object) -> None:
        await self.reads.wait()
        self.sent += 1

    def took(self, **_: object) -> list[bytes]:
        return []


async def test_a_client_that_does_not_read_is_not_read_from_without_end() -> None:
    socket = Stuck()
    client = Client(scenario=Scenario(timing=FAST))
    link = Link(socket, client.session, client.service, 1, binary=False)  # type: ignore[arg-type]  # all that it uses
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.read)
        tasks.start_soon(link.write)
        await anyio.wait_all_tasks_blocked()
        assert 10 < socket.received < MOST_UNSENT + 50
        stopped_at = socket.received
        socket.reads.set()
        while socket.received == stopped_at:
            await anyio.lowlevel.checkpoint()
        assert socket.sent > MOST_UNSENT
        tasks.cancel_scope.cancel()
