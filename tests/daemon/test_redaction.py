"""What is masked of a text, whole or in pieces, and which keys of the state are."""

import re
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from livehandled.beginnings import beginnings
from livehandled.redaction import MAX_HELD, REDACTED, PatternError, Redaction, Stream
from support.patterns import PATTERNS

CARD = r"\b\d{4}(?:[ -]?\d{4}){3}\b"
MAIL = r"(?i)[a-z0-9.]+@[a-z0-9.]+"
NUMBER = "4111 1111 1111 1111"


def pieces(redaction: Redaction, *texts: str) -> list[str]:
    stream = redaction.stream()
    return [*(stream.feed(text) for text in texts), stream.finish()]


# Whole texts.


@pytest.mark.parametrize(
    ("patterns", "text", "shown"),
    [
        ((), "a 1", "a 1"),
        ((CARD,), f"It is {NUMBER}.", f"It is {REDACTED}."),
        ((CARD,), "It is 4111 1111.", "It is 4111 1111."),
        ((CARD, MAIL), f"{NUMBER} Joe@example.org", f"{REDACTED} {REDACTED}"),
        (("abc", "cd"), "abcd", REDACTED),  # each in the text as it came
        (("bc", "abcd"), "abcde", f"{REDACTED}e"),
        ((r"\d\d",), "1234", REDACTED * 2),
        (("a+?",), "aab", f"{REDACTED * 2}b"),
        (("ä.",), "xäöz", f"x{REDACTED}z"),
        (("b",), "\ud800b", f"?{REDACTED}"),
    ],
)
def test_what_any_pattern_matches_is_masked(
    patterns: tuple[str, ...], text: str, shown: str
) -> None:
    redaction = Redaction({str(n): pattern for n, pattern in enumerate(patterns)})
    assert redaction.text(text) == shown
    assert redaction.reads_texts == bool(patterns)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It is 4111 11", f"It is {REDACTED}"),
        ("Room 4", f"Room {REDACTED}"),
        ("Room 4.", "Room 4."),
        (f"It is {NUMBER} ", f"It is {REDACTED} "),
        ("It is", "It is"),
    ],
)
def test_of_a_text_that_was_cut_the_beginning_of_a_match_is_masked_too(
    text: str, shown: str
) -> None:
    assert Redaction({"card": CARD}).text(text, cut=True) == shown


def test_texts_and_numbers_anywhere_in_a_value_are_masked() -> None:
    value = {"n": 4111111111111111, "a": [NUMBER, {"b": "x"}, None, True, 1.5], "t": (NUMBER,)}
    assert Redaction({"card": CARD}).value(value) == {
        "n": REDACTED,
        "a": [REDACTED, {"b": "x"}, None, True, 1.5],
        "t": [REDACTED],
    }
    assert Redaction().value(value) is value


@pytest.mark.parametrize("pattern", ["(", "a**", r"\1", "(?=a)", "\ud800", "a*", "a|", r"\b", ""])
def test_what_is_no_pattern_or_is_found_everywhere_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(PatternError) as refused:
        Redaction({"fine": "a", "wrong": pattern})
    assert refused.value.name == "wrong"
    assert str(refused.value)


# In pieces.


def test_a_match_over_two_pieces_does_not_escape() -> None:
    assert pieces(Redaction({"card": CARD}), "It is 4111 11", "11 1111 11", "11. Yes") == [
        "It is ",
        "",
        f"{REDACTED}. Yes",
        "",
    ]


def test_no_more_is_held_back_than_is_needed() -> None:
    assert pieces(Redaction({"word": "secret"}), "a sec", "ond sec", "re", "tly") == [
        "a ",
        "second ",
        "",
        f"{REDACTED}ly",
        "",
    ]


def test_what_was_held_back_comes_at_the_end_and_the_next_text_begins_anew() -> None:
    stream = Redaction({"word": "^secret"}).stream()
    assert (stream.feed("sec"), stream.finish()) == ("", "sec")
    assert (stream.feed("ret"), stream.finish()) == ("ret", "")
    assert (stream.feed("secret "), stream.finish()) == (f"{REDACTED} ", "")


def test_what_grows_too_long_to_be_held_back_is_masked_with_all_that_follows() -> None:
    stream = Redaction({"block": "(?s)BEGIN.*END"}).stream()
    told = [
        stream.feed("so BEGIN"),
        stream.feed("x" * MAX_HELD),
        stream.feed("y"),
        stream.feed("z"),
    ]
    assert told == ["so ", REDACTED, "", ""]
    assert stream.finish() == ""
    assert stream.feed("so") == "so"


