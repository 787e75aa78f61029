"""Events for whoever holds the handle itself: an iterator, bounded, that never loses in silence."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

import anyio

from livehandle_proto.errors import LiveHandleError
from livehandled.hub import Event, Hub

_MAX_WAITING = 4096
_MAX_KEYS = 16_384  # whose latest states wait: more than live at a time, but keys come and go


class Events:
    """The events of some topics, from now on: `with handle.events() as events: async for …`.

    By its delivery class, an event that waits gives way to a newer one of its key (state), or to
    newer ones if 4,096 of the class wait (stream; `dropped` counts them). So many of the log
    class that wait, or the states of 16,384 keys, are the last: then comes `events.lagged`. The
    end of the `with` block ends the iteration at once; the end of the handle, after what waits.
    """

    def __init__(self, hub: Hub, topics: Iterable[str]) -> None:
        self.dropped = 0
        self._hub = hub
        self._topics = frozenset(topics)
        self._waiting: OrderedDict[int, Event] = OrderedDict()
        """By number, oldest first."""
        self._states: dict[str, int] = {}
        """The number of the state that waits, by key."""
        self._streams: OrderedDict[int, None] = OrderedDict()
        """The numbers of the stream class that wait, oldest first."""
        self._arrived = anyio.Event()
        self._missed = 0
        self._entered = self._left = self._closed = False
        self._forget: Callable[[], None] = _nothing

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError("These events are listened to already: ask the handle for others.")
        self._entered = True
        self._hub.attach(self._take, self._topics)
        self._forget = self._hub.on_close(self._close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left = True
        self._hub.detach(self._take)
        self._forget()
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if not self._entered:
            raise RuntimeError("Nothing is listened to yet: use `with handle.events() as events`.")
        while not (self._waiting or self._left or self._closed):
            if self._missed:
                raise LiveHandleError(
                    "events.lagged",
                    f"{self._missed} events came faster than they were read: read faster, or "
                    "name fewer topics.",
                )
            if self._arrived.is_set():  # else another reader waits for it as well
                self._arrived = anyio.Event()
            await self._arrived.wait()  # as long as nothing happens
        if self._left or not self._waiting:
            raise StopAsyncIteration
        return self._next()

    def _close(self) -> None:
        self._closed = True
        self._arrived.set()

    def _next(self) -> Event:
        number, event = self._waiting.popitem(last=False)
        if event.delivery == "state":
            del self._states[event.key]
        elif event.delivery == "stream":
            del self._streams[number]
        return event

    def _take(self, event: Event) -> None:
        if self._missed or not self._has_room(event):
            self._missed += 1
            return
        if event.delivery == "state":
            self._states[event.key] = event.seq
        elif event.delivery == "stream":
            self._streams[event.seq] = None
        self._waiting[event.seq] = event
        self._arrived.set()

    def _has_room(self, event: Event) -> bool:
        """Make room for the event where others give way to it."""
        if event.delivery == "state":
            older = self._states.pop(event.key, None)
            if older is not None:
                del self._waiting[older]
            return len(self._states) < _MAX_KEYS
        if event.delivery == "stream":
            if len(self._streams) >= _MAX_WAITING:
                oldest, _ = self._streams.popitem(last=False)
                del self._waiting[oldest]
                self.dropped += 1
            return True
        return len(self._waiting) - len(self._states) - len(self._streams) < _MAX_WAITING


def _nothing() -> None:
    pass
