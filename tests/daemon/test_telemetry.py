"""The counters, as far as they exist (section H)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.topics import Usage
from livehandled.telemetry import Telemetry

TOKENS = [f for f in Usage.__struct_fields__ if f != "tool_use_prompt_token_count"]


def test_h3_a_new_session_counts_nothing() -> None:
    snapshot = Telemetry(started=100.0).snapshot(100.0, media_dropped=0)
    assert set(snapshot.values()) == {0}


def test_h1_the_names_are_those_of_the_rust_snapshot() -> None:
    snapshot = Telemetry(started=0.0).snapshot(1.0, media_dropped=0)
    assert snapshot.keys() >= {
        "uptime_secs",
        "audio_chunks_out",
        "audio_kbytes_out",
        "audio_throughput_kbps",
        "interruptions",
        "turn_count",
        "total_token_count",
        "prompt_token_count",
        "response_token_count",
        "cached_content_token_count",
        "thoughts_token_count",
    }


def test_h4_chunks_are_counted_and_measured_by_their_base64() -> None:
    telemetry = Telemetry(started=0.0)
    for _ in range(3):
        telemetry.audio_out(640)  # 480 bytes
    telemetry.audio_in(640)
    snapshot = telemetry.snapshot(2.0, media_dropped=5)
    assert snapshot["audio_chunks_out"] == 3
    assert snapshot["audio_kbytes_out"] == 1
    assert snapshot["audio_throughput_kbps"] == 5.8  # 1440 bytes in two seconds
    assert snapshot["audio_chunks_in"] == 1
    assert snapshot["audio_kbytes_in"] == 0
    assert snapshot["media_frames_dropped"] == 5
    assert snapshot["uptime_secs"] == 2


@pytest.mark.parametrize("now", [10.0, 9.0])
def test_a_clock_that_did_not_move_is_no_division_by_zero(now: float) -> None:
    telemetry = Telemetry(started=10.0)
    telemetry.audio_out(640)
    snapshot = telemetry.snapshot(now, media_dropped=0)
    assert snapshot["uptime_secs"] == 0
    assert snapshot["audio_throughput_kbps"] == 0.0


reports = st.lists(
    st.dictionaries(st.sampled_from(TOKENS), st.integers(0, 10**6)), min_size=1, max_size=5
)


@given(reports)
def test_h11_tokens_are_the_latest_report_of_each_field(reports: list[dict[str, int]]) -> None:
    telemetry = Telemetry(started=0.0)
    latest: dict[str, int] = dict.fromkeys(TOKENS, 0)
    for report in reports:
        telemetry.usage(Usage(**report))
        latest |= report
    snapshot = telemetry.snapshot(1.0, media_dropped=0)
    assert {name: snapshot[name] for name in TOKENS} == latest
