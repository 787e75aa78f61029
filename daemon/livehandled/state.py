"""The state that all clients share: JSON values by key, with a journal (section M).

It is for one event loop, not for threads: each method runs to its end before anybody else's,
and that is what makes it atomic.

Values are kept as JSON text, so that whoever changes what was given or got changes a copy of
it. Copying by msgspec takes a seventh of the time of `copy.deepcopy` (measured, 60 bytes to
60 kB), and a scalar 0.1 us each way.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec
from msgspec import UNSET, Raw

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.states import Mutation, MutationOrigin, StateChange
from livehandle_proto.values import Value
from livehandled.entries import DERIVED, Entries, check_key, encoded
from livehandled.journal import Entry, Journal

MAX_KEYS = 10_000
MAX_BYTES = 4 * 2**20
"""Of all keys in UTF-8 and all values as JSON text."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Evidence(Value, frozen=True, kw_only=True, omit_defaults=False):
    """What is known of a key (M9). Source and confidence come from `state_meta:{key}`."""

    key: str
    present: bool
    value: object
    source: str | None
    confidence: float | None
    last_sequence: int | None
    """The key's last mutation, while the journal still has it."""
    last_origin: MutationOrigin | None


class SavedState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the state outlives the daemon: the cursor, and the values as JSON text, by key."""

    cursor: int
    values: dict[str, Raw]


class State(Entries):
    """The state. Beside what every caller may do, it has what the daemon does.

    `now_ms` is wall clock, for the journal. `on_change` is called once for each mutation, after
    it is applied; a delta's writes are mutations of the state when they are committed.
    """

    def __init__(
        self,
        *,
        now_ms: Callable[[], int],
        on_change: Callable[[StateChange], None] | None = None,
    ) -> None:
        super().__init__()
        self.journal = Journal(now_ms)
        self._on_change = on_change
        self._values: dict[str, bytes] = {}
        self._bytes = 0
        self._live: dict[str, Callable[[], object]] = {}

    @property
    def cursor(self) -> int:
        """The number of the last mutation; 0 before the first (M5)."""
        return self.journal.sequence

    def mutations_since(self, cursor: int) -> list[Mutation]:
        """Return what is kept of the mutations after the cursor, oldest first (M5)."""
        return list(self.mutations_after(cursor))

    def mutations_after(self, cursor: int) -> Iterator[Mutation]:
        """Yield what `mutations_since` returns, each read from its text when it is asked for."""
        return map(_mutation, self.journal.since(cursor))

    def try_mutations_since(self, cursor: int) -> list[Mutation] | None:
        """Return the mutations after the cursor, or None if some are no longer kept (M5)."""
        return None if self.journal.has_gap(cursor) else self.mutations_since(cursor)

    def evidence(self, key: str) -> Evidence:
        """Return what is known of the key (M9)."""
        found = self._look_up(key)
        meta = self._read(self.text(f"state_meta:{key}"), _Meta, _Meta())
        last = self.journal.last_of(key)
        return Evidence(
            key=key,
            present=found is not None,
            value=None if found is None else _decode(found),
            source=meta.source if isinstance(meta.source, str) else None,
            confidence=_number(meta.confidence),
            last_sequence=None if last is None else last.sequence,
            last_origin=None if last is None else last.origin,
        )

    def delta(self) -> "Delta":
        """Return a view whose writes reach the state when it is committed (M4)."""
        return Delta(self)

    def set_committed(self, key: str, value: object) -> None:
        """Write the key as `set` does, with an origin that says that no delta was used."""
        self._check_writable(key)
        self._write(key, encoded(key, value), "set_committed")

    def set_derived(self, name: str, value: object) -> None:
        """Write `derived:{name}`, for the daemon. Raises as `set` does."""
        key = DERIVED + name
        check_key(key)
        self._write(key, encoded(key, value), "set_committed")

    def keep(self, key: str, value: object) -> None:
        """Write the key for the daemon, which is never refused for room.

        So clients that have filled the state do not stop the session's signals. It is for a
        fixed number of keys, whose values are scalars and short texts.
        """
        self._apply(key, encoded(key, value), "set")

    def provide(self, key: str, function: Callable[[], object]) -> None:
        """Make the key live: computed when it is read, never written, never journaled.

        The key has no value while the function returns None.
        """
        self._live[key] = function

    def forget(self, *, but: tuple[str, ...]) -> None:
        """Remove all keys, derived ones too, but those with these prefixes."""
        for key in sorted(self._values):
            if not key.startswith(but):
                self._apply(key, None, "clear_prefix")

    def erase(self) -> None:
        """Remove all keys, and all that the journal tells of them."""
        self.forget(but=())
        self.journal.clear()

    def commit(self, changes: Mapping[str, bytes | None]) -> None:
        """Apply a delta's changes, all or, with `state.full`, none (M4)."""
        self._check_room(changes)
        for key, new in changes.items():
            if new is not None or key in self._values:
                self._apply(key, new, "commit")

    def export(self, *, without: Collection[str] = ()) -> SavedState:
        """Return what is to be saved: all keys but the live ones and these."""
        values = {
            key: Raw(text)
            for key, text in self._values.items()
            if key not in without and key not in self._live
        }
        return SavedState(cursor=self.cursor, values=values)

    def restore(self, saved: SavedState) -> None:
        """Take over what an earlier run saved, before anybody listens: there is no mutation of it.

        The cursor goes on from further ahead, and mutations from before are not kept: whoever
        asks for them is told of a gap.
        """
        self._values = {key: bytes(raw) for key, raw in saved.values.items()}
        self._bytes = sum(_size(key, text) for key, text in self._values.items())
        self.journal.go_on(saved.cursor)

    def text(self, key: str) -> bytes | None:
        """Return the JSON text under exactly this key."""
        function = self._live.get(key)
        if function is None:
            return self._values.get(key)
        value = function()
        return None if value is None else _encode(value)

    def names(self) -> Iterable[str]:
        """Return the keys that have a value."""
        return [*self._values, *(key for key in self._live if self.text(key) is not None)]

    def is_writable(self, key: str) -> bool:
        """Return whether callers may write the key."""
        return key not in self._live and not key.startswith(DERIVED)

    def _write(self, key: str, new: bytes | None, origin: MutationOrigin) -> None:
        self._check_room({key: new})
        self._apply(key, new, origin)

    def _check_room(self, changes: Mapping[str, bytes | None]) -> None:
        """Raise `state.full` where the changes add more than there is room for."""
        keys = size = 0
        for key, new in changes.items():
            old = self._values.get(key)
            keys += (new is not None) - (old is not None)
            size += _size(key, new) - _size(key, old)
        # What takes nothing is let through, even where the daemon has gone over the bounds.
        too_many = keys > 0 and len(self._values) + keys > MAX_KEYS
        if too_many or (size > 0 and self._bytes + size > MAX_BYTES):
            raise LiveHandleError(
                "state.full",
                f"The state holds at most {MAX_KEYS} keys and {MAX_BYTES} bytes: remove some.",
            )

    def _apply(self, key: str, new: bytes | None, origin: MutationOrigin) -> None:
        old = self._values.get(key)
        if new is None:
            self._values.pop(key, None)
        else:
            self._values[key] = new
        self._bytes += _size(key, new) - _size(key, old)
        entry = self.journal.record(key, old, new, origin, delta=False)
        if self._on_change is not None:
            self._on_change(_change(entry))


