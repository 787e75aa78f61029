"""What waits for the thread that writes: bounded, and never waited for by who puts it there."""

import threading
from collections import deque

from livehandled.recording.items import Item, size_of

MAX_BYTES = 32 * 2**20
"""Of what may wait: a disk that stands still for some seconds costs nothing."""

MAX_ITEMS = 16_384


class Inbox:
    """A queue from the loop to one thread. What finds no room is dropped and counted."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_items: int = MAX_ITEMS) -> None:
        self.dropped = 0
        """Since the beginning."""
        self._max_bytes = max_bytes
        self._max_items = max_items
        self._bytes = 0
        self._items: deque[Item] = deque()
        self._closed = False
        self._more = threading.Condition()

    def put(self, item: Item) -> None:
        """Add an item, if there is room. Takes no longer than the thread takes to empty it."""
        size = size_of(item)
        with self._more:
            full = len(self._items) >= self._max_items or self._bytes + size > self._max_bytes
            if full or self._closed:
                self.dropped += 1
                return
            self._items.append(item)
            self._bytes += size
            self._more.notify()

    def take(self, timeout_s: float) -> list[Item]:
        """Return all that waits, at once where there is something, else within the time."""
        with self._more:
            self._more.wait_for(lambda: self._items or self._closed, timeout_s)
            items = list(self._items)
            self._items.clear()
            self._bytes = 0
            return items

    def close(self) -> None:
        """Take nothing more: what waits is the last."""
        with self._more:
            self._closed = True
            self._more.notify()

    @property
    def over(self) -> bool:
        """Whether it is closed, and nothing waits."""
        with self._more:
            return self._closed and not self._items
