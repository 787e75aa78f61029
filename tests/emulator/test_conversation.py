"""The turn machine, without a loop, a socket or a sleep."""

import json
from typing import Literal

import pytest

from livehandle_emulator.scenario import Scenario, Timing, Tools
from livehandled.voice.pcm import from_bytes, level_dbfs, resample
from support.live_session import (
    CURRENT,
    GEMINI,
    HALF_CASCADE,
    TEXT,
    TIMING,
    VERTEX,
    VERTEX_HALF_CASCADE,
    Client,
    Json,
    b64,
    calls_of,
    closing_of,
    connected,
    functions,
    kinds,
    sound_of,
    text_of,
    transcript_of,
    usages_of,
)
from support.speech import noise, silence, speech_like

UTTERANCE = silence(0.5) + speech_like(1.2) + silence(0.8)
NATIVE = "models/gemini-2.5-flash-native-audio-latest"
EXTENDED = "models/gemini-3.8-live-extended-thinking"
DETECTION_OFF: Json = {"automaticActivityDetection": {"disabled": True}}
TRANSCRIPTS: Json = {"inputAudioTranscription": {}, "outputAudioTranscription": {}}


def tool_response(*answers: Json) -> Json:
    return {"toolResponse": {"functionResponses": list(answers)}}


# The order of a turn (wire 4.1).


def test_a_typed_turn_is_answered_in_text_that_repeats_it() -> None:
    client = connected(generationConfig=TEXT)
    came = client.typed("hello") + client.settle()
    assert kinds(came) == ["text", "generationComplete", "turnComplete"]
    assert text_of(came) == "You typed: hello"


def test_a_typed_turn_is_answered_in_speech_by_default() -> None:
    client = connected(**TRANSCRIPTS)
    came = client.typed("hello") + client.settle()
    assert [k for k in kinds(came) if k not in {"audio", "outputTranscription"}] == [
        "generationComplete",
        "turnComplete",
    ]
    assert transcript_of(came) == "You typed: hello"
    assert level_dbfs(from_bytes(sound_of(came))) > -35.0


def test_transcriptions_come_only_where_they_are_asked_for() -> None:
    client = connected()
    came = client.audio(UTTERANCE) + client.settle()
    assert kinds(came) == ["audio", "generationComplete", "turnComplete"]


def test_speech_is_answered_by_the_same_speech_at_24_khz() -> None:
    client = connected(**TRANSCRIPTS)
    came = client.audio(UTTERANCE) + client.settle()
    order = kinds(came)
    assert order[0] == "inputTranscription"
    assert order[-2:] == ["generationComplete", "turnComplete"]
    words = transcript_of(came, "inputTranscription")
    assert words in {f"[{tenths / 10} s of speech]" for tenths in (11, 12, 13)}
    assert transcript_of(came) == words
    spoken = from_bytes(sound_of(came))
    expected = resample(from_bytes(speech_like(1.2)), 16_000, 24_000)
    assert 1.2 < spoken.size / 24_000 < 1.2 + 0.3 + 0.4
    assert best_match(spoken.tolist(), expected.tolist()) > 0.99


def best_match(heard: list[float], spoken: list[float]) -> float:
    """Return the highest correlation of `spoken` with any stretch of `heard`."""
    import numpy as np

    a, b = np.array(heard), np.array(spoken)
    size = 1 << (a.size + b.size).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    return float(correlation.max() / (np.linalg.norm(b) * np.linalg.norm(b)))


def test_speech_is_answered_in_words_where_text_is_wanted() -> None:
    client = connected(generationConfig=TEXT)
    came = client.audio(UTTERANCE) + client.settle()
    assert text_of(came).startswith("I heard [1.")
    assert text_of(came).endswith("s of speech].")


def test_sound_comes_faster_than_it_plays_and_the_turn_ends_when_it_has_played() -> None:
    client = connected(
        Client(
            scenario=Scenario(
                timing=Timing(reply_delay_ms=200, stream_speed=8.0, playback_speed=1.0)
            )
        )
    )
    assert client.typed("one two three four") == []
    start = client.now + 0.2
    assert client.session.deadline == pytest.approx(start)
    came: list[Json] = []
    while "generationComplete" not in kinds(came):
        client.now = client.session.deadline or 0.0
        came += client.wait(0.0)
    duration = len(sound_of(came)) / 2 / 24_000
    assert client.now == pytest.approx(start + duration / 8.0)
    assert client.session.deadline == pytest.approx(start + duration)
    assert kinds(client.settle()) == ["turnComplete"]


