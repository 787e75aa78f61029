"""What of a message may be written down: no secret, a stand-in for each handle, texts redacted.

Sans-I/O. It is done by the thread that writes, so that recording costs the loop nothing.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import msgspec

from livehandled.gemini.auth import mask
from livehandled.gemini.client import ClientMessage
from livehandled.gemini.names import camelised
from livehandled.gemini.server import ServerMessage
from livehandled.recording.items import Direction
from livehandled.redaction import Redaction

Json = dict[str, object]

_MOST_HANDLES = 1024
_LOOKED_FOR = 64
"""The newest handles are masked wherever they stand, be it where none belongs."""
_BEGINNING = 8
"""Characters of a handle that no text shares with it by chance."""

_HANDLE = re.compile(r'("(?:new_?)?[Hh]andle"\s*:\s*")((?:[^"\\]|\\.)+)')
"""In what is no JSON."""

_NAMES = frozenset(
    {
        *("id", "ids", "name", "model", "role", "type", "data", "mimeType", "voiceName"),
        *("handle", "newHandle", "sessionId", "timeLeft", "turnCompleteReason", "behavior"),
        *("interactionStatus", "thoughtSignature", "languageCode", "modality", "scheduling"),
    }
)
"""Fields whose texts are the protocol's own words, or sound."""

_FREE = frozenset({"args", "response"})
"""Fields that hold what only a function and its caller understand: numbers tell something too."""

_STREAMS = ("inputTranscription", "outputTranscription", "modelTurn", "thought")
"""Texts that come in pieces: `thought` is what of `modelTurn` is marked as that."""


