"""Who carries which function out, and what it would be after a change."""

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.tools import MAX_DECLARED_BYTES, MAX_FUNCTIONS
from livehandled.gemini.opening import Function
from livehandled.tools.registry import Registration, Registry, unknown_registration
from support.tools import ToolClient

A, B = ToolClient("c1", "one"), ToolClient("c2", "two")


def functions(*names: str) -> dict[str, Function]:
    return {name: {"name": name} for name in names}


def registered(registry: Registry, client: ToolClient, *names: str) -> Registration:
    registration = Registration(client, 1.0)
    registry.table = registry.with_functions(registration, client, functions(*names))
    return registration


def test_a_table_is_replaced_and_never_changed() -> None:
    registry = Registry()
    before = registry.table
    registered(registry, A, "f")
    assert before == {}
    assert list(registry.table) == ["f"]


def test_each_registration_is_there_once_whatever_it_has() -> None:
    registry = Registry()
    one = registered(registry, A, "f", "g")
    two = registered(registry, B, "h")
    three = registered(registry, A, "i")
    assert list(registry.registrations()) == [one, two, three]
    assert registry.of(A) == [one, three]
    assert registry.of(ToolClient("c3")) == []


def test_a_registration_is_found_by_its_token_alone() -> None:
    registry = Registry()
    one = registered(registry, A, "f")
    assert len(one.token) == 16
    assert registry.by_token(one.token) is one
    for wrong in ("", one.token[:-1], one.token + "0", "\ud800", "é"):
        with pytest.raises(LiveHandleError) as caught:
            registry.by_token(wrong)
        assert caught.value.name == "tools.unknown_registration"
        assert one.token not in caught.value.message


def test_two_tokens_are_never_the_same() -> None:
    assert len({Registration(A, 1.0).token for _ in range(100)}) == 100


def test_a_function_of_another_client_is_taken() -> None:
    registry = Registry()
    registered(registry, A, "f")
    with pytest.raises(LiveHandleError) as caught:
        registry.with_functions(Registration(B, 1.0), B, functions("g", "f"))
    assert caught.value.name == "tools.name_taken"
    assert caught.value.data["holder"] == "c1"
    assert "c1 ('one') carries f out" in caught.value.message
    assert list(registry.table) == ["f"]


def test_a_function_changes_hands_where_its_client_has_gone_or_is_the_same() -> None:
    registry = Registry()
    old = registered(registry, A, "f", "g")
    new = Registration(A, 1.0)
    assert registry.with_functions(new, A, functions("f"))["f"].registration is new
    old.client = None
    table = registry.with_functions(Registration(B, 1.0), B, functions("f"))
    assert table["g"].registration is old
    assert list(table) == ["f", "g"]


def test_a_registration_s_new_functions_replace_its_old_ones_and_keep_their_places() -> None:
    registry = Registry()
    one = registered(registry, A, "f", "g")
    registered(registry, B, "h")
    table = registry.with_functions(one, A, functions("i", "g"))
    assert list(table) == ["g", "h", "i"]
    assert table["g"].registration is table["i"].registration is one


def test_who_presents_the_token_of_another_client_may_have_its_functions() -> None:
    registry = Registry()
    one = registered(registry, A, "f")
    assert registry.with_functions(one, B, functions("f"))["f"].registration is one


def test_a_table_without_some_registrations_keeps_the_others() -> None:
    registry = Registry()
    one = registered(registry, A, "f")
    registered(registry, B, "g")
    assert list(registry.without([one])) == ["g"]
    assert list(registry.without([])) == ["f", "g"]


def test_there_are_no_more_functions_than_a_session_takes() -> None:
    registry = Registry()
    registered(registry, A, *(f"f{i}" for i in range(MAX_FUNCTIONS)))
    with pytest.raises(LiveHandleError) as caught:
        registry.with_functions(Registration(B, 1.0), B, functions("g"))
    assert caught.value.name == "tools.bad_declaration"
    assert str(MAX_FUNCTIONS) in caught.value.message


def test_the_error_of_an_unknown_registration_says_what_to_do() -> None:
    assert "tools.register with declarations alone makes one" in unknown_registration().message


def test_declarations_of_all_clients_together_have_a_bound() -> None:
    registry = Registry()
    half = {"name": "a", "description": "x" * (MAX_DECLARED_BYTES // 2)}
    first, second = Registration(A, 1.0), Registration(B, 1.0)
    registry.table = registry.with_functions(first, A, {"a": half})
    with pytest.raises(LiveHandleError) as caught:
        registry.with_functions(second, B, {"b": {**half, "name": "b"}})
    assert caught.value.name == "tools.bad_declaration"
    assert "together" in caught.value.message
