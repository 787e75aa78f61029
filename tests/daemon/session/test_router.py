"""From session events to all who keep account of them, and to both streams."""

import gc
import weakref
from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livehandle_proto import topics as t
from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorSpec
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.states import StateChange
from livehandle_proto.topics import TOPICS
from livehandle_proto.values import Ended, ErrorObject, FunctionCall, Phase, Value
from livehandled.hub import Event
from support.parts import (
    GENERATED,
    INTERRUPTED,
    JPEG,
    SPEECH_BEGAN,
    SPEECH_OVER,
    TURN_COMPLETE,
    Json,
    Parts,
    calls,
    heard,
    loud,
    quiet,
    said,
    speech,
    text,
)

AUDIO = t.Audio(data="A" * 640, mime_type="audio/pcm;rate=24000")
CALLS = [FunctionCall(id=i, name="f", args={}) for i in ("c1", "c2")]
EVENTS: list[tuple[str, Value, str | None]] = [
    ("connected", t.SessionStarted(session_id="s"), "live.connected"),
    ("text_delta", t.Text(text="a"), "live.text_delta"),
    ("text_complete", t.Text(text="a"), "live.text_complete"),
    ("audio_data", AUDIO, "live.audio"),
    ("media", t.Media(data="AAAA", mime_type="image/png"), "live.media"),
    ("input_transcription", t.TranscriptDelta(text="a"), "live.input_transcript"),
    ("output_transcription", t.TranscriptDelta(text="a"), "live.output_transcript"),
    ("thought", t.Text(text="a"), "live.thought"),
    ("tool_call", t.ToolCalls(function_calls=CALLS), None),
    ("tool_call_cancelled", t.CallIds(ids=["c1"]), "live.tool_cancelled"),
    ("generation_complete", t.Nothing(), None),
    ("interrupted", t.Nothing(), "live.interrupted"),
    ("phase_changed", t.PhaseChange(phase="active", previous="setup_sent"), None),
    ("go_away", t.GoAway(time_left_ms=1), "live.go_away"),
    ("disconnected", Ended(reason="closed"), "live.disconnected"),
    ("error", ErrorObject(code=1300, message="m", data={}), "live.error"),
    ("resume_update", t.ResumeUpdate(resumable=True), None),
    ("voice_activity_start", t.Nothing(), "live.vad_start"),
    ("voice_activity_end", t.Nothing(), None),  # of speech that nobody heard begin
    ("interaction_status", t.InteractionStatus(status="IDLE"), None),
    ("usage", t.Usage(total_token_count=42), None),
    ("audio_held", t.AudioHeld(policy="drop", held=True, frames=0), None),
    ("reconnecting", t.Reconnecting(attempt=1, delay_ms=0, cause="c"), "live.reconnecting"),
    (
        "resumed",
        t.Resumed(restored="handle", reason=None, gap_ms=1, lost=0),
        "live.resumed",
    ),
    ("raw", t.RawMessage(message={}), None),
]
TURN_ENDS = ["session.turn_complete", "live.turn_metrics", "live.turn_complete"]

PARTY = ExtractorSpec(name="party", kind="regex", patterns={"size": r"table for (\w+)"})


def ended(parts: Parts) -> list[t.TurnEnded]:
    return [data for data in parts.data("live.turn_complete") if isinstance(data, t.TurnEnded)]


# Both streams.


@pytest.mark.parametrize(("name", "data", "semantic"), EVENTS, ids=[e[0] for e in EVENTS])
def test_i1_j1_an_event_is_published_raw_and_then_under_the_semantic_topic_it_has(
    name: str, data: Value, semantic: str | None
) -> None:
    parts = Parts()
    parts.router.route([(name, data)])
    told = [(e.topic, e.data) for e in parts.heard if e.topic != "state.changed"]
    topics = [f"session.{name}"] if semantic is None else [f"session.{name}", semantic]
    assert told == [(topic, data) for topic in topics]
    assert type(data) is TOPICS[f"session.{name}"].data


def test_i1_a_turns_end_is_told_raw_then_with_its_cost_then_with_its_words() -> None:
    parts = Parts()
    parts.hear(heard("Hi"), said("Hello."))
    parts.forget()
    parts.router.route([("turn_complete", t.TurnComplete(turn=0, reason="r"))])
    assert parts.told("session", "live") == TURN_ENDS
    assert parts.data("session.turn_complete") == [t.TurnComplete(turn=0, reason="r")]
    assert ended(parts) == [
        t.TurnEnded(turn=0, turn_number=0, user="Hi", model="Hello.", interrupted=False, reason="r")
    ]


