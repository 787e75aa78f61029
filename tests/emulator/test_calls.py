"""Functions and calls."""

import pytest

from livehandle_emulator.answer import Call
from livehandle_emulator.calls import Calls
from livehandle_emulator.models import Model
from livehandled.gemini.content import FunctionResponse
from livehandled.gemini.setup import FunctionDeclaration, Tool


def calls_on(model: str, behavior: str | None = None) -> Calls:
    calls = Calls(Model(model), "s1")
    declarations = [FunctionDeclaration(name=name, behavior=behavior) for name in ("f", "g")]
    calls.declare([Tool(google_search={}), Tool(function_declarations=declarations)])
    return calls


def test_ids_are_new_for_every_call_and_for_every_session() -> None:
    first, second = calls_on("gemini-3.8-live").make([Call("f", {}), Call("f", {})])
    other = Calls(Model("gemini-3.8-live"), "s2")
    other.declare([Tool(function_declarations=[FunctionDeclaration(name="f")])])
    (third,) = other.make([Call("f", {})])
    assert len({first.id, second.id, third.id}) == 3


@pytest.mark.parametrize(
    ("model", "behavior", "blocks"),
    [
        ("gemini-3.8-live", None, False),
        ("gemini-3.8-live", "BLOCKING", True),
        ("gemini-3.8-live", "blocking", True),
        ("gemini-3.8-live-extended-thinking", None, False),
        ("gemini-live-2.5-flash", None, True),
        ("gemini-live-2.5-flash", "NON_BLOCKING", False),
        ("gemini-3.1-flash-live-preview", "NON_BLOCKING", True),
    ],
)
def test_what_holds_a_turn_up(model: str, behavior: str | None, blocks: bool) -> None:
    calls = calls_on(model, behavior)
    made = calls.make([Call("f", {})])
    assert calls.blocking(made) == ({made[0].id} if blocks else set())


def test_a_call_is_answered_once() -> None:
    calls = calls_on("gemini-3.8-live")
    (made,) = calls.make([Call("f", {})])
    answered = calls.answered(FunctionResponse(id=made.id))
    assert answered is not None
    assert (answered.id, answered.name) == (made.id, "f")
    assert calls.answered(FunctionResponse(id=made.id)) is None


def test_an_answer_that_will_continue_leaves_the_call_open() -> None:
    calls = calls_on("gemini-3.8-live")
    (made,) = calls.make([Call("f", {})])
    assert calls.answered(FunctionResponse(id=made.id, will_continue=True))
    assert calls.answered(FunctionResponse(id=made.id, will_continue=False))
    assert calls.answered(FunctionResponse(id=made.id)) is None


def test_an_answer_without_an_id_is_for_the_first_call_of_its_name() -> None:
    calls = calls_on("gemini-live-2.5-flash")
    made = calls.make([Call("g", {}), Call("f", {}), Call("f", {})])
    assert [calls.answered(FunctionResponse(name="f")) for _ in range(3)] == [
        (made[1].id, "f", True),
        (made[2].id, "f", True),
        None,
    ]


def test_nobody_waits_for_what_was_forgotten() -> None:
    calls = calls_on("gemini-live-2.5-flash")
    (made,) = calls.make([Call("f", {})])
    calls.forget([made.id, "another"])
    assert calls.answered(FunctionResponse(id=made.id)) is None


def test_a_new_tool_list_replaces_the_functions_and_keeps_the_calls() -> None:
    calls = calls_on("gemini-live-2.5-flash")
    (made,) = calls.make([Call("f", {})])
    calls.declare([])
    assert list(calls.functions) == []
    assert calls.answered(FunctionResponse(id=made.id)) is not None


def test_a_call_counts_as_made_once_the_client_has_been_told() -> None:
    calls = calls_on("gemini-3.8-live")
    made = calls.make([Call("f", {}), Call("g", {})])
    assert list(calls.unanswered) == []
    calls.sent(made[:1])
    assert [call.id for call in calls.unanswered] == [made[0].id]
    calls.forget([made[0].id])
    assert list(calls.unanswered) == []


def test_restored_calls_can_be_answered() -> None:
    calls = calls_on("gemini-3.8-live")
    calls.sent(calls.make([Call("f", {})]))
    call = calls.unanswered[0]
    later = Calls(Model("gemini-3.8-live"), "s2", calls.unanswered)
    assert later.of_another_connection(call.id)
    assert later.answered(FunctionResponse(id=call.id)) == call
    assert later.answered(FunctionResponse(id=call.id)) is None


@pytest.mark.parametrize(
    ("id_", "other"),
    [
        ("function-call-s1-1", False),
        ("function-call-s2-1", True),
        ("function-call-s11-1", True),
        ("mine", False),
        ("", False),
        (None, False),
    ],
)
def test_ids_of_the_service_are_known_from_those_of_this_connection(
    id_: str | None, other: bool
) -> None:
    assert calls_on("gemini-3.8-live").of_another_connection(id_) is other
