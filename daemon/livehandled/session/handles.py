"""Which resumption handle the next connection of a session may use (wire 4.3)."""

from collections import deque
from typing import NamedTuple

import msgspec

_VALID_MS = {"vertex": 24 * 3_600_000}
_VALID_ELSEWHERE_MS = 2 * 3_600_000
# A handle that was refused is not worth a second try, should the service send it again.
_REMEMBERED = 16
_NONE_AT_REST = "no handle has come at rest, and what another covers is not known"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A handle, and what it holds for. Its repr does not show the handle."""

    handle: str
    model: str
    backend: str
    fingerprint: str
    """Of the key: a handle is worth nothing with the key of another project."""
    at_ms: int
    """Wall clock, since 1970: when the conversation it restores was last known to be open."""

    def __repr__(self) -> str:
        return f"Kept(***, model={self.model!r}, backend={self.backend!r}, at_ms={self.at_ms})"


class Why(NamedTuple):
    """Why no handle can be used."""

    words: str


class Handles:
    """The newest usable handle of a session, over all its connections.

    `kept` is one from an earlier run. Times are of the wall clock, in milliseconds since 1970:
    a handle outlives the daemon.
    """

    def __init__(self, kept: Kept | None = None) -> None:
        self._kept = kept
        self._resumable = False
        self._why_none = Why("the service has given no handle yet")
        self._failed: deque[str] = deque(maxlen=_REMEMBERED)
        self._unused: deque[str] = deque(maxlen=_REMEMBERED)

    @property
    def kept(self) -> Kept | None:
        """What is worth storing."""
        return self._kept

    @property
    def known(self) -> list[str]:
        """Every handle that is remembered: no text that is shown may hold one."""
        kept = [self._kept.handle] if self._kept is not None else []
        return [*self._failed, *self._unused, *kept]

    @property
    def resumable(self) -> bool:
        """Whether the session could be resumed just now, as the last update said."""
        return self._resumable and self._kept is not None

    def update(
        self,
        handle: str | None,
        resumable: bool | None,
        at_ms: int,
        *,
        model: str,
        backend: str,
        fingerprint: str,
    ) -> bool:
        """Take the service's update, and return whether it brought a handle to keep.

        An update that is not resumable leaves the handle before it as it is. Without
        `resumable` it is not (wire 3.1, otherwise than J8).
        """
        self._resumable = bool(resumable)
        if not handle or not resumable or handle in self._failed:
            return False
        self._kept = Kept(
            handle=handle, model=model, backend=backend, fingerprint=fingerprint, at_ms=at_ms
        )
        return True

    def pass_over(self, handle: str | None, resumable: bool | None) -> None:
        """Take an update whose handle is of no use, because nobody knows what it covers."""
        self._resumable = bool(resumable)
        if handle:
            self._unused.append(handle)
            if resumable:
                self._why_none = Why(_NONE_AT_REST)

    def touch(self, at_ms: int) -> None:
        """Note that the conversation is open: a handle's validity counts from its end."""
        if self._kept is not None and at_ms > self._kept.at_ms:
            self._kept = msgspec.structs.replace(self._kept, at_ms=at_ms)

    def use(self, model: str, backend: str, fingerprint: str, now_ms: int) -> str | Why:
        """Return the handle for a connection of that model, backend and key, or why there is none.

        The handle stays until it has `failed` or a newer one comes.
        """
        kept = self._kept
        if kept is None:
            return self._why_none
        for what, ours, theirs in (
            ("model", kept.model, model),
            ("backend", kept.backend, backend),
            ("key", kept.fingerprint, fingerprint),
        ):
            if ours != theirs:
                return Why(f"the handle is of another {what}")
        valid_ms = _VALID_MS.get(backend, _VALID_ELSEWHERE_MS)
        if now_ms - kept.at_ms > valid_ms:
            return Why(f"the handle is older than {valid_ms // 3_600_000} hours")
        return kept.handle

    def failed(self) -> None:
        """Drop the handle: the service refused it."""
        if self._kept is not None:
            self._drop("the last handle was refused, and no other has come")

    def begin_anew(self) -> None:
        """Drop the handle: the service has begun another session."""
        self._drop("the service has given no handle since the session was begun anew")

    def _drop(self, why_none: str) -> None:
        if self._kept is not None:
            self._failed.append(self._kept.handle)
            self._kept = None
        self._why_none = Why(why_none)
        self._resumable = False
