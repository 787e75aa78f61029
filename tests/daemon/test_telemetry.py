"""The counters (section H)."""

import ast
import inspect
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.topics import TurnMetrics, Usage
from livehandled import latency, telemetry
from livehandled.latency import EndOfSpeech
from livehandled.telemetry import SavedTelemetry, Telemetry

TOKENS = [
    "total_token_count",
    "prompt_token_count",
    "response_token_count",
    "cached_content_token_count",
    "thoughts_token_count",
]


def figures(telemetry: Telemetry, now: float = 1.0) -> dict[str, Any]:
    return telemetry.snapshot(now, media_dropped=0)


def leaves(tree: object) -> list[object]:
    if isinstance(tree, dict):
        return [leaf for key, part in tree.items() if key != "upper_ms" for leaf in leaves(part)]
    if isinstance(tree, list):
        return [leaf for part in tree for leaf in leaves(part)]
    return [tree]


def voice_turn(counted: Telemetry, end: float, source: EndOfSpeech, seconds: float) -> int | None:
    counted.speech_started(end - 1)
    counted.speech_ended(end, source)
    measured = counted.responded(end + seconds, "audio")
    counted.turn_complete(end + seconds + 1, 0)
    return measured


def test_h3_a_new_session_counts_nothing() -> None:
    counted = Telemetry(started=100.0)
    snapshot = figures(counted, 100.0)
    assert set(leaves(snapshot)) == {0}
    assert snapshot["response_latency"]["count"] == 0
    assert snapshot["tokens_by_modality"] == snapshot["response_latency_by_source"] == {}
    assert counted.display() == "turns=0 (no response measured yet)"


def test_h1_the_names_are_those_of_the_rust_snapshot_and_ours_beside_them() -> None:
    theirs = {
        *("uptime_secs", "audio_chunks_out", "audio_kbytes_out", "audio_throughput_kbps"),
        *("interruptions", "last_response_latency_ms", "avg_response_latency_ms"),
        *("min_response_latency_ms", "max_response_latency_ms", "response_count"),
        *("response_latency", "turn_count", "avg_turn_duration_ms", "total_token_count"),
        *("prompt_token_count", "response_token_count", "cached_content_token_count"),
        *("thoughts_token_count", "tokens_by_modality"),
    }
    ours = {
        *("audio_chunks_in", "audio_kbytes_in", "text_turns_in", "video_frames_in"),
        *("media_frames_dropped", "tool_calls", "errors", "stalls"),
        "response_latency_by_source",
    }
    assert figures(Telemetry(started=0.0)).keys() == theirs | ours


def test_h4_chunks_are_counted_and_measured_by_their_base64() -> None:
    counted = Telemetry(started=0.0)
    for _ in range(3):
        counted.audio_out(640)  # 480 bytes
    counted.audio_in(640)
    snapshot = counted.snapshot(2.0, media_dropped=5)
    assert snapshot["audio_chunks_out"] == 3
    assert snapshot["audio_kbytes_out"] == 1
    assert snapshot["audio_throughput_kbps"] == 5.8  # 1440 bytes in two seconds
    assert snapshot["audio_chunks_in"] == 1
    assert snapshot["audio_kbytes_in"] == 0
    assert snapshot["media_frames_dropped"] == 5
    assert snapshot["uptime_secs"] == 2


def test_h4_interruptions_and_turns_are_counted_and_are_no_responses() -> None:
    counted = Telemetry(started=0.0)
    for _ in range(2):
        counted.interrupted()
        counted.turn_complete(1.0, 0)
    snapshot = figures(counted)
    assert (snapshot["interruptions"], snapshot["turn_count"]) == (2, 2)
    assert snapshot["response_count"] == 0


@pytest.mark.parametrize("now", [10.0, 9.0])
def test_a_clock_that_did_not_move_is_no_division_by_zero(now: float) -> None:
    counted = Telemetry(started=10.0)
    counted.audio_out(640)
    snapshot = figures(counted, now)
    assert snapshot["uptime_secs"] == 0
    assert snapshot["audio_throughput_kbps"] == 0.0


def test_h5_a_voice_turn_and_a_text_turn_are_two_responses() -> None:
    counted = Telemetry(started=0.0)
    counted.speech_ended(1.0, "server_vad")
    assert counted.responded(1.3, "audio") == 300
    assert counted.responded(1.4, "audio") is None
    assert figures(counted)["response_count"] == 1
    counted.turn_complete(2.0, 0)
    counted.text_sent(5.0)
    assert counted.responded(5.1, "text") == 100
    assert counted.responded(5.2, "audio") is None
    assert figures(counted)["response_count"] == 2


