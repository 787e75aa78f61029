"""Response latency: its figures, and when it is measured (section H, Z13)."""

from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.latency import (
    BOUNDS_MS,
    RECENT,
    EndOfSpeech,
    Latency,
    ResponseTimer,
    SavedLatency,
)

SOURCES: list[EndOfSpeech] = ["server_vad", "client_vad", "activity_end"]
CLIENT_SOURCES: list[EndOfSpeech] = ["client_vad", "activity_end"]


def recorded(*samples: int) -> Latency:
    latency = Latency()
    for ms in samples:
        latency.record(ms)
    return latency


def figures(latency: Latency) -> dict[str, Any]:
    return latency.snapshot()


def counts(latency: Latency) -> list[int]:
    return [bucket["count"] for bucket in figures(latency)["histogram"]]


def test_h1_the_names_of_the_figures() -> None:
    assert [*figures(Latency())] == [
        *("count", "last_ms", "min_ms", "max_ms", "mean_ms", "total_ms"),
        *("p50_ms", "p90_ms", "p99_ms", "histogram"),
    ]


def test_h2_the_bounds_of_the_histogram_and_the_recent_window() -> None:
    histogram = figures(Latency())["histogram"]
    assert [bucket["upper_ms"] for bucket in histogram] == [
        *(50, 100, 150, 200, 300, 400, 500, 650, 800, 1000),
        *(1300, 1600, 2000, 2500, 3000, 4000, 5000, None),
    ]
    assert RECENT == 256


def test_h3_h7_without_a_sample_every_figure_is_zero() -> None:
    shown = figures(Latency())
    assert {*counts(Latency())} == {0}
    del shown["histogram"]
    assert {*shown.values()} == {0}
    assert Latency().display() == "turns=0 (no response measured yet)"


def test_h6_five_samples() -> None:
    latency = recorded(300, 100, 500, 200, 400)
    shown = figures(latency)
    assert (shown["last_ms"], shown["min_ms"], shown["max_ms"]) == (400, 100, 500)
    assert shown["mean_ms"] == 300
    assert (shown["p50_ms"], shown["p90_ms"], shown["p99_ms"]) == (300, 500, 500)
    assert (
        latency.display() == "turns=5 last=400ms p50=300ms p90=500ms p99=500ms min=100ms max=500ms"
    )


def test_h7_one_sample_is_every_percentile() -> None:
    shown = figures(recorded(420))
    assert {shown[name] for name in ("p50_ms", "p90_ms", "p99_ms", "mean_ms")} == {420}


def test_h7_two_thousand_records_count_two_thousand() -> None:
    assert recorded(*range(2000)).count == 2000


@given(st.lists(st.integers(0, 20_000), max_size=600))
def test_h7_the_figures_are_consistent_after_any_samples(samples: list[int]) -> None:
    shown = figures(latency := recorded(*samples))
    assert shown["count"] == len(samples) == sum(counts(latency))
    assert shown["min_ms"] <= shown["p50_ms"] <= shown["p90_ms"] <= shown["p99_ms"]
    assert shown["p99_ms"] <= shown["max_ms"]
    assert shown["min_ms"] <= shown["mean_ms"] <= shown["max_ms"]
    assert shown["last_ms"] == (samples[-1] if samples else 0)


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=600), st.sampled_from([50, 90, 99]))
def test_h7_a_percentile_is_the_least_recent_sample_that_enough_do_not_exceed(
    samples: list[int], percent: int
) -> None:
    recent = samples[-256:]
    least = min(s for s in recent if sum(r <= s for r in recent) * 100 >= percent * len(recent))
    assert figures(recorded(*samples))[f"p{percent}_ms"] == least


def test_h8_a_bound_belongs_to_the_bucket_below_it() -> None:
    found = counts(recorded(50, 51, 999, 9000))
    assert len(found) == 18
    assert [index for index, count in enumerate(found) if count] == [0, 1, 9, 17]
    assert sum(found) == 4


