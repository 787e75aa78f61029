"""When a connection is given resumption handles (wire 4.3).

The wire says no more than "points of progress". Here they are the end of a turn, and on 3.8 the
beginning of a reply too. What a handle covers is cut at that point, and a point that follows
before the handle was sent takes its place: a handle never arrives after a point of progress and
covers less than what was received by then. A turn that was interrupted is no such point: what
cut it short is answered, and that answer is.
"""

from collections.abc import Callable
from typing import Literal

from livehandle_emulator.models import Model
from livehandle_emulator.resumption import Past
from livehandle_emulator.scenario import ResumptionRules
from livehandled.gemini.server import ServerMessage, SessionResumptionUpdate

Cadence = Literal["turn", "reply", "withheld", "never"]
"""`withheld`: as `turn`, and says that there is no handle while a reply is under way."""

_ISSUED_AFTER_S = 0.02  # the end of a turn: a client that reads on sees it, one that stops does not


class _Update(SessionResumptionUpdate, frozen=True, kw_only=True):
    last_consumed_client_message_index: str | None = None  # type: ignore[assignment]  # an int64 is written as a string in proto JSON (wire 3.1)


def cadence_of(rules: ResumptionRules, model: Model) -> Cadence:
    """Return when a model gives handles: as the scenario says, or as the model does."""
    if rules.every is not None:
        return rules.every
    if model.generation == "2.5":
        return "withheld"
    return "reply" if model.generation == "3.8" else "turn"


class Progress:
    """The handles of one connection: sees what the model sends, and says what is to follow it."""

    def __init__(
        self,
        cadence: Cadence,
        *,
        cut: Callable[[], Past] = Past,
        issue: Callable[[Past], str] = lambda _: "",
        transparent: bool = False,
        deltas: tuple[ServerMessage, ...] = (),
    ) -> None:
        """Take how to cut the session as it is now, and how to get a handle for a cut.

        `deltas` is the transcription of the last turn before.
        """
        self._cadence = cadence
        self._cut = cut
        self._issue = issue
        self._transparent = transparent
        self._speaking = False
        self._resumable = True
        self._pending: tuple[float, Past] | None = None
        self._deltas = list(deltas)
        self._ended = True

    @property
    def deltas(self) -> tuple[ServerMessage, ...]:
        """The transcription of the turn under way, or of the last, as it was sent."""
        return tuple(self._deltas)

    @property
    def deadline(self) -> float | None:
        """When a handle is to be sent, None if none waits."""
        return self._pending[0] if self._pending else None

    def due(self, now: float) -> list[ServerMessage]:
        """Return the update that is due by `now`, if one is."""
        if self._pending is None or self._pending[0] > now:
            return []
        (_, past), self._pending = self._pending, None
        return [self._update(past)]

    def sent(self, message: ServerMessage, now: float) -> list[ServerMessage]:
        """Note a message of the model's, and return what is sent right after it."""
        content = message.server_content
        if content is not None and content.output_transcription:
            self.transcribed(message)
        if content is not None and content.turn_complete:
            self._speaking = False
            self._ended = True
            if self._cadence != "never":
                self._pending = (now + _ISSUED_AFTER_S, self._cut())
            return []
        output = content is not None and (content.model_turn or content.output_transcription)
        if self._speaking or not (output or message.tool_call):
            return []
        self._speaking = True
        return self._begins()

    def interrupted(self) -> None:
        """Note that a turn was cut short."""
        self._speaking = False
        self._ended = True
        self._pending = None

    def transcribed(self, message: ServerMessage) -> ServerMessage:
        """Note a delta of a transcription, and return it."""
        if self._ended:
            self._deltas.clear()
            self._ended = False
        self._deltas.append(message)
        return message

    def _begins(self) -> list[ServerMessage]:
        self._pending = None
        if self._cadence == "reply":
            return [self._update(self._cut())]
        if self._cadence == "withheld" and self._resumable:
            self._resumable = False
            index = self._index(self._cut())
            return [_message(_Update(resumable=False, last_consumed_client_message_index=index))]
        return []

    def _update(self, past: Past) -> ServerMessage:
        self._resumable = True
        index = self._index(past)
        return _message(
            _Update(
                new_handle=self._issue(past),
                resumable=True,
                last_consumed_client_message_index=index,
            )
        )

    def _index(self, past: Past) -> str | None:
        return str(past.consumed) if self._transparent else None


def _message(update: _Update) -> ServerMessage:
    return ServerMessage(session_resumption_update=update)
