"""Redaction against a real server: what is marked reaches the model, and nobody else (Z15)."""

import json
import time
from pathlib import Path

import anyio
import pytest

from livehandle_proto.extractors import ExtractorSpec
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.topics import TOPICS
from livehandled.handle import LiveHandle
from livehandled.hub import Hub
from livehandled.redaction import REDACTED
from livehandled.store import Store
from support.rigs import FUNCTIONS, handle
from support.service import (
    ENVIRON,
    TURN_COMPLETE,
    Call,
    Json,
    Listener,
    configured,
    running,
    text,
    tool_call,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_key_in_the_log", "short_patience")]

MARK = "4111-2222-3333"
HALVES = (MARK[:7], MARK[7:])
PATTERNS = json.dumps({"card": r"\d{4}(-\d{4}){2}"})


def transcription(side: str, words: str) -> Json:
    return {"serverContent": {f"{side}Transcription": {"text": words}}}


def thought(words: str) -> Json:
    return {"serverContent": {"modelTurn": {"parts": [{"text": words, "thought": True}]}}}


async def quoting(call: Call) -> None:
    """Say the mark in every way a service has, in halves."""
    await call.set_up()
    await call.hear()
    for half in HALVES:
        await call.say(transcription("input", half))
    for half in HALVES:
        await call.say(thought(half))
    await call.say(tool_call("c1"))
    await call.hear()
    await call.say(text(*HALVES))
    for half in HALVES:
        await call.say(transcription("output", half))
    await call.say(TURN_COMPLETE)
    await call.hear()
    await call.websocket.close(1011, f"what is {MARK}")


async def converse_quoting(live: LiveHandle, told: Listener) -> None:
    live.extractors().register(
        ExtractorSpec(name="Card", kind="regex", patterns={"card": r"(\d{4}-\S+|\[redacted\])"})
    )
    await live.send_text(f"It is {MARK}.")
    await told.until("session.tool_call")
    await live.send_tool_response([ToolAnswer(id="c1", name="f", response={"card": MARK})])
    await told.until("live.turn_complete")
    await live.send_text("Go on.")
    await told.until("live.reconnecting")


async def test_z15_i12_what_is_marked_reaches_the_model_and_no_client_log_or_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(quoting) as service:
        hub = Hub(ring_events=4096, wall_ms=lambda: time.time_ns() // 1_000_000)
        told = Listener(hub, *TOPICS)
        values = {"session__setup": FUNCTIONS, "redaction__patterns": PATTERNS}
        loaded = configured(service.url, **values)
        file = tmp_path / "state" / "s"
        live = LiveHandle(loaded, hub=hub, environ=ENVIRON, store=Store(file))
        with anyio.fail_after(10):
            async with live:
                await converse_quoting(live, told)
                shown = repr(live.transcript()) + repr(live.session().describe())
                shown += repr(live.state().as_dict())
                call = await service.call()
    assert MARK in json.dumps(call.heard[1])  # what was typed
    assert MARK in json.dumps(call.heard[2])  # what a function returned
    lines = b"".join(told.lines()).decode()
    kept = json.loads(file.read_text().partition("\n")[2])
    assert MARK in json.dumps(kept.pop("unsent"))  # what the model is still to be told
    for what in (lines, shown, caplog.text, json.dumps(kept)):
        assert MARK not in what
        assert not any(half in what for half in HALVES)
    assert shown.count(REDACTED) >= 5
    assert [one["text"] for one in told.data("live.text_delta")] == [REDACTED]
    assert [one["text"] for one in told.data("live.thought")] == [REDACTED]
    assert [one["text"] for one in told.data("live.input_transcript")] == [REDACTED]
    assert [one["text"] for one in told.data("live.output_transcript")] == [REDACTED]
    assert [one["text"] for one in told.data("live.text_complete")] == [REDACTED]
    assert told.data("live.tool_execution")[0]["result"] == {"card": REDACTED}
    assert told.data("live.extraction")[0]["value"] == {"card": REDACTED}
    assert "session.raw" not in told.topics
    (turn,) = told.data("live.turn_complete")[:1]
    assert (turn["user"], turn["model"]) == (f"It is {REDACTED}.{REDACTED}", REDACTED * 2)


async def test_calls_are_told_whole_to_those_who_carry_them_out() -> None:
    asked: Json = {"functionCalls": [{"id": "c1", "name": "f", "args": {"card": MARK}}]}

    async def asking(call: Call) -> None:
        await call.set_up()
        await call.say({"toolCall": asked})
        await call.hear_all()

    async with handle(asking, redaction__patterns=PATTERNS) as rig:
        await rig.handle.connect()
        await rig.told.until("session.tool_call")
        assert rig.handle.open_calls()[0].args == {"card": MARK}
        assert MARK in json.dumps(rig.told.data("session.tool_call"))
        await rig.handle.send_tool_response([ToolAnswer(id="c1", name="f", response={})])
        assert rig.told.data("live.tool_execution")[0]["args"] == {"card": REDACTED}


async def test_m7_masked_keys_are_told_masked_and_read_as_they_are() -> None:
    async with handle(redaction__keys="pin,last_error") as rig:
        state = rig.handle.state()
        state.set("app:pin", 1234)
        state.set("app:pinned", 1)
        assert state.get("app:pin") == 1234
        state.remove("app:pin")
        changes = {one["sequence"]: one.get("value") for one in rig.told.data("state.changed")}
        assert list(changes.values()) == [REDACTED, 1, None]
        state.set("profile", {"pin": 1234, "city": "Bonn"})
        told = rig.told.data("state.changed")[-1]
        assert told["value"] == {"pin": REDACTED, "city": "Bonn"}


async def test_a_model_that_begins_anew_is_told_what_was_said_as_it_was_said() -> None:
    async def answering(call: Call) -> None:
        await call.set_up()
        while True:
            await call.hear()
            await call.say(text("Yes."))
            await call.say(TURN_COMPLETE)
            if len(call.heard) == 2:
                await call.websocket.close(1001)
                return

    async with handle(answering, redaction__patterns=PATTERNS, resumption__policy="reseed") as rig:
        await rig.handle.send_text(f"It is {MARK}.")
        await rig.told.until("live.resumed")
        again = await rig.service.call(1)
        await again.until(lambda c: MARK in json.dumps(c.heard))
