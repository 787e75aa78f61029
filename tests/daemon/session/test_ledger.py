"""What may have to be sent again, until a resumption handle covers it (decision Z7)."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from livehandle_proto.methods import ToolAnswer
from livehandle_proto.values import FunctionCall
from livehandled.gemini.content import text_content
from livehandled.session import ledger as module
from livehandled.session.ledger import Ledger
from livehandled.session.outbox import Message

CALL = FunctionCall(id="c", name="f", args={})


def message(name: str) -> Message:
    """Return a message by the first letter: text, user's or model's context, answer, media."""
    frame = name.encode()
    match name[0]:
        case "t":
            return Message(frame, "text", note=1)
        case "u":
            return Message(frame, "context", [text_content(name, "user")], note=1)
        case "c":
            return Message(frame, "context", [text_content(name, "model")])
        case "r":
            answer = ToolAnswer(id="c", name="f", response=name)
            return Message(frame, "tool", answers=[(CALL, answer)])
        case _:
            return Message(frame, "media")


def names(messages: Iterable[Message]) -> list[str]:
    return [one.frame.decode() for one in messages]


def told(ledger: Ledger) -> list[str]:
    return [part.text or "" for turn in ledger.told for part in turn.parts]


STEPS: dict[str, Callable[[Ledger], None]] = {
    "read": lambda ledger: ledger.read(ledger.last),
    "reply": lambda ledger: ledger.reply_began(0.0),
    "turn": lambda ledger: ledger.turn_completed(0.0),
    "handle": Ledger.handle_came,
}


def after(*steps: str) -> Ledger:
    """Return a ledger after these steps: of `STEPS`, or a message that is written."""
    ledger = Ledger()
    for step in steps:
        if step in STEPS:
            STEPS[step](ledger)
        else:
            ledger.wrote(message(step), 0.0)
    return ledger


def test_what_may_have_closed_the_connection_twice_is_taken_out() -> None:
    ledger = after("t1", "read", "reply", "t2", "m")
    assert ledger.suspect() == []
    [again] = ledger.take_back(resumed=True)[0]
    ledger.wrote(again, 1.0)
    assert names(ledger.suspect()) == ["t2"]
    assert ledger.take_back(resumed=True) == ([], False)


def test_a_reply_that_is_cut_off_without_speech_was_cut_off_by_the_oldest_text() -> None:
    ledger = after("t1", "t2")
    ledger.interrupted()
    ledger.reply_began(0.0)
    assert names(ledger.take_back(resumed=False)[0]) == ["t2"]


def test_where_no_handle_ever_comes_the_ledger_stays_small() -> None:
    ledger = Ledger()
    for number in range(1000):
        ledger.wrote(message(f"c{number}"), 0.0)
        ledger.read(ledger.last)
        ledger.reply_began(0.0)
    assert len(ledger.pending()) == 256
    assert len(ledger.told) == 256


@pytest.mark.parametrize(("seconds", "again"), [(0.4, ["t"]), (0.5, [])])
def test_where_the_pong_is_late_the_time_that_has_gone_by_tells_that_a_text_was_read(
    seconds: float, again: list[str]
) -> None:
    ledger = after("t")
    ledger.reply_began(seconds)
    assert [message.frame.decode() for message in ledger.take_back(resumed=False)[0]] == again


@pytest.mark.parametrize(
    ("steps", "again", "owed"),
    [
        # Nobody knows whether it has arrived.
        (["t"], ["t"], False),
        (["t", "read"], ["t"], False),
        # A handle covers what was read before the progress that it was cut at, and no more.
        (["t", "handle"], ["t"], False),
        (["t", "read", "handle"], ["t"], False),
        (["t", "turn", "handle"], ["t"], False),
        (["t", "turn", "read", "handle"], ["t"], False),
        (["c", "read", "turn"], ["c"], False),
        (["c", "read", "turn", "handle"], [], False),
        (["u", "read", "turn", "handle"], [], False),
        (["r", "read", "turn", "handle"], [], False),
        # Covered, but a reply is still to come.
        (["t", "read", "turn", "handle"], [], True),
        (["t1", "read", "turn", "handle", "t2"], ["t2"], True),
        (["t", "read", "turn", "handle", "reply"], [], False),
        # What has been answered is in the transcript; context of the model's is not.
        (["t", "read", "reply"], [], False),
        (["u", "read", "reply"], [], False),
        (["r", "read", "reply"], [], False),
        (["c", "read", "reply"], ["c"], False),
        (["c", "read", "reply", "handle"], [], False),
        # A reply that began before the text was read does not answer it.
        (["t", "reply", "read"], ["t"], False),
        (["t1", "read", "t2", "reply"], ["t2"], False),
        (["t1", "read", "t2", "reply", "handle", "read", "turn"], ["t2"], False),
        # In order.
        (["c", "t", "r", "u"], ["c", "t", "r", "u"], False),
        # Media is worth nothing once it is late.
        (["m"], [], False),
    ],
)
def test_what_the_newest_handle_does_not_cover_is_sent_again_in_order(
    steps: list[str], again: list[str], owed: bool
) -> None:
    ledger = after(*steps)
    assert names(ledger.pending()) == again
    messages, owes = ledger.take_back(resumed=True)
    assert (names(messages), owes) == (again, owed)


@pytest.mark.parametrize(
    ("steps", "again", "before"),
    [
        (["t"], ["t"], []),
        (["t", "read", "turn", "handle"], ["t"], []),
        (["t", "read", "reply"], [], []),
        (["c", "read", "turn"], ["c"], []),
        (["c", "read", "reply"], [], ["c"]),
        (["c", "read", "turn", "handle"], [], ["c"]),
        (["u", "read", "turn", "handle"], ["u"], []),
        (["u", "read", "reply"], [], []),
        (["r", "read", "turn", "handle"], [], []),
        (["c1", "c2", "read", "reply", "c3", "t"], ["c3", "t"], ["c1", "c2"]),
        (["c1", "read", "turn", "handle", "c2", "read", "reply"], [], ["c1", "c2"]),
    ],
)
def test_a_session_begun_anew_gets_what_was_not_answered_and_is_told_the_rest(
    steps: list[str], again: list[str], before: list[str]
) -> None:
    ledger = after(*steps)
    messages, owed = ledger.take_back(resumed=False)
    assert (names(messages), owed) == (again, False)
    assert told(ledger) == before


def test_what_was_taken_back_is_the_outboxs_again() -> None:
    ledger = after("t", "c", "read", "turn", "t2")
    ledger.take_back(resumed=True)
    assert ledger.pending() == []
    assert not ledger.unread
    assert not ledger.unanswered
    assert ledger.take_back(resumed=True) == ([], False)


def test_a_reply_is_owed_at_every_resume_until_it_begins() -> None:
    ledger = after("t", "read", "turn", "handle")
    for _ in range(2):
        assert ledger.take_back(resumed=True) == ([], True)
    seen = [ledger.unanswered]
    ledger.reply_began(0.0)
    seen.append(ledger.unanswered)
    assert seen == [True, False]
    assert ledger.take_back(resumed=True) == ([], False)


def test_a_covered_text_without_an_answer_is_not_lost_with_its_handle() -> None:
    ledger = after("t", "read", "turn", "handle")
    ledger.take_back(resumed=True)
    messages, _ = ledger.take_back(resumed=False)
    assert names(messages) == ["t"]


@pytest.mark.parametrize(
    ("steps", "unread", "unanswered"),
    [
        ([], False, False),
        (["m"], False, False),
        (["t"], True, True),
        (["t", "read"], False, True),
        (["t", "read", "t"], True, True),
        (["t", "read", "reply"], False, False),
        (["t", "read", "turn", "handle"], False, True),
        (["c", "u", "r"], True, False),
        (["c", "u", "r", "read"], False, False),
    ],
)
def test_what_is_on_its_way_and_what_waits_for_a_reply_is_known(
    steps: list[str], unread: bool, unanswered: bool
) -> None:
    ledger = after(*steps)
    assert (ledger.unread, ledger.unanswered) == (unread, unanswered)


def test_messages_are_numbered_and_read_up_to_a_number() -> None:
    ledger = after("t1", "m", "t2", "t3")
    assert ledger.last == 3
    ledger.read(2)
    ledger.reply_began(0.0)
    assert names(ledger.pending()) == ["t3"]
    ledger.read(1)  # a pong that came late takes nothing back
    assert ledger.unread


def test_what_is_remembered_of_context_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    for number in range(module._MAX_TOLD + 10):
        ledger.wrote(message(f"c{number}"), 0.0)
    for step in ("read", "turn", "handle"):
        STEPS[step](ledger)
    assert told(ledger)[0] == "c10"
    assert len(ledger.told) == module._MAX_TOLD
    assert ledger.pending() == []


# Against a service.


class Past(NamedTuple):
    """What a handle restores: the history, and what of it no reply has taken up."""

    history: tuple[str, ...]
    unanswered: frozenset[str]


class ServiceModel(RuleBasedStateMachine):
    """A client with a ledger, a service, and a connection that may be lost at any moment.

    The service takes messages in their order, answers the ping behind each, and may be as slow
    as it likes. It replies to what asks for a reply. A handle is cut where a turn completes, or
    as well where a reply begins, and sent then or later, but before the next progress.

    The client does with the ledger what the session does: see `Session.take` and `_resumed`.
    """

    at_replies = False

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.sent: list[str] = []
        # The client.
        self.ledger = Ledger()
        self.handle: Past | None = None
        self.turn = 0
        self.replied = False
        self.covered_turns = 0
        self.transcript: list[tuple[int, str]] = []
        self.ready = True
        # The wire.
        self.up: deque[tuple[str, int]] = deque()
        self.down: deque[tuple[str, object]] = deque()
        # The service.
        self.history: list[str] = []
        self.unanswered: set[str] = set()
        self.asked = False
        self.speaking = False
        self.cut: Past | None = None

    # The client.

    @rule(kind=st.sampled_from("tucrs"))
    def send(self, kind: str) -> None:
        """Send a message, or speech, which is in no history here."""
        if kind == "s":
            self.up.append(("s", 0))
            return
        self.count += 1
        name = f"{kind}{self.count}"
        self.sent.append(name)
        self.write(message(name))

    def write(self, one: Message) -> None:
        self.ledger.wrote(one, 0.0)
        self.up.append((one.frame.decode(), self.ledger.last))

    def kept(self) -> list[str]:
        return names(sent.message for sent in self.ledger._sent)

    @precondition(lambda self: self.down)
    @rule()
    def hear(self) -> None:
        what, value = self.down.popleft()
        before, sent = self.kept(), list(self.ledger._sent)
        match what:
            case "pong":
                assert isinstance(value, int)
                self.ledger.read(value)
            case "reply":
                self.ledger.reply_began(0.0)
                self.replied = True
            case "turn":
                self.ledger.turn_completed(0.0)
                self.turn += 1
                self.replied = False
            case _:
                assert isinstance(value, Past)
                self.handle = value
                self.ledger.handle_came()
                self.covered_turns = self.turn + self.replied
        # What the ledger has let go is in the transcript, but for the model's context. A handle
        # may know of it already.
        covered = {one.message.frame.decode() for one in sent if one.covered}
        gone = [name for name in before if name not in self.kept() and name[0] != "c"]
        known = what != "reply"
        self.transcript += [(-1 if known or n in covered else self.turn, n) for n in gone]

    @precondition(lambda self: self.down)
    @rule()
    def hear_all(self) -> None:
        while self.down:
            self.hear()

    # The service.

    @precondition(lambda self: self.up)
    @rule()
    def take_all(self) -> None:
        while self.up:
            self.take()

    @precondition(lambda self: self.up)
    @rule()
    def take(self) -> None:
        name, number = self.up.popleft()
        if name not in {"s", "p"}:
            self.history.append(name)
        if name[0] in "tr":
            self.unanswered.add(name)
        self.asked |= name[0] in "tsrp"
        if number:
            self.down.append(("pong", number))

    def past(self) -> Past:
        return Past(tuple(self.history), frozenset(self.unanswered))

    @precondition(lambda self: self.asked and not self.speaking)
    @rule()
    def begin_reply(self) -> None:
        self.asked, self.speaking = False, True
        self.unanswered.clear()
        self.cut = None
        self.down.append(("reply", None))
        if self.at_replies:
            self.down.append(("handle", self.past()))

    @precondition(lambda self: self.speaking)
    @rule()
    def complete_turn(self) -> None:
        self.speaking = False
        self.down.append(("turn", None))
        self.cut = self.past()

    @precondition(lambda self: self.cut is not None)
    @rule()
    def give_handle(self) -> None:
        self.down.append(("handle", self.cut))
        self.cut = None

    # The connection.

    @rule(refused=st.booleans())
    def lose(self, refused: bool) -> None:
        """Lose everything that is under way, and go on by the handle or anew."""
        self.up.clear()
        self.down.clear()
        self.asked = self.speaking = False
        self.cut = None
        self.turn += self.replied
        self.replied = False
        if self.handle is None or refused:
            self.begin_anew()
        else:
            self.resume(self.handle)

    def resume(self, handle: Past) -> None:
        self.history, self.unanswered = list(handle.history), set(handle.unanswered)
        again, owed = self.ledger.take_back(resumed=True)
        for turn, name in self.transcript:
            if turn >= self.covered_turns:
                self.up.append((f"={name}", 0))
        self.send_again(again)
        if owed:
            self.up.append(("p", 0))

    def begin_anew(self) -> None:
        self.handle = None
        self.history, self.unanswered = [], set()
        known = [part.text or "" for turn in self.ledger.known for part in turn.parts]
        again, _ = self.ledger.take_back(resumed=False)
        assert told(self.ledger) == known
        for name in [*known, *(name for _, name in self.transcript)]:
            self.up.append((f"={name}", 0))
        self.covered_turns = self.turn
        self.send_again(again)

    def send_again(self, again: list[Message]) -> None:
        for one in again:
            # What came of a call is told as text now.
            self.write(one._replace(kind="text") if one.kind == "tool" else one)

    # What holds.

    def teardown(self) -> None:
        """Let everything happen that is under way, and compare."""
        self.up.append(("s", 0))  # a last turn, by which everything is answered and covered
        while True:
            if self.up:
                self.take()
            elif self.asked and not self.speaking:
                self.begin_reply()
            elif self.speaking:
                self.complete_turn()
            elif self.cut is not None:
                self.give_handle()
            elif self.down:
                self.hear()
            else:
                break
        stands = [name.removeprefix("=") for name in self.history]
        assert Counter(stands) == Counter(self.sent)
        for kinds in ("tu", "c"):
            ours = [name for name in self.sent if name[0] in kinds]
            assert [name for name in stands if name[0] in kinds] == ours
        assert not self.unanswered
        assert not self.ledger.unanswered
        assert not self.ledger.unread
        assert self.ledger.pending() == []


class HandlesAtRepliesToo(ServiceModel):
    at_replies = True


FEWER = settings(max_examples=50, stateful_step_count=30)
TestServiceModel = ServiceModel.TestCase
TestServiceModel.settings = FEWER
TestHandlesAtRepliesToo = HandlesAtRepliesToo.TestCase
TestHandlesAtRepliesToo.settings = FEWER
