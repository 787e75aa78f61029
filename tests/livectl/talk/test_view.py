"""What `talk` shows."""

import json

import pytest

from livectl.talk.view import View
from livehandle.connection import Event
from support.out import Out


def event(topic: str, **data: object) -> Event:
    return Event({"topic": topic, "data": data, "cursor": "i:1"})


def turn(user: str, model: str, *, interrupted: bool = False) -> Event:
    return event("live.turn_complete", turn=0, user=user, model=model, interrupted=interrupted)


def test_turns_are_lines_without_a_terminal() -> None:
    out = Out()
    view = View(out)
    view.event(event("live.input_transcript", text="Hello "))
    view.event(event("live.output_transcript", text="Hi, how are "))
    view.levels(0.0, -20.0, -10.0)
    view.event(turn("Hello there.", "Hi,", interrupted=True))
    view.event(turn("", "Well, \x1b[2Jthen."))
    view.note("the daemon is gone")
    view.event(event("live.text_delta", text="Unfini"))
    view.close()
    assert out.getvalue().splitlines() == [
        "  you  Hello there.",
        "model  Hi, [interrupted]",
        "model  Well, \ufffd[2Jthen.",
        "  (the daemon is gone)",
        "model  Unfini",
    ]


def test_an_interruption_of_nothing_is_no_line() -> None:
    out = Out()
    View(out).event(turn("Stop", "", interrupted=True))
    assert out.getvalue() == "  you  Stop\n"


def test_levels_and_words_are_drawn_in_place_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("livectl.talk.view.columns", lambda _out: 60)
    out = Out(tty=True)
    view = View(out)
    view.event(event("live.output_transcript", text="It is a long way to Tipperary"))
    view.levels(0.0, -96.0, -8.0)
    assert out.getvalue() == ("\ryou ············  model ████████████  long way to Tipperary\033[K")
    assert len(out.getvalue()) < 60 + len("\r\033[K")
    out.truncate(out.seek(0))
    view.levels(0.05, -8.0, -96.0)
    assert out.getvalue() == "", "ten times a second"
    view.levels(0.1, -28.0, -96.0)
    assert out.getvalue().startswith("\ryou ██████······  model ············  ")
    out.truncate(out.seek(0))
    view.note("hm")
    view.close()
    assert out.getvalue() == ("\r\033[K  (hm)\nmodel  It is a long way to Tipperary\n"), (
        "the drawn line gives way to lines that stay"
    )


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (37, "\ryou ██████████·  model ···········  \033[K"),
        (17, "\ryou █  model ·  \033[K"),
        (16, ""),
    ],
)
def test_levels_fit_a_narrow_terminal(
    columns: int, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("livectl.talk.view.columns", lambda _out: columns)
    out = Out(tty=True)
    View(out).levels(0.0, -12.0, -96.0)
    assert out.getvalue() == shown
    assert len(out.getvalue().strip("\r").removesuffix("\033[K")) < columns


def test_letters_that_a_terminal_lacks_are_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    out = Out(tty=True, encoding="ascii")
    View(out).levels(0.0, -28.0, -96.0)
    assert "you ######......" in out.getvalue()


def test_events_come_as_json_without_the_audio() -> None:
    out = Out()
    view = View(out, in_json=True)
    view.event(event("live.audio", data="AAAA"))
    view.event(event("live.output_transcript", text="Hi"))
    view.note("gone")
    view.close()
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [one.get("topic") or one["note"] for one in told] == ["live.output_transcript", "gone"]


def test_quiet_is_what_was_said_alone() -> None:
    out = Out(tty=True)
    view = View(out, quiet=True)
    view.note("gone")
    view.levels(0.0, -20.0, -10.0)
    view.event(turn("Hello", "Hi"))
    assert "gone" not in out.getvalue()
    assert "█" not in out.getvalue()
    assert out.getvalue().count("\n") == 2
