"""What the methods of `state` answer: null and nothing are told apart."""

import msgspec
import pytest
from msgspec import UNSET

from livehandle_proto.states import Mutation, MutationsSince, StateChange, StateKeys, StateValue
from livehandle_proto.values import Value

MUTATION = {"sequence": 1, "key": "a", "origin": "set", "timestamp_ms": 7, "delta": False}
CHANGE = {"key": "a", "value": None, "sequence": 1, "origin": "set"}


def mutation(*, old: object = UNSET, new: object = UNSET) -> Mutation:
    return Mutation(
        sequence=1, key="a", old=old, new=new, origin="set", timestamp_ms=7, delta=False
    )


def change(*, removed: bool) -> StateChange:
    return StateChange(key="a", value=None, removed=removed, sequence=1, origin="set")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (StateValue(value=None, present=False), {"value": None, "present": False}),
        (StateValue(value=None, present=True), {"value": None, "present": True}),
        (StateKeys(keys=[]), {"keys": []}),
        (
            MutationsSince(mutations=[], cursor=0, more=False, gap=False),
            {"mutations": [], "cursor": 0, "more": False, "gap": False},
        ),
        (mutation(new=None), {**MUTATION, "new": None}),
        (mutation(old=None), {**MUTATION, "old": None}),
        (change(removed=False), {**CHANGE, "removed": False}),
        (change(removed=True), {**CHANGE, "removed": True}),
    ],
    ids=lambda case: type(case).__name__,
)
def test_null_and_nothing_are_told_apart_both_ways(value: Value, text: object) -> None:
    line = msgspec.json.encode(value)
    assert msgspec.json.decode(line) == text
    assert msgspec.json.decode(line, type=type(value)) == value
