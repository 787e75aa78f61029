"""LiveHandle's voice and its deferred context against a real server (B, C, D, E)."""

import base64
import json
from collections.abc import Callable, Sequence

import anyio
import pytest

from livehandle_proto import values as v
from livehandle_proto.methods import ToolAnswer
from livehandled.gemini import frames
from livehandled.gemini.content import text_content
from livehandled.handle import LiveHandle
from livehandled.session.writer import Sent, Writer
from livehandled.voice.reactor import (
    DEFAULT_RULES,
    PlaybackDrained,
    Policy,
    Reaction,
    Rule,
    Run,
    VoiceEvent,
    VoiceState,
)
from support.rigs import HandleRig, handle, refused, sent_text
from support.service import TURN_COMPLETE, Call, Json, saying, text, tool_call
from support.speech import silence, speech_like

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("no_key_in_the_log", "short_patience"),
]

AUDIO = "AQIDBA=="
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0 not much of a picture").decode()
PROMPT: Json = {"clientContent": {"turnComplete": True}}
START: Json = {"realtimeInput": {"activityStart": {}}}
END: Json = {"realtimeInput": {"activityEnd": {}}}
SPOKEN: Json = {
    "serverContent": {
        "modelTurn": {
            "parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "A" * 64}}]
        }
    }
}


def context(*texts: str) -> object:
    turns = [text_content(words, "model") for words in texts]
    return json.loads(frames.client_content(turns, turn_complete=False))


def audio(data: str = AUDIO) -> object:
    return json.loads(frames.audio(data))


LAST = sent_text("That was all.")


async def sent(rig: HandleRig) -> list[Json]:
    """Return what was sent but for the setup, and for the words that show that it is all."""
    call = await rig.service.call()

    def asked() -> int:
        return sum(frame == LAST for frame in call.heard)

    before = asked()
    await rig.handle.session().send_text("That was all.")
    await call.until(lambda _: asked() > before)
    return [frame for frame in call.heard[1:] if frame != LAST]


# Voice state.


async def test_c1_the_voice_state_begins_empty_with_and_without_a_session() -> None:
    empty = v.VoiceState(
        user_speaking=False,
        playback_active=False,
        prompt_pending=False,
        prompt_epoch=0,
        last_barge_in_ms_ago=None,
        last_playback_drained_ms_ago=None,
    )
    async with handle() as rig:
        assert rig.handle.voice_state() == empty
        await rig.handle.connect()
        assert rig.handle.voice_state() == empty


async def test_c10_instants_are_told_as_milliseconds_ago() -> None:
    now = [100.0]
    async with handle(clock=lambda: now[0]) as rig:
        await rig.handle.connect()
        await rig.handle.user_speech_started()
        now[0] += 1.5
        await rig.handle.user_speech_ended()
        await rig.handle.playback_drained()
        now[0] += 0.25
        state = rig.handle.voice_state()
        assert (state.last_barge_in_ms_ago, state.last_playback_drained_ms_ago) == (1750, 250)
        assert not state.user_speaking


async def test_z9_playback_is_active_from_the_first_audio_until_it_has_drained() -> None:
    async with handle(saying(SPOKEN)) as rig:
        await rig.handle.connect()
        await rig.told.until("live.audio")
        assert rig.handle.voice_state().playback_active
        await rig.handle.playback_drained()
        assert not rig.handle.voice_state().playback_active


async def test_f2_the_detectors_state_is_told_before_and_after_it_has_heard() -> None:
    async with handle() as rig:
        before = rig.handle.input_vad_state()
        assert (before.backend, before.sample_rate, before.frame_size) == ("energy-zcr", 16000, 480)
        assert (before.last_probability, before.last_transition_ms_ago) == (None, None)
        await rig.handle.send_audio(speech_like(0.5))
        after = rig.handle.input_vad_state()
        assert (after.state, after.speaking, after.last_probability) == ("speech", True, 1.0)
        assert after.frames_processed == 16  # of 30 ms
        assert after.last_transition_ms_ago is not None


@pytest.mark.parametrize(
    "report", ["playback_drained", "flush_deferred_prompt", "user_speech_ended"]
)
async def test_a_report_opens_no_session_and_the_users_speech_does(report: str) -> None:
    async with handle() as rig:
        with refused("session.not_connected"):
            getattr(rig.handle, report)()
        assert rig.service.requests == []
        await rig.handle.user_speech_started()
        assert rig.handle.phase() == "user_speaking"


# Deferred context.


