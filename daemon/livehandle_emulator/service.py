"""What all connections of one emulator share, without I/O."""

import secrets
from collections.abc import Callable

from livehandle_emulator.faults import Faults
from livehandle_emulator.resumption import Resumption
from livehandle_emulator.scenario import Scenario

Journal = Callable[[dict[str, object]], None]
"""Takes one call for each thing that happens; no key and no handle is in it."""


class Service:
    """The scenario, the faults, and the sessions with all their connections."""

    def __init__(
        self,
        scenario: Scenario | None = None,
        journal: Journal = lambda _: None,
        *,
        name: str | None = None,
    ) -> None:
        """`name` tells its sessions and handles from those of another emulator; chance by default.

        An entry of the journal holds `t` (seconds of the caller's clock), `connection` (its
        number), `session` (the id of the session, None before its setup) and `what`: `open`;
        `in` and `out` with `kinds` and what the message says; `setup`, or `resume` with `handle`
        and the number of `entries` restored; `history` with `role`, `text` and `kind`; `handle`
        with `handle` (a digest), `entries` and `consumed`; `close` with `by`, and from the service
        `code` and `reason`. Of faults, without a session: `fault` with `do` and `at`, and
        `swallowed` with the `kinds` of a message that was not sent though `out` tells it.
        """
        self.scenario = scenario or Scenario()
        self.journal = journal
        self.name = secrets.token_hex(8) if name is None else name
        self.resumption = Resumption(self.scenario.resumption, self.name)
        self.faults = Faults(self.scenario.fault)
        self.faults.forget = self.resumption.forget
        self._connections = 0

    def next_connection(self) -> int:
        """Return the number of a connection that is being opened, counted from 1."""
        self._connections += 1
        return self._connections

    def sessions(self) -> list[dict[str, object]]:
        """Return every session there was, oldest first, as JSON can tell it.

        `session` is its id, `model` that of its last setup, `connections` are their numbers,
        `open` tells whether one of them is, `handles` is how many were issued, and `history` is
        what the model remembers: `role`, `text` and `kind` of every entry.
        """
        return [
            {
                "session": lineage.id,
                "model": lineage.model.id,
                "connections": list(lineage.connections),
                "open": bool(lineage.open),
                "handles": lineage.issued,
                "history": [entry._asdict() for entry in lineage.history],
            }
            for lineage in self.resumption.lineages.values()
        ]
