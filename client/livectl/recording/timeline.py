"""A wire file for people: one line for each thing that happened."""

from collections.abc import Iterable, Iterator, Mapping

from livectl.sound.playback import rate_of
from livehandle_proto.wire_file import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ARROWS = {"out": "->", "in": "<-"}
_MOST_CHARS = 200
_SAMPLE_BYTES = 2
_MIC_RATE = 16_000


class Moment:
    """One thing that happened."""

    __slots__ = ("direction", "ms", "seconds", "what")

    def __init__(self, ms: float, direction: str, what: str, seconds: float = 0.0) -> None:
        self.ms = ms
        """Since the beginning of the recording."""
        self.direction = direction
        """`->` to the service, `<-` from it, `--` neither."""
        self.what = what
        self.seconds = seconds
        """Of sound; pieces in a row are one moment."""

    def __str__(self) -> str:
        what = f"{self.what} {self.seconds:.2f} s" if self.seconds else self.what
        return f"{self.ms / 1000:10.3f}  {self.direction} {what}"


def timeline(lines: Iterable[Line]) -> Iterator[Moment]:
    """Yield what happened, in order."""
    sound: dict[str, Moment] = {}
    for line in lines:
        ms = line["ms"]
        ms = float(ms) if isinstance(ms, int | float) else 0.0
        for direction, what, seconds in _told(line):
            if seconds:
                known = sound.setdefault(direction, Moment(ms, direction, what))
                known.seconds += seconds
                continue
            if what:
                yield from sound.values()
                sound = {}
                yield Moment(ms, direction, what)
    yield from sound.values()


def _told(line: Line) -> Iterator[tuple[str, str, float]]:
    what = str(line["what"])
    if what not in _ARROWS:
        yield "--", _neither(line), 0.0
        return
    frame = line.get("frame")
    if not isinstance(frame, dict):
        yield _ARROWS[what], f"no JSON: {_cut(line.get('text'))}", 0.0
        return
    told = _of_client(frame) if what == "out" else _of_service(frame)
    for words, seconds in told:
        yield _ARROWS[what], words, seconds


def _neither(line: Line) -> str:
    match line["what"]:
        case "open":
            before = ", open already" if line.get("before") else ""
            return (
                f"connection {line.get('connection')} to {line.get('model')} "
                f"({line.get('backend')}){before}"
            )
        case "close":
            code = line.get("code")
            why = "" if code is None else f", {code} {line.get('reason') or ''}".rstrip()
            return f"closed by the {line.get('by')}{why}"
        case "dropped":
            return f"{line.get('count')} lines are missing here"
        case "end":
            return f"the recording ends: {line.get('reason')}"
    return str(line["what"])


def _of_client(frame: "Mapping[str, Any]") -> Iterator[tuple[str, float]]:
    live = _object(frame.get("realtimeInput"))
    audio = _object(live.get("audio"))
    if "setup" in frame:
        resumed = _object(_object(frame["setup"]).get("sessionResumption")).get("handle")
        yield "setup" + (f", resumes with {resumed}" if resumed else ""), 0.0
    for turn in _list(_object(frame.get("clientContent")).get("turns")):
        yield f"{_object(turn).get('role', 'user')}: {_words(turn)}", 0.0
    if audio:
        yield "sound", _seconds(audio, _MIC_RATE)
    if "video" in live:
        yield "picture", 0.0
    if "text" in live:
        yield f"user: {_cut(live['text'])}", 0.0
    for mark, meaning in (("activityStart", "speech begins"), ("activityEnd", "speech ends")):
        if mark in live:
            yield meaning, 0.0
    for answer in _list(_object(frame.get("toolResponse")).get("functionResponses")):
        told = _object(answer)
        yield f"answer of {told.get('name')}: {_cut(told.get('response'))}", 0.0
    if "contextUpdate" in frame:
        yield "instruction or tools changed", 0.0


def _of_service(frame: "Mapping[str, Any]") -> Iterator[tuple[str, float]]:
    content = _object(frame.get("serverContent"))
    if "setupComplete" in frame:
        yield "setup complete", 0.0
    for part in _list(_object(content.get("modelTurn")).get("parts")):
        yield _part(_object(part))
    for field, who in (("inputTranscription", "heard"), ("outputTranscription", "says")):
        if text := _object(content.get(field)).get("text"):
            yield f"{who}: {_cut(text)}", 0.0
    for field, meaning in _FLAGS.items():
        if content.get(field):
            yield meaning, 0.0
    for call in _list(_object(frame.get("toolCall")).get("functionCalls")):
        told = _object(call)
        yield f"calls {told.get('name')} {_cut(told.get('args'))}", 0.0
    if "toolCallCancellation" in frame:
        yield "calls cancelled", 0.0
    if "goAway" in frame:
        yield f"go away, {_object(frame['goAway']).get('timeLeft', 'soon')} left", 0.0
    if handle := _object(frame.get("sessionResumptionUpdate")).get("newHandle"):
        yield f"can be resumed with {handle}", 0.0
    if "error" in frame:
        yield f"error: {_cut(frame['error'])}", 0.0


_FLAGS = {
    "interrupted": "interrupted",
    "generationComplete": "generation complete",
    "turnComplete": "turn complete",
}


def _part(part: "Mapping[str, Any]") -> tuple[str, float]:
    blob = _object(part.get("inlineData"))
    kind = str(blob.get("mimeType", ""))
    if kind.startswith("audio/"):
        return "sound", _seconds(blob, rate_of(kind))
    if blob:
        return f"media {kind}", 0.0
    return f"{'thinks' if part.get('thought') else 'writes'}: {_cut(part.get('text', ''))}", 0.0


def _seconds(blob: "Mapping[str, Any]", rate: int) -> float:
    """Return the length of sound; never 0, so that it is known for sound."""
    data = str(blob.get("data", "")).rstrip("=")
    return max(len(data) * 3 // 4 / _SAMPLE_BYTES / rate, 1e-9)


def _words(turn: object) -> str:
    parts = _list(_object(turn).get("parts"))
    return _cut("".join(str(_object(part).get("text", "")) for part in parts))


def _object(value: object) -> "Mapping[str, Any]":
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _cut(value: object) -> str:
    """Return a value as one line of no more than so many characters."""
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    plain = "".join(one if one.isprintable() else " " for one in text)
    return plain if len(plain) <= _MOST_CHARS else plain[:_MOST_CHARS] + "…"
