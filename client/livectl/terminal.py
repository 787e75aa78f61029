"""What a terminal can show, and what it must not be given."""

import os
import unicodedata
from typing import TextIO

# What a terminal would obey instead of showing: the words are the model's, or a client's.
_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\ufffd")


def moves(out: TextIO) -> bool:
    """Whether a line can be drawn anew in its place."""
    return out.isatty() and os.environ.get("TERM") != "dumb"


def has_colours(out: TextIO) -> bool:
    """Whether colours are wanted: on a terminal, unless NO_COLOR says otherwise."""
    return moves(out) and not os.environ.get("NO_COLOR")


def painted(text: str, colour: str, *, colours: bool) -> str:
    """Return text in a colour, given as the number of an escape sequence."""
    return f"\033[{colour}m{text}\033[0m" if colours and text else text


def safe(text: str) -> str:
    """Return text without what a terminal would obey; line breaks and tabs stay."""
    return text.translate(_CONTROLS)


def columns_of(text: str) -> int:
    """Return how many columns a text takes: two for a wide letter, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )
