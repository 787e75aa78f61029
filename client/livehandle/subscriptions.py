"""What a client iterates: the events of one subscription, over all its connections."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, cast

from livehandle.feeds import Feed

if TYPE_CHECKING:
    from livehandle.types import AnyEvent, Snapshot


class Subscription(Iterator["AnyEvent"]):
    """Events, as they come; those of the client itself are among them.

    `client.disconnected` and `client.connected` tell of the connection, `client.reset` that
    events were missed and how things stand now, `events.lagged` that this reader is too slow:
    what it missed follows. Iteration ends with `close`, of this or of the client.
    """

    def __init__(
        self,
        feed: Feed,
        take: "Callable[[Feed, float | None], AnyEvent | None]",
        end: Callable[[Feed], None],
    ) -> None:
        self._feed = feed
        self._take = take
        self._end = end

    def __next__(self) -> "AnyEvent":
        event = self.next_event()
        if event is None:
            raise StopIteration
        return event

    def next_event(self, timeout: float | None = None) -> "AnyEvent | None":
        """Return the next event, or None: at the end, or where none comes in `timeout` seconds.

        Raises what the daemon says where it does not take the subscription up again.
        """
        return self._take(self._feed, timeout)

    @property
    def snapshot(self) -> "Snapshot | None":
        """How things stood when it began, if that was asked for."""
        return cast("Snapshot | None", self._feed.snapshot)

    def close(self) -> None:
        """End the subscription."""
        self._end(self._feed)


class AsyncSubscription(AsyncIterator["AnyEvent"]):
    """`Subscription`, to be iterated by `async for`."""

    def __init__(
        self,
        feed: Feed,
        take: "Callable[[Feed], Awaitable[AnyEvent | None]]",
        end: Callable[[Feed], None],
    ) -> None:
        self._feed = feed
        self._take = take
        self._end = end

    async def __anext__(self) -> "AnyEvent":
        event = await self._take(self._feed)
        if event is None:
            raise StopAsyncIteration
        return event

    @property
    def snapshot(self) -> "Snapshot | None":
        """How things stood when it began, if that was asked for."""
        return cast("Snapshot | None", self._feed.snapshot)

    def close(self) -> None:
        """End the subscription."""
        self._end(self._feed)
