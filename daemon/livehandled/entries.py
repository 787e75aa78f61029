"""How the state is read and written: by key, by type, by scope (M1-M3, M6, M10)."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from math import isfinite
from typing import TypeVar, cast

import msgspec

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.states import MutationOrigin

MAX_KEY_CHARS = 256
MAX_VALUE_BYTES = 2**20
"""JSON text of one value."""
MAX_DEPTH = 100
"""Arrays and objects inside one another: what is stored here can be read again anywhere."""

DERIVED = "derived:"

T = TypeVar("T")
D = TypeVar("D")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
# Control characters, and surrogates, which no JSON text in UTF-8 can hold.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Entries(ABC):
    """What the state and a delta of it have in common.

    A key is text of 1 to 256 characters, none of them a control character, as a rule
    `scope:name`. Any other is refused with `state.bad_key`. Keys of `derived:` and live keys
    are read here, but the daemon alone writes them: `state.bad_key`. What is no JSON, or nested
    deeper than 100 levels, is refused with `state.bad_value`; what there is no room for, with
    `state.full`. A write that is refused changes nothing.
    """

    def __init__(self) -> None:
        self.app = Scope(self, "app:")
        self.user = Scope(self, "user:")
        self.temp = Scope(self, "temp:")
        self.session = Scope(self, "session:")
        self.turn = Scope(self, "turn:")
        self.bg = Scope(self, "bg:")
        self.derived = ReadOnlyScope(self, DERIVED)

    def get(self, key: str, default: object = None) -> object:
        """Return the key's value, else that of `derived:{key}` where the key has no scope (M1)."""
        found = self._look_up(key)
        return default if found is None else _decode(found)

    def get_as(self, key: str, kind: type[T], default: D) -> T | D:
        """Return the value where it is of that type, else the default (M2).

        `kind` is a type as msgspec reads it from JSON: an integer is also a float, else nothing
        is converted.
        """
        return self._read(self._look_up(key), kind, default)

    def try_get(self, key: str, kind: type[T]) -> T | None:
        """Return the value, or None where there is none.

        Raises `state.bad_value` where it is of another type (M2).
        """
        found = self._look_up(key)
        if found is None:
            return None
        try:
            return msgspec.json.decode(found, type=kind)
        except msgspec.ValidationError as error:
            raise LiveHandleError(
                "state.bad_value", f"state value at key '{key}' is not the requested type"
            ) from error

    def contains(self, key: str) -> bool:
        """Return whether `get` finds a value there, be it null."""
        return self._look_up(key) is not None

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with the prefix, sorted."""
        return sorted(key for key in self.names() if key.startswith(prefix))

    def as_dict(self) -> dict[str, object]:
        """Return every key with its value, sorted by key."""
        return {key: _decode(found) for key in self.keys() if (found := self.text(key))}

    def set(self, key: str, value: object) -> None:
        """Write the key. An equal value is a mutation too (M6)."""
        self._check_writable(key)
        self._write(key, encoded(key, value), "set")

    def remove(self, key: str, default: object = None) -> object:
        """Remove the key and return what it held; the default, and no mutation, if none (M6)."""
        self._check_writable(key)
        found = self.text(key)
        if found is None:
            return default
        self._write(key, None, "remove")
        return _decode(found)

    def modify(self, key: str, default: T, change: Callable[[T], T]) -> T:
        """Write what `change` makes of the key's value, and return it (M3).

        It is given the default where there is no value or one of another type than the
        default's; with a default of None, a value of any type. It must not write the state.
        """
        self._check_writable(key)
        kind = cast("type[T]", object) if default is None else type(default)
        changed = change(self._read(self.text(key), kind, default))
        self._write(key, encoded(key, changed), "set")
        return changed

    def clear_prefix(self, prefix: str) -> None:
        """Remove the keys that begin with the prefix, an empty one meaning all.

        Keys of `derived:` and live keys stay. Raises `state.bad_key` for a prefix in `derived:`.
        """
        if prefix.startswith(DERIVED):
            raise _read_only(prefix, "prefix")
        for key in self.keys(prefix):
            if self.is_writable(key):
                self._write(key, None, "clear_prefix")

    def _read(self, found: bytes | None, kind: type[T], default: D) -> T | D:
        if found is not None:
            with suppress(msgspec.ValidationError):
                return msgspec.json.decode(found, type=kind)
        return default

    def _look_up(self, key: str) -> bytes | None:
        check_key(key)
        found = self.text(key)
        if found is None and ":" not in key:
            return self.text(DERIVED + key)
        return found

    def _check_writable(self, key: str) -> None:
        check_key(key)
        if not self.is_writable(key):
            raise _read_only(key)

    @abstractmethod
    def text(self, key: str) -> bytes | None:
        """Return the JSON text under exactly this key."""

    @abstractmethod
    def names(self) -> Iterable[str]:
        """Return the keys that have a value."""

    @abstractmethod
    def is_writable(self, key: str) -> bool:
        """Return whether callers may write the key."""

    @abstractmethod
    def _write(self, key: str, new: bytes | None, origin: MutationOrigin) -> None:
        """Put the JSON text in, or take the key out, and note it in the journal."""


class ReadOnlyScope:
    """The keys of one scope, without its prefix, to be read (M10)."""

    def __init__(self, entries: Entries, prefix: str) -> None:
        self._entries = entries
        self._prefix = prefix

    def get(self, key: str, default: object = None) -> object:
        """Return the value, else the default."""
        return self._entries.get(self._prefix + key, default)

    def get_as(self, key: str, kind: type[T], default: D) -> T | D:
        """Return the value where it is of that type, else the default (M2)."""
        return self._entries.get_as(self._prefix + key, kind, default)

    def try_get(self, key: str, kind: type[T]) -> T | None:
        """Return the value or None. Raises `state.bad_value` for one of another type (M2)."""
        return self._entries.try_get(self._prefix + key, kind)

    def contains(self, key: str) -> bool:
        """Return whether the key has a value."""
        return self._entries.contains(self._prefix + key)

    def keys(self) -> list[str]:
        """Return the scope's keys, without its prefix."""
        return [key.removeprefix(self._prefix) for key in self._entries.keys(self._prefix)]