class Scrubber:
    """Cleans the messages of one recording, in order.

    `silent`: sound in them is replaced by as much silence, for nothing can be masked in it.
    """

    def __init__(self, redaction: Redaction | None = None, *, silent: bool = False) -> None:
        self._redaction = redaction
        self._silent = silent
        self._secrets: Sequence[str] = ()
        self._stand_ins: OrderedDict[str, str] = OrderedDict()
        self._numbered = 0
        self._interrupted = False
        self._streams = {} if redaction is None else {n: redaction.stream() for n in _STREAMS}

    def know(self, secrets: Sequence[str], handles: Iterable[str]) -> None:
        """Note what may not be seen from here on."""
        self._secrets = secrets
        for handle in handles:
            self._stand_in(handle)

    def message(self, frame: bytes, direction: Direction) -> list[Json]:
        """Return a message as what of lines is written of it, as a rule one.

        Texts that come in pieces are masked as a whole: their ends may come later.
        """
        try:
            tree = msgspec.json.decode(frame, type=dict[str, object])
            kind = ServerMessage if direction == "in" else ClientMessage
            known = camelised(tree, kind)
            assert isinstance(known, dict)
            self._note_handles(known)
            before = self._of_streams(known) if direction == "in" and self._streams else []
            said: list[Json] = [{"frame": one} for one in before]
            return [*said, {"frame": self._cleaned(known)}]
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return [{"text": self._unreadable(frame)}]

    def text(self, text: str) -> str:
        """Return a text without a secret and without a handle; redacted."""
        text = self._plain(text)
        return text if self._redaction is None else self._redaction.text(text)

    def _plain(self, text: str) -> str:
        """Return a text without a secret and without a handle."""
        newest = list(self._stand_ins)[-_LOOKED_FOR:]
        begun = [handle for handle in newest if handle[:_BEGINNING] in text]
        for handle in begun:
            text = text.replace(handle, self._stand_ins[handle])
        return mask(text, [*self._secrets, *begun])  # of a close reason the end may be missing

    def rest(self) -> list[Json]:
        """Return what stands for what was held back of texts that are broken off here.

        They are messages of their own.
        """
        self._interrupted = False
        rest = [(name, stream.cut()) for name, stream in self._streams.items()]
        return [{"frame": {"serverContent": _piece(name, text)}} for name, text in rest if text]

    def _note_handles(self, tree: Json) -> None:
        """Replace handles where they belong, so that a replay can still be resumed."""
        setup, update = tree.get("setup"), tree.get("sessionResumptionUpdate")
        asked = setup.get("sessionResumption") if isinstance(setup, dict) else None
        for place, field in ((asked, "handle"), (update, "newHandle")):
            if isinstance(place, dict) and isinstance(place.get(field), str) and place[field]:
                place[field] = self._stand_in(place[field])

    def _stand_in(self, handle: str) -> str:
        if handle not in self._stand_ins:
            self._numbered += 1
            self._stand_ins[handle] = f"handle-{self._numbered}"
            if len(self._stand_ins) > _MOST_HANDLES:
                self._stand_ins.popitem(last=False)
        self._stand_ins.move_to_end(handle)
        return self._stand_ins[handle]

    def _unreadable(self, frame: bytes) -> str:
        text = frame.decode("utf-8", "replace")
        return self.text(_HANDLE.sub(lambda m: m[1] + self._stand_in(m[2]), text))

    def _cleaned(self, value: object, name: str = "") -> object:
        match value:
            case dict():
                if name in _FREE and self._redaction is not None:
                    value = self._redaction.value(value)
                    assert isinstance(value, dict)
                if self._silent and _is_sound(value):
                    return {**value, "data": _silence(str(value["data"]))}
                return {self._plain(k): self._cleaned(inner, k) for k, inner in value.items()}
            case list():
                return [self._cleaned(inner, name) for inner in value]
            case str():
                return self._plain(value) if name in _NAMES else self.text(value)
        return value

    def _of_streams(self, tree: Json) -> list[Json]:
        """Mask the pieces of texts in a message; return what has to be told before it."""
        content = tree.get("serverContent")
        if not isinstance(content, dict):
            return []
        for name in _STREAMS:
            for place in _places(content, name):
                place["text"] = self._streams[name].feed(place["text"])
        self._interrupted = self._interrupted or bool(content.get("interrupted"))
        return self._end_turn(content) if content.get("turnComplete") else []

    def _end_turn(self, content: Json) -> list[Json]:
        """Tell what was held back: transcriptions may trail behind all that is said but this.

        Of what was interrupted it is masked, and the user's words go on in the next turn.
        """
        before: list[Json] = []
        for name, stream in self._streams.items():
            if self._interrupted and name == "inputTranscription":
                continue
            if text := stream.cut() if self._interrupted else stream.finish():
                places = _places(content, name)
                if places:
                    places[-1]["text"] += text
                else:
                    before.append({"serverContent": _piece(name, text)})
        self._interrupted = False
        return before


def _places(content: Json, name: str) -> list[dict[str, str]]:
    """Return the objects that hold a piece of a text."""
    found = content.get("modelTurn" if name == "thought" else name)
    places = [found]
    if name in {"modelTurn", "thought"}:
        parts = found.get("parts") if isinstance(found, dict) else None
        places = [
            part
            for part in (parts if isinstance(parts, list) else [])
            if isinstance(part, dict) and bool(part.get("thought")) == (name == "thought")
        ]
    return [one for one in places if isinstance(one, dict) and isinstance(one.get("text"), str)]


def _piece(name: str, text: str) -> Json:
    match name:
        case "thought":
            return {"modelTurn": {"parts": [{"text": text, "thought": True}]}}
        case "modelTurn":
            return {"modelTurn": {"parts": [{"text": text}]}}
    return {name: {"text": text}}


def _is_sound(value: Json) -> bool:
    """Return whether an object holds sound, or what nothing says to be anything else."""
    data, kind = value.get("data"), value.get("mimeType")
    return isinstance(data, str) and not (
        isinstance(kind, str) and kind and not kind.lower().startswith("audio/")
    )


def _silence(data: str) -> str:
    """Return base64 of zeros, as long as the data's."""
    digits = data.rstrip("=")
    return "A" * len(digits) + data[len(digits) :]
