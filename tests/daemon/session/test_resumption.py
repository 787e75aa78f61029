"""How a session is taken up: everything that was sent stands once in what the model knows.

A whole session, without its sockets, against a model of the service that is as slow, and cuts its
handles as unluckily, as the wire leaves it (4.3).
"""

import json
import re
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import msgspec
import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandled.gemini.content import text_content
from livehandled.session.handles import Kept
from livehandled.session.history import Told
from livehandled.session.outbox import Message
from livehandled.session.resumption import TakenUp, Way, tools_in
from livehandled.transcript import SavedTranscript
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
    """What the service knows at some moment. What was about to be said is not restored (4.3)."""

    history: tuple[str, ...] = ()


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
        return Past(tuple(self.history))


class Conversation:
    """A client that says things, a service, and connections that are lost at any moment."""

    model = "gemini-3.8-live"
    policy: Literal["handle", "reseed"] = "handle"
    finishes_first = False
    """Whether the model finishes a reply before it takes up what was typed (wire 4.5)."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)  # noqa: S311 - it is to be the same each time
        self.parts = Parts(model=self.model, policy=self.policy)
        self.sent: list[str] = []
        self.unanswered: set[str] = set()
        """What was typed, and no reply has been made with."""
        self.index = 0
        self.made = 0
        self.up: deque[tuple[Json, int]] = deque()
        self.down: deque[Json | int] = deque()
        self.handles: dict[str, Past] = {}
        self.service = Service()

    def run(self, steps: int) -> None:
        """Do so many things by chance, and then let all come to its end."""
        for _ in range(steps):
            weights = {do: weight for do, (weight, may) in self.choices().items() if may}
            getattr(self, self.dice.choices(list(weights), list(weights.values()))[0])()
        self.end()

    def choices(self) -> dict[str, tuple[int, bool]]:
        """Return what may be done: how often it is, and whether it can be done just now."""
        service, quiet = self.service, self.service.thinking_since is None
        return {
            "type": (3, True),
            "give_context": (3, True),
            "give_turns_and_ask": (1, True),
            "answer": (4, bool(self.parts.session.answerable())),
            "hear": (3, bool(self.down)),
            "hear_all": (6, bool(self.down)),
            "wait": (4, quiet),
            "take": (3, bool(self.up)),
            "take_all": (6, bool(self.up)),
            "think": (8, service.asked and not service.speaking and quiet),
            "begin_reply": (12, not quiet),
            "complete_turn": (8, service.speaking),
            "hold_a_turn": (3, quiet and not service.speaking),
            "give": (8, bool(service.cuts) and quiet and not service.speaking),
            "lose": (2, True),
            "restart": (1, True),
        }

    def mark(self, kind: str) -> str:
        self.sent.append(f"[{kind}{len(self.sent)}]")
        return self.sent[-1]

    def ask(self) -> str:
        mark = self.mark("t")
        self.unanswered.add(mark)
        return mark

    # The client.

    def type(self) -> None:
        self.parts.writer.send_text(self.ask())
        self.write()

    def give_context(self) -> None:
        role, noted = self.dice.choice(["user", "model"]), self.dice.random() < 0.5
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

    def give_turns_and_ask(self) -> None:
        turns = [text_content(self.mark("m"), "model"), text_content(self.ask(), "user")]
        self.parts.writer.send_client_content(turns, turn_complete=True)
        self.write()

    def answer(self) -> None:
        call = self.parts.session.answerable()[0]
        answer = ToolAnswer(
            id=call.id,
            name=call.name,
            response={"result": self.mark("r")},
            scheduling=self.dice.choice(["SILENT", None]),
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

    def hear(self) -> None:
        message = self.down.popleft()
        if isinstance(message, int):
            self.parts.session.resumption.ledger.read(message, self.parts.now)
        else:
            self.parts.hear(message)

    def hear_all(self) -> None:
        while self.down:
            self.hear()

    def wait(self) -> None:
        self.hear_all()  # the wire is quicker than that
        self.parts.now += self.dice.choice([0.1, 0.6])

    # The service.

    def take_all(self) -> None:
        while self.up:
            self.take()

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

    def think(self) -> None:
        self.service.thinking_since = self.parts.now
        self.service.asked = False
        self.service.cuts = [self.service.past()]

    def begin_reply(self, *, may_call: bool = True) -> None:
        service = self.service
        self.hear_all()
        self.unanswered -= set(service.cuts[0].history)
        self.parts.now += self.dice.uniform(0.0, THINKS_S)
        service.thinking_since, service.speaking = None, True
        if may_call and self.dice.random() < 0.3:
            self.made += 1
            service.waits.add(f"call-{self.made}")
            self.down.append(calls(f"call-{self.made}"))
        else:
            self.down.append(text("Well"))
        if self.dice.random() < 0.3:
            self.give()
        service.cuts = []

    def complete_turn(self) -> None:
        self.service.speaking = False
        self.down.append(TURN_COMPLETE)
        self.service.cuts = [self.service.past()]

    def hold_a_turn(self) -> None:
        """Do what is most usual, in one step."""
        self.type()
        self.take_all()
        self.think()
        self.begin_reply(may_call=False)
        self.complete_turn()
        if self.dice.random() < 0.5:
            self.hear_all()
        self.give()

    def give(self) -> None:
        """Give a handle of what was known at the last progress, or at any moment since."""
        handle = f"handle-{len(self.handles)}"
        self.handles[handle] = self.dice.choice(self.service.cuts)
        update = {"newHandle": handle, "resumable": True}
        self.down.append({"sessionResumptionUpdate": update})

    # The connection.

    def lose(self) -> None:
        """Lose all that is under way, and go on with another connection."""
        self.cut_off()
        self.parts.lose(BROKEN)
        if self.dice.random() < 0.3:
            self.type()
        if self.dice.random() < 0.1:
            self.parts.session.resumption.handles.failed()
        self.taken_up(self.parts.resume())

    def restart(self) -> None:
        """Kill the daemon, be it with or without a connection, and start another."""
        self.cut_off()
        if self.dice.random() < 0.5:
            self.parts.lose(BROKEN)
        if self.dice.random() < 0.3:
            self.type()
            self.cut_off()
        before = self.parts
        self.parts = Parts(
            model=self.model, policy=self.policy, set_up=False, taken_up=kept_of(before)
        )
        self.parts.now = before.now
        transcript = before.transcript.export(
            untold_tools=tools_in(before.session.again().messages)
        )
        self.parts.transcript.restore(through_json(transcript, SavedTranscript))
        session = self.parts.session
        way = session.resumption.way(first=session.first)
        session.handshaking()
        session.begin_as(way)
        self.taken_up(way)

    def cut_off(self) -> None:
        self.up.clear()
        self.down.clear()

    def taken_up(self, way: Way) -> None:
        self.index = 0
        past = self.handles[way.handle] if way.handle is not None else Past()
        announced = self.parts.session.plan.traits.seed == "history"
        self.service = Service(list(past.history), seeding=announced and way.restored == "reseeded")
        self.check(way)
        self.write()

    def check(self, way: Way) -> None:
        """Compare what the handle covers with what this side believes."""
        told = [*self.service.history, *(m for _, words in way.seed for m in marks(words))]
        waiting = [m for one in self.parts.outbox.pending() for m in marks(one.frame)]
        assert Counter(told + waiting) == Counter(self.sent)

    # What holds.

    def end(self) -> None:
        """Let everything happen that is under way, and compare."""
        service = self.service
        while self.up or service.asked or service.thinking_since is not None or service.speaking:
            self.take_all()
            if service.speaking:
                self.complete_turn()
            elif service.thinking_since is None and service.asked:
                self.think()
            elif service.thinking_since is not None:
                self.begin_reply(may_call=False)
            self.hear_all()
        assert self.unanswered == set()
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


class Reseeded(Conversation):
    policy = "reseed"


class TakesNoTurnsLater(Conversation):
    model = "gemini-3.1-flash-live-preview"


def kept_of(parts: Parts) -> TakenUp:
    """Return what the next daemon finds of a session on disk."""
    session, resumption = parts.session, parts.session.resumption
    again = session.again()
    return TakenUp(
        session_id="s-1",
        turns=session.conversation.turns,
        covered_turns=resumption.covered_turns,
        handle=through_json(resumption.kept, Kept | None),
        unsent=through_json(again.messages, list[Message]),
        owed=again.owed,
        told=through_json(list(resumption.ledger.told), list[Told]),
        since=through_json(again.since, list[Told]),
        calls=session.answerable(),
    )


def through_json(value: object, kind: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)


def _asks(frame: Json) -> bool:
    match frame:
        case {"clientContent": {"turnComplete": True}} | {"realtimeInput": {"text": _}}:
            return True
        case _:
            return False


@pytest.mark.parametrize("kind", [Conversation, FinishesFirst, Reseeded, TakesNoTurnsLater])
def test_everything_that_was_sent_is_known_once_and_answered(kind: type[Conversation]) -> None:
    for seed in range(150):
        try:
            kind(seed).run(60)
        except AssertionError as error:
            raise AssertionError(f"{kind.__name__}({seed}): {error}") from error
