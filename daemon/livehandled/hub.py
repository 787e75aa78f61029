"""The event log: one sequence of events, whoever listens (protocol section 5)."""

import os
from collections.abc import Callable, Iterable, Iterator

from livehandle_proto.envelope import event_body
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.topics import TOPICS, Delivery
from livehandle_proto.values import Value
from livehandled.ring import Ring

# No sequence gets this long, and a longer one costs more to read than it is worth.
_MAX_SEQ_DIGITS = 20

# Of keys that come and go, the last word is kept so long.
_MAX_STATES = 16_384

Sink = Callable[["Event"], None]
"""Takes an event at once: it may keep it or drop it, but never wait."""


class Event:
    """One event. Its data is encoded at most once, whoever asks for its line."""

    __slots__ = (
        *("_body", "_head", "_line", "cursor", "data", "delivery", "key", "seq", "topic"),
        "ts_ms",
    )

    def __init__(
        self, seq: int, cursor: str, ts_ms: int, topic: str, data: Value, key: str
    ) -> None:
        self.seq = seq
        self.cursor = cursor
        self.ts_ms = ts_ms
        self.topic = topic
        self.data = data
        self.key = key
        """Of the `state` class: the latest event of a key stands for those before it."""
        self.delivery: Delivery = TOPICS[topic].delivery
        self._body: bytes | None = None
        self._head: bytes | None = None
        self._line = b""

    def line(self, head: bytes) -> bytes:
        """Return the event's line for a subscription, by the head of its lines.

        Subscriptions are numbered by connection, so listeners in a row mostly share a head, and
        the line with it.
        """
        if self._body is None:
            self._body = self._encoded()
        if head != self._head:
            self._head, self._line = head, head + self._body
        return self._line

    def _encoded(self) -> bytes:
        try:
            return event_body(self.seq, self.cursor, self.ts_ms, self.topic, self.data)
        except RecursionError:
            # What could just be read may be nested too deep to be written from here.
            error = LiveHandleError(
                "wire.result_too_large", "The event's data is nested too deep to be told."
            )
            data = {"error": error.to_json()}
            return event_body(self.seq, self.cursor, self.ts_ms, self.topic, data)


class Hub:
    """Numbers events, hands them to the sinks of their topic, and keeps what can be replayed.

    The ring holds the newest events of the `log` class; of the `state` class the latest of each
    topic is kept; the `stream` class is not kept, nor even built where nobody listens.
    """

    def __init__(
        self, *, ring_events: int, ring_bytes: int = 2**25, wall_ms: Callable[[], int]
    ) -> None:
        self.instance = os.urandom(4).hex()
        self.last_seq = 0
        self._wall_ms = wall_ms
        self._sinks: dict[str, list[Sink]] = {topic: [] for topic in TOPICS}
        self._ring: Ring[Event] = Ring(ring_events, ring_bytes)
        self._forgotten_state = 0
        self._closers: set[Callable[[], None]] = set()
        self._states: dict[str, Event] = {}
        """By key, the one that changed last at the end."""

    def now_ms(self) -> int:
        """Return the wall clock, in milliseconds since 1970."""
        return self._wall_ms()

    def cursor(self, seq: int | None = None) -> str:
        """Return the cursor of an event's place in the sequence; by default, of the last."""
        return f"{self.instance}:{self.last_seq if seq is None else seq}"

    def wanted(self, topic: str) -> bool:
        """Return whether an event of the topic would reach anybody, now or by replay."""
        return bool(self._sinks[topic]) or TOPICS[topic].delivery != "stream"

    def publish(self, topic: str, data: Value, *, key: str = "") -> None:
        """Give the event its number, keep it by its class, and hand it to the topic's sinks.

        `key` tells apart the states of one topic.
        """
        sinks = self._sinks[topic]
        delivery = TOPICS[topic].delivery
        if delivery == "stream" and not sinks:
            return
        self.last_seq += 1
        name = f"{topic} {key}" if key else topic
        event = Event(self.last_seq, self.cursor(), self._wall_ms(), topic, data, name)
        if delivery == "log":
            self._ring.add(event)
        elif delivery == "state":
            self._replace(event)
        for sink in tuple(sinks):  # a sink may detach itself while it is called
            sink(event)

    def _replace(self, event: Event) -> None:
        self._states.pop(event.key, None)
        self._states[event.key] = event
        if len(self._states) > _MAX_STATES:
            oldest = self._states.pop(next(iter(self._states)))
            self._forgotten_state = max(self._forgotten_state, oldest.seq)

    def on_close(self, close: Callable[[], None]) -> Callable[[], None]:
        """Call this when no more is to be listened to; return what takes it back."""
        self._closers.add(close)
        return lambda: self._closers.discard(close)

    def close(self) -> None:
        """Tell those who listen on their own that nobody is there to publish any more."""
        for close in tuple(self._closers):
            close()

    def attach(self, sink: Sink, topics: Iterable[str]) -> None:
        """Hand the topics' events to the sink from now on."""
        for topic in topics:
            self._sinks[topic].append(sink)

    def detach(self, sink: Sink) -> None:
        """Hand no more events to the sink."""
        for sinks in self._sinks.values():
            if sink in sinks:
                sinks.remove(sink)

    def forget(self) -> None:
        """Keep none of the events so far: whoever asks for them is told of a gap."""
        self._ring.clear(self.last_seq)
        self._states.clear()
        self._forgotten_state = self.last_seq

    def parse(self, cursor: str) -> int | None:
        """Return the place a cursor names, or None where it is another instance's.

        Raises `events.bad_cursor` for what is no cursor.
        """
        instance, _, seq = cursor.partition(":")
        if not (instance and seq.isascii() and seq.isdigit() and len(seq) <= _MAX_SEQ_DIGITS):
            raise LiveHandleError(
                "events.bad_cursor",
                f"{cursor[:80]!r} is no cursor: give the `cursor` of an event or of an answer.",
                param="since",
                expected="instance:seq",
            )
        return int(seq) if instance == self.instance else None

    def can_replay(self, seq: int) -> bool:
        """Return whether nothing of the `log` class after `seq` has been forgotten."""
        forgotten = max(self._ring.forgotten_seq, self._forgotten_state)
        return forgotten <= seq <= self.last_seq

    def replay(self, seq: int, topics: Iterable[str]) -> Iterator[Event]:
        """Yield the kept events of the topics that came after `seq`, in order."""
        wanted = frozenset(topics)
        kept = [e for e in self._ring if e.seq > seq and e.topic in wanted]
        kept += [e for e in self._states.values() if e.seq > seq and e.topic in wanted]
        yield from sorted(kept, key=lambda e: e.seq)
