"""Sessions that outlive their connections, and the handles that restore them (wire 4.3)."""

import hashlib
from collections import deque
from typing import NamedTuple

from livehandle_emulator.calls import PendingCall
from livehandle_emulator.closing import RefusedError, invalid
from livehandle_emulator.history import Entry, History, without_seed
from livehandle_emulator.models import Model
from livehandle_emulator.scenario import ResumptionRules
from livehandled.gemini.server import ServerMessage

_MOST_HANDLES = 64  # of one session; the oldest are forgotten first
_MOST_LINEAGES = 1000

Owner = tuple[bool, str | None]
"""Whose a session is: whether it is on Vertex, and the API key where there is one."""


class Past(NamedTuple):
    """A session as it was at some point: what a handle of that point restores."""

    entries: tuple[Entry, ...] = ()
    texts: tuple[str, ...] = ()
    """Of them, the user's that no reply has taken up yet."""
    calls: tuple[PendingCall, ...] = ()
    """The calls that were made and not answered."""
    tokens: tuple[tuple[str, float], ...] = ()
    """What the context holds, by modality."""
    deltas: tuple[ServerMessage, ...] = ()
    """The transcription of the last turn, as it was sent."""
    consumed: int = 0
    """The index of the client's last message by then; its setup has the index 0."""


class Lineage:
    """One session, over all its connections."""

    def __init__(self, id_: str, model: Model, owner: Owner) -> None:
        self.id = id_
        self.model = model
        self.owner = owner
        self.history = History()
        """That of the newest connection, or as it was when that one ended."""
        self.connections: list[int] = []
        self.open: set[int] = set()
        self.ended_at = 0.0
        """When its last connection ended."""
        self.issued = 0
        self.handles: deque[str] = deque()
        """Those that are known, oldest first."""

    def attach(self, connection: int, history: History) -> None:
        """Note a connection, by its number, and what it goes on from."""
        self.connections.append(connection)
        self.open.add(connection)
        self.history = history

    def detach(self, connection: int, now: float) -> None:
        """Note the end of a connection."""
        self.open.discard(connection)
        self.ended_at = now


class Resumption:
    """All sessions there were, and their handles. Times are seconds of the caller's clock."""

    def __init__(self, rules: ResumptionRules, name: str) -> None:
        """`name` is part of every handle: those of another emulator are not known here."""
        self._rules = rules
        self._name = name
        self._handles: dict[str, tuple[Lineage, Past]] = {}
        self.lineages: dict[str, Lineage] = {}

    def begin(self, id_: str, model: Model, owner: Owner) -> Lineage:
        """Return a new session."""
        if len(self.lineages) >= _MOST_LINEAGES:
            closed = next((old for old in self.lineages.values() if not old.open), None)
            if closed is not None:
                self._drop(self.lineages.pop(closed.id))
        lineage = self.lineages[id_] = Lineage(id_, model, owner)
        return lineage

    def resume(self, handle: str, model: Model, owner: Owner, now: float) -> tuple[Lineage, Past]:
        """Return the session of a handle, and what the scenario leaves of it.

        Raises `RefusedError`: unknown or expired, another model or key, or still connected.
        """
        lineage, past = self._handles.get(handle, (None, Past()))
        if lineage is None or self._expired(lineage, now):
            raise RefusedError(1008, "BidiGenerateContent session not found")
        if lineage.model.id != model.id or lineage.owner != owner:
            raise invalid("Invalid session handle")
        if lineage.open and self._rules.old_socket == "refuse":
            raise RefusedError(1011, "Internal error encountered.")
        return lineage, self._remembered(past)

    def issue(self, lineage: Lineage, past: Past) -> str:
        """Return a new handle for a session as it is now."""
        lineage.issued += 1
        seed = f"{self._name}/{lineage.id}/{lineage.issued}"
        handle = hashlib.sha256(seed.encode()).hexdigest()
        self._handles[handle] = (lineage, past)
        lineage.handles.append(handle)
        while len(lineage.handles) > _MOST_HANDLES:
            self._handles.pop(lineage.handles.popleft(), None)
        return handle

    def forget(self) -> None:
        """Make every handle unknown; the sessions that are connected go on."""
        for lineage in self.lineages.values():
            self._drop(lineage)

    def _drop(self, lineage: Lineage) -> None:
        for handle in lineage.handles:
            self._handles.pop(handle, None)
        lineage.handles.clear()

    def _expired(self, lineage: Lineage, now: float) -> bool:
        valid_s = self._rules.handle_valid_ms / 1000
        return not lineage.open and now - lineage.ended_at > valid_s

    def _remembered(self, past: Past) -> Past:
        if self._rules.forgets == "everything":
            return Past()
        if self._rules.forgets == "seed":
            entries = tuple(without_seed(past.entries))
            texts = {entry.text for entry in entries}
            kept = tuple(text for text in past.texts if text in texts)
            return past._replace(entries=entries, texts=kept)
        return past


def digest(handle: str) -> str:
    """Return a name for a handle that can be shown."""
    return hashlib.sha256(handle.encode()).hexdigest()[:8]