def test_i1_every_session_topic_is_one_of_these_events() -> None:
    assert {f"session.{name}" for name, _, _ in EVENTS} | {"session.turn_complete"} == {
        topic for topic in TOPICS if topic.startswith("session.")
    }


def test_i2_events_keep_their_order() -> None:
    parts = Parts()
    parts.router.route((name, data) for name, data, _ in EVENTS)
    assert parts.told("session") == [f"session.{name}" for name, _, _ in EVENTS]


def test_i9_audio_is_told_piece_by_piece_and_other_data_as_media() -> None:
    parts = Parts("live.audio", "live.media")
    blob = {"mimeType": "video/mp4", "data": "AAAA"}
    film: Json = {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}
    parts.hear(speech(0.1), speech(0.1), film)
    assert parts.told() == ["live.audio", "live.audio", "live.media"]


def test_i10_a_go_away_without_a_time_is_told_without_one() -> None:
    parts = Parts("live.go_away")
    parts.hear({"goAway": {}})
    assert parts.data("live.go_away") == [t.GoAway(time_left_ms=None)]


def test_the_services_messages_are_wanted_only_where_somebody_named_them() -> None:
    assert not Parts("live.audio", "session.text_delta").router.wants_raw()
    assert Parts("session.raw").router.wants_raw()


def test_i10_who_is_told_of_an_event_finds_the_state_and_the_transcript_as_it_says() -> None:
    parts = Parts()
    found: dict[str, object] = {}

    def look(event: Event) -> None:
        looks: dict[str, Callable[[], object]] = {
            "session.phase_changed": lambda: parts.state.get("session:phase"),
            "live.input_transcript": lambda: parts.state.get("session:last_input_transcription"),
            "live.interrupted": lambda: parts.state.get("session:interrupt_count"),
            "live.turn_complete": lambda: parts.state.get("session:turn_count"),
            "live.vad_start": lambda: parts.state.get("session:is_user_speaking"),
            "live.disconnected": lambda: parts.state.get("session:disconnected"),
            "session.turn_complete": lambda: parts.transcript.window(1)[0].user,
            "session.usage": lambda: parts.snapshot()["total_token_count"],
        }
        if event.topic in looks:
            found[event.topic] = looks[event.topic]()

    parts.hub.attach(look, TOPICS)
    parts.hear(SPEECH_BEGAN, heard("Hi"), speech(1), INTERRUPTED)
    parts.hear({"usageMetadata": {"totalTokenCount": 42}}, TURN_COMPLETE)
    parts.session.end()
    assert found == {
        "session.phase_changed": "disconnected",
        "live.input_transcript": "Hi",
        "live.interrupted": 1,
        "live.turn_complete": 2,  # the turn of the user who speaks ends with the session
        "live.vad_start": True,
        "live.disconnected": True,
        "session.turn_complete": "Hi",
        "session.usage": 42,
    }


# The end of a turn.


def test_i10_q1_a_turn_is_over_for_state_transcript_and_extractors_before_it_is_told() -> None:
    parts = Parts(extractors=[PARTY])
    parts.state.set("turn:scratch", 1)
    parts.hear(heard("a table for four"), said("Booked."))
    parts.forget()
    parts.hear(TURN_COMPLETE)
    told = [
        f"{e.topic} {e.data.key}" if isinstance(e.data, StateChange) else e.topic
        for e in parts.heard
        if e.topic != "session.raw"
    ]
    last = told.index("live.turn_complete")
    before = set(told[:last])
    assert {"state.changed turn:scratch", "state.changed session:turn_count"} <= before
    assert {"live.extraction", "state.changed party"} <= before
    assert told.index("live.extraction") < last
    assert [topic for topic in told if topic in TURN_ENDS] == TURN_ENDS
    # The phase alone comes after: it is of no turn (J2).
    assert {topic.partition(" ")[0] for topic in told[last + 1 :]} <= {
        "state.changed",
        "session.phase_changed",
    }


def test_i6_transcripts_are_deltas_and_the_turns_end_tells_the_whole_text() -> None:
    parts = Parts()
    parts.hear(heard("a table "), heard("for four"), said("Bo"), said("oked."), TURN_COMPLETE)
    deltas = parts.data("live.input_transcript") + parts.data("live.output_transcript")
    assert [(d.text, d.is_final) for d in deltas if isinstance(d, t.TranscriptDelta)] == [
        *[("a table ", False), ("for four", False)],
        *[("Bo", False), ("oked.", False)],
    ]
    [turn] = ended(parts)
    assert (turn.user, turn.model) == ("a table for four", "Booked.")


