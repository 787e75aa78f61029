"""Patterns, and what is refused of them."""

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorSpec
from livehandled.extraction import regex_kind
from livehandled.extraction.regex_kind import Budget, Patterns


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
    found = patterns(item=pattern).find(text, Budget())
    assert found == (None if value is None else {"item": value})


def test_a_field_without_a_match_is_null_beside_one_with() -> None:
    assert patterns(item="latte", size="big").find("a latte", Budget()) == {
        "item": "latte",
        "size": None,
    }


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
    assert patterns(item=pattern).find("a" * 5000 + "!", Budget()) is None


def test_what_takes_too_long_fails_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex_kind, "_SECONDS", -1.0)
    with pytest.raises(LiveHandleError, match=r"patterns\.item of the extractor Order") as caught:
        patterns(item="x").find("x" * 100, Budget())
    assert caught.value.name == "extraction.failed"


def test_of_a_long_text_the_end_is_read() -> None:
    long = "x" * 10_000
    assert patterns(item="^.|last").find(f"f{long}last", Budget()) == {"item": "last"}
    assert patterns(item="first").find(f"first{long}", Budget()) is None


def test_the_end_is_measured_in_bytes_and_begins_with_a_whole_character() -> None:
    text = "☕" * 2_000
    found = patterns(item="^.*$").find(text, Budget())
    assert found == {"item": "☕" * (regex_kind._MAX_BYTES // 3)}


def test_one_budget_is_spent_by_all_that_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.001
        return now

    monkeypatch.setattr(regex_kind, "thread_time", clock)
    budget, found = Budget(), 0
    while budget.left > 0.005:
        assert patterns(item="x").find("x", budget) == {"item": "x"}
        found += 1
    assert 0 < found < 50
    many = patterns(**{f"f{i}": "x" for i in range(10)})
    with pytest.raises(LiveHandleError, match="together they take more than 50 ms"):
        many.find("x", budget)
    assert patterns(item="x").find("x", Budget()) == {"item": "x"}


@pytest.mark.parametrize("pattern", [r"((a?b?){40}){8}c", r"[ab]*a[ab]{300}c", "(a)" * 17])
def test_what_one_search_would_take_too_long_for_is_refused(pattern: str) -> None:
    with pytest.raises(LiveHandleError) as caught:
        patterns(item=pattern)
    assert (caught.value.name, caught.value.data["param"]) == (
        "extraction.bad_spec",
        "patterns.item",
    )


@pytest.mark.parametrize(
    "pattern",
    [
        r"[\w.+-]+@[\w-]+\.[\w.-]+",
        r"(?i)\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b",
        r"my name is ([A-Za-z\x{80}-\x{10FFFF}]+)",
        "(?i)(espresso|cappuccino|flat white|americano|macchiato|mocha|latte|cortado)",
        r"\p{Latin}+",
    ],
)
def test_patterns_of_everyday_size_are_taken(pattern: str) -> None:
    patterns(item=pattern)
