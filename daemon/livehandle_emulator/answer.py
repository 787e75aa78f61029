"""What the emulator says to what it was given: no model, a few plain rules.

A typed turn is repeated, speech is spoken back, `call NAME {json}` on a line of its own calls
a function, and `instruction` is answered with the instruction in force. Canned replies of the
scenario come before all of these.
"""

import json
import re
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from livehandle_emulator.hearing import Utterance
from livehandle_emulator.scenario import CannedReply

_CALL = re.compile(r"\s*call\s+(?P<name>[\w.:-]+)\s*(?P<args>\{.*)?", re.IGNORECASE | re.DOTALL)
_ARGUMENTS = msgspec.json.Decoder(dict[str, object])
_LONGEST = 200  # characters of one thing the emulator says by itself; a voice costs time
MOST_KEPT = 20
"""Of each kind, where many wait for one answer; and of what is said in one."""


class Result(NamedTuple):
    """What a function answered."""

    name: str
    response: dict[str, object]


@dataclass(slots=True)
class Prompt:
    """What came from the user, and from functions, since the last answer: the newest of it."""

    texts: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    attachments: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    """The MIME types of what came with the texts."""
    utterances: deque[Utterance] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    results: deque[Result] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    asked: bool = False
    """Whether a typed turn is complete: its answer waits for nothing."""

    def wants_answer(self, *, speaking: bool) -> bool:
        """Return whether to answer now. Speech and results wait while the user speaks."""
        return self.asked or (not speaking and bool(self.utterances or self.results))


class Say(NamedTuple):
    """Words of the emulator's own."""

    text: str


class Echo(NamedTuple):
    """The user's words, spoken back."""

    utterance: Utterance


class Call(NamedTuple):
    """A function to call."""

    name: str
    args: dict[str, object]


class Answer(NamedTuple):
    """What to say, and what to call first."""

    segments: list[Say | Echo]
    calls: list[Call]


def words_of(utterance: Utterance) -> str:
    """Return what is honestly known of the words in an utterance: how long they took."""
    if utterance.speech_s <= 0.0:
        return "[no speech]"
    return f"[{utterance.speech_s:.1f} s of speech]"


def answer_to(
    prompt: Prompt,
    *,
    functions: Collection[str],
    instruction: str,
    video_frames: int,
    canned: Sequence[CannedReply],
) -> Answer:
    """Return the answer to everything in a prompt. `functions` are the declared names."""
    answer = Answer([], [])
    for text in prompt.texts:
        if not _canned(text, canned, functions, answer):
            _typed(text, instruction, functions, answer)
    answer.segments.extend(Say(_shortened(f"You attached {k}.")) for k in prompt.attachments)
    for utterance in prompt.utterances:
        if not _canned(words_of(utterance), canned, functions, answer):
            heard = Echo(utterance) if utterance.pcm else Say("I heard nothing.")
            answer.segments.append(heard)
    answer.segments.extend(said_of(result) for result in prompt.results)
    if video_frames:
        plural = "" if video_frames == 1 else "s"
        answer.segments.append(Say(f"I saw {video_frames} video frame{plural}."))
    if not answer.segments and not answer.calls:
        answer.segments.append(Say("You typed nothing new."))
    return Answer(answer.segments[-MOST_KEPT:], answer.calls)


def _canned(
    words: str, canned: Sequence[CannedReply], functions: Collection[str], answer: Answer
) -> bool:
    for reply in canned:
        match = re.search(reply.match, words, re.IGNORECASE)
        if match is None:
            continue
        if reply.say is not None:
            # What the scenario says stays whole, and what was typed may be megabytes.
            words = _shortened(match.expand(reply.say), len(reply.say) + _LONGEST)
            answer.segments.append(Say(words))
        if reply.call is not None:
            args = {key: _expanded(value, match) for key, value in reply.args.items()}
            _call(Call(reply.call, args), functions, answer)
        return True
    return False


def _expanded(value: object, match: re.Match[str]) -> object:
    if isinstance(value, str):
        return match.expand(value)
    if isinstance(value, list):
        return [_expanded(inner, match) for inner in value]
    if isinstance(value, dict):
        return {key: _expanded(inner, match) for key, inner in value.items()}
    return value


def _typed(text: str, instruction: str, functions: Collection[str], answer: Answer) -> None:
    if text.strip().lower() == "instruction":
        known = f"My instruction is: {instruction}" if instruction else "I have no instruction."
        answer.segments.append(Say(_shortened(known)))
        return
    other_lines = []
    for line in text.splitlines():
        match = _CALL.fullmatch(line)
        if match is None:
            other_lines.append(line)
        else:
            _asked_call(match, functions, answer)
    rest = "\n".join(other_lines).strip()
    if rest:
        answer.segments.append(Say(f"You typed: {_shortened(rest)}"))


def _asked_call(match: re.Match[str], functions: Collection[str], answer: Answer) -> None:
    try:
        args = _ARGUMENTS.decode(match["args"] or "{}")
    except (msgspec.DecodeError, RecursionError) as error:
        wrong = f"The arguments of {match['name']} are not JSON: {error}."
        answer.segments.append(Say(_shortened(wrong)))
        return
    _call(Call(match["name"], args), functions, answer)


def _call(call: Call, functions: Collection[str], answer: Answer) -> None:
    if call.name in functions:
        answer.calls.append(call)
        return
    known = ", ".join(sorted(functions)) or "none"
    wrong = f"There is no function {call.name}. Declared: {known}."
    answer.segments.append(Say(_shortened(wrong)))


def reported(result: Result) -> str:
    """Return a function's answer in words; `output` and `error` are conventions (wire 2.4)."""
    if "error" in result.response:
        return f"{result.name} failed: {_as_text(result.response['error'])}."
    output = result.response.get("output", result.response)
    return f"{result.name} answered {_as_text(output)}."


def said_of(result: Result) -> Say:
    """Return what is said of a function's answer: as much of it as a sentence holds."""
    return Say(_shortened(reported(result)))


def _shortened(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[:longest] + "…"


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
