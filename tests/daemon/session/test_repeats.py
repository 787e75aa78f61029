"""Text that the service sends a second time after a resume is told only once."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.session.repeats import Repeats, Side

SIDES: tuple[Side, ...] = get_args(Side)


def told(old: str, chunks: list[str], side: Side = "model") -> list[list[str]]:
    repeats = Repeats(old if side == "user" else "", old if side == "model" else "", until=10.0)
    return [repeats.heard(side, chunk, 0.0) for chunk in chunks]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("old", "chunks", "expected"),
    [
        # a repeat, in the same and in other chunks
        ("Hello there", ["Hello", " there"], [[], []]),
        ("Hello there", ["Hello there"], [[]]),
        ("Hello there", ["H", "ello t", "here"], [[], [], []]),
        # the repeat goes on where the old one was cut off
        ("Hello th", ["Hello", " there"], [[], ["ere"]]),
        ("Hello", ["Hello there", " you"], [[" there"], [" you"]]),
        # no repeat
        ("Hello", ["Good", " day"], [["Good"], [" day"]]),
        ("Hello", ["Help", " me"], [["Help"], [" me"]]),
        ("Hello", ["Hel", "p", " me"], [[], ["Hel", "p"], [" me"]]),
        ("Hello there", ["He", "ll", "o you"], [[], [], ["He", "ll", "o you"]]),
        # the same again is new
        ("Yes", ["Yes", "Yes"], [[], ["Yes"]]),
        ("Yes", ["YesYes"], [["Yes"]]),
        ("Yes", ["No", "Yes"], [["No"], ["Yes"]]),
        # nothing to repeat
        ("", ["Hello", ""], [["Hello"], [""]]),
        ("Yes", ["", "Yes"], [[], []]),
    ],
)
def test_voiceclaw_164_a_repeat_is_dropped_and_nothing_else(
    side: Side, old: str, chunks: list[str], expected: list[list[str]]
) -> None:
    assert told(old, chunks, side) == expected


def test_each_side_has_its_own_text() -> None:
    repeats = Repeats("What is it?", "It is", until=10.0)
    assert repeats.heard("model", "What is it?", 0.0) == ["What is it?"]
    assert repeats.heard("user", "What is ", 0.0) == []
    assert repeats.heard("user", "it?", 0.0) == []


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (None, [("user", "What"), ("model", "It"), ("model", " i")]),
        ("user", [("user", "What")]),
        ("model", [("model", "It"), ("model", " i")]),
    ],
)
def test_what_is_held_is_released(side: Side | None, expected: list[tuple[Side, str]]) -> None:
    repeats = Repeats("What is it?", "It is", until=10.0)
    repeats.heard("model", "It", 0.0)
    repeats.heard("user", "What", 0.0)
    repeats.heard("model", " i", 0.0)
    assert repeats.holding
    assert repeats.release(side) == expected
    assert repeats.release(side) == []
    assert repeats.holding is (side is not None)


@pytest.mark.parametrize("side", SIDES)
def test_after_a_release_nothing_is_held(side: Side) -> None:
    repeats = Repeats("Yes", "Yes", until=10.0)
    assert repeats.release() == []
    assert repeats.heard(side, "Yes", 0.0) == ["Yes"]


@pytest.mark.parametrize(
    ("now", "expected"), [(9.9, []), (10.0, ["Hel", "lo"]), (99.0, ["Hel", "lo"])]
)
def test_after_its_time_nothing_is_held(now: float, expected: list[str]) -> None:
    repeats = Repeats("", "Hello", until=10.0)
    assert not repeats.holding
    assert repeats.heard("model", "Hel", 0.0) == []
    assert repeats.heard("model", "lo", now) == expected
    assert not repeats.holding


few = st.text("ab", max_size=4)


@given(
    old=few, chunks=st.lists(few, max_size=6), until=st.integers(0, 8), side=st.sampled_from(SIDES)
)
def test_what_came_is_told_but_for_the_old_text_once_at_the_beginning(
    old: str, chunks: list[str], until: int, side: Side
) -> None:
    repeats = Repeats(old, old, until=until)
    out: list[str] = []
    for now, chunk in enumerate(chunks):
        out += repeats.heard(side, chunk, now)
        assert repeats.holding or "".join(out) in _possible("".join(chunks[: now + 1]), old)
    out += [chunk for name, chunk in repeats.release() if name == side]
    came = "".join(chunks)
    assert "".join(out) in _possible(came, old)
    if came.startswith(old) and len(chunks) <= until:
        assert "".join(out) == came[len(old) :]


def _possible(came: str, old: str) -> set[str]:
    return {came, came.removeprefix(old)}