def test_a_stream_without_patterns_releases_everything() -> None:
    assert pieces(Redaction(), "a", "", "b") == ["a", "", "b", ""]


def test_a_text_that_is_broken_off_is_masked_where_it_was_held_back() -> None:
    stream = Redaction({"card": CARD}).stream()
    assert (stream.feed("It is 4111 11"), stream.cut()) == ("It is ", REDACTED)
    assert (stream.feed(f"{NUMBER} "), stream.cut()) == (f"{REDACTED} ", "")


@pytest.mark.parametrize(
    ("after", "text", "shown"),
    [
        ("It is 4111 1111 ", "1111 1111 thanks 4", " thanks 4"),
        ("It is 4111 1111", " please", " please"),
        ("", f"{NUMBER} 4", f"{REDACTED} 4"),
    ],
)
def test_of_a_text_that_goes_on_with_another_the_rest_of_a_match_is_left_out(
    after: str, text: str, shown: str
) -> None:
    redaction = Redaction({"card": r"\d{4}(?: \d{4}){3}"})
    assert redaction.text(text, after=after) == shown
    assert redaction.text(text, after=after, cut=True) == shown.replace("4", REDACTED)
    assert redaction.so_far(text, after=after) == shown.removesuffix("4")


class Counted:
    """A pattern that counts how often it is searched for."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        self.searches = 0

    def search(self, text: str, at: int) -> re.Match[str] | None:
        self.searches += 1
        return self.pattern.search(text, at)


def test_a_text_full_of_matches_is_searched_once_for_one_that_is_open() -> None:
    [pattern] = Redaction({"number": r"\d+"})._patterns
    counted = Counted(pattern.begun)
    stream = Stream([pattern._replace(begun=counted)])  # type: ignore[arg-type]  # all that is asked of it
    assert stream.feed("1 " * 1000) == f"{REDACTED} " * 1000
    assert counted.searches == 1


CUTS = st.lists(st.integers(0, 24), max_size=8)


@given(
    patterns=st.lists(PATTERNS, min_size=1, max_size=3),
    text=st.text("ab-B1 \n", max_size=24),
    cuts=CUTS,
)
def test_what_is_released_in_pieces_is_what_is_made_of_the_whole(
    patterns: list[str], text: str, cuts: list[int]
) -> None:
    assume(not any(beginnings(pattern).empty for pattern in patterns))
    redaction = Redaction({str(n): pattern for n, pattern in enumerate(patterns)})
    ends = [0, *sorted(cuts), len(text)]
    told = pieces(redaction, *(text[a:b] for a, b in pairwise(ends)))
    assert "".join(told) == redaction.text(text)


@given(text=st.text("41 -.", max_size=40), rest=st.text("41 -.", max_size=40), cuts=CUTS)
def test_z15_nothing_is_released_that_any_further_text_would_mask(
    text: str, rest: str, cuts: list[int]
) -> None:
    redaction = Redaction({"card": CARD})
    stream = redaction.stream()
    assert redaction.text(text + rest).startswith(stream.feed(text))


# Keys.


@pytest.mark.parametrize(
    ("key", "hidden"),
    [
        ("card", True),
        ("app:card", True),
        ("a:b:card", True),
        ("state_meta:card", True),
        ("user:pin", True),
        ("app:user:pin", True),
        ("pin", False),
        ("app:pin", False),
        ("postcard", False),
        ("card:app", False),
    ],
)
def test_m7_a_key_is_masked_behind_any_prefix(key: str, hidden: bool) -> None:
    redaction = Redaction(keys=["card", "user:pin"])
    assert redaction.hides(key) == hidden
    assert redaction.states({key: 1}) == {key: REDACTED if hidden else 1}
    assert redaction.hides_keys
    assert not Redaction().hides_keys


def test_m7_fields_of_values_are_masked_by_their_names_too() -> None:
    redaction = Redaction(keys=["card"])
    value = {"card": 1, "a": [{"card": {"b": 2}, "c": "d"}], "postcard": None}
    assert redaction.state("profile", value) == {
        "card": REDACTED,
        "a": [{"card": REDACTED, "c": "d"}],
        "postcard": None,
    }
    assert Redaction().state("profile", value) is value
