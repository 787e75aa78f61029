"""What waits to be sent to the model, in order (decision Z7)."""

from collections import deque
from typing import NamedTuple

from livehandle_proto.errors import LiveHandleError


class Entry(NamedTuple):
    """One frame on its way."""

    frame: bytes
    media: bool
    """Live audio or video: worth nothing once it is late."""
    put_at: float
    """Monotonic seconds."""


class Outbox:
    """A bounded queue in which text is never lost and media never waits for long.

    Media older than `media_s` seconds is dropped instead of sent, and so is the oldest media
    when the queue is full; `dropped` counts both.
    """

    def __init__(self, *, limit: int, media_s: float) -> None:
        self.dropped = 0
        self._limit = limit
        self._media_s = media_s
        self._entries: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, frame: bytes, *, media: bool, now: float) -> None:
        """Add a frame. Raises `session.queue_full` when only frames that must not be lost wait."""
        if len(self._entries) >= self._limit and not self._drop_oldest_media():
            raise LiveHandleError(
                "session.queue_full",
                f"{self._limit} frames wait for the model: send slower, or try again in a moment.",
                retry_after_ms=100,
            )
        self._entries.append(Entry(frame, media, now))

    def take(self, now: float) -> bytes | None:
        """Remove and return the next frame that is worth sending, or None."""
        while self._entries:
            entry = self._entries.popleft()
            if entry.media and now - entry.put_at > self._media_s:
                self.dropped += 1
            else:
                return entry.frame
        return None

    def _drop_oldest_media(self) -> bool:
        for i, entry in enumerate(self._entries):
            if entry.media:
                del self._entries[i]
                self.dropped += 1
                return True
        return False
