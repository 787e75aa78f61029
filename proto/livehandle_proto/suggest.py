"""The nearest known name to a misspelt one."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the first of `known` that is one edit away from `word`, else None.

    One edit is a character added, dropped, replaced, or swapped with its neighbour, or a
    difference in case or between `-` and `_` alone.
    """
    for candidate in known:
        # A word may be megabytes long, and a name never is: the lengths are compared first.
        if abs(len(word) - len(candidate)) > 1 or candidate == word:
            continue
        if _one_edit(word, candidate) or _folded(word, candidate):
            return candidate
    return None


def _folded(a: str, b: str) -> bool:
    return a.casefold().replace("-", "_") == b.casefold().replace("-", "_")


def _one_edit(a: str, b: str) -> bool:
    """Whether two words are one edit apart, whose lengths differ by one at most."""
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    x, y = a[start:], b[start:]
    if len(x) == len(y):
        return x[1:] == y[1:] or (x[:2] == y[1::-1] and x[2:] == y[2:])
    return x[1:] == y if len(x) > len(y) else x == y[1:]
