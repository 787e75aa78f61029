"""The parts of a session put together, without a socket, a loop or a clock that runs by itself.

The session is the real one, but nobody reads from a service or writes to it: what it would send
is taken from its outbox, and what the service says is handed to it.
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec
from anyio.lowlevel import checkpoint

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorSpec
from livehandle_proto.states import StateChange
from livehandle_proto.topics import TOPICS
from livehandled.config.loader import load
from livehandled.context import PendingContext
from livehandled.extraction.extractor import Extraction
from livehandled.gemini.auth import Key
from livehandled.gemini.codec import decode_server
from livehandled.gemini.content import text_content
from livehandled.gemini.models import traits_of
from livehandled.hub import Event, Hub
from livehandled.session.outbox import Kind, Message, Outbox
from livehandled.session.plan import Plan
from livehandled.session.resumption import TakenUp, Way
from livehandled.session.router import Router
from livehandled.session.session import Session
from livehandled.session.underlying import UnderlyingSession
from livehandled.session.voice import Voice
from livehandled.session.writer import Writer, not_connected, say
from livehandled.signals import Signals
from livehandled.state import State
from livehandled.telemetry import Telemetry
from livehandled.transcript import Transcript
from livehandled.voice.commit import PRESETS, TurnCommit
from livehandled.voice.detector import Edge, VadState
from livehandled.voice.microphone import Microphone
from livehandled.voice.reactor import DEFAULT_RULES, Rule

Json = dict[str, object]

CHUNK_MS = 20
CHUNK = 640
"""Bytes of a chunk: 20 ms at 16 kHz."""
JPEG = b"\xff\xd8\xff\xe0picture"

_TAKES_MARKS: Json = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}

INTERRUPTED: Json = {"serverContent": {"interrupted": True}}
GENERATED: Json = {"serverContent": {"generationComplete": True}}
TURN_COMPLETE: Json = {"serverContent": {"turnComplete": True}}
SPEECH_BEGAN: Json = {"voiceActivity": {"type": "ACTIVITY_START"}}
SPEECH_OVER: Json = {"voiceActivity": {"type": "ACTIVITY_END"}}


def chunk(name: str, *, loud: bool) -> bytes:
    """Return 20 ms of sound or silence that `sent` shows by its name, one letter."""
    return bytes([loud]) + name.encode() + bytes(CHUNK - 2)


def loud(names: str) -> list[bytes]:
    return [chunk(name, loud=True) for name in names]


def quiet(names: str) -> list[bytes]:
    return [chunk(name, loud=False) for name in names]


def speech(seconds: float) -> Json:
    """Return a message with so much speech of the model, 24 kHz."""
    blob = {"mimeType": "audio/pcm;rate=24000", "data": b64(bytes(2 * round(24_000 * seconds)))}
    return {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}


def text(words: str) -> Json:
    """Return a message with text of the model."""
    return {"serverContent": {"modelTurn": {"parts": [{"text": words}]}}}


def said(words: str) -> Json:
    """Return a message with words that the model spoke."""
    return {"serverContent": {"outputTranscription": {"text": words}}}


def heard(words: str) -> Json:
    """Return a message with words that the service heard."""
    return {"serverContent": {"inputTranscription": {"text": words}}}


def calls(*ids: str) -> Json:
    """Return a message with calls of f by these ids."""
    return {"toolCall": {"functionCalls": [{"id": i, "name": "f", "args": {"n": 1}} for i in ids]}}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Ear:
    """A detector of frames of 20 ms, loud where their first byte is not zero: no hangover."""

    backend = "ear"
    sample_rate = 16_000
    frame_duration_ms = CHUNK_MS
    frame_size = CHUNK // 2
    last_probability = None

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.speaking = False
        self.frames_processed = 0

    @property
    def state(self) -> VadState:
        return VadState.SPEECH if self.speaking else VadState.SILENCE

    def push(self, pcm: bytes) -> list[Edge]:
        edges = []
        for begin in range(0, len(pcm), CHUNK):
            loud = pcm[begin] != 0
            if loud != self.speaking:
                self.speaking = loud
                edges.append(Edge(loud, self.frames_processed))
            self.frames_processed += 1
        return edges


class StillSession(Session):
    """A session that nobody runs: it is set up, told and ended by hand."""

    def begin(self) -> None:
        """Have the service take the setup."""
        self.handshaking()
        self.begin_as(Way("fresh"))

    def begin_as(self, way: Way) -> None:
        """Have the service take the setup that was sent."""
        self.set_up(decode_server(b'{"setupComplete": {"sessionId": "s-1"}}'), way)

    def go_on(self) -> Way:
        """Have the service take the setup of another connection."""
        self.connecting()
        way = self.resumption.way(first=self.first)
        self.handshaking()
        self.set_up(decode_server(b'{"setupComplete": {"sessionId": "s-2"}}'), way)
        return way

    def hear(self, *bodies: Json) -> None:
        """Take messages of the service."""
        for body in bodies:
            frame = msgspec.json.encode(body)
            self.take(frame, decode_server(frame))

    def end(self, ended: v.Ended | None = None) -> None:
        self.finish(ended or v.Ended(reason="closed", code=1000))


class Target:
    """What the writers write to: the session of the parts."""

    def __init__(self, opened: Callable[[], Session], end: Callable[[], Awaitable[None]]) -> None:
        self.current: Session | None = None
        self.voice: Voice | None = None
        self.loaded = load(None, {}, {})
        self.opened = opened
        self.end = end

    def existing(self) -> Session:
        """Return the open session."""
        if self.current is None or not self.current.open:
            raise not_connected()
        return self.current


class Parts:
    """All of a session's parts, wired as the handle wires them.

    `now` is moved by hand. With `authority` client the service takes marks, and a microphone of
    `Ear` commits by the preset; `pre_roll_ms` is 0, so that audio leaves as it came.
    """

    def __init__(
        self,
        *topics: str,
        authority: str = "server",
        commit: str = "immediate",
        pre_roll_ms: int = 0,
        soft_turn_s: float = 0.0,
        limit: int = 256,
        media_s: float = 3600.0,
        policy: Literal["handle", "reseed", "fresh"] = "handle",
        setup: Json | None = None,
        taken_up: TakenUp | None = None,
        greeting: str = "",
        rules: Sequence[Rule] = DEFAULT_RULES,
        extractors: Sequence[ExtractorSpec] = (),
        model: str = "gemini-3.8-live",
        backend: str = "gemini",
        set_up: bool = True,
    ) -> None:
        self.now = 100.0
        self.written = 0
        self.looks = 0
        self.started: list[Callable[..., object]] = []
        """What was to be run as a task of its own."""
        self.hub = Hub(ring_events=4096, wall_ms=lambda: 0)
        self.heard: list[Event] = []
        self.hub.attach(self.heard.append, topics or TOPICS)
        self.telemetry = Telemetry(started=self.now)
        self.state = State(now_ms=lambda: 0, on_change=self._changed)
        self.transcript = Transcript()
        self.extraction = Extraction(
            self.state, self.transcript, publish=self.hub.publish, start=self._start
        )
        for spec in extractors:
            self.extraction.register(spec)
        self.router = Router(
            self.hub,
            self.telemetry,
            transcript=self.transcript,
            signals=Signals(self.state, self._clock),
            extraction=self.extraction,
            clock=self._clock,
        )
        self.context = PendingContext()
        self.outbox = Outbox(limit=limit, media_s=media_s)
        self.looks_of_session = 0
        self._policy = policy
        self._taken_up = taken_up
        self._greeting = greeting
        self._client = authority == "client"
        self._commit = commit
        self._pre_roll_ms = pre_roll_ms
        self._soft_turn_s = soft_turn_s
        self._rules = rules
        self._plan = Plan(
            url="ws://127.0.0.1:1/?key=kept-out",
            setup=(setup or {}) | (_TAKES_MARKS if self._client else {}),
            connect_timeout_s=1.0,
            setup_timeout_s=1.0,
            credentials=Key("key", "test"),
            model=model,
            traits=traits_of(model, backend),
        )
        self.sessions = Target(self._opened, self._end)
        self.writer = Writer(self.sessions, self.router, self.context)
        self.underlying = UnderlyingSession(self.sessions, self.router)
        self.open()
        if set_up:
            self.session.begin()
            self.forget()

    # The session.

    def open(self) -> None:
        """Open a session, as the handle does; it is not set up."""
        self.extraction.restart()
        self.session = self._still_session()
        self.voice = self.sessions.voice = Voice(
            self.session,
            context=self.context,
            router=self.router,
            rules=self._rules,
            clock=self._clock,
            start=self._start,
            look=self._look,
            commits=self._client,
            soft_turn_s=self._soft_turn_s,
        )
        self.sessions.current = self.session
        self.router.opened(self.voice)
        self.session.connecting()

    def hear(self, *bodies: Json) -> None:
        """Take messages of the service."""
        self.session.hear(*bodies)

    def write(self) -> list[str]:
        """Have all that waits written and read, as a connection does; return it in few words."""
        frames = []
        while (message := self.outbox.take(self.now)) is not None:
            self.written += 1
            self.session.resumption.ledger.wrote(message, self.written)
            frames.append(brief(message.frame))
        ledger = self.session.resumption.ledger
        ledger.read(ledger.last, self.now - 1.0)  # long enough ago to count
        return [frame for frame in frames if frame]

    def write_unread(self) -> None:
        """Have all that waits written, and nothing of it read."""
        while (message := self.outbox.take(self.now)) is not None:
            self.written += 1
            self.session.resumption.ledger.wrote(message, self.written)

    def lose(self, error: LiveHandleError | None = None) -> None:
        """Lose the connection; without an error it is given up."""
        self.session.dropped(error)

    def resume(self) -> Way:
        """Go on with another connection."""
        return self.session.go_on()

    def after(self, seconds: float) -> None:
        """Let time pass, and have done what it brings, each thing at its time."""
        until = self.now + seconds
        while (at := self.voice.deadline) is not None and at <= until:
            self.now = max(self.now, at)
            self.voice.due(self.now)
        self.now = until

    # The client.

    def mic(self, *chunks: bytes, chunk_ms: int = CHUNK_MS) -> None:
        """Say chunks into the microphone, each in its own time."""
        if self.voice.microphone is None:
            commit = TurnCommit(PRESETS[self._commit]) if self._client else None
            microphone = Microphone(Ear(), commit, pre_roll_ms=self._pre_roll_ms)
            self.voice.plug_in(microphone)
        for chunk in chunks:
            self.voice.hear(b64(chunk), chunk)
            self.router.audio_sent(chunk)
            self.now += chunk_ms / 1000

    def queue(self, *texts: str, prompt: bool = False) -> None:
        """Queue context in deferred delivery."""
        self.context.extend(text_content(text, "model") for text in texts)
        self.context.prompt_armed |= prompt

    def fill(self, kind: Kind = "text") -> None:
        """Fill the outbox with frames that must not be lost, as far as those of a kind may."""
        while True:
            try:
                self.session.put(Message(b'{"filler":1}', kind))
            except LiveHandleError:
                return

    # What came of it.

    def sent(self) -> list[str]:
        """Return and forget what was to be sent, each frame in a few words."""
        frames = []
        while (message := self.outbox.take(self.now)) is not None:
            frames.append(brief(message.frame))
        return [frame for frame in frames if frame]

    def told(self, *prefixes: str) -> list[str]:
        """Return the topics told, those that begin so."""
        return [e.topic for e in self.heard if e.topic.startswith(prefixes or ("",))]

    def data(self, topic: str) -> list[object]:
        return [e.data for e in self.heard if e.topic == topic]

    def forget(self) -> None:
        """Forget what was told and sent so far."""
        self.heard.clear()
        self.sent()

    def snapshot(self) -> dict[str, object]:
        return self.telemetry.snapshot(self.now, media_dropped=self.outbox.dropped)

    # Within.

    def _still_session(self) -> StillSession:
        def make() -> StillSession:
            return StillSession(
                self._plan,
                router=self.router,
                outbox=self.outbox,
                transcript=self.transcript,
                clock=self._clock,
                now_ms=lambda: round(self.now * 1000),
                policy=self._policy,
                greet=self._greet,
                look=self._look_of_session,
                taken_up=self._taken_up,
            )

        async def made() -> StillSession:
            return make()

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(made())  # its cancel scope asks for a loop, and needs none
        return make()

    def _clock(self) -> float:
        return self.now

    def _look(self) -> None:
        self.looks += 1

    def _look_of_session(self) -> None:
        self.looks_of_session += 1

    def _greet(self, session: Session) -> None:
        if self._greeting:
            say(session, self.router, self._greeting)

    def _start(self, task: Callable[..., object], *_args: object) -> None:
        self.started.append(task)

    def _changed(self, change: StateChange) -> None:
        self.hub.publish("state.changed", change, key=change.key)

    def _opened(self) -> Session:
        if not self.session.open:
            raise not_connected()
        return self.session

    def _end(self) -> Awaitable[None]:
        self.session.stop("disconnected")
        return checkpoint()


def brief(frame: bytes) -> str:
    """Return a frame in a few words; nothing for what `fill` has put."""
    body: object = json.loads(frame)
    match body:
        case {"clientContent": {"turns": [*turns], **rest}}:
            words = "|".join("".join(p.get("text", "") for p in turn["parts"]) for turn in turns)
            if not turns:
                return "prompt"
            return f"{'text' if rest.get('turnComplete') else 'context'} {words}"
        case {"clientContent": _}:
            return "prompt"
        case {"realtimeInput": {"audio": blob}}:
            return f"audio {chr(base64.b64decode(blob['data'])[1])}"
        case {"realtimeInput": realtime}:
            return {"activityStart": "start", "activityEnd": "end"}.get(
                next(iter(realtime)), "video"
            )
        case {"toolResponse": {"functionResponses": responses}}:
            return "tool " + ",".join(r.get("id", r["name"]) for r in responses)
        case {"contextUpdate": _}:
            return "instruction"
        case _:
            return ""
