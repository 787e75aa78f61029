"""A recording of a handle's session: all that goes over the wire, and both sides of the sound."""

import base64
from pathlib import Path

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from livehandle_emulator.replay import connections
from livehandle_proto.recordings import RecordingStart
from livehandle_proto.wire_file import Line, read
from support.rigs import handle
from support.service import KEY, SETUP_COMPLETE, Call, saying

pytestmark = pytest.mark.anyio

LOUD = b"\x00\x20" * 2400


def speech(data: bytes) -> dict[str, object]:
    blob = {"mimeType": "audio/pcm;rate=24000", "data": base64.b64encode(data).decode()}
    return {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}


SCRIPT = saying(
    speech(LOUD * 20),
    {"serverContent": {"interrupted": True}},
    {"sessionResumptionUpdate": {"newHandle": "the-handle", "resumable": True}},
    {"serverContent": {"turnComplete": True}},
)


def lines_of(wire: str | None) -> list[Line]:
    assert wire is not None
    text = Path(wire).read_bytes()
    assert KEY.encode() not in text
    assert b"the-handle" not in text
    return list(read(text.splitlines(keepends=True))[1])


def samples_of(audio: str | None) -> NDArray[np.int16]:
    assert audio is not None
    return np.frombuffer(Path(audio).read_bytes()[44:], "<i2").reshape(-1, 2)


def kinds(lines: list[Line]) -> list[str]:
    """Return what each line tells, sound in a row once."""
    told: list[str] = []
    for line in lines:
        frame = line.get("frame")
        what = str(line["what"]) + (f" {next(iter(frame))}" if isinstance(frame, dict) else "")
        if what != "out realtimeInput" or told[-1] != what:
            told.append(what)
    return told


async def test_everything_is_recorded_from_the_first_connection_on(tmp_path: Path) -> None:
    async with handle(SCRIPT, recording__directory=str(tmp_path / "shelf")) as rig:
        live = rig.handle
        await live.recorder().start(RecordingStart(name="call"))
        await live.connect()
        await rig.told.until("live.turn_complete")
        for _ in range(5):
            await live.send_audio(LOUD)
        await live.send_text("Hello")
        await rig.heard(7)
        await live.disconnect()
        done = await live.recorder().stop()
    told = kinds(lines_of(done.wire))
    assert told == [
        *("open", "out setup", "in setupComplete", "in serverContent", "in serverContent"),
        *("in sessionResumptionUpdate", "in serverContent", "out realtimeInput"),
        *("out clientContent", "close", "end"),
    ]
    samples = samples_of(done.audio)
    left, right = np.abs(samples.astype(int)).max(axis=0)
    assert left > 8000
    assert right <= 8192
    assert np.count_nonzero(samples[:, 1]) < 24_000  # of two seconds that were cut off


async def test_what_begins_while_the_connection_is_set_up_can_be_replayed_too(
    tmp_path: Path,
) -> None:
    asked, recording = anyio.Event(), anyio.Event()

    async def slow(call: Call) -> None:
        await call.hear()
        asked.set()
        await recording.wait()
        await call.say(SETUP_COMPLETE)
        await call.hear_all()

    async with (
        handle(
            slow,
            recording__directory=str(tmp_path / "shelf"),
            session__setup_timeout_ms="9000",
        ) as rig,
        anyio.create_task_group() as tasks,
    ):
        recorder = rig.handle.recorder()

        async def connect() -> None:
            await rig.handle.connect()

        tasks.start_soon(connect)
        await asked.wait()
        await recorder.start(RecordingStart(audio=False))
        recording.set()
        await rig.told.until("session.connected")
        await rig.handle.disconnect()
        done = await recorder.stop()
    lines = lines_of(done.wire)
    assert kinds(lines)[:3] == ["open", "out setup", "in setupComplete"]
    assert [line.get("before") for line in lines][:3] == [True, True, None]
    assert len(connections(lines)) == 1


async def test_what_begins_within_a_connection_can_be_replayed_too(tmp_path: Path) -> None:
    async with handle(SCRIPT, recording__directory=str(tmp_path / "shelf")) as rig:
        await rig.handle.connect()
        await rig.told.until("live.turn_complete")
        await rig.handle.recorder().start(RecordingStart())
        await rig.handle.send_text("Hello")
        await rig.heard(2)
    changed = rig.told.data("daemon.recording_changed")
    assert [one["reason"] for one in changed] == ["started", "stopping"]
    recording = changed[-1]["recording"]
    assert isinstance(recording, dict)
    lines = lines_of(recording["wire"])
    assert kinds(lines)[:4] == ["open", "out setup", "in setupComplete", "out clientContent"]
    assert [line.get("before") for line in lines][:4] == [True, True, True, None]
