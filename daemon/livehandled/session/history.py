"""The conversation so far, as a session that begins anew is told of it (wire 4.5)."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from livehandle_proto.transcripts import TranscriptTurn

Turn = tuple[Literal["user", "model"], str]
"""Who speaks, and the words."""

MAX_CHARS = 48_000
"""Of all turns told to a session begun anew: about a tenth of the model's memory."""


class Told(NamedTuple):
    """Context that the model was given in words, which no transcript has."""

    role: Literal["user", "model"]
    words: str
    turn: int
    """The number of the transcript's turn in which it was, or before which."""


def history(told: Iterable[Told], turns: Sequence[TranscriptTurn]) -> list[Turn]:
    """Return the turns, oldest first, each behind the context it had."""
    said: list[Turn] = []
    context = deque(told)
    for turn in turns:
        while context and context[0].turn <= turn.turn_number:
            one = context.popleft()
            said.append((one.role, one.words))
        tools = [f"[{use.name}({use.args}) returned {use.result}]" for use in turn.tool_calls]
        said.append(("user", turn.user.strip()))
        said.append(("model", "\n".join([*tools, turn.model.strip()]).strip()))
    said += [(one.role, one.words) for one in context]
    return [turn for turn in said if turn[1]]


def clipped(turns: Sequence[Turn], most: int = MAX_CHARS) -> list[Turn]:
    """Return the newest of the turns that fit in so many characters, and the end of one more."""
    kept: list[Turn] = []
    for role, words in reversed(turns):
        if most < 2:
            break
        kept.append((role, words if len(words) <= most else f"…{words[1 - most :]}"))
        most -= len(words)
    return kept[::-1]
