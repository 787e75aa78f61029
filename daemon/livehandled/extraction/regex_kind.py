"""Extraction by regular expressions: at once, in linear time and bounded memory.

Patterns come from clients, and the daemon has one thread. RE2 makes a single search linear in
the text and refuses what would need much memory, where a backtracking engine can be filled by
twenty characters of pattern before any deadline of its own is looked at (measured). What it
does not have is look-around and backreferences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import thread_time
from typing import TYPE_CHECKING

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorSpec, bad_spec

if TYPE_CHECKING:
    import re

_MAX_PROGRAM_BYTES = 2**20
_MAX_INSTRUCTIONS = 300
_MAX_GROUPS = 16
_MAX_BYTES = 4_096
"""Of a compiled pattern, and of the text, from its end.

What a search takes in the worst case is the product of the three: 20 ms (measured; 2,000
instructions over 8 KiB took 200 ms). A word has about ten instructions.
"""
_SECONDS = 0.05


class Budget:
    """The time that all patterns have together at one trigger: 50 ms of the thread's own.

    Searches are linear, but a pattern may be searched for as often as there are characters,
    and there may be 64 extractors of 32 patterns.
    """

    def __init__(self) -> None:
        self.left = _SECONDS
        """Seconds."""

    @contextmanager
    def spent_on(self) -> Iterator[float]:
        """Take off what the block takes; give the time of the thread at which it must end."""
        begun = thread_time()
        try:
            yield begun + self.left
        finally:
            self.left -= thread_time() - begun


class Patterns:
    """The patterns of one extractor, compiled."""

    def __init__(self, spec: ExtractorSpec) -> None:
        """Raise `extraction.bad_spec` for what is no pattern, naming its field."""
        self._name = spec.name
        self._patterns = {
            field: _compiled(spec.name, f"patterns.{field}", text)
            for field, text in (spec.patterns or {}).items()
        }

    def find(self, text: str, budget: Budget) -> Mapping[str, str | None] | None:
        """Return each field's last match, None for those without; None if there is no match.

        Raises `extraction.failed` where the budget does not last for it.
        """
        text = text.encode(errors="replace")[-_MAX_BYTES:].decode(errors="ignore")
        with budget.spent_on() as until:
            found = {field: self._last(field, text, until) for field in self._patterns}
        return None if all(value is None for value in found.values()) else found

    def _last(self, field: str, text: str, until: float) -> str | None:
        self._check_time(field, until)
        pattern = self._patterns[field]
        group = pattern.groupindex.get(field, min(pattern.groups, 1))
        value = None
        for match in pattern.finditer(text):
            if match[group] is not None:  # else it is in the alternative not taken
                value = match[group]
            self._check_time(field, until)
        return value

    def _check_time(self, field: str, until: float) -> None:
        if thread_time() > until:
            raise LiveHandleError(
                "extraction.failed",
                f"Simplify patterns.{field} of the extractor {self._name}, or patterns before it: "
                f"together they take more than {_SECONDS * 1000:.0f} ms.",
            )


def _compiled(name: str, field: str, text: str) -> re.Pattern[str]:
    import re2  # only who uses it pays for it

    options = re2.Options()
    options.max_mem = _MAX_PROGRAM_BYTES
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if error.args else "it cannot be read"
        raise bad_spec(name, field, f"RE2 refuses it, {said}{_position(text, said)}") from error
    except UnicodeEncodeError as error:
        raise bad_spec(name, field, f"position {error.start} holds a lone surrogate") from error
    if compiled.programsize > _MAX_INSTRUCTIONS:
        why = f"{compiled.programsize} instructions, more than {_MAX_INSTRUCTIONS}"
        hint = r"shorten it, and in place of \p{L} write [A-Za-z\x{80}-\x{10FFFF}]"
        raise bad_spec(name, field, f"it is too large once compiled ({why}): {hint}")
    if compiled.groups > _MAX_GROUPS:
        raise bad_spec(name, field, f"of more than {_MAX_GROUPS} groups, write some as (?:…)")
    pattern: re.Pattern[str] = compiled  # of the same interface
    return pattern


def _position(text: str, said: str) -> str:
    """Return where the piece stands that RE2 complains of; it gives the piece alone."""
    piece = said.partition(": ")[2]
    return f" at position {text.index(piece)}" if piece and text.count(piece) == 1 else ""
