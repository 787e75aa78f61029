"""Reading and writing by key, type and scope (M1-M3, M6, M10): of the state and of a delta."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from msgspec import Struct

from livehandle_proto.errors import LiveHandleError
from livehandled.entries import MAX_DEPTH, MAX_KEY_CHARS, MAX_VALUE_BYTES, Entries
from livehandled.state import State

Nested = list["Nested"]


def new_state() -> State:
    return State(now_ms=lambda: 7)


@pytest.fixture(params=["state", "delta"])
def entries(request: pytest.FixtureRequest) -> Entries:
    state = new_state()
    state.set_derived("mood", "calm")
    state.set_derived("size", "large")
    state.provide("session:live", lambda: 42)
    return state if request.param == "state" else state.delta()


def test_m1_a_key_without_scope_falls_back_to_the_derived_one(entries: Entries) -> None:
    assert entries.get("mood") == "calm"
    assert entries.contains("mood")
    assert entries.get("app:mood") is None
    assert not entries.contains("app:mood")


def test_m1_the_exact_key_wins_over_the_derived_one(entries: Entries) -> None:
    entries.set("size", "small")
    assert entries.get("size") == "small"
    assert entries.get("derived:size") == "large"
    entries.remove("size")
    assert entries.get("size") == "large"


def test_m2_a_lenient_read_takes_a_wrong_type_for_no_value(entries: Entries) -> None:
    entries.set("app:n", 5)
    assert entries.get_as("app:n", int, None) == 5
    assert entries.get_as("app:n", str, None) is None
    assert entries.get_as("app:n", bool, None) is None
    assert entries.get_as("app:none", int, 3) == 3


def test_m2_a_strict_read_tells_a_wrong_type_from_no_value(entries: Entries) -> None:
    entries.set("k", "text")
    assert entries.try_get("k", str) == "text"
    assert entries.try_get("absent", int) is None
    with pytest.raises(LiveHandleError) as refused:
        entries.try_get("k", int)
    assert refused.value.name == "state.bad_value"
    assert refused.value.message == "state value at key 'k' is not the requested type"


def test_a_type_may_be_a_struct(entries: Entries) -> None:
    class Order(Struct):
        item: str
        count: int = 1

    entries.set("Order", {"item": "latte"})
    assert entries.try_get("Order", Order) == Order("latte", 1)


def test_m3_modify_loses_no_increment(entries: Entries) -> None:
    for _ in range(1000):
        entries.modify("app:n", 0, lambda n: n + 1)
    assert entries.get("app:n") == 1000


@pytest.mark.parametrize("stored", ["text", None, True, 1.5, [1], {"a": 1}])
def test_m3_a_value_of_the_wrong_type_gives_way_to_the_default(
    entries: Entries, stored: object
) -> None:
    entries.set("app:n", stored)
    assert entries.modify("app:n", 10, lambda n: n + 1) == 11
    assert entries.get("app:n") == 11


def test_with_a_default_of_none_modify_takes_any_type(entries: Entries) -> None:
    seen: list[object] = []

    def note(value: object) -> object:
        seen.append(value)
        return [value]

    entries.modify("app:x", None, note)
    entries.modify("app:x", None, note)
    assert seen == [None, [None]]


def test_what_modify_raises_leaves_the_value(entries: Entries) -> None:
    entries.set("app:n", 1)
    with pytest.raises(ZeroDivisionError):
        entries.modify("app:n", 0, lambda n: n // 0)
    assert entries.get("app:n") == 1


def test_m6_remove_returns_what_was_there(entries: Entries) -> None:
    entries.set("app:x", {"a": None})
    assert entries.remove("app:x") == {"a": None}
    assert entries.remove("app:x", "nothing") == "nothing"


def test_null_is_a_value(entries: Entries) -> None:
    entries.set("app:x", None)
    assert entries.contains("app:x")
    assert entries.get("app:x", "absent") is None
    assert entries.get("app:y", "absent") == "absent"
    assert "app:x" in entries.as_dict()


def test_clear_prefix_removes_the_keys_that_begin_so(entries: Entries) -> None:
    for key in ("turn:a", "turn:b", "turning", "app:turn:c"):
        entries.set(key, 1)
    entries.clear_prefix("turn:")
    assert entries.keys("turn") == ["turning"]
    assert entries.keys("app:") == ["app:turn:c"]


def test_an_empty_prefix_clears_all_that_callers_may_write(entries: Entries) -> None:
    entries.set("app:x", 1)
    entries.set("bare", 1)
    entries.clear_prefix("")
    assert entries.keys() == ["derived:mood", "derived:size", "session:live"]


def test_keys_are_sorted_and_filtered(entries: Entries) -> None:
    for key in ("user:b", "app:z", "user:a"):
        entries.set(key, 1)
    assert entries.keys("user:") == ["user:a", "user:b"]
    assert entries.keys() == sorted(entries.keys())
    assert list(entries.as_dict()) == entries.keys()


@pytest.mark.parametrize("scope", ["app", "user", "temp", "session", "turn", "bg"])
def test_m10_a_scope_is_a_read_write_view_without_its_prefix(entries: Entries, scope: str) -> None:
    view = getattr(entries, scope)
    view.set("x", 1)
    assert entries.get(f"{scope}:x") == view.get("x") == 1
    assert view.modify("x", 0, lambda n: n + 1) == 2
    assert view.get_as("x", int, 0) == view.try_get("x", int) == 2
    assert view.contains("x")
    assert view.keys()[-1:] == ["x"]
    assert view.remove("x") == 2
    assert not view.contains("x")


def test_m10_the_derived_scope_is_read_only(entries: Entries) -> None:
    assert entries.derived.get("mood") == "calm"
    assert entries.derived.keys() == ["mood", "size"]
    assert not hasattr(entries.derived, "set")
    assert not hasattr(entries.derived, "remove")


WRITES: dict[str, Callable[[Entries, str], object]] = {
    "set": lambda entries, key: entries.set(key, 1),
    "remove": lambda entries, key: entries.remove(key),
    "modify": lambda entries, key: entries.modify(key, 0, lambda n: n),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("key", ["derived:mood", "derived:new", "session:live"])
def test_m10_callers_do_not_write_what_the_daemon_computes(
    entries: Entries, write: str, key: str
) -> None:
    before = entries.as_dict()
    with pytest.raises(LiveHandleError, match="read-only") as refused:
        WRITES[write](entries, key)
    assert refused.value.name == "state.bad_key"
    assert entries.as_dict() == before


@pytest.mark.parametrize("prefix", ["derived:", "derived:mo"])
def test_m10_callers_do_not_clear_derived_keys(entries: Entries, prefix: str) -> None:
    with pytest.raises(LiveHandleError, match="read-only"):
        entries.clear_prefix(prefix)


USES: dict[str, Callable[[Entries, str], object]] = {
    **WRITES,
    "get": lambda entries, key: entries.get(key),
    "contains": lambda entries, key: entries.contains(key),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    "key", ["", "a\nb", "a\x00", "\x7f", "\x85", "\ud800", "x" * (MAX_KEY_CHARS + 1)]
)
def test_what_is_no_key_is_refused(entries: Entries, use: str, key: str) -> None:
    with pytest.raises(LiveHandleError) as refused:
        USES[use](entries, key)
    assert refused.value.name == "state.bad_key"
    assert refused.value.data["param"] == "key"


@pytest.mark.parametrize(
    "key", ["x", "x" * MAX_KEY_CHARS, "repair:a:escalate", "state_meta:app:x", "Ключ 鍵 🔑", ":"]
)
def test_any_other_text_is_a_key(entries: Entries, key: str) -> None:
    entries.set(key, 1)
    assert entries.get(key) == 1
    assert entries.keys(key) == [key]


def nested(levels: int) -> Nested:
    value: Nested = []
    for _ in range(levels - 1):
        value = [value]
    return value


def endless() -> Nested:
    value: Nested = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {"a": object()},
        {(1, 2): 3},
        "\ud800",
        float("nan"),
        [1, {"a": float("-inf")}],
        [None, (float("inf"),)],
        nested(MAX_DEPTH + 1),
        nested(5_000),
        {"a": nested(MAX_DEPTH)},
        endless(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_plain_json_is_refused(entries: Entries, value: object) -> None:
    entries.set("app:x", "before")
    with pytest.raises(LiveHandleError) as refused:
        entries.set("app:x", value)
    assert refused.value.name == "state.bad_value"
    with pytest.raises(LiveHandleError):
        entries.modify("app:x", None, lambda _: value)
    assert entries.get("app:x") == "before"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**63),
        2**64 - 1,
        1.5,
        "",
        "\u2028 and \U0001f600",
        [],
        {},
        [None, {"a": [None]}],
        [[]] * (MAX_DEPTH + 1),
        nested(MAX_DEPTH),
        [nested(MAX_DEPTH - 1), []],
    ],
    ids=lambda value: type(value).__name__,
)
def test_json_comes_back_as_it_was(entries: Entries, value: object) -> None:
    entries.set("app:x", value)
    assert entries.get("app:x") == value
    assert type(entries.get("app:x")) is type(value)


def test_what_msgspec_writes_as_json_is_read_back_as_json(entries: Entries) -> None:
    entries.set("app:x", (1, 2))
    assert entries.get("app:x") == [1, 2]
    at = datetime(2026, 1, 2, tzinfo=UTC)
    entries.set("app:x", at)
    assert entries.get("app:x") == "2026-01-02T00:00:00Z"
    assert entries.try_get("app:x", datetime) == at


def test_nobody_changes_the_state_by_changing_a_value(entries: Entries) -> None:
    given = {"list": [1]}
    entries.set("app:x", given)
    given["list"].append(2)
    got = entries.get_as("app:x", dict, {})
    got["list"].append(3)
    entries.as_dict().clear()
    nothing: dict[str, list[int]] = {}
    modified = entries.modify("app:x", nothing, lambda value: value)
    modified["list"].append(4)
    assert entries.get("app:x") == {"list": [1]}


def test_a_value_of_a_mebibyte_is_the_largest(entries: Entries) -> None:
    entries.set("app:x", "x" * (MAX_VALUE_BYTES - 2))
    with pytest.raises(LiveHandleError) as refused:
        entries.set("app:x", "x" * (MAX_VALUE_BYTES - 1))
    assert refused.value.name == "state.full"
    assert entries.get("app:x") == "x" * (MAX_VALUE_BYTES - 2)
