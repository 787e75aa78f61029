"""Every call of the model is answered once, whatever becomes of the client (protocol section 6)."""

import logging
from collections.abc import Iterator
from contextlib import nullcontext

import msgspec
import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.tools import ToolsRespond, ToolsUnregister
from support.tools import GRACE_S, TIMEOUT_S, ToolClient, ToolRig, call


def nested(levels: int) -> object:
    """Return lists in one another, so many."""
    value: object = 0
    for _ in range(levels):
        value = [value]
    return value


FULL = LiveHandleError("session.queue_full", "Too much waits.")


@pytest.fixture
def rig() -> ToolRig:
    return ToolRig(configured=["manual"])


@pytest.fixture
def client(rig: ToolRig) -> Iterator[ToolClient]:
    client = ToolClient("c1")
    rig.register(client, "f", "g")
    yield client
    ids = [asked.call_id for asked in client.asked]
    assert len(ids) == len(set(ids)), "a client was asked twice"


def refused(rig: ToolRig, client: ToolClient, call_id: str) -> str:
    with pytest.raises(LiveHandleError) as caught:
        rig.respond(client, call_id)
    assert caught.value.data["param"] == "call_id"
    return caught.value.name


# A call and its answer.


def test_a_call_goes_to_the_client_and_its_result_to_the_model(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call(call("1", a=[1]))
    assert client.events == []  # nothing is written while the session tells of the call
    rig.settle()
    (asked,) = client.asked
    assert (asked.call_id, asked.name, asked.args) == ("1", "f", {"a": [1]})
    assert asked.deadline_ms == 30_000
    rig.respond(client, "1", {"sum": 3})
    assert rig.answers == [[("1", {"sum": 3})]]
    assert rig.tools.deadline is None


@pytest.mark.parametrize("result", [None, 0, "", [], {"a": None}])
def test_any_result_is_passed_on(rig: ToolRig, client: ToolClient, result: object) -> None:
    rig.call("1")
    rig.settle()
    rig.respond(client, "1", result)
    assert rig.frames[0][0].response == result


def test_an_error_is_the_answer_and_scheduling_travels_with_it(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call("1")
    rig.settle()
    rig.tools.respond(ToolsRespond(call_id="1", error="no", scheduling="SILENT"), client)
    assert rig.answers == [[("1", {"error": "no"})]]
    assert rig.frames[0][0].scheduling == "SILENT"


def test_a_call_may_be_answered_before_it_was_asked(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.respond(client, "1")
    rig.settle()
    assert (client.events, rig.answers) == ([], [[("1", "ok")]])


def test_the_answers_to_one_message_travel_in_one_frame(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1", call("2", "g"), "3")
    rig.settle()
    for call_id in ("3", "1"):
        rig.respond(client, call_id)
        assert rig.frames == []
    rig.respond(client, "2")
    assert rig.answers == [[("3", "ok"), ("1", "ok"), ("2", "ok")]]


def test_two_messages_are_answered_apart(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.call("2")
    rig.settle()
    rig.respond(client, "2")
    rig.respond(client, "1")
    assert rig.answers == [[("2", "ok")], [("1", "ok")]]


def test_a_hundred_calls_at_a_time_are_each_answered_once(rig: ToolRig, client: ToolClient) -> None:
    ids = [str(number) for number in range(100)]
    rig.call(*ids[:50])
    for id_ in ids[50:]:
        rig.call(id_)
    rig.settle()
    assert [asked.call_id for asked in client.asked] == ids
    for id_ in reversed(ids):
        rig.respond(client, id_)
    assert len(rig.frames) == 51
    assert sorted((a.id for frame in rig.frames for a in frame), key=int) == ids


# Calls that no client carries out.


def test_a_call_of_nobody_is_answered_at_once_by_name(rig: ToolRig) -> None:
    rig.call(call("1", "nobody"))
    assert rig.frames == []
    rig.settle()
    (answer,) = rig.frames[0]
    assert answer.response == {
        "error": "There is no function nobody.",
        "reason": "unknown_tool",
        "retryable": False,
    }


def test_a_call_that_only_the_configuration_declares_is_left_alone(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call(call("1", "manual"), call("2"))
    rig.after(2 * TIMEOUT_S)
    assert rig.answers == [[("2", "timeout")]]
    assert refused(rig, client, "1") == "tools.unknown_call"


def test_the_error_of_an_unknown_function_waits_for_the_frame_of_its_message(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call(call("1", "nobody"), "2")
    rig.settle()
    assert rig.frames == []
    rig.respond(client, "2")
    assert rig.answers == [[("1", "unknown_tool"), ("2", "ok")]]


def test_the_same_call_again_and_again_is_not_carried_out() -> None:
    rig, client = ToolRig(max_repeats=2), ToolClient("c1")
    rig.register(client, "f")
    for number in range(4):
        rig.call(call(str(number), a=1))
        rig.settle()
        if number < 2:
            rig.respond(client, str(number))
    assert [reason for ((_, reason),) in rig.answers] == ["ok", "ok", "repeated", "repeated"]
    rig.tools.user_spoke()
    rig.call(call("4", a=1))
    rig.settle()
    assert client.asked[-1].call_id == "4"


def test_arguments_that_the_client_cannot_read_are_an_error(
    rig: ToolRig, client: ToolClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.line_bytes = 100
    rig.call(call("1", a="x" * 100), "2")
    rig.settle()
    rig.respond(client, "2")
    assert rig.answers == [[("1", "too_large"), ("2", "ok")]]
    assert "a client cannot be asked for f" in caplog.text


# Time.


def test_a_call_is_answered_when_its_time_is_over(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.after(TIMEOUT_S - 0.1)
    assert rig.frames == []
    rig.after(0.1)
    (answer,) = rig.frames[0]
    assert answer.response == {
        "error": "f gave no answer in 30000 ms.",
        "reason": "timeout",
        "retryable": False,
    }
    assert client.cancelled == [("1", "timeout")]
    assert refused(rig, client, "1") == "tools.call_expired"


def test_a_deadline_hurries_the_answers_beside_it(rig: ToolRig, client: ToolClient) -> None:
    slow = ToolClient("c2")
    rig.register(slow, "slow", timeout_ms=60_000)
    rig.call("1", call("2", "g"), call("3", "slow"))
    rig.settle()
    rig.respond(client, "1")
    rig.after(TIMEOUT_S)
    assert rig.answers == [[("1", "ok"), ("2", "timeout")]]
    rig.respond(slow, "3")
    assert rig.answers[1:] == [[("3", "ok")]]


def test_a_registration_may_take_its_own_time(rig: ToolRig) -> None:
    client = ToolClient("c2")
    rig.register(client, "quick", timeout_ms=1)
    rig.call(call("1", "quick"))
    rig.after(0.001)
    assert rig.answers == [[("1", "timeout")]]


# A model that wants no answer.


def test_a_cancelled_call_is_answered_to_nobody(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1", "2")
    rig.settle()
    rig.respond(client, "2")
    rig.tools.cancelled(["1"])
    assert client.cancelled == [("1", "cancelled")]
    assert refused(rig, client, "1") == "tools.call_expired"
    rig.settle()
    assert rig.answers == [[("2", "ok")]]  # which waited for it


def test_an_answer_that_waits_is_cancelled_too(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1", "2")
    rig.settle()
    rig.respond(client, "2")
    rig.tools.cancelled(["2", "1"])
    rig.after(2 * TIMEOUT_S)
    assert rig.frames == []


def test_what_was_not_written_yet_is_taken_back_and_never_told(
    rig: ToolRig, client: ToolClient
) -> None:
    client.stuck = True
    rig.call("1", "2")
    rig.settle()
    rig.tools.cancelled(["1"])
    client.flows()
    assert [asked.call_id for asked in client.asked] == ["2"]
    assert client.cancelled == []


def test_an_answer_by_send_tool_response_ends_the_call(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.settle()
    rig.tools.closed(["1"])
    assert client.cancelled == [("1", "answered")]
    assert refused(rig, client, "1") == "tools.call_expired"
    rig.after(2 * TIMEOUT_S)
    assert rig.frames == []


def test_a_late_answer_is_late_whoever_gives_it(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.settle()
    rig.respond(client, "1")
    assert refused(rig, client, "1") == "tools.call_expired"
    assert refused(rig, client, "0") == "tools.unknown_call"
    assert rig.answers == [[("1", "ok")]]


def test_a_call_of_another_client_is_unknown(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.settle()
    assert refused(rig, ToolClient("c2"), "1") == "tools.unknown_call"
    rig.respond(client, "1")


def test_only_the_last_thousand_calls_are_remembered(rig: ToolRig, client: ToolClient) -> None:
    for number in range(1025):
        rig.call(str(number))
        rig.respond(client, str(number))
    assert refused(rig, client, "0") == "tools.unknown_call"
    assert refused(rig, client, "1") == "tools.call_expired"


# A client that goes.


def test_a_gone_client_s_calls_are_answered_after_the_grace(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call("1")
    rig.settle()
    rig.leave(client)
    rig.after(GRACE_S - 0.1)
    assert rig.frames == []
    rig.after(0.1)
    (answer,) = rig.frames[0]
    assert answer.response == {
        "error": "The client that carried f out is gone.",
        "reason": "client_gone",
        "retryable": True,
    }
    assert client.cancelled == []


def test_the_end_of_the_grace_hurries_the_answers_beside_it(
    rig: ToolRig, client: ToolClient
) -> None:
    other = ToolClient("c2")
    rig.register(other, "h")
    rig.call("1", call("2", "h"))
    rig.settle()
    rig.leave(client)
    rig.after(GRACE_S)
    assert rig.answers == [[("1", "client_gone")]]
    rig.respond(other, "2")
    assert rig.answers[1:] == [[("2", "ok")]]


def test_the_deadline_may_come_in_the_grace(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.after(TIMEOUT_S - 1)
    rig.leave(client)
    rig.after(1)
    assert rig.answers == [[("1", "timeout")]]


def test_who_takes_over_is_asked_for_what_waits(rig: ToolRig, client: ToolClient) -> None:
    token = rig.register(client, "f", "g").registration
    rig.call("1")
    rig.after(1)
    rig.leave(client)
    rig.call(call("2", "g"))  # in the grace
    rig.after(1)
    heir = ToolClient("c2")
    rig.register(heir, token=token)
    assert heir.events == []  # the registration is answered first
    rig.settle()
    assert [(a.call_id, a.deadline_ms) for a in heir.asked] == [("1", 28_000), ("2", 29_000)]
    rig.respond(heir, "1")
    rig.respond(heir, "2")
    rig.after(2 * TIMEOUT_S)
    assert rig.answers == [[("1", "ok")], [("2", "ok")]]


def test_a_function_registered_anew_takes_its_calls_over_and_no_others(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call("1", call("2", "g"))
    rig.settle()
    rig.leave(client)
    heir = ToolClient("c2")
    rig.register(heir, "f")
    rig.settle()
    assert [asked.call_id for asked in heir.asked] == ["1"]
    rig.respond(heir, "1")
    rig.after(GRACE_S)
    assert rig.answers == [[("1", "ok"), ("2", "client_gone")]]


def test_from_a_living_client_calls_are_taken_with_a_word(rig: ToolRig, client: ToolClient) -> None:
    token = rig.register(client, "f", "g").registration
    rig.call("1")
    rig.settle()
    heir = ToolClient("c2")
    rig.register(heir, token=token)
    assert client.cancelled == [("1", "taken_over")]
    rig.settle()
    assert [asked.call_id for asked in heir.asked] == ["1"]
    assert refused(rig, client, "1") == "tools.call_expired"
    rig.respond(heir, "1")
    assert rig.answers == [[("1", "ok")]]


def test_a_call_that_waits_for_a_stuck_client_is_not_written_twice(
    rig: ToolRig, client: ToolClient
) -> None:
    client.stuck = True
    rig.call("1")
    rig.settle()
    rig.respond(client, "1")  # it knew of it from elsewhere
    client.flows()
    assert client.events == []


def test_to_register_again_asks_for_nothing_twice(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.settle()
    rig.register(client, "f")
    rig.settle()
    assert len(client.asked) == 1
    rig.respond(client, "1")


def test_what_is_no_longer_registered_is_answered_at_once(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.settle()
    rig.tools.unregister(ToolsUnregister(), client)
    assert client.cancelled == [("1", "cancelled")]
    rig.settle()
    assert rig.answers == [[("1", "unknown_tool")]]
    assert refused(rig, client, "1") == "tools.call_expired"


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b'{"call_id":"1","result":{"a":1}}', True),
        (b'{"call_id":"1","result":null}', True),
        (b'{"call_id":"1","error":"It failed."}', True),
        (b'{"call_id":"1","result":1,"error":null}', True),
        (b'{"call_id":"1"}', False),
        (b'{"call_id":"1","error":null}', False),
        (b'{"call_id":"1","result":null,"error":"It failed."}', False),
    ],
)
def test_an_answer_is_a_result_or_an_error(
    rig: ToolRig, client: ToolClient, answer: bytes, whole: bool
) -> None:
    rig.call("1")
    rig.settle()
    with nullcontext() if whole else pytest.raises(LiveHandleError, match="either"):
        rig.tools.respond(msgspec.json.decode(answer, type=ToolsRespond), client)
    assert len(rig.frames) == whole


def test_a_result_too_deep_for_the_model_is_refused_and_the_call_waits(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call("1")
    rig.settle()
    with pytest.raises(LiveHandleError) as caught:
        rig.respond(client, "1", nested(65))
    assert (caught.value.name, caught.value.data["param"]) == ("wire.invalid_params", "result")
    rig.respond(client, "1", nested(64))
    assert len(rig.frames) == 1


def test_a_call_whose_arguments_are_too_deep_is_answered_and_nobody_is_asked(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call(call("1", a=nested(64)))
    rig.settle()
    assert rig.answers == [[("1", "too_large")]]
    assert client.asked == []


def test_what_its_client_ends_waits_for_the_others_of_its_message(
    rig: ToolRig, client: ToolClient
) -> None:
    other = ToolClient("c2")
    rig.register(other, "h")
    rig.call("1", call("2", "h"))
    rig.settle()
    rig.tools.unregister(ToolsUnregister(), other)
    rig.settle()
    assert rig.frames == []
    rig.respond(client, "1")
    assert rig.answers == [[("2", "unknown_tool"), ("1", "ok")]]


# A connection to the model that is lost.


def test_a_lost_call_is_carried_out_all_the_same(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.settle()
    rig.tools.connection_lost()
    rig.tools.cancelled(["1"])  # as the session then tells everybody
    rig.after(1)
    assert client.cancelled == []
    rig.respond(client, "1")
    assert rig.answers == [[("1", "ok")]]


def test_a_lost_call_that_is_made_again_is_the_same(rig: ToolRig, client: ToolClient) -> None:
    rig.call(call("1", a=1))
    rig.settle()
    rig.tools.connection_lost()
    rig.call(call("8", a=1), call("9", a=2))
    rig.settle()
    assert [asked.call_id for asked in client.asked] == ["1", "9"]
    rig.respond(client, "1")
    assert rig.frames == []
    rig.respond(client, "9")
    assert rig.answers == [[("8", "ok"), ("9", "ok")]]


def test_a_call_made_again_is_cancelled_by_its_new_id(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.settle()
    rig.tools.connection_lost()
    rig.call("2")
    rig.tools.cancelled(["1"])
    assert client.cancelled == []
    rig.tools.cancelled(["2"])
    assert client.cancelled == [("1", "cancelled")]


def test_a_call_made_again_does_not_count_as_repeated() -> None:
    rig, client = ToolRig(max_repeats=1), ToolClient("c1")
    rig.register(client, "f")
    rig.call("1")
    rig.tools.connection_lost()
    rig.call("2")
    rig.respond(client, "1")
    assert rig.answers == [[("2", "ok")]]


@pytest.mark.parametrize("reason", ["timeout", "client_gone"])
def test_of_a_lost_call_the_model_hears_no_error(
    rig: ToolRig, client: ToolClient, reason: str
) -> None:
    rig.call("1")
    rig.settle()
    rig.tools.connection_lost()
    if reason == "client_gone":
        rig.leave(client)
    else:
        rig.after(TIMEOUT_S)
        assert client.cancelled == [("1", "timeout")]
    rig.after(TIMEOUT_S)
    assert rig.frames == []


def test_what_waited_for_others_is_told_when_the_connection_is_lost(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call("1", "2", call("3", "nobody"))
    rig.settle()
    rig.respond(client, "1")
    rig.tools.connection_lost()
    rig.tools.cancelled(["1", "2", "3"])  # as the session then tells everybody
    rig.settle()
    rig.respond(client, "2")
    assert rig.answers == [[("1", "ok")], [("2", "ok")]]


def test_an_answer_by_send_tool_response_ends_a_lost_call_too(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call("1")
    rig.settle()
    rig.tools.connection_lost()
    rig.tools.closed(["1"])
    assert client.cancelled == [("1", "answered")]


def test_an_id_of_a_lost_call_may_come_again_for_another(rig: ToolRig, client: ToolClient) -> None:
    rig.call(call("1", a=1))
    rig.settle()
    rig.tools.connection_lost()
    rig.call(call("1", a=2))
    rig.settle()
    assert client.cancelled == [("1", "cancelled")]
    assert [asked.args for asked in client.asked] == [{"a": 1}, {"a": 2}]
    assert refused(rig, client, "1") == "tools.call_expired"  # it is the first one's
    rig.respond(client, "1+", 2)
    assert rig.answers == [[("1", 2)]]


def test_two_calls_of_one_id_are_one(
    rig: ToolRig, client: ToolClient, caplog: pytest.LogCaptureFixture
) -> None:
    rig.call(call("1", a=1), call("1", a=2))
    rig.settle()
    rig.respond(client, "1")
    assert rig.answers == [[("1", "ok")]]
    assert "two calls of f have one id" in caplog.text


def test_at_the_end_of_the_session_all_is_over(rig: ToolRig, client: ToolClient) -> None:
    rig.call("1")
    rig.settle()
    rig.call(call("2", "nobody"))
    rig.tools.session_over()
    assert client.cancelled == [("1", "cancelled")]
    assert rig.tools.deadline is None
    rig.after(2 * TIMEOUT_S)
    assert rig.frames == []


# Answers that find no room, or nobody.


def test_an_answer_that_finds_no_room_is_sent_a_moment_later(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call("1", call("2", "nobody"))
    rig.settle()
    rig.failing = FULL
    rig.respond(client, "1")
    rig.after(0.15)
    assert rig.frames == []
    rig.failing = None
    rig.after(0.1)
    assert rig.answers == [[("2", "unknown_tool"), ("1", "ok")]]
    assert rig.tools.deadline is None


def test_while_an_answer_finds_no_room_the_call_may_be_cancelled(
    rig: ToolRig, client: ToolClient
) -> None:
    rig.call("1")
    rig.settle()
    rig.failing = FULL
    rig.respond(client, "1")
    rig.tools.cancelled(["1"])
    rig.failing = None
    rig.after(1)
    assert rig.frames == []


def test_an_answer_that_nobody_waits_for_takes_no_other_with_it(
    rig: ToolRig, client: ToolClient, caplog: pytest.LogCaptureFixture
) -> None:
    rig.call("1", "2")
    rig.settle()
    rig.unknown = {"1"}
    rig.respond(client, "1")
    rig.respond(client, "2")
    assert rig.answers == [[("2", "ok")]]
    assert "went nowhere: Nobody waits. [tools.unknown_call]" in caplog.text


def test_an_answer_that_nobody_waits_for_is_logged(
    rig: ToolRig, client: ToolClient, caplog: pytest.LogCaptureFixture
) -> None:
    rig.call("1")
    rig.settle()
    rig.failing = LiveHandleError("session.ended", "It has ended.")
    with caplog.at_level(logging.WARNING):
        rig.respond(client, "1")
    assert "went nowhere: It has ended. [session.ended]" in caplog.text
    assert rig.tools.deadline is None
