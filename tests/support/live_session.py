"""A client of the emulator's core, without sockets: JSON and a clock of its own."""

import base64
import json
from itertools import groupby

from livehandle_emulator.closing import Close
from livehandle_emulator.endpoint import endpoint_of
from livehandle_emulator.scenario import Scenario, Timing
from livehandle_emulator.service import Service
from livehandle_emulator.session import Session
from livehandled.gemini.codec import encode
from livehandled.gemini.server import ServerMessage

GEMINI = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"

HALF_CASCADE = "models/gemini-live-2.5-flash-preview"
"""Speaks or writes."""
CURRENT = "models/gemini-3.8-live"
VERTEX_HALF_CASCADE = (
    "projects/p/locations/us-central1/publishers/google/models/gemini-live-2.5-flash"
)

Json = dict[str, object]

TIMING = Timing(reply_delay_ms=100, stream_speed=10.0)

TEXT: Json = {"responseModalities": ["TEXT"]}


class Client:
    """Talks to one `Session`. Time passes only where a test says so."""

    def __init__(
        self,
        *,
        path: str = GEMINI,
        scenario: Scenario | None = None,
        key: str | None = "key",
        service: Service | None = None,
        now: float = 100.0,
    ) -> None:
        """Connect to a service of its own, or to one that outlives the client."""
        endpoint = endpoint_of(path)
        assert endpoint is not None
        self.service = service or Service(scenario or Scenario(timing=TIMING), name="s")
        self.session = Session(endpoint, key, self.service, self.service.next_connection())
        self.now = now

    def send(self, message: Json) -> list[Json]:
        """Send one message and return what comes at once."""
        return self.send_frame(json.dumps(message).encode())

    def send_frame(self, frame: bytes) -> list[Json]:
        return [_as_json(out) for out in self.session.receive(frame, self.now)]

    def wait(self, seconds: float) -> list[Json]:
        """Let time pass, and return what comes in it."""
        self.now += seconds
        return [_as_json(out) for out in self.session.advance(self.now)]

    def settle(self) -> list[Json]:
        """Return all that comes until there is nothing to wait for."""
        came: list[Json] = []
        while (deadline := self.session.deadline) is not None:
            self.now = max(self.now, deadline)
            came += [_as_json(out) for out in self.session.advance(self.now)]
        return came

    def set_up(self, **setup: object) -> list[Json]:
        return self.send({"setup": {"model": HALF_CASCADE, **setup}})

    def typed(self, text: str) -> list[Json]:
        """Send a complete turn of text."""
        turn = {"role": "user", "parts": [{"text": text}]}
        return self.send({"clientContent": {"turns": [turn], "turnComplete": True}})

    def audio(self, pcm: bytes, *, rate: int = 16_000, chunk_s: float = 0.04) -> list[Json]:
        """Send sound in chunks, as fast as it plays."""
        came: list[Json] = []
        size = 2 * int(rate * chunk_s)
        for first in range(0, len(pcm), size):
            blob = {"mimeType": f"audio/pcm;rate={rate}", "data": b64(pcm[first : first + size])}
            came += self.wait(chunk_s)
            came += self.send({"realtimeInput": {"audio": blob}})
        return came


def connected(client: Client | None = None, /, **setup: object) -> Client:
    """Return a client whose setup is complete."""
    client = client or Client()
    came = client.set_up(**setup)
    assert kinds(came) == ["setupComplete"], came
    return client


def functions(*names: str, behavior: str | None = None) -> list[Json]:
    """Return a tool list."""
    extra = {"behavior": behavior} if behavior else {}
    return [{"functionDeclarations": [{"name": name, **extra} for name in names]}]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def kinds(messages: list[Json]) -> list[str]:
    """Return what each message is, in order, runs of the same counted once."""
    names = [name for message in messages for name in _kinds_of(message)]
    return [name for name, _ in groupby(names)]


def text_of(messages: list[Json]) -> str:
    """Return the text that was written."""
    parts = [part for content in _contents(messages) for part in _parts(content)]
    return "".join(str(part.get("text", "")) for part in parts)


def sound_of(messages: list[Json]) -> bytes:
    """Return the PCM that was sent."""
    blobs = [
        part["inlineData"]
        for content in _contents(messages)
        for part in _parts(content)
        if "inlineData" in part
    ]
    return b"".join(base64.b64decode(str(blob["data"])) for blob in blobs if isinstance(blob, dict))


def transcript_of(messages: list[Json], field: str = "outputTranscription") -> str:
    """Return the words of a transcription, joined."""
    found = [content[field] for content in _contents(messages) if field in content]
    return "".join(str(words["text"]) for words in found if isinstance(words, dict))


def closing_of(messages: list[Json]) -> tuple[int, str] | None:
    """Return code and reason of the close among what came, None without one."""
    for message in messages:
        if "close" in message:
            code, reason = message["code"], message["close"]
            assert isinstance(code, int)
            return code, str(reason)
    return None


def calls_of(messages: list[Json]) -> list[Json]:
    """Return the function calls that came."""
    came: list[Json] = []
    for message in messages:
        tool_call = message.get("toolCall")
        if isinstance(tool_call, dict):
            came += tool_call["functionCalls"]
    return came


def usages_of(messages: list[Json]) -> list[Json]:
    return [m["usageMetadata"] for m in messages if isinstance(m.get("usageMetadata"), dict)]  # type: ignore[misc]  # narrowed in the condition


def _as_json(out: ServerMessage | Close) -> Json:
    if isinstance(out, Close):
        return {"close": out.reason, "code": out.code}
    decoded: Json = json.loads(encode(out))
    return decoded


def _contents(messages: list[Json]) -> list[Json]:
    contents = [message.get("serverContent") for message in messages]
    return [content for content in contents if isinstance(content, dict)]


def _parts(content: Json) -> list[Json]:
    turn = content.get("modelTurn")
    return list(turn["parts"]) if isinstance(turn, dict) else []


def _kinds_of(message: Json) -> list[str]:
    names: list[str] = []
    for key, value in message.items():
        if key == "serverContent" and isinstance(value, dict):
            names += [_content_kind(name, value) for name in value if name != "interactionStatus"]
        elif key not in {"usageMetadata", "code"}:
            names.append(key)
    return names


def _content_kind(name: str, content: Json) -> str:
    if name != "modelTurn":
        return name
    return "audio" if "inlineData" in _parts(content)[0] else "text"
