"""What the demo shows, on a terminal and elsewhere."""

import fcntl
import io
import json
import os
import re
import struct
import termios

import pytest

from livectl.screen import Screen, columns
from support.out import Out


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livectl.screen.time.monotonic", lambda: 100.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def show(screen: Screen) -> None:
    """Show one of everything."""
    screen.text("Welcome.")
    screen.heading("Part")
    screen.line("hears", "speech begins")
    screen.meter(-28.0)
    screen.grow("model", "Hel")
    screen.meter(-28.0)
    screen.grow("model", "lo.")
    screen.levels([-96.0, -28.0, 0.0])
    screen.figures("telemetry", {"turns": 1, "by": {"voice": 2}})


PLAIN = """\
Welcome.

Part
    0.00 s  hears  speech begins
    0.00 s  model  Hello.
    0.00 s  mic     ▄█
  turns     1
  by.voice  2
"""


def test_a_file_gets_plain_lines() -> None:
    out = Out()
    show(Screen(out))
    assert out.getvalue() == PLAIN


def test_a_terminal_gets_the_same_lines_with_colours_and_a_meter() -> None:
    out = Out(tty=True)
    show(Screen(out))
    shown = out.getvalue()
    assert "\x1b[33mhears \x1b[0m" in shown
    assert shown.count("████████████············\x1b[K") == 1  # not while a line grows
    # What stays when the meter has been wiped out.
    stays = re.sub(r"\r[^\n\r]*\x1b\[K(?=\r)|\r\x1b\[K", "", shown)
    assert re.sub(r"\x1b\[[0-9;]*m", "", stays) == PLAIN


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    out = Out(tty=True)
    show(Screen(out))
    assert "\x1b[3" not in out.getvalue()
    assert ("\r" in out.getvalue()) == (variable == "NO_COLOR")


def test_a_terminal_without_blocks_gets_letters() -> None:
    out = Out(tty=True, encoding="latin-1")
    screen = Screen(out)
    screen.meter(-8.0)
    screen.levels([-96.0, -28.0, 0.0])
    out.getvalue().encode("latin-1")
    assert "@" * 24 in out.getvalue()
    assert out.getvalue().endswith(" =@\n")


def test_with_json_each_line_is_an_object() -> None:
    out = Out(tty=True)
    show(Screen(out, as_json=True))
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"note": "Welcome."},
        {"part": "Part"},
        {"at_s": 0.0, "kind": "hears", "text": "speech begins"},
        {"at_s": 0.0, "kind": "model", "text": "Hello."},
        {"at_s": 0.0, "kind": "mic", "text": " ▄█"},
        {"telemetry": {"turns": 1, "by": {"voice": 2}}},
    ]


def test_the_meter_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livectl.screen.columns", lambda _out: 30)
    out = Out(tty=True)
    Screen(out).meter(0.0)
    shown = re.sub(r"\x1b\[[0-9;]*[mK]", "", out.getvalue().removeprefix("\r"))
    assert shown == "    0.00 s  mic    " + "█" * 10
    assert len(shown) < 30


def test_a_terminal_says_how_wide_it_is() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "w") as screen, os.fdopen(theirs, "w"):
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 33, 0, 0))
        assert columns(screen) == 33
        fcntl.ioctl(ours, termios.TIOCSWINSZ, bytes(8))
        assert columns(screen) == 80
    assert columns(io.StringIO()) == 80


@pytest.mark.parametrize(
    ("level_db", "filled"), [(-96.0, 0), (-48.0, 0), (-28.0, 12), (-8.0, 24), (0.0, 24)]
)
def test_the_meter_is_full_at_a_loud_voice(level_db: float, filled: int) -> None:
    out = Out(tty=True)
    Screen(out).meter(level_db)
    assert out.getvalue().count("█") == filled
