"""From the service's messages to session events (J1 to J12), without a socket."""

from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livehandle_proto import topics as t
from livehandle_proto.envelope import event_head
from livehandle_proto.topics import TOPICS
from livehandle_proto.values import FunctionCall, Phase, Value
from livehandled.gemini.codec import decode_server
from livehandled.gemini.content import OWN_ID
from livehandled.gemini.server import ServerMessage
from livehandled.hub import Event
from livehandled.session.conversation import Conversation, SessionEvent, cut
from livehandled.session.phase import InvalidTransitionError, may_follow

Json = dict[str, object]


def message(body: Json) -> ServerMessage:
    decoded = decode_server(msgspec.json.encode(body))
    assert not decoded.skipped
    return decoded.message


def content(**fields: object) -> Json:
    return {"serverContent": fields}


def parts(*given: object) -> Json:
    return content(modelTurn={"role": "model", "parts": list(given)})


def blob(data: str, mime_type: str = "audio/pcm;rate=24000") -> Json:
    return {"inlineData": {"mimeType": mime_type, "data": data}}


def call(call_id: str, name: str = "f", **args: object) -> Json:
    return {"id": call_id, "name": name, "args": args}


def calls(*given: Json) -> Json:
    return {"toolCall": {"functionCalls": list(given)}}


SPEECH = parts(blob("AAAA"))
TURN_COMPLETE = content(turnComplete=True)


def active() -> Conversation:
    talk = Conversation()
    for phase in ("connecting", "setup_sent", "active"):
        talk.move(phase)
    return talk


def tell(talk: Conversation, *bodies: Json) -> list[SessionEvent]:
    return [event for body in bodies for event in talk.receive(message(body))]


def brief(events: Sequence[SessionEvent]) -> list[str]:
    """Name events; of a phase, the one that began; of text and ids, what they say."""
    told = []
    for name, data in events:
        match data:
            case t.PhaseChange():
                told.append(f"phase {data.phase}")
            case t.Text() | t.TranscriptDelta():
                told.append(f"{name} {data.text}")
            case t.TurnComplete():
                told.append(f"{name} {data.turn}")
            case _:
                told.append(name)
    return told


def only(events: Sequence[SessionEvent]) -> Value:
    assert len(events) == 1
    return events[0][1]


def test_a_new_conversation_is_disconnected_and_goes_through_setup() -> None:
    talk = Conversation()
    assert talk.phase == "disconnected"
    assert brief(talk.move("connecting")) == ["phase connecting"]
    assert talk.move("setup_sent") == [
        ("phase_changed", t.PhaseChange(phase="setup_sent", previous="connecting"))
    ]
    assert brief(talk.move("active")) == ["phase active"]


def test_j11_a_forbidden_move_is_a_fault_and_changes_nothing() -> None:
    talk = active()
    with pytest.raises(InvalidTransitionError):
        talk.move("connecting")
    assert talk.phase == "active"


def test_j2_one_message_with_everything_is_told_in_the_order_of_a_conversation() -> None:
    body = content(
        modelTurn={"parts": [{"text": "Hel"}, {"text": "hm", "thought": True}, blob("AAAA")]},
        inputTranscription={"text": "hi"},
        outputTranscription={"text": "Hello", "finished": True},
        interactionStatus="IDLE",
        generationComplete=True,
        turnComplete=True,
        turnCompleteReason="NEED_MORE_INPUT",
    )
    events = tell(active(), body | {"usageMetadata": {"totalTokenCount": 7}})
    assert events == [
        ("phase_changed", t.PhaseChange(phase="model_speaking", previous="active")),
        ("text_delta", t.Text(text="Hel")),
        ("thought", t.Text(text="hm")),
        ("audio_data", t.Audio(data="AAAA", mime_type="audio/pcm;rate=24000")),
        ("input_transcription", t.TranscriptDelta(text="hi")),
        ("output_transcription", t.TranscriptDelta(text="Hello", is_final=True)),
        ("interaction_status", t.InteractionStatus(status="IDLE")),
        ("usage", t.Usage(total_token_count=7)),
        ("generation_complete", t.Nothing()),
        ("text_complete", t.Text(text="Hel")),
        ("turn_complete", t.TurnComplete(turn=0, reason="NEED_MORE_INPUT")),
        ("phase_changed", t.PhaseChange(phase="active", previous="model_speaking")),
    ]


