"""What the demo shows: one line for each thing that happens, and a meter while one speaks."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from livectl.results import rows, table
from livectl.terminal import has_colours, moves, painted

_BARS = " ▁▂▃▄▅▆▇█"
_PLAIN_BARS = " .:-=+*#@"
_QUIET_DB, _LOUD_DB = -48.0, -8.0
_METER_WIDTH = 24
_HEAD_WIDTH = 19

_COLOURS: Mapping[str, str] = {
    "mic": "36",
    "hears": "33",
    "phase": "90",
    "user": "32",
    "model": "35",
    "reply": "34",
    "stop": "31",
    "tool": "33",
    "typed": "32",
    "missed": "31",
}


class Screen:
    """Lines on a terminal, or in a file: then without colours and without the moving meter.

    With `as_json` each line is an object instead.
    """

    def __init__(self, out: TextIO, *, as_json: bool = False) -> None:
        self._out = out
        self._json = as_json
        self._moves = moves(out) and not as_json
        self._colours = has_colours(out) and not as_json
        self._bars = _BARS if can_show(_BARS, out) else _PLAIN_BARS
        self._begun = time.monotonic()
        self._metered = False
        self._growing: tuple[str, float, list[str]] | None = None

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._finish_line()
        self._print({"part": text}, f"\n{self._painted(text, '1')}")

    def text(self, text: str) -> None:
        """Say something that has no time."""
        self._finish_line()
        self._print({"note": text.strip()}, text)

    def figures(self, name: str, figures: Mapping[str, object]) -> None:
        """Show a table."""
        self._finish_line()
        self._print({name: figures}, table(rows(figures), indent="  "))

    def line(self, kind: str, text: str) -> None:
        """Say that something happened now."""
        self._finish_line()
        self._timed(kind, self._now(), text)

    def grow(self, kind: str, text: str) -> None:
        """Add to a line that grows until another begins."""
        if self._growing is None or self._growing[0] != kind:
            self._finish_line()
            self._growing = (kind, self._now(), [])
            self._write("" if self._json else self._head(kind, self._now()))
        self._growing[2].append(text)
        self._write("" if self._json else text)

    def meter(self, level_db: float) -> None:
        """Show how loud it is now, in place."""
        if not self._moves or self._growing is not None:
            return
        full, empty = self._bars[-1], "·" if self._bars is _BARS else " "
        width = max(min(_METER_WIDTH, columns(self._out) - _HEAD_WIDTH - 1), 0)
        filled = round(share(level_db) * width)
        bar = full * filled + empty * (width - filled)
        self._write(f"\r{self._head('mic', self._now())}{bar}\033[K")
        self._metered = True

    def levels(self, levels_db: Sequence[float]) -> None:
        """Show how loud it was, from the beginning to the end."""
        steps = len(self._bars) - 1
        self.line("mic", "".join(self._bars[round(share(db) * steps)] for db in levels_db))

    def _timed(self, kind: str, at_s: float, text: str) -> None:
        told = {"at_s": round(at_s, 2), "kind": kind, "text": text}
        self._print(told, (self._head(kind, at_s) + text).rstrip())

    def _finish_line(self) -> None:
        if self._metered:
            self._write("\r\033[K")
            self._metered = False
        if self._growing is None:
            return
        kind, at_s, pieces = self._growing
        self._growing = None
        if self._json:
            self._timed(kind, at_s, "".join(pieces))
        else:
            self._write("\n")

    def _print(self, told: Mapping[str, object], text: str) -> None:
        self._write((json.dumps(told, ensure_ascii=False) if self._json else text) + "\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _head(self, kind: str, at_s: float) -> str:
        return f"  {at_s:6.2f} s  {self._painted(f'{kind:<6}', _COLOURS.get(kind, '0'))} "

    def _now(self) -> float:
        return time.monotonic() - self._begun

    def _painted(self, text: str, colour: str) -> str:
        return painted(text, colour, colours=self._colours)


def columns(out: TextIO) -> int:
    """Return the width of a terminal; 80 where it does not say."""
    try:
        return os.get_terminal_size(out.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def share(level_db: float) -> float:
    """Return how much of a meter a level fills, 0 to 1."""
    return min(max((level_db - _QUIET_DB) / (_LOUD_DB - _QUIET_DB), 0.0), 1.0)


def can_show(text: str, out: TextIO) -> bool:
    """Whether an output's encoding has all letters of a text."""
    try:
        text.encode(out.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
