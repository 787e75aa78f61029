"""The control socket: accepts clients, runs each, and stops without leaving a call unanswered."""

import logging
import socket
from collections.abc import Callable

import anyio
import msgspec
from anyio.abc import TaskGroup

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Control, Limits
from livehandled.control.credentials import Credentials, admitted, credentials_of
from livehandled.control.dispatch import Dispatcher, failed
from livehandled.control.peer import Peer, PeerLimits
from livehandled.hub import Hub

_log = logging.getLogger(__name__)

_ACCEPT_PAUSE_S = 0.1


class ControlServer:
    """Serves a listening socket. `run` ends after `close`, when every peer has been let go."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        dispatcher: Dispatcher[Peer],
        hub: Hub,
        control: Control,
        limits: Limits,
        left: Callable[[Peer], None],
    ) -> None:
        self.peers: set[Peer] = set()
        self._listener = listener
        self._dispatcher = dispatcher
        self._hub = hub
        self._control = control
        self._limits = PeerLimits(limits.max_line_bytes, limits.client_buffer_bytes)
        self._left = left
        """Told of each peer that has gone."""
        self._accepting = anyio.CancelScope()

    async def run(self) -> None:
        """Accept and serve until stopped."""
        async with anyio.create_task_group() as tasks:
            with self._accepting:
                await self._accept(tasks)

    def refuse_calls(self) -> None:
        """Begin to stop: accept nobody, and answer new calls with `daemon.stopping`."""
        self._accepting.cancel()
        for peer in self.peers:
            peer.stopping = True

    def close(self) -> None:
        """Let every peer go: pending calls answered, the last event written, within a second."""
        self._accepting.cancel()
        for peer in self.peers:
            peer.close()

    async def _accept(self, tasks: TaskGroup) -> None:
        while True:
            # As long as nobody connects.
            await anyio.wait_readable(self._listener)
            if self._accepting.cancel_called:  # in the same turn of the loop
                return
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            except OSError as error:
                # No descriptor is free: those who wait are served when a client leaves.
                _log.warning("cannot accept a client: %s", error.strerror)
                await anyio.sleep(_ACCEPT_PAUSE_S)
                continue
            connection.setblocking(False)
            self._admit(connection, tasks)

    def _admit(self, connection: socket.socket, tasks: TaskGroup) -> None:
        who = credentials_of(connection)
        if not admitted(who, uids=self._control.uids, group=self._control.group):
            _log.warning("refused user %d, process %d", who.uid, who.pid)
            why = f"User {who.uid} may not use this socket: ask its owner for control.uids."
            _turn_away(connection, LiveHandleError("daemon.forbidden", why))
        elif len(self.peers) >= self._control.max_clients:
            why = f"{self._control.max_clients} clients are connected: close one, or raise "
            why += "control.max_clients."
            _turn_away(connection, LiveHandleError("daemon.too_many_clients", why))
        else:
            peer = Peer(connection, dispatcher=self._dispatcher, hub=self._hub, limits=self._limits)
            self.peers.add(peer)
            tasks.start_soon(self._serve, peer, who)

    async def _serve(self, peer: Peer, who: Credentials) -> None:
        _log.debug("client connected: process %d of user %d", who.pid, who.uid)
        try:
            await peer.run()
        except Exception:  # noqa: BLE001 - logged, and the peer is closed
            # A fault of ours, and this client's loss: the others must not share it.
            _log.exception("the connection of process %d failed", who.pid)
        finally:
            self.peers.discard(peer)
            self._left(peer)
            _log.debug("client %r gone: process %d of user %d", peer.client, who.pid, who.uid)


def _turn_away(connection: socket.socket, error: LiveHandleError) -> None:
    """Say why, and close, before a byte is read."""
    with connection:
        try:
            connection.send(failed(msgspec.Raw(b"null"), None, error).text + b"\n")
        except OSError as gone:
            _log.debug("the refused client had gone: %s", gone)
