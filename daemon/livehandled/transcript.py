"""The transcript: both sides of the conversation, turn by turn, as they were heard (N).

Chunks are joined as they came, nothing added or trimmed (wire 4.2). The order in which they come
is not that of speech: the service may deliver the user's words during the reply or after it, and
the model's words ahead of its voice. So a turn keeps all words of the model and cuts them to what
was heard whenever it is looked at.

What is read here is as redaction leaves it, but for what the model is told anew (`said`).
"""

import json
import re
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from json import JSONEncoder
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from livehandle_proto.transcripts import ToolUse, TranscriptTurn
from livehandled.redaction import MAX_HELD, NOTHING_REDACTED, Redaction
from livehandled.voice.playback import cut_to_words

KEPT_TURNS = 50
"""Finished turns that are kept (N2)."""

_MAX_CHARS = 65_536
"""Characters kept of one side of a turn: more than an hour of speech."""
_MAX_TOOLS = 100
"""Tools kept of one turn: a model may repeat a call a hundred times (wire 4.1)."""
_SUMMARY_CHARS = 200

_JSON = JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)("?)')
"""In JSON that may be clipped."""


class _Words:
    """One side of a turn: its latest 65,536 characters, the others shown as an ellipsis."""

    def __init__(self) -> None:
        self.chars = 0
        self._kept = ""

    def add(self, chunk: str) -> None:
        self.chars += len(chunk)
        self._kept = (self._kept + chunk)[-_MAX_CHARS:]

    def add_line(self, text: str) -> None:
        """Add a message of its own, on a line of its own."""
        self.add(f"\n{text}" if self.chars else text)

    def until(self, chars: int | None) -> str:
        """Return the whole words among the first so many characters; all of them for None."""
        dropped = self.chars - len(self._kept)
        words = self._kept if chars is None else cut_to_words(self._kept, chars - dropped)
        return f"…{words}" if dropped and words else words


@dataclass(slots=True)
class _OpenTurn:
    """The turn that goes on, and the user's words that are to open the next one."""

    user: _Words = field(default_factory=_Words)
    model: _Words = field(default_factory=_Words)
    tools: deque[ToolUse] = field(default_factory=lambda: deque(maxlen=_MAX_TOOLS))
    next_user: _Words = field(default_factory=_Words)
    spoken: str = ""
    """Of the user's words, those that were not typed."""
    notes: dict[int, str] = field(default_factory=dict)
    """Typed messages among the user's words, by their numbers."""
    next_notes: dict[int, str] = field(default_factory=dict)
    next_spoken: str = ""
    model_began: bool = False
    interrupted: bool = False
    heard_chars: int | None = None
    before: str = ""
    """What the user said in the turn before, where these words may go on with it."""
    seen: tuple[TranscriptTurn, int | None, TranscriptTurn] | None = None
    """The turn with `heard_chars` when it was last looked at, and as redaction left it."""


class _Finished(NamedTuple):
    """A finished turn."""

    said: TranscriptTurn
    shown: TranscriptTurn
    """The same, as redaction leaves it."""


class SavedTranscript(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the transcript outlives the daemon."""

    turns: list[TranscriptTurn]
    """Finished, or interrupted by the end of the daemon; oldest first."""
    number: int
    """Of the next turn."""
    user: str
    """The user's words that no reply has begun to answer: they open the next turn."""
    notes: dict[int, str]
    """The typed messages they are, by their numbers."""
    spoken: str
    """Of the user's words, those that were not typed."""
    last_note: int
    tools: list[ToolUse]
    """Those whose results the model has not taken up: they are of the next turn too."""


class Transcript:
    """The latest finished turns, 50 unless told otherwise, and the open one (N2)."""

    def __init__(self, turns: int = KEPT_TURNS, *, redaction: Redaction = NOTHING_REDACTED) -> None:
        self._redaction = redaction
        self._finished: deque[_Finished] = deque(maxlen=turns)
        self._number = 0
        self._last_note = 0
        self._open = _OpenTurn()

    @property
    def current(self) -> TranscriptTurn | None:
        """The open turn; None as long as nothing was said or done in it."""
        turn, seen = self._as_turn(self._open.tools), self._open.seen
        if turn is None:
            return None
        if seen is None or seen[0] != turn or seen[1] != self._open.heard_chars:
            seen = self._open.seen = turn, self._open.heard_chars, self._shown(turn)
        return seen[2]

    @property
    def waiting(self) -> list[int]:
        """The typed messages, by their numbers, that no reply has begun to answer."""
        return list(self._waiting)

    @property
    def _waiting(self) -> dict[int, str]:
        turn = self._open
        return ({} if turn.model_began else turn.notes) | turn.next_notes

    @property
    def spoken(self) -> str:
        """The user's words that no reply has begun to answer, but for the typed ones."""
        turn = self._open
        return turn.next_spoken if turn.model_began else turn.spoken

    def give_up(self, notes: Collection[int]) -> None:
        """Take these typed messages out of the open turn: the service does not take them."""
        turn = self._open
        if not turn.notes.keys().isdisjoint(notes):
            turn.notes = {note: text for note, text in turn.notes.items() if note not in notes}
            turn.user = _joined([turn.spoken, *turn.notes.values()])
        if not turn.next_notes.keys().isdisjoint(notes):
            turn.next_notes = {n: text for n, text in turn.next_notes.items() if n not in notes}
            turn.next_user = _joined([turn.next_spoken, *turn.next_notes.values()])

    @property
    def next_note(self) -> int:
        """The number that the next typed message will have."""
        return self._last_note + 1

    def user_said(self, text: str) -> None:
        """Append words of the user, by input transcription.

        Words that come after the model began are a late tail of what it answers. After an
        interruption they are what interrupted it, and open the next turn (N4).
        """
        turn = self._open
        if turn.model_began and turn.interrupted:
            turn.next_user.add(text)
            turn.next_spoken = (turn.next_spoken + text)[-_MAX_CHARS:]
        else:
            turn.user.add(text)
            turn.spoken = (turn.spoken + text)[-_MAX_CHARS:]

    def user_typed(self, *texts: str) -> None:
        """Append a typed message that was sent (B1), and give it its number.

        What is typed is never late: over a reply it opens the next turn.
        """
        turn, text = self._open, "\n".join(texts)
        self._last_note += 1
        (turn.next_notes if turn.model_began else turn.notes)[self._last_note] = text
        (turn.next_user if turn.model_began else turn.user).add_line(text)

    def model_began(self) -> None:
        """Note the model's first output in this turn, be it only audio or a tool call."""
        self._open.model_began = True

    def model_said(self, text: str) -> None:
        """Append words of the model: output transcription or text.

        Of an interrupted turn, no word beyond those heard is taken, whenever it comes.
        """
        turn = self._open
        turn.model_began = True
        # One character past the cut is kept, to tell whether a word ends there.
        if turn.heard_chars is None or turn.model.chars <= turn.heard_chars:
            turn.model.add(text)

    def tool_called(self, name: str, args: Mapping[str, object], result: object) -> None:
        """Note an answered call, with summaries of what went in and came out.

        The answer is no output of the model: it may come long after the turn of the call.
        """
        self._open.tools.append(tool_use(name, args, result))

    def interrupted(self, heard_chars: int | None) -> None:
        """Cut the model's side to the whole words among the characters heard (N3).

        None leaves it whole. Where the model had not begun there is nothing to interrupt. May
        be called again in a turn, when more is known: the least of the numbers counts.
        """
        turn = self._open
        if not turn.model_began:
            return
        turn.interrupted = True
        if heard_chars is not None:
            least = heard_chars if turn.heard_chars is None else min(turn.heard_chars, heard_chars)
            turn.heard_chars = least

    @property
    def number(self) -> int:
        """The number of the open turn, or of the next."""
        return self._number

    def take_back_tools(self, tools: Iterable[ToolUse]) -> None:
        """Take out tools: their results have not arrived."""
        finished, kept = self._without(tools)
        self._finished.clear()
        self._finished.extend(finished)
        self._open.tools = deque(kept, _MAX_TOOLS)

    def give_back_tools(self, tools: Iterable[ToolUse]) -> None:
        """Put tools into the open turn, in which their results are told again."""
        self._open.tools.extend(tools)

    def end_turn(self) -> TranscriptTurn | None:
        """Finish the open turn and return it; None, and no number used, if it is empty (N1).

        After an interruption the user's words that followed it are the open turn then (N5).
        """
        turn = self._as_turn(self._open.tools)
        shown = None if turn is None else self._shown(turn, over=True)
        self._open = _OpenTurn(
            user=self._open.next_user,
            spoken=self._open.next_spoken,
            notes=self._open.next_notes,
            before=self._before_next,
        )
        if turn is not None and shown is not None:
            self._number += 1
            self._finished.append(_Finished(turn, shown))
        return shown

    @property
    def _before_next(self) -> str:
        """What the user said in the open turn, where the words of the next may go on with it."""
        return self._open.user.until(None)[-MAX_HELD:] if self._open.interrupted else ""

    def window(self, n: int) -> list[TranscriptTurn]:
        """Return the last `n` finished turns that are kept, oldest first."""
        return [turn.shown for turn in self._finished][-n:] if n > 0 else []

    def said(self) -> list[TranscriptTurn]:
        """Return the finished turns that are kept as they were said: for the model alone."""
        return [turn.said for turn in self._finished]

    def window_with_current(self, n: int) -> list[TranscriptTurn]:
        """Return the last `n` finished turns and, behind them, the open one if any (N8)."""
        current = self.current
        return [*self.window(n), *([] if current is None else [current])]

    def export(self, *, untold_tools: Sequence[ToolUse] = ()) -> SavedTranscript:
        """Return the transcript as it is to be after a restart.

        A reply that goes on is cut off by that: its turn is among the finished, interrupted.
        Words that wait for their reply stay open, for it is still to come, and so do the tools
        whose results are told again.
        """
        finished, kept = self._without(untold_tools)
        turns = [turn.shown for turn in finished]
        tools = list(untold_tools)
        number, user, before = self._number, self._open.user, self._open.before
        if not self._open.model_began:
            tools = [*kept, *tools]
        else:
            user, before = self._open.next_user, self._before_next
            if (turn := self._as_turn(kept)) is not None:
                turns.append(self._shown(replace(turn, interrupted=True), over=True))
                number += 1
        spoken, redacted = self.spoken, self._redaction.text
        return SavedTranscript(
            turns=turns,
            number=number,
            user=redacted(user.until(None), cut=bool(spoken), after=before),
            notes={note: redacted(text) for note, text in self._waiting.items()},
            spoken=redacted(spoken, cut=True, after=before),
            last_note=self._last_note,
            tools=[self._shown_tool(use) for use in tools],
        )

    def restore(self, saved: SavedTranscript) -> None:
        """Go on from what an earlier run exported."""
        self.clear()
        self._finished.extend(_Finished(turn, turn) for turn in saved.turns)
        self._number = saved.number
        self._open.user.add(saved.user)
        self._open.notes = dict(saved.notes)
        self._open.spoken = saved.spoken
        self._last_note = saved.last_note
        self._open.tools.extend(saved.tools)

    def clear(self) -> None:
        """Forget every turn, and count from 0 again."""
        self._finished.clear()
        self._number = 0
        self._open = _OpenTurn()

    def _without(self, tools: Iterable[ToolUse]) -> tuple[list[_Finished], list[ToolUse]]:
        """Return the finished turns and the open one's tools without these, the latest of each."""
        gone = Counter(map(self._shown_tool, tools))  # what was restored is known as it is shown
        kept = self._less(self._open.tools, gone)
        finished = [
            self._with_tools(turn, self._less(turn.said.tool_calls, gone)) if gone.total() else turn
            for turn in reversed(self._finished)
        ]
        return finished[::-1], kept

    def _less(self, tools: Iterable[ToolUse], gone: Counter[ToolUse]) -> list[ToolUse]:
        """Return the tools without those gone, the latest first, and count these down."""
        kept = []
        for use in reversed(list(tools)):
            shown = self._shown_tool(use)
            if gone[shown]:
                gone[shown] -= 1
            else:
                kept.append(use)
        return kept[::-1]

    def _with_tools(self, turn: _Finished, tools: list[ToolUse]) -> _Finished:
        shown = [self._shown_tool(use) for use in tools]
        return _Finished(
            replace(turn.said, tool_calls=tools), replace(turn.shown, tool_calls=shown)
        )

    def _shown(self, turn: TranscriptTurn, *, over: bool = False) -> TranscriptTurn:
        """Return what the open turn is as redaction leaves it, with `over` as it will stay.

        Of one that goes on, what may be the beginning of a match is not shown yet. Where it was
        broken off that is masked, for nothing tells that it is none.
        """
        redaction = self._redaction
        if not redaction.reads_texts:
            return turn
        if self._open.heard_chars is not None:  # it ends with a word, be it in the middle of more
            model = redaction.text(f"{turn.model} ", cut=True).removesuffix(" ")
        elif not over:
            model = redaction.so_far(turn.model)
        else:
            model = redaction.text(turn.model, cut=turn.interrupted)
        before = self._open.before
        if over:
            user = redaction.text(turn.user, cut=turn.interrupted, after=before)
        else:
            user = redaction.so_far(turn.user, after=before)
        return replace(
            turn,
            user=user,
            model=model,
            tool_calls=[self._shown_tool(use) for use in turn.tool_calls],
        )

    def _shown_tool(self, use: ToolUse) -> ToolUse:
        redaction = self._redaction
        if not redaction.reads_texts:
            return use

        def shown(summary: str) -> str:
            clipped = summary.endswith("…")
            text = _STRING.sub(string, summary.removesuffix("…"))
            return redaction.text(text, cut=clipped) + ("…" if clipped else "")

        def string(found: re.Match[str]) -> str:
            """Redact what a string says, and not how JSON spells it."""
            said, closed = _said(found[1]), found[2]
            text = redaction.text(said, cut=not closed)
            return found[0] if text == said else f"{_JSON.encode(text)[:-1]}{closed}"

        return replace(use, args=shown(use.args), result=shown(use.result))

    def _as_turn(self, tools: Iterable[ToolUse]) -> TranscriptTurn | None:
        turn, tools = self._open, list(tools)
        user, model = turn.user.until(None), turn.model.until(turn.heard_chars)
        if not (user.strip() or model.strip() or tools):
            return None
        return TranscriptTurn(
            turn_number=self._number,
            user=user,
            model=model,
            tool_calls=tools,
            interrupted=turn.interrupted,
        )

    @staticmethod
    def format(turns: Iterable[TranscriptTurn]) -> str:
        """Return turns as text for a reader or a model, with a blank line between turns (N6)."""
        return "\n\n".join("\n".join(_lines(turn)) for turn in turns)


def tool_use(name: str, args: Mapping[str, object], result: object) -> ToolUse:
    """Return an answered call as the transcript has it, with summaries of what it was about."""
    return ToolUse(name=_clipped(name), args=_summary(args), result=_summary(result))


def _said(spelled: str) -> str:
    """Return what a JSON string says; an escape that was clipped is left out."""
    try:
        return str(json.loads(f'"{spelled}"'))
    except json.JSONDecodeError:
        return _said(spelled[: spelled.rindex("\\")]) if "\\" in spelled else spelled


def _joined(texts: Iterable[str]) -> _Words:
    words = _Words()
    for text in filter(None, texts):
        words.add_line(text)
    return words


def _lines(turn: TranscriptTurn) -> list[str]:
    user, model = turn.user.strip(), turn.model.strip()
    return [
        *([f"User: {user}"] if user else []),
        *(f"[Tool: {use.name}({use.args}) → {use.result}]" for use in turn.tool_calls),
        *([f"Assistant: {model}"] if model else []),
    ]


def _summary(value: object) -> str:
    """Return JSON of at most 200 characters. What lies beyond is not even encoded."""
    text = ""
    for piece in _JSON.iterencode(value):
        text += piece
        if len(text) > _SUMMARY_CHARS:
            break
    return _clipped(text)


def _clipped(text: str) -> str:
    return text if len(text) <= _SUMMARY_CHARS else f"{text[: _SUMMARY_CHARS - 1]}…"
