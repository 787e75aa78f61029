"""How a session is taken up: everything that was sent stands once in what the model knows.

A whole session, without its sockets, against a model of the service that is as slow, and cuts its
handles as unluckily, as the wire leaves it (4.3).
"""

import json
import re
from collections import Counter, deque
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandled.gemini.content import text_content
from livehandled.session.resumption import Way
from support.parts import INTERRUPTED, TURN_COMPLETE, Json, Parts, calls, text

BROKEN = LiveHandleError("upstream.unreachable", "The connection broke.")
THINKS_S = 0.4
"""The longest that a reply is made without what has come since."""


def marks(words: object) -> list[str]:
    """Return the marks in a text: `[t1]` is typed, `[c2]` is context, `[r3]` a result.

    `[u4]` is context that stands in the transcript as the user's words, `[m5]` is in the model's
    name, in one message with words of the user.
    """
    return re.findall(r"\[[tcrum]\d+\]", str(words))


@dataclass
class Past:
    """What the service knows at some moment."""

    history: tuple[str, ...] = ()
    asked: bool = False


@dataclass
class Service:
    """One connection's end at the service."""

    history: list[str] = field(default_factory=list)
    asked: bool = False
    """A reply is to begin."""
    thinking_since: float | None = None
    speaking: bool = False
    waits: set[str] = field(default_factory=set)
    """The calls that it has made."""
    cuts: list[Past] = field(default_factory=list)
    """What a handle that comes now may cover: at the last progress, and whenever since."""
    seeding: bool = False

    def past(self) -> Past:
        return Past(tuple(self.history), self.asked)


