"""The daemon from start to stop: the order is here, and nowhere else."""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio
from anyio.abc import TaskGroup, TaskStatus

from livehandle_proto import __version__
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import Reloaded
from livehandle_proto.topics import Stopping
from livehandled import log
from livehandled.alarm import Alarm
from livehandled.clock import WallClock
from livehandled.config.loader import Loaded
from livehandled.config.running import Running
from livehandled.control import listener, metrics_http
from livehandled.control.calls import Calls
from livehandled.control.claims import Claims
from livehandled.control.dispatch import Dispatcher
from livehandled.control.lock import InstanceLock
from livehandled.control.reach import obstacle
from livehandled.control.server import ControlServer
from livehandled.control.surroundings import EmulatorFaults, Surroundings
from livehandled.handle import LiveHandle
from livehandled.hub import Hub
from livehandled.metrics import export
from livehandled.notify import TELLING, Notifier, manager, status_line
from livehandled.session.access import credentials
from livehandled.store import Store, recordings_path, snapshot_path

_log = logging.getLogger(__name__)

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_RELOAD_SIGNAL = signal.SIGHUP


class Service(NamedTuple):
    """What a daemon is started with."""

    loaded: Loaded
    read: Callable[[], Loaded]
    """Reads the configuration again. Raises `config.invalid`."""
    config_file: Path
    """Where the configuration is, or would be."""
    socket_path: Path
    environ: MutableMapping[str, str]


class _Stop:
    """The wish to stop, and whose it is."""

    def __init__(self) -> None:
        self.reason = ""
        self.wished = anyio.Event()

    def wish(self, reason: str) -> None:
        if not self.wished.is_set():
            self.reason = reason
            self.wished.set()


async def run(service: Service) -> None:
    """Hold the socket and the session until a signal or `daemon.shutdown`.

    Raises `daemon.already_running` or `config.invalid` before anything has changed.
    """
    control = service.loaded.config.control
    given = listener.inherited(service.environ, os.getpid())
    if given is not None:
        bound, path = given
        service = service._replace(socket_path=path)
        with InstanceLock(path), bound:
            await _hold(service, bound)
        return
    path = service.socket_path
    listener.make_directory(path.parent)
    with InstanceLock(path), listener.bind(path, mode=control.mode, group=control.group) as bound:
        try:
            await _hold(service, bound)
        finally:
            path.unlink(missing_ok=True)


async def _hold(service: Service, bound: socket.socket) -> None:
    config = service.loaded.config
    # A place that is taken is told before anything upstream has changed.
    with metrics_http.listening(config.metrics.listen, config.control) as metrics:
        async with _emulator(service.loaded) as (emulator_url, faults):
            await _serve(service, bound, metrics, emulator_url, faults)


async def _serve(
    service: Service,
    bound: socket.socket,
    metrics: socket.socket | None,
    emulator_url: str,
    faults: EmulatorFaults | None,
) -> None:
    running = Running(service.loaded, service.read)
    config = running.config
    stop = _Stop()
    limits = config.limits
    wall = WallClock(_wall_ms, time.monotonic)
    hub = Hub(ring_events=limits.ring_events, ring_bytes=limits.ring_bytes, wall_ms=wall.now_ms)
    handle = LiveHandle(
        service.loaded,
        hub=hub,
        environ=service.environ,
        emulator_url=emulator_url,
        store=_store(service),
        recordings=recordings_path(service.socket_path, service.environ),
    )
    notifier = Notifier(
        manager(service.environ, os.getpid()),
        status=lambda: status_line(handle.session().describe()),
        alive=lambda: handle.alive,
        clock=time.monotonic,
    )
    hub.attach(lambda _event: notifier.changed(), TELLING)
    alarm = Alarm(
        clock=time.monotonic,
        deadline=lambda: claims.deadline,
        due=lambda now: claims.due(now),
    )
    claims = Claims(
        mic_idle_s=config.control.mic_idle_ms / 1000,
        tell=partial(hub.publish, "daemon.claim_changed"),
        look=alarm.look,
    )

    def reload() -> Reloaded:
        with notifier.reloading():
            return running.reload()

    around = Surroundings(
        socket=os.fsencode(service.socket_path).decode(errors="backslashreplace"),
        config=lambda: running.config,
        config_file=str(service.config_file),
        started=time.monotonic(),
        clock=time.monotonic,
        claims=claims,
        peers=lambda: server.peers,
        shut_down=lambda: stop.wish("shutdown"),
        reload=reload,
        faults=faults,
    )
    calls = Calls(handle, hub, around)
    server = ControlServer(
        bound,
        dispatcher=Dispatcher(calls.handlers()),
        hub=hub,
        control=config.control,
        limits=config.limits,
        left=calls.left,
    )

    def configure(loaded: Loaded) -> None:
        server.configure(loaded.config.control, loaded.config.limits)
        claims.mic_idle_s = loaded.config.control.mic_idle_ms / 1000
        logging.getLogger().setLevel(loaded.config.log.level.upper())
        handle.configure(loaded)

    running.on_change = configure
    async with anyio.create_task_group() as tasks:
        await tasks.start(_watch_signals, stop, reload)
        tasks.start_soon(alarm.run)
        tasks.start_soon(notifier.run)
        async with (
            _serving(server, tasks),
            export.exporting(config.metrics.otel, hub, lambda: handle.session().describe()),
            handle,
            metrics_http.serving(metrics, calls.overview.exposition),
        ):
            _log.info(
                "listening on %s",
                service.socket_path,
                extra=log.ids(version=__version__, pid=os.getpid(), instance=hub.instance),
            )
            log.know(handle.secrets)
            _look_for_credentials(service)
            _look_for_obstacles(service)
            notifier.ready()
            # As long as the daemon is wanted.
            await stop.wished.wait()
            _log.info("stopping: %s", stop.reason)
            notifier.stopping(stop.reason)
            hub.publish("daemon.stopping", Stopping(reason=stop.reason))
            server.refuse_calls()
            claims.close()
        tasks.cancel_scope.cancel()