def test_r2_l8_turn_keys_are_gone_and_turns_counted() -> None:
    parts = Parts()
    parts.state.set("turn:scratch", 1)
    for _ in range(6):
        parts.hear(TURN_COMPLETE)
    assert parts.state.get("turn:scratch") is None
    assert parts.state.get("session:turn_count") == 6


def test_h16_a_turns_cost_is_told_of_that_turn() -> None:
    parts = Parts()
    usage = {"promptTokenCount": 30, "responseTokenCount": 40}
    parts.writer.send_text("Hi")
    parts.after(0.42)
    parts.hear(text("Hello"), {"usageMetadata": usage}, TURN_COMPLETE, TURN_COMPLETE)
    assert parts.data("live.turn_metrics") == [
        t.TurnMetrics(turn=0, latency_ms=420, prompt_tokens=30, response_tokens=40),
        t.TurnMetrics(turn=1, latency_ms=None, prompt_tokens=None, response_tokens=None),
    ]


# Counters.


def test_z4_it_is_counted_the_same_with_and_without_listeners() -> None:
    deaf, hearing = Parts("daemon.stopping"), Parts()
    for parts in (deaf, hearing):
        parts.router.route((name, data) for name, data, _ in EVENTS)
        parts.hear(TURN_COMPLETE)
    assert deaf.snapshot() == hearing.snapshot()
    counted = {name: value for name, value in deaf.snapshot().items() if value}
    del counted["response_latency"]
    assert counted == {
        "audio_chunks_out": 1,
        "tool_calls": 2,
        "interruptions": 1,
        "turn_count": 1,
        "errors": 1,
        "total_token_count": 42,
    }


def test_h4_audio_interruptions_and_turns_are_counted_one_by_one() -> None:
    parts = Parts()
    parts.hear(*[speech(0.01)] * 3)  # 480 bytes each
    parts.hear(INTERRUPTED, INTERRUPTED, TURN_COMPLETE, TURN_COMPLETE)
    snapshot = parts.snapshot()
    assert snapshot["audio_chunks_out"] == 3
    assert snapshot["interruptions"] == 2
    assert snapshot["turn_count"] == 2
    assert snapshot["response_count"] == 0


def test_h5_the_first_piece_of_an_answer_is_measured_once_for_speech_and_for_text() -> None:
    parts = Parts()
    parts.hear(SPEECH_BEGAN)
    parts.hear(SPEECH_OVER)
    parts.after(0.3)
    parts.hear(speech(0.1))
    parts.after(0.1)
    parts.hear(speech(0.1), GENERATED, TURN_COMPLETE)
    assert parts.snapshot()["response_count"] == 1
    parts.writer.send_text("Hi")
    parts.after(0.1)
    parts.hear(text("Hello"), text(" you"), speech(0.1), TURN_COMPLETE)
    snapshot = parts.snapshot()
    assert snapshot["response_count"] == 2
    assert (snapshot["min_response_latency_ms"], snapshot["max_response_latency_ms"]) == (100, 300)


def test_h13_counting_is_inline() -> None:
    parts = Parts()
    parts.hear(speech(0.1), speech(0.1), text("a"), GENERATED, SPEECH_BEGAN, SPEECH_OVER)
    parts.after(0.2)
    parts.hear(speech(0.1))
    snapshot = parts.snapshot()
    assert snapshot["audio_chunks_out"] == 3
    assert snapshot["response_count"] == 1


def test_h14_signals_and_counters_come_from_the_same_events() -> None:
    parts = Parts()
    parts.hear(SPEECH_BEGAN, {"usageMetadata": {"totalTokenCount": 42}}, TURN_COMPLETE)
    assert parts.state.get("session:is_user_speaking") is True
    assert parts.state.get("session:total_token_count") == 42
    assert parts.snapshot()["total_token_count"] == 42


@pytest.mark.parametrize("source", ["server_vad", "client_vad", "activity_end", "text"])
def test_h15_z13_whichever_end_of_speech_comes_first_starts_the_wait(source: str) -> None:
    parts = Parts(authority="client")
    ends: dict[str, Callable[[], object]] = {
        "server_vad": lambda: parts.hear(SPEECH_OVER),
        "client_vad": parts.voice.user_speech_ended,
        "activity_end": lambda: parts.voice.marked(start=False),
        "text": lambda: parts.writer.send_text("Hi"),
    }
    parts.voice.marked(start=True)
    ends[source]()
    parts.after(0.1)
    for other, end in ends.items():
        if "text" not in {source, other}:
            end()  # the others do not move it
    parts.after(0.3)
    parts.hear(speech(0.1))
    by_source = parts.snapshot()["response_latency_by_source"]
    assert isinstance(by_source, dict)
    assert {name: figures["last_ms"] for name, figures in by_source.items()} == {source: 400}


