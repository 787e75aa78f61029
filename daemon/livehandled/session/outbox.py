"""What waits to be sent to the model, in order (decision Z7)."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from livehandle_proto.errors import LiveHandleError

_MAX_BYTES = 64 * 2**20
"""Most that may wait, but for a single frame of any size."""


_MAX_MEDIA = 4096
"""Frames of media: pre-roll and a held interruption, 2 s in all, may come in very small chunks."""


class Entry(NamedTuple):
    """One frame on its way."""

    frame: bytes
    media: bool
    """Live audio or video: worth nothing once it is late."""
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
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._media = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, frame: bytes, *, media: bool, now: float) -> None:
        """Add a frame. Raises `session.queue_full` when only frames that must not be lost wait."""
        self.put_all((frame,), media=media, now=now)

    def put_all(self, frames: Sequence[bytes], *, media: bool, now: float) -> None:
        """Add frames that belong together, all or none. Raises `session.queue_full`."""
        size = sum(map(len, frames))
        kept = len(self._entries) - self._media
        if not media and kept + len(frames) > self._limit:
            raise self._full()
        while self._has_too_much(size, len(frames) if media else 0):
            if not self._drop_oldest_media():
                raise self._full()
        self._entries.extend(Entry(frame, media, now) for frame in frames)
        self._bytes += size
        self._media += len(frames) * media

    def take(self, now: float) -> bytes | None:
        """Remove and return the next frame that is worth sending, or None."""
        while self._entries:
            entry = self._entries.popleft()
            self._bytes -= len(entry.frame)
            self._media -= entry.media
            if entry.media and now - entry.put_at > self._media_s:
                self.dropped += 1
            else:
                return entry.frame
        return None

    def clear(self) -> None:
        """Forget what waits: the session it was for has ended."""
        self._entries.clear()
        self._bytes = self._media = 0

    def _full(self) -> LiveHandleError:
        return LiveHandleError(
            "session.queue_full",
            f"{len(self)} frames wait for the model: send slower, or try again in a moment.",
            retry_after_ms=100,
        )

    def _has_too_much(self, size: int, media: int) -> bool:
        if media and self._media + media > _MAX_MEDIA:
            return True
        return bool(self._entries) and self._bytes + size > _MAX_BYTES

    def _drop_oldest_media(self) -> bool:
        for i, entry in enumerate(self._entries):
            if entry.media:
                del self._entries[i]
                self._bytes -= len(entry.frame)
                self._media -= 1
                self.dropped += 1
                return True
        return False
