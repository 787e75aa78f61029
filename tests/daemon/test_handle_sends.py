"""LiveHandle's sends against a real server (B)."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from livehandle_proto.methods import ToolAnswer
from livehandled.gemini import frames
from livehandled.handle import LiveHandle
from livehandled.session import outbox
from support.rigs import (
    HandleRig,
    handle,
    refused,
    sent_text,
)
from support.service import (
    TURN_COMPLETE,
    Call,
    Json,
    saying,
    text,
    tool_call,
)
from support.speech import silence, speech_like

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("no_key_in_the_log", "short_patience"),
]

AUDIO = "AQIDBA=="
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0 not much of a picture").decode()


async def test_b1_text_is_sent_counted_and_opens_a_turn() -> None:
    async with handle(saying(text("Hi"), TURN_COMPLETE)) as rig:
        await rig.handle.connect({})
        await rig.told.until("live.turn_complete")
        assert rig.handle.session().describe().current_turn is None
        await rig.handle.send_text("I am pescatarian")
        assert (await rig.heard(2))[1] == sent_text("I am pescatarian")
        assert rig.handle.session().describe().current_turn == 1
        assert rig.handle.telemetry()["text_turns_in"] == 1


async def test_b2_a_typed_turn_is_the_users_words_in_the_finished_turn() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        await call.hear()
        await call.say(TURN_COMPLETE)
        await call.hear_all()

    async with handle(script) as rig:
        await rig.handle.send_text("I am pescatarian")
        await rig.told.until("live.turn_complete")
        [turn] = rig.handle.transcript().turns
        assert turn.user == "I am pescatarian"
        assert rig.handle.transcript(0).turns == []


async def test_b3_a_text_that_was_not_sent_is_not_in_the_transcript() -> None:
    async with handle(Call.hear_all, limits__outbox_frames="1") as rig:
        rig.handle.send_text("one")
        for send in (rig.handle.send_text, rig.handle.writer().send_text):
            with refused("session.queue_full"):
                send("two")
        current = rig.handle.transcript().current
        assert current is not None
        assert current.user == "one"
        assert rig.handle.telemetry()["text_turns_in"] == 1


async def test_b5_audio_goes_upstream_byte_identical() -> None:
    async with handle() as rig:
        await rig.handle.send_audio(base64.b64encode(bytes([1, 2, 3, 4])).decode())
        assert (await rig.heard(2))[1] == {
            "realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": "AQIDBA=="}}
        }
        telemetry = rig.handle.telemetry()
        assert telemetry["audio_chunks_in"] == 1


async def test_b4_a_picture_is_sent_and_counted() -> None:
    async with handle() as rig:
        await rig.handle.send_video(JPEG)
        assert (await rig.heard(2))[1] == json.loads(frames.video(JPEG))
        assert rig.handle.telemetry()["video_frames_in"] == 1


BAD: list[tuple[str, Callable[[LiveHandle], object], str]] = [
    ("text.empty", lambda h: h.send_text(""), "text"),
    ("text.empty", lambda h: h.send_text(" \n\t"), "text"),
    ("audio.bad_base64", lambda h: h.send_audio("AQIDBA="), "data"),
    ("audio.bad_base64", lambda h: h.send_audio("AQ IDBA=="), "data"),
    ("audio.bad_base64", lambda h: h.send_audio("AQIDBA==\n"), "data"),
    ("audio.bad_base64", lambda h: h.send_audio("_-__"), "data"),
    ("audio.bad_base64", lambda h: h.send_audio("żółć"), "data"),
    ("audio.bad_base64", lambda h: h.send_audio("A" * 100_001), "data"),
    ("audio.empty", lambda h: h.send_audio(""), "data"),
    ("audio.misaligned", lambda h: h.send_audio("AQID"), "data"),
    ("video.not_jpeg", lambda h: h.send_video(""), "data"),
    ("video.not_jpeg", lambda h: h.send_video("iVBORw0KGgo="), "data"),
    ("video.not_jpeg", lambda h: h.send_video("no base64"), "data"),
]


@pytest.mark.parametrize(("name", "send", "param"), BAD)
async def test_a_bad_send_is_refused_by_name_and_leaves_everything_as_it_was(
    name: str, send: Callable[[LiveHandle], object], param: str
) -> None:
    async with handle() as rig:
        with refused(name) as caught:
            send(rig.handle)
        assert caught.value.data["param"] == param
        assert rig.service.requests == []  # not even a session was opened for it
        await rig.handle.connect({})
        before = (rig.handle.session().describe().turns, rig.handle.telemetry(), rig.told.topics)
        with refused(name):
            send(rig.handle)
        after = (rig.handle.session().describe().turns, rig.handle.telemetry(), rig.told.topics)
        assert before == after
        await rig.handle.send_text("go on")
        assert (await rig.heard(2))[1] == sent_text("go on")


async def test_speech_in_real_audio_is_heard_as_events_and_as_a_phase() -> None:
    pcm = silence(0.5) + speech_like(1.0) + silence(1.0)
    async with handle() as rig:
        await rig.handle.connect({})
        for first in range(0, len(pcm), 640):  # 20 ms
            chunk = base64.b64encode(pcm[first : first + 640]).decode()
            await rig.handle.send_audio(chunk)
            await anyio.lowlevel.checkpoint()
        heard = [t for t in rig.told.topics if t.startswith("live.vad")]
        assert heard == ["live.vad_start", "live.vad_end"]
        assert rig.told.phases()[3:] == ["user_speaking", "active"]
        speech = rig.told.topics.index("live.vad_start")
        assert rig.told.topics[speech - 1] == "session.phase_changed"
        assert rig.handle.session().describe().current_turn == 0
        assert rig.handle.telemetry()["audio_chunks_in"] == len(pcm) // 640


@pytest.mark.parametrize(
    ("sounds", "edges"),
    [
        ([speech_like(0.5), silence(0.5)], ["start", "end"]),
        ([speech_like(0.5), silence(0.5), speech_like(0.5)], ["start", "end", "start"]),
        ([speech_like(0.5) + silence(0.5) + speech_like(0.5), silence(0.5)], ["start", "end"] * 2),
        ([speech_like(0.5), silence(0.5) + speech_like(0.5)], ["start", "end", "start"]),
    ],
)
async def test_several_edges_in_one_chunk_are_told_in_their_order(
    sounds: list[bytes], edges: list[str]
) -> None:
    async with handle() as rig:
        await rig.handle.connect({})
        for sound in sounds:
            await rig.handle.send_audio(base64.b64encode(sound).decode())
        told = [t.removeprefix("live.vad_") for t in rig.told.topics if t.startswith("live.vad")]
        assert told == edges
        speaking = edges[-1] == "start"
        assert rig.handle.phase() == ("user_speaking" if speaking else "active")


async def test_an_edge_is_told_even_where_its_audio_found_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with handle(Call.hear_all) as rig:
        rig.handle.send_audio(base64.b64encode(speech_like(0.5)).decode())
        rig.handle.send_text("the only place")
        monkeypatch.setattr(outbox, "_MAX_BYTES", 10)
        with refused("session.queue_full"):
            rig.handle.send_audio(base64.b64encode(silence(0.5)).decode())
        heard = [t for t in rig.told.topics if t.startswith("live.vad")]
        assert heard == ["live.vad_start", "live.vad_end"]
        assert rig.handle.telemetry()["audio_chunks_in"] == 1


async def test_speech_that_opens_the_session_is_a_phase_once_it_is_open() -> None:
    async with handle() as rig:
        sent = rig.handle.send_audio(base64.b64encode(speech_like(0.5)).decode())
        assert "live.vad_start" in rig.told.topics
        assert rig.handle.phase() == "connecting"
        await sent
        assert rig.handle.phase() == "user_speaking"


async def test_without_a_detector_no_speech_is_heard() -> None:
    async with handle(voice__vad="off") as rig:
        await rig.handle.send_audio(base64.b64encode(speech_like(0.5)).decode())
        assert rig.handle.phase() == "active"
        assert "live.vad_start" not in rig.told.topics


async def test_the_detector_starts_afresh_with_each_session() -> None:
    async with handle() as rig:
        loud = base64.b64encode(speech_like(0.5)).decode()
        await rig.handle.send_audio(loud)
        await rig.handle.disconnect()
        await rig.handle.connect({})
        assert rig.handle.phase() == "active"
        await rig.handle.send_audio(loud)
        assert rig.told.topics.count("live.vad_start") == 2


async def test_a_full_way_to_the_model_refuses_text_and_says_so() -> None:
    async with handle(Call.hear_all, limits__outbox_frames="3") as rig:
        rig.handle.send_audio(AUDIO)
        for number in range(3):
            rig.handle.send_text(f"{number}")
        rig.handle.send_audio(AUDIO)  # has room of its own
        assert rig.handle.telemetry()["media_frames_dropped"] == 0
        with refused("session.queue_full"):
            rig.handle.send_text("one too many")
        assert rig.handle.telemetry()["text_turns_in"] == 3


async def test_z7_media_that_was_dropped_stays_counted_over_sessions() -> None:
    now = [100.0]
    async with handle(clock=lambda: now[0]) as rig:
        opening = rig.handle.send_audio(AUDIO)
        now[0] += 5.0
        await opening
        await rig.handle.send_text("hi")
        await rig.heard(2)
        await rig.handle.disconnect()
        await rig.handle.connect({})
        assert rig.handle.telemetry()["media_frames_dropped"] == 1


# Tools.


@asynccontextmanager
async def called(*ids: str) -> AsyncIterator[HandleRig]:
    async with handle(saying(tool_call(*ids))) as rig:
        await rig.handle.connect({})
        await rig.told.until("session.tool_call")
        yield rig


def answer(
    call_id: str, response: object = None, *, will_continue: bool | None = None
) -> ToolAnswer:
    return ToolAnswer(id=call_id, name="f", response=response, will_continue=will_continue)


async def test_b18_b19_answers_travel_in_one_frame_as_objects() -> None:
    async with called("c1", "c2") as rig:
        await rig.handle.send_tool_response([answer("c1", {"a": 1}), answer("c2", "sunny")])
        assert (await rig.heard(2))[1] == {
            "toolResponse": {
                "functionResponses": [
                    {"id": "c1", "name": "f", "response": {"a": 1}},
                    {"id": "c2", "name": "f", "response": {"output": "sunny"}},
                ]
            }
        }
        assert rig.handle.phase() == "active"
        assert rig.handle.telemetry()["tool_calls"] == 2


async def test_an_answer_that_will_continue_keeps_the_call_open() -> None:
    async with called("c1") as rig:
        await rig.handle.send_tool_response([answer("c1", will_continue=True)])
        assert rig.handle.phase() == "tool_call_executing"
        await rig.handle.send_tool_response(
            [answer("c1", will_continue=True), answer("c1", will_continue=False)]
        )
        assert rig.handle.phase() == "active"


@pytest.mark.parametrize(
    "ids", [["c9"], [""], ["c1", "c9"], ["c9", "c1"], ["c1", "c1"], ["x" * 10_000]]
)
async def test_an_answer_to_no_call_is_refused_and_none_of_it_is_sent(ids: list[str]) -> None:
    async with called("c1") as rig:
        with refused("tools.unknown_call"):
            rig.handle.send_tool_response([answer(call_id) for call_id in ids])
        assert rig.handle.phase() == "tool_call_executing"
        await rig.handle.send_tool_response([answer("c1")])
        assert len(await rig.heard(2)) == 2


async def test_a_call_is_answered_once() -> None:
    async with called("c1") as rig:
        await rig.handle.send_tool_response([answer("c1")])
        with refused("tools.unknown_call"):
            rig.handle.send_tool_response([answer("c1")])


async def test_a_cancelled_call_cannot_be_answered() -> None:
    script = saying(tool_call("c1"), {"toolCallCancellation": {"ids": ["c1"]}})
    async with handle(script) as rig:
        await rig.handle.connect({})
        await rig.told.until("session.tool_call_cancelled")
        with refused("tools.unknown_call"):
            rig.handle.send_tool_response([answer("c1")])


@pytest.mark.parametrize("by", ["name", "id"])
async def test_calls_without_an_id_are_answered_one_by_one(by: str) -> None:
    body: Json = {"toolCall": {"functionCalls": [{"name": "f", "args": {"n": n}} for n in (1, 2)]}}
    async with handle(saying(body)) as rig:
        await rig.handle.connect({})
        await rig.told.until("session.tool_call")
        for number, open_call in enumerate(rig.handle.open_calls(), 1):
            call_id = open_call.id if by == "id" else ""
            answer = ToolAnswer(id=call_id, name="f", response={"n": number})
            await rig.handle.send_tool_response([answer])
        heard = await rig.heard(3)
        assert heard[1:] == [
            {"toolResponse": {"functionResponses": [{"name": "f", "response": {"n": n}}]}}
            for n in (1, 2)
        ]
        executed = rig.told.data("live.tool_execution")
        assert [(one["args"], one["result"]) for one in executed] == [
            ({"n": n}, {"n": n}) for n in (1, 2)
        ]
        assert rig.handle.phase() == "active"


async def test_an_answer_too_deep_for_the_model_is_refused() -> None:
    deep: object = 0
    for _ in range(70):
        deep = {"in": deep}
    async with called("c1") as rig:
        with refused("wire.invalid_params"):
            rig.handle.send_tool_response([answer("c1", deep)])
        await rig.handle.send_tool_response([answer("c1")])
