"""The conversation so far, as a session that begins anew is told of it (wire 4.5)."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from livehandle_proto.transcripts import TranscriptTurn
from livehandled.gemini.content import Content, text_of

Turn = tuple[Literal["user", "model"], str]
"""Who speaks, and the words."""


class Told(NamedTuple):
    """Context that the model was given, which no transcript has."""

    content: Content
    turn: int
    """The number of the transcript's turn in which it was, or before which."""


_MAX_CHARS = 48_000
"""Of all turns told: about a tenth of the model's memory. The newest count."""


def history(told: Iterable[Told], turns: Sequence[TranscriptTurn]) -> list[Turn]:
    """Return the turns, oldest first, each behind the context it had, as far as they fit."""
    said: list[Turn] = []
    context = deque(told)
    for turn in turns:
        while context and context[0].turn <= turn.turn_number:
            said.append(_in_words(context.popleft().content))
        tools = [f"[{use.name}({use.args}) returned {use.result}]" for use in turn.tool_calls]
        said.append(("user", turn.user.strip()))
        said.append(("model", "\n".join([*tools, turn.model.strip()]).strip()))
    said += [_in_words(one.content) for one in context]
    kept: list[Turn] = []
    chars = 0
    for role, text in reversed([turn for turn in said if turn[1]]):
        chars += len(text)
        if chars > _MAX_CHARS:
            break
        kept.append((role, text))
    return kept[::-1]


def _in_words(content: Content) -> Turn:
    return "user" if content.role == "user" else "model", text_of(content)
