"""A reply as timed messages."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livehandle_emulator.answer import Echo, Say
from livehandle_emulator.hearing import Utterance
from livehandle_emulator.reply import Reply, Step, Voice, said
from livehandle_emulator.scenario import Timing
from livehandled.gemini.codec import encode
from livehandled.gemini.server import ServerMessage

TIMING = Timing(reply_delay_ms=0, stream_speed=5.0, playback_speed=2.0)
SPEAKS = Voice(audio=True, captions=True, timing=TIMING)
WRITES = Voice(audio=False, captions=False, timing=TIMING)


def joined(steps: list[Step]) -> str:
    contents = [json.loads(encode(s.message)).get("serverContent", {}) for s in steps]
    return "".join(c.get("outputTranscription", {}).get("text", "") for c in contents)


def sound(steps: list[Step]) -> bytes:
    turns = [s.message.server_content.model_turn for s in steps if s.message.server_content]
    blobs = [part.inline_data for turn in turns if turn for part in turn.parts]
    return b"".join(base64.b64decode(blob.data) for blob in blobs if blob)


def test_sound_is_cut_into_chunks_of_40_to_100_ms_that_are_whole_samples() -> None:
    steps = [s for s in said([Say("a long enough sentence")], SPEAKS, 0.0, None) if s.audio_s]
    assert all(0.04 <= step.audio_s <= 0.1 for step in steps[:-1])
    assert all(len(sound([step])) % 2 == 0 for step in steps)


def test_times_never_go_back_and_the_end_is_the_end_of_playback() -> None:
    steps = said([Say("some words"), Say("and more")], SPEAKS, 10.0, None)
    times = [step.at for step in steps]
    assert times == sorted(times)
    assert times[0] == 10.0
    total = sum(step.audio_s for step in steps)
    assert times[-2] == pytest.approx(10.0 + total / 5.0)
    assert times[-1] == pytest.approx(10.0 + total / 2.0)


def test_text_completes_when_it_is_written() -> None:
    steps = said([Say("some words of text to write")], WRITES, 10.0, None)
    assert steps[-1].at == steps[-2].at
    assert 10.0 < steps[-1].at < 10.6


def test_playback_that_is_faster_than_the_stream_waits_for_the_stream() -> None:
    voice = Voice(True, False, Timing(stream_speed=1.0, playback_speed=10.0))
    steps = said([Say("some words")], voice, 0.0, None)
    assert steps[-1].at == steps[-2].at


@settings(max_examples=30)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), min_size=1, max_size=3))
def test_the_words_of_a_transcription_are_the_words_joined_verbatim(texts: list[str]) -> None:
    words = [" ".join(text.split()) for text in texts if text.strip()]
    segments = [Say(word) for word in words]
    assert joined(said(segments, SPEAKS, 0.0, None)) == " ".join(words)


def test_words_come_spread_over_the_sound() -> None:
    steps = said([Say("one two three four five six")], SPEAKS, 0.0, None)
    at = [s.at for s in steps if not s.audio_s and joined([s])]
    assert len(at) == 6
    assert len(set(at)) == 6


def test_an_utterance_is_resampled_to_the_rate_of_the_voice() -> None:
    utterance = Utterance(bytes(2 * 8_000), 8_000, 0.9)
    assert len(sound(said([Echo(utterance)], SPEAKS, 0.0, None))) == 2 * 24_000
    steps = said([Echo(utterance)], WRITES, 0.0, None)
    text = "".join(step.text for step in steps)
    assert text == "I heard [0.9 s of speech]."


def test_nothing_to_say_is_still_a_turn() -> None:
    steps = said([], SPEAKS, 3.0, "IDLE")
    assert [step.at for step in steps] == [3.0, 3.0]
    assert steps[-1].ends_turn


def test_a_reply_is_over_when_nothing_is_left_to_send_or_to_wait_for() -> None:
    reply = Reply()
    seen = [(reply.over, reply.deadline)]
    reply.steps.append(Step(1.0, ServerMessage()))
    reply.waits_for = {"a"}
    seen.append((reply.over, reply.deadline))
    reply.steps.clear()
    seen.append((reply.over, reply.deadline))
    reply.waits_for.clear()
    seen.append((reply.over, reply.deadline))
    assert seen == [(True, None), (False, 1.0), (False, None), (True, None)]


@pytest.mark.parametrize("voice", [SPEAKS, SPEAKS._replace(captions=False), WRITES])
def test_what_is_said_is_known_whether_or_not_it_is_told(voice: Voice) -> None:
    steps = said([Say("some words"), Say("and more")], voice, 0.0, None)
    assert "".join(step.words for step in steps) == "some words and more"