def test_audio_of_the_microphone_is_counted_once_whoever_sends_it() -> None:
    parts = Parts(authority="client", pre_roll_ms=100)
    parts.mic(*quiet("ab"))  # of which nothing has left the delay line
    parts.writer.send_audio(b"\x00" * 640)
    parts.underlying.send_audio(b"\x00" * 640)
    assert parts.sent() == ["audio \x00"] * 2
    assert parts.snapshot()["audio_chunks_in"] == 4
    assert parts.snapshot()["audio_kbytes_in"] == 4 * 640 // 1024


def test_a_turn_of_several_parts_is_one_typed_turn() -> None:
    parts = Parts()
    turn = {"role": "user", "parts": [{"text": "Table "}, {"text": "for four"}]}
    model = {"role": "model", "parts": [{"text": "Yes?"}]}
    parts.writer.send_client_content([turn, model], turn_complete=True)
    assert parts.snapshot()["text_turns_in"] == 1
    assert parts.transcript.current is not None
    assert parts.transcript.current.user == "Table for four"


# Who speaks.


def test_i5_server_and_daemon_tell_one_utterance_once() -> None:
    parts = Parts()
    parts.mic(*loud("ab"))
    parts.hear(SPEECH_BEGAN)
    parts.mic(*quiet("cd"))
    parts.hear(SPEECH_OVER)
    assert parts.told("live.vad") == ["live.vad_start", "live.vad_end"]
    parts.hear(SPEECH_BEGAN)  # of the next one, before it is heard here
    parts.mic(*loud("ef"))
    parts.hear(SPEECH_OVER)
    parts.mic(*quiet("gh"))
    assert parts.told("live.vad") == ["live.vad_start", "live.vad_end"] * 2


def test_i5_the_services_edge_is_told_raw_and_then_as_ours() -> None:
    parts = Parts("session.voice_activity_start", "session.voice_activity_end", "live.vad_start")
    parts.hear(SPEECH_BEGAN, SPEECH_BEGAN, SPEECH_OVER)
    assert parts.told() == [
        "session.voice_activity_start",
        "live.vad_start",
        "session.voice_activity_start",
        "session.voice_activity_end",
    ]


def test_i5_speech_that_the_end_of_the_session_cuts_off_is_told_to_be_over() -> None:
    parts = Parts("live.vad_start", "live.vad_end", "live.disconnected")
    parts.mic(*loud("a"))
    parts.session.end()
    assert parts.told() == ["live.vad_start", "live.vad_end", "live.disconnected"]
    assert parts.state.get("session:is_user_speaking") is False
    assert not parts.voice.snapshot().user_speaking


def test_l2_speech_heard_here_is_a_signal_and_a_phase() -> None:
    parts = Parts()
    parts.mic(*loud("a"))
    assert parts.state.get("session:is_user_speaking") is True
    assert parts.state.get("session:phase") == parts.underlying.describe().phase == "user_speaking"
    parts.mic(*quiet("b"))
    assert parts.state.get("session:is_user_speaking") is False
    assert parts.state.get("session:phase") == "active"


def test_l7_silence_counts_from_the_end_of_playback() -> None:
    parts = Parts("live.audio")
    parts.hear(speech(4))
    parts.after(2)
    assert parts.state.get("session:silence_ms") == 0
    parts.voice.playback_drained()  # the speaker plays faster than assumed
    parts.after(1)
    assert parts.state.get("session:silence_ms") == 1000


# The transcript.

FOUR = "Your table for four is booked for Friday at eight."


def four_seconds(parts: Parts) -> None:
    parts.hear(heard("A table for four."))
    parts.hear(*[speech(1)] * 4)
    parts.hear(said(FOUR))


def test_o5_n3_an_interruption_cuts_the_models_words_to_what_was_heard() -> None:
    parts = Parts("live.audio", "live.turn_complete")
    four_seconds(parts)
    parts.after(1.5)
    parts.hear(INTERRUPTED, TURN_COMPLETE)
    assert [(turn.model, turn.interrupted) for turn in ended(parts)] == [
        ("Your table for four is", True)
    ]


def test_o5_words_that_come_after_the_interruption_are_cut_as_well() -> None:
    parts = Parts("session.audio_data", "live.turn_complete")
    parts.hear(*[speech(1)] * 4)
    parts.after(1.5)
    parts.hear(INTERRUPTED, said(FOUR[:20]), said(FOUR[20:]), TURN_COMPLETE)
    assert [turn.model for turn in ended(parts)] == ["Your table for four is"]


