"""Who speaks, and what that does to the frames: marks, audio, context and prompt in their order."""

from collections.abc import Sequence

import anyio
import pytest

from livehandle_proto import topics as t
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import ErrorObject
from livehandled.gemini.content import text_content
from livehandled.session import outbox
from livehandled.voice.microphone import Microphone
from livehandled.voice.reactor import (
    DEFAULT_RULES,
    CancelDeferredPrompt,
    PlaybackBegan,
    Policy,
    Reaction,
    Run,
    SendContext,
    UpdateInstruction,
    VoiceEvent,
    VoiceState,
)
from support.parts import (
    INTERRUPTED,
    SPEECH_BEGAN,
    SPEECH_OVER,
    TURN_COMPLETE,
    Parts,
    calls,
    heard,
    loud,
    quiet,
    said,
    speech,
    text,
)

PRESETS = ["immediate", "responsive", "conversational"]


def ends(parts: Parts) -> list[str | None]:
    """Return the reasons of the turns that ended."""
    data = parts.data("session.turn_complete")
    return [turn.reason for turn in data if isinstance(turn, t.TurnComplete)]


def errors(parts: Parts) -> list[object]:
    told = parts.data("session.error")
    return [error.data["name"] for error in told if isinstance(error, ErrorObject)]


def full() -> "pytest.RaisesExc[LiveHandleError]":
    return pytest.RaisesExc(LiveHandleError, check=lambda e: e.name == "session.queue_full")


# Marks and frames.


@pytest.mark.parametrize("commit", PRESETS)
def test_b6_b13_while_the_service_detects_audio_is_all_that_is_sent(commit: str) -> None:
    parts = Parts(authority="server", commit=commit)
    parts.mic(*loud("ab"), *quiet("cd"))
    parts.voice.user_speech_started()
    parts.voice.user_speech_ended()
    parts.writer.signal_activity_start()
    parts.writer.signal_activity_end()
    assert parts.sent() == ["audio a", "audio b", "audio c", "audio d"]
    assert parts.told("live.vad") == ["live.vad_start", "live.vad_end"] * 2


def test_b6_b11_g2_immediate_marks_stand_before_the_speech_and_after_its_end() -> None:
    parts = Parts(authority="client", commit="immediate")
    parts.mic(*quiet("a"), *loud("bc"), *quiet("de"), *loud("f"), *quiet("g"))
    assert parts.sent() == [
        *("audio a", "start", "audio b", "audio c", "audio d", "end", "audio e"),
        *("start", "audio f", "audio g", "end"),
    ]


def test_b6_g2_immediate_interrupts_the_model_at_once() -> None:
    parts = Parts(authority="client", commit="immediate")
    parts.hear(speech(9))
    parts.mic(*loud("a"))
    assert parts.sent() == ["start", "audio a"]


@pytest.mark.parametrize(("commit", "hold_ms"), [("responsive", 400), ("conversational", 800)])
def test_b6_g1_a_pause_is_bridged_and_the_end_marked_once_it_was_long_enough(
    commit: str, hold_ms: int
) -> None:
    parts = Parts(authority="client", commit=commit)
    held = hold_ms // 20
    parts.mic(*loud("a"))
    assert parts.sent() == ["start", "audio a"]  # a free floor is never held (G6)
    parts.mic(*quiet("p" * (held - 1)), *loud("b"))
    assert parts.sent() == [*["audio p"] * (held - 1), "audio b"]
    parts.mic(*quiet("p" * held))
    assert "end" not in parts.sent()
    parts.mic(*quiet("qr"))
    assert parts.sent() == ["audio q", "end", "audio r"]


@pytest.mark.parametrize(
    ("commit", "interruption_ms"), [("responsive", 600), ("conversational", 1400)]
)
def test_b6_g4_g5_g8_speech_over_the_model_is_held_until_it_is_an_interruption(
    commit: str, interruption_ms: int
) -> None:
    parts = Parts(authority="client", commit=commit)
    parts.hear(speech(9))
    parts.mic(*loud("aaa"), *quiet("b"))  # a "mhm": heard late, and no mark
    assert [f for f in parts.sent() if not f.startswith("audio")] == []
    count = interruption_ms // 20
    parts.mic(*loud("c" * count))
    assert parts.sent() == []
    parts.mic(*loud("d"))
    assert parts.sent() == ["start", *["audio c"] * count, "audio d"]