def test_j3_z5_an_interruption_does_not_cost_the_fields_beside_it() -> None:
    talk = active()
    tell(talk, parts({"text": "Hel"}))
    body = content(
        interrupted=True,
        generationComplete=True,
        turnComplete=True,
        inputTranscription={"text": "stop"},
        outputTranscription={"text": "Hel"},
    )
    assert brief(tell(talk, body | {"usageMetadata": {"totalTokenCount": 7}})) == [
        "phase interrupted",
        "interrupted",  # before the words that did it (N4)
        "phase active",
        "input_transcription stop",
        "output_transcription Hel",
        "usage",
        "generation_complete",
        "text_complete Hel",
        "turn_complete 0",
    ]


@pytest.mark.parametrize("left", ["cancellation", "go away", "usage", "update", "voice"])
def test_z5_every_kind_of_message_is_heard_beside_every_other(left: str) -> None:
    everything: dict[str, Json] = {
        "cancellation": {"toolCallCancellation": {"ids": ["c9"]}},
        "go away": {"goAway": {"timeLeft": "50s"}},
        "usage": {"usageMetadata": {"totalTokenCount": 7}},
        "update": {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
        "voice": {"voiceActivity": {"type": "ACTIVITY_START"}},
    }
    names = {
        "cancellation": "tool_call_cancelled",
        "go away": "go_away",
        "usage": "usage",
        "update": "resume_update",
        "voice": "voice_activity_start",
    }
    del everything[left]
    body = TURN_COMPLETE | calls(call("c1"))
    for other in everything.values():
        body |= other
    told = {name for name, _ in tell(active(), body)}
    expected = {names[kind] for kind in everything} | {"tool_call", "turn_complete"}
    assert told - {"phase_changed"} == expected


def test_j4_the_first_part_opens_a_turn_and_the_phase_and_the_next_does_not() -> None:
    talk = active()
    seen = [talk.turn_open]
    assert brief(tell(talk, SPEECH, SPEECH)) == ["phase model_speaking", "audio_data", "audio_data"]
    seen.append(talk.turn_open)
    tell(talk, TURN_COMPLETE)
    seen.append(talk.turn_open)
    assert seen == [False, True, False]
    assert talk.turns == 1


@pytest.mark.parametrize(
    ("mime_type", "told"),
    [
        ("audio/pcm;rate=24000", t.Audio(data="AAAA", mime_type="audio/pcm;rate=24000")),
        ("audio/wav", t.Audio(data="AAAA", mime_type="audio/wav")),
        ("", t.Audio(data="AAAA", mime_type="audio/pcm;rate=24000")),
        ("video/mp4", t.Media(data="AAAA", mime_type="video/mp4")),
        ("image/png", t.Media(data="AAAA", mime_type="image/png")),
    ],
)
def test_j5_i9_data_is_audio_or_media_by_its_type(mime_type: str, told: Value) -> None:
    assert tell(active(), parts(blob("AAAA", mime_type)))[1:] == [
        ("audio_data" if isinstance(told, t.Audio) else "media", told)
    ]


@pytest.mark.parametrize(
    "part", [{}, {"text": ""}, blob(""), {"thoughtSignature": "AA"}, {"thought": True}]
)
def test_an_empty_part_shows_that_the_model_speaks_and_says_nothing(part: Json) -> None:
    assert brief(tell(active(), parts(part))) == ["phase model_speaking"]


def test_a_message_of_unknown_things_means_nothing() -> None:
    assert tell(active(), {}, {"newThing": {"a": 1}}, content(), content(newField=1)) == []


def test_the_text_of_a_turn_is_complete_once_it_ends() -> None:
    talk = active()
    events = tell(talk, parts({"text": "Hel"}), parts({"text": "lo"}), TURN_COMPLETE, TURN_COMPLETE)
    assert brief(events) == [
        "phase model_speaking",
        "text_delta Hel",
        "text_delta lo",
        "text_complete Hello",
        "turn_complete 0",
        "phase active",
        "turn_complete 1",
    ]


def test_an_interruption_while_the_user_speaks_leads_to_the_users_turn() -> None:
    talk = active()
    tell(talk, SPEECH)
    assert talk.speech_started() == []
    assert brief(tell(talk, content(interrupted=True))) == [
        "phase interrupted",
        "interrupted",
        "phase user_speaking",
    ]
    assert brief(talk.speech_ended()) == ["phase active"]


def test_an_interruption_after_the_reply_changes_no_phase() -> None:
    assert brief(tell(active(), content(interrupted=True))) == ["interrupted"]


def test_speech_is_a_phase_and_opens_a_turn() -> None:
    talk = active()
    assert brief(talk.speech_started()) == ["phase user_speaking"]
    assert talk.turn_open
    assert brief(talk.speech_ended()) == ["phase active"]
    assert talk.turn_open  # the reply belongs to it
    talk.speech_started()
    assert brief(tell(talk, SPEECH)) == ["phase model_speaking", "audio_data"]
    assert talk.speech_ended() == []


def test_speech_that_began_before_the_session_is_a_phase_once_it_is_set_up() -> None:
    talk = Conversation()
    talk.move("connecting")
    assert talk.speech_started() == []
    talk.move("setup_sent")
    assert brief(talk.move("active")) == ["phase active", "phase user_speaking"]


def test_speech_that_outlasts_the_reply_is_the_phase_that_follows_it() -> None:
    talk = active()
    tell(talk, SPEECH)
    talk.speech_started()
    assert brief(tell(talk, TURN_COMPLETE)) == [
        "turn_complete 0",
        "phase active",
        "phase user_speaking",
    ]
    assert talk.turn_open
    assert brief(talk.speech_ended()) == ["phase active"]


def test_z2_speech_that_outlasts_a_call_is_the_phase_that_follows_it() -> None:
    talk = active()
    tell(talk, calls(call("c1")))
    assert talk.speech_started() == []
    assert brief(talk.answered(["c1"])) == ["phase active", "phase user_speaking"]


@pytest.mark.parametrize(
    ("message", "other"),
    [
        (
            {"voiceActivity": {"type": "ACTIVITY_START"}},
            {"voiceActivity": {"type": "ACTIVITY_END"}},
        ),
        (
            {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_SOS"}},
            {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_EOS"}},
        ),
    ],
)
def test_j10_j11_the_services_voice_activity_moves_the_phase(message: Json, other: Json) -> None:
    talk = active()
    assert brief(tell(talk, message)) == ["voice_activity_start", "phase user_speaking"]
    assert talk.turn_open
    assert brief(tell(talk, message)) == ["voice_activity_start"]
    assert brief(tell(talk, other)) == ["voice_activity_end", "phase active"]
    tell(talk, SPEECH)
    assert brief(tell(talk, message, other)) == ["voice_activity_start", "voice_activity_end"]


# J6: text of a model that only speaks.


def test_j6_the_transcript_is_the_text_and_the_speech_is_dropped() -> None:
    talk = Conversation(transcript_is_text=True)
    for phase in ("connecting", "setup_sent", "active"):
        talk.move(phase)
    events = tell(
        talk,
        SPEECH,
        content(outputTranscription={"text": "Hel"}),
        content(outputTranscription={"text": "lo", "finished": True}, turnComplete=True),
    )
    assert brief(events) == [
        "phase model_speaking",
        "text_delta Hel",
        "text_delta lo",
        "text_complete Hello",
        "turn_complete 0",
        "phase active",
    ]


def test_j6_what_the_user_says_and_pictures_are_told_as_ever() -> None:
    talk = Conversation(transcript_is_text=True)
    for phase in ("connecting", "setup_sent", "active"):
        talk.move(phase)
    body = content(inputTranscription={"text": "hi"}, outputTranscription={"text": ""})
    assert "input_transcription hi" in brief(tell(talk, body))
    assert brief(tell(talk, parts(blob("AAAA", "image/png")))) == ["media"]


# Z11: turns that end softly.


def test_z11_an_open_turn_ends_softly() -> None:
    talk = active()
    talk.speech_started()
    talk.speech_ended()
    assert talk.end_softly() == [
        ("turn_complete", t.TurnComplete(turn=0, reason="soft_timeout")),
    ]
    assert talk.end_softly() == []
    assert (talk.turns, talk.turn_open) == (1, False)


@pytest.mark.parametrize("state", ["nothing", "speaking", "replying", "called", "setting up"])
def test_z11_nothing_ends_softly_that_goes_on(state: str) -> None:
    talk = active()
    match state:
        case "speaking":
            talk.speech_started()
        case "replying":
            tell(talk, SPEECH)
        case "called":
            tell(talk, calls(call("c1")), TURN_COMPLETE, content(inputTranscription={"text": "a"}))
        case "setting up":
            talk = Conversation()
            talk.move("connecting")
            talk.user_typed()
    assert talk.end_softly() == []


def test_n4_what_cut_a_turn_off_opens_the_next() -> None:
    talk = active()
    tell(talk, SPEECH)
    talk.speech_started()
    tell(talk, content(interrupted=True))
    talk.speech_ended()
    assert brief(tell(talk, TURN_COMPLETE)) == ["turn_complete 0"]
    assert talk.turn_open
    tell(talk, SPEECH, TURN_COMPLETE)
    assert not talk.turn_open


@pytest.mark.parametrize("speaks", [False, True])
def test_n4_what_context_cut_off_opens_no_other_turn_but_for_one_who_speaks(speaks: bool) -> None:
    talk = active()
    tell(talk, SPEECH)
    if speaks:
        talk.speech_started()
    talk.receive(message(content(interrupted=True)), by_context=True)
    talk.speech_ended()
    tell(talk, TURN_COMPLETE)
    assert talk.turn_open is speaks


def test_n4_an_interruption_of_nothing_leaves_no_turn_open() -> None:
    talk = active()
    tell(talk, SPEECH, TURN_COMPLETE, content(interrupted=True))
    assert not talk.turn_open
    tell(talk, SPEECH, TURN_COMPLETE)
    assert not talk.turn_open


def test_n4_a_turn_interrupted_twice_opens_one_more() -> None:
    talk = active()
    tell(talk, SPEECH, content(interrupted=True), content(interrupted=True), TURN_COMPLETE)
    assert talk.turn_open
    tell(talk, SPEECH, TURN_COMPLETE)
    assert not talk.turn_open


def test_i5_where_this_side_hears_the_services_edges_are_told_and_move_nothing() -> None:
    talk = active()
    talk.hears_itself = True
    message: Json = {"voiceActivity": {"type": "ACTIVITY_START"}}
    over: Json = {"voiceActivity": {"type": "ACTIVITY_END"}}
    assert brief(tell(talk, message)) == ["voice_activity_start"]
    assert (talk.phase, talk.turn_open) == ("active", False)
    assert brief(talk.speech_started()) == ["phase user_speaking"]
    assert brief(tell(talk, over)) == ["voice_activity_end"]
    assert brief(talk.speech_ended()) == ["phase active"]


def test_a20_a_handle_is_not_told() -> None:
    talk = active()
    events = tell(
        talk,
        {"sessionResumptionUpdate": {"newHandle": "rh-42", "resumable": True}},
        {"sessionResumptionUpdate": {"resumable": False}},
    )
    assert brief(events) == ["resume_update"]
    assert "rh-42" not in repr(events)


def test_a_typed_turn_is_open_until_it_is_answered() -> None:
    talk = active()
    talk.user_typed()
    assert talk.turn_open
    tell(talk, SPEECH, TURN_COMPLETE)
    assert not talk.turn_open


def test_z2_a_call_is_pending_then_executing_then_answered() -> None:
    talk = active()
    events = tell(talk, calls(call("c1", "get_weather", city="Ulm"), call("c2", "g")))
    assert events == [
        ("phase_changed", t.PhaseChange(phase="tool_call_pending", previous="active")),
        (
            "tool_call",
            t.ToolCalls(
                function_calls=[
                    FunctionCall(id="c1", name="get_weather", args={"city": "Ulm"}),
                    FunctionCall(id="c2", name="g", args={}),
                ]
            ),
        ),
        (
            "phase_changed",
            t.PhaseChange(phase="tool_call_executing", previous="tool_call_pending"),
        ),
    ]
    assert talk.open_calls == {
        "c1": FunctionCall(id="c1", name="get_weather", args={"city": "Ulm"}),
        "c2": FunctionCall(id="c2", name="g", args={}),
    }
    assert talk.answered(["c1"]) == []
    assert brief(talk.answered(["c2"])) == ["phase active"]
    assert talk.open_calls == {}


def test_z2_a_cancelled_call_leaves_the_phase() -> None:
    talk = active()
    tell(talk, calls(call("c1")))
    events = tell(talk, {"toolCallCancellation": {"ids": ["c1", "unknown"]}})
    assert events[0] == ("tool_call_cancelled", t.CallIds(ids=["c1", "unknown"]))
    assert brief(events[1:]) == ["phase active"]


def test_z2_the_model_may_speak_while_a_call_is_open() -> None:
    talk = active()
    tell(talk, calls(call("c1")))
    assert brief(tell(talk, SPEECH)) == ["phase model_speaking", "audio_data"]
    assert talk.answered(["c1"]) == []
    assert brief(tell(talk, TURN_COMPLETE)) == ["turn_complete 0", "phase active"]


def test_z2_another_call_while_one_is_executed_leaves_the_phase() -> None:
    talk = active()
    tell(talk, calls(call("c1")))
    assert brief(tell(talk, calls(call("c2")))) == ["tool_call"]
    assert talk.phase == "tool_call_executing"
    assert talk.answered(["c1"]) == []
    assert brief(talk.answered(["c2"])) == ["phase active"]


def test_j7_z2_after_a_call_later_turns_speak_again() -> None:
    talk = active()
    tell(talk, calls(call("c1")))
    assert brief(tell(talk, TURN_COMPLETE)) == ["turn_complete 0", "phase active"]
    assert [*talk.open_calls] == ["c1"]  # it can still be answered
    events = tell(talk, parts({"text": "Hi"}), TURN_COMPLETE)
    assert "text_complete Hi" in brief(events)


@pytest.mark.parametrize("before", ["user_speaking", "model_speaking", "tool_call_executing"])
def test_a_call_may_come_in_any_phase(before: str) -> None:
    talk = active()
    if before == "user_speaking":
        talk.speech_started()
    else:
        tell(talk, SPEECH if before == "model_speaking" else calls(call("c0")))
    assert talk.phase == before
    tell(talk, calls(call("c1")))
    assert talk.phase == "tool_call_executing"


def test_a_message_without_calls_is_no_call() -> None:
    talk = active()
    assert tell(talk, calls()) == []
    assert talk.phase == "active"


def test_calls_without_an_id_get_one_that_no_other_call_has() -> None:
    talk = active()
    tell(talk, calls({"name": "f"}, {"name": "f"}))
    first, second = talk.open_calls
    assert first.startswith(OWN_ID)
    assert second.startswith(OWN_ID)
    assert [call.id for call in talk.open_calls.values()] == [first, second]
    talk.answered([first])
    assert brief(talk.answered([second])) == ["phase active"]


@pytest.mark.parametrize(
    ("left", "told"),
    [
        ("50s", 50_000),
        ("49.5s", 49_500),
        ("0s", 0),
        ("60", 60_000),
        ("soon", None),
        ("nans", None),
        ("1e400s", None),
        ("", None),
        (None, None),
    ],
)
def test_a_go_away_says_how_long_is_left(left: str | None, told: int | None) -> None:
    body: Json = {"goAway": {} if left is None else {"timeLeft": left}}
    assert only(tell(active(), body)) == t.GoAway(time_left_ms=told)


@pytest.mark.parametrize(
    ("update", "told"),
    [
        ({}, None),
        ({"resumable": False}, None),
        ({"resumable": True}, None),
        ({"newHandle": ""}, None),
        ({"newHandle": "h", "resumable": True}, t.ResumeUpdate(resumable=True)),
        ({"newHandle": "h"}, t.ResumeUpdate(resumable=False)),  # proto JSON leaves false out
        (
            {"newHandle": "h", "resumable": True, "lastConsumedClientMessageIndex": "12"},
            t.ResumeUpdate(resumable=True, last_consumed_client_message_index=12),
        ),
        (
            {"newHandle": "h", "resumable": True, "lastConsumedClientMessageIndex": 12},
            t.ResumeUpdate(resumable=True, last_consumed_client_message_index=12),
        ),
    ],
)
def test_j8_an_update_is_told_where_it_has_a_handle_and_the_handle_is_not(
    update: Json, told: Value | None
) -> None:
    events = tell(active(), {"sessionResumptionUpdate": update})
    assert events == ([] if told is None else [("resume_update", told)])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"voiceActivity": {"type": "ACTIVITY_START"}}, ["voice_activity_start"]),
        ({"voiceActivity": {"type": "ACTIVITY_END"}}, ["voice_activity_end"]),
        ({"voiceActivity": {"type": "VOICE_ACTIVITY_START"}}, ["voice_activity_start"]),
        ({"voiceActivity": {"type": "VOICE_ACTIVITY_END"}}, ["voice_activity_end"]),
        ({"voiceActivity": {"type": "SOMETHING"}}, []),
        ({"voiceActivity": {}}, []),
        (
            {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_SOS"}},
            ["voice_activity_start"],
        ),
        (
            {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_EOS"}},
            ["voice_activity_end"],
        ),
    ],
)
def test_j10_the_services_voice_activity_comes_in_several_spellings(
    body: Json, told: list[str]
) -> None:
    heard = brief(tell(active(), body))
    assert [name for name in heard if not name.startswith("phase")] == told


@pytest.mark.parametrize("name", ["responseTokenCount", "candidatesTokenCount"])
def test_usage_is_told_by_the_gemini_apis_names(name: str) -> None:
    body: Json = {"usageMetadata": {"promptTokenCount": 1, name: "2", "toolUsePromptTokenCount": 3}}
    assert only(tell(active(), body)) == t.Usage(
        prompt_token_count=1, response_token_count=2, tool_use_prompt_token_count=3
    )


def test_a_transcript_after_the_turn_is_told_as_it_comes() -> None:
    talk = active()
    tell(talk, SPEECH, TURN_COMPLETE)
    late = content(inputTranscription={"text": " tomorrow."})
    assert brief(tell(talk, late)) == ["input_transcription  tomorrow."]


# Cutting.

WIDEST_HEAD = event_head("s" + "9" * 20)


def line_of(name: str, data: Value) -> bytes:
    seq = 2**63
    topic = f"session.{name}"
    return Event(seq, f"{'f' * 8}:{seq}", 10**13, topic, data, topic).line(WIDEST_HEAD)


@pytest.mark.parametrize("mime_type", ["audio/pcm;rate=24000", "video/mp4"])
@pytest.mark.parametrize("size", [0, 1, 47_999, 48_000, 48_001, 300_004, 2_000_000])
def test_audio_and_media_are_cut_into_lines_that_fit(mime_type: str, size: int) -> None:
    data = "A" * size
    events = tell(active(), parts(blob(data, mime_type)))[1:]
    pieces = [data for _, data in events if isinstance(data, t.Audio | t.Media)]
    assert "".join(piece.data for piece in pieces) == data
    assert all(len(line_of(name, piece)) < 65_536 for name, piece in events)
    numbers = [(p.part, p.parts) for p in pieces if isinstance(p, t.Media)]
    assert numbers == [(i + 1, len(numbers)) for i in range(len(numbers))]


@given(st.integers(0, 100_000))
@settings(max_examples=20)
def test_a_cut_falls_between_whole_samples(quanta: int) -> None:
    base64 = "".join(f"{n:04x}"[-4:] for n in range(quanta))
    pieces = cut(base64)
    assert "".join(pieces) == base64
    assert all(len(piece) % 8 == 0 for piece in pieces[:-1])


# Any sequence of messages and of what the user does.

texts = st.text("ab ", max_size=4)
ids = st.sampled_from(["c1", "c2", "c3", ""])
transcripts = st.fixed_dictionaries({}, optional={"text": texts, "finished": st.booleans()})
any_part = st.one_of(
    st.fixed_dictionaries({"text": texts}, optional={"thought": st.booleans()}),
    st.builds(blob, st.sampled_from(["", "AAAA"]), st.sampled_from(["audio/pcm", "", "image/png"])),
)
any_content = st.fixed_dictionaries(
    {},
    optional={
        "modelTurn": st.fixed_dictionaries({"parts": st.lists(any_part, max_size=3)}),
        "generationComplete": st.booleans(),
        "turnComplete": st.booleans(),
        "interrupted": st.booleans(),
        "inputTranscription": transcripts,
        "outputTranscription": transcripts,
        "interactionStatus": st.just("IDLE"),
    },
)
any_call = st.fixed_dictionaries({"name": st.sampled_from("fg")}, optional={"id": ids})
any_message: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "serverContent": any_content,
        "toolCall": st.fixed_dictionaries({"functionCalls": st.lists(any_call, max_size=2)}),
        "toolCallCancellation": st.fixed_dictionaries({"ids": st.lists(ids, max_size=2)}),
        "usageMetadata": st.just({"totalTokenCount": "7"}),
        "goAway": st.just({"timeLeft": "50s"}),
        "sessionResumptionUpdate": st.just({"newHandle": "h", "resumable": True}),
        "voiceActivity": st.sampled_from([{"type": "ACTIVITY_START"}, {"type": "ACTIVITY_END"}]),
    },
)

