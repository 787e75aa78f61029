"""Context that waits for the right moment to be told to the model (section E, D1 to D4, Z12)."""

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini import frames
from livehandled.gemini.content import Content
from livehandled.session.outbox import Message

_MAX_TURNS = 256
_MAX_BYTES = 16 * 2**20  # of all turns, as they will be written


class Put(Protocol):
    """Queues messages for the model, all or none: where it raises it has not."""

    def __call__(self, *messages: Message) -> None:
        """Queue the messages."""


class SavedContext(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the waiting context outlives the daemon."""

    turns: list[Content]
    prompt_armed: bool


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
            put(self._message())
            self._sent_turns()

    def prompt(self, put: Put) -> None:
        """Send the turns, then the prompt if it is armed (D1 to D3): both, or neither."""
        if not self.prompt_armed:
            self.flush(put)
            return
        prompt = Message(frames.client_content((), turn_complete=True), "text")
        if self._turns:
            put(self._message(), prompt)
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
        self._bytes = self._size()

    def export(self) -> SavedContext:
        """Return what waits. What was sent is no longer this class's to save."""
        return SavedContext(turns=list(self._turns), prompt_armed=self.prompt_armed)

    def restore(self, saved: SavedContext) -> None:
        """Have wait what waited in an earlier run, which had room for it."""
        self._turns = list(saved.turns)
        self._bytes = self._size()
        self.prompt_armed = saved.prompt_armed

    def clear(self) -> None:
        """Forget everything."""
        self._forget_turns()
        self.prompt_armed = False

    def _message(self) -> Message:
        frame = frames.client_content(self._turns, turn_complete=False)
        return Message(frame, "context", self.turns)

    def _size(self) -> int:
        return len(frames.client_content(self._turns, turn_complete=False))

    def _sent_turns(self) -> None:
        if self._on_trial is not None:
            self._on_trial += self._turns
        self._forget_turns()

    def _forget_turns(self) -> None:
        self._turns.clear()
        self._bytes = 0
