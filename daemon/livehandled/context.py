"""Context that waits for the right moment to be told to the model (section E, D1 to D4, Z12)."""

from collections.abc import Iterable
from typing import Protocol

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini import frames
from livehandled.gemini.content import Content

_MAX_TURNS = 256
_MAX_BYTES = 16 * 2**20  # of all turns, as they will be written


class Put(Protocol):
    """Queues frames for the model, all or none: where it raises it has not."""

    def __call__(self, *frames: bytes) -> None:
        """Queue the frames."""


class PendingContext:
    """Turns that go before the user's next audio, text or picture, and a prompt after them.

    The prompt outlives the turns: it stays armed until it is sent or disarmed (E4).
    """

    def __init__(self) -> None:
        self.prompt_armed = False
        self._turns: list[Content] = []
        self._bytes = 0
        self._on_trial: list[Content] | None = None

    @property
    def turns(self) -> tuple[Content, ...]:
        """What waits, oldest first."""
        return tuple(self._turns)

    def __bool__(self) -> bool:
        return bool(self._turns) or self.prompt_armed

    def extend(self, turns: Iterable[Content]) -> None:
        """Add turns, all or none. Raises `session.queue_full`.

        What cannot be written as JSON raises here, so that no later frame is held up by it.
        """
        added = list(turns)
        size = len(frames.client_content(added, turn_complete=False)) if added else 0
        if len(self._turns) + len(added) > _MAX_TURNS or self._bytes + size > _MAX_BYTES:
            raise LiveHandleError(
                "session.queue_full",
                f"{len(self._turns)} turns of context wait; at most {_MAX_TURNS}, of {_MAX_BYTES} "
                "bytes in all, may: send audio, text or a picture, and they go before it.",
            )
        self._turns += added
        self._bytes += size

    def flush(self, put: Put) -> None:
        """Send the turns as one frame that asks for no reply; where `put` raises, they wait on."""
        if self._turns:
            put(frames.client_content(self._turns, turn_complete=False))
            self._sent_turns()

    def prompt(self, put: Put) -> None:
        """Send the turns, then the prompt if it is armed (D1 to D3): both, or neither."""
        if not self.prompt_armed:
            self.flush(put)
            return
        prompt = frames.client_content((), turn_complete=True)
        if self._turns:
            put(frames.client_content(self._turns, turn_complete=False), prompt)
            self._sent_turns()
        else:
            put(prompt)
        self.prompt_armed = False

    def session_opens(self) -> None:
        """Keep what is sent from now on, until it is known whether the session can be set up."""
        self._on_trial = []

    def session_set_up(self) -> None:
        """Let go of what was sent: it has arrived."""
        self._on_trial = None

    def session_failed(self) -> None:
        """Take back what was sent to a session that never was: it waits for the next (Z12)."""
        self._turns[:0] = self._on_trial or ()
        self._on_trial = None
        self._bytes = len(frames.client_content(self._turns, turn_complete=False))

    def clear(self) -> None:
        """Forget everything."""
        self._forget_turns()
        self.prompt_armed = False

    def _sent_turns(self) -> None:
        if self._on_trial is not None:
            self._on_trial += self._turns
        self._forget_turns()

    def _forget_turns(self) -> None:
        self._turns.clear()
        self._bytes = 0
