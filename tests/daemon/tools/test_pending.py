"""Calls that wait, and the answers that wait for each other."""

from livehandle_proto.methods import ToolAnswer
from livehandle_proto.values import FunctionCall
from livehandled.tools.pending import Batch, Pending, PendingCalls
from livehandled.tools.registry import Registration
from support.tools import ToolClient, call

CLIENT = ToolClient("c1")


def answer(id_: str, name: str = "f") -> ToolAnswer:
    return ToolAnswer(id=id_, name=name, response=1)


def pending(id_: str, batch: Batch | None = None, **args: object) -> Pending:
    return Pending(
        FunctionCall(id=id_, name="f", args=args), Registration(CLIENT, 1.0), batch or Batch(), 5.0
    )


# The calls of one message.


def test_answers_are_due_when_nobody_is_waited_for() -> None:
    batch, waiting = Batch(), PendingCalls()
    one, two = pending("1", batch), pending("2", batch)
    for each in (one, two):
        waiting.add(each, ())
    assert not batch.due
    waiting.remove(one)
    batch.answer(answer("1"))
    assert not batch.due
    waiting.remove(two)
    assert batch.due


def test_an_empty_batch_is_never_due() -> None:
    batch = Batch()
    assert not batch.due
    batch.hurried = True
    assert not batch.due
    batch.lose()
    assert not batch.due


def test_once_hurried_answers_wait_for_nobody() -> None:
    batch = Batch()
    pending("1", batch)
    batch.answer(answer("2"))
    batch.hurried = True
    assert batch.due


def test_a_call_that_is_forgotten_leaves_neither_an_answer_nor_a_wait() -> None:
    batch = Batch()
    pending("1", batch)
    batch.answer(answer("2"))
    batch.forget("1")
    assert batch.due
    batch.forget("2")
    batch.forget("3")
    assert (batch.waiting, batch.answers) == (set(), {})


def test_of_a_lost_connection_what_clients_said_stays_and_our_own_errors_go() -> None:
    batch = Batch()
    pending("1", batch)
    batch.answer(answer("2"))
    batch.answer(answer("3"), made_here=True)
    batch.lose()
    assert list(batch.answers) == ["2"]
    assert batch.due


# A call.


def test_its_client_is_to_be_told_once() -> None:
    one = pending("1")
    assert (one.asked, one.unasked) == (None, CLIENT)
    one.told(CLIENT, lambda: True)
    assert (one.asked, one.unasked) == (CLIENT, None)
    assert one.taken_back()
    assert (one.asked, one.unasked) == (None, CLIENT)
    assert one.asked_before == {"c1"}
    assert not one.taken_back()  # there is nothing left to be taken back


def test_nobody_is_to_be_told_where_the_client_has_gone() -> None:
    one = pending("1")
    one.registration.client = None
    assert one.unasked is None


def test_made_again_it_keeps_the_clients_id_and_waits_in_the_new_frame() -> None:
    old, new = Batch(), Batch()
    one = pending("1", old)
    old.lose()
    assert one.lost
    one.made_again(call("2"), new)
    assert (one.call_id, one.key, one.lost) == ("1", "2", False)
    assert new.waiting == {"2"}


# All of them.


def test_calls_are_found_by_either_id() -> None:
    calls = PendingCalls()
    one, two = pending("1"), pending("2")
    calls.add(one, ())
    calls.add(two, ())
    one.made_again(call("3"), Batch())
    assert list(calls) == [one, two]
    assert calls.get("1") is one
    assert calls.get("3") is None
    assert calls.known_as({"2", "3"}) == [one, two]
    calls.remove(one)
    assert list(calls) == [two]
    assert not one.batch.waiting


def test_an_id_that_is_in_use_is_told_apart() -> None:
    calls = PendingCalls()
    one = pending("1")
    calls.add(one, ())
    one.made_again(call("9"), Batch())
    two = pending("1")
    calls.add(two, ())
    assert two.call_id == "1+"
    assert (calls.get("1"), calls.get("1+")) == (one, two)
    assert two.key == "1"


def test_only_a_lost_call_is_repeated_and_only_by_its_like() -> None:
    calls, batch = PendingCalls(), Batch()
    one = pending("1", batch, a=1)
    calls.add(one, ())
    assert calls.repeated_by(call("2", a=1)) is None
    batch.lose()
    assert calls.repeated_by(call("2", a=1)) is one
    assert calls.repeated_by(call("2", a=2)) is None
    assert calls.repeated_by(call("2", "g", a=1)) is None


def test_calls_may_be_removed_while_they_are_gone_through() -> None:
    calls = PendingCalls()
    for number in range(3):
        calls.add(pending(str(number)), ())
    for one in calls:
        calls.remove(one)
    assert list(calls) == []
