"""What of the conversation nobody but the model is to see: patterns of texts, keys of the state.

Where it is configured it covers every text that leaves the daemon towards clients, log and disk
(decision Z15). What goes to the model is not touched. Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from livehandled.beginnings import beginnings

if TYPE_CHECKING:
    import re

REDACTED = "[redacted]"
"""Stands where something was that nobody is to see."""

MAX_HELD = 8_192
"""Characters that a stream holds back at most."""

Span = tuple[int, int]


class PatternError(ValueError):
    """A pattern cannot be used. The text says why, without the pattern."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name
        """Of the pattern."""


class _Pattern(NamedTuple):
    whole: re.Pattern[str]
    begun: re.Pattern[str]
    """Matches where what comes last could be the beginning of a match, or one that goes on."""


class Redaction:
    """Masks what patterns match, and the values of keys of the state.

    Each pattern is looked for by itself in the text as it came, leftmost matches that do not
    overlap; whatever any of them matches is masked, and what overlaps is masked as one. Raises
    `PatternError` for what RE2 does not take as a pattern, or takes and finds in every text.
    """

    def __init__(self, patterns: Mapping[str, str] | None = None, keys: Iterable[str] = ()) -> None:
        self._patterns = [_compiled(name, text) for name, text in (patterns or {}).items()]
        self._keys = frozenset(keys)

    @property
    def reads_texts(self) -> bool:
        """Whether there are patterns: without any, every text stays as it is."""
        return bool(self._patterns)

    @property
    def hides_keys(self) -> bool:
        """Whether there are keys whose values are masked."""
        return bool(self._keys)

    def text(self, text: str, *, cut: bool = False, after: str = "") -> str:
        """Return the text with what the patterns match masked.

        `cut`: the text went on, and the rest is not known. What it ends with is masked too where
        that could be the beginning of a match. `after`: what the text goes on with, and which was
        told as one that was cut. What a match that begins there has of the text is left out.
        """
        if not self._patterns:
            return text
        if cut:
            stream = self.stream(after)
            return stream.feed(text) + stream.cut()
        before = _sound(after)
        text = before + _sound(text)
        found = [m.span() for p in self._patterns for m in p.whole.finditer(text)]
        return _masked(text, sorted(found), len(before), len(text))[0]

    def so_far(self, text: str, *, after: str = "") -> str:
        """Return what can be shown of a text that goes on: what a stream would have released."""
        return self.stream(after).feed(text) if self._patterns else text

    def value(self, value: object) -> object:
        """Return a JSON value with each text in it, and each number as text, masked.

        The names of fields stay.
        """
        if not self._patterns:
            return value
        match value:
            case str():
                return self.text(value)
            case bool():
                return value
            case int() | float():
                shown = str(value)
                return value if self.text(shown) == shown else REDACTED
            case dict():
                return self.fields(value)
            case list() | tuple():
                return [self.value(inner) for inner in value]
        return value

    def fields(self, value: dict[str, object]) -> dict[str, object]:
        """Return a JSON object as `value` does."""
        return {name: self.value(inner) for name, inner in value.items()}

    def hides(self, key: str) -> bool:
        """Return whether a key of the state is one of the keys, behind any prefix or none (M7).

        A key without a scope is also read as the one in `derived:`.
        """
        return any(f":derived:{key}".endswith(f":{hidden}") for hidden in self._keys)

    def state(self, key: str, value: object) -> object:
        """Return what is shown of the value of a key of the state.

        In an object, at any depth, fields that are named as one of the keys are masked too.
        """
        if self.hides(key):
            return REDACTED
        match value:
            case dict() if self._keys:
                return {name: self.state(name, inner) for name, inner in value.items()}
            case list() if self._keys:
                return [self.state("", inner) for inner in value]
        return value

    def states(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return what is shown of the state."""
        return {key: self.state(key, value) for key, value in values.items()}

    def stream(self, after: str = "") -> Stream:
        """Return what masks a text that comes in pieces, `after` one as `text` takes it."""
        return Stream(self._patterns, after)


NOTHING_REDACTED = Redaction()
"""Where nothing is configured."""


class Stream:
    """Masks a text that comes in pieces: all that is released is what `Redaction.text` makes of it.

    The rule: at each piece, everything is released that comes before the first character at which
    a match could begin that the text so far does not decide. A match is decided when no further
    text could make it longer, or begin it earlier. So what is held back is nothing where the text
    ends with what no pattern begins with, and never a character more than a match needs.

    Should more than 8,192 characters have to be held back they are masked, and so is all that
    comes after them until `finish`: there alone more is masked than of the whole text.
    """

    def __init__(self, patterns: Collection[_Pattern], after: str = "") -> None:
        self._patterns = patterns
        self._begin(_sound(after))

    def _begin(self, after: str = "") -> None:
        self._text = after
        """What is held back, behind one character that was released, for assertions to see."""
        self._told = len(after)
        """Where in it what is held back begins."""
        self._masked = 0
        """Up to where all is masked, be it not told yet."""
        self._next = [0] * len(self._patterns)
        """Where each pattern is to be looked for next."""
        self._found: list[Span] = []
        self._gave_up = False

    @property
    def holds(self) -> bool:
        """Whether something is held back that is not masked in any case."""
        return len(self._text) > max(self._told, self._masked)

    def feed(self, piece: str) -> str:
        """Take the next piece of the text; return what can be released."""
        if self._gave_up:
            return ""
        self._text += _sound(piece)
        released = self._release(self._look())
        if len(self._text) - self._told > MAX_HELD:
            released += REDACTED if self.holds else ""
            self._begin()
            self._gave_up = True
        return released

    def finish(self) -> str:
        """Note the end of the text: return what was held back, and begin another text."""
        for number, pattern in enumerate(self._patterns):
            matches = pattern.whole.finditer(self._text, self._next[number])
            self._found += (match.span() for match in matches)
        released = self._release(len(self._text))
        self._begin()
        return released

    def cut(self) -> str:
        """Note that the text went on and the rest will not come, and begin another text.

        Return what stands for what was held back, for nothing tells that it was no match.
        """
        released = REDACTED if self.holds else ""
        self._begin()
        return released

    def _look(self) -> int:
        """Find the matches that are decided; return the first character that is not."""
        undecided = len(self._text)
        for number, pattern in enumerate(self._patterns):
            at = self._next[number]
            open_at = self._open_at(pattern, at)
            for match in pattern.whole.finditer(self._text, at):
                if match.start() >= open_at:
                    break
                self._found.append(match.span())
                if match.end() > open_at:  # what was open there is a part of this match
                    open_at = self._open_at(pattern, match.end())
            self._next[number] = open_at
            undecided = min(undecided, open_at)
        return undecided

    def _open_at(self, pattern: _Pattern, at: int) -> int:
        """Return where, from `at` on, the first match begins that the text does not decide."""
        begun = pattern.begun.search(self._text, at)
        # Nothing at all is a beginning too.
        return len(self._text) if begun is None else begun.start()

    def _release(self, until: int) -> str:
        self._found.sort()
        decided = [span for span in self._found if span[0] < until]
        self._found = self._found[len(decided) :]
        at = max(self._told, self._masked)
        released, self._masked = _masked(self._text, decided, at, until)
        self._forget(until)
        return released

    def _forget(self, until: int) -> None:
        """Drop what was released, but for the last character."""
        gone = max(until - 1, 0)
        self._text = self._text[gone:]
        self._told = until - gone
        self._masked -= gone
        self._next = [at - gone for at in self._next]
        self._found = [(start - gone, end - gone) for start, end in self._found]


def _masked(text: str, spans: Iterable[Span], at: int, until: int) -> tuple[str, int]:
    """Return the text from `at` to `until` with the spans masked, and up to where it is dealt with.

    The spans are sorted, and begin before `until`.
    """
    pieces = []
    for start, end in spans:
        if start >= at:  # else it overlaps with the one before
            pieces += [text[at:start], REDACTED]
        at = max(at, end)
    pieces.append(text[at:until])
    return "".join(pieces), max(at, until)


def _sound(text: str) -> str:
    """Return the text as RE2 takes it: half a surrogate pair has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _compiled(name: str, text: str) -> _Pattern:
    import re2  # only who uses it pays for it

    options = re2.Options()
    options.log_errors = False
    try:
        whole = re2.compile(text, options)
        parts = beginnings(text)
        if parts.empty:
            raise PatternError(name, "it matches where there is nothing, and so everywhere")
        begun = re2.compile(rf"(?:{parts.begun})\z", options)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if error.args else "it cannot be read"
        raise PatternError(name, f"RE2 refuses it, {said.partition(': ')[0]}") from error
    except (UnicodeEncodeError, RecursionError) as error:
        raise PatternError(name, "it cannot be read") from error
    return _Pattern(whole, begun)
