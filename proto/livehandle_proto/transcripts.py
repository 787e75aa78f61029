"""What was said, turn by turn (N1)."""

from livehandle_proto.values import Value


class ToolUse(Value, frozen=True, kw_only=True):
    """A tool that was used in a turn. `args` and `result` are JSON, cut to 200 characters (N6)."""

    name: str
    args: str
    result: str


class TranscriptTurn(Value, frozen=True, kw_only=True, omit_defaults=False):
    """One turn: what the user said or typed, what the model answered, the tools in between.

    `turn_number` counts from 0 the turns in which anything was said or done. If the user cut the
    reply off, `interrupted` is set and `model` holds the words that were heard.
    """

    turn_number: int
    user: str = ""
    model: str = ""
    tool_calls: list[ToolUse] = []
    interrupted: bool = False


class Transcript(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The latest finished turns, oldest first, and the open one, None between turns."""

    turns: list[TranscriptTurn]
    current: TranscriptTurn | None
