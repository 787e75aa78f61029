"""What a terminal can show."""

import io

import pytest

from livectl.terminal import columns_of, has_colours, moves, painted, safe
from support.screens import Terminal


@pytest.mark.parametrize(
    ("environ", "is_terminal", "colours", "moving"),
    [
        ({"TERM": "xterm"}, True, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True, True),
        ({"TERM": "dumb"}, True, False, False),
        ({"TERM": "xterm"}, False, False, False),
    ],
)
def test_colours_are_for_terminals_whose_user_wants_them(
    environ: dict[str, str],
    is_terminal: bool,
    colours: bool,
    moving: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    out = Terminal() if is_terminal else io.StringIO()
    assert (has_colours(out), moves(out)) == (colours, moving)


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("日本", 4), ("a日", 3)]
)
def test_a_wide_letter_takes_two_columns(text: str, columns: int) -> None:
    assert columns_of(text) == columns


def test_what_a_terminal_would_obey_is_not_given_to_it() -> None:
    assert safe("a\x1b[2Jb\x9bc\x7f\a") == "a\ufffd[2Jb\ufffdc\ufffd\ufffd"
    assert safe("a\tb\nc") == "a\tb\nc"


def test_only_text_is_painted() -> None:
    assert painted("a", "31", colours=True) == "\033[31ma\033[0m"
    assert painted("a", "31", colours=False) == "a"
    assert painted("", "31", colours=True) == ""
