"""Says of a conversation what was lost, doubled, reordered or left open. Pure: logs in, words out.

Everything that is sent holds a mark of its own, `[t3]` for a typed turn, `[c2]` for context, `[r1]`
for the result of a call, so that it is found again wherever it went.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from livehandle_proto.values import PHASES, Phase
from livehandled.session.phase import may_follow

Json = dict[str, Any]

Kind = Literal["typed", "context", "result"]

_MARK = re.compile(r"\[[tcr]\d+\]")
_TOLD_RESULT = re.compile(r"^\[.* returned (.*)\]$", re.MULTILINE)
"""How a session begun anew is told of a call in the model's name."""
_CONTEXT = re.compile(r"\A\[c\d+\]")
"""Context in the model's name; further behind, it is the model that repeats what it was told."""
_OPENING = {
    "session.input_transcription",
    "session.output_transcription",
    "session.audio_data",
    "session.text_delta",
    "session.tool_call",
    "live.vad_start",
}
_LOST = {"events.lagged", "daemon.notification_failed"}
"""What is dropped of the audio for a slow reader is no loss: it is told."""


class Sent(NamedTuple):
    """Something that a client was told is sent."""

    mark: str
    kind: Kind
    call: str = ""
    """Of a result: the call's id."""


class Log(NamedTuple):
    """What was seen of one conversation, once it had come to rest."""

    events: Sequence[Json]
    """The parameters of each event, in the order they came."""
    sent: Sequence[Sent]
    """What was accepted, in order."""
    sessions: Sequence[Json]
    """The emulator's sessions, with the history of each."""
    transcript: Json
    """The `transcript` call's answer."""
    session: Json
    """The `session` call's answer."""
    cancelled: frozenset[str] = frozenset()
    """Calls that the service itself gave up: their results need not arrive."""


def problems(log: Log) -> list[str]:
    """Return everything that must not be, in words; nothing where all is well."""
    over = bool(_of(log.events, "session.disconnected"))
    return [
        *_delivery(log.events),
        *_phases(log.events),
        *_turns(log, over=over),
        *_reconnects(log.events),
        *_histories(log, over=over),
        *_transcript(log),
        *_words(log),
    ]


def outcome(events: Sequence[Json]) -> str:
    """Return in a few words what became of the connection."""
    told = [
        f"{data['restored']}{_because(data)}, gap {data['gap_ms']} ms, lost {data['lost']}"
        for data in _of(events, "session.resumed")
    ]
    for data in _of(events, "session.disconnected"):
        names = [error["data"]["name"] for error in _of(events, "session.error")]
        told.append(f"{data['reason']}: {names[-1] if names else 'no error'}")
    return "; ".join(told) or "unaffected"


def marks(text: object) -> list[str]:
    """Return the marks in a text, in order."""
    return _MARK.findall(str(text))


def _because(data: Json) -> str:
    return f" ({data['reason']})" if data["restored"] != "handle" else ""


def _of(events: Iterable[Json], topic: str) -> list[Json]:
    return [event["data"] for event in events if event["topic"] == topic]


# Events.


def _delivery(events: Sequence[Json]) -> Iterator[str]:
    last = 0
    for event in events:
        if event["topic"] in _LOST:
            yield f"{event['topic']}: {event['data']}"
        if event["seq"] <= last:
            yield f"seq {event['seq']} of {event['topic']} does not rise above {last}"
        last = max(last, event["seq"])


def _phases(events: Sequence[Json]) -> Iterator[str]:
    phase: Phase = "disconnected"
    last, whole = 0, True
    for event in events:
        # To a slow reader only the latest phase is sent: that is a hole in the numbers.
        whole = whole and event["seq"] == last + 1
        last = event["seq"]
        if event["topic"] != "session.phase_changed":
            continue
        following, previous = event["data"]["phase"], event["data"]["previous"]
        if following not in PHASES or previous not in PHASES:
            yield f"{previous} or {following} is no phase"
            continue
        if whole and previous != phase:
            yield f"{following} is said to follow {previous}, and the phase was {phase}"
        whole = True
        if not may_follow(previous, following):
            yield f"{following} may not follow {previous}"
        phase = following


def _turns(log: Log, *, over: bool) -> Iterator[str]:
    opened = len([one for one in log.sent if one.kind == "typed"])
    ended = 0
    began = False
    for event in log.events:
        topic, data = event["topic"], event["data"]
        began = began or topic in _OPENING
        if topic == "session.turn_complete":
            if data["turn"] != ended:
                yield f"turn {data['turn']} ended where turn {ended} was to end"
            ended += 1
            if not began:
                opened -= 1  # a typed turn that was never answered
            if opened < 0:
                yield f"turn {data['turn']} ended and was not opened"
            began = False
    semantic = [data["turn"] for data in _of(log.events, "live.turn_complete")]
    if semantic != list(range(ended)):
        yield f"live.turn_complete told of the turns {semantic}, and there were {ended}"
    if not over:
        if log.session["current_turn"] is not None:
            yield f"turn {log.session['current_turn']} is still open"
        if log.session["phase"] != "active":
            yield f"at the end the phase is {log.session['phase']}"


