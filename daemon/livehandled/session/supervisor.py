"""One session: opens its connection, runs its reader and its writer, says how it ended."""

import logging
from collections.abc import Callable
from typing import Literal
from uuid import uuid4

import anyio
import msgspec
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint_if_cancelled
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from livehandle_proto import topics as t
from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandled.gemini import frames
from livehandled.gemini.codec import Decoded, FrameError, decode_server
from livehandled.gemini.endpoints import public
from livehandled.session.connection import Plan, close_error, open_connection, refusal, set_up
from livehandled.session.conversation import Conversation
from livehandled.session.outbox import Outbox
from livehandled.session.raw import raw_message
from livehandled.session.router import Router

_log = logging.getLogger(__name__)

_STOP_GRACE_S = 0.8


class Session:
    """One conversation with the model, from `start` to `ended`.

    It has one task, in which reader and writer live. Everything else is called from the same
    event loop and never waits, but `settled` and `done`.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        router: Router,
        outbox: Outbox,
        clock: Callable[[], float],
    ) -> None:
        self.id: str | None = None
        self.conversation = Conversation(transcript_is_text=plan.transcript_is_text)
        self.ended: v.Ended | None = None
        self.last_close: v.Close | None = None
        self.ready = False
        self.plan = plan
        self._router = router
        self._outbox = outbox
        self._clock = clock
        self._ready_at: float | None = None
        self._error: LiveHandleError | None = None
        self._settled = anyio.Event()
        self._done = anyio.Event()
        self._wake = anyio.Event()
        self._scope = anyio.CancelScope()
        self._stop_reason: Literal["disconnected", "stopped"] | None = None

    def start(self, tasks: TaskGroup) -> None:
        """Begin to open the connection; `settled` tells when the session is set up."""
        self._router.route(self.conversation.move("connecting"))
        tasks.start_soon(self._run)

    @property
    def open(self) -> bool:
        """Whether the session takes what is to be sent: it has not ended and is not ending."""
        return self.ended is None and self._stop_reason is None

    async def _run(self) -> None:
        """Open the connection and converse until either side ends it. Never raises for that."""
        ended = v.Ended(reason="stopped")
        try:
            with self._scope:
                ended = await self._converse()
            if self._stop_reason is not None:
                ended = v.Ended(reason=self._stop_reason)
        except LiveHandleError as error:
            self._error = error
            close = _close(error)
            if close.code is not None:
                self.last_close = close
            ended = v.Ended(reason="failed", code=close.code, message=error.message)
            self.tell(error)
        finally:
            self._finish(ended)

    def put(self, *frames: bytes, media: bool = False) -> None:
        """Queue frames for the model, all or none.

        Raises `session.queue_full`, and `session.ended` once the session is not `open`: the
        outbox is the next session's too.
        """
        if not self.open:
            raise LiveHandleError("session.ended", "The session has ended: call connect.")
        self._outbox.put_all(frames, media=media, now=self._clock())
        self._wake.set()

    def instruct(self, instruction: str) -> None:
        """Give the model another instruction, in the way it takes one (B17, wire 4.6).

        Raises `upstream.unsupported` for a model that would close the session.
        """
        how = self.plan.traits.instruction
        if how == "refused":
            raise LiveHandleError(
                "upstream.unsupported",
                f"{self.plan.model} takes no other instruction while it runs: disconnect, and "
                "connect with another session.instruction.",
                field="instruction",
                model=self.plan.model,
                why="the service would close the session",
            )
        self.put(frames.instruction(instruction, how))

    async def settled(self) -> None:
        """Wait until the session is set up. Raises why it could not be."""
        # Bounded by the deadlines of connecting and of the setup.
        await self._settled.wait()
        if self._error is not None:
            raise LiveHandleError(self._error.name, self._error.message, **self._error.data)
        if self._ready_at is None:
            raise LiveHandleError("session.ended", "The session was ended before it was set up.")

    async def done(self) -> v.Ended:
        """Wait until the session has ended, and return how (decision Z1: every waiter is told)."""
        if self.ended is None:  # what is known is told, even where no time is left to wait
            # As long as the session lasts: whoever calls sets the deadline.
            await self._done.wait()
        assert self.ended is not None
        return self.ended

    def stop(self, reason: Literal["disconnected", "stopped"]) -> None:
        """Begin to end the session; `done` tells when it has."""
        if self.open:
            self._stop_reason = reason
            self._router.route(self.conversation.move("disconnecting"))
            if self.ready:
                # What was sent before goes out first, as far as it goes out at all.
                self._wake.set()
                self._scope.deadline = anyio.current_time() + _STOP_GRACE_S
            else:
                self._scope.cancel()

    def describe(self, *, backend: str, model: str) -> v.Session:
        """Return the session as clients see it."""
        talk = self.conversation
        since = self._ready_at if self.ended is None else None
        connection = v.Connection(generation=1, url=public(self.plan.url))
        return v.Session(
            session_id=self.id,
            phase=talk.phase,
            backend=backend,
            model=model,
            connected_ms=None if since is None else int((self._clock() - since) * 1000),
            connection=connection if self.ended is None else None,
            resumable=talk.resumable,
            reconnects=0,
            current_turn=talk.turns if talk.turn_open and self.ended is None else None,
            turns=talk.turns,
            last_close=self.last_close,
        )

    async def _converse(self) -> v.Ended:
        async with open_connection(self.plan) as websocket:
            await checkpoint_if_cancelled()  # `stop` may have come first by a hair
            self._router.route(self.conversation.move("setup_sent"))
            frame, answer = await set_up(websocket, self.plan)
            await checkpoint_if_cancelled()
            self._set_up(answer)
            self._take(frame, answer)
            ended = v.Ended(reason="stopped")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, websocket, tasks.cancel_scope)
                ended = await self._read(websocket)
                tasks.cancel_scope.cancel()
        return ended

    def _set_up(self, answer: Decoded) -> None:
        complete = answer.message.setup_complete
        self.id = (complete.session_id if complete is not None else None) or str(uuid4())
        self._ready_at = self._clock()
        self.ready = True
        self._router.route(self.conversation.move("active"))
        self._router.route([("connected", t.SessionStarted(session_id=self.id))])
        _log.info("session %s is set up at %s", self.id, public(self.plan.url))
        self._settled.set()

    async def _read(self, websocket: ClientConnection) -> v.Ended:
        while True:
            try:
                # As long as the service is silent: pings notice a dead connection.
                frame = await websocket.recv(decode=False)
            except ConnectionClosed as closed:
                return self._closed(closed)
            try:
                decoded = decode_server(frame)
            except FrameError as error:
                self.tell(LiveHandleError("upstream.bad_message", f"Not a message: {error}."))
                continue
            self._take(frame, decoded)

    def _take(self, frame: bytes, decoded: Decoded) -> None:
        """Tell what a message says."""
        if self._router.wants_raw():
            self._router.route([("raw", raw_message(frame, self.plan.secrets))])
        for field in decoded.skipped:
            self.tell(LiveHandleError("upstream.bad_message", f"Passed over {field}."))
        if refused := refusal(decoded.message, self.plan):
            self.tell(refused)
        if self._stop_reason is None:
            self._router.route(self.conversation.receive(decoded.message))

    async def _write(self, websocket: ClientConnection, conversing: anyio.CancelScope) -> None:
        while True:
            frame = self._outbox.take(self._clock())
            if frame is None and self._stop_reason is not None:
                conversing.cancel()
                return
            if frame is None:
                # As long as nobody has anything to say.
                await self._wake.wait()
                self._wake = anyio.Event()
                continue
            try:
                await websocket.send(frame, text=True)
            except ConnectionClosed:
                return  # the reader is told the same, and says how it ended

    def _closed(self, closed: ConnectionClosed) -> v.Ended:
        error = close_error(closed, self.plan, during_setup=False)
        self.last_close = _close(error)
        code, reason = self.last_close.code, self.last_close.reason
        if code != 1000:
            self.tell(error)
        return v.Ended(reason="closed", code=code, message=reason or error.message)

    def tell(self, error: LiveHandleError) -> None:
        """Log an error that nobody waits for, and publish it."""
        _log.warning("%s [%s]", error.message, error.name)
        told = error.to_json()
        self._router.route([("error", msgspec.convert(told, v.ErrorObject))])

    def _finish(self, ended: v.Ended) -> None:
        self.ended = ended
        self.ready = False
        self._outbox.clear()
        self._router.route(self.conversation.move("disconnected"))
        self._router.route([("disconnected", ended)])
        _log.info("session %s ended: %s", self.id or "-", ended.reason)
        self._settled.set()
        self._done.set()


def _close(error: LiveHandleError) -> v.Close:
    """Return the close that an error tells of; without a code where it tells of none."""
    code, reason = error.data.get("close_code"), error.data.get("close_reason")
    return v.Close(
        code=code if isinstance(code, int) else None,
        reason=reason if isinstance(reason, str) else None,
    )