def test_o3_where_nobody_plays_the_audio_all_that_was_received_was_heard() -> None:
    parts = Parts("live.turn_complete")
    parts.hear(speech(1), speech(1), said(FOUR))
    parts.after(1.5)
    parts.hear(INTERRUPTED, TURN_COMPLETE)
    # 2 s are 32 characters: whole words among "Your table for four is booked fo".
    assert [turn.model for turn in ended(parts)] == ["Your table for four is booked"]


def test_o3_text_is_not_cut() -> None:
    parts = Parts("live.audio", "live.turn_complete")
    parts.hear(text(FOUR), INTERRUPTED, TURN_COMPLETE)
    assert [(turn.model, turn.interrupted) for turn in ended(parts)] == [(FOUR, True)]


def test_n4_words_that_come_late_belong_to_the_turn_they_were_said_in() -> None:
    parts = Parts()
    parts.hear(heard("Table for four"), speech(1), heard(" tomorrow."), TURN_COMPLETE)
    assert ended(parts)[0].user == "Table for four tomorrow."


@pytest.mark.parametrize("together", [True, False])
def test_n4_words_that_interrupted_open_the_next_turn(together: bool) -> None:
    parts = Parts("live.audio", "live.turn_complete")
    parts.hear(heard("Table for four"), speech(1), said("Your table"))
    parts.after(0.5)
    if together:
        both = {"interrupted": True, "inputTranscription": {"text": "Make it five."}}
        parts.hear({"serverContent": both})
    else:
        parts.hear(INTERRUPTED, heard("Make it five."))
    parts.hear(TURN_COMPLETE, speech(1), said("Five."), TURN_COMPLETE)
    assert [(turn.user, turn.model) for turn in ended(parts)] == [
        ("Table for four", "Your"),
        ("Make it five.", "Five."),
    ]


def test_n5_a_barge_in_over_an_unheard_reply_leaves_no_turn_behind() -> None:
    parts = Parts("live.audio", "live.turn_complete")
    parts.hear(speech(1), said("Your table"), INTERRUPTED, heard("Stop."), TURN_COMPLETE)
    assert (ended(parts)[0].user, ended(parts)[0].model) == ("", "")
    assert parts.transcript.window(50) == []
    assert parts.transcript.current is not None
    assert (parts.transcript.current.turn_number, parts.transcript.current.user) == (0, "Stop.")


def test_n1_pictures_of_the_model_are_an_answer() -> None:
    parts = Parts()
    blob = {"mimeType": "image/png", "data": "AAAA"}
    parts.hear(heard("Draw"), {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}})
    parts.writer.send_text("Another")  # typed over the answer: it opens the next turn
    parts.hear(TURN_COMPLETE)
    assert ended(parts)[0].user == "Draw"


# Tools.


def answer(call_id: str, response: object = None, **more: object) -> ToolAnswer:
    return ToolAnswer(id=call_id, name="f", response=response, **more)  # type: ignore[arg-type]  # as a client may


def test_z2_answers_are_told_noted_and_leave_the_phase() -> None:
    parts = Parts(
        extractors=[
            ExtractorSpec(
                name="tools", kind="regex", trigger="after_tool_call", patterns={"w": "weather"}
            )
        ]
    )
    parts.hear(heard("The weather?"), calls("c1", "c2"))
    assert parts.state.get("session:phase") == "tool_call_executing"
    parts.forget()
    parts.writer.send_tool_response([answer("c1", {"temperature": 21}), answer("c2", "mild")])
    assert parts.data("live.tool_execution") == [
        t.ToolExecution(call_id="c1", name="f", args={"n": 1}, result={"temperature": 21}),
        t.ToolExecution(call_id="c2", name="f", args={"n": 1}, result={"output": "mild"}),
    ]
    assert parts.told("session", "live") == [
        "live.tool_execution",
        "live.tool_execution",
        "session.phase_changed",
        "live.extraction",  # the object, and its field
        "live.extraction",
    ]
    assert parts.state.get("session:phase") == "active"
    turn = parts.transcript.current
    assert turn is not None
    assert [(use.name, use.args, use.result) for use in turn.tool_calls] == [
        ("f", '{"n":1}', '{"temperature":21}'),
        ("f", '{"n":1}', '"mild"'),
    ]


def test_z2_an_answer_that_will_go_on_leaves_the_call_open() -> None:
    parts = Parts()
    parts.hear(calls("c1"))
    parts.writer.send_tool_response([answer("c1", 1, will_continue=True)])
    assert parts.state.get("session:phase") == "tool_call_executing"
    parts.writer.send_tool_response([answer("c1", 2)])
    assert parts.state.get("session:phase") == "active"
    assert [*parts.session.conversation.open_calls] == []


