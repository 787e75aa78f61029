"""What a session that begins anew is told of the one before (wire 4.5)."""

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.transcripts import ToolUse, TranscriptTurn
from livehandled.session.history import Told, Turn, clipped, history

USE = ToolUse(name="f", args='{"n":1}', result='{"output":2}')


def turn(
    user: str = "", model: str = "", number: int = 0, tools: Sequence[ToolUse] = ()
) -> TranscriptTurn:
    return TranscriptTurn(
        turn_number=number, user=user, model=model, tool_calls=list(tools), interrupted=False
    )


def told(words: str, number: int = 0, *, role: Literal["user", "model"] = "model") -> Told:
    return Told(role, words, number)


@pytest.mark.parametrize(
    ("before", "turns", "said"),
    [
        ([], [], []),
        ([], [turn("Hi", "Hello.")], [("user", "Hi"), ("model", "Hello.")]),
        ([], [turn(" Hi ", "\nHello. ")], [("user", "Hi"), ("model", "Hello.")]),
        ([], [turn("Hi")], [("user", "Hi")]),
        ([], [turn(model="Hello.")], [("model", "Hello.")]),
        ([], [turn(" ", "")], []),
        (
            [],
            [turn("a", "b"), turn("c", "d", 1)],
            [("user", "a"), ("model", "b"), ("user", "c"), ("model", "d")],
        ),
        (
            [],
            [turn("Do.", "Done.", tools=[USE])],
            [("user", "Do."), ("model", '[f({"n":1}) returned {"output":2}]\nDone.')],
        ),
        ([], [turn(tools=[USE])], [("model", '[f({"n":1}) returned {"output":2}]')]),
        (
            [told("Ann calls."), told("I see.", role="user")],
            [turn("Hi", "Hello.")],
            [
                ("model", "Ann calls."),
                ("user", "I see."),
                ("user", "Hi"),
                ("model", "Hello."),
            ],
        ),
        # Context stands before the turn that it was given in, as it was.
        (
            [told("a"), told("b", 1), told("c", 1), told("d", 9)],
            [turn("Hi", "Hello."), turn("More", number=1)],
            [
                ("model", "a"),
                ("user", "Hi"),
                ("model", "Hello."),
                ("model", "b"),
                ("model", "c"),
                ("user", "More"),
                ("model", "d"),
            ],
        ),
    ],
)
def test_turn_by_turn_is_told_each_behind_its_context(
    before: list[Told], turns: list[TranscriptTurn], said: list[Turn]
) -> None:
    assert history(before, turns) == said


@pytest.mark.parametrize(
    ("turns", "most", "kept"),
    [
        ([], 10, []),
        ([("user", "aaaa"), ("model", "bbbb")], 10, [("user", "aaaa"), ("model", "bbbb")]),
        ([("user", "aaaa"), ("model", "bbbb")], 8, [("user", "aaaa"), ("model", "bbbb")]),
        ([("user", "abcd"), ("model", "efgh")], 7, [("user", "…cd"), ("model", "efgh")]),
        ([("user", "abcd"), ("model", "efgh")], 5, [("model", "efgh")]),
        ([("user", "abcd"), ("model", "efgh")], 3, [("model", "…gh")]),
        ([("model", "x" * 60_000)], 48_000, [("model", "…" + "x" * 47_999)]),
    ],
)
def test_of_too_much_the_end_is_told(turns: list[Turn], most: int, kept: list[Turn]) -> None:
    assert clipped(turns, most) == kept


words = st.text(min_size=1, max_size=12)


@given(st.lists(st.tuples(st.just("user"), words), max_size=12), st.integers(0, 60))
def test_what_is_kept_fits_and_is_the_end_of_all_that_was_said(said: list[Turn], most: int) -> None:
    kept = clipped(said, most)
    assert sum(len(text) for _, text in kept) <= most
    whole = [text for _, text in kept[1:]]
    assert whole == [text for _, text in said][len(said) - len(whole) :]
    if kept and kept[0] not in said:
        assert said[len(said) - len(kept)][1].endswith(kept[0][1][1:])