class Conversation(RuleBasedStateMachine):
    """A client that says things, a service, and connections that are lost at any moment."""

    model = "gemini-3.8-live"
    finishes_first = False
    """Whether the model finishes a reply before it takes up what was typed (wire 4.5)."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = Parts(model=self.model)
        self.sent: list[str] = []
        self.index = 0
        self.made = 0
        self.up: deque[tuple[Json, int]] = deque()
        self.down: deque[Json | int] = deque()
        self.handles: dict[str, Past] = {}
        self.service = Service()

    def mark(self, kind: str) -> str:
        self.sent.append(f"[{kind}{len(self.sent)}]")
        return self.sent[-1]

    # The client.

    @rule()
    def type(self) -> None:
        self.parts.writer.send_text(self.mark("t"))
        self.write()

    @rule(role=st.sampled_from(["user", "model"]), noted=st.booleans())
    def give_context(self, role: str, noted: bool) -> None:
        turn = text_content(
            self.mark("u" if noted and role == "user" else "c"),
            "user" if role == "user" else "model",
        )
        if noted:
            self.parts.writer.send_client_content([turn], turn_complete=False)
        else:
            self.parts.context.extend([turn])
            self.parts.context.flush(self.parts.session.put)
        self.write()

    @rule()
    def give_turns_and_ask(self) -> None:
        turns = [text_content(self.mark("m"), "model"), text_content(self.mark("t"), "user")]
        self.parts.writer.send_client_content(turns, turn_complete=True)
        self.write()

    @precondition(lambda self: self.parts.session.answerable())
    @rule(silent=st.booleans())
    def answer(self, silent: bool) -> None:
        call = self.parts.session.answerable()[0]
        answer = ToolAnswer(
            id=call.id,
            name=call.name,
            response={"result": self.mark("r")},
            scheduling="SILENT" if silent else None,
        )
        self.parts.writer.send_tool_response([answer])
        self.write()

    def write(self) -> None:
        """Write what waits, as the connection does."""
        parts = self.parts
        if parts.session.state != "ready":
            return
        while (message := parts.outbox.take(parts.now)) is not None:
            self.index += 1
            parts.session.resumption.ledger.wrote(message, self.index)
            number = parts.session.resumption.ledger.last if message.traced else 0
            self.up.append((json.loads(message.frame), number))

    @precondition(lambda self: self.down)
    @rule()
    def hear(self) -> None:
        message = self.down.popleft()
        if isinstance(message, int):
            self.parts.session.resumption.ledger.read(message, self.parts.now)
        else:
            self.parts.hear(message)

    @precondition(lambda self: self.down)
    @rule()
    def hear_all(self) -> None:
        while self.down:
            self.hear()

    @precondition(lambda self: self.service.thinking_since is None)
    @rule(seconds=st.sampled_from([0.1, 0.6]))
    def wait(self, seconds: float) -> None:
        self.hear_all()  # the wire is quicker than that
        self.parts.now += seconds

    # The service.

    @precondition(lambda self: self.up)
    @rule()
    def take_all(self) -> None:
        while self.up:
            self.take()

    @precondition(lambda self: self.up)
    @rule()
    def take(self) -> None:
        service = self.service
        frame, number = self.up.popleft()
        service.history += marks(frame)
        asks = _asks(frame)
        if service.seeding:
            service.seeding = asks = False
        for response in frame.get("toolResponse", {}).get("functionResponses", []):  # type: ignore[attr-defined]  # an object
            assert response["id"] in service.waits, "a call that nobody made is answered"
            service.waits.discard(response["id"])
            asks = asks or not service.speaking
        if number:
            self.down.append(number)
        if asks and (service.speaking or service.thinking_since is not None):
            if not self.finishes_first:
                service.thinking_since, service.speaking = None, False
                self.down.extend([INTERRUPTED, TURN_COMPLETE])
                service.cuts.clear()
        elif service.cuts:
            service.cuts.append(service.past())
        service.asked |= asks

    @precondition(lambda self: self.service.asked and not self.service.speaking)
    @rule()
    def think(self) -> None:
        if self.service.thinking_since is None:
            self.service.thinking_since = self.parts.now
            self.service.asked = False
            self.service.cuts = [self.service.past()]

    @precondition(lambda self: self.service.thinking_since is not None)
    @rule(
        seconds=st.floats(0.0, THINKS_S),
        call=st.booleans(),
        cut=st.integers(0, 9),
        gives=st.booleans(),
    )
    def begin_reply(self, seconds: float, call: bool, cut: int, gives: bool) -> None:
        service = self.service
        self.hear_all()
        self.parts.now += seconds
        service.thinking_since, service.speaking = None, True
        if call:
            self.made += 1
            service.waits.add(f"call-{self.made}")
            self.down.append(calls(f"call-{self.made}"))
        else:
            self.down.append(text("Well"))
        if gives:
            self.give(cut)
        service.cuts = []

    @precondition(lambda self: self.service.speaking)
    @rule()
    def complete_turn(self) -> None:
        self.service.speaking = False
        self.down.append(TURN_COMPLETE)
        self.service.cuts = [self.service.past()]

    @precondition(lambda self: self.service.cuts and not self.service.speaking)
    @rule(cut=st.integers(0, 9))
    def give(self, cut: int) -> None:
        """Give a handle of what was known at the last progress, or at any moment since."""
        handle = f"handle-{len(self.handles)}"
        self.handles[handle] = self.service.cuts[cut % len(self.service.cuts)]
        update = {"newHandle": handle, "resumable": True}
        self.down.append({"sessionResumptionUpdate": update})

    # The connection.

    @rule(typed=st.integers(0, 1), refused=st.booleans())
    def lose(self, typed: int, refused: bool) -> None:
        """Lose all that is under way, and go on with another connection."""
        session = self.parts.session
        self.up.clear()
        self.down.clear()
        self.parts.lose(BROKEN)
        for _ in range(typed):
            self.type()
        if refused:
            session.resumption.handles.failed()
        way = self.parts.resume()
        self.index = 0
        past = self.handles[way.handle] if way.handle is not None else Past()
        seeding = way.restored == "reseeded" and self.model == "gemini-3.8-live"
        self.service = Service(list(past.history), past.asked, seeding=seeding)
        self.check(way)
        self.write()

    def check(self, way: Way) -> None:
        """Compare what the handle covers with what this side believes."""
        told = [*self.service.history, *(m for _, words in way.seed for m in marks(words))]
        waiting = [m for one in self.parts.outbox.pending() for m in marks(one.frame)]
        assert Counter(told + waiting) == Counter(self.sent)

    # What holds.

    def teardown(self) -> None:
        """Let everything happen that is under way, and compare."""
        service = self.service
        while self.up or service.asked or service.thinking_since is not None or service.speaking:
            self.take_all()
            if service.speaking:
                self.complete_turn()
            elif service.thinking_since is None:
                self.think()
            else:
                self.begin_reply(0.0, call=False, cut=0, gives=False)
            self.hear_all()
        assert Counter(service.history) == Counter(self.sent)
        for kinds in ("tu", "c"):
            ours = [mark for mark in self.sent if mark[1] in kinds]
            assert [mark for mark in service.history if mark[1] in kinds] == ours
        assert self.transcribed() == Counter(mark for mark in self.sent if mark[1] in "tur")

    def transcribed(self) -> Counter[str]:
        turns = self.parts.transcript.window_with_current(50)
        return Counter(
            mark
            for turn in turns
            for mark in marks(turn.user + "".join(use.result for use in turn.tool_calls))
            if mark[1] in "tur"
        )


class FinishesFirst(Conversation):
    model = "gemini-2.5-flash-live"
    finishes_first = True


def _asks(frame: Json) -> bool:
    match frame:
        case {"clientContent": {"turnComplete": True}} | {"realtimeInput": {"text": _}}:
            return True
        case _:
            return False


MANY = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestConversation = Conversation.TestCase
TestConversation.settings = MANY
TestFinishesFirst = FinishesFirst.TestCase
TestFinishesFirst.settings = MANY
