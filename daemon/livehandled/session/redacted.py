"""The session's events as they are shown where redaction is configured (I12, Z15)."""

from collections.abc import Iterator

from msgspec.structs import replace

from livehandle_proto import topics as t
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.values import Value
from livehandled.redaction import Redaction, Stream

_STREAMS = ("thought", "text_delta", "input_transcription", "output_transcription")
"""Events that carry a text in pieces: a turn's pieces are one text."""

_ENDS = {"text_complete": ("text_delta",), "turn_complete": _STREAMS, "disconnected": _STREAMS}
"""What ends which of those texts."""


class RedactedEvents:
    """Masks what is said in the events of one session after another."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._streams: dict[str, Stream] = {name: redaction.stream() for name in _STREAMS}

    def held(self, name: str) -> Iterator[tuple[str, Value]]:
        """Yield what was held back and comes before an event of this name."""
        for ended in _ENDS.get(name, ()):
            if rest := self._streams[ended].finish():
                kind = t.TranscriptDelta if ended.endswith("transcription") else t.Text
                yield ended, kind(text=rest)

    def shown(self, name: str, data: Value) -> Value:
        """Return the data as it is shown: of a text, what can be released of it."""
        match data:
            case t.Text() | t.TranscriptDelta() if name in self._streams:
                return replace(data, text=self._streams[name].feed(data.text))
            case t.Text():
                return t.Text(text=self._redaction.text(data.text))
        return data

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
