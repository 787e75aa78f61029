"""One connection's subscriptions: which events it gets, and what becomes of them when it is slow.

The delivery classes of protocol section 5, for one listener.
"""

from collections import deque
from collections.abc import Iterable
from functools import partial

from livehandle_proto.envelope import event_body, event_head
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.topics import Dropped, Lagged
from livehandle_proto.values import Value
from livehandled.control.outlet import Outlet, Waiting
from livehandled.hub import Event, Hub


class Backlog:
    """What all subscriptions of one connection have waiting, and how much they may."""

    def __init__(self, *, log_bytes: int, stream_bytes: int) -> None:
        self.log_limit = log_bytes
        self.stream_limit = stream_bytes
        self.log_bytes = 0
        self.stream_bytes = 0
        self.stream: deque[StreamPlace] = deque()
        self.dropped = 0
        """Events of the stream class that were dropped."""
        self.lagged = 0
        """Subscriptions that fell behind and were ended."""


class StreamPlace:
    """A stream event that waits, and whose it is.

    Of the event itself only the line is kept: its data and its body are as long again.
    """

    __slots__ = ("seq", "subscription", "waiting")

    def __init__(self, subscription: "Subscription", seq: int, waiting: Waiting) -> None:
        self.subscription = subscription
        self.seq = seq
        self.waiting = waiting


class _Gap:
    """A run of dropped stream events, told by one notice in the place of the first."""

    def __init__(self, seq: int) -> None:
        self.count = 0
        self.first = self.last = seq