async def test_e1_d1_c3_context_and_its_prompt_wait_until_playback_has_drained() -> None:
    async with handle(context__delivery="deferred") as rig:
        await rig.handle.connect()
        await rig.handle.queue_context(text="a")
        await rig.handle.queue_context([text_content("b", "model")], prompt=True)
        writer = v.Writer(kind="deferred", pending_context=2, prompt_armed=True)
        assert rig.handle.writer_state() == writer
        assert await sent(rig) == []
        await rig.handle.playback_drained()
        empty = v.Writer(kind="deferred", pending_context=0, prompt_armed=False)
        assert rig.handle.writer_state() == empty
        assert await sent(rig) == [context("a", "b"), PROMPT]


async def test_c4_d2_d3_without_a_prompt_playback_that_drained_sends_nothing() -> None:
    async with handle(context__delivery="deferred") as rig:
        await rig.handle.connect()
        await rig.handle.playback_drained()
        await rig.handle.queue_context(text="a")
        await rig.handle.playback_drained()
        assert await sent(rig) == []
        assert len(rig.handle.pending_context().turns) == 1


async def test_c5_c9_d4_a_barge_in_cancels_the_prompt_and_keeps_the_context() -> None:
    async with handle(context__delivery="deferred") as rig:
        await rig.handle.connect()
        await rig.handle.queue_context(text="a", prompt=True)
        await rig.handle.user_speech_started()
        state = rig.handle.voice_state()
        assert (state.user_speaking, state.prompt_pending, state.prompt_epoch) == (True, False, 1)
        assert rig.handle.writer_state() == v.Writer(
            kind="deferred", pending_context=1, prompt_armed=False
        )
        await rig.handle.user_speech_ended()
        await rig.handle.playback_drained()
        await rig.handle.send_text("hi")
        assert await sent(rig) == [context("a"), sent_text("hi")]


@pytest.mark.parametrize("drained", ["playback_drained", "flush_deferred_prompt"])
async def test_c7_c14_nothing_prompts_while_the_user_speaks(drained: str) -> None:
    async with handle(context__delivery="deferred") as rig:
        await rig.handle.connect()
        await rig.handle.user_speech_started()
        await rig.handle.queue_context(text="a", prompt=True)
        await getattr(rig.handle, drained)()
        state = rig.handle.voice_state()
        assert (state.user_speaking, state.prompt_pending) == (True, True)
        assert await sent(rig) == []
        await rig.handle.user_speech_ended()
        assert await sent(rig) == [context("a"), PROMPT]


FLUSHES: dict[str, tuple[Callable[[Writer | LiveHandle], object], object]] = {
    "send_audio": (lambda w: w.send_audio(AUDIO), audio()),
    "send_text": (lambda w: w.send_text("hi"), sent_text("hi")),
    "send_video": (lambda w: w.send_video(JPEG), json.loads(frames.video(JPEG))),
}


@pytest.mark.parametrize("prompt", [False, True])
@pytest.mark.parametrize("send", FLUSHES)
@pytest.mark.parametrize("through", ["handle", "writer"])
async def test_e2_e3_e4_audio_text_and_video_take_the_context_along_and_leave_the_prompt(
    through: str, send: str, prompt: bool
) -> None:
    act, frame = FLUSHES[send]
    async with handle(context__delivery="deferred") as rig:
        await rig.handle.connect()
        sender = rig.handle if through == "handle" else rig.handle.writer()
        act(sender)
        await rig.handle.queue_context(text="a")
        await rig.handle.queue_context(text="b", prompt=prompt)
        act(sender)
        act(sender)
        assert await sent(rig) == [frame, context("a", "b"), frame, frame]
        assert rig.handle.writer_state() == v.Writer(
            kind="deferred", pending_context=0, prompt_armed=prompt
        )


PASSES: dict[str, Callable[[LiveHandle], object]] = {
    "update_instruction": lambda h: h.update_instruction("Be brief."),
    "writer.send_client_content": lambda h: h.writer().send_client_content(
        [{"role": "user", "parts": [{"text": "x"}]}], turn_complete=False
    ),
    "writer.signal_activity_start": lambda h: h.writer().signal_activity_start(),
    "writer.signal_activity_end": lambda h: h.writer().signal_activity_end(),
    "writer.update_instruction": lambda h: h.writer().update_instruction("Be brief."),
    "session.send_audio": lambda h: h.session().send_audio(AUDIO),
    "session.send_text": lambda h: h.session().send_text("hi"),
    "session.send_video": lambda h: h.session().send_video(JPEG),
    "user_speech_started": lambda h: h.user_speech_started(),
}


