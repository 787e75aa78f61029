"""Extraction by regular expressions: at once, in linear time and bounded memory.

Patterns come from clients, and the daemon has one thread. RE2 makes a single search linear in
the text and refuses what would need much memory, where a backtracking engine can be filled by
twenty characters of pattern before any deadline of its own is looked at (measured). What it
does not have is look-around and backreferences.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorSpec, bad_spec

if TYPE_CHECKING:
    import re

_MAX_PROGRAM_BYTES = 2**20
_MAX_INSTRUCTIONS = 2_000
"""Of a compiled pattern: a word has a few, a class of all letters 1,200."""
_MAX_CHARS = 8_192
"""Of the text, from its end: the worst pattern takes 0.2 s for one search of it."""
_MAX_SECONDS = 0.05
"""For all searches of an extractor: each is linear, and there may be as many as characters."""


class Patterns:
    """The patterns of one extractor, compiled."""

    def __init__(self, spec: ExtractorSpec) -> None:
        """Raise `extraction.bad_spec` for what is no pattern, naming its field."""
        self._name = spec.name
        self._patterns = {
            field: _compiled(spec.name, f"patterns.{field}", text)
            for field, text in (spec.patterns or {}).items()
        }

    def find(self, text: str) -> Mapping[str, str | None] | None:
        """Return each field's last match, None for those without; None if there is no match.

        Raises `extraction.failed` where the searches take too long.
        """
        text = text[-_MAX_CHARS:]
        until = perf_counter() + _MAX_SECONDS
        found = {field: self._last(field, text, until) for field in self._patterns}
        return None if all(value is None for value in found.values()) else found

    def _last(self, field: str, text: str, until: float) -> str | None:
        pattern = self._patterns[field]
        group = pattern.groupindex.get(field, min(pattern.groups, 1))
        value = None
        for match in pattern.finditer(text):
            if match[group] is not None:  # else it is in the alternative not taken
                value = match[group]
            if perf_counter() > until:
                break
        if perf_counter() > until:
            raise LiveHandleError(
                "extraction.failed",
                f"Simplify patterns.{field} of the extractor {self._name}: it takes too long.",
            )
        return value


def _compiled(name: str, field: str, text: str) -> re.Pattern[str]:
    import re2  # type: ignore[import-untyped]  # has no types; only who uses it pays for it

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
        raise bad_spec(name, field, "it is too large once compiled")
    pattern: re.Pattern[str] = compiled  # of the same interface
    return pattern


def _position(text: str, said: str) -> str:
    """Return where the piece stands that RE2 complains of; it gives the piece alone."""
    piece = said.partition(": ")[2]
    return f" at position {text.index(piece)}" if piece and text.count(piece) == 1 else ""
