"""Subscriptions over all connections of a client, sans-I/O: cursors, resets and slow readers."""

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar, cast

from livehandle.calls import Begin, Call
from livehandle.connection import Event
from livehandle_proto.errors import LiveHandleError

TopicT = TypeVar("TopicT", bound=str)
DataT = TypeVar("DataT", bound=Mapping[str, object])

BUFFER_BYTES = 2**20
"""As much of a subscription is kept for its reader, like the daemon's own `client_buffer_bytes`."""

LIMIT_BYTES = 2 * BUFFER_BYTES
"""As much where it must be read past, because something else waits for what follows."""

READ_BYTES = 65_536
"""The most that is read from the socket at a time."""

_OWN_BYTES = 200
"""About the size of an event of the client itself."""


class TypedEvent(Event, Generic[TopicT, DataT]):
    """An event whose topic says what its data is."""

    __slots__ = ()
    topic: TopicT
    data: DataT


AnyTyped = TypedEvent[str, Mapping[str, object]]


class Feed:
    """The events of one subscription that nobody has read yet, and where it stands."""

    def __init__(
        self, method: str, topics: Sequence[str] | None, since: str | None, snapshot: bool
    ) -> None:
        self.method = method
        """Which stream it is: `events` or `subscribe`."""
        self.cursor = since
        """Of the last event that was received."""
        self.name: str | None = None
        """What the daemon calls it on the connection there is, from its answer on."""
        self.snapshot: Mapping[str, object] | None = None
        """What came with the daemon's last answer."""
        self.closed = False
        self.error: LiveHandleError | None = None
        """Why there will be no more events after those that wait."""
        self.notice: AnyTyped | None = None
        """The `events.lagged` that waits to be read; then the subscription is taken up again."""
        self.waiting: deque[tuple[AnyTyped, int]] = deque()
        """What its reader has not read, with the sizes."""
        self.bytes = 0
        self._topics = [topics] if isinstance(topics, str) else topics
        self._with_snapshot = snapshot
        self._last_seq = 0

    @property
    def is_full(self) -> bool:
        """Whether no more is to be read for its reader."""
        return self.bytes >= BUFFER_BYTES

    @property
    def has_news(self) -> bool:
        """Whether there is an event to be taken, or the end."""
        return bool(self.waiting) or self.error is not None or self.closed

    def params(self) -> Mapping[str, object]:
        """Return what to subscribe with, to go on after the last event."""
        params: dict[str, object] = {}
        if self._topics is not None:
            params["topics"] = self._topics
        if self.cursor is not None:
            params["since"] = self.cursor
        if self._with_snapshot:
            params["snapshot"] = True
        return params

    def put(self, event: AnyTyped, size: int) -> None:
        """Keep an event for the reader."""
        if event.subscription is not None and not event.topic.startswith("events."):
            self.cursor = event.cursor
            self._last_seq = event.seq
        self.waiting.append((event, size))
        self.bytes += size

    def lag(self, notice: AnyTyped | None = None) -> None:
        """Keep a notice instead of all that comes from now on; by default one of our own."""
        if notice is None:
            data = {"last_seq": self._last_seq, "missed": 0}
            notice = own_event("events.lagged", data, self.cursor)
        self.notice = notice
        self.put(notice, 0)

    def missed(self) -> None:
        """Count an event in the notice that waits."""
        assert self.notice is not None
        data = cast("dict[str, int]", self.notice.data)
        data["missed"] = data.get("missed", 0) + 1


class Feeds:
    """All subscriptions of a client."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._feeds: list[Feed] = []
        self._up = False

    @property
    def hold_up(self) -> bool:
        """Whether a reader is far behind, and none waits for events."""
        return any(feed.is_full for feed in self._feeds) and not any(
            not feed.waiting for feed in self._feeds
        )

    def subscribe(self, feed: Feed) -> Call:
        """Subscribe, or take a subscription up. It stands from its first answer on."""
        feed.name = None
        return self._begin(feed.method, feed.params(), partial(self._subscribed, feed))

    def connected(self) -> None:
        """Take up all subscriptions on a new connection."""
        self._up = True
        for feed in self._feeds:
            if feed.notice is not None or feed.error is not None:
                continue
            if feed.is_full:
                feed.lag()
            else:
                self.subscribe(feed)

    def lost(self) -> None:
        """Note that the connection is gone, and the daemon's names of them with it."""
        self._up = False
        for feed in self._feeds:
            feed.name = None

    def tell_all(self, event: AnyTyped, size: int = _OWN_BYTES) -> None:
        """Give every reader an event that concerns the connection itself."""
        for feed in self._feeds:
            self._put(feed, event, size)

    def received(self, event: AnyTyped, size: int) -> None:
        """Give an event to whose it is. One of a subscription that has ended is nobody's."""
        for feed in self._feeds:
            if feed.name != event.subscription:
                continue
            if feed.notice is not None:  # it was on its way when we ended the subscription
                feed.missed()
            elif event.topic == "events.lagged":
                feed.lag(event)
            else:
                self._put(feed, event, size)

    def take(self, feed: Feed) -> AnyTyped | None:
        """Return the next event of a subscription, or None.

        A subscription that has fallen behind is taken up again with the notice of it. Raises
        the error that ended the subscription.
        """
        if not feed.waiting:
            if feed.error is not None:
                raise feed.error
            return None
        event, size = feed.waiting.popleft()
        feed.bytes -= size
        if event is feed.notice:
            feed.notice = None
            if self._up:
                self.subscribe(feed)
        return event

    def close(self, feed: Feed) -> None:
        """End a subscription."""
        if not feed.closed:
            feed.closed = True
            feed.waiting.clear()
            if feed.notice is None:  # else it has ended already
                self._unsubscribe(feed)
            self._feeds = [each for each in self._feeds if each is not feed]

    def _subscribed(self, feed: Feed, call: Call) -> None:
        try:
            answer = call.fields()
        except LiveHandleError as error:
            feed.error = error
            return
        feed.name = str(answer.get("subscription"))
        if feed.closed:  # its reader left before it was there
            self._unsubscribe(feed)
            return
        if feed not in self._feeds:
            self._feeds.append(feed)
        snapshot = answer.get("snapshot")
        feed.snapshot = snapshot if isinstance(snapshot, dict) else None
        if answer.get("reset"):
            feed.cursor = None
        if feed.cursor is None:
            feed.cursor = str(answer.get("cursor", ""))
        if answer.get("reset"):
            feed.put(own_event("client.reset", feed.snapshot or {}, feed.cursor), 0)

    def _put(self, feed: Feed, event: AnyTyped, size: int) -> None:
        if feed.bytes < LIMIT_BYTES:
            feed.put(event, size)
            return
        if feed.notice is None:
            # Do with a reader that is too slow for us what the daemon does with one of its own.
            self._unsubscribe(feed)
            feed.lag()
        feed.missed()

    def _unsubscribe(self, feed: Feed) -> None:
        if feed.name is not None:
            self._begin("unsubscribe", {"subscription": feed.name}, None)


def own_event(topic: str, data: Mapping[str, object], cursor: str | None = None) -> AnyTyped:
    """Return an event of the client itself."""
    return TypedEvent({"topic": topic, "data": data, "cursor": cursor or ""})
