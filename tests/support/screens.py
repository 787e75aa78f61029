"""A terminal's screen: what is to be seen of what was written to it."""

import io
import re

_STEP = re.compile(r"\033\[[0-9;?]*[A-Za-z]|\r|\n|[^\033\r\n]+")


class Terminal(io.StringIO):
    """An output that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def rows_of(written: str) -> list[str]:
    """Return the rows, without colours. Knows a return, a new line, and clearing to the end."""
    rows, column = [""], 0
    for step in _STEP.findall(written):
        if step == "\r":
            column = 0
        elif step == "\n":
            rows.append("")
            column = 0
        elif step.startswith("\033"):
            if step == "\033[K":
                rows[-1] = rows[-1][:column]
        else:
            rows[-1] = rows[-1][:column] + step + rows[-1][column + len(step) :]
            column += len(step)
    return [row.rstrip() for row in rows if row.strip()]
