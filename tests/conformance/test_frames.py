"""Every frame that the official SDK was recorded to send is accepted, as it was sent.

`sdk-frames.jsonl` is google-genai 3.4.0, `sdk-frames-1x.jsonl` is 1.75.0.
"""

import json
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.emulator import serving
from support.live_session import Json, kinds, text_of

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent


def recordings() -> list[tuple[str, str, dict[str, str], str]]:
    """Return name, path, headers and frame of every recorded frame."""
    frames = []
    for file in sorted(HERE.glob("*.jsonl")):
        path, headers = "", {}
        for number, line in enumerate(file.read_text().splitlines(), 1):
            record = json.loads(line)
            if record["dir"] == "connect":
                path = record["path"]
                headers = {k: v for k, v in record["headers"] if k.lower().startswith("x-goog-")}
            else:
                frames.append((f"{file.stem}:{number}", path, headers, record["raw"]))
    return frames


TURN = json.dumps(
    {"client_content": {"turns": [{"parts": [{"text": "still there?"}]}], "turn_complete": True}}
)
RECORDED = recordings()
SETUPS = [record for record in RECORDED if "setup" in json.loads(record[3])]
RESUMING = [record for record in SETUPS if '"handle"' in record[3]]
FRESH = [record for record in SETUPS if record not in RESUMING]
OTHERS = [record for record in RECORDED if "setup" not in json.loads(record[3])]


def test_the_recordings_are_all_there() -> None:
    assert (len(FRESH), len(RESUMING), len(OTHERS)) == (6, 2, 28)


@pytest.mark.parametrize("record", FRESH, ids=lambda record: record[0])
async def test_a_recorded_setup_is_completed(record: tuple[str, str, dict[str, str], str]) -> None:
    _, path, headers, frame = record
    async with serving() as port:
        url = f"ws://127.0.0.1:{port}{path}"
        async with connect(url, additional_headers=headers, proxy=None) as websocket:
            await websocket.send(frame)
            assert kinds([json.loads(await websocket.recv())]) == ["setupComplete"]
            await websocket.send(TURN)
            assert kinds(await one_turn(websocket))[-1] == "turnComplete"


@pytest.mark.parametrize("record", RESUMING, ids=lambda record: record[0])
async def test_a_recorded_handle_is_looked_up_and_nothing_else_is_wrong(
    record: tuple[str, str, dict[str, str], str],
) -> None:
    _, path, headers, frame = record
    async with serving() as port:
        url = f"ws://127.0.0.1:{port}{path}"
        async with connect(url, additional_headers=headers, proxy=None) as websocket:
            await websocket.send(frame)
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert closed.value.rcvd.reason == "BidiGenerateContent session not found"


@pytest.mark.parametrize("record", OTHERS, ids=lambda record: record[0])
async def test_a_recorded_message_is_accepted_where_its_rules_allow_it(
    record: tuple[str, str, dict[str, str], str],
) -> None:
    _, path, headers, frame = record
    marks = "activityStart" in frame or "activityEnd" in frame
    setup = {
        "model": "models/gemini-live-2.5-flash-preview",
        "generationConfig": {"responseModalities": ["TEXT"]},
        "realtimeInputConfig": {"automaticActivityDetection": {"disabled": marks}},
    }
    async with serving() as port:
        url = f"ws://127.0.0.1:{port}{path}"
        async with connect(url, additional_headers=headers, proxy=None) as websocket:
            await websocket.send(json.dumps({"setup": setup}))
            await websocket.recv()
            await websocket.send(frame)
            await websocket.send(TURN)
            # Whatever the frame brought, the turn after it is answered.
            while "still there?" not in text_of(await one_turn(websocket)):
                pass


async def one_turn(websocket: ClientConnection) -> list[Json]:
    """Return what comes up to the end of a turn; a close is an error."""
    came: list[Json] = []
    while "turnComplete" not in kinds(came):
        came.append(json.loads(await websocket.recv()))
    return came
