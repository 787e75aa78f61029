"""Audio in, utterances out."""

import pytest

from livehandle_emulator.hearing import MAX_UTTERANCE_S, Ear, Ended, Started
from livehandled.gemini.setup import AutomaticActivityDetection
from support.speech import noise, silence, speech_like

MANUAL = AutomaticActivityDetection(disabled=True)


def hear_in_chunks(ear: Ear, pcm: bytes, size: int = 1280) -> list[Started | Ended]:
    return [e for i in range(0, len(pcm), size) for e in ear.hear(pcm[i : i + size], 16_000)]


def ended(events: list[Started | Ended]) -> list[Ended]:
    return [event for event in events if isinstance(event, Ended)]


@pytest.mark.parametrize("size", [1, 479, 1280, 10_000_000])
def test_an_utterance_is_the_speech_with_the_padding_before_it(size: int) -> None:
    ear = Ear(AutomaticActivityDetection(prefix_padding_ms=200, silence_duration_ms=500))
    audio = silence(0.6) + speech_like(0.9) + silence(1.0)
    started, end = hear_in_chunks(ear, audio, size)
    assert isinstance(started, Started)
    assert started.at_s == pytest.approx(0.6, abs=0.07)
    assert isinstance(end, Ended)
    assert end.utterance.speech_s == pytest.approx(0.9, abs=0.1)
    assert end.utterance.duration_s == pytest.approx(0.9 + 0.2 + 0.12, abs=0.1)
    assert end.utterance.pcm in audio
    assert end.at_s == pytest.approx(1.5 + 0.5, abs=0.1)


@pytest.mark.parametrize(("silence_ms", "utterances"), [(300, 2), (900, 1)])
def test_the_silence_that_ends_an_utterance_is_the_stated_one(
    silence_ms: int, utterances: int
) -> None:
    ear = Ear(AutomaticActivityDetection(silence_duration_ms=silence_ms))
    audio = speech_like(0.5) + silence(0.6) + speech_like(0.5) + silence(1.2)
    assert len(ended(hear_in_chunks(ear, audio))) == utterances


@pytest.mark.parametrize(
    ("sensitivity", "default", "utterances"),
    [
        ("END_SENSITIVITY_HIGH", "LOW", 2),
        ("END_SENSITIVITY_LOW", "HIGH", 1),
        (None, "HIGH", 2),
        (None, "LOW", 1),
        ("END_SENSITIVITY_UNSPECIFIED", "LOW", 1),
    ],
)
def test_a_low_sensitivity_bridges_longer_pauses(
    sensitivity: str | None, default: str, utterances: int
) -> None:
    detection = AutomaticActivityDetection(end_of_speech_sensitivity=sensitivity)
    ear = Ear(detection, default_sensitivity=default)
    audio = speech_like(0.5) + silence(0.8) + speech_like(0.5) + silence(1.3)
    assert len(ended(hear_in_chunks(ear, audio))) == utterances


def test_a_low_start_sensitivity_is_deaf_to_what_barely_stands_out() -> None:
    faint = silence(0.1) + noise(3.5, level_dbfs=-55.0) + noise(0.4, level_dbfs=-43.0)
    high = Ear(AutomaticActivityDetection(start_of_speech_sensitivity="START_SENSITIVITY_HIGH"))
    low = Ear(AutomaticActivityDetection(start_of_speech_sensitivity="START_SENSITIVITY_LOW"))
    assert [type(event) for event in hear_in_chunks(high, faint)] == [Started]
    assert hear_in_chunks(low, faint) == []


def test_the_utterances_of_one_long_chunk_are_all_found() -> None:
    ear = Ear(None)
    audio = (speech_like(0.5) + silence(1.0)) * 3
    events = ear.hear(audio, 16_000)
    assert [type(event) for event in events] == [Started, Ended] * 3
    assert len({event.utterance.pcm for event in ended(events)}) >= 1


def test_the_end_of_the_stream_ends_speech_and_time_goes_on() -> None:
    ear = Ear(None)
    hear_in_chunks(ear, silence(0.5) + speech_like(0.5))
    spoke = ear.speaking
    (end,) = ended(ear.end_stream())
    assert (spoke, ear.speaking) == (True, False)
    assert end.utterance.speech_s == pytest.approx(0.5, abs=0.07)
    assert end.at_s == pytest.approx(1.0)
    (started,) = hear_in_chunks(ear, silence(0.5) + speech_like(0.3))
    assert started.at_s == pytest.approx(1.5, abs=0.07)


def test_the_end_of_a_stream_without_speech_is_nothing() -> None:
    assert Ear(None).end_stream() == []
    assert Ear(MANUAL).end_stream() == []


