"""The same call again and again (wire 4.1)."""

import pytest

from livehandle_proto.values import FunctionCall
from livehandled.tools.repetition import Repetition
from support.tools import call


def test_the_same_call_is_taken_so_often_and_no_more() -> None:
    repetition = Repetition(lambda: 2)
    made = [repetition.exceeded(call(str(i), a=1)) for i in range(4)]
    assert made == [False, False, True, True]


@pytest.mark.parametrize("other", [call("", "g", a=1), call("", "f", a=2), call("", "f")])
def test_another_function_or_other_arguments_count_for_themselves(other: FunctionCall) -> None:
    repetition = Repetition(lambda: 1)
    assert not repetition.exceeded(call("", a=1))
    assert not repetition.exceeded(other)
    assert repetition.exceeded(call("", a=1))


def test_the_order_of_arguments_does_not_matter() -> None:
    repetition = Repetition(lambda: 1)
    assert not repetition.exceeded(call("", a=1, b={"c": 1, "d": 2}))
    assert repetition.exceeded(call("", b={"d": 2, "c": 1}, a=1))


def test_the_user_s_words_begin_anew() -> None:
    repetition = Repetition(lambda: 1)
    assert not repetition.exceeded(call(""))
    repetition.user_spoke()
    assert not repetition.exceeded(call(""))


def test_it_forgets_the_oldest_of_many() -> None:
    repetition = Repetition(lambda: 1)
    for number in range(1025):
        assert not repetition.exceeded(call("", a=number))
    assert not repetition.exceeded(call("", a=0))  # forgotten
    assert repetition.exceeded(call("", a=1024))
