"""What the demo shows: one line for each thing that happens, and a meter while one speaks."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

_BARS = " ▁▂▃▄▅▆▇█"
_QUIET_DB, _LOUD_DB = -60.0, -12.0
_METER_WIDTH = 24

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
}


class Screen:
    """Lines on a terminal, or in a file: then without colours and without the moving meter."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._moves = out.isatty()
        self._colours = self._moves and "NO_COLOR" not in os.environ
        self._begun = time.monotonic()
        self._metered = False
        self._growing: tuple[str, str] | None = None

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._print(f"\n{self._painted(text, '1')}")

    def line(self, kind: str, text: str) -> None:
        """Say that something happened now."""
        self._print(self._line(kind, text))

    def grow(self, kind: str, text: str) -> None:
        """Add to a line that grows until the next one begins."""
        if self._growing is None or self._growing[0] != kind:
            self._finish_line()
            self._growing = (kind, self._line(kind, ""))
        self._growing = (kind, self._growing[1] + text)
        if self._moves:
            self._out.write(f"\r{self._growing[1]}\033[K")
            self._out.flush()

    def text(self, text: str) -> None:
        """Say something that has no time."""
        self._print(text)

    def meter(self, level_db: float) -> None:
        """Show how loud it is now, in place."""
        if not self._moves or self._growing is not None:
            return
        filled = round(_share(level_db) * _METER_WIDTH)
        bar = "█" * filled + "·" * (_METER_WIDTH - filled)
        self._out.write(f"\r            {self._painted('mic', _COLOURS['mic'])}    {bar}\033[K")
        self._out.flush()
        self._metered = True

    def levels(self, levels_db: Sequence[float]) -> None:
        """Show how loud it was, from the beginning to the end."""
        shape = "".join(_BARS[round(_share(db) * (len(_BARS) - 1))] for db in levels_db)
        self.line("mic", shape.rstrip())

    def _print(self, text: str) -> None:
        self._finish_line()
        self._out.write(text + "\n")
        self._out.flush()

    def _finish_line(self) -> None:
        if self._metered:
            self._out.write("\r\033[K")
            self._metered = False
        if self._growing is not None:
            _, line = self._growing
            self._out.write(f"\r{line}\033[K\n" if self._moves else f"{line}\n")
            self._growing = None

    def _line(self, kind: str, text: str) -> str:
        seconds = f"{time.monotonic() - self._begun:6.2f} s"
        return f"  {seconds}  {self._painted(f'{kind:<6}', _COLOURS.get(kind, '0'))} {text}"

    def _painted(self, text: str, colour: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colours else text


def _share(level_db: float) -> float:
    return min(max((level_db - _QUIET_DB) / (_LOUD_DB - _QUIET_DB), 0.0), 1.0)