def test_another_rate_is_another_stream() -> None:
    ear = Ear(None)
    hear_in_chunks(ear, silence(0.5) + speech_like(0.5))
    events = ear.hear(silence(0.2, rate=8_000), 8_000)
    assert [event.utterance.rate for event in ended(events)] == [16_000]
    events = ear.hear(speech_like(0.5, rate=8_000) + silence(0.8, rate=8_000), 8_000)
    assert isinstance(events[0], Started)
    assert events[0].at_s == pytest.approx(1.2, abs=0.07)
    assert [event.utterance.rate for event in ended(events)] == [8_000]


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_speech_is_heard_alike_at_any_rate(rate: int) -> None:
    audio = silence(0.5, rate=rate) + speech_like(1.0, rate=rate) + silence(0.8, rate=rate)
    started, end = Ear(None).hear(audio, rate)
    assert started.at_s == pytest.approx(0.5, abs=0.07)
    assert isinstance(end, Ended)
    assert end.utterance.speech_s == pytest.approx(1.0, abs=0.1)


def test_the_longest_padding_that_is_honoured_leaves_room_for_speech() -> None:
    ear = Ear(AutomaticActivityDetection(prefix_padding_ms=100_000))
    (end,) = ended(hear_in_chunks(ear, silence(70.0) + speech_like(0.8) + silence(0.8), 3_200))
    assert end.utterance.duration_s == pytest.approx(5.0 + 0.8, abs=0.2)


def test_marks_take_what_is_between_them_whatever_it_is() -> None:
    ear = Ear(MANUAL)
    assert hear_in_chunks(ear, speech_like(0.4)) == []
    (start,) = ear.mark_start()
    assert isinstance(start, Started)
    assert start.at_s == pytest.approx(0.4)
    spoke = ear.speaking
    between = silence(0.3) + speech_like(0.6, seed=4)
    assert hear_in_chunks(ear, between) == []
    (end,) = ended(ear.mark_end())
    assert end.utterance.pcm == between
    assert end.at_s == pytest.approx(1.3)
    assert (spoke, ear.speaking) == (True, False)


def test_marks_count_only_speech_as_speech() -> None:
    ear = Ear(MANUAL)
    hear_in_chunks(ear, silence(0.5))
    ear.mark_start()
    hear_in_chunks(ear, silence(0.5) + speech_like(0.5) + silence(1.0) + speech_like(0.3))
    (end,) = ended(ear.mark_end())
    assert end.utterance.speech_s == pytest.approx(0.8, abs=0.15)
    ear.mark_start()
    hear_in_chunks(ear, silence(0.5))
    (end,) = ended(ear.mark_end())
    assert end.utterance.speech_s == 0.0


def test_speech_under_way_at_the_mark_counts_from_the_mark() -> None:
    ear = Ear(MANUAL)
    hear_in_chunks(ear, speech_like(1.0))
    ear.mark_start()
    hear_in_chunks(ear, speech_like(0.5))
    (end,) = ended(ear.mark_end())
    assert end.utterance.speech_s == pytest.approx(0.5, abs=0.07)


def test_all_input_takes_what_came_before_the_mark_too() -> None:
    ear = Ear(MANUAL, all_input=True)
    hear_in_chunks(ear, speech_like(0.4))
    ear.mark_start()
    hear_in_chunks(ear, silence(0.2))
    (end,) = ended(ear.mark_end())
    assert end.utterance.duration_s == pytest.approx(0.6)
    assert end.utterance.speech_s == pytest.approx(0.4, abs=0.07)


def test_marks_out_of_order_are_nothing() -> None:
    ear = Ear(MANUAL)
    assert ear.mark_end() == []
    assert len(ear.mark_start()) == 1
    assert ear.mark_start() == []


def test_what_is_kept_has_a_limit() -> None:
    ear = Ear(MANUAL)
    ear.mark_start()
    minute = speech_like(20.0) * 4
    ear.hear(minute, 16_000)
    (end,) = ended(ear.mark_end())
    assert end.utterance.duration_s == MAX_UTTERANCE_S
    assert end.at_s == 80.0
    ear.mark_start()
    ear.hear(minute[:3200], 16_000)
    (end,) = ended(ear.mark_end())
    assert end.utterance.pcm == minute[:3200]


def test_after_too_long_an_utterance_the_next_is_heard_in_full() -> None:
    ear = Ear(None)
    hear_in_chunks(ear, (speech_like(1.4) + silence(0.3)) * 40 + silence(0.6), 16_001)
    next_one = silence(0.5) + speech_like(0.6, seed=8) + silence(0.8)
    events = ended(hear_in_chunks(ear, next_one))
    assert events[-1].utterance.speech_s == pytest.approx(0.6, abs=0.1)
    assert events[-1].utterance.pcm in next_one


def test_absurd_durations_cost_no_memory() -> None:
    ear = Ear(
        AutomaticActivityDetection(prefix_padding_ms=2**31 - 1, silence_duration_ms=2**31 - 1)
    )
    hear_in_chunks(ear, silence(0.2) + speech_like(0.5))
    (end,) = ended(ear.end_stream())
    assert end.utterance.duration_s < 2.0
