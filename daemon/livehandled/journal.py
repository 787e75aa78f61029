"""What happened to the state, in order: a bounded ring of mutations (M5)."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from livehandle_proto.states import MutationOrigin

RING_ENTRIES = 1024
"""How many mutations are kept (M5)."""

RING_BYTES = 4 * 2**20
"""How many bytes of encoded values they may hold together: large values leave sooner."""


class Entry(NamedTuple):
    """One mutation. Values are JSON text; None is no value."""

    sequence: int
    key: str
    old: bytes | None
    new: bytes | None
    origin: MutationOrigin
    timestamp_ms: int
    delta: bool

    @property
    def size(self) -> int:
        """The bytes of both values."""
        return len(self.old or b"") + len(self.new or b"")


class Journal:
    """Numbers mutations from 1 and keeps the newest. `now_ms` is wall clock."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.sequence = 0
        """The number of the last mutation: the cursor (M5)."""
        self._now_ms = now_ms
        self._ring: deque[Entry] = deque()
        self._bytes = 0

    def go_on(self, cursor: int) -> None:
        """Go on after the journal of an earlier run, while this one is empty.

        That run may have told of more than it saved, and one number must not stand for two
        mutations. So numbers go on from the microseconds since 1970: no journal gets there by
        counting, and the next run will begin further on. To each earlier cursor there is a gap.
        """
        self.sequence = max(cursor + 1, self._now_ms() * 1000)

    def record(
        self, key: str, old: bytes | None, new: bytes | None, origin: MutationOrigin, *, delta: bool
    ) -> Entry:
        """Give a mutation its number and keep it; the oldest leave for it."""
        self.sequence += 1
        entry = Entry(self.sequence, key, old, new, origin, self._now_ms(), delta)
        self._ring.append(entry)
        self._bytes += entry.size
        while len(self._ring) > RING_ENTRIES or self._bytes > RING_BYTES:
            self._bytes -= self._ring.popleft().size
        return entry

    def clear(self) -> None:
        """Keep none of the mutations so far."""
        self._ring.clear()
        self._bytes = 0

    def since(self, cursor: int) -> Iterator[Entry]:
        """Return what is kept of the mutations after the cursor, oldest first."""
        kept = len(self._ring)
        return islice(self._ring, min(kept, max(0, cursor - self._forgotten)), None)

    def has_gap(self, cursor: int) -> bool:
        """Return whether mutations after the cursor are no longer kept.

        So it is too for a cursor ahead of the journal: it is another journal's.
        """
        return not self._forgotten <= cursor <= self.sequence

    def last_of(self, key: str) -> Entry | None:
        """Return the last mutation of the key that is kept and was not a delta's."""
        return next((e for e in reversed(self._ring) if e.key == key and not e.delta), None)

    @property
    def _forgotten(self) -> int:
        """The number of the last mutation that is no longer kept."""
        return self.sequence - len(self._ring)
