"""The shared state: journal, deltas, bounds, live keys (section M)."""

from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import UNSET

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.states import Mutation, StateChange
from livehandled import state as state_module
from livehandled.state import MAX_BYTES, MAX_KEYS, SavedState, State


class Clock:
    """A wall clock that moves by a millisecond whenever it is read."""

    def __init__(self) -> None:
        self.ms = 0

    def __call__(self) -> int:
        self.ms += 1
        return self.ms


def new_state() -> State:
    return State(now_ms=Clock())


def origins(state: State) -> list[tuple[str, str, bool]]:
    return [(m.key, m.origin, m.delta) for m in state.mutations_since(0)]


# The journal.


def test_m5_an_entry_has_all_fields() -> None:
    state = new_state()
    state.set("app:x", 1)
    state.set("app:x", None)
    state.remove("app:x")
    common = {"key": "app:x", "delta": False}
    assert [msgspec.to_builtins(m) for m in state.mutations_since(0)] == [
        {"sequence": 1, "new": 1, "origin": "set", "timestamp_ms": 1, **common},
        {"sequence": 2, "old": 1, "new": None, "origin": "set", "timestamp_ms": 2, **common},
        {"sequence": 3, "old": None, "origin": "remove", "timestamp_ms": 3, **common},
    ]


def test_m5_each_way_to_change_the_state_has_its_origin() -> None:
    state = new_state()
    state.set("a", 1)
    state.set_committed("a", 2)
    state.remove("a")
    state.set("turn:b", 1)
    state.clear_prefix("turn:")
    delta = state.delta()
    delta.set("c", 1)
    delta.commit()
    state.modify("d", 0, lambda n: n)
    state.set_derived("e", 1)
    assert origins(state) == [
        ("a", "set", False),
        ("a", "set_committed", False),
        ("a", "remove", False),
        ("turn:b", "set", False),
        ("turn:b", "clear_prefix", False),
        ("c", "set", True),
        ("c", "commit", False),
        ("d", "set", False),
        ("derived:e", "set_committed", False),
    ]


def test_m5_the_cursor_is_the_last_sequence() -> None:
    state = new_state()
    assert state.cursor == 0
    for n in range(5):
        state.set("n", n)
    assert state.cursor == 5
    assert [m.sequence for m in state.mutations_since(3)] == [4, 5]
    assert state.try_mutations_since(5) == []


def test_m5_a_gap_is_told_by_the_strict_reading_alone() -> None:
    state = new_state()
    for n in range(1025):
        state.set("n", n)
    assert state.try_mutations_since(0) is None
    assert len(state.mutations_since(0)) == 1024
    assert len(state.try_mutations_since(1) or []) == 1024
    assert state.try_mutations_since(1026) is None  # a cursor from before a restart


def test_m6_an_equal_value_is_a_mutation_and_removing_nothing_is_none() -> None:
    state = new_state()
    state.set("a", 1)
    state.set("a", 1)
    state.remove("b")
    state.clear_prefix("turn:")
    assert origins(state) == [("a", "set", False)] * 2


def test_what_is_refused_leaves_no_trace() -> None:
    changes: list[StateChange] = []
    state = State(now_ms=Clock(), on_change=changes.append)
    for key, value in (("", 1), ("derived:x", 1), ("a", object())):
        with pytest.raises(LiveHandleError):
            state.set(key, value)
    assert state.cursor == 0
    assert changes == []
    assert state.as_dict() == {}


# What is known of a key.


def test_m9_the_evidence_of_a_key() -> None:
    state = new_state()
    state.set("item", "latte")
    state.set("state_meta:item", {"source": "extraction", "extractor": "Order", "confidence": 0.9})
    assert msgspec.to_builtins(state.evidence("item")) == {
        "key": "item",
        "present": True,
        "value": "latte",
        "source": "extraction",
        "confidence": 0.9,
        "last_sequence": 1,
        "last_origin": "set",
    }


def test_m9_the_evidence_of_an_absent_key() -> None:
    state = new_state()
    assert msgspec.to_builtins(state.evidence("item")) == {
        "key": "item",
        "present": False,
        "value": None,
        "source": None,
        "confidence": None,
        "last_sequence": None,
        "last_origin": None,
    }
    state.set("item", 1)
    state.remove("item")
    removed = state.evidence("item")
    assert (removed.present, removed.last_sequence, removed.last_origin) == (False, 2, "remove")


