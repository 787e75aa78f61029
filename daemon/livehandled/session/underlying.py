"""The session under the handle: what it is, and its sends without the deferred layer (A21)."""

from collections.abc import Awaitable, Callable

import anyio

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.suggest import nearest
from livehandle_proto.values import PHASES, Phase
from livehandled.session.writer import Writer


class UnderlyingSession(Writer):
    """The session there is, or the next one, as its clients see it."""

    def describe(self) -> v.Session:
        """Return the session, or what would be one."""
        session = self._sessions.current
        config = self._sessions.loaded.config.session
        if session is not None:
            return session.describe(backend=config.backend, model=config.model)
        return v.Session(
            session_id=None,
            phase="disconnected",
            backend=config.backend,
            model=config.model,
            connected_ms=None,
            connection=None,
            resumable=False,
            reconnects=0,
            current_turn=None,
            turns=0,
            last_close=None,
        )

    def resume_handle(self) -> str | None:
        """Return the newest handle to resume with, None before the first (A20). A secret."""
        session = self._sessions.current
        kept = None if session is None else session.resumption.handles.kept
        return None if kept is None else kept.handle

    def wait_for_phase(self, phase: Phase, timeout_ms: int | None = None) -> Awaitable[Phase]:
        """Wait until the phase is reached, if only for a moment; at once where it is already.

        It may be that of a session to come. Raises `wire.invalid_params` for what is no phase.
        Await the result; it raises `session.timeout`.
        """
        if phase not in PHASES:
            near = nearest(phase, PHASES)
            raise LiveHandleError(
                "wire.invalid_params",
                f"`phase` must be one of {', '.join(PHASES)}.",
                param="phase",
                did_you_mean=near,
            )
        session = self._sessions.current
        now = "disconnected" if session is None else session.conversation.phase
        reached = anyio.Event()
        if now == phase:
            reached.set()

        def watch(following: Phase) -> None:
            if following == phase:
                reached.set()

        # From here on, so that a phase between this call and its wait is not missed.
        return self._reached(phase, reached, self._router.watch_phase(watch), timeout_ms)

    async def _reached(
        self,
        phase: Phase,
        reached: anyio.Event,
        end: Callable[[], None],
        timeout_ms: int | None,
    ) -> Phase:
        try:
            with anyio.move_on_after(None if timeout_ms is None else timeout_ms / 1000):
                await reached.wait()
        finally:
            end()
        if not reached.is_set():  # else it is told, even where no time was left to wait
            raise LiveHandleError(
                "session.timeout",
                f"The phase {phase} was not reached within {timeout_ms} ms: wait longer.",
                phase=phase,
            )
        return phase
