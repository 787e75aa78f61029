"""Keeps a session connected: opens its connections one after another, until it is over."""

from collections.abc import Callable
from contextlib import AsyncExitStack

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.closing import action_of
from livehandled.gemini.codec import encode_setup
from livehandled.gemini.endpoints import public
from livehandled.session.connection import open_connection, set_up
from livehandled.session.link import Link
from livehandled.session.resumption import Way
from livehandled.session.retry import Loss, Retries
from livehandled.session.rotation import Rotation
from livehandled.session.session import Session, close_of
from livehandled.session.wiretap import Connected

_MOST_REFUSALS = 2
"""Setups with the same handle."""


class Supervisor:
    """Runs one session, `connecting` already: the one task in which its connections live.

    The first connection of a `patient` session is tried again too. Another session that cannot be
    set up at all fails at once, and whoever opened it is told.
    """

    def __init__(
        self,
        session: Session,
        *,
        ceiling_s: float,
        clock: Callable[[], float],
        retries: Retries | None = None,
    ) -> None:
        self._session = session
        self._ceiling_s = ceiling_s
        self._clock = clock
        self._retries = retries or Retries()
        self._asked = self._set_up = self._relieved = False
        self._refusals = 0
        self._since = clock()
        """When the last connection was set up."""
        self._rotated: str | None = None
        """Why this side gave the last connection up."""

    async def run(self) -> None:
        """Converse until the session is stopped or cannot go on. Never raises for that."""
        session = self._session
        ended, error = v.Ended(reason="stopped"), None
        try:
            with session.scope:
                error = await self._stay_connected()
                ended = ended if error is None else _failed(error, session.established)
            if session.stop_reason is not None:
                ended, error = v.Ended(reason=session.stop_reason), None
        finally:
            session.finish(ended, error)

    async def _stay_connected(self) -> LiveHandleError | None:
        """Open connections until none may be opened any more; return why, None if stopped."""
        session = self._session
        while True:
            way = session.resumption.way(first=session.first)
            lost = await self._connection(way)
            if session.stop_reason is not None:
                return None
            if lost is not None and not session.established and not session.patient:
                return lost
            action: Loss = "rotate" if lost is None else action_of(lost)
            unheard = self._asked and not self._set_up
            if self._relieved or (action == "stop" and unheard and session.undeclare()):
                action = "retry"  # it goes on without what was to blame
            if action == "fresh" or self._refused_often(lost, way):
                session.resumption.handles.failed()
            ended_at = session.turn_ended_at
            if ended_at is not None and ended_at >= self._since:
                self._retries.went_on()
            delay = self._retries.lost(action, self._clock())
            if delay is None:
                assert lost is not None  # a rotation is never the last
                return lost
            session.reconnecting(self._retries.attempt, delay, self._cause(lost))
            with anyio.move_on_after(delay):
                await session.hurried()
            session.connecting()

    def _refused_often(self, lost: LiveHandleError | None, way: Way) -> bool:
        """Return whether setups with a handle have failed twice in a row (pains 8).

        Nothing blames the handle by itself then, but without it things go on.
        """
        refused = lost is not None and self._asked and not self._set_up
        self._refusals = self._refusals + 1 if refused and way.handle is not None else 0
        return self._refusals >= _MOST_REFUSALS

    def _cause(self, lost: LiveHandleError | None) -> str:
        """Return why there is no connection, in the service's own words where it had any."""
        if lost is None:
            return f"rotation: {self._rotated}"
        close = close_of(lost)
        if close.code is None:
            return lost.message
        return f"closed with code {close.code}" + (f": {close.reason}" if close.reason else "")

    async def _connection(self, way: Way) -> LiveHandleError | None:
        """Hold one connection; return why it was lost, None where this side gave it up."""
        session, plan = self._session, self._session.plan
        self._asked = self._set_up = self._relieved = False
        try:
            async with AsyncExitStack() as stack:
                socket = await stack.enter_async_context(open_connection(plan))
                stack.enter_context(session.wiretap.connected(socket, _connected(session)))
                await checkpoint_if_cancelled()  # `stop` may have come first by a hair
                session.handshaking()
                instruction, tools = session.instruction, session.declarations.asked()
                self._asked = True
                setup = plan.setup_for(
                    handle=way.handle,
                    seeding=way.restored == "reseeded",
                    instruction=instruction,
                    tools=tools,
                )
                session.wiretap.asked(encode_setup(setup))  # it is said before anything else runs
                frame, answer = await set_up(socket, plan, setup)
                session.wiretap.set_up(frame)
                await checkpoint_if_cancelled()
                now = self._clock()
                self._set_up = True
                self._since = now
                self._retries.set_up(now)
                link = Link(
                    socket,
                    plan,
                    outbox=session.outbox,
                    ledger=session.resumption.ledger,
                    rotation=Rotation(now, self._ceiling_s),
                    clock=self._clock,
                    take=session.take,
                    tell=session.tell,
                    quiet=session.quiet,
                    replying=lambda: session.conversation.generating,
                )
                session.set_up(answer, way)
                session.conversing(link, instruction, tools)
                session.take(frame, answer)
                await link.run()
                session.wiretap.closed(link.lost)
                self._rotated = link.rotation.why
                lost = None if link.lost is None else session.discreet(link.lost)
                if session.stop_reason is None:
                    once = lost is not None and action_of(lost) == "once"
                    self._relieved = once and session.suspect()
                    session.dropped(lost)
        except LiveHandleError as error:
            refused = session.discreet(error)
            session.refused(refused)
            return refused
        return lost


def _failed(error: LiveHandleError, established: bool) -> v.Ended:
    close = close_of(error)
    if established and close.code is not None:
        return v.Ended(reason="closed", code=close.code, message=close.reason or error.message)
    return v.Ended(reason="failed", code=close.code, message=error.message)


def _connected(session: Session) -> Connected:
    """Return a connection that has just been opened, for one who listens to it."""
    plan = session.plan
    return Connected(
        session=session.id,
        generation=session.generation + 1,
        model=plan.model,
        backend=plan.backend,
        url=public(plan.url),
        secrets=plan.secrets,
        handles=session.resumption.handles.known,
    )