def _reconnects(events: Sequence[Json]) -> Iterator[str]:
    waiting = False
    for event in events:
        topic = event["topic"]
        if topic == "session.reconnecting":
            waiting = True
        elif topic in {"session.resumed", "session.disconnected"}:
            if topic == "session.resumed" and not waiting:
                yield "session.resumed came without a session.reconnecting"
            waiting = False
    if waiting:
        yield "session.reconnecting was followed by nothing"


# What the model knows.


def _histories(log: Log, *, over: bool) -> Iterator[str]:
    if not log.sessions:
        return
    last = max(log.sessions, key=lambda session: max(session["connections"]))
    for session in log.sessions:
        found = _found(session["history"])
        counted = Counter(found)
        for mark, times in counted.items():
            if times > 1:
                yield f"{mark} stands {times} times in the history of {session['session']}"
        if session is last and not over:
            yield from _missing(log, counted)
        yield from _reordered(log.sent, found, session["session"])


_QUOTES = "You typed: "
"""How the emulator's replies to what was typed begin."""


def _found(history: Iterable[Json]) -> list[str]:
    """Return the marks of what was told to the model, in order."""
    found: list[str] = []
    for entry in history:
        if entry["role"] == "user":
            found += marks(entry["text"])
        elif entry["kind"] in {"context", "seed"}:
            told = [mark for text in _TOLD_RESULT.findall(entry["text"]) for mark in marks(text)]
            found += told
            if _QUOTES not in entry["text"]:  # a reply says again what it was asked
                found += [mark for mark in marks(entry["text"]) if mark.startswith("[c")]
    return found


def _missing(log: Log, counted: Mapping[str, int]) -> Iterator[str]:
    for one in log.sent:
        if not counted.get(one.mark) and one.call not in log.cancelled - {""}:
            yield f"{one.mark} ({one.kind}) is lost"


def _reordered(sent: Sequence[Sent], found: Sequence[str], session: str) -> Iterator[str]:
    for kind in ("typed", "context"):
        order = {one.mark: i for i, one in enumerate(sent) if one.kind == kind}
        seen = [order[mark] for mark in dict.fromkeys(found) if mark in order]
        if seen != sorted(seen):
            names = [sent[i].mark for i in seen]
            yield f"the {kind} of {session} came in the order {' '.join(names)}"


# What clients see.


def _transcript(log: Log) -> Iterator[str]:
    turns = [*log.transcript["turns"], *filter(None, [log.transcript["current"]])]
    told = Counter(mark for turn in turns for mark in marks(turn["user"]))
    for one in log.sent:
        if one.kind == "typed" and told[one.mark] != 1:
            yield f"{one.mark} stands {told[one.mark]} times in the transcript"
    numbers = [turn["turn_number"] for turn in turns]
    if numbers != list(range(numbers[0] if numbers else 0, (numbers[-1] if numbers else -1) + 1)):
        yield f"the transcript has the turns {numbers}"
    used = Counter(
        mark for turn in turns for tool in turn["tool_calls"] for mark in marks(tool["result"])
    )
    for one in log.sent:
        if one.kind == "result" and used[one.mark] != 1:
            yield f"{one.mark} stands {used[one.mark]} times among the transcript's tools"


def _words(log: Log) -> Iterator[str]:
    """Compare the deltas a client appended with the transcript, turn by turn."""
    kept = {turn["turn_number"]: turn for turn in log.transcript["turns"]}
    said, cut = "", False
    for event in log.events:
        topic, data = event["topic"], event["data"]
        if topic in {"live.output_transcript", "live.text_delta"}:
            said += data["text"]
        elif topic == "live.interrupted":
            cut = True
        elif topic == "live.turn_complete":
            number = data["turn_number"]
            model = kept[number]["model"] if number in kept else data["model"]
            if not _agrees(said, model, interrupted=cut or data["interrupted"]):
                yield f"turn {data['turn']}: a client heard {said!r}, the transcript has {model!r}"
            for mark, times in Counter(marks(said)).items():
                if times > 1:
                    yield f"turn {data['turn']}: the model says {mark} {times} times"
            said, cut = "", False


def _agrees(said: str, model: str, *, interrupted: bool) -> bool:
    return said.startswith(model) if interrupted else said == model