Step = Callable[[Conversation], list[SessionEvent]]


def receiving(body: Json) -> Step:
    decoded = message(body)
    return lambda talk: talk.receive(decoded)


steps: st.SearchStrategy[Step] = st.one_of(
    any_message.map(receiving),
    st.sampled_from(
        [Conversation.speech_started, Conversation.speech_ended, Conversation.end_softly]
    ),
    st.lists(ids, max_size=2).map(lambda keys: lambda talk: talk.answered(keys)),
)


@given(st.lists(steps, max_size=25))
def test_j11_j12_whatever_comes_the_phases_follow_the_table_and_every_change_is_told(
    taken: list[Step],
) -> None:
    talk = active()
    phase: Phase = "active"
    for step in taken:
        for name, data in step(talk):
            assert type(data) is TOPICS[f"session.{name}"].data
            if isinstance(data, t.PhaseChange):
                assert data.previous == phase
                assert may_follow(phase, data.phase)
                phase = data.phase
        assert talk.phase == phase
        # Interrupted and pending are passed through, not stayed in.
        assert phase not in {"interrupted", "tool_call_pending"}
    talk.move("disconnecting")
    talk.move("disconnected")


@given(st.lists(steps, max_size=25))
def test_turns_count_up_and_their_complete_text_is_the_joined_deltas(taken: list[Step]) -> None:
    talk = active()
    deltas: list[str] = []
    turns = 0
    for name, data in [event for step in taken for event in step(talk)]:
        match name, data:
            case "text_delta", t.Text():
                deltas.append(data.text)
            case "text_complete", t.Text():
                assert data.text == "".join(deltas)
                deltas.clear()
            case "turn_complete", t.TurnComplete():
                assert deltas == []
                assert data.turn == turns
                turns += 1
    assert talk.turns == turns


@given(st.lists(any_message, max_size=12))
def test_nothing_of_a_turn_comes_after_its_end_within_a_message(bodies: list[Json]) -> None:
    talk = active()
    for body in bodies:
        told = [name for name, _ in talk.receive(message(body))]
        if "turn_complete" in told:
            after = told[told.index("turn_complete") + 1 :]
            about_the_connection = {"go_away", "resume_update", "voice_activity_start"}
            about_the_connection |= {"voice_activity_end", "phase_changed"}
            assert set(after) <= about_the_connection


@given(st.lists(any_message, max_size=12))
def test_a_message_means_the_same_in_either_spelling(bodies: list[Json]) -> None:
    camel, snake = active(), active()
    for body in bodies:
        respelt = decode_server(msgspec.json.encode(_snaked(body))).message
        assert camel.receive(message(body)) == snake.receive(respelt)


def _snaked(value: object) -> object:
    if isinstance(value, list):
        return [_snaked(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name): _snaked(inner)
        for name, inner in value.items()
    }
