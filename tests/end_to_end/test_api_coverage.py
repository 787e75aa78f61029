"""Each method, topic and error that is documented occurs: in daemons that run, on their sockets.

Several daemons are driven at once, with the emulator or a service that says what it is told, until
all of the catalogue has been seen. `pytest -s` shows the report.
"""

import base64
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from livehandle_proto.errors import ERRORS
from livehandle_proto.methods import METHODS
from livehandle_proto.topics import TOPICS
from livehandled.store import snapshot_path
from support import kiosk
from support.checked import Seen
from support.daemon import (
    DaemonProcess,
    private_directory,
    refused_daemon,
    running_daemon,
)
from support.livectl import livectl
from support.service import Call, Json, Script, closing, one_by_one, running, saying, text
from support.wire import WireClient, notification, request

CATALOGUE: Mapping[str, Mapping[str, object]] = {
    "method": METHODS,
    "topic": TOPICS,
    "error": ERRORS,
}

NEVER: dict[Seen, str] = {
    ("error", "wire.internal"): "No input is known to make a handler fail; test_dispatch has one.",
    ("error", "session.reaction"): "Of rules, which a program alone can have; test_effects.",
    ("error", "events.lagged"): "Raised in a program, as the topic of that name is told to others.",
}
"""What is not brought about here, and why."""

if os.geteuid():
    NEVER["error", "daemon.forbidden"] = "Only root may become another user; test_permissions."

KEY = {"GEMINI_API_KEY": "x" * 30}
STRANGER = 64_001


class Sight:
    """What has been seen by one of those who drive daemons."""

    def __init__(self) -> None:
        self.seen: set[Seen] = set()

    @contextmanager
    def client(self, daemon: DaemonProcess) -> Iterator[WireClient]:
        """Connect; what the client sees counts."""
        with daemon.client() as client:
            try:
                yield client
            finally:
                self.seen |= client.checked.seen

    def printed(self, said: str) -> None:
        """Count the errors that a command names on its way out."""
        self.seen |= {("error", name) for name in ERRORS if f"[{name}]" in said}