@pytest.mark.parametrize("meta", ["text", None, [1], {"source": 1, "confidence": "high"}, {}])
def test_m9_meta_of_another_shape_is_none(meta: object) -> None:
    state = new_state()
    state.set("item", 1)
    state.set("state_meta:item", meta)
    evidence = state.evidence("item")
    assert (evidence.source, evidence.confidence) == (None, None)


def test_m9_confidence_may_be_an_integer_but_no_truth_value() -> None:
    state = new_state()
    state.set("state_meta:item", {"confidence": 1})
    assert state.evidence("item").confidence == 1.0
    state.set("state_meta:item", {"confidence": True})
    assert state.evidence("item").confidence is None


def test_m9_a_delta_is_no_evidence_until_it_is_committed() -> None:
    state = new_state()
    delta = state.delta()
    delta.set("item", 1)
    assert state.evidence("item").last_sequence is None
    delta.commit()
    assert state.evidence("item").last_origin == "commit"


# Deltas.


def test_m4_a_delta_is_invisible_until_it_is_committed() -> None:
    state = new_state()
    state.set("a", 1)
    state.set("turn:b", 2)
    before = state.as_dict()
    delta = state.delta()
    delta.set("c", 3)
    delta.modify("a", 0, lambda n: n + 10)
    delta.clear_prefix("turn:")
    assert state.as_dict() == before
    assert delta.as_dict() == {"a": 11, "c": 3}
    delta.commit()
    assert state.as_dict() == {"a": 11, "c": 3}


def test_m4_rollback_restores_after_remove_and_clear_prefix() -> None:
    state = new_state()
    state.set("a", 1)
    state.set("turn:b", 2)
    delta = state.delta()
    assert delta.remove("a") == 1
    delta.clear_prefix("turn:")
    assert delta.as_dict() == {}
    assert delta.get("a", "gone") == "gone"
    delta.rollback()
    assert delta.as_dict() == state.as_dict() == {"a": 1, "turn:b": 2}
    delta.commit()
    assert state.as_dict() == {"a": 1, "turn:b": 2}


def test_m4_a_delta_sees_what_the_state_has_got_meanwhile() -> None:
    state = new_state()
    delta = state.delta()
    delta.set("mine", 1)
    state.set("theirs", 2)
    state.set("mine", 3)
    assert delta.as_dict() == {"mine": 1, "theirs": 2}
    state.remove("mine")
    delta.remove("theirs")
    state.remove("theirs")
    delta.commit()
    assert state.as_dict() == {"mine": 1}
    assert ("theirs", "commit", False) not in origins(state)


def test_m4_what_came_and_went_in_a_delta_is_not_committed() -> None:
    state = new_state()
    delta = state.delta()
    delta.set("a", 1)
    delta.remove("a")
    delta.commit()
    assert [origin for _, origin, _ in origins(state)] == ["set", "remove"]
    assert state.as_dict() == {}


def test_m4_past_the_delta_a_write_is_seen_at_once() -> None:
    state = new_state()
    delta = state.delta()
    delta.set_committed("a", 1)
    assert state.get("a") == delta.get("a") == 1
    delta.rollback()
    assert state.get("a") == 1


def test_m4_a_delta_has_scopes_of_its_own() -> None:
    state = new_state()
    delta = state.delta()
    delta.app.set("x", 1)
    assert delta.app.keys() == ["x"]
    assert state.app.keys() == []


def test_m3_no_increment_is_lost_between_the_state_and_its_deltas() -> None:
    state = new_state()
    for _ in range(50):
        state.modify("n", 0, lambda n: n + 1)
        delta = state.delta()
        delta.modify("n", 0, lambda n: n + 1)
        delta.commit()
    assert state.get("n") == 100


# Who is told.


def test_each_mutation_is_told_once_after_it_is_applied() -> None:
    told: list[tuple[StateChange, object]] = []
    state = State(now_ms=Clock(), on_change=lambda c: told.append((c, state.get(c.key, "absent"))))
    state.set("a", 1)
    state.set("a", None)
    state.remove("a")
    assert told == [
        (StateChange(key="a", value=1, removed=False, sequence=1, origin="set"), 1),
        (StateChange(key="a", value=None, removed=False, sequence=2, origin="set"), None),
        (
            StateChange(key="a", value=None, removed=True, sequence=3, origin="remove"),
            "absent",
        ),
    ]