@pytest.mark.parametrize("send", PASSES)
async def test_a21_e5_e6_nothing_else_takes_the_context_along(send: str) -> None:
    async with handle(context__delivery="deferred", voice__authority="client") as rig:
        await rig.handle.connect()
        if send.endswith("_end"):
            await rig.handle.writer().signal_activity_start()
        before = len(await sent(rig))
        await rig.handle.queue_context(text="a")
        PASSES[send](rig.handle)
        after = await sent(rig)
        assert len(after) == before + 1
        assert context("a") not in after
        assert rig.handle.writer_state().pending_context == 1


async def test_e5_an_answer_to_a_call_takes_no_context_along() -> None:
    async with handle(saying(tool_call("c1")), context__delivery="deferred") as rig:
        await rig.handle.connect()
        await rig.told.until("session.tool_call")
        await rig.handle.queue_context(text="a")
        await rig.handle.send_tool_response([ToolAnswer(id="c1", name="f", response={})])
        [answer] = await sent(rig)
        assert "toolResponse" in answer
        assert rig.handle.writer_state().pending_context == 1


@pytest.mark.parametrize("through", ["disconnect", "writer.disconnect", "leaving"])
async def test_a17_e6_context_that_waits_at_the_end_is_sent_and_its_prompt_is_not(
    through: str,
) -> None:
    async with handle(context__delivery="deferred") as rig:
        await rig.handle.connect()
        await rig.handle.queue_context(text="a", prompt=True)
        if through == "disconnect":
            await rig.handle.disconnect()
        elif through == "writer.disconnect":
            await rig.handle.writer().disconnect()
    [call] = rig.service.calls
    assert call.heard[1:] == [context("a")]
    assert rig.handle.writer_state().pending_context == 0


async def test_e6_the_sessions_own_disconnect_sends_no_context() -> None:
    async with handle(context__delivery="deferred") as rig:
        await rig.handle.connect()
        await rig.handle.queue_context(text="a", prompt=True)
        await rig.handle.session().disconnect()
        [call] = rig.service.calls
        await call.until(lambda c: c.closed)
        assert call.heard[1:] == []
        assert rig.handle.writer_state() == v.Writer(
            kind="deferred", pending_context=0, prompt_armed=False
        )


async def test_e7_z12_context_whose_flush_finds_no_room_waits_on() -> None:
    async with handle(
        Call.hear_all, context__delivery="deferred", limits__outbox_frames="1"
    ) as rig:
        rig.handle.send_text("the only place")
        await rig.handle.queue_context(text="a", prompt=True)
        sends: list[Callable[[], object]] = [
            lambda: rig.handle.send_text("hi"),
            rig.handle.playback_drained,
        ]
        for send in sends:
            with refused("session.queue_full"):
                send()
            assert rig.handle.writer_state() == v.Writer(
                kind="deferred", pending_context=1, prompt_armed=True
            )


async def test_context_may_wait_for_the_session_that_the_first_send_opens() -> None:
    async with handle(context__delivery="deferred") as rig:
        await rig.handle.queue_context(text="a")
        assert rig.service.requests == []
        await rig.handle.send_text("hi")
        assert await sent(rig) == [context("a"), sent_text("hi")]


async def test_a7_a_greeting_takes_the_context_along() -> None:
    async with handle(context__delivery="deferred", session__greeting="Hello?") as rig:
        await rig.handle.queue_context(text="a")
        await rig.handle.connect()
        assert await sent(rig) == [context("a"), sent_text("Hello?")]


async def test_a7_a_greeting_that_finds_no_room_fails_the_connect_and_its_session() -> None:
    async with handle(
        context__delivery="deferred", session__greeting="Hello?", limits__outbox_frames="1"
    ) as rig:
        await rig.handle.queue_context(text="a")
        with refused("session.queue_full"):
            rig.handle.connect()
        assert (await rig.handle.done()).reason == "disconnected"
        await rig.handle.connect({"session": {"greeting": ""}})
        assert rig.handle.phase() == "active"


async def test_context_for_nobody_is_refused() -> None:
    async with handle(context__delivery="deferred", session__connect="manual") as rig:
        with refused("session.not_connected"):
            rig.handle.queue_context(text="a")
        await rig.handle.connect()
        with refused("wire.invalid_params"):
            rig.handle.queue_context()
        with refused("text.empty"):
            rig.handle.queue_context(text=" ")
        for number in range(256):
            rig.handle.queue_context(text=f"{number}")
        with refused("session.queue_full"):
            rig.handle.queue_context(text="one too many", prompt=True)
        assert rig.handle.writer_state() == v.Writer(
            kind="deferred", pending_context=256, prompt_armed=False
        )


