"""From results to the state: Q1, Q4, Q5, Q6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import (
    Extraction,
    ExtractionFailure,
    ExtractorSpec,
    Promotion,
    PromotionRule,
)
from livehandled.extraction.promotion import Told, equivalent, failed, keep, shown
from livehandled.redaction import REDACTED, Redaction
from livehandled.state import State

KEYS = ("item", "size", "count")


def state() -> State:
    return State(now_ms=lambda: 0)


def spec(*rules: PromotionRule, name: str = "Order") -> ExtractorSpec:
    return ExtractorSpec(name=name, kind="client", promote=list(rules))


def kept(shared: State, value: object, *rules: PromotionRule) -> list[Told]:
    return list(keep(shared, spec(*rules), value, 7))


def reasons(told: list[Told]) -> list[tuple[bool, str]]:
    return [(each.accepted, each.reason) for each in told if isinstance(each, Promotion)]


def test_q1_a_result_goes_under_the_name_and_its_field_under_the_field_s() -> None:
    shared = state()
    told = kept(shared, {"item": "latte"})
    assert shared.as_dict() == {"Order": {"item": "latte"}, "item": "latte"}
    assert told == [
        Extraction(name="Order", value={"item": "latte"}, turn=7),
        Extraction(name="Order.item", value="latte", turn=7),
    ]


def test_q4_with_rules_only_ruled_fields_are_promoted_and_the_source_is_noted() -> None:
    shared = state()
    value = {"emotional_state": "calm", "debt_acknowledged": True}
    told = kept(shared, value, PromotionRule(field="emotional_state", key="user:mood"))
    assert shared.as_dict() == {
        "Order": value,
        "state_meta:user:mood": {
            "source": "extraction",
            "extractor": "Order",
            "field": "emotional_state",
        },
        "user:mood": "calm",
    }
    assert told == [
        Extraction(name="Order", value=value, turn=7),
        Extraction(name="Order.emotional_state", value="calm", turn=7),
        Promotion(
            extractor="Order",
            field="emotional_state",
            state_key="user:mood",
            accepted=True,
            reason="promotion rule accepted the value",
            value="calm",
        ),
    ]


def test_q4_m9_what_was_promoted_has_evidence_of_its_source() -> None:
    shared = state()
    kept(shared, {"item": "latte"}, PromotionRule(field="item"))
    assert shared.evidence("item").source == "extraction"


def test_q4_a_ruled_field_that_the_result_lacks_is_not_told_of() -> None:
    assert len(kept(state(), {}, PromotionRule(field="item"))) == 1


RULE = PromotionRule(field="item", overwrite=False, one_of=["latte", "tea", "mocha"])


@pytest.mark.parametrize(
    ("known", "found", "reason"),
    [
        ("mocha", None, "extracted value was null"),
        ("cola", "  COLA ", "an equivalent value is already known"),
        ("mocha", "cola", "promotion predicate rejected the value"),
        ("mocha", "latte", "existing state value was kept"),
    ],
)
def test_q5_the_first_reason_there_is_rejects(known: str, found: str | None, reason: str) -> None:
    shared = state()
    shared.set("item", known)
    told = kept(shared, {"item": found}, RULE)
    assert reasons(told) == [(False, reason)]
    assert shared.get("item") == known
    assert not shared.contains("state_meta:item")
    assert [e.name for e in told if isinstance(e, Extraction)] == ["Order"]


@pytest.mark.parametrize(
    ("rule", "found", "accepted"),
    [
        (PromotionRule(field="n", min=2), 2, True),
        (PromotionRule(field="n", min=2), 1.9, False),
        (PromotionRule(field="n", min=0), True, False),
        (PromotionRule(field="n", min=0), "3", False),
        (PromotionRule(field="n", one_of=[True]), True, True),
        (PromotionRule(field="n", one_of=[True]), 1, False),
        (PromotionRule(field="n", one_of=["Flat White"]), "flat  white", True),
        (PromotionRule(field="n", min=2, one_of=[1, 3]), 1, False),
        (PromotionRule(field="n", min=2, one_of=[1, 3]), 3, True),
    ],
)
def test_q5_predicates(rule: PromotionRule, found: object, accepted: bool) -> None:
    assert [a for a, _ in reasons(kept(state(), {"n": found}, rule))] == [accepted]


def test_q6_a_result_of_null_is_none() -> None:
    shared = state()
    shared.set("Order", "kept")
    assert kept(shared, None) == []
    assert shared.get("Order") == "kept"


@given(
    st.lists(
        st.dictionaries(st.sampled_from(KEYS), st.none() | st.integers() | st.text(max_size=4)),
        max_size=8,
    ),
    st.booleans(),
)
def test_q6_nulls_never_erase(results: list[dict[str, object]], ruled: bool) -> None:
    shared = state()
    newest: dict[str, object] = {}
    rules = [PromotionRule(field=key) for key in KEYS] if ruled else []
    for result in results:
        kept(shared, result, *rules)
        newest |= {key: value for key, value in result.items() if value is not None}
    for key, value in newest.items():
        assert equivalent(shared.get(key), value)
    assert all(shared.contains(key) == (key in newest) for key in KEYS)


@pytest.mark.parametrize(
    "field",
    ["session:phase", "derived:x", "state_meta:item", "Order", "", "a b", "x" * 65, "a\n", "é"],
)
def test_q1_a_field_that_is_no_plain_key_is_not_written(field: str) -> None:
    shared = state()
    told = kept(shared, {field: "v", "item": "latte"})
    assert shared.get("item") == "latte"
    assert shared.keys() == ["Order", "item"]
    assert [(e.name, e.error.data["name"]) for e in told if isinstance(e, ExtractionFailure)] == [
        (f"Order.{field}", "extraction.failed")
    ]


def test_q1_a_result_of_very_many_fields_is_kept_and_not_promoted() -> None:
    shared = state()
    told = kept(shared, {f"f{i}": i for i in range(65)})
    assert shared.keys() == ["Order"]
    assert isinstance(told[-1], ExtractionFailure)


@pytest.mark.parametrize("value", ["latte", 3, ["a"], False])
def test_q1_a_result_that_is_no_object_has_no_fields(value: object) -> None:
    shared = state()
    assert kept(shared, value) == [Extraction(name="Order", value=value, turn=7)]
    assert shared.as_dict() == {"Order": value}


@pytest.mark.parametrize("rules", [(), (PromotionRule(field="item", key="session:silence_ms"),)])
def test_q6_what_the_state_refuses_is_a_failure_of_that_field_alone(
    rules: tuple[PromotionRule, ...],
) -> None:
    shared = state()
    shared.provide("session:silence_ms", lambda: 1)
    shared.provide("item", lambda: 1)
    told = kept(shared, {"item": "latte", "size": "big"}, *rules)
    failures = [e for e in told if isinstance(e, ExtractionFailure)]
    assert [(e.name, e.error.data["name"], e.turn) for e in failures] == [
        ("Order.item", "state.bad_key", 7)
    ]
    assert shared.get("Order") == {"item": "latte", "size": "big"}


def test_q6_a_name_that_the_state_refuses_is_a_failure() -> None:
    shared = state()
    shared.provide("Order", lambda: 1)
    (told,) = kept(shared, {"item": "latte"})
    assert isinstance(told, ExtractionFailure)
    assert shared.keys() == ["Order"]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Latte", " latte", True),
        ("a b", "a  B", True),
        ("ab", "a b", False),
        (1, 1.0, True),
        (1, True, False),
        (None, False, False),
        ([1, "A"], [1.0, "a"], True),
        ([1], [1, 2], False),
        ({"a": "X"}, {"a": "x"}, True),
        ({"a": 1}, {"b": 1}, False),
        ("1", 1, False),
    ],
)
def test_q5_what_says_the_same(a: object, b: object, same: bool) -> None:
    assert equivalent(a, b) is same
    assert equivalent(b, a) is same


# Redaction.

RULES = (PromotionRule(field="pin", key="user:pin"), PromotionRule(field="item"))


def test_m7_values_of_masked_keys_are_masked_in_events_and_not_in_the_state() -> None:
    shared = state()
    told = kept(shared, {"pin": 1, "item": "latte"}, *RULES)
    redaction = Redaction(keys=["pin"])
    events = [shown(one, spec(*RULES), redaction) for one in told]
    values = {
        one.name if isinstance(one, Extraction) else one.state_key: one.value
        for one in events
        if isinstance(one, Extraction | Promotion)
    }
    assert values == {
        "Order": {"pin": REDACTED, "item": "latte"},
        "Order.pin": REDACTED,
        "user:pin": REDACTED,
        "Order.item": "latte",
        "item": "latte",
    }
    assert shared.get("user:pin") == 1


def test_m7_without_rules_a_field_is_the_key_and_the_name_is_one_too() -> None:
    told = kept(state(), {"pin": 1})
    by_field = [shown(one, spec(), Redaction(keys=["pin"])) for one in told]
    assert [one.value for one in by_field if isinstance(one, Extraction)] == [
        {"pin": REDACTED},
        REDACTED,
    ]
    whole = shown(told[0], spec(), Redaction(keys=["Order"]))
    assert isinstance(whole, Extraction)
    assert whole.value == REDACTED


def test_z15_texts_in_results_and_in_errors_are_redacted() -> None:
    redaction = Redaction({"number": "44"})
    told = kept(state(), {"item": "44 lattes"})
    error = failed("Order", LiveHandleError("extraction.failed", "It said 44."), 1)
    events = [shown(one, spec(), redaction) for one in (*told, error)]
    assert [one.value for one in events if isinstance(one, Extraction)] == [
        {"item": f"{REDACTED} lattes"},
        f"{REDACTED} lattes",
    ]
    assert isinstance(events[-1], ExtractionFailure)
    assert events[-1].error.message == f"It said {REDACTED}."
    assert shown(told[0], spec(), Redaction()) is told[0]
