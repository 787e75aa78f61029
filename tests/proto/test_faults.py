"""Faults: what is one, and what is said of what is none."""

from itertools import product
from typing import get_args

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.faults import (
    MEANING,
    OWN_FIELDS,
    ClientKind,
    Fault,
    FaultKind,
    FaultMoment,
    ServerKind,
    check,
    fault_in,
    fields_given,
)

NEEDED = {"slow": {"bytes_per_s": 9}, "fragment": {"bytes": 9}, "oversize": {"bytes": 9}}
NEEDED["delay_pong"] = {"by_ms": 9}


def test_every_field_has_its_meaning_and_every_own_field_is_one() -> None:
    assert set(MEANING) == set(Fault.__struct_fields__)
    assert {name for names in OWN_FIELDS.values() for name in names} < set(MEANING)
    assert set(OWN_FIELDS) < set(get_args(FaultKind))


def test_the_moments_are_those_of_both_sides() -> None:
    both = {*get_args(ClientKind), *get_args(ServerKind)}
    assert set(get_args(FaultMoment)) == {"now", "upgrade", *both}
    assert len(both) == len(get_args(ClientKind)) + len(get_args(ServerKind))


@pytest.mark.parametrize("do", get_args(FaultKind))
def test_a_fault_at_any_moment_is_one_or_refused_in_words(do: FaultKind) -> None:
    for at, when in product(get_args(FaultMoment), ("before", "after", "instead")):
        message = at not in ("now", "upgrade")
        never = (do == "go_away" and at == "go_away") or (do == "refuse" and message)
        tree = {"do": do, "at": at, "when": when, **NEEDED.get(do, {})}
        if message and not never:
            assert fault_in(tree).moment == at
        else:
            wrong = wrong_field(tree)
            assert wrong == "at" if never else wrong in (None, "at", "when")


def wrong_field(tree: object) -> object:
    try:
        fault_in(tree)
    except LiveHandleError as error:
        return error.data["param"]
    return None


def test_a_refusal_is_always_at_an_upgrade() -> None:
    assert fault_in({"do": "refuse", "times": 0}).moment == "upgrade"
    assert Fault(do="close").moment == "now"


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1011, 1014, 3000, 4999])
def test_every_code_that_can_be_sent_is_taken(code: int) -> None:
    assert fault_in({"do": "close", "code": code}).code == code


@pytest.mark.parametrize(
    ("tree", "param", "said", "near"),
    [
        ([], None, "Correct the fault: it must be an object", None),
        ({}, "do", "Correct do of the fault: it is missing.", None),
        ({"do": "clos"}, "do", "did you mean close?", "close"),
        ({"do": "close", "cod": 1}, "cod", "there is no such key; did you mean code?", "code"),
        (
            {"do": "close", "at": "turncomplete"},
            "at",
            "turn_complete, upgrade, usage, video; did you mean turn_complete?",
            "turn_complete",
        ),
        ({"do": "close", "skip": -1}, "skip", "a whole number of at least 0", None),
        ({"do": "close", "code": 999}, "code", "a whole number of at least 1000", None),
        ({"do": "close", "code": 1005}, "code", "stands in no close frame", None),
        ({"do": "close", "code": 1015}, "code", "stands in no close frame", None),
        ({"do": "close", "code": 2000}, "code", "1000 to 1014 or 3000 to 4999", None),
        ({"do": "abort", "code": 1001}, "code", "belongs to close: leave it out", None),
        ({"do": "close", "bytes": 1}, "bytes", "belongs to fragment and oversize", None),
        ({"do": "slow"}, "bytes_per_s", "slow needs it", None),
        ({"do": "fragment"}, "bytes", "fragment needs it", None),
        ({"do": "oversize", "bytes": 0}, "bytes", "at least 1", None),
        ({"do": "delay_pong"}, "by_ms", "delay_pong needs it", None),
        ({"do": "drop_message"}, "at", "needs the kind of a message", None),
        ({"do": "close", "times": 2}, "times", "happens now happens once", None),
        ({"do": "forget", "after_ms": 1}, "after_ms", "forget happens at once", None),
    ],
)
def test_what_is_no_fault_is_told_by_its_field(
    tree: object, param: str | None, said: str, near: str | None
) -> None:
    with pytest.raises(LiveHandleError) as caught:
        fault_in(tree)
    assert caught.value.name == "config.invalid"
    assert caught.value.data.get("param") == param
    assert said in caught.value.message
    assert caught.value.data.get("did_you_mean") == near


def test_a_fault_made_by_hand_is_checked_as_well() -> None:
    check(Fault(do="close", code=4000))
    with pytest.raises(LiveHandleError, match="Correct code of the fault"):
        check(Fault(do="close", code=1006))


def test_what_is_at_its_default_is_not_given() -> None:
    assert fields_given(Fault(do="stall", pings=False, for_ms=5)) == ["do", "for_ms", "pings"]
    assert fields_given(fault_in({"do": "close", "code": 1011})) == ["do"]
