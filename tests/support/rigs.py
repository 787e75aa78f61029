"""A session or a handle with a scripted service, and everything it tells."""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Literal

import anyio
import pytest
from anyio.abc import TaskGroup

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.topics import TOPICS
from livehandled.extraction.extractor import Extraction
from livehandled.gemini import frames
from livehandled.gemini.auth import Key
from livehandled.gemini.models import traits_of
from livehandled.handle import LiveHandle
from livehandled.hub import Hub
from livehandled.session import connection
from livehandled.session import session as session_module
from livehandled.session.outbox import Outbox
from livehandled.session.plan import Plan
from livehandled.session.retry import Retries
from livehandled.session.router import Router
from livehandled.session.session import Session
from livehandled.session.supervisor import Supervisor
from livehandled.session.writer import say
from livehandled.signals import Signals
from livehandled.state import State
from livehandled.telemetry import Telemetry
from livehandled.transcript import Transcript
from livehandled.voice.reactor import DEFAULT_RULES, Rule
from support.service import (
    ENVIRON,
    KEY,
    PATH,
    Listener,
    Script,
    Service,
    configured,
    converse,
    running,
)

FUNCTIONS = '{"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]}'
"""What the sessions of handles declare: calls of other functions are answered by the daemon."""


def shorten_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a stuck service a tenth as long."""
    monkeypatch.setattr(connection, "_CLOSE_ANSWER_S", 0.1)
    monkeypatch.setattr(connection, "_CLOSE_S", 0.2)
    monkeypatch.setattr(session_module, "_STOP_GRACE_S", 0.2)


def leaks(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what a test has logged with the key in it."""
    messages = [record.getMessage() for record in caplog.get_records("call")]
    return [message for message in messages if KEY in message]


class SessionRig:
    """A session, and all that it tells."""

    def __init__(
        self,
        url: str,
        *topics: str,
        clock: Callable[[], float] = time.monotonic,
        model: str = "m",
        setup: Mapping[str, object] | None = None,
        policy: Literal["handle", "reseed", "fresh"] = "handle",
        patient: bool = False,
        ceiling_s: float = 3240.0,
    ) -> None:
        plan = Plan(
            url=url.replace("http", "ws", 1) + PATH + "?query=kept-out",
            setup={"model": f"models/{model}", **(setup or {})},
            connect_timeout_s=2.0,
            setup_timeout_s=0.5,
            credentials=Key(KEY, "test"),
            model=model,
            traits=traits_of(model, "gemini"),
        )
        hub = Hub(ring_events=4096, wall_ms=lambda: 0)
        self.telemetry = Telemetry(started=0.0)
        self.outbox = Outbox(limit=64, media_s=1.0)
        self.state = State(now_ms=hub.now_ms)
        self.transcript = Transcript()
        self.router = Router(
            hub,
            self.telemetry,
            transcript=self.transcript,
            signals=Signals(self.state, clock),
            extraction=Extraction(
                self.state, self.transcript, publish=hub.publish, start=_nothing_to_start
            ),
            clock=clock,
        )
        self.session = Session(
            plan,
            router=self.router,
            outbox=self.outbox,
            transcript=self.transcript,
            clock=clock,
            now_ms=hub.now_ms,
            policy=policy,
            patient=patient,
        )
        self.retries = Retries(jitter=lambda: 0.01)
        self.supervisor = Supervisor(
            self.session,
            ceiling_s=ceiling_s,
            clock=clock,
            retries=self.retries,
        )
        self.told = Listener(hub, *(topics or TOPICS))

    def start(self, tasks: TaskGroup) -> None:
        """Begin the session."""
        self.session.connecting()
        tasks.start_soon(self.supervisor.run)

    def say(self, text: str) -> None:
        """Send a typed turn."""
        say(self.session, self.router, text)

    def describe(self) -> v.Session:
        return self.session.describe(backend="gemini", model="m")

    def errors(self) -> list[str]:
        return [
            error["data"]["name"]  # type: ignore[index]  # the shape of an error
            for error in self.told.data("session.error")
        ]


@asynccontextmanager
async def session(
    script: Script = converse,
    *topics: str,
    clock: Callable[[], float] = time.monotonic,
    model: str = "m",
    setup: Mapping[str, object] | None = None,
    policy: Literal["handle", "reseed", "fresh"] = "handle",
    patient: bool = False,
    ceiling_s: float = 3240.0,
) -> AsyncIterator[tuple[Service, SessionRig]]:
    """Run a session with a service that follows the script, and end it if it has not ended."""
    async with running(script) as service, anyio.create_task_group() as tasks:
        rig = SessionRig(
            service.url,
            *topics,
            clock=clock,
            model=model,
            setup=setup,
            policy=policy,
            patient=patient,
            ceiling_s=ceiling_s,
        )
        rig.start(tasks)
        with anyio.fail_after(10):
            yield service, rig
            rig.session.stop("stopped")
            await rig.session.done()
    told = b"".join(rig.told.lines())
    assert KEY.encode() not in told
    assert b"kept-out" not in told


def _nothing_to_start(*_task: object) -> None:
    raise AssertionError("no extractor is registered")


class HandleRig:
    """A handle, its service, and all that it tells."""

    def __init__(
        self,
        service: Service,
        *,
        environ: Mapping[str, str] = ENVIRON,
        rules: Sequence[Rule] = DEFAULT_RULES,
        clock: Callable[[], float] = time.monotonic,
        **values: str,
    ) -> None:
        hub = Hub(ring_events=4096, wall_ms=lambda: 0)
        self.service = service
        self.told = Listener(hub, *(topic for topic in TOPICS if topic != "session.raw"))
        loaded = configured(service.url, **{"session__setup": FUNCTIONS, **values})
        self.handle = LiveHandle(loaded, hub=hub, environ=environ, rules=rules, clock=clock)

    async def heard(self, count: int) -> list[dict[str, object]]:
        """Wait until the service has heard so many frames, and return them."""
        call = await self.service.call()
        await call.until(lambda c: len(c.heard) >= count)
        return call.heard

    def error_names(self) -> list[object]:
        names = []
        for error in self.told.data("session.error"):
            data = error["data"]
            assert isinstance(data, dict)
            names.append(data["name"])
        return names


@asynccontextmanager
async def handle(
    script: Script = converse,
    *,
    refuse: HTTPStatus | None = None,
    words: str = "",
    environ: Mapping[str, str] = ENVIRON,
    rules: Sequence[Rule] = DEFAULT_RULES,
    clock: Callable[[], float] = time.monotonic,
    **values: str,
) -> AsyncIterator[HandleRig]:
    async with running(script, refuse=refuse, words=words) as service:
        rig = HandleRig(service, environ=environ, rules=rules, clock=clock, **values)
        with anyio.fail_after(10):
            async with rig.handle:
                yield rig
        assert rig.handle.phase() == "disconnected"
        assert KEY.encode() not in b"".join(rig.told.lines())
        assert KEY not in str(rig.handle.session().describe())
        assert KEY not in str(rig.handle.config())


def refused(name: str) -> "pytest.RaisesExc[LiveHandleError]":
    """Expect an error of a name, without the key in it."""
    return pytest.RaisesExc(
        LiveHandleError,
        check=lambda error: error.name == name and KEY not in str(error.to_json()),
    )


def sent_text(words: str) -> object:
    return json.loads(frames.text_turn(words, traits_of("gemini-3.8-live", "gemini")))
