"""What a client iterates: the events of one subscription, over all its connections."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, cast

from livehandle.feeds import Feed

if TYPE_CHECKING:
    from livehandle.async_client import AsyncClient
    from livehandle.client import Client
    from livehandle.types import AnyEvent, Snapshot


class Subscription(Iterator["AnyEvent"]):
    """Events, as they come; those of the client itself are among them.

    `client.disconnected` and `client.connected` tell of the connection, `client.reset` that
    events were missed and how things stand now, `events.lagged` that this reader is too slow:
    what it missed follows. Iteration ends with `close`, of this or of the client.
    """

    def __init__(self, client: "Client", feed: Feed) -> None:
        self._client = client
        self._feed = feed

    def __next__(self) -> "AnyEvent":
        event = self.next_event()
        if event is None:
            raise StopIteration
        return event

    def next_event(self, timeout: float | None = None) -> "AnyEvent | None":
        """Return the next event, or None: at the end, or where none comes in `timeout` seconds.

        Raises what the daemon says where it does not take the subscription up again.
        """
        return self._client.next_event(self._feed, timeout)

    @property
    def snapshot(self) -> "Snapshot | None":
        """How things stood when it began, if that was asked for."""
        return cast("Snapshot | None", self._feed.snapshot)

    def close(self) -> None:
        """End the subscription."""
        self._client.end(self._feed)


class AsyncSubscription(AsyncIterator["AnyEvent"]):
    """`Subscription`, to be iterated by `async for`."""

    def __init__(self, client: "AsyncClient", feed: Feed) -> None:
        self._client = client
        self._feed = feed

    async def __anext__(self) -> "AnyEvent":
        event = await self._client.next_event(self._feed)
        if event is None:
            raise StopAsyncIteration
        return event

    @property
    def snapshot(self) -> "Snapshot | None":
        """How things stood when it began, if that was asked for."""
        return cast("Snapshot | None", self._feed.snapshot)

    def close(self) -> None:
        """End the subscription."""
        self._client.end(self._feed)