class Delta(Entries):
    """Writes and removals that the state does not see until they are committed (M4)."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._changes: dict[str, bytes | None] = {}

    def commit(self) -> None:
        """Apply the changes to the state and forget them here.

        Where the state has no room for all of them none is applied: `state.full`.
        """
        self._state.commit(self._changes)
        self._changes.clear()

    def rollback(self) -> None:
        """Forget the changes."""
        self._changes.clear()

    def set_committed(self, key: str, value: object) -> None:
        """Write the key in the state itself, past the delta."""
        self._state.set_committed(key, value)

    def text(self, key: str) -> bytes | None:
        """Return the JSON text under exactly this key, of the delta or else of the state."""
        return self._changes[key] if key in self._changes else self._state.text(key)

    def names(self) -> Iterable[str]:
        """Return the keys that have a value here."""
        written = [key for key, new in self._changes.items() if new is not None]
        return [*written, *(key for key in self._state.names() if key not in self._changes)]

    def is_writable(self, key: str) -> bool:
        """Return whether callers may write the key."""
        return self._state.is_writable(key)

    def _write(self, key: str, new: bytes | None, origin: MutationOrigin) -> None:
        old = self.text(key)
        self._changes[key] = new
        self._state.journal.record(key, old, new, origin, delta=True)


class _Meta(msgspec.Struct):
    source: object = None
    confidence: object = None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _size(key: str, text: bytes | None) -> int:
    return 0 if text is None else len(key.encode()) + len(text)


def _value(text: bytes | None) -> object:
    return UNSET if text is None else _decode(text)


def _change(entry: Entry) -> StateChange:
    return StateChange(
        key=entry.key,
        value=None if entry.new is None else _decode(entry.new),
        removed=entry.new is None,
        sequence=entry.sequence,
        origin=entry.origin,
    )


def _mutation(entry: Entry) -> Mutation:
    return Mutation(
        sequence=entry.sequence,
        key=entry.key,
        old=_value(entry.old),
        new=_value(entry.new),
        origin=entry.origin,
        timestamp_ms=entry.timestamp_ms,
        delta=entry.delta,
    )
