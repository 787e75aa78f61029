"""Events on a terminal and in a file."""

import io
import re

import pytest

from livectl.watch.feed import Feed
from livehandle.connection import Event
from support.screens import Terminal, rows_of


def event(topic: str, **data: object) -> Event:
    return Event({"topic": topic, "ts_ms": 1_780_000_000_123, "cursor": "k:1", "data": data})


def words(*pieces: str, topic: str = "live.output_transcript") -> list[Event]:
    return [event(topic, text=piece) for piece in pieces]


END = event("live.turn_complete", turn=0, user="", interrupted=False)


def fed(out: io.StringIO, *events: Event, every: bool = False) -> list[str]:
    """Return what is to be seen, without the times."""
    feed = Feed(out, every=every)
    for one in events:
        feed.show(one)
    feed.finish()
    return [re.sub(r"^\d\d:\d\d:\d\d\.123  ", "", row) for row in rows_of(out.getvalue())]


@pytest.fixture(params=["terminal", "file"])
def out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal() if request.param == "terminal" else io.StringIO()


CASES: list[tuple[str, list[Event], list[str]]] = [
    (
        "pieces are one line",
        [*words("Hel", "lo ", "there."), END],
        ["model    Hello there.", "turn     0 complete"],
    ),
    (
        "each speaker has a line",
        [*words(" Hi", topic="live.input_transcript"), *words(" Ho"), END],
        ["you      Hi", "model    Ho", "turn     0 complete"],
    ),
    (
        "what happens meanwhile stands above",
        [*words("Hel"), event("state.changed", key="app:a", value=1), *words("lo"), END],
        ["state    app:a = 1", "model    Hello", "turn     0 complete"],
    ),
    (
        "what belongs to the conversation ends the line",
        [*words("Hel"), event("live.interrupted"), END],
        ["model    Hel", "stop     the user cut the model off", "turn     0 complete"],
    ),
    (
        "a line that was not complete is ended at the end",
        words("Hel", "lo"),
        ["model    Hello"],
    ),
    (
        "the whole text is no news after its pieces",
        [*words("Hello", topic="live.text_delta"), event("live.text_complete", text="Hello"), END],
        ["model    Hello", "turn     0 complete"],
    ),
    (
        "the whole text alone is shown",
        [event("live.text_complete", text="Hello"), END],
        ["model    Hello", "turn     0 complete"],
    ),
    (
        "what was typed came by no transcript",
        [*words("Ho"), event("live.turn_complete", turn=0, user="Hi", interrupted=False)],
        ["model    Ho", "you      (typed) Hi", "turn     0 complete"],
    ),
    (
        "what was said did",
        [
            *words("Hi", topic="live.input_transcript"),
            event("live.turn_complete", turn=0, user="Hi", interrupted=False),
        ],
        ["you      Hi", "turn     0 complete"],
    ),
    (
        "of each turn anew",
        [
            *words("Hi", topic="live.input_transcript"),
            END,
            event("live.turn_complete", turn=1, user="Hi", interrupted=False),
        ],
        ["you      Hi", "turn     0 complete", "you      (typed) Hi", "turn     1 complete"],
    ),
    (
        "a line break is a space, and an escape is none",
        [*words("a\nb\x1b[2J"), END],
        ["model    a b\ufffd[2J", "turn     0 complete"],
    ),
    (
        "keys of the daemon are left out",
        [event("state.changed", key="session:phase", value="active")],
        [],
    ),
]


@pytest.mark.parametrize(
    ("events", "rows"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_terminal_and_a_file_show_the_same(
    events: list[Event], rows: list[str], out: io.StringIO
) -> None:
    assert fed(out, *events) == rows


def test_every_key_is_shown_where_it_is_asked_for() -> None:
    change = event("state.changed", key="session:phase", value="active")
    assert fed(io.StringIO(), change, every=True) == ["state    session:phase = active"]


def test_on_a_terminal_words_are_seen_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    feed = Feed(out, every=False)
    for seen, piece in (("Hel", "Hel"), ("Hello", "lo")):
        feed.show(event("live.text_delta", text=piece))
        assert rows_of(out.getvalue())[-1].endswith(f"model    {seen}")


def test_in_a_file_words_are_written_when_the_line_is_complete() -> None:
    out = io.StringIO()
    feed = Feed(out, every=False)
    feed.show(event("live.text_delta", text="Hel"))
    assert out.getvalue() == ""
    feed.finish()
    assert out.getvalue().endswith("Hel\n")


@pytest.mark.parametrize(
    "text",
    ["one two three " * 20, "x" * 200, "日本語 " * 40, " ".join("ab" for _ in range(60))],
    ids=["words", "no spaces", "wide letters", "short words"],
)
def test_a_long_line_is_broken_where_the_terminal_ends(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    rows = fed(Terminal(), *words(*pieces), END)
    assert rows[-1] == "turn     0 complete"
    body = [rows[0].removeprefix("model    "), *(row.strip() for row in rows[1:-1])]
    assert len(body) > 2
    assert all(body)
    assert "".join("".join(body).split()) == "".join(text.split())
    if " " in text:
        assert " ".join(body).split() == text.split()  # no word is broken


@pytest.mark.parametrize(("colour", "painted"), [("", True), ("1", False)])
def test_kinds_have_colours_where_they_are_wanted(
    colour: str, painted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", colour)
    out = Terminal()
    Feed(out, every=False).show(event("live.interrupted"))
    assert ("\033[31mstop" in out.getvalue()) is painted
