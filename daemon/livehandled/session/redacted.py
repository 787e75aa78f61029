"""The session's events as they are shown where redaction is configured (I12, Z15)."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from livehandle_proto import topics as t
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import Value
from livehandled.redaction import Redaction, Stream
from livehandled.session.conversation import DISCONNECTED, RECONNECTED, SessionEvent

_STREAMS = ("thought", "text_delta", "input_transcription", "output_transcription")
"""Events that carry a text in pieces: a turn's pieces are one text."""

_ENDS = {
    "text_complete": ("text_delta",),
    "turn_complete": _STREAMS,
    "reconnecting": _STREAMS,
    "disconnected": _STREAMS,
}
"""What ends which of those texts."""

_LOSSES = ("reconnecting", "disconnected")
"""After which nothing more comes of what was being said."""


class RedactedEvents:
    """Masks what is said in the events of one session after another."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._streams: dict[str, Stream] = {name: redaction.stream() for name in _STREAMS}
        self._final: set[str] = set()
        """Words that were final, and of which something is held back."""
        self._interrupted = False
        self._lost = False
        """Whether the open turn ends with its connection."""

    def coming(self, events: Iterable[SessionEvent]) -> None:
        """Note events before the first of them is told: whether they end a turn with a loss."""
        reasons = [data.reason for _, data in events if isinstance(data, t.TurnComplete)]
        self._lost = self._lost or RECONNECTED in reasons or DISCONNECTED in reasons

    def held(self, name: str) -> Iterator[tuple[str, Value]]:
        """Yield what was held back and comes before an event of this name.

        Of a text that was broken off it is masked. The user's words go on after a turn that they
        interrupted, and so does what is held back of them.
        """
        lost = self._lost or name in _LOSSES
        for ended in _ENDS.get(name, ()):
            if ended == "input_transcription" and self._interrupted and not lost:
                continue
            stream = self._streams[ended]
            rest = stream.cut() if self._interrupted or lost else stream.finish()
            if not rest:
                continue
            if ended.endswith("transcription"):
                yield ended, t.TranscriptDelta(text=rest, is_final=ended in self._final)
                self._final.discard(ended)
            else:
                yield ended, t.Text(text=rest)
        if name == "interrupted":
            self._interrupted = True
        elif name in {"turn_complete", *_LOSSES}:
            self._interrupted = self._lost = False

    def shown(self, name: str, data: Value) -> Value:
        """Return the data as it is shown: of a text, what can be released of it."""
        match data:
            case t.TranscriptDelta() if name in self._streams:
                return self._delta(name, data)
            case t.Text() if name in self._streams:
                return t.Text(text=self._streams[name].feed(data.text))
            case t.Text():
                cut = self._interrupted or self._lost
                return t.Text(text=self._redaction.text(data.text, cut=cut))
        return data

    def _delta(self, name: str, data: t.TranscriptDelta) -> t.TranscriptDelta:
        """Return what can be released of words; they are final once nothing is held back."""
        stream = self._streams[name]
        text = stream.feed(data.text)
        final = data.is_final or name in self._final
        if final and stream.holds:
            self._final.add(name)
        else:
            self._final.discard(name)
        return replace(data, text=text, is_final=final and not stream.holds)

    def withholds(self, shown: Value) -> bool:
        """Return whether nothing of an event is to be told yet."""
        match shown:
            case t.Text():
                return not shown.text
            case t.TranscriptDelta():
                return not (shown.text or shown.is_final)
        return False


def redacted_error(error: LiveHandleError, redaction: Redaction) -> LiveHandleError:
    """Return an error that quotes nothing of what is masked."""
    data = dict(error.data)
    if isinstance(reason := data.get("close_reason"), str):
        data["close_reason"] = redaction.text(reason)
    return LiveHandleError(error.name, redaction.text(error.message), **data)