def test_p9_a_call_that_is_cancelled_is_told_and_leaves_the_phase() -> None:
    parts = Parts()
    parts.hear(calls("c1"), {"toolCallCancellation": {"ids": ["c1"]}})
    assert parts.data("live.tool_cancelled") == [t.CallIds(ids=["c1"])]
    assert parts.state.get("session:phase") == "active"


# Who waits.


def test_a_watcher_that_nobody_keeps_is_forgotten() -> None:
    parts = Parts()
    seen: list[Phase] = []

    def watch(phase: Phase) -> None:
        seen.append(phase)

    kept = weakref.ref(watch)
    end = parts.router.watch_phase(watch)
    parts.mic(*loud("a"))
    assert seen == ["user_speaking"]
    end()
    end()
    del end, watch
    gc.collect()
    assert kept() is None
    parts.mic(*quiet("a"))
    assert seen == ["user_speaking"]


# Another session.


def test_z10_a_session_opened_again_finds_nothing_of_the_last_one_but_what_is_to_last() -> None:
    parts = Parts(authority="client", extractors=[PARTY])
    for key in ("app:theme", "user:name", "temp:x", "turn:x", "plain"):
        parts.state.set(key, 1)
    parts.hear(heard("a table for two"), speech(9), said("Yes"), TURN_COMPLETE, SPEECH_BEGAN)
    parts.hear(calls("c1"))
    parts.hear({"sessionResumptionUpdate": {"newHandle": "rh-42", "resumable": True}})
    parts.mic(*loud("ab"))
    parts.writer.send_text("Hi")
    parts.queue("context", prompt=True)
    parts.session.end()
    parts.forget()
    parts.open()
    assert parts.state.as_dict() == {
        "app:theme": 1,
        "user:name": 1,
        "session:phase": "connecting",
        "session:is_model_speaking": False,
    }
    assert parts.transcript.window(50) == []
    assert parts.transcript.current is None
    assert parts.voice.snapshot() == v.VoiceState(
        user_speaking=False,
        playback_active=False,
        prompt_pending=False,
        prompt_epoch=0,
        last_barge_in_ms_ago=None,
        last_playback_drained_ms_ago=None,
    )
    assert parts.voice.microphone is None
    assert parts.voice.deadline is None
    assert not parts.context
    assert parts.underlying.resume_handle() is None
    assert parts.session.conversation.open_calls == {}
    assert parts.sent() == []
    parts.session.begin()
    parts.hear(speech(0.1), TURN_COMPLETE)
    assert parts.snapshot()["response_count"] == 0  # the text was of the last one
    assert [turn.turn for turn in ended(parts)] == [0]
    parts.hear(SPEECH_BEGAN)
    assert parts.told("live.vad") == ["live.vad_start"]


def test_q2_intervals_count_from_the_session_on() -> None:
    second = ExtractorSpec(
        name="second",
        kind="regex",
        trigger="interval",
        interval=2,
        patterns={"word": r"(\w+)"},
    )
    parts = Parts(extractors=[second])
    for _ in range(2):
        parts.hear(*[heard("Hi"), TURN_COMPLETE] * 2)
        assert parts.told("live.extraction") == []
        parts.hear(heard("Hi"), TURN_COMPLETE)
        assert parts.told("live.extraction")
        parts.session.end()
        parts.open()
        parts.session.begin()
        parts.forget()


def test_context_that_waits_for_a_session_that_never_was_set_up_waits_for_the_next() -> None:
    parts = Parts(set_up=False)
    parts.queue("context", prompt=True)
    parts.session.end(Ended(reason="failed"))
    assert len(parts.context.turns) == 1
    assert parts.context.prompt_armed


# Whatever the service says and clients do.

