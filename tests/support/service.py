"""A scripted stand-in for the model's service: a real WebSocket server on loopback."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import anyio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from livehandle_proto.envelope import event_head
from livehandled.config import loader
from livehandled.config.loader import Loaded
from livehandled.hub import Event, Hub

KEY = "marked-key-0123456789abcdef"
"""Must not show in any error, event or log."""

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

# At debug level the library logs the headers it gets, and the key is one.
QUIET = logging.getLogger(__name__)
QUIET.setLevel(logging.WARNING)

Json = dict[str, object]
Script = Callable[["Call"], Awaitable[None]]

SETUP_COMPLETE: Json = {"setupComplete": {"sessionId": "s-1"}}
TURN_COMPLETE: Json = {"serverContent": {"turnComplete": True}}


def text(*deltas: str) -> Json:
    return {"serverContent": {"modelTurn": {"parts": [{"text": delta} for delta in deltas]}}}


def tool_call(*ids: str) -> Json:
    return {"toolCall": {"functionCalls": [{"id": i, "name": "f", "args": {}} for i in ids]}}


class Call:
    """One connection, from the service's side."""

    def __init__(self, websocket: ServerConnection) -> None:
        self.websocket = websocket
        self.heard: list[Json] = []
        self.closed = False
        """Set when the client has closed, after everything it sent."""
        self._news = anyio.Event()

    async def hear(self) -> Json:
        """Return the next frame that comes."""
        frame = await self.websocket.recv(decode=True)
        assert isinstance(frame, str)  # clients send text frames
        body: Json = json.loads(frame)
        self.heard.append(body)
        self._stir()
        return body

    async def hear_all(self) -> None:
        """Note every frame until the client closes."""
        try:
            while True:
                await self.hear()
        except ConnectionClosed:
            self.closed = True
            self._stir()

    async def say(self, body: Json | bytes | str, *, binary: bool = False) -> None:
        frame = body if isinstance(body, bytes | str) else json.dumps(body, indent=2).encode()
        await self.websocket.send(frame, text=None if isinstance(frame, str) else not binary)

    async def set_up(self) -> Json:
        """Take the setup, answer it, and return it."""
        setup = await self.hear()
        await self.say(SETUP_COMPLETE)
        return setup

    async def until(self, fulfilled: Callable[["Call"], bool]) -> None:
        """Wait until something holds of what has come."""
        while not fulfilled(self):
            await self._news.wait()

    def _stir(self) -> None:
        self._news.set()
        self._news = anyio.Event()


class Service:
    """What a test knows of the service."""

    def __init__(self) -> None:
        self.url = ""
        """As `session.base_url` takes it."""
        self.requests: list[Request] = []
        """Every upgrade that was asked for."""
        self.calls: list[Call] = []
        self._news = anyio.Event()

    async def call(self, number: int = 0) -> Call:
        """Return a connection by its number from 0, once there is it."""
        while len(self.calls) <= number:
            await self._news.wait()
        return self.calls[number]

    def begin(self, call: Call) -> None:
        self.calls.append(call)
        self._news.set()
        self._news = anyio.Event()


async def converse(call: Call) -> None:
    """Set the session up and hear the client out."""
    await call.set_up()
    await call.hear_all()


@asynccontextmanager
async def running(
    script: Script = converse, *, refuse: HTTPStatus | None = None, words: str = ""
) -> AsyncIterator[Service]:
    """Run a service that does what the script says with each connection, or refuses it."""
    service = Service()

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        service.requests.append(request)
        return None if refuse is None else connection.respond(refuse, words)

    async def serve_one(websocket: ServerConnection) -> None:
        call = Call(websocket)
        service.begin(call)
        try:
            await script(call)
        except ConnectionClosed:
            call.closed = True

    async with serve(
        serve_one,
        "127.0.0.1",
        0,
        process_request=admit,
        max_size=None,
        ping_interval=None,
        logger=QUIET,
        close_timeout=0.1,
    ) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        service.url = f"http://{host}:{port}"
        yield service
        for call in service.calls:
            call.websocket.transport.abort()


def closing(code: int, reason: str = "", *, set_up: bool = True) -> Script:
    """Return a script that closes at once, before or after the setup is answered."""

    async def script(call: Call) -> None:
        await (call.set_up() if set_up else call.hear())
        await call.websocket.close(code, reason)

    return script


def one_by_one(*scripts: Script) -> Script:
    """Return a script by which each connection follows its own; the last is for all the others."""
    left = list(scripts)

    async def script(call: Call) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(call)

    return script


def saying(*bodies: Json | bytes | str, binary: bool = False) -> Script:
    """Return a script that says its lines once the session is set up, then listens."""

    async def script(call: Call) -> None:
        await call.set_up()
        for body in bodies:
            await call.say(body, binary=binary)
        await call.hear_all()

    return script


def configured(url: str, **values: str) -> Loaded:
    """Return a configuration for a service: short deadlines, and keys with `__` for the dot."""
    flags = {
        "session.base_url": url,
        "session.connect_timeout_ms": "2000",
        "session.setup_timeout_ms": "2000",
    }
    flags |= {name.replace("__", "."): value for name, value in values.items()}
    return loader.load(Path("/dev/null"), {}, flags)


ENVIRON: Mapping[str, str] = {"GEMINI_API_KEY": KEY}


class Listener:
    """Everything a hub publishes on some topics."""

    def __init__(self, hub: Hub, *topics: str) -> None:
        self.events: list[Event] = []
        self._news = anyio.Event()
        hub.attach(self._take, topics)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()
        self._news = anyio.Event()

    @property
    def topics(self) -> list[str]:
        return [event.topic for event in self.events]

    def lines(self) -> list[bytes]:
        return [event.line(event_head("e1")) for event in self.events]

    def data(self, topic: str) -> list[Json]:
        """Return the data of a topic's events, as JSON."""
        lines = [json.loads(line)["params"] for line in self.lines()]
        return [line["data"] for line in lines if line["topic"] == topic]

    def phases(self) -> list[object]:
        return [data["phase"] for data in self.data("session.phase_changed")]

    async def until(self, topic: str, count: int = 1) -> None:
        """Wait until so many events of a topic have come."""
        while self.topics.count(topic) < count:
            await self._news.wait()