class Subscription:
    """The events of some topics, on their way to one connection.

    Events after `start_seq` are the subscription's. Lines are shorter than `line_bytes`.
    """

    def __init__(
        self,
        name: str,
        topics: Iterable[str],
        *,
        start_seq: int,
        hub: Hub,
        outlet: Outlet,
        backlog: Backlog,
        line_bytes: int,
    ) -> None:
        self.name = name
        self.topics = frozenset(topics)
        self.line_bytes = line_bytes
        self.ended = False
        self.last_seq = start_seq
        """Of the last event that was written or waits."""
        self._head = event_head(name)
        self._hub = hub
        self._outlet = outlet
        self._backlog = backlog
        self._lagging = False
        self._missed = 0
        self._states: dict[str, Waiting] = {}
        self._gap: _Gap | None = None

    def activate(self) -> None:
        """Begin: replay what came since `start_seq`, then take events as they come.

        A replay may be longer than the backlog: what has no room is fetched from the hub again
        when the rest has been written.
        """
        if self.ended:
            return
        if not self._hub.can_replay(self.last_seq):
            self._lag(missed=self._hub.last_seq - self.last_seq)
            return
        for event in self._hub.replay(self.last_seq, self.topics):
            if event.delivery == "log" and not self._has_room(event.line(self._head)):
                self._outlet.wait(Waiting(b"", self._go_on))
                return
            self.deliver(event)
        self._hub.attach(self.deliver, self.topics)

    def _go_on(self) -> bytes:
        self.activate()
        return b""

    def end(self) -> None:
        """Send no more events."""
        self.ended = True
        self._hub.detach(self.deliver)

    def deliver(self, event: Event) -> None:
        """Write an event, or let it wait by its class."""
        if self._lagging:
            self._missed += event.delivery == "log"
            return
        outlet = self._outlet
        if outlet.idle:  # `_line` written out: a call less for each listener is an eighth of this
            line = event.line(self._head)
            outlet.write(line if len(line) < self.line_bytes else self._too_large(event, len(line)))
            self.last_seq = event.seq
        elif event.delivery == "log":
            self._wait_log(event, self._line(event))
        elif event.delivery == "state":
            self._wait_state(event)
        else:
            self._wait_stream(event, self._line(event))

    def _line(self, event: Event) -> bytes:
        line = event.line(self._head)
        return line if len(line) < self.line_bytes else self._too_large(event, len(line))

    def _has_room(self, line: bytes) -> bool:
        backlog = self._backlog
        return self._outlet.idle or backlog.log_bytes + len(line) <= backlog.log_limit

    def _wait_log(self, event: Event, line: bytes) -> None:
        if not self._has_room(line):
            self._lag(missed=1)
            return
        self._backlog.log_bytes += len(line)
        self._outlet.wait(Waiting(line, partial(self._log_taken, line)))
        self.last_seq = event.seq

    def _log_taken(self, line: bytes) -> bytes:
        self._backlog.log_bytes -= len(line)
        return line

    def _wait_state(self, event: Event) -> None:
        """Put the newest value at the end, for its number is the highest.

        Its line is made when its turn comes: what waits is the hub's event, and no copy of it.
        """
        older = self._states.pop(event.key, None)
        if older is not None:
            self._outlet.drop(older)
        waiting = Waiting(b"", partial(self._state_taken, event))
        self._states[event.key] = waiting
        self._outlet.wait(waiting)
        self.last_seq = event.seq

    def _state_taken(self, event: Event) -> bytes:
        del self._states[event.key]
        return self._line(event)

    def _wait_stream(self, event: Event, line: bytes) -> None:
        # No cycle of references: what was dropped is to be free now, not when the collector comes.
        waiting = Waiting(line, self._stream_taken)
        backlog = self._backlog
        backlog.stream.append(StreamPlace(self, event.seq, waiting))
        backlog.stream_bytes += len(line)
        self._outlet.wait(waiting)
        while backlog.stream_bytes > backlog.stream_limit and len(backlog.stream) > 1:
            oldest = backlog.stream.popleft()
            backlog.stream_bytes -= len(oldest.waiting.line)
            oldest.subscription.dropped(oldest)

    def _stream_taken(self) -> bytes:
        place = self._backlog.stream.popleft()  # they wait in one order here and in the outlet
        self._backlog.stream_bytes -= len(place.waiting.line)
        self.last_seq = max(self.last_seq, place.seq)
        return place.waiting.line

    def dropped(self, place: StreamPlace) -> None:
        """Drop a stream event; the first of a run leaves its place to the notice."""
        if self._gap is None:
            self._gap = _Gap(place.seq)
            place.waiting.line, place.waiting.render = b"", self._gap_taken
        else:
            self._outlet.drop(place.waiting)
        self._gap.count += 1
        self._backlog.dropped += 1
        self._gap.last = place.seq

    def _gap_taken(self) -> bytes:
        gap, self._gap = self._gap, None
        if gap is None:
            return b""
        dropped = Dropped(count=gap.count, first=gap.first, last=gap.last)
        # Numbered by its place: events that follow may have come before the last one dropped.
        return self._notice("events.dropped", dropped, gap.first)

    def _lag(self, missed: int) -> None:
        """End with one notice, which counts what is missed until it is written."""
        self._lagging = True
        self._missed = missed
        self._backlog.lagged += 1
        if self._outlet.idle:
            self._outlet.write(self._lag_taken())
        else:
            self._outlet.wait(Waiting(b"", self._lag_taken))

    def _lag_taken(self) -> bytes:
        self.end()
        lagged = Lagged(last_seq=self.last_seq, missed=self._missed)
        return self._notice("events.lagged", lagged, self.last_seq)

    def _notice(self, topic: str, data: Value, seq: int) -> bytes:
        return self._head + event_body(seq, self._hub.cursor(seq), self._hub.now_ms(), topic, data)

    def _too_large(self, event: Event, length: int) -> bytes:
        error = LiveHandleError(
            "wire.result_too_large",
            f"The event's line is {length} bytes long: raise max_line_bytes in daemon.hello.",
            param="max_line_bytes",
            expected=f"more than {length}",
        )
        data = {"error": error.to_json()}
        return self._head + event_body(event.seq, event.cursor, event.ts_ms, event.topic, data)
