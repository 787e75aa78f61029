"""What an extractor is given to read."""

import msgspec

from livehandle_proto.transcripts import ToolUse, TranscriptTurn
from livehandled.extraction.window import fitting, text_of


def turn(number: int, user: str = "", model: str = "", tools: int = 0) -> TranscriptTurn:
    uses = [ToolUse(name="t", args="x" * 200, result="y" * 200) for _ in range(tools)]
    return TranscriptTurn(turn_number=number, user=user, model=model, tool_calls=uses)


def test_a_usual_window_stays_as_it_is() -> None:
    window = [turn(0, "a", "b"), turn(1, "c", "d")]
    assert fitting(window) == window
    assert text_of(window) == "User: a\nAssistant: b\n\nUser: c\nAssistant: d"


def test_the_newest_turns_that_fit_are_kept() -> None:
    window = [turn(i, "x" * 10_000) for i in range(5)]
    assert [each.turn_number for each in fitting(window)] == [3, 4]


def test_of_one_turn_that_is_too_long_the_end_is_kept() -> None:
    (shown,) = fitting([turn(0), turn(1, "u" * 60_000 + "!", "m" * 60_000 + "?", tools=100)])
    assert shown.user.endswith("u!")
    assert shown.model.endswith("m?")
    assert len(msgspec.json.encode(shown)) < 24_576


def test_of_a_long_text_the_last_16_kib_are_kept() -> None:
    text = text_of([turn(0, "é" * 20_000 + "end")])
    assert len(text.encode()) <= 16_384
    assert text.endswith("end")
