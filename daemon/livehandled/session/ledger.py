"""What was sent since the newest resumption handle, and would be lost with it (decision Z7).

Sans-I/O. The service acknowledges nothing. What it has read is known by the pong to a ping that
followed it, for both keep their order on the wire, or by the index that Vertex gives with a
handle. Read is not taken up: what the service sends next may have been made before. So a message
counts as taken up by the conversation once a reply begins or a turn completes that can only have
come after it, and a text as answered by a reply that can only be its own. A handle that comes when
everything was taken up and answered covers everything; no other is used
(`Resumption.keep_handle`).
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from livehandled.gemini.content import text_of
from livehandled.session.history import Told
from livehandled.session.outbox import SUPERSEDED, Message

_REPLY_S = 0.5
"""The first words of a reply may be made without what was read a shorter time before."""

_TURN_S = 0.1
"""At the end of a turn the conversation has what was read so much earlier: it is on the service's
way from its socket to the model for as long."""

_MAX_SENT = 256
_MAX_TOLD = 256
_MAX_TOLD_CHARS = 2**20
"""What is remembered of context: so many turns, and so much in all."""


@dataclass(slots=True)
class _Sent:
    number: int
    index: int
    """Of the frame among all that this side sent on its connection; the setup is taken for 0."""
    message: Message
    at_rest: bool
    """Of text: nothing that came later can have brought the next reply about."""
    read_at: float | None = None
    taken: bool = False
    """The conversation has gone on with it."""
    answered: bool = False

    @property
    def asks(self) -> bool:
        """Whether the model may owe a reply to it."""
        return self.message.kind == "text" and not self.answered

    @property
    def told(self) -> bool:
        """Whether it is told another connection in words, and not sent again.

        Context that was read asks for nothing, and nothing may ever follow it.
        """
        read_context = self.message.kind == "context" and self.read_at is not None
        return self.taken or (read_context and not self.message.answers)


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
        self.told: deque[Told] = deque(told)
        self.since: deque[Told] = deque(since)
        self.last = 0
        """The number of the last message that was written."""
        self.whole = True
        """Whether it holds everything since the newest handle."""
        self._sent: list[_Sent] = []
        self._rests = False
        self._reply_at: float | None = None
        """When the reply of the turn under way began."""

    @property
    def settled(self) -> bool:
        """Whether everything was taken up and answered: a handle covers it all now."""
        return all(sent.taken and not sent.asks for sent in self._sent)

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
        return bool(kinds) and kinds <= {"context", "instruction", "tools", "seed"}

    def connected(self) -> None:
        """Note another connection, on which nothing goes on yet."""
        self._rests = True
        self._reply_at = None

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
        """Note that the conversation has taken up all frames up to this index (Vertex)."""
        for sent in self._sent:
            sent.taken |= sent.index <= index

    def reply_began(self, now: float) -> None:
        """Note the first output of a reply."""
        self._rests = False
        self._reply_at = now
        certain = max((sent.number for sent in self._sent if sent.asks and sent.at_rest), default=0)
        for sent in self._sent:
            if sent.number <= certain or _read_by(sent, now - _REPLY_S):
                sent.taken = sent.answered = True

    def interrupted(self, now: float, *, heard: bool) -> None:
        """Note that a reply was cut off, and not by the user's voice as far as is known.

        A text did it, the first but for the one whose reply it was, and the next reply is its own.
        `heard`: the user may have been heard all the same, so the text has to have been read.
        """
        asking = [sent for sent in self._sent if sent.asks]
        if asking and asking[0].at_rest and self._reply_at is None:
            del asking[0]
        if asking and (asking[0].read_at is not None or not heard):
            self.read(asking[0].number, now)
            asking[0].at_rest = True

    def turn_completed(self, now: float) -> None:
        """Note the end of a turn. It may have answered the text that was the first to ask."""
        for sent in self._sent:
            sent.taken |= _read_by(sent, now - _TURN_S)
        began, self._reply_at = self._reply_at, None
        asking = self._asking()
        if asking is not None and asking.taken and began is not None and _read_by(asking, began):
            asking.answered = True

    def covered(self) -> None:
        """Note a handle that covers everything."""
        self.told.extend(self.since)
        self.told.extend(one for sent in self._sent for one in context_of(sent.message))
        self.since.clear()
        self._sent.clear()
        self._bound()
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
            message = sent.message
            if message.kind in SUPERSEDED:
                continue  # another connection has its own
            if message.note in waiting:
                messages.append(message)
            elif message.only_asks or sent.told or (message.note and not anew):
                since += context_of(message)
                owed |= sent.asks and not (anew and sent.taken)
            else:
                messages.append(message)
        return Again(messages, since, owed)

    def lost(self, since: Iterable[Told]) -> None:
        """Note the end of the connection; `since` is told, and everything else sent again."""
        self.since = deque(since)
        self._sent.clear()
        self._bound()

    def _asking(self) -> _Sent | None:
        return next((sent for sent in self._sent if sent.asks), None)

    def _bound(self) -> None:
        """Keep no more than so much where no handle comes: not all is known any more then."""
        if len(self._sent) > _MAX_SENT:
            spare = next((one for one in self._sent if one.told and not one.asks), None)
            if spare is not None:
                self._sent.remove(spare)
                self.since.extend(context_of(spare.message))
        while _too_much(self.since):
            self.told.append(self.since.popleft())
            self.whole = False
        while _too_much(self.told):
            self.told.popleft()


def _read_by(sent: _Sent, at: float) -> bool:
    return sent.read_at is not None and sent.read_at <= at


def _too_much(told: Collection[Told]) -> bool:
    if len(told) > _MAX_TOLD:
        return True
    return len(told) > 1 and sum(len(one.words) for one in told) > _MAX_TOLD_CHARS


def context_of(message: Message) -> list[Told]:
    """Return what of a message no transcript has; a result is among the transcript's tools."""
    if message.answers or message.kind in SUPERSEDED:
        return []
    return [
        Told("user" if turn.role == "user" else "model", words, message.turn)
        for turn in message.contents
        if not (message.note and turn.role == "user") and (words := text_of(turn))
    ]
