"""What waits to be sent to the model, in order (decision Z7)."""

from collections import deque
from typing import NamedTuple

from livehandle_proto.errors import LiveHandleError

_MAX_BYTES = 64 * 2**20
"""Most that may wait, but for a single frame of any size."""


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
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, frame: bytes, *, media: bool, now: float) -> None:
        """Add a frame. Raises `session.queue_full` when only frames that must not be lost wait."""
        while self._is_full(len(frame)):
            if not self._drop_oldest_media():
                raise LiveHandleError(
                    "session.queue_full",
                    f"{len(self)} frames wait for the model: send slower, or try again in a "
                    "moment.",
                    retry_after_ms=100,
                )
        self._entries.append(Entry(frame, media, now))
        self._bytes += len(frame)

    def take(self, now: float) -> bytes | None:
        """Remove and return the next frame that is worth sending, or None."""
        while self._entries:
            entry = self._entries.popleft()
            self._bytes -= len(entry.frame)
            if entry.media and now - entry.put_at > self._media_s:
                self.dropped += 1
            else:
                return entry.frame
        return None

    def clear(self) -> None:
        """Forget what waits: the session it was for has ended."""
        self._entries.clear()
        self._bytes = 0

    def _is_full(self, size: int) -> bool:
        if len(self._entries) >= self._limit:
            return True
        return bool(self._entries) and self._bytes + size > _MAX_BYTES

    def _drop_oldest_media(self) -> bool:
        for i, entry in enumerate(self._entries):
            if entry.media:
                del self._entries[i]
                self._bytes -= len(entry.frame)
                self.dropped += 1
                return True
        return False
