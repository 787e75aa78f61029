"""Keeps the session on disk while it lasts, and takes up the one that an earlier daemon kept."""

import logging
from collections.abc import Callable, Sequence

import msgspec

from livehandle_proto.errors import LiveHandleError
from livehandled.config.loader import Loaded, overrides, with_overrides
from livehandled.context import PendingContext
from livehandled.hub import Event, Hub
from livehandled.redaction import NOTHING_REDACTED, Redaction
from livehandled.saver import Saver
from livehandled.session.history import Told
from livehandled.session.resumption import TakenUp, tools_in
from livehandled.session.sessions import Sessions
from livehandled.signals import PASSING, Signals
from livehandled.state import SavedState, State
from livehandled.store import Snapshot, Store, encode
from livehandled.telemetry import Telemetry
from livehandled.transcript import Transcript

_log = logging.getLogger(__name__)

_TELLING = (
    "state.changed",
    "session.connected",
    "session.resumed",
    "session.reconnecting",
    "session.resume_update",
    "session.turn_complete",
    "session.disconnected",
)
"""Topics whose events change what is worth keeping; what is sent does too."""


class Keeper:
    """The memory of one handle. `tell` publishes an error that nobody waits for."""

    def __init__(
        self,
        store: Store,
        *,
        sessions: Sessions,
        state: State,
        signals: Signals,
        transcript: Transcript,
        telemetry: Telemetry,
        context: PendingContext,
        hub: Hub,
        tell: Callable[[LiveHandleError], None],
        redaction: Redaction = NOTHING_REDACTED,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._state = state
        self._signals = signals
        self._transcript = transcript
        self._telemetry = telemetry
        self._context = context
        self._hub = hub
        self._tell = tell
        self._redaction = redaction
        self._saver = Saver(store, self._taken, failed=self._failed)
        self._untaken: Snapshot | None = None
        """A session that could not be taken up, and that no other has followed."""
        hub.attach(self._heard, _TELLING)
        sessions.on_send = self._saver.sent

    def take_up(self, base: Loaded) -> bool:
        """Restore what was kept; return whether a session goes on from there.

        What cannot be used is told, and everything begins anew.
        """
        snapshot = self._store.load()
        if snapshot is None:
            if self._store.complaint:
                self._failed(self._store.complaint)
            return False
        self._state.restore(snapshot.state)
        if snapshot.session_id is not None:
            self._signals.restored()
        self._transcript.restore(snapshot.transcript)
        self._telemetry.restore(snapshot.telemetry)
        self._context.restore(snapshot.context)
        if not snapshot.open:
            return False
        try:
            loaded = with_overrides(base, snapshot.overrides)
            self._sessions.open(loaded, patient=True, taken_up=_taken_up(snapshot))
        except LiveHandleError as error:  # a key that is gone, a value that is known no more
            self._untaken = snapshot  # it may be back at the next start, or when a session opens
            self._sessions.untaken = (snapshot.overrides, _taken_up(snapshot))
            _log.warning("the last session is not taken up: %s", error.message)
            self._tell(error)
            return False
        return True

    def forget(self) -> None:
        """Have nothing on disk of what was. It blocks until that is so."""
        self._untaken = None
        self._saver.forget()
        self._saver.dirty()

    @property
    def failure(self) -> str | None:
        """Why the last snapshot could not be written; None where it was."""
        return self._saver.failure

    async def run(self) -> None:
        """Save what changes, until cancelled."""
        await self._saver.run()

    def close(self) -> None:
        """Save for the last time, with the session ended. Blocks until the disk has it."""
        self._hub.detach(self._heard)
        self._saver.flush()

    def _heard(self, event: Event) -> None:
        if event.topic == "session.disconnected":
            self._saver.flush()  # who was told that it is over does not find it again
        else:
            self._saver.dirty()

    def _failed(self, why: str) -> None:
        self._tell(LiveHandleError("daemon.snapshot", why))

    def _taken(self) -> bytes:
        session = self._sessions.current
        if session is None and self._untaken is not None:
            state = self._exported()
            context = self._context.export()
            return encode(msgspec.structs.replace(self._untaken, state=state, context=context))
        config = self._sessions.loaded.config.session
        stopped_by = None if session is None else session.stop_reason
        going_on = session is not None and (
            session.ended is None or session.unfinished or stopped_by == "stopped"
        )
        left = TakenUp() if session is None else session.left()
        taken_up = going_on and stopped_by != "disconnected"
        return encode(
            Snapshot(
                session_id=left.session_id,
                model=config.model,
                backend=config.backend,
                overrides=overrides(self._sessions.loaded),
                instruction=left.instruction,
                handle=left.handle,
                covered_turns=left.covered_turns,
                turns=left.turns,
                reconnects=left.reconnects,
                state=self._exported(),
                transcript=self._transcript.export(untold_tools=tools_in(left.unsent)),
                telemetry=self._telemetry.export(media_dropped=self._sessions.outbox.dropped),
                context=self._context.export(),
                calls=list(left.calls),
                unsent=list(left.unsent),
                owed=left.owed,
                since=self._saved(left.since) if taken_up else [],
                told=self._saved(left.told) if taken_up else [],
                open=taken_up,
                saved_at_ms=self._hub.now_ms(),
            )
        )

    def _exported(self) -> SavedState:
        """Return the state as it is to be saved: redacted (S3)."""
        saved, redaction = self._state.export(without=PASSING), self._redaction
        if not redaction.hides_keys:
            return saved
        values = {key: msgspec.json.decode(text) for key, text in saved.values.items()}
        shown = redaction.states(values).items()
        return SavedState(
            cursor=saved.cursor,
            values={key: msgspec.Raw(msgspec.json.encode(value)) for key, value in shown},
        )

    def _saved(self, told: Sequence[Told]) -> list[Told]:
        """Return context the model was given as it is to be saved: redacted, as turns are."""
        return [one._replace(words=self._redaction.text(one.words)) for one in told]


def _taken_up(snapshot: Snapshot) -> TakenUp:
    return TakenUp(
        session_id=snapshot.session_id,
        turns=snapshot.turns,
        reconnects=snapshot.reconnects,
        covered_turns=snapshot.covered_turns,
        calls=snapshot.calls,
        instruction=snapshot.instruction,
        handle=snapshot.handle,
        unsent=snapshot.unsent,
        owed=snapshot.owed,
        told=snapshot.told,
        since=snapshot.since,
        lost_at_ms=snapshot.saved_at_ms,
    )