def test_h6_the_figures_stand_in_the_snapshot_and_on_one_line() -> None:
    counted = Telemetry(started=0.0)
    for turn, ms in enumerate((300, 100, 500, 200, 400)):
        assert voice_turn(counted, turn * 10.0, "server_vad", ms / 1000) == ms
    snapshot = figures(counted)
    assert snapshot["last_response_latency_ms"] == 400
    assert snapshot["avg_response_latency_ms"] == 300
    assert snapshot["min_response_latency_ms"] == 100
    assert snapshot["max_response_latency_ms"] == 500
    assert snapshot["response_latency"]["p50_ms"] == 300
    assert (
        counted.display() == "turns=5 last=400ms p50=300ms p90=500ms p99=500ms min=100ms max=500ms"
    )


def test_h15_z13_latency_is_kept_by_source_for_the_sources_seen() -> None:
    counted = Telemetry(started=0.0)
    voice_turn(counted, 10.0, "client_vad", 0.2)
    voice_turn(counted, 20.0, "client_vad", 0.4)
    voice_turn(counted, 30.0, "activity_end", 0.5)
    counted.text_sent(40.0)
    counted.responded(40.1, "text")
    snapshot = figures(counted)
    by_source = snapshot["response_latency_by_source"]
    assert {source: kept["count"] for source, kept in by_source.items()} == {
        "client_vad": 2,
        "activity_end": 1,
        "text": 1,
    }
    assert by_source["client_vad"]["mean_ms"] == 300
    assert by_source["text"].keys() == snapshot["response_latency"].keys()
    assert snapshot["response_count"] == 4


turns = st.tuples(
    st.sampled_from(["server_vad", "client_vad", "activity_end", "text"]), st.integers(0, 9000)
)


@given(st.lists(turns, max_size=40))
def test_h5_h7_every_measured_turn_is_counted_once_and_once_by_its_source(
    turns: list[tuple[Any, int]],
) -> None:
    counted = Telemetry(started=0.0)
    for number, (source, ms) in enumerate(turns, 1):
        if source == "text":
            counted.text_sent(number * 100.0)
            counted.responded(number * 100 + ms / 1000, "audio")
            counted.turn_complete(number * 100 + 10.0, 0)
        else:
            voice_turn(counted, number * 100.0, source, ms / 1000)
        snapshot = figures(counted)
        overall = snapshot["response_latency"]
        assert snapshot["response_count"] == overall["count"] == number
        assert sum(bucket["count"] for bucket in overall["histogram"]) == number
        by_source = snapshot["response_latency_by_source"].values()
        assert sum(kept["count"] for kept in by_source) == number
        assert overall["min_ms"] == min(kept["min_ms"] for kept in by_source)
        assert overall["max_ms"] == max(kept["max_ms"] for kept in by_source)
        assert overall["p50_ms"] <= overall["p99_ms"] <= overall["max_ms"]


def test_h5_a_new_session_answers_nothing_that_was_said_to_the_last() -> None:
    counted = Telemetry(started=0.0)
    counted.text_sent(1.0)
    counted.session_opened()
    assert counted.responded(60.0, "text") is None
    assert figures(counted)["response_count"] == 0


@pytest.mark.parametrize("ending", ["generation_complete", "interrupted"])
def test_h5_once_the_answer_is_over_what_comes_answers_the_text_sent_meanwhile(
    ending: str,
) -> None:
    counted = Telemetry(started=0.0)
    counted.responded(1.0, "audio")
    counted.text_sent(2.0)
    assert counted.responded(2.1, "audio") is None
    getattr(counted, ending)()
    assert counted.responded(2.6, "audio") == 600


reports = st.lists(
    st.dictionaries(st.sampled_from(TOKENS), st.integers(0, 10**6)), min_size=1, max_size=5
)


@given(reports)
def test_h11_tokens_are_the_latest_report_of_each_field(reports: list[dict[str, Any]]) -> None:
    counted = Telemetry(started=0.0)
    latest: dict[str, int] = dict.fromkeys(TOKENS, 0)
    for report in reports:
        counted.usage(Usage(**report))
        latest |= report
        counted.turn_complete(1.0, 0)
    snapshot = figures(counted)
    assert {name: snapshot[name] for name in TOKENS} == latest


def test_h14_a_total_of_42_is_42_in_the_snapshot() -> None:
    counted = Telemetry(started=0.0)
    counted.speech_started(0.0)
    counted.usage(Usage(total_token_count=42))
    counted.turn_complete(1.0, 0)
    assert figures(counted)["total_token_count"] == 42


REPORT = Usage(
    prompt_tokens_by_modality={"AUDIO": 20, "TEXT": 10},
    response_tokens_by_modality={"AUDIO": 40},
)


