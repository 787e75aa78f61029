"""The playback clock, and how much of a turn was heard."""

from base64 import b64encode
from functools import reduce
from operator import add
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.voice.playback import Playback, PlaybackClock, cut_to_words, seconds_of

SENTENCE = "Your table is booked for Friday at eight."


def turn(playback: Playback, seconds: float, chars: int, at: float = 0.0) -> None:
    """A turn that nobody interrupts."""
    playback.audio(seconds, at)
    playback.words("x" * chars)
    playback.turn_ended()


def test_o1_nothing_was_heard_until_something_is_queued() -> None:
    clock = PlaybackClock()
    assert clock.heard(5.0) is None
    assert clock.end(5.0) is None
    clock.queued(0.0, 5.0)
    assert clock.heard(6.0) is None
    clock.queued(1.0, 6.0)
    assert clock.heard(6.0) == 0.0


def test_o1_the_clock_runs_through_what_is_queued_and_stands_when_it_is_flushed() -> None:
    clock = PlaybackClock()
    clock.queued(3.0, 0.0)
    assert clock.heard(1.2) == pytest.approx(1.2)
    clock.queued(1.0, 1.5)
    assert clock.heard(3.5) == pytest.approx(3.5)
    clock.flush(3.6)
    assert clock.heard(3.6) == pytest.approx(3.6)
    assert clock.heard(9.0) == pytest.approx(3.6)
    clock.queued(0.5, 10.0)
    assert clock.heard(10.2) == pytest.approx(3.8)
    assert clock.heard(99.0) == pytest.approx(4.1)


def test_o1_the_end_is_that_of_all_that_is_queued() -> None:
    clock = PlaybackClock()
    clock.queued(3.0, 100.0)
    clock.queued(1.0, 101.5)
    assert clock.end(102.0) == pytest.approx(104.0)
    assert clock.end(104.5) is None
    clock.queued(0.5, 110.0)
    assert clock.end(110.0) == pytest.approx(110.5)
    clock.flush(110.1)
    assert clock.end(110.1) is None


@pytest.mark.parametrize("report", [0.4, 2.0, 2.7])
def test_o1_a_drained_speaker_has_played_everything(report: float) -> None:
    clock = PlaybackClock()
    clock.queued(2.0, 0.0)
    clock.drained(report)
    assert clock.heard(report) == pytest.approx(2.0)
    assert clock.end(report) is None
    clock.queued(1.0, 3.0)
    assert clock.heard(3.25) == pytest.approx(2.25)


def test_o1_a_clock_that_goes_back_hears_nothing_twice() -> None:
    clock = PlaybackClock()
    clock.queued(2.0, 10.0)
    clock.queued(1.0, 11.0)
    assert clock.heard(10.5) == pytest.approx(1.0)
    clock.queued(1.0, 10.5)
    assert clock.heard(11.5) == pytest.approx(1.5)


class Step(NamedTuple):
    kind: str
    wait: float
    seconds: float


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["queued", "flush", "drained", "look"]),
        st.floats(0, 5),
        st.floats(0, 5),
    )
)


@given(STEPS)
def test_o1_heard_never_falls_nor_passes_what_was_queued(steps: list[Step]) -> None:
    clock, now, queued, before = PlaybackClock(), 0.0, 0.0, 0.0
    for kind, wait, seconds in steps:
        now += wait
        if kind == "queued":
            clock.queued(seconds, now)
            queued += seconds
        elif kind == "flush":
            clock.flush(now)
        elif kind == "drained":
            clock.drained(now)
        heard = clock.heard(now)
        assert (heard is None) == (queued == 0.0)
        heard, end = heard or 0.0, clock.end(now)
        assert before - 1e-9 <= heard <= queued + 1e-9
        if end is None:
            assert (clock.heard(now + 100) or 0.0) == pytest.approx(heard)
        else:
            assert clock.heard(end) == pytest.approx(clock.total)
        before = heard


def test_o2_the_cut_is_16_characters_a_second_as_long_as_nothing_was_measured() -> None:
    playback = Playback()
    playback.audio(4.0, 0.0)
    playback.words(SENTENCE)
    assert playback.interrupted(1.5, reported=True) == 24


def test_o2_the_rate_is_that_of_two_seconds_of_speech_or_more() -> None:
    playback = Playback()
    turn(playback, 2.0, 40)
    assert playback.rate == 20.0
    playback.audio(4.0, 10.0)
    playback.words("x" * 80)
    assert playback.interrupted(11.5, reported=True) == 30


def test_o2_the_rate_is_measured_over_several_turns() -> None:
    playback = Playback()
    turn(playback, 1.5, 30)
    assert playback.rate == 16.0
    turn(playback, 0.5, 10)
    assert playback.rate == 20.0
    turn(playback, 2.0, 0)
    assert playback.rate == 20.0, "a turn that is not transcribed says nothing"


