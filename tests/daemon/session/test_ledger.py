"""What was sent since the newest resumption handle, and what of it is sent again (decision Z7).

How it keeps a conversation whole is tested in `test_resumption`.
"""

from collections.abc import Callable, Collection, Iterable

import pytest

from livehandle_proto.methods import ToolAnswer
from livehandle_proto.values import FunctionCall
from livehandled.gemini.content import text_content
from livehandled.session import ledger as module
from livehandled.session.history import Told
from livehandled.session.ledger import Again, Ledger
from livehandled.session.outbox import Message

CALL = FunctionCall(id="c", name="f", args={})
LATER = 0.5
"""Seconds after a message was read, in which every model has taken it up."""


def message(name: str) -> Message:
    """Return a message by the first letter: text, user's or model's context, answer, media ...

    `t1` and `u1` stand in the transcript by the number 1.
    """
    frame = name.encode()
    match name[0]:
        case "t":
            return Message(frame, "text", [text_content(name, "user")], note=int(name[1:]))
        case "T":
            return Message(frame, "text", [text_content(name, "user")], note=1, at_rest=True)
        case "u":
            return Message(frame, "context", [text_content(name, "user")], note=int(name[1:]))
        case "b":
            turns = [text_content(f"{name}c", "model"), text_content(name, "user")]
            return Message(frame, "text", turns, note=1)
        case "c":
            return Message(frame, "context", [text_content(name, "model")], turn=7)
        case "r" | "l":
            answer = ToolAnswer(id="c", name="f", response=name)
            return Message(frame, "tool" if name[0] == "r" else "text", answers=[(CALL, answer)])
        case "a":
            return Message(frame, "text")
        case "s":
            return Message(frame, "seed")
        case "i":
            return Message(frame, "instruction")
        case "f":
            return Message(frame, "tools")
        case _:
            return Message(frame, "media")


def names(messages: Iterable[Message]) -> list[str]:
    return [one.frame.decode() for one in messages]


def words(told: Iterable[Told]) -> list[str]:
    return [f"{one.words}@{one.turn}" for one in told]


STEPS: dict[str, Callable[[Ledger], None]] = {
    "read": lambda ledger: ledger.read(ledger.last, 0.0),
    "reply soon": lambda ledger: ledger.reply_began(0.49),
    "reply": lambda ledger: ledger.reply_began(LATER),
    "turn soon": lambda ledger: ledger.turn_completed(0.09),
    "turn": lambda ledger: ledger.turn_completed(0.1),
    "interrupted": lambda ledger: ledger.interrupted(0.0, heard=False),
    "interrupted in speech": lambda ledger: ledger.interrupted(0.0, heard=True),
    "connected": Ledger.connected,
    "handle": Ledger.covered,
}


def after(*steps: str) -> Ledger:
    """Return a ledger after these steps: of `STEPS`, or a message that is written."""
    ledger = Ledger()
    for index, step in enumerate(steps, 1):
        if step in STEPS:
            STEPS[step](ledger)
        else:
            ledger.wrote(message(step), index)
    return ledger


@pytest.mark.parametrize(
    ("steps", "settled"),
    [
        ([], True),
        (["m"], True),
        (["t1"], False),
        (["t1", "read"], False),
        (["t1", "read", "reply soon"], False),
        (["t1", "read", "reply soon", "turn soon"], False),
        (["t1", "read", "reply soon", "turn"], True),
        (["t1", "read", "turn"], False),  # without a reply nobody was answered
        (["t1", "t2", "read", "reply soon", "turn"], False),  # the reply is the first's
        (["t1", "t2", "read", "reply soon", "turn", "reply"], True),
        (["t1", "read", "reply"], True),
        (["t1", "turn", "read"], False),
        (["c", "read", "turn soon"], False),
        (["c", "read", "turn"], True),
        (["r", "read", "turn"], True),
        (["s", "read", "turn"], True),
        (["s"], False),
        (["t1", "read", "reply", "t2"], False),
        # A text that nothing else can have asked for the reply with, and all that went before it.
        (["T", "reply soon"], True),
        (["c", "T", "reply soon"], True),
        (["T", "c", "reply soon"], False),
        (["connected", "s", "t1", "reply soon"], True),
        (["connected", "t1", "t2", "reply soon"], False),
        (["connected", "reply soon", "t1", "reply soon"], False),
        # A reply that is cut off without speech was cut off by the oldest text, and the next reply
        # is that one's; what was to be answered before has had its chance.
        (["t1", "interrupted", "reply soon"], True),
        (["t1", "t2", "interrupted", "reply soon"], False),
        (["T", "t2", "interrupted", "reply soon"], True),
        (["T", "t2", "t3", "interrupted", "reply soon"], False),
        (["T", "reply soon", "t2", "interrupted", "reply soon"], True),
        (["t1", "interrupted in speech", "reply"], False),
        (["t1", "read", "interrupted in speech", "reply soon"], True),
        (["interrupted"], True),
    ],
)
def test_a_message_is_taken_up_where_what_follows_can_only_have_come_after_it(
    steps: list[str], settled: bool
) -> None:
    assert after(*steps).settled is settled


