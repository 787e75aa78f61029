"""The newest events of the `log` class, for replay: bounded in number and in bytes."""

from collections import deque
from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Generic, Literal, Protocol, TypeVar, Union, get_args, get_origin

import msgspec

from livehandle_proto.values import Value

_ENVELOPE_BYTES = 200
_PLAIN = frozenset({str, int, float, bool, type(None)})


class Event(Protocol):
    """What is kept."""

    @property
    def seq(self) -> int:
        """Its number."""

    @property
    def data(self) -> Value:
        """What it says."""

    def line(self, head: bytes, /) -> bytes:
        """Return it as it is sent."""


E = TypeVar("E", bound=Event)


class Ring(Generic[E]):
    """Holds at most `most_events` events of `most_bytes` in all, and one of any size."""

    def __init__(self, most_events: int, most_bytes: int) -> None:
        self.forgotten_seq = 0
        """The number of the newest event that it has had to forget."""
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._events: deque[tuple[E, int]] = deque()
        self._bytes = 0

    def __iter__(self) -> Iterator[E]:
        return (event for event, _ in self._events)

    def add(self, event: E) -> None:
        """Keep an event, which is newer than the others."""
        weight = _weight(event)
        self._events.append((event, weight))
        self._bytes += weight
        while len(self._events) > self._most_events or self._is_too_heavy():
            oldest, weight = self._events.popleft()
            self._bytes -= weight
            self.forgotten_seq = oldest.seq

    def clear(self, seq: int) -> None:
        """Forget all events, and so everything up to a number."""
        self._events.clear()
        self._bytes = 0
        self.forgotten_seq = seq

    def _is_too_heavy(self) -> bool:
        return self._bytes > self._most_bytes and len(self._events) > 1


def _weight(event: Event) -> int:
    """Return about how many bytes an event takes.

    One of plain fields is not encoded for that: nobody may ever ask for its line.
    """
    fields = _plain_fields(type(event.data))
    if fields is None:
        return len(event.line(b""))
    texts = (getattr(event.data, name) for name in fields)
    return _ENVELOPE_BYTES + sum(len(text) for text in texts if text is not None)


@cache
def _plain_fields(data: type[Value]) -> tuple[str, ...] | None:
    """Return the fields that hold text, None where one holds more than a plain value."""
    fields = msgspec.structs.fields(data)
    if not all(_is_plain(field.type) for field in fields):
        return None
    return tuple(field.name for field in fields if _may_be_text(field.type))


def _is_plain(annotation: object) -> bool:
    if get_origin(annotation) in {Union, UnionType}:
        return all(_is_plain(inner) for inner in get_args(annotation))
    return annotation in _PLAIN or get_origin(annotation) is Literal


def _may_be_text(annotation: object) -> bool:
    return annotation is str or str in get_args(annotation)