def test_b6_pre_roll_goes_into_the_activity() -> None:
    parts = Parts(authority="client", pre_roll_ms=40)
    parts.mic(*quiet("abcd"))
    assert parts.sent() == ["audio a", "audio b"]
    parts.mic(*loud("e"))
    assert parts.sent() == ["start", "audio c", "audio d", "audio e"]


@pytest.mark.parametrize("commit", PRESETS)
def test_b6_e2_context_goes_before_the_mark(commit: str) -> None:
    parts = Parts(authority="client", commit=commit)
    parts.queue("a", "b", prompt=True)
    parts.mic(*loud("c"))
    assert parts.sent() == ["context a|b", "start", "audio c"]
    # The start of speech disarms the prompt (C5).
    assert not parts.context.prompt_armed


def test_b11_without_a_detector_audio_passes_and_marks_are_the_clients() -> None:
    parts = Parts(authority="client")
    parts.voice.user_speech_started()
    parts.writer.send_audio(b"\x00a")
    parts.voice.user_speech_ended()
    assert parts.sent() == ["start", "audio a", "end"]


def test_z3_b12_a_client_and_the_detector_that_hear_the_same_make_one_mark() -> None:
    parts = Parts(authority="client")
    parts.mic(*quiet("a"))
    parts.voice.user_speech_started()
    parts.mic(*loud("b"))
    parts.writer.signal_activity_start()
    parts.mic(*quiet("c"))
    parts.voice.user_speech_ended()
    parts.writer.signal_activity_end()
    assert parts.sent() == ["audio a", "start", "audio b", "audio c", "end"]


def test_z3_speech_that_began_before_the_microphone_is_one_activity_with_its_audio() -> None:
    parts = Parts(authority="client", pre_roll_ms=100)
    parts.voice.user_speech_started()
    parts.mic(*loud("a"), *quiet("b"))
    assert parts.sent() == ["start", "audio a", "audio b", "end"]


def test_b13_a_microphone_that_falls_silent_ends_its_activity() -> None:
    parts = Parts(authority="client", commit="conversational")
    parts.mic(*loud("a"))
    parts.sent()
    parts.after(1.0)
    assert parts.told("live.vad") == ["live.vad_start", "live.vad_end"]
    assert parts.sent() == ["end"]
    assert parts.voice.deadline is None