def test_h10_tokens_by_modality_add_up_over_turns() -> None:
    counted = Telemetry(started=0.0)
    for _ in range(2):
        counted.usage(REPORT)
        counted.turn_complete(1.0, 0)
    assert figures(counted)["tokens_by_modality"] == {
        "AUDIO": {"prompt": 40, "response": 80},
        "TEXT": {"prompt": 20, "response": 0},
    }


def test_h10_the_last_report_of_a_turn_is_the_one_added() -> None:
    counted = Telemetry(started=0.0)
    counted.usage(Usage(prompt_tokens_by_modality={"TEXT": 999, "IMAGE": 258}))
    counted.usage(REPORT)
    assert figures(counted)["tokens_by_modality"] == {}
    counted.turn_complete(1.0, 0)
    assert figures(counted)["tokens_by_modality"] == {
        "AUDIO": {"prompt": 20, "response": 40},
        "TEXT": {"prompt": 10, "response": 0},
    }


def test_h10_h11_a_report_without_modalities_leaves_those_of_the_turn() -> None:
    counted = Telemetry(started=0.0)
    counted.usage(REPORT)
    counted.usage(Usage(total_token_count=70))
    counted.turn_complete(1.0, 0)
    assert figures(counted)["tokens_by_modality"]["AUDIO"] == {"prompt": 20, "response": 40}


def test_h10_a_turn_without_a_report_adds_nothing() -> None:
    counted = Telemetry(started=0.0)
    counted.usage(REPORT)
    counted.turn_complete(1.0, 0)
    before = figures(counted)["tokens_by_modality"]
    counted.turn_complete(2.0, 0)
    assert figures(counted)["tokens_by_modality"] == before


def test_h10_a_turn_that_its_session_did_not_end_adds_nothing_to_the_next() -> None:
    counted = Telemetry(started=0.0)
    counted.usage(REPORT)
    counted.session_opened()
    counted.turn_complete(1.0, 0)
    assert figures(counted)["tokens_by_modality"] == {}


@pytest.mark.parametrize(
    ("starts", "completes", "average"),
    [
        ([1.0, 2.0], [4.0], 3000),
        ([1.0], [4.0, 5.0], 2000),
        ([], [4.0], 0),
        ([], [4.0, 9.0], 5000),
    ],
    ids=["from the first start", "then by completions", "no start", "the second turn only"],
)
def test_h12_a_turn_lasts_from_one_completion_to_the_next(
    starts: list[float], completes: list[float], average: int
) -> None:
    counted = Telemetry(started=0.0)
    for start in starts:
        counted.speech_started(start)
    for complete in completes:
        counted.turn_complete(complete, 0)
    assert figures(counted)["avg_turn_duration_ms"] == average


def test_h12_the_time_between_two_sessions_is_no_turn() -> None:
    counted = Telemetry(started=0.0)
    counted.turn_complete(1.0, 0)
    counted.session_opened()
    counted.turn_complete(1000.0, 0)
    counted.turn_complete(1002.0, 0)
    assert figures(counted)["avg_turn_duration_ms"] == 2000


def test_h13_two_chunks_a_text_an_end_of_speech_and_a_chunk_are_one_response() -> None:
    counted = Telemetry(started=0.0)
    for _ in range(2):
        counted.audio_out(640)
        assert counted.responded(1.0, "audio") is None
    assert counted.responded(1.1, "text") is None
    counted.speech_ended(2.0, "server_vad")
    counted.audio_out(640)
    assert counted.responded(2.2, "audio") == 200
    snapshot = figures(counted)
    assert (snapshot["audio_chunks_out"], snapshot["response_count"]) == (3, 1)


def test_h16_the_figures_of_a_turn_are_its_own() -> None:
    counted = Telemetry(started=0.0)
    counted.text_sent(1.0)
    counted.responded(1.25, "text")
    counted.usage(Usage(prompt_token_count=30, response_token_count=5))
    counted.usage(Usage(response_token_count=40))
    assert counted.turn_complete(2.0, 7) == TurnMetrics(
        turn=7, latency_ms=250, prompt_tokens=30, response_tokens=40
    )
    assert counted.turn_complete(3.0, 8) == TurnMetrics(
        turn=8, latency_ms=None, prompt_tokens=None, response_tokens=None
    )


def test_b3_a_text_that_could_not_be_sent_has_started_the_wait_and_nothing_else() -> None:
    counted = Telemetry(started=0.0)
    before = figures(counted)
    counted.text_sent(0.5)
    assert figures(counted) == before