def test_where_the_service_tells_how_far_it_has_come_no_time_counts() -> None:
    ledger = after("c1", "m", "c2")
    ledger.consumed(2)
    assert names(ledger.again([], anew=True).messages) == ["c2"]
    ledger.consumed(3)
    assert ledger.settled


@pytest.mark.parametrize(
    ("steps", "waiting", "again", "since", "owed"),
    [
        # Its turn is still to come.
        (["t1"], [1], ["t1"], [], False),
        (["t1", "read"], [1], ["t1"], [], False),
        (["t1", "read", "turn"], [1], ["t1"], [], False),
        (["u1", "read"], [1], ["u1"], [], False),
        (["b"], [1], ["b"], [], False),
        # Its turn is over, and is told.
        (["t1"], [], [], [], True),
        (["t1", "read", "turn"], [], [], [], True),
        (["t1", "read", "reply"], [], [], [], False),
        (["u1"], [], [], [], False),
        (["b"], [], [], ["bc@0"], True),
        (["b", "read", "reply"], [], [], ["bc@0"], False),
        # No transcript has it.
        (["c"], [], ["c"], [], False),
        (["c", "read"], [], [], ["c@7"], False),
        (["c", "read", "turn"], [], [], ["c@7"], False),
        # It is among the transcript's tools once it was taken up, and told again before.
        (["r", "l"], [], ["r", "l"], [], False),
        (["r", "read", "turn"], [], [], [], False),
        (["l", "read", "turn"], [], [], [], True),
        (["l", "read", "reply"], [], [], [], False),
        # It only asks.
        (["a"], [], [], [], True),
        (["a", "read", "reply"], [], [], [], False),
        # A history is told anew, media is worth nothing once it is late.
        (["s", "i", "m"], [], [], [], False),
        (["c", "t1", "r", "t2"], [2], ["c", "r", "t2"], [], True),
        (["c", "t1", "read", "reply", "handle"], [], [], [], False),
        (["c1", "read", "turn", "handle", "c2"], [], ["c2"], [], False),
    ],
)
def test_what_is_not_told_by_the_history_is_sent_again_in_order(
    steps: list[str], waiting: Collection[int], again: list[str], since: list[str], owed: bool
) -> None:
    messages, told, owes = after(*steps).again(waiting, anew=False)
    assert (names(messages), words(told), owes) == (again, since, owed)


@pytest.mark.parametrize(
    ("steps", "waiting", "again", "owed"),
    [
        (["t1"], [], ["t1"], False),
        (["t1", "c", "read", "turn"], [], [], False),
        (["t1", "read", "turn"], [1], ["t1"], False),
        (["c", "r", "t2"], [], ["c", "r", "t2"], False),
        (["a"], [], [], True),
        (["s"], [], [], False),
    ],
)
def test_where_nothing_is_told_only_what_was_not_taken_up_is_sent_again(
    steps: list[str], waiting: Collection[int], again: list[str], owed: bool
) -> None:
    messages, _, owes = after(*steps).again(waiting, anew=True)
    assert (names(messages), owes) == (again, owed)


def test_after_the_connection_only_what_is_to_be_told_is_remembered() -> None:
    ledger = after("t1", "c", "read", "turn", "c2")
    ledger.lost(ledger.again([], anew=False).since)
    assert ledger.again([], anew=False) == Again([], [], owed=False)
    assert (ledger.settled, ledger.unread, ledger.unanswered) == (True, False, False)
    assert words(ledger.since) == ["c@7"]
    ledger.covered()
    assert (words(ledger.told), words(ledger.since)) == (["c@7"], [])


