"""What was expected, in words."""

from typing import Annotated

import msgspec
import pytest

from livehandle_proto.expectations import expected_in_words, given_in_words

PATTERNS = {r"^a\n$": "an a"}


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("int | null", "a whole number"),
        ("int", "a whole number"),
        ("int >= 1", "a whole number of at least 1"),
        ("float <= 0.5", "a number of at most 0.5"),
        ("float | null", "a number"),
        ("bool", "true or false"),
        ("str | null", "text"),
        ("int | str", "a whole number or text"),
        ("str of length >= 1", "text of at least 1 character"),
        ("str of length <= 72", "text of at most 72 characters"),
        ("array of length <= 64", "a list of at most 64 entries"),
        ("object of length >= 1", "an object of at least 1 entry"),
        (f"str matching regex {next(iter(PATTERNS))!r}", "an a"),
        ("str matching regex '^b$'", "text of another form"),
        ("null", "null"),
        ("datetime", "datetime"),
        ("something else, wholly", "something else, wholly"),
    ],
)
def test_what_msgspec_expected_is_said_in_words(expected: str, words: str) -> None:
    assert expected_in_words(expected, PATTERNS) == words


def test_msgspec_quotes_a_pattern_as_it_is_looked_for() -> None:
    (pattern,) = PATTERNS
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert("b", Annotated[str, msgspec.Meta(pattern=pattern)])
    said = str(caught.value).removeprefix("Expected ").replace("`", "")
    assert expected_in_words(said, PATTERNS) == "an a"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("str", "text"),
        ("float", "a number with a fraction"),
        ("null", "null"),
        ("int", "a whole number"),
    ],
)
def test_what_was_given_is_said_in_words(kind: str, words: str) -> None:
    assert given_in_words(kind) == words