def test_a_delta_is_told_when_it_is_committed() -> None:
    told: list[StateChange] = []
    state = State(now_ms=Clock(), on_change=told.append)
    delta = state.delta()
    delta.set("a", 1)
    delta.set("a", 2)
    assert told == []
    delta.commit()
    assert [(c.key, c.value, c.origin, c.sequence) for c in told] == [("a", 2, "commit", 3)]


def test_what_is_told_is_no_part_of_the_state() -> None:
    told: list[StateChange] = []
    state = State(now_ms=Clock(), on_change=told.append)
    state.set("a", [1])
    cast("list[int]", told[0].value).append(2)
    assert state.get("a") == [1]


# Bounds.


def test_a_key_too_many_is_refused_and_others_go_on() -> None:
    state = new_state()
    for n in range(MAX_KEYS):
        state.set(f"app:{n}", n)
    with pytest.raises(LiveHandleError) as refused:
        state.set("app:more", 1)
    assert refused.value.name == "state.full"
    state.set("app:0", "another")
    state.remove("app:1")
    state.set("app:more", 1)


def test_a_byte_too_many_is_refused() -> None:
    state = new_state()
    for n in range(MAX_BYTES // 2**20 - 1):
        state.set(f"app:{n:02}", "x" * (2**20 - 8))  # with key and quotes 1 MiB
    state.set("app:ü", "x" * (2**20 - 10))  # 1 MiB but for 2 bytes
    state.set("b", 1)
    with pytest.raises(LiveHandleError) as refused:
        state.set("b", 10)
    assert refused.value.name == "state.full"
    state.set("b", 2)
    state.set("app:00", "shorter")
    state.set("b", 10)


def small(monkeypatch: pytest.MonkeyPatch, keys: int) -> State:
    monkeypatch.setattr(state_module, "MAX_KEYS", keys)
    return new_state()


def test_a_commit_without_room_for_all_applies_none(monkeypatch: pytest.MonkeyPatch) -> None:
    state = small(monkeypatch, keys=2)
    state.set("a", 1)
    delta = state.delta()
    delta.set("b", 2)
    delta.set("c", 3)
    with pytest.raises(LiveHandleError) as refused:
        delta.commit()
    assert refused.value.name == "state.full"
    assert state.as_dict() == {"a": 1}
    delta.remove("a")
    delta.commit()
    assert state.as_dict() == {"b": 2, "c": 3}


def test_the_daemon_goes_on_where_clients_have_filled_the_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = small(monkeypatch, keys=1)
    state.set("a", 1)
    state.keep("session:phase", "active")
    state.set("a", 1)  # takes nothing
    with pytest.raises(LiveHandleError):
        state.set_derived("b", 1)
    assert state.as_dict() == {"a": 1, "session:phase": "active"}


# What the daemon does.


def test_derived_keys_are_the_daemons_to_write() -> None:
    state = new_state()
    state.set_derived("mood", "calm")
    assert state.get("derived:mood") == state.get("mood") == "calm"
    state.set_derived("app:mood", "loud")
    assert state.get("app:mood") is None  # M1: only keys without a scope fall back
    with pytest.raises(LiveHandleError) as refused:
        state.set_derived("a\n", 1)
    assert refused.value.name == "state.bad_key"


def test_a_live_key_is_computed_when_it_is_read_and_never_journaled() -> None:
    state = new_state()
    at: list[int | None] = [None]
    state.provide("session:elapsed_ms", lambda: at[0])
    assert not state.contains("session:elapsed_ms")
    assert state.keys() == []
    assert state.as_dict() == {}
    at[0] = 100
    assert state.get("session:elapsed_ms") == 100
    at[0] = 200
    assert state.session.get_as("elapsed_ms", int, 0) == 200
    assert state.delta().get("session:elapsed_ms") == 200
    assert state.as_dict() == {"session:elapsed_ms": 200}
    assert state.session.keys() == ["elapsed_ms"]
    assert state.cursor == 0


def test_forget_keeps_the_prefixes_it_is_given() -> None:
    state = new_state()
    for key in ("app:a", "user:b", "session:c", "Order", "application"):
        state.set(key, 1)
    state.set_derived("d", 1)
    cursor = state.cursor
    state.forget(but=("app:", "user:"))
    assert state.keys() == ["app:a", "user:b"]
    assert {m.origin for m in state.mutations_since(cursor)} == {"clear_prefix"}
    assert state.cursor == cursor + 4


# Against a dictionary.

keys = st.sampled_from(["a", "b", "app:a", "app:b", "turn:a", "turn:b", "derived:a", "derived:b"])
writable = keys.filter(lambda key: not key.startswith("derived:"))
prefixes = st.sampled_from(["", "a", "app:", "turn:", "turn:a", "none:"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


def replay(mutations: list[Mutation]) -> dict[str, object]:
    """Rebuild the state as the documentation of `Mutation` says."""
    rebuilt: dict[str, object] = {}
    for mutation in mutations:
        if mutation.delta:
            continue
        assert rebuilt.get(mutation.key, UNSET) == mutation.old
        if mutation.new is UNSET:
            del rebuilt[mutation.key]
        else:
            rebuilt[mutation.key] = mutation.new
    return rebuilt


class StateAgainstADictionary(RuleBasedStateMachine):
    """The state and one delta of it do what dictionaries do."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[StateChange] = []
        self.state = State(now_ms=Clock(), on_change=self.told.append)
        self.model: dict[str, object] = {}
        self.delta = self.state.delta()
        self.changes: dict[str, object] = {}

    @initialize()
    def begin(self) -> None:
        self.state.set_derived("a", "derived")
        self.model["derived:a"] = "derived"

    @rule(key=writable, value=json_values, how=st.sampled_from(["set", "set_committed"]))
    def set(self, key: str, value: object, how: str) -> None:
        (self.state.set if how == "set" else self.delta.set_committed)(key, value)
        self.model[key] = value

    @rule(key=writable)
    def remove(self, key: str) -> None:
        assert self.state.remove(key, UNSET) == self.model.pop(key, UNSET)

    @rule(key=writable, by=st.integers(1, 3))
    def modify(self, key: str, by: int) -> None:
        old = self.model.get(key)
        number = old if isinstance(old, int) and not isinstance(old, bool) else 0
        assert self.state.modify(key, 0, lambda n: n + by) == number + by
        self.model[key] = number + by

    @rule(prefix=prefixes)
    def clear_prefix(self, prefix: str) -> None:
        self.state.clear_prefix(prefix)
        for key in [*self.model]:
            if key.startswith(prefix) and not key.startswith("derived:"):
                del self.model[key]

    @rule(key=writable, value=json_values)
    def set_in_delta(self, key: str, value: object) -> None:
        self.delta.set(key, value)
        self.changes[key] = value

    @rule(key=writable)
    def remove_in_delta(self, key: str) -> None:
        there = self.seen_by_delta().get(key, UNSET)
        assert self.delta.remove(key, UNSET) == there
        if there is not UNSET:
            self.changes[key] = UNSET

    @rule(prefix=prefixes)
    def clear_prefix_in_delta(self, prefix: str) -> None:
        for key in self.seen_by_delta():
            if key.startswith(prefix) and not key.startswith("derived:"):
                self.changes[key] = UNSET
        self.delta.clear_prefix(prefix)

    @rule()
    def commit(self) -> None:
        self.model = self.seen_by_delta()
        self.delta.commit()
        self.changes.clear()

    @rule()
    def rollback(self) -> None:
        self.delta.rollback()
        self.changes.clear()

    def seen_by_delta(self) -> dict[str, object]:
        seen = {**self.model, **self.changes}
        return {key: value for key, value in seen.items() if value is not UNSET}

    @invariant()
    def both_hold_the_same(self) -> None:
        assert self.state.as_dict() == self.model
        assert self.delta.as_dict() == self.seen_by_delta()
        assert self.delta.keys() == sorted(self.seen_by_delta())

    @invariant()
    def reading_falls_back(self) -> None:
        for entries, seen in ((self.state, self.model), (self.delta, self.seen_by_delta())):
            for key in ("a", "b", "app:a"):
                expected = seen.get(key, seen.get(f"derived:{key}", UNSET))
                assert entries.get(key, UNSET) == expected
                assert entries.contains(key) == (expected is not UNSET)

    @invariant()
    def the_journal_rebuilds_the_state(self) -> None:
        mutations = self.state.try_mutations_since(0)
        assert mutations is not None
        assert [m.sequence for m in mutations] == list(range(1, self.state.cursor + 1))
        assert replay(mutations) == self.model

    @invariant()
    def each_mutation_of_the_state_was_told(self) -> None:
        mutations = [m for m in self.state.mutations_since(0) if not m.delta]
        assert [(c.sequence, c.key, c.removed) for c in self.told] == [
            (m.sequence, m.key, m.new is UNSET) for m in mutations
        ]

    @invariant()
    def room_is_accounted_for(self) -> None:
        texts = ((key, self.state.text(key)) for key in self.state.as_dict())
        assert self.state._bytes == sum(len(key) + len(text or b"") for key, text in texts)


TestStateAgainstADictionary = StateAgainstADictionary.TestCase
# Each step checks all invariants, so fewer examples take as long as others' hundred.
TestStateAgainstADictionary.settings = settings(max_examples=settings().max_examples * 2 // 5)


# What outlives the daemon.


def told_to(told: list[StateChange]) -> State:
    return State(now_ms=Clock(), on_change=told.append)


def through_a_file(saved: SavedState) -> SavedState:
    return msgspec.json.decode(msgspec.json.encode(saved), type=SavedState)


@given(
    st.dictionaries(
        st.sampled_from(["app:a", "user:b", "session:c", "derived:d", "temp:é", "plain"]),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
            max_leaves=5,
        ),
    )
)
def test_what_is_restored_is_what_was_there(values: dict[str, object]) -> None:
    state, told = new_state(), list[StateChange]()
    for key, value in values.items():
        if key.startswith("derived:"):
            state.set_derived(key.removeprefix("derived:"), value)
        else:
            state.set(key, value)
    following = told_to(told)
    following.restore(through_a_file(state.export()))
    assert following.as_dict() == state.as_dict() == values
    assert following._bytes == state._bytes
    assert following.mutations_since(0) == []
    assert told == []
    assert following.cursor > state.cursor


def test_what_is_exported_does_not_change_with_the_state() -> None:
    state = new_state()
    state.set("a", [1])
    saved = state.export()
    state.set("a", [2])
    state.set("b", 1)
    following = new_state()
    following.restore(through_a_file(saved))
    assert following.as_dict() == {"a": [1]}


def test_live_keys_and_those_named_are_not_exported() -> None:
    state = new_state()
    for key in ("session:phase", "session:phase_of_the_moon", "app:a", "session:elapsed_ms"):
        state.set(key, "x")
    state.provide("session:elapsed_ms", lambda: 1)
    saved = state.export(without=frozenset({"session:phase", "session:none"}))
    assert sorted(saved.values) == ["app:a", "session:phase_of_the_moon"]


def test_m5_a_cursor_from_before_a_restart_is_a_gap_and_what_follows_is_not() -> None:
    state = new_state()
    for number in range(3):
        state.set("a", number)
    saved = through_a_file(state.export())
    state.set("a", "told, and never saved")
    unsaved = state.cursor
    following = new_state()
    following.restore(saved)
    begun = following.cursor
    assert following.try_mutations_since(begun) == []
    following.set("a", 3)
    for cursor in (0, 3, unsaved):
        assert following.try_mutations_since(cursor) is None
        assert [m.new for m in following.mutations_since(cursor)] == [3]
    assert [m.old for m in following.try_mutations_since(begun) or ()] == [2]


def test_m9_evidence_of_a_restored_key_has_no_mutation() -> None:
    state = new_state()
    state.set("a", 1)
    following = new_state()
    following.restore(through_a_file(state.export()))
    evidence = following.evidence("a")
    assert (evidence.present, evidence.value, evidence.last_sequence) == (True, 1, None)


def test_bounds_hold_for_what_was_restored() -> None:
    state = new_state()
    half = "x" * (MAX_BYTES // 8)
    for number in range(7):
        state.set(f"a{number}", half)
    following = new_state()
    following.restore(through_a_file(state.export()))
    with pytest.raises(LiveHandleError, match="holds at most"):
        following.set("b", half)
    following.remove("a0")
    following.set("b", half)