async def test_e8_r6_immediate_context_is_sent_at_once_and_its_prompt_behind_it() -> None:
    async with handle() as rig:
        await rig.handle.queue_context(text="a")  # opens the session, as any send does
        await rig.handle.queue_context(text="b", prompt=True)
        await rig.handle.queue_context(prompt=True)
        assert await sent(rig) == [context("a"), context("b"), PROMPT, PROMPT]
        assert rig.handle.writer_state() == v.Writer(
            kind="direct", pending_context=0, prompt_armed=False
        )


async def test_immediate_context_that_finds_no_room_is_not_kept() -> None:
    async with handle(Call.hear_all, limits__outbox_frames="1") as rig:
        rig.handle.send_text("the only place")
        with refused("session.queue_full"):
            rig.handle.queue_context(text="a", prompt=True)
        assert not rig.handle.pending_context()


async def test_z13_the_answer_to_a_prompt_is_timed() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        await call.hear()
        await call.say(text("Yes?"))
        await call.hear_all()

    async with handle(script) as rig:
        await rig.handle.queue_context(prompt=True)
        await rig.told.until("live.text_delta")
        assert rig.handle.telemetry()["response_count"] == 1


# Activity marks.


async def test_b13_without_client_authority_no_mark_is_ever_written() -> None:
    async with handle() as rig:
        await rig.handle.connect()
        await rig.handle.user_speech_started()
        await rig.handle.send_audio(speech_like(0.5))
        await rig.handle.user_speech_ended()
        await rig.handle.writer().signal_activity_start()
        await rig.handle.session().signal_activity_end()
        marks = [frame for frame in await sent(rig) if frame in (START, END)]
        assert marks == []


async def test_z3_c15_d6_marks_alternate_whoever_asks_for_them() -> None:
    async with handle(voice__authority="client") as rig:
        await rig.handle.connect()
        for act in (
            rig.handle.user_speech_started,
            rig.handle.user_speech_started,
            rig.handle.writer().signal_activity_start,
            rig.handle.session().signal_activity_end,
            rig.handle.user_speech_ended,
            rig.handle.writer().signal_activity_start,
            rig.handle.user_speech_ended,
        ):
            await act()
        assert await sent(rig) == [START, END, START, END]


async def test_b6_b11_z3_speech_is_marked_once_and_every_sample_of_it_sent_between() -> None:
    pcm = silence(0.6) + speech_like(1.2) + silence(1.2)
    async with handle(voice__authority="client", limits__outbox_media_ms="60000") as rig:
        await rig.handle.connect()
        for first in range(0, len(pcm), 640):  # 20 ms
            await rig.handle.send_audio(pcm[first : first + 640])
        frames_sent = await sent(rig)
    assert [frame for frame in frames_sent if frame in (START, END)] == [START, END]
    start, end = frames_sent.index(START), frames_sent.index(END)
    before, within = samples(frames_sent[:start]), samples(frames_sent[start:end])
    assert pcm.startswith(before + within)  # nothing lost, doubled or out of order
    # All of the speech, and the silence right before it (pre-roll).
    assert len(before) < 0.6 * 32_000
    assert len(before + within) >= 1.8 * 32_000
    assert rig.told.topics.count("live.vad_start") == 1


def samples(frames_sent: Sequence[Json]) -> bytes:
    pieces = [f["realtimeInput"].get("audio") for f in frames_sent if "realtimeInput" in f]  # type: ignore[attr-defined]  # the shape of a frame
    return b"".join(base64.b64decode(piece["data"]) for piece in pieces if piece)


async def test_e2_b6_context_goes_before_the_mark_of_the_speech_it_waits_for() -> None:
    async with handle(voice__authority="client", context__delivery="deferred") as rig:
        await rig.handle.connect()
        await rig.handle.queue_context(text="a", prompt=True)
        await rig.handle.send_audio(speech_like(0.5))
        frames_sent = await sent(rig)
        assert frames_sent[:2] == [context("a"), START]
        assert not rig.handle.writer_state().prompt_armed  # the user cut in
        assert rig.handle.voice_state().prompt_epoch == 1


# Instructions.