def test_o2_turns_under_half_a_second_measure_nothing() -> None:
    playback = Playback()
    for _ in range(10):
        turn(playback, 0.49, 40)
    assert playback.rate == 16.0


@pytest.mark.parametrize("reported", [True, False])
def test_o2_interrupted_turns_measure_nothing(reported: bool) -> None:
    playback = Playback()
    playback.audio(4.0, 0.0)
    playback.words("x" * 400)
    playback.interrupted(3.0, reported=reported)
    playback.turn_ended()
    assert playback.rate == 16.0
    turn(playback, 2.0, 40, at=10.0)
    assert playback.rate == 20.0


def test_o2_what_adds_up_to_a_hair_less_is_not_a_character_less() -> None:
    playback = Playback()
    for _ in range(10):
        playback.audio(0.1, 0.0)
    playback.words(SENTENCE)
    assert reduce(add, [0.1] * 10) < 1.0
    assert playback.interrupted(50.0, reported=True) == 16


def test_o3_where_nobody_reports_playback_all_that_was_received_was_heard() -> None:
    playback = Playback()
    playback.audio(2.0, 0.0)
    playback.words(SENTENCE)
    assert playback.interrupted(0.1, reported=False) == 32


def test_o3_a_turn_without_transcription_is_not_cut() -> None:
    playback = Playback()
    playback.audio(2.0, 0.0)
    assert playback.interrupted(1.0, reported=True) is None


def test_o3_a_turn_without_audio_is_not_cut() -> None:
    playback = Playback()
    playback.words(SENTENCE)
    assert playback.interrupted(1.0, reported=True) is None


def test_o3_transcription_that_comes_after_the_interruption_is_cut_when_it_has_come() -> None:
    playback = Playback()
    playback.audio(4.0, 0.0)
    assert playback.interrupted(1.5, reported=True) is None
    playback.words(SENTENCE)
    assert playback.cut == 24
    assert playback.interrupted(3.0, reported=True) == 24


def test_an_interruption_of_nothing_is_none_and_does_not_mark_the_reply_that_follows() -> None:
    playback = Playback()
    assert playback.interrupted(0.0, reported=True) is None
    turn(playback, 2.0, 40)
    assert playback.rate == 20.0


def test_there_is_no_cut_without_an_interruption() -> None:
    playback = Playback()
    playback.audio(2.0, 0.0)
    playback.words(SENTENCE)
    assert playback.cut is None


def test_i7_an_interruption_samples_the_clock_and_then_flushes_the_speaker() -> None:
    playback = Playback()
    playback.audio(4.0, 0.0)
    playback.words(SENTENCE)
    assert playback.end(1.5) == pytest.approx(4.0)
    assert playback.interrupted(1.5, reported=True) == 24
    assert playback.end(1.5) is None
    assert playback.clock.heard(9.0) == pytest.approx(1.5)


def test_i7_a_local_barge_in_stops_the_clock_before_the_service_says_interrupted() -> None:
    playback = Playback()
    playback.audio(4.0, 0.0)
    playback.words(SENTENCE)
    playback.clock.flush(1.5)
    assert playback.interrupted(1.9, reported=True) == 24


def test_a_turn_counts_from_where_its_own_audio_began() -> None:
    playback = Playback()
    turn(playback, 2.0, 32)
    playback.audio(3.0, 1.0)  # the first turn still plays, for another second
    playback.words(SENTENCE)
    assert playback.clock.heard(2.5) == pytest.approx(2.5)
    assert playback.interrupted(2.5, reported=True) == 8
    assert playback.clock.heard(9.0) == pytest.approx(2.5)


def test_a_turn_that_waits_behind_another_was_not_heard() -> None:
    playback = Playback()
    turn(playback, 2.0, 32)
    playback.audio(3.0, 1.0)
    playback.words(SENTENCE)
    assert playback.interrupted(1.5, reported=True) == 0


def test_a_turn_goes_on_after_the_speaker_was_flushed_ahead_of_it() -> None:
    playback = Playback()
    turn(playback, 2.0, 32)
    playback.audio(1.0, 0.5)
    playback.clock.flush(1.0)
    playback.audio(1.0, 5.0)
    playback.words(SENTENCE)
    assert playback.interrupted(5.5, reported=True) == 8


def test_a_drained_speaker_has_let_the_whole_turn_be_heard() -> None:
    playback = Playback()
    playback.audio(2.0, 0.0)
    playback.words(SENTENCE)
    playback.drained(0.5)
    assert playback.interrupted(0.6, reported=True) == 32


