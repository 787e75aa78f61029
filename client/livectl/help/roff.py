"""Manual pages: the few forms that ours are made of, in the macros of man(7)."""

import re
from collections.abc import Iterable
from textwrap import wrap

_WIDTH = 78
_MARKED = re.compile(r"`([^`\n]+)`")


def page(parts: Iterable[str]) -> str:
    """Return a whole page."""
    # A heading begins a paragraph by itself.
    return re.sub(r"(?m)^(\.S[HS] .*\n)\.PP\n", r"\1", "".join(parts))


def title(name: str, section: int, version: str, about: str) -> str:
    """Return the head of a page."""
    bare = escaped(name)
    head = f'.TH "{bare.upper()}" {section} "" "livehandle {version}" ""'
    return f"{head}\n{heading('name')}{bare} \\- {escaped(about)}\n"


def heading(text: str) -> str:
    """Return the beginning of a section."""
    return f".SH {escaped(text.upper())}\n"


def part(text: str) -> str:
    """Return the beginning of a part of a section."""
    return f".SS {escaped(text)}\n"


def paragraph(text: str) -> str:
    """Return a paragraph. What stands between backquotes is bold."""
    return f".PP\n{_marked(text)}\n"


def items(listed: Iterable[tuple[str, str]]) -> str:
    """Return terms, each with its words below it."""
    return "".join(f".TP\n\\fB{escaped(term)}\\fR\n{_marked(words)}\n" for term, words in listed)


def literal(text: str) -> str:
    """Return lines as they are."""
    lines = "\n".join(_protected(escaped(line)) for line in text.splitlines())
    return f".PP\n.nf\n.RS 4\n{lines}\n.RE\n.fi\n"


def escaped(text: str) -> str:
    """Return text whose letters stand for themselves."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("`", "\\(ga")


def _marked(text: str) -> str:
    """Return flowing text, its words between backquotes in bold."""
    pieces = _MARKED.split(text)
    woven = [
        f"\\fB{escaped(piece)}\\fR" if at % 2 else escaped(piece) for at, piece in enumerate(pieces)
    ]
    lines = wrap("".join(woven), _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(_protected, lines))


def _protected(line: str) -> str:
    # A line that begins so would be a request.
    return f"\\&{line}" if line.startswith((".", "'")) else line