def test_every_message_is_small_enough_for_a_line() -> None:
    client = connected(**TRANSCRIPTS)
    came = client.typed("word " * 100) + client.settle()
    assert max(len(json.dumps(message)) for message in came) < 65_536


def test_nothing_is_due_after_a_turn() -> None:
    client = connected()
    client.typed("hello")
    client.settle()
    assert client.session.deadline is None
    assert client.wait(1_000.0) == []


# What asks for an answer, and what does not (wire 2.2, 4.5).


def test_content_that_is_not_complete_gets_no_reply_and_is_answered_later() -> None:
    client = connected(generationConfig=TEXT)
    turn = {"role": "user", "parts": [{"text": "remember this"}]}
    assert client.send({"clientContent": {"turns": [turn], "turnComplete": False}}) == []
    assert client.settle() == []
    came = client.send({"clientContent": {"turnComplete": True}}) + client.settle()
    assert text_of(came) == "You typed: remember this"


def test_a_complete_turn_with_nothing_in_it_is_answered_all_the_same() -> None:
    client = connected(generationConfig=TEXT)
    came = client.send({"clientContent": {"turnComplete": True}}) + client.settle()
    assert text_of(came) == "You typed nothing new."


def test_what_the_model_is_said_to_have_said_is_not_repeated() -> None:
    client = connected(generationConfig=TEXT)
    turns = [{"role": "model", "parts": [{"text": "m"}]}, {"parts": [{"text": "u"}]}]
    came = client.send({"clientContent": {"turns": turns, "turnComplete": True}})
    assert text_of(came + client.settle()) == "You typed: u"


def test_seeded_history_gets_no_reply_and_what_follows_does() -> None:
    client = connected(generationConfig=TEXT, historyConfig={"initialHistoryInClientContent": True})
    for complete in (False, True):
        turns = [{"role": "user", "parts": [{"text": "long ago"}]}]
        assert client.send({"clientContent": {"turns": turns, "turnComplete": complete}}) == []
    assert client.settle() == []
    came = client.typed("now") + client.settle()
    assert text_of(came) == "You typed: now"


def test_realtime_text_is_a_turn() -> None:
    client = connected(generationConfig=TEXT)
    came = client.send({"realtimeInput": {"text": "typed"}}) + client.settle()
    assert text_of(came) == "You typed: typed"


def test_attachments_are_named() -> None:
    client = connected(generationConfig=TEXT)
    parts = [{"text": "look"}, {"inlineData": {"mimeType": "image/png", "data": "AAH7_w=="}}]
    turns = [{"role": "user", "parts": parts}]
    came = client.send({"clientContent": {"turns": turns, "turnComplete": True}})
    assert text_of(came + client.settle()) == "You typed: look You attached image/png."


