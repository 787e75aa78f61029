"""What was sent since the newest resumption handle, and would be lost with it (decision Z7).

Sans-I/O. The service acknowledges nothing. What it has read is known by the pong to a ping that
followed it, for both keep their order on the wire, or by the index that Vertex gives with a
handle. Read is not taken up: what the service sends next may have been made before. So a message
counts as taken up by the conversation once a reply begins or a turn completes that can only have
come after it. A handle that comes when everything was taken up covers everything; no other is
used (`Resumption.keep_handle`).
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from livehandled.session.history import Told
from livehandled.session.outbox import SUPERSEDED, Message

_REPLY_S = 0.5
"""The first words of a reply may be made without what was read a shorter time before."""

_TURN_S = 0.1
"""At the end of a turn the conversation has what was read so much earlier: it is on the service's
way from its socket to the model for as long."""

_MAX_SENT = 256
_MAX_TOLD = 256
"""Turns of context that are remembered for a session begun anew."""


@dataclass(slots=True)
class _Sent:
    number: int
    index: int
    """Of the frame among all that this side sent on its connection; the setup is 0 (wire 3.3)."""
    message: Message
    at_rest: bool
    """Of text: nothing else can bring the next reply about."""
    read_at: float | None = None
    taken: bool = False

    @property
    def asks(self) -> bool:
        return self.message.kind == "text" and not self.taken


class Again(NamedTuple):
    """What becomes of what was sent, should the connection be lost."""

    messages: list[Message]
    """They have to be sent again, in order."""
    since: list[Told]
    """The model has to know it, and it goes by the history."""
    owed: bool
    """Whether the model owes a reply beside those that the messages ask for."""


class Ledger:
    """The messages that were sent since the newest handle, in order.

    `told` is the context that the handle covers, and `since` what was told after it and on an
    earlier connection. Times are monotonic seconds.
    """

    def __init__(self, told: Iterable[Told] = (), since: Iterable[Told] = ()) -> None:
        self.told: deque[Told] = deque(told, maxlen=_MAX_TOLD)
        self.since: list[Told] = list(since)
        self.last = 0
        """The number of the last message that was written."""
        self.whole = True
        """Whether it holds everything since the newest handle."""
        self._sent: list[_Sent] = []
        self._rests = False

    @property
    def settled(self) -> bool:
        """Whether the conversation has taken up everything: a handle covers it all now."""
        return all(sent.taken for sent in self._sent)

    @property
    def unread(self) -> bool:
        """Whether something is still on its way to the service."""
        return any(sent.read_at is None and not sent.taken for sent in self._sent)

    @property
    def unanswered(self) -> bool:
        """Whether the model may owe a reply to something that was sent."""
        return any(sent.asks for sent in self._sent)

    @property
    def cuts_off(self) -> bool:
        """Whether all that the conversation has not taken up is context.

        On models before 3.8 it cuts a reply off, and nobody has said anything (wire 2.2).
        """
        kinds = {sent.message.kind for sent in self._sent if not sent.taken}
        return bool(kinds) and kinds <= {"context", "instruction", "seed"}

    def connected(self) -> None:
        """Note another connection, on which nothing goes on yet."""
        self._rests = True

    def wrote(self, message: Message, index: int) -> None:
        """Note a message that is being written, as the frame of that index."""
        if not message.traced:
            return
        self.last += 1
        rests = message.kind == "text" and (message.at_rest or self._rests)
        self._sent.append(_Sent(self.last, index, message, rests))
        if message.kind == "text":
            self._rests = False
        self._bound()

    def read(self, last: int, now: float) -> None:
        """Note that the service has read everything up to this number."""
        for sent in self._sent:
            if sent.number <= last and sent.read_at is None:
                sent.read_at = now

    def consumed(self, index: int) -> None:
        """Note that the conversation has taken up all frames up to this index (wire 3.3)."""
        for sent in self._sent:
            sent.taken |= sent.index <= index

    def reply_began(self, now: float) -> None:
        """Note the first output of a reply."""
        self._rests = False
        asking = self._asking()
        certain = asking.number if asking is not None and asking.at_rest else 0
        self._goes_on(now - _REPLY_S, upto=certain)

    def interrupted(self, now: float) -> None:
        """Note that a reply was cut off, and not by the user's voice: a text was read."""
        asking = self._asking()
        if asking is not None:
            self.read(asking.number, now)

    def turn_completed(self, now: float) -> None:
        """Note the end of a turn."""
        self._goes_on(now - _TURN_S)

    def covered(self) -> None:
        """Note a handle that covers everything."""
        self.told.extend(self.since)
        self.told.extend(one for sent in self._sent for one in context_of(sent.message))
        self.since.clear()
        self._sent.clear()
        self.whole = True

    def suspect(self) -> list[Message]:
        """Note that the service closed for what it was sent; return what it was twice, if any.

        What has not been taken up by the conversation may have been it. The second time it is
        not kept.
        """
        suspects = [one for one in self._sent if not one.taken]
        twice = [one for one in suspects if one.message.tried]
        self._sent = [one for one in self._sent if one not in twice]
        for one in suspects:
            one.message = one.message._replace(tried=True)
        return [one.message for one in twice]

    def again(self, waiting: Collection[int], *, anew: bool) -> Again:
        """Return what becomes of what was sent, should the connection be lost.

        `waiting` are the typed messages, by their numbers, whose turn is still to come. The
        others stand in a turn that is told from the transcript, and are not sent again. `anew`:
        nothing is told, and only what has not been taken up is sent.
        """
        messages: list[Message] = []
        since: list[Told] = []
        owed = False
        for sent in self._sent:
            message, waits = sent.message, sent.message.note in waiting
            if message.kind in SUPERSEDED or (message.answers and sent.taken):
                continue  # another connection has its own, or it is told from the transcript
            if message.only_asks:
                owed |= sent.asks
            elif waits or not (sent.taken or (message.note and not anew)):
                messages.append(message)
            else:
                since += context_of(message)
                owed |= sent.asks
        return Again(messages, since, owed)

    def lost(self, since: Iterable[Told]) -> None:
        """Note the end of the connection; `since` is told, and everything else sent again."""
        self.since = list(since)
        self._sent.clear()
        self._bound()

    def _asking(self) -> _Sent | None:
        return next((sent for sent in self._sent if sent.asks), None)

    def _goes_on(self, since: float, *, upto: int = 0) -> None:
        for sent in self._sent:
            early = sent.read_at is not None and sent.read_at <= since
            sent.taken |= early or sent.number <= upto

    def _bound(self) -> None:
        """Keep no more than so many, where no handle comes: not all is known any more then."""
        while len(self._sent) > _MAX_SENT and self._sent[0].taken:
            self.told.extend(context_of(self._sent.pop(0).message))
            self.whole = False
        surplus = self.since[:-_MAX_TOLD]
        if surplus:
            self.told.extend(surplus)
            del self.since[: len(surplus)]
            self.whole = False


def context_of(message: Message) -> list[Told]:
    """Return what of a message no transcript has; a result is among the transcript's tools."""
    if message.answers or message.kind == "seed":
        return []
    turns = [turn for turn in message.contents if not (message.note and turn.role == "user")]
    return [Told(turn, message.turn) for turn in turns]
