"""Every metric the daemon has, from what its parts count."""

import os
import resource
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from livehandle_proto import __version__
from livehandle_proto.methods import Client
from livehandle_proto.values import PHASES, Session
from livehandled.latency import BOUNDS_MS, SavedLatency, Source
from livehandled.metrics.counts import Counts
from livehandled.metrics.prometheus import Family, Sample, histogram
from livehandled.telemetry import SavedTelemetry

_BYTES_OF_BASE64 = 3 / 4

_TOTALS = (
    ("audio_received_bytes_total", "audio_bytes_in", 1, "Microphone audio from clients."),
    ("audio_sent_bytes_total", "audio_chars_out", _BYTES_OF_BASE64, "Speech of the model."),
    ("text_turns_total", "text_turns_in", 1, "Typed turns."),
    ("video_frames_total", "video_frames_in", 1, "Pictures from clients."),
    ("media_dropped_total", "media_frames_dropped", 1, "Audio and pictures too old to be sent."),
    ("tool_calls_total", "tool_calls", 1, "Calls that the model made."),
    ("interruptions_total", "interruptions", 1, "Replies that the user cut off."),
    ("turns_total", "turn_count", 1, "Turns that are complete."),
    ("stalls_total", "stalls", 1, "Silences amid a reply."),
    ("errors_total", "errors", 1, "Errors of the session."),
)
"""Metric, name in `SavedTelemetry`, its units in one of those, and meaning."""


def families(
    uptime_s: float,
    counted: SavedTelemetry,
    session: Session,
    counts: Counts,
    clients: Sequence[Client],
    *,
    kept: bool,
) -> Iterator[Family]:
    """Yield all metrics. Counters begin at 0 with the process, as Prometheus takes them.

    `counted` is what this process has counted, without what it goes on from. `kept` is whether
    the session can be kept for a restart.
    """
    yield from _of_the_daemon(uptime_s, clients)
    yield _one("snapshot_failing", "gauge", "1 while the disk takes no snapshot.", not kept)
    yield from _of_the_session(session, counts)
    for name, key, unit, meaning in _TOTALS:
        yield _one(name, "counter", meaning, int(getattr(counted, key) * unit))
    yield _one("tool_calls_cancelled_total", "counter", "Calls no longer wanted.", counts.cancelled)
    yield _by("tool_calls_answered_total", "function", "Calls answered.", counts.calls)
    yield _by("errors_by_name_total", "name", "Errors since the start, by name.", counts.errors)
    yield _tokens(counted.tokens_by_modality)
    yield _latencies(counted.response_latency_by_source)


def _of_the_daemon(uptime_s: float, clients: Sequence[Client]) -> Iterator[Family]:
    info = Sample(1, {"version": __version__})
    yield Family("livehandle_build_info", "gauge", "The daemon's version.", [info])
    yield _one("uptime_seconds", "gauge", "Time since the start.", int(uptime_s))
    yield _one("clients", "gauge", "Clients connected.", len(clients))
    yield _one(
        "client_queued_bytes", "gauge", "Of the client for which most waits.",
        max((client.queued_bytes for client in clients), default=0),
    )  # fmt: skip
    yield _one(
        "client_lag_seconds", "gauge", "Of the client that is furthest behind.",
        max((client.lag_ms for client in clients), default=0) / 1000,
    )  # fmt: skip
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield Family(
        "process_cpu_seconds_total", "counter", "Processor time.",
        [Sample(round(used.ru_utime + used.ru_stime, 3))],
    )  # fmt: skip
    yield Family(
        "process_resident_memory_bytes", "gauge", "Memory in use.", [Sample(_resident_bytes())]
    )
    open_fds = Sample(sum(1 for _ in os.scandir("/proc/self/fd")))
    yield Family("process_open_fds", "gauge", "Open file descriptors.", [open_fds])


def _of_the_session(session: Session, counts: Counts) -> Iterator[Family]:
    yield Family(
        "livehandle_session_phase", "gauge", "1 for the phase that the session is in.",
        [Sample(session.phase == phase, {"phase": phase}) for phase in PHASES],
    )  # fmt: skip
    info = Sample(1, {"backend": session.backend, "model": session.model})
    yield Family("livehandle_session_info", "gauge", "What it is held with.", [info])
    connected_s = (session.connected_ms or 0) / 1000
    yield _one("session_seconds", "gauge", "Time since it was set up.", connected_s)
    yield _one("sessions_total", "counter", "Sessions set up.", counts.sessions)
    yield _by("reconnections_total", "restored", "Connections that went on.", counts.resumed)
    lost = "Connections lost or not set up, rotations aside."
    yield _one("connections_lost_total", "counter", lost, counts.lost)
    yield _by("sessions_ended_total", "reason", "Sessions that ended.", counts.ended)


def _tokens(by_modality: Mapping[str, Mapping[str, int]]) -> Family:
    samples = [
        Sample(count, {"direction": direction, "modality": modality})
        for modality, tokens in by_modality.items()
        for direction, count in tokens.items()
    ]
    return Family("livehandle_tokens_total", "counter", "Tokens, as the service counts.", samples)


def _latencies(by_source: Mapping[Source, SavedLatency]) -> Family:
    bounds = [ms / 1000 for ms in BOUNDS_MS]
    samples = [
        sample
        for source, figures in by_source.items()
        for sample in histogram(
            bounds,
            figures.buckets,
            figures.total_ms / 1000,
            {"source": source},
        )
    ]
    meaning = "From the end of the user's speech, or a text, to the answer."
    return Family("livehandle_response_latency_seconds", "histogram", meaning, samples)


def _one(name: str, kind: Any, meaning: str, value: float) -> Family:
    return Family(f"livehandle_{name}", kind, meaning, [Sample(value)])


def _by(name: str, label: str, meaning: str, counted: Counter[str]) -> Family:
    samples = [Sample(count, {label: value}) for value, count in counted.items()]
    return Family(f"livehandle_{name}", "counter", meaning, samples)


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - one line, at every scrape
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
