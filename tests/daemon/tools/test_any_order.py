"""Tools in any order of what clients, the model and the time can do to them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.tools import ToolCall, ToolCancel, ToolsUnregister
from support.tools import GRACE_S, TIMEOUT_S, ToolClient, ToolRig, call

FUNCTIONS = ("a", "b", "c")
RETRY_S = 0.1
GIVEN_UP = {"timeout", "client_gone"}


class Refusal:
    """Why something was refused; without a name where it was not."""

    name = ""


@contextmanager
def refused() -> Iterator[Refusal]:
    refusal = Refusal()
    try:
        yield refusal
    except LiveHandleError as error:
        refusal.name = error.name


class Made:
    """A call as the model knows it."""

    def __init__(self, id_: str, message: "list[Made]", latest: float) -> None:
        self.id = id_
        self.message = message
        """The calls of the same message."""
        self.latest = latest
        """When its time is over."""
        self.open = True
        """Whether somebody wants to know what comes of it."""
        self.lost = False
        self.given_up = False


class JudgedRig(ToolRig):
    """Tools whose every frame is judged."""

    def __init__(self) -> None:
        super().__init__(configured=["manual"], max_repeats=3)
        self.made: dict[str, Made] = {}

    def answer(self, answers: Sequence[ToolAnswer]) -> None:
        made = [self.made[answer.id] for answer in answers]
        message = made[0].message
        for one, answer in zip(made, answers, strict=True):
            assert one.message is message, "answers to two messages in one frame"
            assert one.open, f"{one.id} was answered, and nobody waits for it"
            said = answer.response if isinstance(answer.response, dict) else {}
            assert not (one.lost and "reason" in said), f"an error of the lost {one.id} was told"
            one.given_up |= said.get("reason") in GIVEN_UP
        if self.failing is None:
            for one in made:
                one.open = False
            alone = not any(one.open for one in message)
            assert alone or any(one.given_up or one.lost for one in message), "two frames"
        super().answer(answers)


class Walk:
    """Does something, again and again, and looks whether all is in order."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311 - the same walk each time
        self.rig = JudgedRig()
        self.number = 0
        self.living: list[ToolClient] = []
        self.tokens: list[str] = []
        self.responded: set[tuple[str, str]] = set()

    def step(self) -> None:
        actions: dict[Callable[[], None], int] = {
            self.make: 8,
            self.respond: 10,
            self.want_no_answer: 2,
            self.lose_the_connection: 1,
            self.take_nothing: 1,
            self.take_all: 2,
            self.hear_the_user: 1,
            self.connect: 2,
            self.flow: 2,
            self.register: 3,
            self.take_over: 3,
            self.unregister: 1,
            self.leave: 2,
            self.wait: 3,
        }
        action = self.chance.choices(list(actions), list(actions.values()))[0]
        (self.end_the_session if self.chance.random() < 0.01 else action)()
        if self.chance.random() < 0.8:  # else more comes before the time does
            self.judge()

    # The model.

    def make(self) -> None:
        message: list[Made] = []
        given = []
        for _ in range(self.chance.randint(1, 4)):
            self.number += 1
            made = Made(f"m{self.number}", message, self.rig.now + TIMEOUT_S)
            name = self.chance.choice([*FUNCTIONS * 3, "manual", "no"])
            given.append(call(made.id, name, arg=self.chance.randint(0, 2)))
            if name != "manual":
                message.append(made)
                self.rig.made[made.id] = made
        self.rig.call(*given)

    def want_no_answer(self) -> None:
        """Cancel some calls, or answer them by `send_tool_response`, which may be lost ones."""
        by_hand = self.chance.random() < 0.5
        some = [one for one in self.rig.made.values() if one.open and (by_hand or not one.lost)]
        ids = [one.id for one in some if self.chance.random() < 0.3]
        (self.rig.tools.closed if by_hand else self.rig.tools.cancelled)(ids)
        for id_ in ids:
            self.rig.made[id_].open = False

    def lose_the_connection(self) -> None:
        ended = [one for one in self.rig.made.values() if one.open and not one.lost]
        self.rig.tools.connection_lost()
        for one in ended:
            one.lost = True
        self.rig.tools.cancelled([one.id for one in ended])  # as the session tells everybody

    def end_the_session(self) -> None:
        ended = [one for one in self.rig.made.values() if one.open and not one.lost]
        self.rig.tools.cancelled([one.id for one in ended])
        self.rig.tools.session_over()
        for one in self.rig.made.values():
            one.open = False

    def take_nothing(self) -> None:
        self.rig.failing = LiveHandleError("session.queue_full", "Too much waits.")

    def take_all(self) -> None:
        if self.rig.failing is not None:
            self.rig.failing = None
            self.rig.after(RETRY_S)

    def hear_the_user(self) -> None:
        self.rig.tools.user_spoke()

    # Clients.

    def connect(self) -> None:
        if len(self.living) < 4:
            self.number += 1
            client = ToolClient(f"c{self.number}")
            client.stuck = self.chance.random() < 0.2
            self.living.append(client)

    def flow(self) -> None:
        for client in self.living:
            client.flows()

    def register(self) -> None:
        client = self.somebody()
        names = self.chance.sample(FUNCTIONS, self.chance.randint(1, 2))
        holders = {one.name: one.connection for one in self.rig.tools.listed().tools}
        taken = any(holders.get(name) not in {None, client.id} for name in names)
        timeout_ms = self.chance.choice([None, 1_000, 10_000])
        with refused() as error:
            made = self.rig.register(client, *names, timeout_ms=timeout_ms)
            self.tokens.append(made.registration)
        assert error.name == ("tools.name_taken" if taken else "")

    def take_over(self) -> None:
        if self.tokens:
            with refused() as error:
                client = self.somebody()
                self.rig.register(client, token=self.chance.choice(self.tokens[-3:]))
                assert self.rig.tools.of(client)
            assert error.name in {"", "tools.unknown_registration"}

    def unregister(self) -> None:
        client = self.somebody()
        if self.rig.tools.of(client):
            self.rig.tools.unregister(ToolsUnregister(), client)

    def leave(self) -> None:
        client = self.somebody()
        self.living.remove(client)
        self.rig.leave(client)

    def respond(self) -> None:
        client = self.somebody()
        self.rig.settle()
        waits = self.open_at(client)
        asked = {one.call_id for one in client.asked}
        known = sorted(waits) * 4 + sorted(asked)[-4:] + list(self.rig.made)[-1:]
        if not known:
            return
        call_id = self.chance.choice(known)
        with refused() as error:
            self.rig.respond(client, call_id)
        if not error.name:
            self.responded.add((client.id, call_id))
            return
        assert call_id not in waits
        assert call_id not in asked or error.name == "tools.call_expired"
        assert error.name in {"tools.call_expired", "tools.unknown_call"}

    def somebody(self) -> ToolClient:
        if not self.living:
            self.connect()
        return self.chance.choice(self.living)

    # Time.

    def wait(self) -> None:
        self.rig.after(self.chance.choice([0.05, 0.5, 0.5, GRACE_S, 10.0, TIMEOUT_S]))

    # What holds.

    def judge(self) -> None:
        self.rig.settle()
        deadline = self.rig.tools.deadline
        assert deadline is None or deadline > self.rig.now
        if self.rig.failing is None:
            self.everybody_is_answered_in_time()
        self.clients_know_what_waits_for_them()

    def everybody_is_answered_in_time(self) -> None:
        for one in self.rig.made.values():
            if one.open and not one.lost:
                latest = max(other.latest for other in one.message) + GRACE_S + RETRY_S
                assert self.rig.now <= latest, one.id

    def clients_know_what_waits_for_them(self) -> None:
        tools = self.rig.tools.listed().tools
        for client in self.living:
            waits = sum(one.pending for one in tools if one.connection == client.id)
            assert waits == len(self.open_at(client)) + client.waiting

    def open_at(self, client: ToolClient) -> set[str]:
        """Return the calls that a client has been asked for, and is still to carry out."""
        waits: set[str] = set()
        for event in client.events:
            if isinstance(event, ToolCall):
                assert event.deadline_ms >= 0
                assert event.call_id not in waits, "a client was asked twice"
                waits.add(event.call_id)
            else:
                assert isinstance(event, ToolCancel)
                assert event.call_id in waits, "a client was told of what it never heard of"
                waits.remove(event.call_id)
        return {id_ for id_ in waits if (client.id, id_) not in self.responded}


@pytest.mark.parametrize("seed", range(20))
def test_every_call_is_answered_once_and_in_time_whatever_happens(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(300):
        walk.step()
