"""What `talk` shows: what was said, turn by turn, and the levels of both sides in place."""

from typing import TextIO

from livectl.results import as_json
from livectl.screen import can_show, columns, share
from livectl.terminal import columns_of, has_colours, moves, painted, safe
from livehandle.connection import Event

_EVERY_S = 0.1
_METER_WIDTH = 12
_NAMES = {"user": "you", "model": "model"}
_COLOURS = {"user": "32", "model": "35", "note": "33"}
_SPEAKS = {
    "live.input_transcript": "user",
    "live.output_transcript": "model",
    "live.text_delta": "model",
}


class View:
    """Lines for what is over; on a terminal also a last line for what is under way.

    With `in_json` the events instead; with `quiet` only what was said.
    """

    def __init__(self, out: TextIO, *, in_json: bool = False, quiet: bool = False) -> None:
        self._out = out
        self._json = in_json
        self._quiet = quiet
        self._moves = moves(out) and not in_json and not quiet
        self._colours = has_colours(out)
        self._full, self._empty = ("█", "·") if can_show("█·", out) else ("#", ".")
        self._words = {"user": "", "model": ""}
        self._drawn = False
        self._next_at = 0.0

    def event(self, event: Event) -> None:
        """Show what an event tells; of audio nothing."""
        if self._json:
            if event.topic != "live.audio":
                self._line(as_json(event.params))
            return
        if side := _SPEAKS.get(event.topic):
            self._words[side] += str(event.data.get("text", ""))
        elif event.topic == "live.turn_complete":
            cut = " [interrupted]" if event.data.get("interrupted") else ""
            self._say("user", str(event.data.get("user", "")))
            self._say("model", str(event.data.get("model", "")), cut)
            self._words = {"user": "", "model": ""}

    def note(self, text: str) -> None:
        """Say what is neither the user's nor the model's word."""
        if self._quiet:
            return
        if self._json:
            self._line(as_json({"note": text}))
        else:
            self._line(self._painted("note", f"  ({text})"))

    def levels(self, now: float, user_db: float, model_db: float) -> None:
        """Show how loud both sides are, ten times a second."""
        if not self._moves or now < self._next_at:
            return
        self._next_at = now + _EVERY_S
        room = columns(self._out) - len("you   model   ") - 1
        width = min(_METER_WIDTH, room // 2)
        if width < 1:
            self._clear()
            return
        shown = "  ".join(
            f"{_NAMES[side]} {self._painted(side, self._bar(level, width))}"
            for side, level in (("user", user_db), ("model", model_db))
        )
        room -= 2 * width
        words = _clean(self._words["model"] or self._words["user"])
        self._write(f"\r{shown}  {_tail(words, room)}\033[K")
        self._drawn = True

    def close(self) -> None:
        """Say what was under way."""
        for side, words in self._words.items():
            self._say(side, words)
        self._clear()

    def _say(self, side: str, words: str, mark: str = "") -> None:
        if words.strip():
            self._line(f"{self._painted(side, f'{_NAMES[side]:>5}')}  {_clean(words)}{mark}")

    def _line(self, text: str) -> None:
        self._clear()
        self._write(text + "\n")

    def _clear(self) -> None:
        if self._drawn:
            self._write("\r\033[K")
        self._drawn = False

    def _bar(self, level_db: float, width: int) -> str:
        filled = round(share(level_db) * width)
        return self._full * filled + self._empty * (width - filled)

    def _painted(self, kind: str, text: str) -> str:
        return painted(text, _COLOURS[kind], colours=self._colours)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _clean(words: str) -> str:
    return " ".join(safe(words).split())


def _tail(words: str, room: int) -> str:
    """Return as much of the end as has room, in columns."""
    at = len(words)
    while at and (room := room - columns_of(words[at - 1])) >= 0:
        at -= 1
    return words[at:]
