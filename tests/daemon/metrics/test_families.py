"""Every metric of the daemon."""

import re
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from livehandle_proto.topics import Usage
from livehandled.metrics.counts import Counts, since
from livehandled.metrics.families import families
from livehandled.metrics.prometheus import exposition
from livehandled.telemetry import Telemetry
from support.calls import SESSION
from support.control import new_hub


def measured(telemetry: Telemetry, clients: Any = ()) -> dict[tuple[str, str], float]:
    """Return every sample, by its name and its labels."""
    counts = Counts(new_hub())
    counts.calls["get_time"] = 2
    figures = since(telemetry.export(media_dropped=3), telemetry.restored)
    text = exposition(families(10.5, figures, SESSION, counts, clients, kept=False))
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


def talked() -> Telemetry:
    telemetry = Telemetry(started=0.0)
    went_on(telemetry)
    return telemetry


def went_on(telemetry: Telemetry) -> None:
    telemetry.audio_in(1000)
    telemetry.audio_out(400)
    telemetry.text_sent(1.0)
    telemetry.responded(1.45, "text")
    telemetry.usage(Usage(prompt_tokens_by_modality={"TEXT": 7}))
    telemetry.turn_complete(2.0, 0)


def test_counters_are_this_processs_alone_whatever_it_goes_on_from() -> None:
    """A run that crashed has told more than it kept: a counter that goes back is a reset."""
    first = talked()
    again = Telemetry(started=0.0)
    again.restore(first.export(media_dropped=5))
    fresh = measured(again)
    counted = {name for name in fresh if re.search("_(total|bucket|sum|count)$", name[0])}
    own = {"livehandle_media_dropped_total", "livehandle_tool_calls_answered_total"}
    assert not any(
        fresh[name] for name in counted if name[0] not in own | {"process_cpu_seconds_total"}
    )
    assert fresh["livehandle_media_dropped_total", ""] == 3
    went_on(again)
    told, once = measured(again), measured(first)
    assert {name: told[name] for name in counted - {("process_cpu_seconds_total", "")}} == {
        name: once[name] for name in counted - {("process_cpu_seconds_total", "")}
    }
    assert told["livehandle_audio_received_bytes_total", ""] == 1000
    assert told["livehandle_audio_sent_bytes_total", ""] == 300


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