class Scope(ReadOnlyScope):
    """The keys of one scope, without its prefix, to be read and written (M10)."""

    def set(self, key: str, value: object) -> None:
        """Write the key."""
        self._entries.set(self._prefix + key, value)

    def remove(self, key: str, default: object = None) -> object:
        """Remove the key and return what it held, else the default."""
        return self._entries.remove(self._prefix + key, default)

    def modify(self, key: str, default: T, change: Callable[[T], T]) -> T:
        """Write what `change` makes of the value, and return it (M3)."""
        return self._entries.modify(self._prefix + key, default, change)


def check_key(key: str, param: str = "key") -> None:
    """Raise `state.bad_key` for what is no key. `param` is what the caller calls it."""
    if not 0 < len(key) <= MAX_KEY_CHARS or _UNFIT.search(key):
        raise LiveHandleError(
            "state.bad_key",
            f"Give a key of 1 to {MAX_KEY_CHARS} characters without control characters.",
            param=param,
            expected="text such as app:theme",
        )


def encoded(key: str, value: object) -> bytes:
    """Return the value as JSON text. Raises `state.bad_value` or `state.full`."""
    try:
        text = _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _bad_value(key, "it is not JSON") from error
    if len(text) > MAX_VALUE_BYTES:
        raise LiveHandleError(
            "state.full",
            f"The value at {key!r} has {len(text)} bytes of JSON: keep it to {MAX_VALUE_BYTES}.",
            param="value",
        )
    # A string is neither. Else only text with as many brackets can be too deep, and only with a
    # null hide a NaN.
    if not text.startswith(b'"') and (
        text.count(b"[") + text.count(b"{") > MAX_DEPTH or b"null" in text
    ):
        _check_shape(key, value)
    return text


def _check_shape(key: str, value: object) -> None:
    """Look for what JSON text does not show: how deep it is, and numbers that became null."""
    level = [value]
    depth = 0
    while level:
        if any(isinstance(item, float) and not isfinite(item) for item in level):
            raise _bad_value(key, "it holds a float that JSON cannot express")
        containers = [item for item in level if isinstance(item, dict | list | tuple)]
        depth += bool(containers)
        if depth > MAX_DEPTH:
            raise _bad_value(key, f"it is nested deeper than {MAX_DEPTH} levels")
        level = [inner for item in containers for inner in _inside(item)]


def _inside(item: dict[str, object] | Sequence[object]) -> Iterable[object]:
    return item.values() if isinstance(item, dict) else item


def _bad_value(key: str, why: str) -> LiveHandleError:
    return LiveHandleError(
        "state.bad_value",
        f"The value at {key!r} cannot be kept, for {why}: give plain JSON.",
        param="value",
        expected="JSON",
    )


def _read_only(key: str, param: str = "key") -> LiveHandleError:
    return LiveHandleError(
        "state.bad_key",
        f"{key[:80]!r} is read-only, for the daemon computes it: write another key.",
        param=param,
    )
