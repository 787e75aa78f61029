"""What waits to be sent to the model, in order, whatever connection there is (decision Z7)."""

from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.values import FunctionCall
from livehandled.gemini.content import Content

_MAX_BYTES = 64 * 2**20
"""Most that may wait, but for a single frame of any size."""

_MAX_MEDIA = 4096
"""Frames of media: pre-roll and a held interruption, 2 s in all, may come in very small chunks."""

_RESERVED = 64
"""Places that tool responses have beyond the limit: nobody else's text keeps a call waiting."""

_HELD_S = 5.0
"""Most audio that is kept back for one call: longer, and it would arrive too fast (wire 4.8)."""

Kind = Literal["text", "context", "tool", "media", "mark", "instruction", "tools", "seed"]
"""`text` asks for a reply, `context` does not; `media` is worth nothing once it is late; a `mark`,
an `instruction`, a list of `tools` and a `seed`, the history of a session begun anew, on another
connection."""

SUPERSEDED: Sequence[Kind] = ("mark", "instruction", "tools", "seed")
"""What another connection does not need: it has its own."""

Policy = Literal["pass", "drop", "buffer"]
"""What becomes of audio during a call that the model waits for."""


class Message(NamedTuple):
    """One frame for the model, and what has to be known of it should the connection be lost."""

    frame: bytes
    kind: Kind
    contents: Sequence[Content] = ()
    """Of text and context: the turns in it."""
    answers: Sequence[tuple[FunctionCall, ToolAnswer]] = ()
    """Of a tool response: each call in it, and its answer."""
    note: int = 0
    """The number of its words in the transcript, as the user's; 0: they are not there."""
    turn: int = 0
    """The number of the transcript's turn in which it was sent, or before which."""
    tried: bool = False
    """Whether the service has closed once when it may have been the cause."""
    at_rest: bool = False
    """Of text: nothing went on when it was put, so the next reply is its own."""

    @property
    def must_arrive(self) -> bool:
        """Whether it has to arrive, on whatever connection."""
        return self.kind in {"text", "context", "tool"}

    @property
    def traced(self) -> bool:
        """Whether it counts that the service has it."""
        return self.must_arrive or self.kind in {"seed", "instruction", "tools"}

    @property
    def only_asks(self) -> bool:
        """Whether it says nothing, and asks for a reply."""
        return self.kind == "text" and not (self.note or self.contents or self.answers)


class _Entry(NamedTuple):
    message: Message
    put_at: float
    """Monotonic seconds."""


