"""The turns an extractor is given, cut to what one line of the socket holds."""

from collections.abc import Sequence

import msgspec

from livehandle_proto.transcripts import TranscriptTurn
from livehandled.transcript import Transcript

_MAX_TEXT_BYTES = 16_384
_MAX_TURNS_BYTES = 24_576
"""An `extractor.run` event with both stays below 64 KiB."""
_MAX_SIDE_CHARS = 2_000
"""Of each side of the newest turn, where it alone is too much."""

_encode = msgspec.json.Encoder().encode


def text_of(window: Sequence[TranscriptTurn]) -> str:
    """Return turns as text (N6); of a long one, the last 16 KiB."""
    text = Transcript.format(window)
    return text.encode(errors="replace")[-_MAX_TEXT_BYTES:].decode(errors="ignore")


def fitting(window: Sequence[TranscriptTurn]) -> list[TranscriptTurn]:
    """Return the newest of the turns that 24 KiB of JSON hold, at least one.

    If that one does not fit, the end of both its sides is kept, and of its tools the last ones.
    """
    kept: list[TranscriptTurn] = []
    room = _MAX_TURNS_BYTES
    for turn in reversed(window):
        room -= len(_encode(turn))
        if room < 0:
            break
        kept.insert(0, turn)
    return kept or [_shortened(turn) for turn in window[-1:]]


def _shortened(turn: TranscriptTurn) -> TranscriptTurn:
    return msgspec.structs.replace(
        turn,
        user=turn.user[-_MAX_SIDE_CHARS:],
        model=turn.model[-_MAX_SIDE_CHARS:],
        tool_calls=list(turn.tool_calls)[-8:],
    )
