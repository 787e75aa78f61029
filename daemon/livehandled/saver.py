"""When the snapshot is written: soon after a change, beside the loop, and once more at the end."""

import logging
import threading
from collections.abc import Callable

import anyio
from anyio import to_thread

from livehandled.store import Store

_log = logging.getLogger(__name__)

EVERY_S = 1.0
"""The snapshot is written so often while things change: a killed daemon loses no more of them."""

SOON_S = 0.1
"""It is written so often where something was sent: a client was told that it will arrive."""

RETRY_S = 10.0
"""How long a disk that took no snapshot is left in peace."""


class Saver:
    """Writes snapshots as things change, and never fails the session for it.

    `take` returns the encoded snapshot as of now, and is called in the loop. `failed` is told
    why none could be written, in a sentence: once for each reason, until writing works again.
    """

    def __init__(
        self, store: Store, take: Callable[[], bytes], *, failed: Callable[[str], None]
    ) -> None:
        self._store = store
        self._take = take
        self._failed = failed
        self._changed = anyio.Event()
        self._sent = anyio.Event()
        self._told: set[str] = set()
        self.failure: str | None = None
        """Why the last snapshot could not be written, in a sentence; None where it was."""
        self._taken = 0
        # One writes at a time, and what was taken earlier is not written over what is newer.
        self._writing = threading.Lock()
        self._written = 0

    def dirty(self) -> None:
        """Have a snapshot written within a second. To be called in the loop."""
        self._changed.set()

    def sent(self) -> None:
        """Have a snapshot written almost at once. To be called in the loop."""
        self._changed.set()
        self._sent.set()

    async def run(self) -> None:
        """Write whenever something has changed, until cancelled.

        A write that has begun is waited for even then: a disk gives no deadline.
        """
        while True:
            await self._changed.wait()  # as long as nothing changes
            self._changed, self._sent = anyio.Event(), anyio.Event()
            if not await self._save():
                self._changed.set()
                await anyio.sleep(RETRY_S)
                continue
            await anyio.sleep(SOON_S)
            with anyio.move_on_after(EVERY_S - SOON_S):
                await self._sent.wait()

    def flush(self) -> None:
        """Write a snapshot now, changed or not. It blocks, so it is for the end."""
        body = self._body()
        if body is not None:
            self._note(self._write(body, self._taken))

    def forget(self) -> None:
        """Remove what was written; what was taken before is written no more.

        It blocks, for as long as a write that has begun. `failed` is told what cannot be removed.
        """
        with self._writing:
            self._taken += 1
            self._written = self._taken
            failure = self._store.remove()
        if failure:
            self._failed(failure)

    async def _save(self) -> bool:
        body = self._body()
        if body is None:
            return False
        return self._note(await to_thread.run_sync(self._write, body, self._taken))

    def _body(self) -> bytes | None:
        self._taken += 1
        try:
            return self._take()
        except (TypeError, ValueError, OverflowError, RecursionError):
            self._tell("it holds what is no JSON")
            return None

    def _write(self, body: bytes, number: int) -> OSError | None:
        with self._writing:
            if number < self._written:
                return None
            try:
                self._store.save(body)
            except OSError as error:
                return error
            self._written = number
            return None

    def _note(self, error: OSError | None) -> bool:
        if error is None:
            if self.failure is not None:
                _log.info("the session's snapshot is written again to %s", self._store.path)
            self.failure = None
            self._told.clear()
            return True
        self._tell(error.strerror or type(error).__name__)
        return False

    def _tell(self, why: str) -> None:
        self.failure = (
            f"The session's snapshot cannot be written to {self._store.path} ({why}): a restart "
            "of the daemon would not know what is new; see to the disk."
        )
        if why not in self._told:
            self._told.add(why)
            self._failed(self.failure)