class Outbox:
    """A bounded queue in which text is never lost and media never waits for long.

    `limit` is how many frames that must not be lost may wait. Media older than `media_s` seconds
    is dropped instead of sent, and so is the oldest media when there is too much of it; `dropped`
    counts both. Bytes are bounded for all together, and media gives way first.
    """

    def __init__(self, *, limit: int, media_s: float) -> None:
        self.dropped = 0
        self._limit = limit
        self._media_s = media_s
        self._entries: deque[_Entry] = deque()
        self._bytes = 0
        self._media = 0
        self._policy: Policy = "pass"
        self._held: deque[_Entry] = deque()
        self._held_bytes = 0
        self._held_back = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def owing(self) -> int:
        """How many frames wait that are no media."""
        return len(self._entries) - self._media

    def put(self, *messages: Message, now: float) -> None:
        """Add messages, all or none. Raises `session.queue_full`. Media comes by itself.

        A tool response goes before everything but what was to govern it: the instructions,
        tools and tool responses that wait (pains G16).
        """
        if messages[0].kind == "media":
            self._put_media(messages[0], now)
            return
        size = sum(len(message.frame) for message in messages)
        urgent = [message for message in messages if message.kind == "tool"]
        room = self._limit + (_RESERVED if urgent else 0)
        if self.owing + len(messages) > room:
            raise self._full()
        self._make_room(size)
        rest = [message for message in messages if message.kind != "tool"]
        self._insert(self._urgent() if urgent else 0, urgent, now)
        self._insert(len(self._entries), rest, now)

    def put_first(self, *messages: Message, now: float) -> None:
        """Put messages before all others: they were accepted before, and are not refused."""
        self._insert(0, messages, now)

    def put_before_media(self, message: Message, *, now: float) -> None:
        """Put a message behind all that must not be lost and came before the first media."""
        kinds = [entry.message.kind for entry in self._entries]
        self._insert(kinds.index("media") if self._media else len(kinds), [message], now)

    def take_media(self, now: float, *, most_bytes: int) -> list[bytes]:
        """Remove and return the frames of media before the first message that is none.

        Those that are worth sending, up to the first that makes `most_bytes` full.
        """
        frames: list[bytes] = []
        room = most_bytes
        while room > 0 and self._entries and self._entries[0].message.kind == "media":
            entry = self._entries.popleft()
            frame = entry.message.frame
            self._media -= 1
            self._bytes -= len(frame)
            if now - entry.put_at > self._media_s:
                self.dropped += 1
            else:
                frames.append(frame)
                room -= len(frame)
        return frames

    def take(self, now: float) -> Message | None:
        """Remove and return the next message that is worth sending, or None."""
        while self._entries:
            entry = self._entries.popleft()
            self._account(entry, -1)
            if self._is_late(entry, now):
                self.dropped += 1
            else:
                return entry.message
        return None

    def expire(self, now: float) -> None:
        """Drop media that is not worth sending any more, without waiting for its turn."""
        late = [entry for entry in self._entries if self._is_late(entry, now)]
        if late:
            self._entries = deque(e for e in self._entries if not self._is_late(e, now))
        for entry in late:
            self._account(entry, -1)
        self.dropped += len(late)

    def purge(self, *kinds: Kind) -> list[Message]:
        """Remove and return what is of these kinds, in order."""
        purged = [entry for entry in self._entries if entry.message.kind in kinds]
        if purged:
            self._entries = deque(e for e in self._entries if e.message.kind not in kinds)
        for entry in purged:
            self._account(entry, -1)
        return [entry.message for entry in purged]

    def hold(self, policy: Policy, now: float) -> int:
        """Treat media so from now on; return how many frames were held back until now.

        What was buffered follows when media may pass again, as if it came then.
        """
        held_back, self._held_back = self._held_back, 0
        self._policy = policy
        if policy == "pass":
            held, self._held, self._held_bytes = self._held, deque(), 0
            self._insert(len(self._entries), [entry.message for entry in held], now)
        return held_back

    def pending(self) -> list[Message]:
        """Return what must arrive, in order."""
        return [entry.message for entry in self._entries if entry.message.must_arrive]

    def clear(self) -> None:
        """Forget what waits: the session it was for has ended."""
        self._entries.clear()
        self._held.clear()
        self._policy = "pass"
        self._bytes = self._media = self._held_bytes = self._held_back = 0

    def _put_media(self, message: Message, now: float) -> None:
        if self._policy != "pass":
            self._hold(message, now)
            return
        size = len(message.frame)
        while self._media >= _MAX_MEDIA:
            self._drop_oldest_media()
        self._make_room(size)
        self._entries.append(_Entry(message, now))
        self._bytes += size
        self._media += 1

    def _make_room(self, size: int) -> None:
        """Drop media until so many bytes fit. Raises `session.queue_full`."""
        while self._entries and self._bytes + size > _MAX_BYTES:
            if not self._drop_oldest_media():
                raise self._full()

    def _hold(self, message: Message, now: float) -> None:
        self._held_back += 1
        if self._policy == "drop":
            self.dropped += 1
            return
        self._held.append(_Entry(message, now))
        self._held_bytes += len(message.frame)
        while self._holds_too_much(now):
            self._held_bytes -= len(self._held.popleft().message.frame)
            self.dropped += 1

    def _is_late(self, entry: _Entry, now: float) -> bool:
        return entry.message.kind == "media" and now - entry.put_at > self._media_s

    def _holds_too_much(self, now: float) -> bool:
        if len(self._held) == 1:
            return False
        too_many = len(self._held) > _MAX_MEDIA or self._held_bytes > _MAX_BYTES
        return too_many or now - self._held[0].put_at > _HELD_S

    def _urgent(self) -> int:
        """Return the place behind the last tool response that waits, or what is to govern it."""
        kinds = [entry.message.kind for entry in self._entries]
        before = {"instruction", "tools", "tool"}
        return max((place for place, kind in enumerate(kinds, 1) if kind in before), default=0)

    def _insert(self, place: int, messages: Sequence[Message], now: float) -> None:
        for offset, message in enumerate(messages):
            entry = _Entry(message, now)
            self._entries.insert(place + offset, entry)
            self._account(entry, 1)

    def _account(self, entry: _Entry, sign: Literal[1, -1]) -> None:
        self._bytes += sign * len(entry.message.frame)
        if entry.message.kind == "media":
            self._media += sign

    def _full(self) -> LiveHandleError:
        return LiveHandleError(
            "session.queue_full",
            f"{len(self)} frames wait for the model: send slower, or try again in a moment.",
            retry_after_ms=100,
        )

    def _drop_oldest_media(self) -> bool:
        for i, entry in enumerate(self._entries):
            if entry.message.kind == "media":
                del self._entries[i]
                self._account(entry, -1)
                self.dropped += 1
                return True
        return False
