"""What the methods of `state` answer, and what `state.changed` tells (sections 4.1 and 5).

Values are any JSON. A value of null and no value at all are two things here, and always told
apart: by `present`, by `removed`, or by a field that is left out.
"""

from typing import Literal

from msgspec import UNSET, UnsetType

from livehandle_proto.values import Value

MutationOrigin = Literal["set", "set_committed", "remove", "clear_prefix", "commit"]
"""How a mutation came about (M5): a write, a write of the daemon past any delta, the removal of
one key, the removal of all keys with a prefix, or the commit of a delta."""


class StateChange(Value, frozen=True, kw_only=True, omit_defaults=False):
    """One key has changed; also told where the new value equals the old (M6).

    Data of `state.changed`.
    """

    key: str
    value: object
    """What the key holds now; null where it was removed."""
    removed: bool
    sequence: int
    """The mutation's number, to go on from with `state.mutations_since`."""
    origin: MutationOrigin


class Mutation(Value, frozen=True, kw_only=True, omit_defaults=False):
    """One entry of the journal (M5)."""

    sequence: int
    """From 1, without holes."""
    key: str
    old: object | UnsetType = UNSET
    """Left out where there was nothing before."""
    new: object | UnsetType = UNSET
    """Left out where the key was removed."""
    origin: MutationOrigin
    timestamp_ms: int
    """Wall clock, in milliseconds since 1970."""
    delta: bool
    """Whether it was written to a delta, which changes the state only when it is committed: the
    commit has entries of its own. Leave out these to rebuild the state from the journal."""


class StateValue(Value, frozen=True, kw_only=True, omit_defaults=False):
    """What a key holds (`state.get`), or held until now (`state.remove`).

    An absent key is `{"value": null, "present": false}`, an explicit null
    `{"value": null, "present": true}`.
    """

    value: object
    present: bool


class StateKeys(Value, frozen=True, kw_only=True):
    """The keys that begin with the prefix, whole and sorted (`state.keys`)."""

    keys: list[str]


class MutationsSince(Value, frozen=True, kw_only=True):
    """The journal after a cursor, oldest first (`state.mutations_since`), as far as a line goes."""

    mutations: list[Mutation]
    cursor: int
    """The number of the last of them: give it to the next call. 0 before the first."""
    more: bool
    """Set where there are further ones: ask again."""
    gap: bool
    """Set where mutations after the cursor are no longer kept, or the cursor is not of this
    daemon's life: what `mutations` holds is not all of it, so read `state` anew."""
