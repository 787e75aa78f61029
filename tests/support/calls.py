"""A handle, a peer and their surroundings to call the methods with, without a daemon."""

import math
from typing import Any, cast

import anyio
import msgspec
import pytest

from livehandle_proto import methods as m
from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.roles import ClaimChange, Role
from livehandled.config.schema import Config, Control, Limits
from livehandled.context import PendingContext
from livehandled.control.calls import Calls
from livehandled.control.claims import Claims
from livehandled.control.credentials import Credentials
from livehandled.control.overview import Overview
from livehandled.control.peer import Peer
from livehandled.control.surroundings import Surroundings
from livehandled.gemini.content import text_content
from livehandled.handle import LiveHandle
from livehandled.hub import Hub
from livehandled.redaction import NOTHING_REDACTED
from livehandled.state import State
from livehandled.telemetry import SavedTelemetry, Telemetry
from support.control import new_hub

RELOADED = m.Reloaded(applied=["log.level"], at_connect=[], at_restart=[])
SESSION = v.Session(
    session_id="s",
    phase="active",
    backend="gemini",
    model="m",
    connected_ms=5,
    connection=None,
    resumable=False,
    reconnects=0,
    current_turn=None,
    turns=0,
    last_close=None,
)
ENDED = v.Ended(reason="closed", code=1000)
SENDS = frozenset(
    name.removeprefix("writer.")
    for name in m.METHODS
    if name.startswith("writer.") and name != "writer.disconnect"
) | {
    *("playback_drained", "user_speech_started", "user_speech_ended"),
    *("flush_deferred_prompt", "queue_context"),
}
"""What returns something to be awaited."""


class Sent:
    """What a send of the handle returns."""

    def __init__(self, *, done: bool) -> None:
        self.done = done

    def __await__(self) -> Any:
        yield from anyio.lowlevel.checkpoint().__await__()


class Asked:
    """Stands for anything; notes what it is asked for, by name and with a prefix."""

    def __init__(self, handle: "Handle", prefix: str = "") -> None:
        self._handle = handle
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        def asked(*arguments: object, **named: object) -> object:
            if self._handle.refuses is not None:
                raise self._handle.refuses
            self._handle.asked.append((self._prefix + name, *arguments, *named.items()))
            return Sent(done=self._handle.ready) if name in SENDS else name

        return asked


class Underlying(Asked):
    """Stands for the underlying session."""

    def describe(self) -> v.Session:
        return SESSION

    def resume_handle(self) -> str:
        return "rh-42"

    async def wait_for_phase(self, phase: v.Phase, *_time: object) -> v.Phase:
        return phase


class Functions(Asked):
    """Stands for the functions that clients carry out."""

    def of(self, _client: object) -> int:
        return self._handle.tool_count


class Handle(Asked):
    """Stands for the handle."""

    def __init__(self) -> None:
        super().__init__(self)
        self.asked: list[tuple[object, ...]] = []
        self.ready = True
        self.tool_count = 0
        """Of each client."""
        self.refuses: LiveHandleError | None = None
        self.kept = State(now_ms=lambda: 0)
        self.redaction = NOTHING_REDACTED

    def phase(self) -> v.Phase:
        return "active"

    def snapshot_failure(self) -> str | None:
        return None

    def session(self) -> Asked:
        return Underlying(self, "session.")

    def writer(self) -> Asked:
        return Asked(self, "writer.")

    def state(self) -> State:
        return self.kept

    def extractors(self) -> Asked:
        return Asked(self, "extractors.")

    def tools(self) -> Asked:
        return Functions(self, "tools.")

    def recorder(self) -> Asked:
        return Asked(self, "recorder.")

    def counted(self) -> SavedTelemetry:
        return Telemetry(started=0.0).export(media_dropped=0)

    def telemetry(self) -> dict[str, object]:
        return {"errors": 0}

    def pending_context(self) -> PendingContext:
        context = PendingContext()
        context.extend([text_content("Hi", "model")])
        return context

    async def done(self, timeout_ms: int | None = None) -> v.Ended:
        self.asked.append(("done", timeout_ms))
        return ENDED


class StandIn:
    """Stands for a peer; notes what it is told."""

    def __init__(self, number: int = 1) -> None:
        self.id = f"c{number}"
        self.who = Credentials(pid=10, uid=1000, gid=1000)
        self.client = ""
        self.line_bytes = m.MIN_LINE_BYTES
        self.subscribed: list[tuple[str, frozenset[str], int]] = []
        self.unsubscribed: list[str] = []
        self.answered: list[object] = []
        self.runs = self

    def respond(self, answer: object) -> None:
        self.answered.append(answer)

    def introduce(self, client: str) -> None:
        self.client = client

    def raise_line_limit(self, line_bytes: int) -> None:
        self.line_bytes = line_bytes

    def subscribe(self, prefix: str, topics: frozenset[str], start_seq: int) -> Any:
        self.subscribed.append((prefix, topics, start_seq))
        return type("Subscription", (), {"name": f"{prefix}1"})

    def describe(self, *, roles: list[Role], tools: int) -> m.Client:
        return m.Client(
            connection=self.id,
            client=self.client,
            pid=self.who.pid,
            uid=self.who.uid,
            roles=roles,
            tools=tools,
            subscriptions=0,
            pending=0,
            queued_lines=0,
            queued_bytes=0,
            lag_ms=0,
            dropped=0,
            lagged=0,
        )

    def unsubscribe(self, name: str) -> None:
        self.unsubscribed.append(name)


class Called:
    """The handlers of all methods, with everything around them."""

    def __init__(self, ring_events: int = 4096, mic_idle_s: float = math.inf) -> None:
        self.handle = Handle()
        self.hub: Hub = new_hub(ring_events)
        self.peer = StandIn()
        self.other = StandIn(2)
        self.now = 101.5
        self.stops = 0
        self.changes: list[ClaimChange] = []
        self.claims = Claims(mic_idle_s=mic_idle_s, tell=self.changes.append, look=lambda: None)
        around = Surroundings(
            socket="/run/s",
            config_file="/home/ada/config.toml",
            config=lambda: Config(
                control=Control(max_clients=7, max_clients_per_uid=6),
                limits=Limits(pending_calls=5, subscriptions=4, turn_requests=3, turn_ms=2.5),
            ),
            started=100.0,
            clock=lambda: self.now,
            claims=self.claims,
            peers=lambda: cast("list[Peer]", [self.peer, self.other]),
            shut_down=self._stop,
            reload=lambda: RELOADED,
        )
        handle = cast("LiveHandle", self.handle)
        self.calls = Calls(handle, self.hub, around)
        self.overview = Overview(handle, self.hub, around)
        self.handlers = self.calls.handlers()

    def call(self, method: str, /, **params: object) -> Any:
        """Call a method; return what its handler does."""
        return self.call_by(self.peer, method, **params)

    def call_by(self, peer: StandIn, method: str, /, **params: object) -> Any:
        """Call a method as one of the peers."""
        typed = msgspec.convert(params, m.METHODS[method].params)
        return self.handlers[method](cast("Peer", peer), typed)

    def _stop(self) -> None:
        self.stops += 1


def refused(it: Called, peer: StandIn, method: str, /, **params: object) -> str:
    """Call what is to be refused; return the error's name."""
    with pytest.raises(LiveHandleError) as caught:
        it.call_by(peer, method, **params)
    return caught.value.name