TEXTS = st.sampled_from(["", "a table", " for four.", "Hi"])
IDS = st.sampled_from(["c1", "c2", ""])
BLOBS = st.sampled_from(
    [
        {"mimeType": "audio/pcm;rate=24000", "data": "A" * 640},
        {"mimeType": "image/png", "data": "AAAA"},
    ]
)
PART = st.one_of(
    st.fixed_dictionaries({"text": TEXTS}, optional={"thought": st.booleans()}),
    st.fixed_dictionaries({"inlineData": BLOBS}),
)
TRANSCRIPTION = st.fixed_dictionaries({"text": TEXTS})
CONTENT = st.fixed_dictionaries(
    {},
    optional={
        "modelTurn": st.fixed_dictionaries({"parts": st.lists(PART, max_size=3)}),
        "generationComplete": st.booleans(),
        "turnComplete": st.booleans(),
        "interrupted": st.booleans(),
        "inputTranscription": TRANSCRIPTION,
        "outputTranscription": TRANSCRIPTION,
    },
)
CALL = st.fixed_dictionaries({"name": st.sampled_from("fg")}, optional={"id": IDS})
MESSAGE: st.SearchStrategy[Json] = st.one_of(
    st.sampled_from([SPEECH_BEGAN, SPEECH_OVER, INTERRUPTED, TURN_COMPLETE, calls("c1")]),
    st.sampled_from([0.5, 4.0]).map(speech),
    st.fixed_dictionaries(
        {},
        optional={
            "serverContent": CONTENT,
            "toolCall": st.fixed_dictionaries({"functionCalls": st.lists(CALL, max_size=2)}),
            "toolCallCancellation": st.fixed_dictionaries({"ids": st.lists(IDS, max_size=2)}),
            "usageMetadata": st.just({"totalTokenCount": 7}),
            "goAway": st.just({"timeLeft": "50s"}),
            "sessionResumptionUpdate": st.just({"newHandle": "rh-42", "resumable": True}),
            "voiceActivity": st.sampled_from(
                [{"type": "ACTIVITY_START"}, {"type": "ACTIVITY_END"}]
            ),
        },
    ),
)


