"""The control socket: accepts clients, runs each, and stops without leaving a call unanswered."""

import logging
import socket
from collections import Counter
from collections.abc import Callable

import anyio
import msgspec
from anyio.abc import TaskGroup

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Control, Limits
from livehandled.control.credentials import Credentials, admitted, credentials_of, group_id
from livehandled.control.dispatch import Dispatcher, failed
from livehandled.control.peer import Peer
from livehandled.control.readers import Readers
from livehandled.hub import Hub
from livehandled.log import ids

_log = logging.getLogger(__name__)

_ACCEPT_PAUSE_S = 0.1

_TURNS_BETWEEN = 4
"""Turns of the loop from one accept to the next: a client that connects and leaves takes eight, and
of those who do so without end only a few may be in one turn."""

_MOST_REFUSED = 1024
"""Users whose first refusal is a warning in the log. One who may act as many cannot fill it."""


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
        self.peers: dict[Peer, None] = {}
        """Those who are connected, in the order in which they came."""
        self._listener = listener
        self._dispatcher = dispatcher
        self._hub = hub
        self._control = control
        self._gid = group_id(control.group)
        self._admitted = 0
        """Connections, since the start."""
        self._of_uid: Counter[int] = Counter()
        """Connections that each user has now."""
        self._refused: set[int] = set()
        """Users of whom a refusal was logged."""
        self._limits = limits
        self._left = left
        """Told of each peer that has gone."""
        self._readers = Readers()
        self._accepting = anyio.CancelScope()

    async def run(self) -> None:
        """Accept and serve until stopped."""
        with self._readers:
            async with anyio.create_task_group() as tasks:
                with self._accepting:
                    await self._accept(tasks)

    def configure(self, control: Control, limits: Limits) -> None:
        """Admit clients by other rules, and give other limits to those who come from now on."""
        self._control = control
        self._limits = limits

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
            for _ in range(_TURNS_BETWEEN):
                await anyio.lowlevel.checkpoint()

    def _admit(self, connection: socket.socket, tasks: TaskGroup) -> None:
        who = credentials_of(connection)
        refusal = self._refusal(connection, who)
        if refusal is not None:
            self._log_refusal(who, refusal)
            _turn_away(connection, refusal)
            return
        self._admitted += 1
        peer = Peer(
            connection,
            connection_id=f"c{self._admitted}",
            who=who,
            dispatcher=self._dispatcher,
            hub=self._hub,
            limits=self._limits,
            readers=self._readers,
        )
        self.peers[peer] = None
        self._of_uid[who.uid] += 1
        tasks.start_soon(self._serve, peer)

    def _refusal(self, connection: socket.socket, who: Credentials) -> LiveHandleError | None:
        control = self._control
        if not admitted(connection, who, uids=control.uids, gid=self._gid):
            why = f"User {who.uid} may not use this socket: ask its owner for control.uids."
            return LiveHandleError("daemon.forbidden", why)
        if self._of_uid[who.uid] >= control.max_clients_per_uid:
            why = f"User {who.uid} has {control.max_clients_per_uid} clients connected: close one, "
            why += "or raise control.max_clients_per_uid."
            return LiveHandleError("daemon.too_many_clients", why)
        if len(self.peers) >= control.max_clients:
            why = f"{control.max_clients} clients are connected: close one, or raise "
            why += "control.max_clients."
            return LiveHandleError("daemon.too_many_clients", why)
        return None

    def _log_refusal(self, who: Credentials, refusal: LiveHandleError) -> None:
        """Log the first refusal of each user aloud: nobody can fill the log by trying again."""
        aloud = who.uid not in self._refused and len(self._refused) < _MOST_REFUSED
        if aloud:
            self._refused.add(who.uid)
        level = logging.WARNING if aloud else logging.DEBUG
        _log.log(level, "client refused", extra=ids(uid=who.uid, pid=who.pid, error=refusal.name))

    async def _serve(self, peer: Peer) -> None:
        who = peer.who
        _log.info("client connected", extra=ids(client=peer.id, uid=who.uid, pid=who.pid))
        try:
            await peer.run()
        except Exception:  # noqa: BLE001 - logged, and the peer is closed
            # A fault of ours, and this client's loss: the others must not share it.
            _log.exception("connection failed", extra=ids(client=peer.id))
        finally:
            del self.peers[peer]
            self._of_uid[peer.who.uid] -= 1
            if not self._of_uid[peer.who.uid]:
                del self._of_uid[peer.who.uid]
            self._left(peer)
            left = ids(
                client=peer.id,
                uid=who.uid,
                pid=who.pid,
                name=peer.client or None,
                missed_events=peer.missed or None,
            )
            _log.info("client gone", extra=left)


def _turn_away(connection: socket.socket, error: LiveHandleError) -> None:
    """Say why, and close, before a byte is read."""
    with connection:
        try:
            connection.send(failed(msgspec.Raw(b"null"), None, error).text + b"\n")
        except OSError as gone:
            _log.debug("the refused client had gone: %s", gone)
