"""Every metric of the daemon."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from livehandled.metrics.counts import Counts
from livehandled.metrics.families import families
from livehandled.metrics.prometheus import exposition
from livehandled.telemetry import Telemetry
from support.calls import SESSION
from support.control import new_hub


def measured(telemetry: Telemetry, clients: Any = ()) -> dict[tuple[str, str], float]:
    """Return every sample, by its name and its labels."""
    counts = Counts(new_hub())
    counts.calls["get_time"] = 2
    figures = telemetry.snapshot(10.0, media_dropped=3)
    text = exposition(families(figures, SESSION, counts, clients, kept=False))
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation.endswith("."), family.name
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[sample.name, labels] = sample.value
    return found


def test_what_telemetry_counts_is_told_in_the_units_of_prometheus() -> None:
    telemetry = Telemetry(started=0.0)
    telemetry.audio_in(4096)
    telemetry.text_sent(1.0)
    telemetry.responded(1.45, "text")
    telemetry.turn_complete(2.0, 0)
    found = measured(telemetry)
    assert found["livehandle_uptime_seconds", ""] == 10
    assert found["livehandle_audio_received_bytes_total", ""] == 4096
    assert found["livehandle_media_dropped_total", ""] == 3
    assert found["livehandle_snapshot_failing", ""] == 1
    assert found["livehandle_turns_total", ""] == 1
    assert found["livehandle_tool_calls_answered_total", "function=get_time"] == 2
    latency = "livehandle_response_latency_seconds"
    assert found[f"{latency}_bucket", "source=text,le=0.4"] == 0
    assert found[f"{latency}_bucket", "source=text,le=0.5"] == 1
    assert found[f"{latency}_sum", "source=text"] == 0.45


def test_the_phase_is_the_one_that_is_1() -> None:
    found = measured(Telemetry(started=0.0))
    phases = {
        labels: v for (name, labels), v in found.items() if name == "livehandle_session_phase"
    }
    assert [labels for labels, value in phases.items() if value] == ["phase=active"]
    assert len(phases) > 5
    assert found["livehandle_session_info", "backend=gemini,model=m"] == 1


def test_the_process_is_measured_itself() -> None:
    found = measured(Telemetry(started=0.0))
    assert found["process_resident_memory_bytes", ""] > 2**20
    assert found["process_open_fds", ""] >= 3
    assert found["process_cpu_seconds_total", ""] > 0
