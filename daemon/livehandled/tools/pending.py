"""Calls of the model that wait for clients, and the frames their answers travel in."""

from collections.abc import Callable, Collection, Container, Iterator

from livehandle_proto.methods import ToolAnswer
from livehandle_proto.values import FunctionCall
from livehandled.tools.registry import Client, Registration


class Batch:
    """The calls of one message: their answers travel in one frame, unless a deadline passes."""

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        """Calls without an answer."""
        self.answers: dict[str, ToolAnswer] = {}
        """Those that have one, not yet sent."""
        self.hurried = False
        """Set when a deadline has passed: nobody waits for anybody any more."""
        self.lost = False
        """Whether the connection to the model is gone that they came by."""
        self._made_here: set[str] = set()

    @property
    def due(self) -> bool:
        """Whether there is something to send now."""
        return bool(self.answers) and (self.hurried or self.lost or not self.waiting)

    def answer(self, answer: ToolAnswer, *, made_here: bool = False) -> None:
        """Take an answer; `made_here`: it is an error of the daemon's own."""
        self.answers[answer.id] = answer
        if made_here:
            self._made_here.add(answer.id)

    def forget(self, key: str) -> None:
        """Drop a call, and its answer if it has one."""
        self.waiting.discard(key)
        self.answers.pop(key, None)

    def lose(self) -> None:
        """Note that no service waits for these calls: what clients say of them is still told."""
        self.lost = True
        for key in self._made_here:
            self.forget(key)


class Pending:
    """A call that waits for a client."""

    def __init__(
        self, call: FunctionCall, registration: Registration, batch: Batch, deadline: float
    ) -> None:
        self.call = call
        self.registration = registration
        self.batch = batch
        self.deadline = deadline
        """When the model is told that there is no answer: monotonic seconds."""
        self.call_id = self.key
        """By which clients know it, whatever the model calls it later."""
        self.asked: Client | None = None
        """Who is to carry it out, once told."""
        self.asked_before: set[str] = set()
        """The ids of all connections that were told."""
        self._take_back: Callable[[], bool] = _written
        batch.waiting.add(self.key)

    @property
    def key(self) -> str:
        """By which the model knows it."""
        return self.call.id

    @property
    def lost(self) -> bool:
        """Whether its connection to the model is gone."""
        return self.batch.lost

    @property
    def unasked(self) -> Client | None:
        """The client that is still to be told, None if there is none."""
        return self.registration.client if self.asked is None else None

    def told(self, client: Client, take_back: Callable[[], bool]) -> None:
        """Note that a client was told, and what takes that back."""
        self.asked, self._take_back = client, take_back
        self.asked_before.add(client.id)

    def taken_back(self) -> bool:
        """Take it from its client; return whether that never heard of it."""
        self.asked = None
        take_back, self._take_back = self._take_back, _written
        return take_back()

    def made_again(self, call: FunctionCall, batch: Batch) -> None:
        """Go on as another call of the model's, with the same function and arguments."""
        self.call, self.batch = call, batch
        batch.waiting.add(self.key)


def _written() -> bool:
    return False


class PendingCalls:
    """All of them, in the order they came."""

    def __init__(self) -> None:
        self._calls: dict[str, Pending] = {}

    def __iter__(self) -> Iterator[Pending]:
        return iter(tuple(self._calls.values()))

    def add(self, pending: Pending, over: Container[str]) -> None:
        """Wait for an answer.

        Should another connection count its calls anew, clients know this one by an id that none
        had before: a late answer to that one, which is `over`, is not to be taken for this one's.
        """
        while pending.call_id in self._calls or pending.call_id in over:
            pending.call_id += "+"
        self._calls[pending.call_id] = pending

    def get(self, call_id: str) -> Pending | None:
        """Return a call by the client's id, None if it does not wait."""
        return self._calls.get(call_id)

    def remove(self, pending: Pending) -> None:
        """Wait for it no more."""
        del self._calls[pending.call_id]
        pending.batch.waiting.discard(pending.key)

    def known_as(self, keys: Collection[str]) -> list[Pending]:
        """Return those that the model knows, or knew, by these keys."""
        return [one for one in self if one.key in keys]

    def repeated_by(self, call: FunctionCall) -> Pending | None:
        """Return a call of a lost connection that this one repeats."""
        for one in self:
            if one.lost and (one.call.name, one.call.args) == (call.name, call.args):
                return one
        return None
