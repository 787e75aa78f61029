"""Patterns, and what is refused of them."""

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorSpec
from livehandled.extraction import regex_kind
from livehandled.extraction.regex_kind import Patterns


def patterns(**fields: str) -> Patterns:
    return Patterns(ExtractorSpec(name="Order", kind="regex", patterns=fields))


@pytest.mark.parametrize(
    ("pattern", "text", "value"),
    [
        ("latte|mocha", "a latte, no: a mocha please", "mocha"),
        (r"size (\w+)", "size big, or size small", "small"),
        (r"(a )?(?P<item>\w+) please", "a tea please", "tea"),
        (r"(?P<other>\w+) please", "tea please", "tea"),
        ("(latte)|mocha", "latte mocha", "latte"),
        ("(?i)LATTÉ", "ein latté", "latté"),
        (r"User: (.*)", "User: first\nAssistant: x\n\nUser: last", "last"),
        ("x", "y", None),
        ("", "ab", ""),
    ],
)
def test_the_last_match_gives_its_named_or_first_group_or_all_of_it(
    pattern: str, text: str, value: str | None
) -> None:
    found = patterns(item=pattern).find(text)
    assert found == (None if value is None else {"item": value})


def test_a_field_without_a_match_is_null_beside_one_with() -> None:
    assert patterns(item="latte", size="big").find("a latte") == {"item": "latte", "size": None}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("a(b", "missing ): a(b at position 0"),
        ("ab[z-a]", "invalid character class range: z-a at position 3"),
        ("(?=x)", "invalid perl operator"),
        (r"(x)\1", "invalid escape sequence"),
        ("(?:(?:a{1000}){1000}){1000}", "invalid repetition size"),
        ("\ud800", "lone surrogate"),
        (r"(?:\p{L}){9}", "too large"),
        (r"\p{L}{900}", "too large"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_by_its_field(pattern: str, said: str) -> None:
    with pytest.raises(LiveHandleError) as caught:
        patterns(ok="a", item=pattern)
    assert caught.value.name == "extraction.bad_spec"
    assert caught.value.data["param"] == "patterns.item"
    assert said in caught.value.message


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|a)*b", r"(x+x+)+y", r"(.*)*z"])
def test_what_stalls_a_backtracking_engine_is_done_at_once(pattern: str) -> None:
    assert patterns(item=pattern).find("a" * 5000 + "!") is None


def test_what_takes_too_long_fails_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex_kind, "_MAX_SECONDS", -1.0)
    with pytest.raises(LiveHandleError, match=r"patterns\.item of the extractor Order") as caught:
        patterns(item="x").find("x" * 100)
    assert caught.value.name == "extraction.failed"


def test_of_a_long_text_the_end_is_read() -> None:
    assert patterns(item="^.|last").find("f" + "x" * 10_000 + "last") == {"item": "last"}
    assert patterns(item="first").find("first" + "x" * 10_000) is None
