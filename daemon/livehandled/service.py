"""The daemon from start to stop: the order is here, and nowhere else."""

import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio
from anyio.abc import TaskGroup, TaskStatus

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.topics import Stopping
from livehandled.alarm import Alarm
from livehandled.config.loader import Loaded
from livehandled.control import listener
from livehandled.control.calls import Calls
from livehandled.control.claims import Claims
from livehandled.control.dispatch import Dispatcher
from livehandled.control.lock import InstanceLock
from livehandled.control.reach import obstacle
from livehandled.control.server import ControlServer
from livehandled.control.surroundings import EmulatorFaults, Surroundings
from livehandled.handle import LiveHandle
from livehandled.hub import Hub
from livehandled.session.access import credentials
from livehandled.store import Store, snapshot_path

_log = logging.getLogger(__name__)

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Service(NamedTuple):
    """What a daemon is started with."""

    loaded: Loaded
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
    async with _emulator(service.loaded) as (emulator_url, faults):
        await _serve(service, bound, emulator_url, faults)


async def _serve(
    service: Service, bound: socket.socket, emulator_url: str, faults: EmulatorFaults | None
) -> None:
    config = service.loaded.config
    stop = _Stop()
    limits = config.limits
    hub = Hub(ring_events=limits.ring_events, ring_bytes=limits.ring_bytes, wall_ms=_wall_ms)
    handle = LiveHandle(
        service.loaded,
        hub=hub,
        environ=service.environ,
        emulator_url=emulator_url,
        store=_store(service),
    )
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
    around = Surroundings(
        socket=os.fsencode(service.socket_path).decode(errors="backslashreplace"),
        control=config.control,
        limits=config.limits,
        started=time.monotonic(),
        clock=time.monotonic,
        claims=claims,
        peers=lambda: server.peers,
        shut_down=lambda: stop.wish("shutdown"),
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
    async with anyio.create_task_group() as tasks:
        await tasks.start(_watch_signals, stop)
        tasks.start_soon(alarm.run)
        async with _serving(server, tasks), handle:
            _log.info("listening on %s", service.socket_path)
            _look_for_credentials(service)
            _look_for_obstacles(service)
            # As long as the daemon is wanted.
            await stop.wished.wait()
            _log.info("stopping: %s", stop.reason)
            hub.publish("daemon.stopping", Stopping(reason=stop.reason))
            server.refuse_calls()
            claims.close()
        tasks.cancel_scope.cancel()


def _look_for_credentials(service: Service) -> None:
    """Say now what the first send would be refused for. A key may still come, as a file."""
    try:
        credentials(service.loaded.config.session, service.environ)
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
    store.remove()
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


async def _watch_signals(stop: _Stop, *, task_status: TaskStatus[None]) -> None:
    with anyio.open_signal_receiver(*_STOP_SIGNALS) as signals:
        task_status.started()
        async for number in signals:
            stop.wish(signal.Signals(number).name)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