@pytest.mark.parametrize(
    ("steps", "unread", "unanswered"),
    [
        ([], False, False),
        (["m"], False, False),
        (["t1"], True, True),
        (["t1", "read"], False, True),
        (["t1", "read", "t2"], True, True),
        (["t1", "read", "reply"], False, False),
        (["T", "reply soon"], False, False),
        (["c", "u1", "r"], True, False),
        (["c", "u1", "r", "read"], False, False),
    ],
)
def test_what_is_on_its_way_and_what_waits_for_a_reply_is_known(
    steps: list[str], unread: bool, unanswered: bool
) -> None:
    ledger = after(*steps)
    assert (ledger.unread, ledger.unanswered) == (unread, unanswered)


@pytest.mark.parametrize(
    ("steps", "cuts_off"),
    [
        ([], False),
        (["c"], True),
        (["s", "c"], True),
        (["i"], True),
        (["f"], True),
        (["s"], True),
        (["c", "t1"], False),
        (["c", "read", "turn"], False),
    ],
)
def test_context_alone_may_have_cut_a_reply_off(steps: list[str], cuts_off: bool) -> None:
    assert after(*steps).cuts_off is cuts_off


def test_messages_are_numbered_and_read_up_to_a_number() -> None:
    ledger = after("t1", "m", "t2", "t3")
    assert ledger.last == 3
    ledger.read(2, 0.0)
    ledger.read(1, 9.0)  # a pong that came late takes nothing back
    ledger.reply_began(LATER)
    assert names(ledger.again([], anew=True).messages) == ["t3"]
    assert ledger.unread


def test_what_may_have_closed_the_connection_twice_is_taken_out() -> None:
    ledger = after("t1", "read", "reply", "t2", "m")
    assert ledger.suspect() == []
    [again] = ledger.again([2], anew=False).messages
    ledger.lost([])
    ledger.wrote(again, 1)
    assert names(ledger.suspect()) == ["t2"]
    assert ledger.again([2], anew=False).messages == []


def test_what_a_handle_covers_of_context_is_remembered_and_bounded() -> None:
    ledger = Ledger()
    for number in range(module._MAX_TOLD + 10):
        ledger.wrote(message(f"c{number}"), number)
    ledger.wrote(message("t1"), 999)
    ledger.wrote(message("r"), 999)
    ledger.covered()
    assert words(ledger.told)[0] == "c10@7"
    assert words(ledger.told)[-1] == "c265@7"
    assert ledger.whole


def test_where_no_handle_ever_comes_the_ledger_stays_small_and_says_that_it_is_not_whole() -> None:
    ledger = Ledger()
    for number in range(1000):  # no reply follows it
        ledger.wrote(message(f"c{number}"), number)
        ledger.read(ledger.last, float(number))
    again = ledger.again([], anew=False)
    assert again.messages == []
    assert (len(ledger._sent), len(again.since), len(ledger.told)) == (256, 256, 256)
    assert [len(ledger.since), ledger.whole] == [256, False]
    ledger.covered()
    assert ledger.whole


def test_what_is_remembered_of_context_is_bounded_in_characters_too() -> None:
    ledger = Ledger()
    for number in range(5):
        turn = text_content("x" * 400_000, "model")
        ledger.wrote(Message(b"c", "context", [turn]), number)
    ledger.covered()
    assert len(ledger.told) == 2


def test_what_was_told_over_many_connections_is_bounded_too() -> None:
    ledger = Ledger()
    for number in range(300):
        ledger.wrote(message(f"c{number}"), number)
        ledger.read(ledger.last, 0.0)
        ledger.turn_completed(LATER)
        ledger.lost([*ledger.since, *ledger.again([], anew=False).since])
    assert (len(ledger.since), len(ledger.told)) == (256, 44)
    assert not ledger.whole


def test_what_nobody_may_have_read_and_what_was_not_answered_is_never_forgotten() -> None:
    ledger = Ledger()
    for number in range(1000):
        ledger.wrote(message(f"c{number}" if number % 2 else f"t{number}"), number)
    assert len(ledger.again(range(1000), anew=False).messages) == 1000
