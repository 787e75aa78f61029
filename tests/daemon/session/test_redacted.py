"""Session events as redaction leaves them, and what is withheld of them until when (I12, Z15)."""

import pytest
from msgspec.structs import replace

from livehandle_proto import topics as t
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import ErrorObject, Value
from livehandled.redaction import REDACTED, Redaction
from livehandled.session.redacted import RedactedEvents, redacted_error

REDACTION = Redaction({"number": "4444"})
PIECES = ["a 44", "44 b 4"]


def told(name: str, *pieces: Value, end: str = "turn_complete") -> list[tuple[str, Value]]:
    events = RedactedEvents(REDACTION)
    shown = [(name, events.shown(name, piece)) for piece in pieces]
    return [
        *(one for one in shown if not events.withholds(one[1])),
        *events.held(end),
        *events.held(end),
    ]


@pytest.mark.parametrize("name", ["text_delta", "thought"])
def test_z15_text_and_thoughts_are_redacted_over_their_pieces(name: str) -> None:
    texts = [t.Text(text=piece) for piece in PIECES]
    shown = ["a ", f"{REDACTED} b ", "4"]
    assert told(name, *texts) == [(name, t.Text(text=text)) for text in shown]


@pytest.mark.parametrize("name", ["input_transcription", "output_transcription"])
@pytest.mark.parametrize("end", ["turn_complete", "disconnected"])
def test_i12_transcripts_are_redacted_over_their_pieces(name: str, end: str) -> None:
    heard = [t.TranscriptDelta(text=piece) for piece in PIECES]
    shown = ["a ", f"{REDACTED} b ", "4"]
    assert told(name, *heard, end=end) == [(name, t.TranscriptDelta(text=text)) for text in shown]


def test_i12_a_whole_text_is_redacted_and_the_rest_of_its_pieces_comes_before_it() -> None:
    events = RedactedEvents(REDACTION)
    assert events.withholds(events.shown("text_delta", t.Text(text="44")))
    assert list(events.held("text_complete")) == [("text_delta", t.Text(text="44"))]
    assert events.shown("text_complete", t.Text(text="a 4444")) == t.Text(text=f"a {REDACTED}")


def test_a_piece_is_told_without_words_where_it_says_that_it_was_the_last() -> None:
    events = RedactedEvents(REDACTION)
    last = events.shown("input_transcription", t.TranscriptDelta(text="44", is_final=True))
    assert last == t.TranscriptDelta(text="", is_final=True)
    assert not events.withholds(last)


def test_each_text_is_one_by_itself() -> None:
    events = RedactedEvents(REDACTION)
    assert events.withholds(events.shown("thought", t.Text(text="44")))
    assert events.shown("text_delta", t.Text(text="x")) == t.Text(text="x")
    assert events.withholds(events.shown("text_delta", t.Text(text="44")))


def test_what_carries_no_text_is_told_as_it_is() -> None:
    events = RedactedEvents(REDACTION)
    for data in (t.Nothing(), ErrorObject(code=1, message="4444", data={})):
        assert events.shown("interrupted", data) is data
        assert not events.withholds(data)
    assert not list(events.held("interrupted"))


def test_an_error_quotes_nothing_that_is_masked_and_is_else_the_same() -> None:
    error = LiveHandleError(
        "upstream.closed", "It said 4444.", close_code=4444, close_reason="4444", action="once"
    )
    shown = redacted_error(error, REDACTION)
    assert (shown.name, shown.message) == ("upstream.closed", f"It said {REDACTED}.")
    assert shown.data == {"close_code": 4444, "close_reason": REDACTED, "action": "once"}
    assert "close_reason" not in redacted_error(LiveHandleError("a", "b"), REDACTION).data


def test_the_rest_of_a_delta_is_nothing_more_than_it_was() -> None:
    events = RedactedEvents(REDACTION)
    whole = t.TranscriptDelta(text="hello")
    assert events.shown("output_transcription", whole) == replace(whole)