@pytest.mark.parametrize("index", range(len(BOUNDS_MS)))
def test_h8_every_bound_is_inclusive(index: int) -> None:
    found = counts(recorded(BOUNDS_MS[index], BOUNDS_MS[index] + 1))
    assert found[index : index + 2] == [1, 1]


def test_h9_percentiles_forget_and_all_else_remembers() -> None:
    latency = recorded(*[2000] * 256, *[200] * 256)
    shown = figures(latency)
    assert shown["count"] == 512
    assert (shown["p50_ms"], shown["p99_ms"]) == (200, 200)
    assert (shown["max_ms"], shown["min_ms"]) == (2000, 200)
    assert {"upper_ms": 2000, "count": 256} in shown["histogram"]


def test_h5_the_end_of_speech_is_answered_by_the_first_audio_alone() -> None:
    timer = ResponseTimer()
    timer.speech_ended(10.0, "server_vad")
    assert timer.responded(10.2, "text") is None
    assert timer.responded(10.42, "audio") == (420, "server_vad")
    assert timer.responded(10.5, "audio") is None


@pytest.mark.parametrize("kind", ["text", "audio"])
def test_h5_a_text_is_answered_by_whatever_comes_first(kind: Literal["text", "audio"]) -> None:
    timer = ResponseTimer()
    timer.text_sent(1.0)
    assert timer.responded(1.3, kind) == (300, "text")
    assert timer.responded(1.4, "text") is None
    assert timer.responded(1.4, "audio") is None


def test_h5_what_nobody_waited_for_is_no_response() -> None:
    assert ResponseTimer().responded(1.0, "audio") is None


def test_b1_the_latest_of_two_texts_is_the_one_answered() -> None:
    timer = ResponseTimer()
    timer.text_sent(1.0)
    timer.text_sent(2.0)
    assert timer.responded(2.5, "text") == (500, "text")


@pytest.mark.parametrize("first", SOURCES)
@pytest.mark.parametrize("second", SOURCES)
def test_h15_z13_the_first_source_to_tell_of_an_end_stamps_it(
    first: EndOfSpeech, second: EndOfSpeech
) -> None:
    timer = ResponseTimer()
    timer.speech_started()
    timer.speech_ended(1.0, first)
    timer.speech_ended(1.5, second)
    assert timer.responded(2.0, "audio") == (1000, first)


def test_z13_an_end_told_again_after_the_answer_began_starts_no_second_wait() -> None:
    timer = ResponseTimer()
    timer.speech_started()
    timer.speech_ended(1.0, "client_vad")
    assert timer.responded(1.5, "audio") == (500, "client_vad")
    timer.speech_ended(1.6, "server_vad")
    assert timer.responded(1.61, "audio") is None


def test_z13_who_speaks_on_is_answered_after_the_last_end() -> None:
    timer = ResponseTimer()
    timer.speech_started()
    timer.speech_ended(1.0, "client_vad")
    timer.speech_started()
    assert timer.responded(1.2, "audio") is None
    timer.answer_ended()
    timer.speech_ended(3.0, "client_vad")
    assert timer.responded(3.4, "audio") == (400, "client_vad")


@pytest.mark.parametrize("source", SOURCES)
def test_z13_ends_are_told_apart_by_turns_where_no_start_is_told(source: EndOfSpeech) -> None:
    timer = ResponseTimer()
    for turn in (0.0, 10.0):
        timer.speech_ended(turn, source)
        assert timer.responded(turn + 0.3, "audio") == (300, source)
        timer.turn_ended()


def test_z13_the_end_of_the_old_turn_does_not_move_a_wait_that_has_begun() -> None:
    timer = ResponseTimer()
    timer.responded(0.0, "audio")
    timer.speech_started()
    timer.speech_ended(1.0, "client_vad")
    timer.turn_ended()
    timer.speech_ended(1.4, "server_vad")
    assert timer.responded(2.0, "audio") == (1000, "client_vad")


