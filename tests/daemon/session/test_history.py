"""What a session that begins anew is told of the one before (wire 4.5)."""

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.transcripts import ToolUse, TranscriptTurn
from livehandled.gemini.content import Content, FunctionCall, Part, text_content
from livehandled.session import history as module
from livehandled.session.history import Told, Turn, history

USE = ToolUse(name="f", args='{"n":1}', result='{"output":2}')


def turn(
    user: str = "", model: str = "", number: int = 0, tools: Sequence[ToolUse] = ()
) -> TranscriptTurn:
    return TranscriptTurn(
        turn_number=number, user=user, model=model, tool_calls=list(tools), interrupted=False
    )


def told(words: str, number: int = 0, *, role: Literal["user", "model"] = "model") -> Told:
    return Told(text_content(words, role), number)


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
        (
            [Told(Content(parts=[Part(text="a"), Part(text="b")], role="model"), 0)],
            [],
            [("model", "ab")],
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
        # What is no text cannot be told in words.
        ([Told(Content(parts=[Part(function_call=FunctionCall(name="f"))]), 0)], [], []),
    ],
)
def test_turn_by_turn_is_told_each_behind_its_context(
    before: list[Told], turns: list[TranscriptTurn], said: list[Turn]
) -> None:
    assert history(before, turns) == said


def test_of_too_much_the_newest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_CHARS", 10)
    turns = [turn("aaaa", "bbbb"), turn("cccc", "dddd", 1)]
    assert history([], turns) == [("user", "cccc"), ("model", "dddd")]
    assert history([told("x")], turns[1:]) == [
        ("model", "x"),
        ("user", "cccc"),
        ("model", "dddd"),
    ]
    assert history([], [turn("x" * 11)]) == []


words = st.text(max_size=12)


@given(st.lists(st.tuples(words, words), max_size=12), st.integers(0, 60))
def test_the_history_is_the_end_of_all_that_was_said_and_fits(
    said: list[tuple[str, str]], most: int
) -> None:
    turns = [turn(user, model, number) for number, (user, model) in enumerate(said)]
    every = [t for u, m in said for t in (("user", u.strip()), ("model", m.strip())) if t[1]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MAX_CHARS", most)
        kept = history([], turns)
    assert kept == every[len(every) - len(kept) :]
    assert sum(len(text) for _, text in kept) <= most
    following = every[: len(every) - len(kept)][-1:]
    assert all(sum(len(text) for _, text in [*following, *kept]) > most for _ in following)
