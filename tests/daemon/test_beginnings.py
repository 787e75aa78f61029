"""What a pattern can begin with, by trying every beginning of what it matches."""

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from livehandled.beginnings import beginnings
from support.patterns import PATTERNS

ROWS = [
    ("abc", "abc", "abd"),
    ("a|bc", "bc", "cb"),
    ("a*b+c?", "aabbc", "ca"),
    ("a{2,3}b", "aaab", "ba"),
    ("a{2}", "aa", "ba"),
    ("(?:ab){2,}", "abab", "ba"),
    ("x{0}y", "y", "x"),
    ("a??b", "ab", "c"),
    ("(?P<size>[a-c]+)d", "abcd", "d0"),
    ("(?<size>a)b", "ab", "b0"),
    ("(?i)ab", "aB", "bA"),
    ("a(?i:b)c", "aBc", "aBC"),
    ("(?i)a(?-i)b", "Ab", "aB"),
    ("(?s).x", "\nx", "\ny"),
    ("(?U)a+b", "aab", "ba"),
    (r"\d{3}-\d", "123-4", "1-2"),
    (r"\p{Greek}\pN", "ω1", "1ω"),
    (r"\x41\x{263a}", "A☺", "☺A"),
    (r"\101\n", "A\n", "\nA"),
    (r"[]a-]b", "]b", "b]"),
    (r"[^]a]b", "zb", "ab"),
    (r"[[:digit:]\]]z", "]z", "[z"),
    (r"\Qa.b*\E+", "a.b**", "axb"),
    (r"\Qa+", "a+", "aa"),
    (r"\Q\Ea", "a", "b"),
    (r"^ab$", "ab", "ba"),
    (r"\Aab\z", "ab", "ba"),
    (r"\ba-\B", "a-", "-a"),
    ("a{,2}", "a{,2}", "aa"),
    ("a{", "a{", "{a"),
    ("}]", "}]", "]}"),
    ("", "", "a"),
]


@pytest.mark.parametrize(("pattern", "match", "other"), ROWS, ids=[row[0] for row in ROWS])
def test_every_beginning_of_a_match_is_one_and_what_is_none_is_not(
    pattern: str, match: str, other: str
) -> None:
    begun = re2.compile(rf"(?:{beginnings(pattern).begun})\z")
    assert re2.fullmatch(pattern, match)
    assert all(begun.match(match[:end]) for end in range(len(match) + 1))
    assert not begun.match(other)


@pytest.mark.parametrize(
    ("pattern", "empty"),
    [
        ("a", False),
        ("a?", True),
        ("a*b", False),
        ("a|", True),
        (r"\b", True),
        ("(?:a|b){0,3}", True),
    ],
)
def test_what_matches_nothing_is_known(pattern: str, empty: bool) -> None:
    assert beginnings(pattern).empty == empty


@given(pattern=PATTERNS, text=st.text("ab-B1 ", max_size=12))
def test_any_beginning_of_any_match_is_one(pattern: str, text: str) -> None:
    found = re2.search(pattern, text)
    assert beginnings(pattern).empty == bool(re2.compile(f"(?:{pattern})").fullmatch("")) or any(
        assertion in pattern for assertion in (r"\b", r"\B", "^", "$")
    )
    if found:
        begun = re2.compile(rf"(?:{beginnings(pattern).begun})\z")
        for end in range(found.start(), found.end() + 1):
            assert next(iter(begun.finditer(text[:end], found.start()))).start() == found.start()