def test_c12_what_is_pending_is_what_is_armed_when_the_call_is_made() -> None:
    seen: list[object] = []

    def look(_state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
        seen.append(getattr(event, "prompt_pending", None))
        return ()

    parts = Parts(rules=[look])
    for _ in range(2):
        parts.voice.playback_drained()
        parts.voice.user_speech_started()
        parts.voice.user_speech_ended()
        parts.queue(prompt=True)
    assert seen == [False, False, False, True, True, True]


# What fails.


def test_an_edge_is_never_lost_by_a_frame_that_could_not_be_put(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = Parts(limit=4)
    parts.mic(*quiet("z"))
    parts.sent()
    parts.fill()
    with monkeypatch.context() as narrow:
        narrow.setattr(outbox, "_MAX_BYTES", 1)
        with full():
            parts.mic(*loud("a"))
        with full():
            parts.mic(*quiet("b"))
    assert parts.told("live.vad") == ["live.vad_start", "live.vad_end"]
    assert parts.state.get("session:phase") == "active"
    assert parts.sent() == []
    parts.mic(*loud("c"))
    assert parts.sent() == ["audio c"]


def test_z3_a_start_that_could_not_be_written_has_no_end() -> None:
    parts = Parts(authority="client", limit=4)
    parts.fill()
    with full():
        parts.voice.user_speech_started()
    assert parts.voice.snapshot().user_speaking
    parts.sent()
    parts.voice.user_speech_ended()
    assert parts.sent() == []
    parts.voice.user_speech_started()
    parts.voice.user_speech_ended()
    assert parts.sent() == ["start", "end"]


def test_z3_a_mark_that_could_not_be_written_is_written_when_it_is_told_again() -> None:
    parts = Parts(authority="client", limit=4)
    for call, mark in (
        (parts.voice.user_speech_started, "start"),
        (parts.voice.user_speech_ended, "end"),
    ):
        parts.fill()
        with full():
            call()
        parts.sent()
        call()
        assert parts.sent() == [mark]


def test_z3_a_start_that_the_microphone_could_not_write_has_no_end_either() -> None:
    parts = Parts(authority="client", limit=8)
    parts.fill()
    with full():
        parts.mic(*loud("a"))
    parts.sent()
    parts.mic(*loud("b"), *quiet("c"))
    parts.mic(*loud("d"), *quiet("e"))
    assert parts.sent() == ["audio b", "audio c", "start", "audio d", "audio e", "end"]


def test_z3_speech_after_a_start_that_could_not_be_written_is_marked_anew() -> None:
    parts = Parts(authority="client", commit="responsive", pre_roll_ms=20, limit=8)
    parts.fill()
    with full():
        parts.mic(*loud("a"))
    parts.sent()
    parts.mic(*quiet("b"), *loud("c"))  # a pause that would be bridged, had it begun
    assert parts.sent() == ["start", "audio b", "audio c"]


@pytest.mark.anyio
async def test_z3_marks_that_an_action_holds_up_alternate_though_one_cannot_be_written() -> None:
    async def act() -> None:
        pass

    def acts(_state: VoiceState, _event: VoiceEvent) -> Sequence[Reaction]:
        return (Reaction("acts", Run(act)),)

    parts = Parts(authority="client", rules=[acts, *DEFAULT_RULES], limit=4)
    parts.fill()
    started = parts.voice.user_speech_started()
    ended = parts.voice.user_speech_ended()
    assert started is not None
    assert ended is not None
    async with anyio.create_task_group() as tasks:
        [work] = parts.started
        tasks.start_soon(work)  # type: ignore[arg-type]  # a coroutine function
        with full():
            await started
        parts.sent()
        await ended
    assert parts.sent() == []


def test_an_end_that_time_brings_and_that_fails_is_told_and_the_rest_is_done() -> None:
    parts = Parts(authority="client", commit="responsive", soft_turn_s=1.0, limit=4)
    parts.queue(prompt=True)
    parts.hear(heard("Hi"))
    parts.mic(*loud("a"))
    parts.context.prompt_armed = True
    parts.sent()
    parts.fill()
    parts.voice.due(parts.now + 60)
    assert errors(parts) == ["session.queue_full"]
    assert parts.told("live.vad") == ["live.vad_start", "live.vad_end"]
    assert parts.state.get("session:phase") == "active"
    parts.sent()
    parts.voice.user_speech_ended()
    assert parts.sent() == ["end", "prompt"]


def test_e7_z12_audio_whose_context_could_not_be_sent_is_not_heard_and_both_may_come_again() -> (
    None
):
    parts = Parts(limit=4)
    parts.queue("a", "b")
    parts.fill()
    with full():
        parts.mic(*loud("c"))
    assert parts.told("live.vad") == []
    assert parts.snapshot()["audio_chunks_in"] == 0
    parts.sent()
    parts.queue("d")
    parts.mic(*loud("c"))
    assert parts.sent() == ["context a|b|d", "audio c"]


def test_z12_a_prompt_that_could_not_be_sent_stays_armed() -> None:
    parts = Parts(limit=4)
    parts.queue("a", prompt=True)
    parts.fill()
    with full():
        parts.voice.playback_drained()
    assert parts.context.prompt_armed
    parts.sent()
    parts.voice.playback_drained()
    assert parts.sent() == ["context a", "prompt"]


def test_what_a_rule_does_about_the_models_speech_fails_as_an_event_and_not_the_session() -> None:
    def loses(_state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
        if isinstance(event, PlaybackBegan):
            return (Reaction("loses", SendContext([text_content("a", "user")])),)
        return ()

    parts = Parts(rules=[loses], limit=4)
    parts.fill()
    parts.hear(speech(1))
    assert errors(parts) == ["session.queue_full"]
    assert parts.told("live.audio")
    assert parts.voice.snapshot().playback_active


def test_d5_d7_rules_write_instructions_and_context() -> None:
    def writes(_state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
        if isinstance(event, PlaybackBegan):
            return ()
        return (
            Reaction("writes", UpdateInstruction("new instruction")),
            Reaction("writes", SendContext([])),
            Reaction("writes", SendContext([text_content("a", "user")])),
        )

    parts = Parts(rules=[writes])
    parts.queue("waits")
    parts.voice.playback_drained()
    assert parts.sent() == ["instruction", "context a"]  # past what is deferred (D10)


def test_what_the_start_of_speech_waits_for_the_audio_after_it_does_not_hide() -> None:
    async def act() -> None:
        raise AssertionError("nobody runs it")

    def acts(_state: VoiceState, _event: VoiceEvent) -> Sequence[Reaction]:
        return (Reaction("acts", Run(act)),)

    parts = Parts(rules=[acts])
    parts.mic(*quiet("z"))
    assert parts.voice.hear("AAAA", loud("a")[0]) is not None


@pytest.mark.anyio
async def test_a_chunk_with_several_edges_waits_for_the_actions_of_all() -> None:
    done: list[bool] = []

    def acts(state: VoiceState, _event: VoiceEvent) -> Sequence[Reaction]:
        async def act() -> None:
            done.append(state.user_speaking)

        return (Reaction("acts", Run(act), Policy("blocking", 5.0)),)

    parts = Parts(rules=[acts])
    parts.mic(*quiet("z"))
    both = loud("a")[0] + quiet("b")[0]
    pending = parts.voice.hear("AAAA", both)
    assert pending is not None
    async with anyio.create_task_group() as tasks:
        for task in parts.started:
            tasks.start_soon(task)  # type: ignore[arg-type]  # a coroutine function
        with anyio.fail_after(5):
            await pending
    assert done == [True, False]


# Playback.


def test_z9_playback_is_active_from_the_first_audio_until_it_has_drained() -> None:
    parts = Parts()
    parts.hear(text("Hi"))
    assert not parts.voice.snapshot().playback_active
    parts.hear(speech(1))
    assert parts.voice.snapshot().playback_active
    parts.voice.playback_drained()
    assert not parts.voice.snapshot().playback_active
    assert parts.voice.snapshot().last_playback_drained_ms_ago == 0


def test_z9_c10_speech_ends_playback() -> None:
    parts = Parts()
    parts.hear(speech(1))
    parts.voice.user_speech_started()
    parts.after(0.25)
    snapshot = parts.voice.snapshot()
    assert not snapshot.playback_active
    assert snapshot.user_speaking
    assert snapshot.last_barge_in_ms_ago == 250


def test_z9_a_speaker_that_never_reports_is_taken_for_done_3_s_after_the_estimated_end() -> None:
    parts = Parts()
    parts.queue("a", prompt=True)
    parts.hear(speech(2))
    parts.after(1)
    parts.hear(speech(2))  # 4 s from the first on
    looked = parts.looks
    parts.after(5.9)
    assert parts.voice.snapshot().playback_active
    assert parts.sent() == []
    parts.after(0.2)
    assert not parts.voice.snapshot().playback_active
    assert parts.sent() == ["context a", "prompt"]
    assert looked
    assert parts.voice.snapshot().last_playback_drained_ms_ago is None  # nobody said so


def test_z9_the_deadline_does_not_prompt_over_the_user() -> None:
    parts = Parts()
    parts.hear(speech(1))
    parts.voice.user_speech_started()
    parts.hear(speech(1))  # of the same reply, still on its way
    parts.queue(prompt=True)
    parts.after(60)
    assert parts.sent() == []
    parts.voice.user_speech_ended()
    assert parts.sent() == ["prompt"]


@pytest.mark.parametrize(
    "messages",
    [
        [SPEECH_BEGAN, INTERRUPTED],
        [INTERRUPTED, SPEECH_BEGAN],
        [SPEECH_BEGAN | INTERRUPTED],
        [INTERRUPTED],
    ],
    ids=["start first", "interrupted first", "both in one", "no start"],
)
def test_z9_c9_d4_the_service_that_hears_the_user_cut_the_model_off_cancels_the_prompt(
    messages: list[dict[str, object]],
) -> None:
    parts = Parts()
    parts.hear(speech(1))
    parts.queue("a", prompt=True)
    parts.hear(*messages)
    snapshot = parts.voice.snapshot()
    assert snapshot.user_speaking is (messages != [INTERRUPTED])
    assert (snapshot.playback_active, snapshot.prompt_pending) == (False, False)
    assert (snapshot.prompt_epoch, snapshot.last_barge_in_ms_ago) == (1, 0)
    assert parts.voice.deadline is None
    parts.after(60)
    parts.voice.playback_drained()
    parts.hear(SPEECH_OVER)
    assert parts.sent() == []
    assert not parts.voice.snapshot().user_speaking
    assert not parts.context.prompt_armed
    assert len(parts.context.turns) == 1


@pytest.mark.parametrize("heard_by", ["client", "microphone", "service"])
def test_c7_c9_one_barge_in_told_twice_is_one_and_a_prompt_armed_since_waits_for_its_end(
    heard_by: str,
) -> None:
    parts = Parts()
    if heard_by == "microphone":
        parts.mic(*quiet("a"))
    parts.hear(speech(1))
    parts.queue("a", prompt=True)
    match heard_by:
        case "client":
            parts.voice.user_speech_started()
        case "microphone":
            parts.mic(*loud("b"))
        case _:
            parts.hear(SPEECH_BEGAN)
    parts.queue(prompt=True)
    parts.hear(speech(1), INTERRUPTED)
    assert parts.voice.snapshot().prompt_epoch == 1
    assert parts.context.prompt_armed
    parts.forget()
    match heard_by:
        case "client":
            parts.voice.user_speech_ended()
        case "microphone":
            parts.mic(*quiet("c"))
        case _:
            parts.hear(SPEECH_OVER)
    assert [frame for frame in parts.sent() if not frame.startswith("audio")][-1] == "prompt"
    assert parts.voice.snapshot().prompt_epoch == 1


def test_c15_an_edge_of_the_services_that_a_client_told_before_is_none() -> None:
    seen: list[str] = []

    def look(_state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
        seen.append(type(event).__name__)
        return ()

    parts = Parts(rules=[look])
    parts.voice.user_speech_started()
    parts.hear(SPEECH_BEGAN, SPEECH_BEGAN)
    assert seen == ["UserSpeechStarted"]
    parts.hear(SPEECH_OVER, SPEECH_OVER)
    assert seen == ["UserSpeechStarted", "UserSpeechEnded"]


@pytest.mark.parametrize("message", [SPEECH_BEGAN, SPEECH_OVER])
def test_b13_z3_the_services_edges_write_no_mark(message: dict[str, object]) -> None:
    parts = Parts(authority="client")
    if message is SPEECH_OVER:
        parts.voice.user_speech_started()
    parts.forget()
    parts.hear(message)
    assert parts.sent() == []


def test_what_a_rule_does_about_the_services_edge_fails_as_an_event_and_not_the_session() -> None:
    parts = Parts(limit=4)
    parts.hear(SPEECH_BEGAN)
    parts.queue(prompt=True)
    parts.fill()
    parts.hear(SPEECH_OVER)
    assert errors(parts) == ["session.queue_full"]
    assert parts.told("live.vad") == ["live.vad_start", "live.vad_end"]
    assert parts.context.prompt_armed


# A detector on this side (I5, Z13).


def latencies(parts: Parts) -> dict[str, int]:
    by_source = parts.snapshot()["response_latency_by_source"]
    assert isinstance(by_source, dict)
    return {name: figures["last_ms"] for name, figures in by_source.items()}


def test_i5_z13_the_services_edges_of_speech_that_was_heard_here_move_nothing() -> None:
    parts = Parts()
    parts.mic(*loud("a"), *quiet("b"))
    state, phases = parts.voice.state, parts.data("session.phase_changed")
    ended_at = parts.now - 0.02
    parts.after(0.2)
    parts.hear(SPEECH_BEGAN)
    parts.after(0.2)
    parts.hear(SPEECH_OVER)
    assert parts.told("session.voice") == [
        "session.voice_activity_start",
        "session.voice_activity_end",
    ]
    assert parts.told("live.vad") == ["live.vad_start", "live.vad_end"]
    assert parts.data("session.phase_changed") == phases
    assert parts.voice.state == state
    assert parts.state.get("session:is_user_speaking") is False
    parts.after(ended_at + 0.6 - parts.now)
    parts.hear(speech(1))
    assert latencies(parts) == {"client_vad": 600}


def test_i5_what_the_service_alone_hears_is_told_as_its_word_alone() -> None:
    parts = Parts()
    parts.mic(*quiet("a"))
    parts.forget()
    parts.hear(SPEECH_BEGAN)
    assert parts.told("live", "session.voice", "session.phase") == ["session.voice_activity_start"]
    assert parts.state.get("session:phase") == "active"
    assert parts.state.get("session:is_user_speaking") is False
    assert not parts.voice.snapshot().user_speaking


def test_i5_a_microphone_without_a_detector_leaves_the_edges_to_the_service() -> None:
    parts = Parts()
    parts.voice.plug_in(Microphone(None, None, pre_roll_ms=0))
    parts.hear(SPEECH_BEGAN)
    assert parts.told("live.vad") == ["live.vad_start"]
    assert parts.voice.snapshot().user_speaking


def test_z13_an_end_that_the_service_tells_first_starts_the_wait_and_ends_nothing() -> None:
    parts = Parts()
    parts.mic(*loud("a"))
    parts.hear(SPEECH_BEGAN, SPEECH_OVER)
    assert parts.told("live.vad") == ["live.vad_start"]
    assert parts.voice.snapshot().user_speaking
    parts.after(0.1)
    parts.mic(*quiet("b"))
    parts.after(0.28)
    parts.hear(speech(1))
    assert latencies(parts) == {"server_vad": 400}


def test_z13_a_late_end_of_what_was_said_before_does_not_end_what_is_said_now() -> None:
    parts = Parts()
    parts.mic(*loud("a"), *quiet("b"), *loud("c"))
    parts.hear(SPEECH_BEGAN, SPEECH_OVER)  # of the first
    parts.after(0.5)
    parts.mic(*quiet("d"))
    parts.after(0.28)
    parts.hear(speech(1))
    assert latencies(parts) == {"client_vad": 300}


def test_z13_ends_that_the_service_never_told_are_not_waited_for_in_the_next_turn() -> None:
    parts = Parts()
    parts.mic(*loud("a"), *quiet("b"))
    parts.hear(speech(1), TURN_COMPLETE)
    parts.mic(*loud("c"))
    parts.hear(SPEECH_OVER)
    parts.after(0.2)
    parts.hear(speech(1))
    assert latencies(parts)["server_vad"] == 200


def test_z11_a_late_edge_of_the_services_does_not_move_the_soft_end() -> None:
    parts = Parts(soft_turn_s=2.0)
    parts.mic(*loud("a"), *quiet("b"))
    parts.after(1.5)
    parts.hear(SPEECH_BEGAN, SPEECH_OVER)
    parts.after(0.6)
    assert ends(parts) == ["soft_timeout"]


def test_c14_flush_and_drained_are_one_and_neither_prompts_over_the_user() -> None:
    parts = Parts()
    parts.voice.user_speech_started()
    parts.queue("a", prompt=True)
    parts.voice.playback_drained()
    assert parts.sent() == []
    assert parts.voice.snapshot().prompt_pending
    parts.voice.user_speech_ended()
    assert parts.sent() == ["context a", "prompt"]


def test_c5_d4_a_barge_in_disarms_the_prompt_and_keeps_the_context() -> None:
    parts = Parts()
    parts.hear(speech(1))
    parts.queue("a", prompt=True)
    parts.voice.user_speech_started()
    assert not parts.context.prompt_armed
    assert parts.voice.snapshot().prompt_epoch == 1
    parts.voice.user_speech_ended()
    assert parts.sent() == []
    parts.writer.send_text("Hi")
    assert parts.sent() == ["context a", "text Hi"]


def test_d4_a_prompt_that_a_rule_cancels_is_not_sent_and_the_context_is() -> None:
    def cancels(_state: VoiceState, _event: VoiceEvent) -> Sequence[Reaction]:
        return (Reaction("cancels", CancelDeferredPrompt()),)

    parts = Parts(rules=[cancels, *DEFAULT_RULES])
    parts.queue("a", prompt=True)
    parts.voice.playback_drained()
    assert parts.sent() == ["context a"]
    assert not parts.context


def test_z13_the_answer_to_a_prompt_is_measured_like_one_to_a_text() -> None:
    parts = Parts()
    parts.queue(prompt=True)
    parts.voice.playback_drained()
    parts.after(0.5)
    parts.hear(speech(1))
    assert parts.snapshot()["last_response_latency_ms"] == 500


# Turns that end softly.


def spoken(parts: Parts, words: str = "Hello?") -> None:
    parts.voice.user_speech_started()
    parts.hear(heard(words))
    parts.voice.user_speech_ended()


def test_z11_r10_a_turn_that_is_not_answered_ends_after_the_timeout() -> None:
    parts = Parts(soft_turn_s=2.0)
    spoken(parts)
    parts.after(1.9)
    assert ends(parts) == []
    parts.after(0.2)
    assert ends(parts) == ["soft_timeout"]
    assert parts.transcript.window(1)[0].user == "Hello?"
    assert parts.underlying.describe().current_turn is None
    parts.after(60)
    assert ends(parts) == ["soft_timeout"]


@pytest.mark.parametrize("ending", ["client", "service", "microphone"])
def test_z11_whoever_hears_the_end_starts_the_wait(ending: str) -> None:
    parts = Parts(soft_turn_s=2.0)
    match ending:
        case "client":
            spoken(parts)
        case "service":
            parts.hear(SPEECH_BEGAN, SPEECH_OVER)
        case _:
            parts.mic(*loud("a"), *quiet("b"))
    parts.after(2.1)
    assert ends(parts) == ["soft_timeout"]


def test_z11_without_a_timeout_a_turn_waits_for_the_service() -> None:
    parts = Parts()
    spoken(parts)
    assert parts.voice.deadline is None
    parts.after(3600)
    assert ends(parts) == []


@pytest.mark.parametrize("message", [speech(1), text("a"), said("a"), calls("c1")])
def test_z11_an_answer_of_any_kind_ends_the_wait(message: dict[str, object]) -> None:
    parts = Parts(soft_turn_s=2.0)
    spoken(parts)
    parts.hear(message)
    for call in [*parts.session.conversation.open_calls.values()]:
        parts.session._router.route(parts.session.conversation.answered([call.id]))
    parts.after(60)
    assert ends(parts) == []
    parts.hear(TURN_COMPLETE)
    assert ends(parts) == [None]


def test_z11_new_speech_starts_the_wait_anew() -> None:
    parts = Parts(soft_turn_s=2.0)
    spoken(parts)
    parts.after(1.5)
    parts.voice.user_speech_started()
    parts.after(60)
    assert ends(parts) == []
    parts.voice.user_speech_ended()
    parts.after(1.9)
    assert ends(parts) == []
    parts.after(0.2)
    assert ends(parts) == ["soft_timeout"]


@pytest.mark.parametrize("more", ["service", "text"])
def test_z11_the_user_who_goes_on_ends_the_wait(more: str) -> None:
    parts = Parts(soft_turn_s=2.0)
    spoken(parts)
    parts.after(1.5)
    if more == "service":
        parts.hear(SPEECH_BEGAN)
    else:
        parts.writer.send_text("and typed")
    parts.after(1.0)
    assert ends(parts) == []


def test_z11_what_interrupted_the_model_and_is_not_answered_ends_softly_too() -> None:
    parts = Parts("live.audio", "session.turn_complete", soft_turn_s=2.0)
    parts.hear(heard("Hi"), speech(9), said("Well, I would say"))
    parts.after(1)
    parts.voice.user_speech_started()
    parts.hear(INTERRUPTED, heard("Never mind."))
    parts.voice.user_speech_ended()
    parts.after(0.5)
    parts.hear(TURN_COMPLETE)  # of the turn that was cut off
    parts.after(2)
    assert ends(parts) == [None, "soft_timeout"]
    assert [turn.user for turn in parts.transcript.window(2)] == ["Hi", "Never mind."]


def test_z11_a_soft_end_is_told_like_any_other_and_counted() -> None:
    parts = Parts(soft_turn_s=2.0)
    spoken(parts)
    parts.forget()
    parts.after(2.1)
    told = [topic for topic in parts.told() if topic != "state.changed"]
    assert told == ["session.turn_complete", "live.turn_metrics", "live.turn_complete"]
    assert parts.snapshot()["turn_count"] == 1
    assert parts.state.get("session:turn_count") == 1


# The end.


def test_a_session_that_ends_while_the_microphone_speaks_leaves_nobody_speaking() -> None:
    parts = Parts(authority="client", soft_turn_s=2.0)
    parts.hear(speech(1))
    parts.mic(*loud("a"))
    parts.queue("a", prompt=True)
    parts.session.end()
    snapshot = parts.voice.snapshot()
    assert not any((snapshot.user_speaking, snapshot.playback_active, snapshot.prompt_pending))
    assert not parts.context
    assert parts.sent() == []
    assert parts.told()[-2:] == ["session.disconnected", "live.disconnected"]
    assert parts.state.get("session:phase") == "disconnected"