def test_z4_telemetry_knows_of_no_listeners() -> None:
    assert [*inspect.signature(Telemetry).parameters] == ["started"]
    sources = [ast.parse(inspect.getsource(module)) for module in (telemetry, latency)]
    ours = {
        node.module
        for source in sources
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("live")
    }
    assert ours == {"livehandle_proto.topics", "livehandled.latency"}


# What outlives the daemon.


def restarted(counted: Telemetry, *, media_dropped: int = 0, started: float = 0.0) -> Telemetry:
    file = msgspec.json.encode(counted.export(media_dropped=media_dropped))
    following = Telemetry(started=started)
    following.restore(msgspec.json.decode(file, type=SavedTelemetry))
    return following


def count(counted: Telemetry, step: str, now: float) -> None:
    match step:
        case "audio":
            counted.audio_in(640)
            counted.audio_out(1283)
        case "text":
            counted.text_turns_in += 1
            counted.text_sent(now)
            counted.responded(now + 0.25, "text")
            counted.generation_complete()
        case "spoken":
            voice_turn(counted, now + 2, "client_vad", 0.5)
        case "interrupted":
            counted.interrupted()
            counted.errors += 1
        case "tokens":
            counted.usage(Usage(total_token_count=int(now), prompt_tokens_by_modality={"TEXT": 3}))
            counted.turn_complete(now, 0)
        case _:
            counted.tool_calls += 2
            counted.video_frames_in += 1


STEPS = st.lists(st.sampled_from(["audio", "text", "spoken", "interrupted", "tokens", "other"]))


@given(STEPS, STEPS)
def test_totals_go_on_over_a_restart_as_if_there_were_none(
    before: list[str], after: list[str]
) -> None:
    counted, whole = Telemetry(started=0.0), Telemetry(started=0.0)
    steps = [*before, None, *after]
    for number, step in enumerate(steps):
        now = number * 10.0
        if step is None:
            counted = restarted(counted)
            whole.session_opened()  # a turn that had begun is not timed
            continue
        count(counted, step, now)
        count(whole, step, now)
    found, expected = (figures(each) for each in (counted, whole))
    for each in (found, expected):
        del each["audio_throughput_kbps"]
    assert found == expected


def test_uptime_and_throughput_are_of_this_daemon_alone() -> None:
    counted = Telemetry(started=0.0)
    counted.audio_out(4000)
    following = restarted(counted, started=1000.0)
    assert figures(following, 1010.0)["uptime_secs"] == 10
    assert figures(following, 1010.0)["audio_throughput_kbps"] == 0.0
    following.audio_out(4000)
    assert figures(following, 1010.0)["audio_kbytes_out"] == 6000 // 1024
    assert figures(following, 1010.0)["audio_throughput_kbps"] == 2.4


def test_dropped_media_is_counted_over_restarts() -> None:
    following = restarted(Telemetry(started=0.0), media_dropped=3)
    assert following.snapshot(1.0, media_dropped=4)["media_frames_dropped"] == 7
    last = restarted(following, media_dropped=4)
    assert last.snapshot(1.0, media_dropped=0)["media_frames_dropped"] == 7


def test_a_wait_or_turn_that_a_restart_cut_off_is_not_measured() -> None:
    counted = Telemetry(started=0.0)
    counted.speech_started(1.0)
    counted.usage(Usage(prompt_token_count=9))
    counted.text_sent(2.0)
    following = restarted(counted)
    assert following.responded(3.0, "text") is None
    metrics = following.turn_complete(4.0, 1)
    assert metrics.prompt_tokens is None
    assert figures(following)["avg_turn_duration_ms"] == 0
    assert figures(following)["prompt_token_count"] == 9


def test_an_export_does_not_change_with_the_totals() -> None:
    counted = Telemetry(started=0.0)
    count(counted, "tokens", 1.0)
    saved = counted.export(media_dropped=0)
    file = msgspec.json.encode(saved)
    counted.restore(saved)
    for step in ("tokens", "spoken"):
        count(counted, step, 20.0)
    assert msgspec.json.encode(saved) == file


def test_every_total_is_saved() -> None:
    """A counter that a later issue adds must not be forgotten here."""
    counted = Telemetry(started=0.0)
    for number, step in enumerate(("audio", "text", "spoken", "interrupted", "tokens", "other")):
        count(counted, step, number * 10.0)
    following = restarted(counted)
    of_the_moment = {"_timer", "_turn_began", "_turn_latency", "_turn_usage", "_audio_chars_before"}
    other = {"_latency", "_by_source", "restored"}
    for name in vars(counted).keys() - of_the_moment - other:
        assert getattr(following, name) == getattr(counted, name), name
    for name in ("response_latency", "response_latency_by_source"):
        assert figures(following)[name] == figures(counted)[name]
