"""From an RE2 pattern to the pattern of all beginnings of what it matches.

RE2 tells what matches, but not what could match if more text came. So the pattern is read here
once more, and written as another one that does tell it: `abc` becomes `(?:a(?:b(?:c)?)?)?`. A
beginning may end before an assertion, whose answer depends on what comes next.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_FLAGS = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])")
_NAME = re.compile(r"\(\?P?<[^>]*>")
_REPEAT = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}")
_ESCAPE = re.compile(
    r"\\(?:[pP](?:\{[^}]*\}|.)|x(?:\{[^}]*\}|[0-9A-Fa-f]{2})|[0-7]{1,3}|.)", re.DOTALL
)
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?[a-z]+:\]|\\[pP]\{[^}]*\}|\\.|[^\]\\])*\]", re.DOTALL)
_SPECIAL = frozenset(r"\.+*?()|[]{}^$")
_ASSERTIONS = frozenset({"^", r"\A", "$", r"\z", r"\b", r"\B"})


class Beginnings(NamedTuple):
    """What a pattern, or a part of one, can be when only a part of its text has come."""

    whole: str
    """All of it."""
    begun: str
    """Any beginning of it, nothing and all of it among them."""
    empty: bool
    """Whether it matches nothing at all."""


_NOTHING = Beginnings("", "", empty=True)


def beginnings(pattern: str) -> Beginnings:
    """Return the beginnings of a pattern that RE2 has taken."""
    return _Reader(pattern).read()


class _Reader:
    """Reads one pattern. What RE2 refuses is never given to it."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._flags: frozenset[str] = frozenset()

    def read(self) -> Beginnings:
        return self._alternatives()

    def _alternatives(self) -> Beginnings:
        outside = self._flags
        choices = [self._sequence()]
        while self._take("|"):
            choices.append(self._sequence())
        self._flags = outside  # flags end with their group
        if len(choices) == 1:
            return choices[0]
        return Beginnings(
            _group("|".join(one.whole for one in choices)),
            _group("|".join(one.begun for one in choices)),
            any(one.empty for one in choices),
        )

    def _sequence(self) -> Beginnings:
        parts: list[Beginnings] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            parts += self._part()
        return _in_a_row(parts)

    def _part(self) -> Sequence[Beginnings]:
        if self._pattern.startswith(r"\Q", self._at):
            return self._literal()
        if self._pattern.startswith("(", self._at):
            inner = self._in_brackets()
            return [] if inner is None else [self._repeated(inner)]
        return [self._repeated(self._atom())]

    def _literal(self) -> Sequence[Beginnings]:
        r"""Read what stands between \Q and \E; a repetition is of its last character."""
        text, end, _ = self._pattern[self._at + 2 :].partition(r"\E")
        self._at += 2 + len(text) + len(end)
        parts = [self._one(_quoted(char)) for char in text]
        return [*parts[:-1], self._repeated(parts[-1])] if parts else []

    def _in_brackets(self) -> Beginnings | None:
        """Read a group; None for one that only sets flags, up to the end of the one it is in."""
        outside = self._flags
        if flags := _FLAGS.match(self._pattern, self._at):
            self._at = flags.end()
            self._flags = (self._flags | set(flags[1])) - set(flags[2] or "")
            if flags[3] == ")":
                return None
        elif name := _NAME.match(self._pattern, self._at):
            self._at = name.end()
        else:
            self._at += 1
        inner = self._alternatives()
        self._at += 1
        self._flags = outside
        return inner

    def _atom(self) -> Beginnings:
        char = self._pattern[self._at]
        if char == "[":
            return self._one(self._matched(_CLASS))
        if char == "\\":
            text = self._matched(_ESCAPE)
            return self._assertion(text) if text in _ASSERTIONS else self._one(text)
        self._at += 1
        if char in _ASSERTIONS:
            return self._assertion(char)
        return self._one(char if char == "." else _quoted(char))

    def _one(self, char: str) -> Beginnings:
        char = self._with_flags(char)
        return Beginnings(char, f"{char}?", empty=False)

    def _assertion(self, text: str) -> Beginnings:
        return Beginnings(self._with_flags(text), "", empty=True)

    def _with_flags(self, text: str) -> str:
        """Return the text in its flags; what is greedy is of no matter here."""
        flags = "".join(sorted(self._flags - {"U"}))
        return f"(?{flags}:{text})"

    def _repeated(self, part: Beginnings) -> Beginnings:
        least, most = 1, 1
        if self._take("*"):
            least, most = 0, -1
        elif self._take("+"):
            least, most = 1, -1
        elif self._take("?"):
            least, most = 0, 1
        elif found := _REPEAT.match(self._pattern, self._at):
            self._at = found.end()
            least = int(found[1])
            most = least if not found[2] else int(found[3]) if found[3] else -1
        else:
            return part
        self._take("?")  # lazy: it is the same texts that match
        return _times(part, least, most)

    def _matched(self, kind: "re.Pattern[str]") -> str:
        found = kind.match(self._pattern, self._at)
        assert found is not None  # RE2 has read it
        self._at = found.end()
        return found[0]

    def _take(self, char: str) -> bool:
        taken = self._pattern.startswith(char, self._at)
        self._at += taken
        return taken


def _in_a_row(parts: Sequence[Beginnings]) -> Beginnings:
    if not parts:
        return _NOTHING
    begun = parts[-1].begun
    for part in reversed(parts[:-1]):
        begun = _group(f"{part.begun}|{part.whole}{begun}")
    return Beginnings(
        "".join(part.whole for part in parts), begun, all(part.empty for part in parts)
    )


def _times(part: Beginnings, least: int, most: int) -> Beginnings:
    """Return a part so many times; -1 is any number."""
    if most == 0:
        return _NOTHING
    whole = _group(part.whole)
    before = "*" if most < 0 else f"{{0,{most - 1}}}"
    upper = "" if most < 0 else most
    return Beginnings(
        f"{whole}{{{least},{upper}}}",
        f"{whole}{before}{_group(part.begun)}",
        not least or part.empty,
    )


def _group(text: str) -> str:
    return f"(?:{text})"


def _quoted(char: str) -> str:
    return f"\\{char}" if char in _SPECIAL else char