class Refused:
    """Lets a refusal for want of room pass, and nothing else."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        return isinstance(error, LiveHandleError) and error.name == "session.queue_full"


def told_by_clients(parts: Parts, call: str) -> None:
    match call:
        case "mark" | "unmark":
            parts.voice.marked(start=call == "mark")
        case _:
            getattr(parts.voice, call)()


def sent_by_clients(parts: Parts, kind: str) -> None:
    writer = parts.writer
    match kind:
        case "text":
            writer.send_text("Hi")
        case "video":
            writer.send_video(JPEG)
        case "audio":
            writer.send_audio(b"\x00z")
        case "content":
            turn = {"role": "user", "parts": [{"text": "a"}]}
            writer.send_client_content([turn], turn_complete=False)
        case "answers":
            calls = parts.session.conversation.open_calls.values()
            if answers := [ToolAnswer(id=c.id, name=c.name, response=1) for c in calls]:
                writer.send_tool_response(answers)
        case _:
            writer.update_instruction("Be brief.")


def spoken(parts: Parts, chunks: list[bool]) -> None:
    parts.mic(*((loud if one else quiet)("m")[0] for one in chunks))


Step = Callable[[Parts], object]

CLIENT_CALLS = ["playback_drained", "user_speech_started", "user_speech_ended", "mark", "unmark"]
SENDS = ["text", "video", "audio", "content", "answers", "instruction"]
STEPS: st.SearchStrategy[Step] = st.one_of(
    MESSAGE.map(lambda body: lambda parts: parts.hear(body)),
    st.lists(st.booleans(), min_size=1, max_size=6).map(lambda c: lambda p: spoken(p, c)),
    st.sampled_from(CLIENT_CALLS).map(lambda call: lambda p: told_by_clients(p, call)),
    st.sampled_from(SENDS).map(lambda kind: lambda p: sent_by_clients(p, kind)),
    st.booleans().map(lambda prompt: lambda p: p.queue("context", prompt=prompt)),
    st.sampled_from([0.1, 0.5, 1.0, 5.0]).map(lambda seconds: lambda p: p.after(seconds)),
    st.just(Parts.fill),
    st.just(Parts.sent),
)


@given(
    steps=st.lists(STEPS, max_size=30),
    authority=st.sampled_from(["server", "client"]),
    commit=st.sampled_from(["immediate", "responsive", "conversational"]),
    pre_roll_ms=st.sampled_from([0, 60]),
    soft_turn_s=st.sampled_from([0.0, 0.5]),
)
def test_z3_i10_z10_whatever_the_service_says_and_clients_do_all_accounts_agree(
    steps: list[Step], authority: str, commit: str, pre_roll_ms: int, soft_turn_s: float
) -> None:
    parts = Parts(
        authority=authority,
        commit=commit,
        pre_roll_ms=pre_roll_ms,
        soft_turn_s=soft_turn_s,
        limit=6,
        extractors=[PARTY],
    )
    frames: list[str] = []
    for step in steps:
        with Refused():
            came = step(parts)
            frames += came if isinstance(came, list) else []
        assert parts.state.get("session:phase") == parts.session.conversation.phase
        assert parts.state.get("session:is_user_speaking") is speaking(parts)
    assert_marks_alternate(frames + parts.sent(), any_at_all=authority == "client")
    assert_turns_in_order(parts)
    parts.session.end()
    assert parts.state.get("session:is_user_speaking") is speaking(parts) is False


def speaking(parts: Parts) -> bool:
    """Return what clients were told last of the user, of edges that take turns."""
    edges = parts.told("live.vad")
    assert edges[::2] == ["live.vad_start"] * len(edges[::2])
    assert edges[1::2] == ["live.vad_end"] * len(edges[1::2])
    return len(edges) % 2 == 1


def assert_marks_alternate(frames: list[str], *, any_at_all: bool) -> None:
    marks = [frame for frame in frames if frame in {"start", "end"}]
    assert marks[::2] == ["start"] * len(marks[::2])
    assert marks[1::2] == ["end"] * len(marks[1::2])
    assert any_at_all or not marks


# Who carries calls out.


class Caller:
    """Notes what it is told."""

    def __init__(self, parts: Parts) -> None:
        self.told: list[object] = []
        self._parts = parts

    def called(self, given: Sequence[FunctionCall]) -> None:
        assert "session.tool_call" not in self._parts.told()  # before anybody else
        self.told.append(("called", [one.id for one in given]))

    def cancelled(self, keys: Iterable[str]) -> None:
        self.told.append(("cancelled", list(keys)))

    def closed(self, keys: Iterable[str]) -> None:
        self.told.append(("closed", list(keys)))

    def connection_lost(self) -> None:
        self.told.append("lost")

    def session_over(self) -> None:
        self.told.append("over")

    def user_spoke(self) -> None:
        self.told.append("user")


def caller_of(parts: Parts) -> Caller:
    caller = parts.router.tools = Caller(parts)
    return caller


def test_whoever_carries_calls_out_is_told_of_each_message_as_one() -> None:
    parts = Parts()
    caller = caller_of(parts)
    parts.hear(calls("c1", "c2"))
    assert caller.told == [("called", ["c1", "c2"])]
    parts.hear({"toolCallCancellation": {"ids": ["c1"]}})
    parts.writer.send_tool_response([ToolAnswer(id="c2", name="f", response=1)])
    assert caller.told[1:] == [("cancelled", ["c1"]), ("closed", ["c2"])]


def test_an_answer_with_more_to_come_closes_nothing() -> None:
    parts = Parts()
    caller = caller_of(parts)
    parts.hear(calls("c1"))
    parts.writer.send_tool_response([ToolAnswer(id="c1", name="f", response=1, will_continue=True)])
    assert caller.told[1:] == [("closed", [])]


def test_a_lost_connection_is_told_before_what_it_cancels() -> None:
    parts = Parts()
    caller = caller_of(parts)
    parts.hear(calls("c1"))
    parts.lose()
    assert caller.told[1:] == ["lost", ("cancelled", ["c1"])]


def test_the_end_of_the_session_is_told() -> None:
    parts = Parts()
    caller = caller_of(parts)
    parts.hear(calls("c1"))
    parts.session.end()
    assert caller.told[1:] == [("cancelled", ["c1"]), "over"]


@pytest.mark.parametrize(
    "speaks",
    [
        lambda parts: parts.writer.send_text("hi"),
        lambda parts: parts.hear(heard("hi")),
        lambda parts: parts.hear(SPEECH_BEGAN),
        lambda parts: parts.mic(*loud("abcdefgh")),
    ],
    ids=["typed", "transcribed", "detected there", "detected here"],
)
def test_words_of_the_user_are_told_however_they_come(speaks: Callable[[Parts], object]) -> None:
    parts = Parts()
    caller = caller_of(parts)
    parts.hear(said("I speak."))
    assert caller.told == []
    speaks(parts)
    assert "user" in caller.told


def assert_turns_in_order(parts: Parts) -> None:
    """No event of a turn comes after its `live.turn_complete`, and no turn is left out."""
    over = -1
    for event in parts.heard:
        if isinstance(event.data, t.TurnComplete | t.TurnMetrics | t.TurnEnded):
            assert event.data.turn == over + 1, event.topic
            over += isinstance(event.data, t.TurnEnded)


@given(st.lists(MESSAGE, max_size=12))
@settings(max_examples=50)
def test_h4_z4_turns_are_counted_as_they_are_told(bodies: list[Json]) -> None:
    parts = Parts()
    parts.hear(*bodies)
    assert parts.snapshot()["turn_count"] == len(ended(parts))
    assert parts.state.get("session:turn_count", 0) == len(ended(parts))
    assert [turn.turn for turn in ended(parts)] == list(range(len(ended(parts))))