@given(
    before=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 90)), max_size=4),
    received=st.lists(st.floats(0, 3), min_size=1, max_size=5),
    wait=st.floats(0, 20),
    reported=st.booleans(),
)
def test_o2_no_cut_is_beyond_the_audio_received(
    before: list[tuple[float, int]], received: list[float], wait: float, reported: bool
) -> None:
    playback = Playback()
    for seconds, chars in before:
        turn(playback, seconds, chars)
    for seconds in received:
        playback.audio(seconds, 1.0)
    playback.words(SENTENCE)
    rate = playback.rate
    cut = playback.interrupted(1.0 + wait, reported=reported)
    if sum(received) == 0:
        assert cut is None
    else:
        assert cut is not None
        assert 0 <= cut <= sum(received) * rate + 1
        assert playback.interrupted(50.0, reported=not reported) == cut


@pytest.mark.parametrize(
    ("mime_type", "rate"),
    [
        ("audio/pcm;rate=24000", 24_000),
        ("audio/pcm;rate=16000", 16_000),
        ("audio/pcm; Rate = 16000 ;channels=1", 16_000),
        ("audio/pcm;channels=1;rate=48000", 48_000),
        ("audio/pcm", 24_000),
        ("", 24_000),
        ("audio/pcm;rate", 24_000),
        ("audio/pcm;rate=", 24_000),
        ("audio/pcm;rate=fast", 24_000),
        ("audio/pcm;rate=16000.5", 24_000),
        ("audio/pcm;rate=0", 24_000),
        ("audio/pcm;rate=-24000", 24_000),
        ("audio/pcm;rate=1", 24_000),
        ("audio/pcm;rate=" + "9" * 5000, 24_000),
    ],
)
def test_the_seconds_of_a_chunk_follow_its_rate(mime_type: str, rate: int) -> None:
    data = b64encode(bytes(2 * rate // 10)).decode()
    assert seconds_of(len(data), mime_type) == pytest.approx(0.1, abs=1.5 / rate)
    assert seconds_of(0, mime_type) == 0.0


@given(st.text())
def test_any_mime_type_has_a_rate(mime_type: str) -> None:
    assert 0 < seconds_of(4, mime_type) < 0.001


@pytest.mark.parametrize(
    ("text", "chars", "kept"),
    [
        (SENTENCE, 17, "Your table is"),
        (SENTENCE, 13, "Your table is"),
        (SENTENCE, 14, "Your table is"),
        (SENTENCE, 12, "Your table"),
        (SENTENCE, 3, ""),
        (SENTENCE, 4, "Your"),
        (SENTENCE, 0, ""),
        (SENTENCE, -5, ""),
        (SENTENCE, 40, "Your table is booked for Friday at"),
        (SENTENCE, 41, SENTENCE),
        (SENTENCE, 999, SENTENCE),
        (SENTENCE + " ", 42, SENTENCE + " "),
        (" Your table", 3, ""),
        (" Your table", 6, " Your"),
        ("Your\ntable\tis", 11, "Your\ntable"),
        ("", 0, ""),
        ("", 7, ""),
        ("Ein Tisch für fünf", 15, "Ein Tisch für"),
        ("Le café est à vous", 7, "Le café"),
        ("Le cafe\u0301 est", 7, "Le"),
        ("Hi \U0001f469\u200d\U0001f469\u200d\U0001f467 all", 5, "Hi"),
        ("\U0001f600 \U0001f600\U0001f600", 2, "\U0001f600"),
        ("столик на четверых", 10, "столик на"),
        ("您的桌子已预订。", 4, "您的桌子"),
        ("テーブルを予約", 5, "テーブルを"),
        ("\u304b\u3099\u304d", 1, ""),
        ("用Python写", 4, "用"),
    ],
)
def test_o4_a_cut_ends_with_a_whole_word(text: str, chars: int, kept: str) -> None:
    assert cut_to_words(text, chars) == kept


WORDS = st.text(st.sampled_from("ab é\u0301界\n\U0001f600.")) | st.text()


@given(WORDS, st.integers(-3, 60))
def test_o4_a_cut_is_a_prefix_that_a_second_cut_leaves_alone(text: str, chars: int) -> None:
    kept = cut_to_words(text, chars)
    assert text.startswith(kept)
    assert len(kept) <= max(chars, 0)
    assert cut_to_words(kept, chars) == kept
    if len(text) > chars:
        assert kept == kept.rstrip()


@given(st.lists(st.text("abc", min_size=1), min_size=1), st.integers(0, 60))
def test_o4_a_cut_keeps_every_word_that_fits_and_no_part_of_another(
    words: list[str], chars: int
) -> None:
    expected = ""
    for i in range(len(words)):
        if len(" ".join(words[: i + 1])) <= chars:
            expected = " ".join(words[: i + 1])
    assert cut_to_words(" ".join(words), chars) == expected
