"""Events on a terminal or in a file, a line each; the words of a speaker grow in theirs."""

import time
from typing import TextIO

from livectl.screen import columns
from livectl.terminal import columns_of, has_colours, moves, painted, safe
from livectl.watch.wording import COLOURS, GROWING, worded
from livehandle.connection import Event

_HEAD_WIDTH = len("12:00:00.000  session  ")
_LEAST_WIDTH = 20
# What says nothing of the conversation's order, and so leaves a line that grows growing.
_ASIDE = ("session.", "state.", "live.extraction", "live.state_promotion", "live.telemetry")


class Feed:
    """Prints events as they come.

    On a terminal a line that grows is drawn word by word, and what happens meanwhile goes above
    it; elsewhere it is written when it is complete. Of the shared state, the keys of `session:`
    are left out unless there is to be `every` one: they say once more what other events say.
    """

    def __init__(self, out: TextIO, *, every: bool) -> None:
        self._out = out
        self._every = every
        self._moves = moves(out)
        self._colours = has_colours(out)
        self._kind = ""
        """Of the line that grows; empty while none does."""
        self._head = ""
        self._row = ""
        self._told: set[str] = set()
        """Which kinds of words there were in this turn."""

    def show(self, event: Event) -> None:
        """Print an event, or add to the line that grows."""
        kind = GROWING.get(event.topic)
        if kind is not None:
            self._grow(kind, str(event.data.get("text", "")), event)
        elif event.topic == "state.changed" and not self._every and _is_derived(event):
            return
        else:
            if not event.topic.startswith(_ASIDE):
                self.finish()
            if event.topic == "live.text_complete" and "model" in self._told:
                return  # it has grown already
            if event.topic == "live.turn_complete":
                self._typed(event)
                self._told.clear()
            self._line(*worded(event), event)

    def finish(self) -> None:
        """End the line that grows, if one does."""
        if self._kind:
            self._write("\n" if self._moves else f"{self._head}{self._row.rstrip()}\n")
        self._kind = self._row = ""

    def _typed(self, event: Event) -> None:
        """Show what the user said, where it came by no transcript: it was typed."""
        words = event.data.get("user")
        if words and "you" not in self._told:
            self._line("you", f"(typed) {words}", event)

    def _line(self, kind: str, text: str, event: Event) -> None:
        line = f"{self._head_of(kind, event)}{_one_line(text)}".rstrip()
        if self._kind and self._moves:
            self._write(f"\r\033[K{line}\n{self._head}{self._row}")
        else:
            self._write(f"{line}\n")

    def _grow(self, kind: str, piece: str, event: Event) -> None:
        self._told.add(kind)
        if kind != self._kind:
            self.finish()
            self._kind, self._head = kind, self._head_of(kind, event)
            piece = piece.lstrip()
        self._row += _one_line(piece)
        if self._moves:
            self._draw()

    def _draw(self) -> None:
        """Draw the row that grows; what has no room in it begins another."""
        width = max(columns(self._out) - _HEAD_WIDTH - 1, _LEAST_WIDTH)
        while columns_of(self._row.rstrip()) > width:
            at = _break(self._row, width)
            self._write(f"\r\033[K{self._head}{self._row[:at].rstrip()}\n")
            self._head, self._row = " " * _HEAD_WIDTH, self._row[at:].lstrip()
        self._write(f"\r\033[K{self._head}{self._row}")

    def _head_of(self, kind: str, event: Event) -> str:
        at = time.strftime("%H:%M:%S", time.localtime(event.ts_ms // 1000))
        when = painted(f"{at}.{event.ts_ms % 1000:03}", "90", colours=self._colours)
        what = painted(f"{kind:<7}", COLOURS.get(kind, "0"), colours=self._colours)
        return f"{when}  {what}  "

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _is_derived(event: Event) -> bool:
    return str(event.data.get("key", "")).startswith("session:")


def _one_line(text: str) -> str:
    return safe(" ".join(text.splitlines()) if "\n" in text or "\r" in text else text)


def _break(row: str, width: int) -> int:
    """Return where a row that is too long is broken: after a space, if there is one."""
    at = len(row)
    while columns_of(row[:at]) > width:
        at -= 1
    space = row.rfind(" ", 0, at + 1)
    return space + 1 if space > 0 else max(at, 1)