@pytest.mark.parametrize(
    ("backend", "model", "kind", "role"),
    [
        ("gemini", "gemini-3.8-live", "contextUpdate", None),
        ("vertex", "gemini-3.8-live", "contextUpdate", None),
        ("vertex", "gemini-2.5-flash-live", "clientContent", "system"),
        ("gemini", "gemini-2.5-flash-native-audio", "clientContent", "user"),
        ("gemini", "some-model", "clientContent", "user"),
    ],
)
async def test_b17_an_instruction_travels_in_the_way_the_model_takes_it(
    backend: str, model: str, kind: str, role: str | None
) -> None:
    async with handle(session__backend=backend, session__model=model) as rig:
        await rig.handle.connect()
        await rig.handle.update_instruction("new instruction")
        [frame] = await sent(rig)
        assert [*frame] == [kind]
        if role is None:
            parts = [{"text": "new instruction"}]
            assert frame == {"contextUpdate": {"systemInstruction": {"parts": parts}}}
            return
        content = frame["clientContent"]
        assert isinstance(content, dict)
        assert not content.get("turnComplete")
        [turn] = content["turns"]
        assert turn["role"] == role
        said = turn["parts"][0]["text"]
        assert said == "new instruction" if role == "system" else said.endswith("new instruction")


@pytest.mark.parametrize(
    "update",
    [
        lambda h: h.update_instruction("new instruction"),
        lambda h: h.writer().update_instruction("new instruction"),
        lambda h: h.session().update_instruction("new instruction"),
    ],
)
async def test_b17_an_instruction_that_would_close_the_connection_comes_with_the_next(
    update: Callable[[LiveHandle], Sent],
) -> None:
    async with handle(session__model="gemini-3.1-flash-live-preview") as rig:
        await rig.handle.connect()
        with refused("text.empty"):
            rig.handle.update_instruction("")
        await update(rig.handle)
        await rig.told.until("session.resumed")
        first, following = rig.service.calls
        assert len(first.heard) == 1  # its setup
        setup = following.heard[0]["setup"]
        assert isinstance(setup, dict)
        assert setup["systemInstruction"] == {"parts": [{"text": "new instruction"}]}
        assert rig.handle.phase() == "active"


# Rules of a program's own.


def on_drained(*reactions: Reaction) -> Sequence[Rule]:
    def rule(_state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
        return reactions if isinstance(event, PlaybackDrained) else ()

    return (*DEFAULT_RULES, rule)


async def fail() -> None:
    raise ZeroDivisionError("a fault of the rule")


async def test_d8_an_error_of_a_rule_is_told_to_whoever_waits_and_costs_nobody_else() -> None:
    async with handle(rules=on_drained(Reaction("mine", Run(fail)))) as rig:
        await rig.handle.connect()
        reported = rig.handle.playback_drained()
        with pytest.raises(ZeroDivisionError, match="a fault of the rule"):
            await reported
        assert await sent(rig) == []


async def test_d9_an_error_beside_is_told_as_an_event() -> None:
    rules = on_drained(Reaction("mine", Run(fail), Policy("concurrent")))
    async with handle(rules=rules) as rig:
        await rig.handle.connect()
        await rig.handle.playback_drained()
        await rig.told.until("live.error")
        [error] = rig.told.data("live.error")
        assert "reaction 'mine' failed" in str(error["message"])
        assert await sent(rig) == []


@pytest.mark.parametrize("mode", ["blocking", "concurrent"])
async def test_a11_a_rule_that_is_stuck_holds_up_no_end(mode: str) -> None:
    policy = Policy("blocking" if mode == "blocking" else "concurrent")
    stuck = Reaction("stuck", Run(anyio.sleep_forever), policy)
    with anyio.fail_after(5):  # with one that is stuck it is left in time, too
        async with handle(rules=on_drained(stuck)) as rig:
            await rig.handle.connect()
            reported = rig.handle.playback_drained()
            assert reported.done == (mode == "concurrent")
            with anyio.fail_after(2):
                await rig.handle.disconnect()
            await rig.handle.connect()
            rig.handle.playback_drained()
            await rig.handle.send_text("go on")


async def test_typed_turns_of_the_writers_are_words_of_the_user() -> None:
    async with handle(saying(TURN_COMPLETE)) as rig:
        await rig.handle.connect()
        await rig.told.until("live.turn_complete")
        await rig.handle.writer().send_text("I am pescatarian")
        await rig.handle.session().send_text(" and hungry")
        current = rig.handle.transcript().current
        assert current is not None
        assert "I am pescatarian" in current.user
        assert "and hungry" in current.user
