"""What was sent, and may have to be sent again: what no resumption handle covers (decision Z7).

Sans-I/O. The service acknowledges nothing. What it has read is known by the pong to a ping that
followed it, for both keep their order on the wire, or where pongs are late (they were seen 30 s
late, wire 6) by the time that has gone by; what the conversation has gone on with, by the
next progress: a reply that begins, or a turn that completes. A handle is cut at such a point
(wire 4.3), so one that arrives later covers what was read before the progress.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from livehandled.gemini.content import Content
from livehandled.gemini.frames import client_content
from livehandled.session.outbox import Message

_READ_AFTER_S = 0.5
"""Longer than a message is under way, and shorter than a model needs for its reply to a text."""

_MAX_TOLD = 256
"""Turns of context that are remembered for a session begun anew."""


@dataclass(slots=True)
class _Sent:
    number: int
    message: Message
    written_at: float
    read: bool = False
    """The service has it."""
    taken: bool = False
    """The conversation has gone on with it: the next handle covers it."""
    answered: bool = False
    """A reply began after it."""
    covered: bool = False
    """A handle covers it, and it is still to be answered."""
    apart: bool = False
    """Its words stand in a turn that the handle covers, and it is not covered itself."""

    @property
    def gone(self) -> bool:
        """Whether it will not be sent again, whatever happens.

        What the user said, and what came of a call, is in the transcript once it is answered, and
        told from there.
        """
        message = self.message
        untold = message.kind == "context" and not message.note and not message.answers
        if untold:
            return self.covered
        if self.apart and not self.covered:
            return False
        return self.answered or (self.covered and bool(message.answers))


class Ledger:
    """The messages that must arrive, from when they are written until a handle covers them.

    `told` is the context that the conversation has gone on with, which no transcript has.
    """

    def __init__(self) -> None:
        self.told: deque[Content] = deque(maxlen=_MAX_TOLD)
        self.last = 0
        """The number of the last message that was written."""
        self._sent: list[_Sent] = []

    @property
    def known(self) -> list[Content]:
        """What a session begun anew has to be told of context, beside what is sent again."""
        answered = (_untold(one.message) for one in self._sent if one.answered)
        return [*self.told, *(turn for turns in answered for turn in turns)]

    @property
    def unread(self) -> bool:
        """Whether something is still on its way to the service."""
        return any(not sent.read for sent in self._sent)

    @property
    def unanswered(self) -> bool:
        """Whether the model owes a reply to something that was sent."""
        return any(sent.message.kind == "text" and not sent.answered for sent in self._sent)

    def wrote(self, message: Message, now: float) -> None:
        """Note a message that is being written, at a time in monotonic seconds."""
        if message.must_arrive:
            self.last += 1
            self._sent.append(_Sent(self.last, message, now))

    def read(self, last: int) -> None:
        """Note that the service has read everything up to this number."""
        for sent in self._sent:
            sent.read |= sent.number <= last

    def reply_began(self, now: float) -> None:
        """Note the first output of a reply: to all that the service had read."""
        self._assume_read(now)
        asking = next((s for s in self._sent if s.message.kind == "text" and not s.answered), None)
        if asking is not None and asking.message.at_rest:
            asking.read = True  # nothing else can have asked for this reply
        for sent in self._sent:
            if sent.read:
                sent.taken = sent.answered = True
        self._let_go()

    def interrupted(self) -> None:
        """Note that a reply was cut off, and not by the user's voice: a text was read."""
        asking = next((s for s in self._sent if s.message.kind == "text" and not s.answered), None)
        if asking is not None:
            asking.read = True

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

    def turn_completed(self, now: float) -> None:
        """Note the end of a turn."""
        self._assume_read(now)
        for sent in self._sent:
            sent.taken |= sent.read

    def handle_came(self, open_notes: Collection[int] = ()) -> None:
        """Note a usable handle: what the conversation has gone on with is safe.

        `open_notes` are the messages in the turn that it was cut in, if it was within one.
        """
        for sent in self._sent:
            sent.covered |= sent.taken
            sent.apart = sent.apart or (sent.message.note in open_notes and not sent.covered)
        self._let_go()

    def pending(self) -> list[Message]:
        """Return what the newest handle does not cover, in order."""
        return [one.message for one in self._sent if not one.covered]

    def owed(self) -> list[Message]:
        """Return what the newest handle covers and is still to be answered, in order."""
        return [one.message for one in self._sent if one.covered]

    def restore(self, owed: Iterable[Message], told: Iterable[Content]) -> None:
        """Go on from what an earlier daemon knew, before anything is written."""
        self.told.extend(told)
        for message in owed:
            self.last += 1
            sent = _Sent(self.last, message, 0.0, read=True, taken=True, covered=True)
            self._sent.append(sent)

    def take_back(
        self, *, resumed: bool, told: Callable[[int], bool] = lambda _note: False
    ) -> tuple[list[Message], bool]:
        """Return what has to be sent again, in order, and whether a reply is owed beside it.

        `resumed`: by the newest handle, which knows what it covers. A session that begins anew
        knows of nothing but the transcript and `told`. What stands in the transcript, and is
        `told` from there by its number, is not sent again.
        """
        again: list[Message] = []
        kept: list[_Sent] = []
        for one in self._sent:
            note = one.message.note
            is_told = note > 0 and told(note)
            if is_told or (resumed and one.covered):
                one.covered = True
                if one.message.kind == "text" or not is_told:
                    kept.append(one)  # until it is answered, or another session has to know it
            elif one.answered and not resumed:
                self._tell(one.message)
            elif one.answered and one.message.note:  # it stands apart: its turn is not told
                frame = client_content(one.message.contents, turn_complete=False)
                again.append(Message(frame, "context", one.message.contents))
            else:
                again.append(one.message)
        self._sent = kept
        return again, any(one.message.kind == "text" for one in kept)

    def _assume_read(self, now: float) -> None:
        for sent in self._sent:
            sent.read |= now - sent.written_at >= _READ_AFTER_S

    def _let_go(self) -> None:
        """Forget what will never be sent again, whatever happens."""
        kept = []
        for sent in self._sent:
            if sent.gone:
                self._tell(sent.message)
            else:
                kept.append(sent)
        self._sent = kept
        # Where no handle comes nothing is ever covered: what was answered is told to another.
        surplus = len(kept) - _MAX_TOLD
        if surplus > 0:
            for sent in [one for one in kept if one.answered][:surplus]:
                self._tell(sent.message)
                self._sent.remove(sent)

    def _tell(self, message: Message) -> None:
        self.told.extend(_untold(message))


def _untold(message: Message) -> list[Content]:
    """Return the turns of a message that no transcript has; it has results among its tools."""
    if message.answers:
        return []
    return [turn for turn in message.contents if not (message.note and turn.role == "user")]
