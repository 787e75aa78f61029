"""The service's side of a recording, played back to a client. Sans-I/O.

A message of the service waits for everything of the client's that it came after: the setup, typed
turns, answers to calls, activity marks, each by its kind and number; and for as much time after the
last of them as it did then, divided by the speed. At speed 0 no time is waited, and for as much
sound as had been sent by then instead: it is sound that the service answers to.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from livehandle_emulator.closing import Close, close
from livehandle_proto.wire_file import Line, NoRecordingError
from livehandled.gemini.client import ClientMessage
from livehandled.gemini.codec import FrameError, decode_client
from livehandled.gemini.names import UnknownNameError

Kind = Literal["setup", "turn", "tool", "mark"]
"""What the service may have waited for."""

OVER = close(1008, "The recording has no more connections: start the emulator again.")
"""What a client is told that connects once more than was recorded."""


class Lost(NamedTuple):
    """The connection ends without a close frame, as it did then."""


class _Said(NamedTuple):
    """A message of the client's that what follows may wait for."""

    kind: Kind
    ms: float


class _Due(NamedTuple):
    """What the service does, and after what."""

    out: bytes | Close | Lost
    after: tuple[tuple[Kind, int], ...]
    """How many messages of each kind had come by then."""
    sound: int
    """Base64 characters of sound that had come by then."""
    place: int
    """How many messages that can be waited for had come by then, of all kinds."""
    delay_ms: float
    """Since the last of them."""


class Recorded(NamedTuple):
    """One connection of a recording."""

    model: str
    due: Sequence[_Due]


def connections(lines: Iterable[Line]) -> list[Recorded]:
    """Return the connections of a recording. Raises `NoRecordingError`."""
    found: list[_Reader] = []
    for line in lines:
        match line["what"]:
            case "open":
                found.append(_Reader())
            case "in" | "out" | "close" if not found:
                raise NoRecordingError("has a message before the first connection")
            case "in" | "out" | "close":
                found[-1].take(line)
    # Without a setup there is no model that a client could ask for.
    return [Recorded(one.model, one.due) for one in found if one.model]


class _Reader:
    """Reads the lines of one connection."""

    def __init__(self) -> None:
        self.model = ""
        self.due: list[_Due] = []
        self.said: list[_Said] = []
        self._sound = 0
        self._counts: Counter[Kind] = Counter()

    def take(self, line: Line) -> None:
        """Take a message or the end."""
        ms = line["ms"]
        assert isinstance(ms, int | float)  # as `wire_file.read` has it
        if line["what"] == "out":
            self._take_said(_bytes(line), ms)
        elif line["what"] == "in":
            self._add(_bytes(line), ms)
        elif (end := _end(line)) is not None:
            self._add(end, ms)

    def _take_said(self, frame: bytes, ms: float) -> None:
        message = _message(frame)
        kind = _kind(message)
        self._sound += _sound(message)
        if kind is not None:
            self._counts[kind] += 1
            self.said.append(_Said(kind, ms))
        if message is not None and message.setup is not None:
            self.model = message.setup.model

    def _add(self, out: bytes | Close | Lost, ms: float) -> None:
        since = self.said[-1].ms if self.said else ms
        after = tuple(self._counts.items())
        self.due.append(_Due(out, after, self._sound, len(self.said), ms - since))


class Replay:
    """One connection, played back. Times are seconds of any steady clock."""

    def __init__(self, recorded: Recorded, *, speed: float) -> None:
        self._recorded = recorded
        self._speed = speed
        self._next = 0
        self._came: Counter[Kind] = Counter()
        self._times: list[float] = []
        """When each message came that can be waited for."""
        self._sound = 0
        self._last = 0.0
        self.refused = False
        """The client began otherwise than the recording."""

    def receive(self, frame: bytes, now: float) -> list[bytes | Close | Lost]:
        """Take a message of the client's, and return what is due by now."""
        message = _message(frame)
        self._sound += _sound(message)
        kind = _kind(message)
        if refusal := self._refusal(message):
            self.refused = True
            return [refusal]
        if kind is not None:
            self._came[kind] += 1
            self._times.append(now)
        return self.advance(now)

    def advance(self, now: float) -> list[bytes | Close | Lost]:
        """Return what is due by now."""
        out: list[bytes | Close | Lost] = []
        while (at := self.deadline) is not None and at <= now:
            self._last = at
            out.append(self._recorded.due[self._next].out)
            self._next += 1
        return out

    @property
    def deadline(self) -> float | None:
        """When `advance` will have something; None if only after more of the client's."""
        if self.refused or self._next == len(self._recorded.due):
            return None
        due = self._recorded.due[self._next]
        if self._missing(due):
            return None
        if not self._speed:
            return self._last if self._sound >= due.sound else None
        since = self._times[due.place - 1] if due.place else self._last
        return max(self._last, since + due.delay_ms / 1000 / self._speed)

    @property
    def waits_for(self) -> str:
        """What more of the client's the next message waits for; empty where for nothing."""
        if self.refused or self._next == len(self._recorded.due) or self.deadline is not None:
            return ""
        missing = self._missing(self._recorded.due[self._next])
        return ", ".join(f"{count} x {kind}" for kind, count in missing) or "sound"

    def _missing(self, due: _Due) -> list[tuple[Kind, int]]:
        """Return how many messages of each kind are still to come before it."""
        came = self._came
        return [(kind, count - came[kind]) for kind, count in due.after if came[kind] < count]

    def _refusal(self, message: ClientMessage | None) -> Close | None:
        """Return why a first message is not what the recording begins with."""
        if self._came:
            return None
        if message is None or message.setup is None:
            return close(1007, "setup must be the first message and only the first")
        if message.setup.model != self._recorded.model:
            model = self._recorded.model
            return close(1007, f"The recording is of {model}: set session.model to that.")
        return None


def _bytes(line: Line) -> bytes:
    if "frame" in line:
        return msgspec.json.encode(line["frame"])
    return str(line.get("text", "")).encode()


def _end(line: Line) -> Close | Lost | None:
    """Return how the service ended the connection; None where the client did."""
    code, reason = line.get("code"), line.get("reason")
    if line.get("by") == "network":
        return Lost()
    if line.get("by") != "service" or not isinstance(code, int):
        return None
    return close(code, str(reason or ""))


def _message(frame: bytes) -> ClientMessage | None:
    try:
        return decode_client(frame)
    except (FrameError, UnknownNameError):
        return None


def _kind(message: ClientMessage | None) -> Kind | None:
    if message is None:
        return None
    live = message.realtime_input
    if message.setup is not None:
        return "setup"
    if message.tool_response is not None:
        return "tool"
    if message.client_content is not None:
        return "turn" if message.client_content.turn_complete else None
    if live is None:
        return None
    if live.text is not None:
        return "turn"
    return "mark" if live.activity_start is not None or live.activity_end is not None else None


def _sound(message: ClientMessage | None) -> int:
    live = None if message is None else message.realtime_input
    return 0 if live is None or live.audio is None else len(live.audio.data)
