"""The conversation so far, as a session that begins anew is told of it (wire 4.5)."""

from collections.abc import Iterable, Sequence
from typing import Literal

from livehandle_proto.transcripts import TranscriptTurn
from livehandled.gemini.content import Content, text_of

Turn = tuple[Literal["user", "model"], str]
"""Who speaks, and the words."""

_MAX_CHARS = 48_000
"""Of all turns told: about a tenth of the model's memory. The newest count."""


def history(told: Iterable[Content], turns: Sequence[TranscriptTurn]) -> list[Turn]:
    """Return the context that was told and then the turns, oldest first, as far as they fit."""
    said: list[Turn] = [
        ("user" if content.role == "user" else "model", text_of(content)) for content in told
    ]
    for turn in turns:
        tools = [f"[{use.name}({use.args}) returned {use.result}]" for use in turn.tool_calls]
        said.append(("user", turn.user.strip()))
        said.append(("model", "\n".join([*tools, turn.model.strip()]).strip()))
    kept: list[Turn] = []
    chars = 0
    for role, text in reversed([turn for turn in said if turn[1]]):
        chars += len(text)
        if chars > _MAX_CHARS:
            break
        kept.append((role, text))
    return kept[::-1]