def settings(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


def hear(client: WireClient, *topics: str) -> None:
    """Read until events of all the topics have come, in whatever order."""
    while not {("topic", topic) for topic in topics} <= client.checked.seen:
        client.event()


@contextmanager
def service(script: Script) -> Iterator[str]:
    """Run a service in a loop of its own; give its URL."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running(script)) as it,
    ):
        yield it.url


# The examples, and what goes wrong in the emulator.


def examples(sight: Sight) -> None:
    with running_daemon("--emulator") as daemon, sight.client(daemon) as other:
        other.result("events")
        with sight.client(daemon) as client:
            kiosk.converse(kiosk.Kiosk(client))
            client.read_rest()
        other.read_rest()


def faults(sight: Sight) -> None:
    model = ("session.model=gemini-2.0-flash-live-001", "session.modality=text")
    with (
        running_daemon(
            "--emulator", *settings(*model, "metrics.interval_ms=100", "voice.stall_ms=50")
        ) as daemon,
        sight.client(daemon) as client,
    ):
        client.result("events", topics=["*"])
        client.result("recording.start")
        client.error("recording.start")
        client.result("connect")
        client.error("connect")
        client.result("daemon.fault", do="go_away", time_left_ms=60_000)
        client.event_of("live.go_away")
        client.result("send_text", text="Hello")
        client.event_of("live.turn_complete")
        client.result("daemon.fault", do="stall", for_ms=300, at="model_turn")
        client.result("send_text", text="Hello again")
        client.event_of("live.stalled")
        client.result("daemon.fault", do="abort")
        client.event_of("live.resumed")
        client.event_of("live.telemetry")
        client.error("daemon.fault", do="slow")


# What clients get wrong.


def misuse(sight: Sight) -> None:
    with (
        running_daemon("--emulator", *settings(*UNUSABLE)) as daemon,
        ExitStack() as ended,
    ):
        client, other = (ended.enter_context(sight.client(daemon)) for _ in "12")
        for line in (b"{\n", b"{}\n"):
            client.send(line)
            client.answer(None)
        client.send(notification("send_text", text=""))
        client.event_of("daemon.notification_failed")
        for method, params in WRONG:
            client.error(method, **params)
        other.result("claim", role="mic")
        client.error("claim", role="mic")
        client.error("release", role="mic")
        other.result("tools.register", declarations=[{"name": "f"}])
        client.error("tools.register", declarations=[{"name": "f"}])
        for number in range(64):
            client.result("extractors.register", name=f"E{number}", kind="client")
        client.error("extractors.register", name="E0", kind="client")
        client.error("extractors.register", name="E64", kind="client")


UNUSABLE = ("session.connect=manual", "recording.directory=/dev/null/recordings")

DEEP: list[object] = []
for _ in range(101):
    DEEP = [DEEP]

WRONG: list[tuple[str, Json]] = [
    ("no.such", {}),
    ("send_text", {}),
    ("send_text", {"text": " "}),
    ("send_text", {"text": "Hello"}),
    ("send_audio", {"data": "AA=="}),
    ("send_audio", {"data": ""}),
    ("send_audio", {"data": "?"}),
    ("send_video", {"data": "AAAA"}),
    ("rpc.discover", {}),
    ("connect", {"config": {"nonsense": {}}}),
    ("events", {"topics": ["live.adio"]}),
    ("events", {"since": "nonsense"}),
    ("unsubscribe", {"subscription": "e9"}),
    ("state.get", {"key": ""}),
    ("state.set", {"key": "a", "value": "x" * 2**20}),
    ("state.set", {"key": "a", "value": DEEP}),
    ("extractors.unregister", {"name": "NoSuch"}),
    ("extractors.respond", {"run_id": "x", "value": 1}),
    ("extractors.register", {"name": "New", "kind": "regex"}),
    ("tools.respond", {"call_id": "x", "result": 1}),
    ("tools.register", {"declarations": []}),
    ("tools.unregister", {}),
    ("recording.stop", {}),
    ("recording.start", {}),
]


# What a service says, and what it refuses.


def blob(mime_type: str, data: bytes) -> Json:
    inline = {"mimeType": mime_type, "data": base64.b64encode(data).decode()}
    return {"serverContent": {"modelTurn": {"parts": [{"inlineData": inline}]}}}


def content(**fields: object) -> Json:
    return {"serverContent": fields}


def calls(name: str, call_id: str) -> Json:
    return {"toolCall": {"functionCalls": [{"id": call_id, "name": name, "args": {}}]}}


EVERYTHING: list[Json | bytes] = [
    content(inputTranscription={"text": "A latte, please."}),
    {"voiceActivity": {"type": "ACTIVITY_START"}},
    {"voiceActivity": {"type": "ACTIVITY_END"}},
    content(modelTurn={"parts": [{"text": "A latte.", "thought": True}]}),
    text("With ", "milk?"),
    blob("audio/pcm;rate=24000", bytes(960)),
    blob("image/jpeg", b"\xff\xd8\xff"),
    content(outputTranscription={"text": "With milk?"}),
    content(generationComplete=True),
    {"usageMetadata": {"totalTokenCount": 3}},
    content(turnComplete=True, interactionStatus="IDLE"),
    calls("f", "f-1"),
    calls("light", "light-1"),
    {"toolCallCancellation": {"ids": ["light-1"]}},
    b"no message",
]
LOUD: list[Json | bytes] = [blob("audio/pcm;rate=24000", bytes(24_000))] * 80
REFUSALS = (
    (1008, "models/x is not found for API version v1beta"),
    (1011, "You exceeded your current quota"),
    (1008, "API key not valid"),
    (1007, "Unknown name"),
    (1011, "Internal error"),
    (1012, "Service restart"),
)


async def deaf(call: Call) -> None:
    """Answer nothing, not even the setup."""
    await call.hear_all()


def spoken_to(sight: Sight) -> None:
    refusing = [closing(code, reason, set_up=False) for code, reason in REFUSALS]
    script = one_by_one(saying(*EVERYTHING), *refusing, saying(*LOUD), deaf)
    light = '{"tools": [{"functionDeclarations": [{"name": "light"}]}]}'
    values = (
        *("session.model=gemini-2.0-flash-live-001", "session.modality=text"),
        *("session.connect=manual", "tools.audio_during_call=drop", "limits.outbox_frames=1"),
        *("limits.client_buffer_bytes=65536", f"session.setup={light}"),
    )
    with service(script) as url:
        flags = settings(*values, f"session.base_url={url}")
        with running_daemon(*flags, environ=KEY) as daemon, sight.client(daemon) as client:
            told_everything(client)
            for _ in REFUSALS:
                client.error("connect")
            with sight.client(daemon) as slow:
                behind(slow, client)
            client.result("disconnect")
            ended_while_connecting(client)


def told_everything(client: WireClient) -> None:
    streams = ["session.audio_data", "session.media", "session.raw", "live.audio", "live.media"]
    client.result("events", topics=["*", *streams])
    client.result("tools.register", declarations=[{"name": "f"}], timeout_ms=50)
    promoted = [{"field": "item", "key": "app:item"}]
    client.result(
        "extractors.register",
        name="Order",
        kind="regex",
        patterns={"item": "latte"},
        promote=promoted,
    )
    client.result("extractors.register", name="Mood", kind="client")
    client.result("connect")
    run = client.event_of("extractor.run")["data"]["run_id"]
    client.result("extractors.respond", run_id=run, error="no idea")
    hear(client, "live.extraction_error", "session.audio_held", "live.error", "tool.cancel")
    client.error("tools.respond", call_id="f-1", result=1)
    client.error("send_tool_response", responses=[{"id": "no", "name": "f", "response": 1}])
    client.error("done", timeout_ms=0)
    client.result("disconnect")
    client.event_of("live.disconnected")
    client.result("unsubscribe", subscription="e1")


def behind(slow: WireClient, client: WireClient) -> None:
    """Read too late what the service says."""
    slow.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.result("events", topics=["session.audio_data", "live.audio"])
    client.result("connect")
    while client.result("telemetry")["audio_chunks_out"] < len(LOUD):
        pass
    slow.event_of("events.dropped")


def ended_while_connecting(client: WireClient) -> None:
    """Send to a session that is not set up, and end it."""
    client.send(request("connect", "connect") + request("send_text", "first", text="Hello"))
    client.send(request("send_text", "second", text="Hello"))
    client.answer("second")
    client.send(request("disconnect", "disconnect"))
    for _ in ("connect", "first", "disconnect"):
        client.read()


# What a daemon bounds.


def bounds(sight: Sight) -> None:
    values = (
        *("control.max_clients=3", "control.mode=0666", "limits.max_line_bytes=4096"),
        *("limits.subscriptions=1", "limits.pending_calls=1"),
        "limits.client_buffer_bytes=65536",
    )
    with private_directory() as directory:
        directory.chmod(0o711)
        spoilt_snapshot(directory)
        flags = settings(*values)
        with running_daemon(*flags, path=directory / "s") as daemon, sight.client(daemon) as client:
            instance = client.result("daemon.hello")["instance"]
            client.result("events", since=f"{instance}:0")
            client.event_of("live.error")
            client.error("events")
            for method, params in (("send_text", {"text": "Hello"}), ("daemon.faults", {})):
                client.error(method, **params)
            with sight.client(daemon) as slow:
                lagging(slow, client)
            too_many(sight, daemon)
            strangers(sight, daemon)
            sight.printed(said_by_a_second(daemon))
            client.send(request("session.wait_for_phase", "wait", phase="active"))
            client.error("session.wait_for_phase", phase="active")
            daemon.stop()
            client.read_rest()
            sight.printed(livectl(daemon.path, "phase").err)
            sight.printed(livectl(daemon.path, "no-such-command").err)


def spoilt_snapshot(directory: Path) -> None:
    path = snapshot_path(directory / "s", {"STATE_DIRECTORY": str(directory / "state")})
    path = directory / ".local/state/livehandle" / path.name
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_bytes(b"no snapshot")
    path.chmod(0o600)


def lagging(slow: WireClient, client: WireClient) -> None:
    """Read too late what other clients do."""
    slow.result("events", topics=["daemon.claim_changed"])
    client.result("daemon.hello", client="x" * 64)
    turns = [
        request(method, f"{method} {number}", role="mic").strip()
        for number in range(20)
        for method in ("claim", "release")
    ]
    while client.result("telemetry")["clients"][1]["lagged"] == 0:
        client.send(b"[" + b",".join(turns) + b"]\n")
        while not isinstance(client.read(), list):
            pass
    slow.event_of("events.lagged")


def too_many(sight: Sight, daemon: DaemonProcess) -> None:
    with sight.client(daemon) as client, sight.client(daemon), sight.client(daemon) as fourth:
        fourth.read()
        client.send(request("session.wait_for_phase", "wait", phase="active"))
        client.send(b"x" * 5000)
        client.read_rest()


STRANGERS = f"""
import os, socket, sys
os.setgroups([])
os.setgid({STRANGER})
os.setuid({STRANGER})
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
print(connection.recv(999).decode())
"""


def strangers(sight: Sight, daemon: DaemonProcess) -> None:
    if os.geteuid() == 0:
        command = [sys.executable, "-ISc", STRANGERS, str(daemon.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        sight.seen |= {("error", name) for name in ERRORS if f'"name":"{name}"' in done.stdout}


def said_by_a_second(daemon: DaemonProcess) -> str:
    with refused_daemon(daemon.path) as second:
        return "".join(second.log)


PARTS: tuple[Callable[[Sight], None], ...] = (examples, faults, misuse, spoken_to, bounds)


def test_every_method_topic_and_error_of_the_catalogue_occurs() -> None:
    sights = [Sight() for _ in PARTS]
    with ThreadPoolExecutor(len(PARTS)) as threads:
        for _ in threads.map(lambda part, sight: part(sight), PARTS, sights):
            pass
    seen = set[Seen]().union(*(sight.seen for sight in sights))
    print(report(seen))
    missing = {(kind, name) for kind, names in CATALOGUE.items() for name in names} - seen
    assert sorted(missing) == sorted(NEVER)


def report(seen: set[Seen]) -> str:
    """Return how much of the catalogue was seen, and why the rest was not."""
    lines = []
    for kind, names in CATALOGUE.items():
        found = sum(one == kind for one, _ in seen)
        lines.append(f"{kind}s: {found} of {len(names)} seen")
    return "\n".join([*lines, *(f"{kind} {name}: {why}" for (kind, name), why in NEVER.items())])
