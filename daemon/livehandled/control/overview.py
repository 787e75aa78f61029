"""The answers that show the daemon or the session as a whole."""

import os
from functools import cache

import msgspec
from msgspec import Raw

from livehandle_proto import API_COMPATIBLE, API_LEVEL, __version__
from livehandle_proto import methods as m
from livehandle_proto.description import FILE
from livehandle_proto.envelope import MAX_BATCH
from livehandled.control.peer import Peer
from livehandled.control.surroundings import Surroundings
from livehandled.handle import LiveHandle
from livehandled.hub import Hub
from livehandled.metrics.counts import Counts
from livehandled.metrics.families import families
from livehandled.metrics.prometheus import exposition

_NAME = "livehandled"
_CAPABILITIES = ["events.replay", "events.snapshot", "roles", "tools"]


@cache
def description() -> Raw:
    """Return the OpenRPC document as JSON in one line."""
    return Raw(msgspec.json.format(FILE.read_bytes(), indent=-1))


class Overview:
    """Tells of the daemon, its clients and its session, as they are at the moment."""

    def __init__(self, handle: LiveHandle, hub: Hub, around: Surroundings) -> None:
        self._handle = handle
        self._hub = hub
        self._around = around
        self._counts = Counts(hub)

    def daemon(self, peer: Peer) -> m.Daemon:
        """Return who answers a peer, and what it can do."""
        return m.Daemon(
            name=_NAME,
            version=__version__,
            api_level=API_LEVEL,
            api_compatible=API_COMPATIBLE,
            instance=self._hub.instance,
            capabilities=_CAPABILITIES,
            limits=self._limits(peer),
            session=self._handle.session().describe(),
        )

    def _limits(self, peer: Peer) -> m.Limits:
        config = self._around.config()
        control, limits = config.control, config.limits
        return m.Limits(
            max_line_bytes=limits.max_line_bytes,
            your_max_line_bytes=peer.line_bytes,
            max_batch=MAX_BATCH,
            ring_events=limits.ring_events,
            ring_bytes=limits.ring_bytes,
            client_buffer_bytes=limits.client_buffer_bytes,
            pending_calls=limits.pending_calls,
            subscriptions=limits.subscriptions,
            turn_requests=limits.turn_requests,
            turn_ms=limits.turn_ms,
            max_clients=control.max_clients,
            max_clients_per_uid=control.max_clients_per_uid,
        )

    def status(self) -> m.Status:
        """Return the daemon at a glance."""
        around = self._around
        return m.Status(
            name=_NAME,
            version=__version__,
            pid=os.getpid(),
            instance=self._hub.instance,
            socket=around.socket,
            config_file=around.config_file,
            uptime_ms=int((around.clock() - around.started) * 1000),
            clients=self._clients(),
            last_seq=self._hub.last_seq,
            session=self._handle.session().describe(),
            snapshot_failure=self._handle.snapshot_failure(),
        )

    def snapshot(self) -> m.Snapshot:
        """Return the state that a subscription starts from."""
        handle = self._handle
        return m.Snapshot(
            phase=handle.phase(),
            session=handle.session().describe(),
            voice_state=handle.voice_state(),
            input_vad_state=handle.input_vad_state(),
            state=handle.redaction.states(handle.state().as_dict()),
            transcript=handle.transcript(),
            pending_tools=handle.open_calls(),
            claims=self._around.claims.holders(),
            telemetry=handle.telemetry(),
        )

    def telemetry(self) -> dict[str, object]:
        """Return the metrics, with what waits for each client."""
        return {**self._handle.telemetry(), "clients": self._clients()}

    def exposition(self) -> str:
        """Return what is measured as Prometheus reads it."""
        found = families(
            self._around.clock() - self._around.started,
            self._handle.counted(),
            self._handle.session().describe(),
            self._counts,
            self._clients(),
            kept=self._handle.snapshot_failure() is None,
        )
        return exposition(found)

    def _clients(self) -> list[m.Client]:
        claims, tools = self._around.claims, self._handle.tools()
        return [
            peer.describe(roles=claims.of(peer), tools=tools.of(peer))
            for peer in self._around.peers()
        ]