@pytest.mark.parametrize(
    "message",
    [
        {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": b64(b"\xff\xd8\xff")}}},
        {"realtimeInput": {"mediaChunks": [{"mimeType": "image/jpeg", "data": "_9j_"}]}},
    ],
)
def test_video_frames_are_counted_and_mentioned_once(message: Json) -> None:
    client = connected(generationConfig=TEXT)
    assert client.send(message) == []
    assert client.send(message) == []
    assert text_of(client.typed("hi") + client.settle()).endswith(" I saw 2 video frames.")
    assert text_of(client.typed("hi") + client.settle()) == "You typed: hi"


# Interruption (wire 4.1, 4.5).


def interrupted_reply(client: Client) -> None:
    """Start a reply that is long enough to be interrupted."""
    client.typed("a long sentence that takes some time to say")
    assert kinds(client.wait(0.3)) == ["audio"]


def test_speech_over_a_reply_interrupts_it() -> None:
    client = connected()
    interrupted_reply(client)
    came = client.audio(silence(0.1) + speech_like(0.4))
    order = kinds(came)
    assert "generationComplete" not in order
    assert order[order.index("interrupted") :] == ["interrupted", "turnComplete"]


def test_speech_in_the_playback_pause_interrupts_too() -> None:
    client = connected()
    client.typed("a long sentence that takes some time to say")
    came: list[Json] = []
    while "generationComplete" not in kinds(came):
        client.now = client.session.deadline or 0.0
        came += client.wait(0.0)
    assert kinds(client.audio(speech_like(0.3))) == ["interrupted", "turnComplete"]


def test_after_the_interruption_the_speech_is_answered() -> None:
    client = connected()
    interrupted_reply(client)
    client.audio(speech_like(0.8))
    came = client.audio(silence(0.8)) + client.settle()
    assert kinds(came) == ["audio", "generationComplete", "turnComplete"]


@pytest.mark.parametrize(
    "message",
    [
        {"clientContent": {"turns": [{"parts": [{"text": "stop"}]}], "turnComplete": True}},
        {"realtimeInput": {"text": "stop"}},
    ],
)
def test_typing_over_a_reply_interrupts_it_and_is_answered(message: Json) -> None:
    client = connected(**TRANSCRIPTS)
    interrupted_reply_with_captions(client)
    came = client.send(message)
    assert kinds(came) == ["interrupted", "turnComplete"]
    assert transcript_of(client.settle()) == "You typed: stop"


def interrupted_reply_with_captions(client: Client) -> None:
    client.typed("a long sentence that takes some time to say")
    assert "audio" in kinds(client.wait(0.3))


def test_an_answer_that_has_not_begun_is_interrupted_as_well() -> None:
    client = connected(generationConfig=TEXT)
    client.typed("first")
    came = client.typed("second")
    assert kinds(came) == ["interrupted", "turnComplete"]
    assert text_of(client.settle()) == "You typed: second"


def test_without_interruption_speech_waits_for_the_reply_and_is_answered_after_it() -> None:
    client = connected(realtimeInputConfig={"activityHandling": "NO_INTERRUPTION"})
    interrupted_reply(client)
    came = client.audio(speech_like(0.6) + silence(0.6)) + client.settle()
    assert "interrupted" not in kinds(came)
    assert kinds(came) == ["audio", "generationComplete", "turnComplete"] * 2


def test_context_alone_interrupts_a_reply_but_not_on_3_8() -> None:
    note: Json = {"clientContent": {"turns": [{"parts": [{"text": "note"}]}]}}
    older = connected()
    interrupted_reply(older)
    assert kinds(older.send(note)) == ["interrupted", "turnComplete"]
    current = connected(model=CURRENT)
    interrupted_reply(current)
    assert current.send(note) == []


def test_2_5_native_audio_finishes_its_reply_before_it_answers_text() -> None:
    client = connected(model=NATIVE)
    interrupted_reply(client)
    came = client.send({"realtimeInput": {"text": "wait"}}) + client.settle()
    assert kinds(came) == ["audio", "generationComplete", "turnComplete"] * 2


# Hearing (wire 2.1.4, 4.7).


def test_noise_is_not_answered() -> None:
    client = connected(**TRANSCRIPTS)
    assert client.audio(noise(2.0, level_dbfs=-62.0)) == []
    assert client.settle() == []


def test_the_end_of_the_stream_commits_what_was_heard() -> None:
    client = connected(**TRANSCRIPTS)
    assert client.audio(silence(0.3) + speech_like(0.7)) == []
    came = client.send({"realtimeInput": {"audioStreamEnd": True}}) + client.settle()
    assert kinds(came)[0] == "inputTranscription"
    assert kinds(came)[-1] == "turnComplete"


def test_the_end_of_a_silent_stream_commits_nothing() -> None:
    client = connected(**TRANSCRIPTS)
    client.audio(silence(0.3))
    assert client.send({"realtimeInput": {"audioStreamEnd": True}}) == []
    assert client.settle() == []


def test_marks_delimit_the_utterance_where_detection_is_off() -> None:
    client = connected(realtimeInputConfig=DETECTION_OFF, **TRANSCRIPTS)
    assert client.audio(UTTERANCE) == []
    assert client.send({"realtimeInput": {"activityStart": {}}}) == []
    assert client.audio(silence(0.2) + speech_like(0.5) + silence(1.0) + speech_like(0.5)) == []
    came = client.send({"realtimeInput": {"activityEnd": {}}}) + client.settle()
    assert transcript_of(came, "inputTranscription") in {"[1.0 s of speech]", "[1.1 s of speech]"}
    assert len(sound_of(came)) / 2 / 24_000 == pytest.approx(2.2, abs=0.01)


def test_an_activity_without_audio_is_answered_in_words() -> None:
    client = connected(
        realtimeInputConfig=DETECTION_OFF, generationConfig=TEXT, inputAudioTranscription={}
    )
    client.send({"realtimeInput": {"activityStart": {}}})
    came = client.send({"realtimeInput": {"activityEnd": {}}}) + client.settle()
    assert transcript_of(came, "inputTranscription") == "[no speech]"
    assert text_of(came) == "I heard nothing."


def test_text_within_the_marks_belongs_to_the_marked_turn() -> None:
    client = connected(realtimeInputConfig=DETECTION_OFF, generationConfig=TEXT)
    client.send({"realtimeInput": {"activityStart": {}}})
    assert client.send({"realtimeInput": {"text": "and this"}}) == []
    assert client.settle() == []
    client.audio(speech_like(0.5))
    came = client.send({"realtimeInput": {"activityEnd": {}}}) + client.settle()
    assert text_of(came).startswith("You typed: and this I heard [0.")


def test_a_mark_interrupts_like_speech() -> None:
    client = connected(realtimeInputConfig=DETECTION_OFF)
    interrupted_reply(client)
    came = client.send({"realtimeInput": {"activityStart": {}}})
    assert kinds(came) == ["interrupted", "turnComplete"]


def test_vertex_tells_the_edges_of_speech_where_asked() -> None:
    client = connected(Client(path=VERTEX), model=VERTEX_HALF_CASCADE, explicitVadSignal=True)
    came = client.audio(silence(1.0) + speech_like(1.0) + silence(1.5))
    signals = [m["voiceActivity"] for m in came if "voiceActivity" in m]
    assert [s["type"] for s in signals if isinstance(s, dict)] == [
        "ACTIVITY_START",
        "ACTIVITY_END",
    ]
    offsets = [float(str(s["audioOffset"]).rstrip("s")) for s in signals if isinstance(s, dict)]
    assert offsets[0] == pytest.approx(1.0, abs=0.1)
    assert offsets[1] == pytest.approx(3.0, abs=0.15)


# Tools (wire 2.1.3, 2.4, 4.1).


def test_a_call_is_made_waited_for_and_its_result_mentioned() -> None:
    client = connected(generationConfig=TEXT, tools=functions("get_weather"))
    came = client.typed('call get_weather {"city": "Oslo"}') + client.settle()
    assert kinds(came) == ["toolCall"]
    (call,) = calls_of(came)
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Oslo"})
    client.wait(60.0)
    answer = {"id": call["id"], "name": "get_weather", "response": {"temp": 21}}
    came = client.send(tool_response(answer)) + client.settle()
    assert kinds(came) == ["text", "generationComplete", "turnComplete"]
    assert text_of(came) == 'get_weather answered {"temp": 21}.'


def test_several_calls_in_one_turn_come_in_one_message_and_all_are_waited_for() -> None:
    client = connected(generationConfig=TEXT, tools=functions("f", "g"))
    came = client.typed('call f\nplease\ncall g {"x": 1}\ncall h') + client.settle()
    assert kinds(came) == ["toolCall"]
    first, second = calls_of(came)
    assert first["id"] != second["id"]
    assert client.send(tool_response({"id": first["id"], "response": {"output": "one"}})) == []
    assert client.settle() == []
    came = client.send(tool_response({"id": second["id"], "response": {"error": "no"}}))
    assert text_of(came + client.settle()) == (
        "There is no function h. Declared: f, g. You typed: please f answered one. g failed: no."
    )


def test_new_input_cancels_a_blocking_call() -> None:
    client = connected(generationConfig=TEXT, tools=functions("f"))
    (call,) = calls_of(client.typed("call f") + client.settle())
    came = client.typed("never mind")
    assert kinds(came) == ["toolCallCancellation", "interrupted", "turnComplete"]
    assert came[0] == {"toolCallCancellation": {"ids": [call["id"]]}}
    assert text_of(client.settle()) == "You typed: never mind"
    assert client.send(tool_response({"id": call["id"], "response": {}})) == []
    assert client.settle() == []


def test_a_call_that_was_not_sent_yet_is_not_cancelled_either() -> None:
    client = connected(generationConfig=TEXT, tools=functions("f"))
    client.typed("call f")
    assert kinds(client.typed("never mind")) == ["interrupted", "turnComplete"]


def test_speech_cancels_a_blocking_call() -> None:
    client = connected(tools=functions("f"))
    client.typed("call f")
    client.settle()
    assert kinds(client.audio(speech_like(0.3))) == [
        "toolCallCancellation",
        "interrupted",
        "turnComplete",
    ]


def test_context_alone_leaves_a_blocking_call_alone() -> None:
    client = connected(tools=functions("f"))
    client.typed("call f")
    client.settle()
    assert client.send({"clientContent": {"turns": [{"parts": [{"text": "note"}]}]}}) == []


def test_a_response_to_an_unknown_id_is_ignored() -> None:
    client = connected(tools=functions("f"))
    assert client.send(tool_response({"id": "nobody", "name": "f", "response": {}})) == []
    assert client.settle() == []


@pytest.mark.parametrize(
    ("model", "behavior", "blocks"),
    [
        (HALF_CASCADE, None, True),
        (HALF_CASCADE, "NON_BLOCKING", False),
        (CURRENT, None, False),
        (CURRENT, "BLOCKING", True),
        ("models/gemini-3.1-flash-live-preview", "NON_BLOCKING", True),
    ],
)
def test_whether_a_call_holds_the_turn_up(model: str, behavior: str | None, blocks: bool) -> None:
    client = connected(model=model, tools=functions("f", behavior=behavior))
    came = client.typed("call f") + client.settle()
    assert kinds(came) == (["toolCall"] if blocks else ["toolCall", "turnComplete"])


def non_blocking_call(client: Client) -> Json:
    (call,) = calls_of(client.typed("call f") + client.settle())
    return call


def test_the_result_of_a_non_blocking_call_is_a_turn_of_its_own() -> None:
    client = connected(model=CURRENT, tools=functions("f"), **TRANSCRIPTS)
    call = non_blocking_call(client)
    came = client.send(tool_response({"id": call["id"], "response": {"ok": True}}))
    came += client.settle()
    assert kinds(came)[-2:] == ["generationComplete", "turnComplete"]
    assert transcript_of(came) == 'f answered {"ok": true}.'


@pytest.mark.parametrize(
    ("scheduling", "at_once", "later"),
    [
        ("INTERRUPT", ["interrupted", "turnComplete"], 1),
        ("WHEN_IDLE", [], 2),
        (None, [], 2),
        ("SILENT", [], 1),
    ],
)
def test_scheduling_of_a_result_that_comes_during_a_reply(
    scheduling: str | None, at_once: list[str], later: int
) -> None:
    client = connected(model=CURRENT, tools=functions("f"))
    call = non_blocking_call(client)
    interrupted_reply(client)
    answer: Json = {"id": call["id"], "response": {"ok": True}}
    if scheduling:
        answer["scheduling"] = scheduling
    assert kinds(client.send(tool_response(answer))) == at_once
    assert kinds(client.settle()) == ["audio", "generationComplete", "turnComplete"] * later


@pytest.mark.parametrize("scheduling", ["INTERRUPT", "WHEN_IDLE"])
def test_a_result_waits_while_the_user_speaks(scheduling: str) -> None:
    client = connected(model=CURRENT, tools=functions("f"), **TRANSCRIPTS)
    call = non_blocking_call(client)
    client.audio(speech_like(0.5))
    answer = {"id": call["id"], "response": {"ok": True}, "scheduling": scheduling}
    assert client.send(tool_response(answer)) == []
    came = client.audio(silence(0.6)) + client.settle()
    assert transcript_of(came).endswith('s of speech] f answered {"ok": true}.')


def test_a_silent_result_is_not_spoken_of() -> None:
    client = connected(model=CURRENT, tools=functions("f"))
    call = non_blocking_call(client)
    answer = {"id": call["id"], "response": {}, "scheduling": "SILENT"}
    assert client.send(tool_response(answer)) == []
    assert client.settle() == []


def test_a_call_that_continues_is_answered_more_than_once() -> None:
    client = connected(model=CURRENT, tools=functions("f"), **TRANSCRIPTS)
    call = non_blocking_call(client)
    for going_on, words in ((True, "half"), (False, "done")):
        answer = {"id": call["id"], "response": {"output": words}, "willContinue": going_on}
        came = client.send(tool_response(answer)) + client.settle()
        assert transcript_of(came) == f"f answered {words}."
    assert client.send(tool_response({"id": call["id"], "response": {}})) == []


def test_vertex_takes_an_answer_without_an_id() -> None:
    client = connected(
        Client(path=VERTEX), model=VERTEX_HALF_CASCADE, generationConfig=TEXT, tools=functions("f")
    )
    client.typed("call f")
    client.settle()
    came = client.send(tool_response({"name": "f", "response": {"output": 1}}))
    assert text_of(came + client.settle()) == "f answered 1."


# Audio while a call is waited for (pains: autonomous-os 231, livekit 5556).


def calling(audio_during_call: Literal["ignore", "close", "cancel"]) -> Client:
    scenario = Scenario(timing=TIMING, tools=Tools(audio_during_call=audio_during_call))
    client = connected(Client(scenario=scenario), tools=functions("f"), **TRANSCRIPTS)
    assert kinds(client.audio(silence(0.1))) == []
    client.typed("call f")
    assert kinds(client.audio(silence(0.06))) == []  # the call has not been sent yet
    client.settle()
    return client


def test_silence_is_taken_during_a_call() -> None:
    client = calling("ignore")
    assert client.audio(silence(1.0)) == []


def test_or_it_is_the_end_of_the_connection() -> None:
    client = calling("close")
    came = client.audio(silence(0.04))
    assert closing_of(came) == (
        1008,
        "Operation is not implemented, or supported, or enabled.",
    )


def test_or_it_cancels_the_call_and_begins_a_turn() -> None:
    client = calling("cancel")
    came = client.audio(silence(0.04))
    assert kinds(came) == ["toolCallCancellation", "interrupted", "turnComplete"]
    came = client.audio(silence(0.4)) + client.settle()
    assert kinds(came)[-2:] == ["generationComplete", "turnComplete"]
    assert transcript_of(came) == "[no speech]"


# The rest of a session.


def test_a_context_update_replaces_instruction_and_tools_each_for_itself() -> None:
    client = connected(
        model=CURRENT,
        systemInstruction={"parts": [{"text": "old"}]},
        tools=functions("f"),
        **TRANSCRIPTS,
    )

    def said(text: str) -> str:
        return transcript_of(client.typed(text) + client.settle())

    assert said("instruction") == "My instruction is: old"
    update: Json = {"systemInstruction": {"parts": [{"text": "new"}]}}
    assert client.send({"contextUpdate": update}) == []
    assert said("instruction") == "My instruction is: new"
    assert kinds(client.typed("call f") + client.settle()) == ["toolCall", "turnComplete"]
    assert client.send({"contextUpdate": {"tools": {"tools": functions("g")}}}) == []
    assert said("call f") == "There is no function f. Declared: g."
    assert client.send({"contextUpdate": {"tools": {"tools": []}}}) == []
    assert said("call g") == "There is no function g. Declared: none."
    assert said("instruction") == "My instruction is: new"


def test_the_role_system_replaces_the_instruction_on_vertex_2_5() -> None:
    client = connected(Client(path=VERTEX), model=VERTEX_HALF_CASCADE, generationConfig=TEXT)
    turn = {"role": "system", "parts": [{"text": "be brief"}]}
    client.send({"clientContent": {"turns": [turn]}})
    assert text_of(client.typed("instruction") + client.settle()) == "My instruction is: be brief"


@pytest.mark.parametrize(
    ("path", "model", "response", "unlike"),
    [
        (GEMINI, HALF_CASCADE, "responseTokenCount", "candidatesTokenCount"),
        (VERTEX, VERTEX_HALF_CASCADE, "candidatesTokenCount", "responseTokenCount"),
    ],
)
def test_usage_in_the_spelling_of_the_backend(
    path: str, model: str, response: str, unlike: str
) -> None:
    client = connected(Client(path=path), model=model)
    came = client.typed("hello") + client.settle()
    (usage,) = usages_of(came)
    seconds = len(sound_of(came)) / 2 / 24_000
    assert usage[response] == pytest.approx(seconds * 25, abs=len(came) / 2)
    assert unlike not in usage


def test_each_turn_is_billed_the_whole_context_again() -> None:
    client = connected(generationConfig=TEXT)
    prompts = [usages_of(client.typed("hello") + client.settle())[0] for _ in range(3)]
    counts = [int(str(usage["promptTokenCount"])) for usage in prompts]
    assert counts[0] < counts[1] < counts[2]
    for usage in prompts:
        assert usage["totalTokenCount"] == int(str(usage["promptTokenCount"])) + int(
            str(usage["responseTokenCount"])
        )


def test_audio_among_the_content_is_billed_as_audio_and_pictures_as_pictures() -> None:
    client = connected(generationConfig=TEXT)
    sound = {"mimeType": "audio/pcm;rate=16000", "data": b64(silence(2.0))}
    picture = {"mimeType": "image/png", "data": "AAAA"}
    parts = [{"inlineData": sound}, {"inlineData": picture}]
    turns = [{"role": "user", "parts": parts}, {"role": "model", "parts": [parts[1]]}]
    came = client.send({"clientContent": {"turns": turns, "turnComplete": True}}) + client.settle()
    assert text_of(came) == "You attached audio/pcm;rate=16000. You attached image/png."
    (usage,) = usages_of(came)
    assert usage["promptTokensDetails"] == [
        {"modality": "AUDIO", "tokenCount": 50},
        {"modality": "IMAGE", "tokenCount": 2 * 258},
    ]


@pytest.mark.parametrize(
    "message",
    [
        {"realtimeInput": {"audioStreamEnd": False}},
        {"realtimeInput": {"mediaChunks": []}},
        {"contextUpdate": {}},
        {"toolResponse": {}},
        {"clientContent": {}},
    ],
)
def test_messages_with_nothing_in_them_change_nothing(message: Json) -> None:
    client = connected()
    assert client.send(message) == []
    assert client.settle() == []


def test_media_chunks_are_heard() -> None:
    client = connected(inputAudioTranscription={})
    chunk = {"mimeType": "audio/pcm;rate=16000", "data": b64(UTTERANCE)}
    came = client.send({"realtimeInput": {"mediaChunks": [chunk]}}) + client.settle()
    assert kinds(came)[0] == "inputTranscription"
    assert kinds(came)[-1] == "turnComplete"


def test_an_interrupted_turn_is_billed_what_was_sent() -> None:
    client = connected()
    interrupted_reply(client)
    (usage,) = usages_of(client.typed("stop"))
    assert 0 < int(str(usage["responseTokenCount"])) < 60


def test_3_8_says_when_it_is_idle_and_others_say_nothing() -> None:
    def status(model: str) -> object:
        client = connected(model=model)
        content = (client.typed("x") + client.settle())[-1]["serverContent"]
        return content.get("interactionStatus") if isinstance(content, dict) else content

    assert status(CURRENT) == "IDLE"
    assert status(HALF_CASCADE) is None


def test_extended_thinking_ends_several_turns_for_one_prompt() -> None:
    client = connected(
        model=EXTENDED, generationConfig={"thinkingConfig": {"thinkingLevel": "LOW"}}
    )
    came = client.typed("hello") + client.settle()
    contents = [m["serverContent"] for m in came]
    ends = [c for c in contents if isinstance(c, dict) and c.get("turnComplete")]
    assert [end["interactionStatus"] for end in ends] == ["IN_PROGRESS", "IDLE"]
    assert len(usages_of(came)) == 2


def test_a_refused_message_changes_nothing_before_the_close() -> None:
    client = connected()
    interrupted_reply(client)
    came = client.send({"clientContent": {"turns": [{"role": "wizard"}], "turnComplete": True}})
    assert closing_of(came) == (1007, "Request contains an invalid argument.")
    assert kinds(came) == ["close"]
