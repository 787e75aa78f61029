"""A recording over sockets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from livehandle_emulator import replay_server
from livehandle_emulator.replay_server import load, serve
from livehandle_proto.errors import LiveHandleError
from support.emulator import GEMINI_PATH, VERTEX_PATH

pytestmark = pytest.mark.anyio

SETUP = '{"setup":{"model":"m"}}'
HEADER = '{"livehandle_recording":1}'
FIRST = [
    '{"ms":0,"what":"open"}',
    f'{{"ms":1,"what":"out","frame":{SETUP}}}',
    '{"ms":2,"what":"in","frame":{"setupComplete":{}}}',
]


def file_of(directory: Path, *lines: str) -> Path:
    path = directory / "wire.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@asynccontextmanager
async def playing(path: Path) -> AsyncIterator[str]:
    async with anyio.create_task_group() as tasks:
        port: int = await tasks.start(partial(serve, load(path), speed=0))
        yield f"ws://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


async def end_of(client: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    received = closed.value.rcvd
    return (received.code, received.reason) if received else (1006, "")


async def test_each_client_gets_the_next_connection(tmp_path: Path) -> None:
    ends = ['{"ms":3,"what":"close","by":"service","code":1011,"reason":"over"}']
    lost = ['{"ms":3,"what":"close","by":"network"}']
    left = ['{"ms":3,"what":"close","by":"daemon"}']
    path = file_of(tmp_path, HEADER, *FIRST, *ends, *FIRST, *lost, *FIRST, *left)
    expected = [(1011, "over"), (1006, ""), None]
    async with playing(path.parent) as url:
        for end in expected:
            async with connect(url + GEMINI_PATH) as client:
                await client.send(SETUP)
                assert json.loads(await client.recv()) == {"setupComplete": {}}
                if end is not None:
                    assert await end_of(client) == end
        async with connect(url + GEMINI_PATH) as client:
            assert (await end_of(client))[1].startswith("The recording has no more connections")


async def test_who_was_refused_or_said_nothing_has_not_used_the_connection_up(
    tmp_path: Path,
) -> None:
    async with playing(file_of(tmp_path, HEADER, *FIRST)) as url:
        async with connect(url + GEMINI_PATH):
            pass
        async with connect(url + GEMINI_PATH) as client:
            await client.send('{"setup":{"model":"another"}}')
            code, reason = await end_of(client)
            assert (code, "set session.model to that" in reason) == (1007, True)
        async with connect(url + GEMINI_PATH) as late, connect(url + GEMINI_PATH) as client:
            await client.send(SETUP)
            assert json.loads(await client.recv()) == {"setupComplete": {}}
            await late.send(SETUP)
            assert (await end_of(late))[0] == 1008


async def test_what_a_recording_waits_for_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replay_server, "_PATIENCE_S", 0.0)
    turn = '{"clientContent":{"turnComplete":true}}'
    more = [
        f'{{"ms":{n},"what":"{what}","frame":{frame}}}'
        for n in (3, 4)
        for what, frame in (("out", turn), ("in", '{"serverContent":{}}'))
    ]
    async with (
        playing(file_of(tmp_path, HEADER, *FIRST, *more)) as url,
        connect(url + GEMINI_PATH) as client,
    ):
        for message in (SETUP, turn, turn):
            await client.send(message)
            await client.recv()
    told = [one.getMessage() for one in caplog.records if one.name == replay_server.__name__]
    assert told == ["the recording waits for the client: 1 x turn"]


async def test_on_vertex_messages_are_binary(tmp_path: Path) -> None:
    async with (
        playing(file_of(tmp_path, HEADER, *FIRST)) as url,
        connect(url + VERTEX_PATH) as client,
    ):
        await client.send(SETUP.encode())
        assert isinstance(await client.recv(), bytes)


async def test_there_is_nothing_elsewhere(tmp_path: Path) -> None:
    async with playing(file_of(tmp_path, HEADER, *FIRST)) as url:
        with pytest.raises(InvalidStatus, match="404"):
            await connect(url + "/elsewhere")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["RIFF"], "has no header of a recording"),
        ([HEADER], "has no connection"),
        ([HEADER, *FIRST, "nonsense"], "at line 5"),
    ],
)
def test_what_cannot_be_played_is_refused_in_words(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    with pytest.raises(LiveHandleError, match=words) as refused:
        load(file_of(tmp_path, *lines))
    assert refused.value.name == "config.invalid"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LiveHandleError, match="cannot be read"):
        load(tmp_path / "none")
