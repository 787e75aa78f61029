"""Session events as redaction leaves them, and what is withheld of them until when (I12, Z15)."""

import pytest
from msgspec.structs import replace

from livehandle_proto import topics as t
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import ErrorObject, Value
from livehandled.redaction import REDACTED, Redaction
from livehandled.session.conversation import DISCONNECTED, RECONNECTED
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
@pytest.mark.parametrize(
    ("end", "rest"),
    [("turn_complete", "4"), ("disconnected", REDACTED), ("reconnecting", REDACTED)],
)
def test_i12_transcripts_are_redacted_over_their_pieces(name: str, end: str, rest: str) -> None:
    heard = [t.TranscriptDelta(text=piece) for piece in PIECES]
    shown = ["a ", f"{REDACTED} b ", rest]
    assert told(name, *heard, end=end) == [(name, t.TranscriptDelta(text=text)) for text in shown]


def test_i12_a_whole_text_is_redacted_and_the_rest_of_its_pieces_comes_before_it() -> None:
    events = RedactedEvents(REDACTION)
    assert events.withholds(events.shown("text_delta", t.Text(text="44")))
    assert list(events.held("text_complete")) == [("text_delta", t.Text(text="44"))]
    assert events.shown("text_complete", t.Text(text="a 4444")) == t.Text(text=f"a {REDACTED}")


def test_words_are_final_once_nothing_of_them_is_held_back() -> None:
    name, events = "input_transcription", RedactedEvents(REDACTION)
    last = events.shown(name, t.TranscriptDelta(text="a 44", is_final=True))
    assert last == t.TranscriptDelta(text="a ", is_final=False)
    assert list(events.held("turn_complete")) == [
        (name, t.TranscriptDelta(text="44", is_final=True))
    ]
    assert events.withholds(events.shown(name, t.TranscriptDelta(text="44", is_final=True)))
    rest = events.shown(name, t.TranscriptDelta(text=" b"))
    assert rest == t.TranscriptDelta(text="44 b", is_final=True)
    whole = t.TranscriptDelta(text="c", is_final=True)
    assert events.shown(name, whole) == whole
    assert not events.shown(name, t.TranscriptDelta(text="d")).is_final  # type: ignore[attr-defined]  # a delta is shown as one


def test_the_words_of_a_user_who_interrupts_are_one_text_with_those_of_the_next_turn() -> None:
    name, events = "input_transcription", RedactedEvents(REDACTION)
    assert events.shown(name, t.TranscriptDelta(text="my 44")) == t.TranscriptDelta(text="my ")
    assert not list(events.held("interrupted"))
    assert not list(events.held("turn_complete"))
    shown = events.shown(name, t.TranscriptDelta(text="44 4"))
    assert shown == t.TranscriptDelta(text=f"{REDACTED} ")
    assert list(events.held("turn_complete")) == [(name, t.TranscriptDelta(text="4"))]


@pytest.mark.parametrize("name", ["thought", "output_transcription"])
def test_what_is_held_of_a_reply_that_was_interrupted_is_masked(name: str) -> None:
    events = RedactedEvents(REDACTION)
    kind = t.Text if name == "thought" else t.TranscriptDelta
    events.shown(name, kind(text="a 44"))
    assert not list(events.held("interrupted"))
    assert list(events.held("turn_complete")) == [(name, kind(text=REDACTED))]
    events.shown(name, kind(text="44"))
    assert list(events.held("turn_complete")) == [(name, kind(text="44"))]


@pytest.mark.parametrize("reason", [RECONNECTED, DISCONNECTED, None])
def test_a_text_that_its_connection_broke_off_is_masked_where_it_ends(reason: str | None) -> None:
    events, rest = RedactedEvents(REDACTION), "44" if reason is None else REDACTED
    events.shown("text_delta", t.Text(text="a 44"))
    events.shown("input_transcription", t.TranscriptDelta(text="44"))
    whole = t.Text(text="a 44")
    events.coming(
        [("text_complete", whole), ("turn_complete", t.TurnComplete(turn=0, reason=reason))]
    )
    assert list(events.held("text_complete")) == [("text_delta", t.Text(text=rest))]
    assert events.shown("text_complete", whole) == t.Text(text=f"a {rest}")
    heard = ("input_transcription", t.TranscriptDelta(text=rest))
    assert list(events.held("turn_complete")) == [heard]
    assert events.shown("text_complete", whole) == whole


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
