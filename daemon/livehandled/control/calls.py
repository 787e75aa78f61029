"""What each method of the catalogue does: parameters to the handle, results back.

A handler begins its work before it returns; what it may return to be awaited is the wait alone.
So calls of one connection begin in the order they came.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeVar

import anyio

from livehandle_proto import __version__
from livehandle_proto import methods as m
from livehandle_proto import values as v
from livehandle_proto.envelope import MAX_BATCH
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.topics import RAW_STREAM, SEMANTIC_STREAM, match
from livehandled.config.schema import Limits
from livehandled.control.dispatch import Handler
from livehandled.control.peer import Peer
from livehandled.handle import LiveHandle, Sent
from livehandled.hub import Hub

API_LEVEL = 1
_NAME = "livehandled"
_CAPABILITIES = ["events.replay", "events.snapshot"]

T = TypeVar("T", bound=m.Params)


class Surroundings(NamedTuple):
    """What of the daemon the methods need beside the handle."""

    socket: str
    limits: Limits
    started: float
    """Monotonic seconds."""
    clock: Callable[[], float]
    peers: Callable[[], int]
    """How many clients are connected."""
    shut_down: Callable[[], None]


class Calls:
    """The handlers of all methods."""

    def __init__(self, handle: LiveHandle, hub: Hub, around: Surroundings) -> None:
        self._handle = handle
        self._hub = hub
        self._around = around

    def handlers(self) -> Mapping[str, Handler[Peer]]:
        """Return each method's handler, by name."""
        handle = self._handle
        return {
            "daemon.hello": _takes(m.Hello, self._hello),
            "daemon.ping": lambda _peer, _params: None,
            "daemon.status": lambda _peer, _params: self._status(),
            "daemon.shutdown": lambda _peer, _params: self._around.shut_down(),
            "connect": _takes(m.Connect, lambda _peer, p: handle.connect(p.config)),
            "disconnect": lambda _peer, _params: handle.disconnect(),
            "done": _takes(m.Done, lambda _peer, p: self._done(p)),
            "phase": lambda _peer, _params: m.PhaseNow(phase=handle.phase()),
            "session": lambda _peer, _params: handle.session(),
            "session.config": lambda _peer, _params: handle.config(),
            "send_audio": _takes(m.SendAudio, lambda _peer, p: _sent(handle.send_audio(p.data))),
            "send_text": _takes(m.SendText, lambda _peer, p: _sent(handle.send_text(p.text))),
            "send_video": _takes(m.SendVideo, lambda _peer, p: _sent(handle.send_video(p.data))),
            "send_tool_response": _takes(
                m.SendToolResponse,
                lambda _peer, p: _sent(handle.send_tool_response(p.responses)),
            ),
            "events": _takes(
                m.Subscribe, lambda peer, p: self._subscribe(peer, p, "e", SEMANTIC_STREAM)
            ),
            "subscribe": _takes(
                m.Subscribe, lambda peer, p: self._subscribe(peer, p, "s", RAW_STREAM)
            ),
            "unsubscribe": _takes(m.Unsubscribe, self._unsubscribe),
            "telemetry": lambda _peer, _params: handle.telemetry(),
        }

    def _hello(self, peer: Peer, params: m.Hello) -> m.Daemon:
        limits = self._around.limits
        if params.client is not None:
            peer.client = params.client
        if params.max_line_bytes is not None:
            peer.raise_line_limit(params.max_line_bytes)
        return m.Daemon(
            name=_NAME,
            version=__version__,
            api_level=API_LEVEL,
            api_compatible=API_LEVEL,
            instance=self._hub.instance,
            capabilities=_CAPABILITIES,
            limits=m.Limits(
                max_line_bytes=limits.max_line_bytes,
                your_max_line_bytes=peer.line_bytes,
                max_batch=MAX_BATCH,
                ring_events=limits.ring_events,
                client_buffer_bytes=limits.client_buffer_bytes,
            ),
            session=self._handle.session(),
        )

    def _status(self) -> m.Status:
        around = self._around
        return m.Status(
            name=_NAME,
            version=__version__,
            pid=os.getpid(),
            instance=self._hub.instance,
            socket=around.socket,
            uptime_ms=int((around.clock() - around.started) * 1000),
            clients=around.peers(),
            last_seq=self._hub.last_seq,
            session=self._handle.session(),
        )

    async def _done(self, params: m.Done) -> v.Ended:
        if params.timeout_ms is None:
            return await self._handle.done()
        try:
            with anyio.fail_after(params.timeout_ms / 1000):
                return await self._handle.done()
        except TimeoutError as error:
            raise LiveHandleError(
                "session.timeout",
                f"The session had not ended after {params.timeout_ms} ms: wait longer, or call "
                "disconnect.",
            ) from error

    def _subscribe(
        self, peer: Peer, params: m.Subscribe, prefix: str, default: frozenset[str]
    ) -> m.Subscribed:
        topics = default if params.topics is None else match(params.topics)
        start_seq, reset = self._hub.last_seq, False
        fresh = params.since is None
        if params.since is not None:
            since = self._hub.parse(params.since)
            reset = since is None or not self._hub.can_replay(since)
            if since is not None and not reset:
                start_seq = since
        subscription = peer.subscribe(prefix, topics, start_seq)
        return m.Subscribed(
            subscription=subscription.name,
            cursor=self._hub.cursor(start_seq),
            reset=reset,
            snapshot=self._snapshot() if reset or (fresh and params.snapshot) else None,
        )

    def _snapshot(self) -> m.Snapshot:
        handle = self._handle
        return m.Snapshot(
            phase=handle.phase(), session=handle.session(), telemetry=handle.telemetry()
        )

    def _unsubscribe(self, peer: Peer, params: m.Unsubscribe) -> None:
        peer.unsubscribe(params.subscription)


def _takes(params: type[T], handler: Callable[[Peer, T], object]) -> Handler[Peer]:
    """Return a handler of one kind of parameters as a handler of any: the catalogue's kind."""

    def checked(peer: Peer, given: m.Params) -> object:
        assert isinstance(given, params)
        return handler(peer, given)

    return checked


def _sent(sent: Sent) -> Awaitable[None] | None:
    """Answer at once where the session is set up, without a task."""
    return None if sent.done else _settled(sent)


async def _settled(sent: Sent) -> None:
    await sent
