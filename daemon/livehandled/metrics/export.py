"""Traces and metrics go out by OpenTelemetry's protocol, where the configuration asks for it."""

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from anyio import to_thread

from livehandle_proto import __version__
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import Session
from livehandled.hub import Hub
from livehandled.metrics.traces import Traces

_log = logging.getLogger(__name__)

_FLUSH_S = 3.0
"""The longest that a stop waits for what is still to be sent."""


@asynccontextmanager
async def exporting(wanted: bool, hub: Hub, session: Callable[[], Session]) -> AsyncIterator[None]:
    """Send spans and measurements while the block runs, as the OTEL_* variables say.

    The SDK sends them from threads of its own; what it cannot send it says in the log. Raises
    `config.invalid` where the extra is not installed.
    """
    if not wanted:
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise LiveHandleError(
            "config.invalid",
            "Install the extra that metrics.otel needs: pip install 'livehandle[otel]'.",
            param="metrics.otel",
        ) from error

    resource = Resource.create({"service.name": "livehandled", "service.version": __version__})
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    Traces(
        hub,
        session,
        tracers.get_tracer("livehandle", __version__),
        meters.get_meter("livehandle", __version__),
    )
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await _shut_down(tracers.shutdown, meters.shutdown)


async def _shut_down(*shutdowns: Callable[[], object]) -> None:
    """Send what waits, for a while. A thread that goes on after that does not keep us."""
    sent = threading.Event()

    def run() -> None:
        for shutdown in shutdowns:
            shutdown()
        sent.set()

    threading.Thread(target=run, daemon=True).start()
    if not await to_thread.run_sync(sent.wait, _FLUSH_S):
        _log.warning("the last traces and metrics were not sent: nobody took them in time")
