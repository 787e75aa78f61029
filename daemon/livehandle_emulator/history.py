"""What the model of a session remembers, in words."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

Kind = Literal["typed", "speech", "context", "seed", "reply", "result"]
"""`typed` asked for a reply and `context` did not; `seed` is history that the setup announced."""


class Entry(NamedTuple):
    """One thing that was said or told."""

    role: str
    """`user` or `model`; a function's result is the user's."""
    text: str
    kind: Kind


class History:
    """The entries of one session on one connection; it only grows."""

    def __init__(
        self, entries: Iterable[Entry] = (), told: Callable[[Entry], None] = lambda _: None
    ) -> None:
        """Begin with what was restored; `told` is called with every entry that is added."""
        self._entries = list(entries)
        self._told = told

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, role: str, text: str, kind: Kind) -> None:
        """Add an entry, unless it is without words."""
        if text:
            entry = Entry(role, text, kind)
            self._entries.append(entry)
            self._told(entry)


def without_seed(entries: Iterable[Entry]) -> list[Entry]:
    """Return what is left when content that got no reply is forgotten (agents-js 2507).

    Seeded history never gets one; context gets one if the model spoke later.
    """
    kept: list[Entry] = []
    answered = False
    for entry in reversed(list(entries)):
        answered |= entry.kind == "reply"
        if entry.kind != "seed" and (entry.kind != "context" or answered):
            kept.append(entry)
    return kept[::-1]
