"""Resuming over real sockets: when the old connection counts as closed."""

import json

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from livehandle_emulator.scenario import Scenario
from livehandle_emulator.service import Service
from support.emulator import FAST, GEMINI_PATH, serving
from support.live_session import HALF_CASCADE, TEXT

pytestmark = pytest.mark.anyio


def link(port: int) -> connect:
    url = f"ws://127.0.0.1:{port}{GEMINI_PATH}?key=k"
    return connect(url, proxy=None)


async def set_up(websocket: ClientConnection, handle: str | None) -> None:
    resumption = {"handle": handle} if handle else {}
    setup = {"model": HALF_CASCADE, "generationConfig": TEXT, "sessionResumption": resumption}
    await websocket.send(json.dumps({"setup": setup}))
    assert "setupComplete" in json.loads(await websocket.recv())


async def asked(websocket: ClientConnection, text: str) -> str:
    """Ask, and return the handle that comes after the answer."""
    turn = {"role": "user", "parts": [{"text": text}]}
    content = {"turns": [turn], "turnComplete": True}
    await websocket.send(json.dumps({"clientContent": content}))
    while True:
        update = json.loads(await websocket.recv()).get("sessionResumptionUpdate", {})
        if "newHandle" in update:
            return str(update["newHandle"])


@pytest.mark.parametrize("aborts", [False, True])
async def test_one_session_goes_on_over_many_connections(aborts: bool) -> None:
    service = Service(Scenario(timing=FAST))
    handle = None
    async with serving(service=service) as port:
        for i in range(10):
            async with link(port) as websocket:
                await set_up(websocket, handle)
                handle = await asked(websocket, f"t{i}")
                if aborts:
                    websocket.transport.abort()
    (session,) = service.sessions()
    history = session["history"]
    assert isinstance(history, list)
    assert [e["text"] for e in history if e["kind"] == "typed"] == [f"t{i}" for i in range(10)]
    assert session["connections"] == list(range(1, 11))
    assert session["open"] is False


async def test_a_resume_beside_the_open_connection_is_refused_and_disturbs_nobody() -> None:
    async with serving() as port, link(port) as first:
        await set_up(first, None)
        handle = await asked(first, "one")
        async with link(port) as second:
            with pytest.raises(ConnectionClosed) as closed:
                await set_up(second, handle)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
            1011,
            "Internal error encountered.",
        )
        await asked(first, "two")