def _look_for_credentials(service: Service) -> None:
    """Say now what the first send would be refused for. A key may still come, as a file."""
    try:
        log.know(credentials(service.loaded.config.session, service.environ).secrets)
    except LiveHandleError as error:
        _log.warning("no session can be opened yet: %s [%s]", error.message, error.name)


def _look_for_obstacles(service: Service) -> None:
    """Say now who is admitted and will not get to the socket."""
    try:
        found = obstacle(service.socket_path, service.loaded.config.control)
    except OSError as error:
        _log.debug("cannot see who may reach the socket: %s", error.strerror)
        return
    if found:
        _log.warning("%s", found)


def _store(service: Service) -> Store | None:
    """Return where the session is kept for the next start, None where it is not."""
    store = Store(snapshot_path(service.socket_path, service.environ))
    if service.loaded.config.resumption.store:
        return store
    if complaint := store.remove():
        _log.warning("%s", complaint)
    return None


@asynccontextmanager
async def _serving(server: ControlServer, tasks: TaskGroup) -> AsyncIterator[None]:
    """Serve clients; at the end, let them go when the session has ended and said so."""
    finished = anyio.Event()

    async def run() -> None:
        await server.run()
        finished.set()

    tasks.start_soon(run)
    yield
    server.close()
    # Each peer has a second for its last lines.
    await finished.wait()


@asynccontextmanager
async def _emulator(loaded: Loaded) -> AsyncIterator[tuple[str, EmulatorFaults | None]]:
    """Run the emulator on a loopback port, where the configuration asks for it."""
    if loaded.config.session.backend != "emulator":
        yield "", None
        return
    from livehandle_emulator.server import serve  # not needed beside a real service
    from livehandle_emulator.service import Service as Emulated

    emulated = Emulated()
    async with anyio.create_task_group() as tasks:
        port = await tasks.start(partial(serve, service=emulated))
        yield f"ws://127.0.0.1:{port}", emulated.faults
        tasks.cancel_scope.cancel()


async def _watch_signals(
    stop: _Stop, reload: Callable[[], object], *, task_status: TaskStatus[None]
) -> None:
    # One that holds a terminal ends with it.
    reloads = () if sys.stderr.isatty() else (_RELOAD_SIGNAL,)
    with anyio.open_signal_receiver(*_STOP_SIGNALS, *reloads) as signals:
        task_status.started()
        async for number in signals:
            if number == _RELOAD_SIGNAL:
                _reload(reload)
            else:
                stop.wish(signal.Signals(number).name)


def _reload(reload: Callable[[], object]) -> None:
    """Read the configuration again for a signal, whose sender hears nothing but the log."""
    try:
        reload()
    except LiveHandleError as error:
        _log.error("the configuration stays as it was: %s [%s]", error.message, error.name)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
