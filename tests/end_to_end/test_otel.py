"""Traces and metrics on their way to a collector."""

import threading
from collections.abc import Mapping

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.daemon import DaemonProcess, private_directory, refused_daemon, running_daemon
from support.http import DRIPS, Answer, Asked, Drip, http_server

OTEL = ("--emulator", "--set", "metrics.otel=true")


def environ(url: str) -> Mapping[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_RESOURCE_ATTRIBUTES": "host.name=kiosk"}


def converse(daemon: DaemonProcess) -> None:
    with daemon.client() as client:
        client.result("events", topics=["live.turn_complete"])
        client.result("send_text", text="A word of the user's.")
        client.event()


def test_a_turn_gets_to_the_collector_and_its_words_do_not() -> None:
    with http_server(lambda _asked: Answer(b"")) as collector:
        with running_daemon(*OTEL, environ=environ(collector.url)) as daemon:
            converse(daemon)
        bodies = {asked.target: asked.body for asked in collector.asked}
    (resource,) = ExportTraceServiceRequest.FromString(bodies["/v1/traces"]).resource_spans
    spans = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert spans == ["chat gemini-3.8-live"]
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (named["service.name"], named["host.name"]) == ("livehandled", "kiosk")
    (measured,) = ExportMetricsServiceRequest.FromString(bodies["/v1/metrics"]).resource_metrics
    metrics = [metric.name for scope in measured.scope_metrics for metric in scope.metrics]
    assert "gen_ai.client.operation.duration" in metrics
    assert not any(b"A word of the user" in body for body in bodies.values())


@pytest.mark.parametrize("kind", ["refuses", "drips"])
def test_a_collector_that_is_of_no_use_costs_the_session_nothing(kind: str) -> None:
    asked = threading.Event()

    def answer(_: Asked) -> Answer | Drip:
        asked.set()
        return Answer(b"", 400) if kind == "refuses" else DRIPS[1]

    with http_server(answer) as collector:
        given = {**environ(collector.url), "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with running_daemon(*OTEL, environ=given) as daemon:
            converse(daemon)
            assert asked.wait(20)
            converse(daemon)
            daemon.process.terminate()
            assert daemon.exit_code() == 0


def test_without_the_extra_the_start_says_what_to_install() -> None:
    with (
        private_directory() as directory,
        refused_daemon(directory / "s", *OTEL, environ={"PYTHONPATH": _without(directory)}) as d,
    ):
        d.wait_for("pip install 'livehandle[otel]'")
        assert d.exit_code() == 3


def _without(directory: object) -> str:
    """Return a place of modules in which there is no exporter."""
    from pathlib import Path

    place = Path(str(directory)) / "hidden"
    (place / "opentelemetry").mkdir(parents=True)
    (place / "opentelemetry/__init__.py").write_text("")
    return str(place)
