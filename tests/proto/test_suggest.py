"""The nearest known name to a misspelt one."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import ERRORS
from livehandle_proto.suggest import nearest

NAMES = sorted(ERRORS)
words = st.text("abc_", max_size=7)


def single_edits(word: str) -> Iterator[str]:
    """Every word one edit away: drop, swap with the neighbour, replace, add."""
    letters = "aemz_.x"
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i + 1 : i + 2] + word[i] + word[i + 2 :]
        yield from (word[:i] + letter + word[i + 1 :] for letter in letters)
    for i in range(len(word) + 1):
        yield from (word[:i] + letter + word[i:] for letter in letters)


def edits_between(a: str, b: str) -> int:
    """Return the optimal string alignment distance, by the textbook's table."""
    table = [[i + j if not i or not j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            cost = a[i - 1] != b[j - 1]
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + cost)
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@pytest.mark.parametrize("name", NAMES)
def test_every_single_edit_of_a_name_is_recognised(name: str) -> None:
    typos = set(single_edits(name)) - set(NAMES)
    assert {nearest(typo, NAMES) for typo in typos} == {name}


@given(words, words)
def test_a_name_is_suggested_exactly_if_it_is_one_edit_away(word: str, name: str) -> None:
    assert (nearest(word, [name]) == name) == (edits_between(word, name) == 1)


@pytest.mark.parametrize(
    ("word", "suggested"),
    [
        ("send-text", "send_text"),
        ("Send_Text", "send_text"),
        ("SEND-TEXT", "send_text"),
        ("sendtext", "send_text"),
        ("snd_tex", None),
        ("send_text", None),
        ("", None),
        ("x", None),
    ],
)
def test_case_and_dashes_do_not_count_as_edits(word: str, suggested: str | None) -> None:
    assert nearest(word, ["phase", "send_text"]) == suggested


def test_the_first_of_several_is_suggested() -> None:
    assert nearest("cat", ["dog", "bat", "car"]) == "bat"