@pytest.mark.parametrize("source", CLIENT_SOURCES)
def test_z13_the_rest_of_an_answer_does_not_answer_what_was_said_over_it(
    source: EndOfSpeech,
) -> None:
    timer = ResponseTimer()
    timer.responded(0.0, "audio")
    timer.speech_started()
    timer.speech_ended(1.0, source)
    assert timer.responded(1.01, "audio") is None
    timer.answer_ended()
    assert timer.responded(1.8, "audio") == (800, source)


def test_h5_the_rest_of_an_answer_does_not_answer_a_text_sent_meanwhile() -> None:
    timer = ResponseTimer()
    timer.responded(0.0, "audio")
    timer.text_sent(1.0)
    assert timer.responded(1.01, "audio") is None
    timer.turn_ended()
    assert timer.responded(1.5, "audio") == (500, "text")


def test_h13_what_follows_the_services_own_end_of_speech_answers_it() -> None:
    timer = ResponseTimer()
    timer.responded(0.0, "audio")
    timer.speech_ended(1.0, "server_vad")
    assert timer.responded(1.25, "audio") == (250, "server_vad")


def test_a_clock_that_went_back_is_no_negative_latency() -> None:
    timer = ResponseTimer()
    timer.text_sent(2.0)
    assert timer.responded(1.0, "text") == (0, "text")


STEPS = ["text_sent", "speech_started", "audio", "text", "answer_ended", "turn_ended", *SOURCES]


@given(st.lists(st.sampled_from(STEPS), max_size=60))
def test_z13_after_any_events_a_latency_is_the_time_since_the_end_it_names(
    steps: list[str],
) -> None:
    timer = ResponseTimer()
    ends: dict[str, set[int]] = {}
    last_start = -1
    for now, step in enumerate(steps):
        match step:
            case "audio" | "text":
                measured = timer.responded(float(now), step)
                if measured is None:
                    continue
                ms, source = measured
                end = now - ms // 1000
                assert end in ends[source]
                assert end > last_start
                assert step == "audio" or source == "text"
                ends.clear()  # Nothing that ended before this answer is measured again.
            case "server_vad" | "client_vad" | "activity_end":
                timer.speech_ended(float(now), step)
                ends.setdefault(step, set()).add(now)
            case "text_sent":
                timer.text_sent(float(now))
                ends.setdefault("text", set()).add(now)
            case "speech_started":
                timer.speech_started()
                last_start = now
            case "answer_ended":
                timer.answer_ended()
            case _:
                timer.turn_ended()


@given(st.lists(st.integers(0, 10_000), max_size=RECENT * 2), st.integers(0, RECENT * 2))
def test_figures_go_on_over_a_restart_as_if_there_were_none(samples: list[int], at: int) -> None:
    before, after = samples[:at], samples[at:]
    file = msgspec.json.encode(recorded(*before).export())
    following = Latency()
    following.restore(msgspec.json.decode(file, type=SavedLatency))
    for ms in after:
        following.record(ms)
    assert following.snapshot() == recorded(*samples).snapshot()
    assert following.display() == recorded(*samples).display()


def test_an_export_does_not_change_with_the_figures() -> None:
    latency = recorded(1)
    saved = latency.export()
    latency.record(2)
    assert (saved.recent, sum(saved.buckets)) == ([1], 1)
    latency.restore(saved)
    latency.record(3)
    assert (saved.recent, sum(saved.buckets)) == ([1], 1)


@pytest.mark.parametrize("buckets", [[], [0] * len(BOUNDS_MS), [0] * (len(BOUNDS_MS) + 2)])
def test_a_histogram_of_other_buckets_is_not_read(buckets: list[int]) -> None:
    file = msgspec.json.encode(msgspec.structs.replace(Latency().export(), buckets=buckets))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(file, type=SavedLatency)
