"""What the demo stands on: a private daemon, a microphone that is always on, and its events."""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from livectl import audio as sound
from livectl.screen import Screen
from livehandle.connection import Connection, Event
from livehandle_proto.errors import LiveHandleError

_START_S = 15.0
_STOP_S = 5.0
_METER_CHUNKS = 5  # a level each 100 ms


class Missed(Exception):  # noqa: N818 - says what happened, and is shown to people
    """Something the demo waited for did not happen."""


@contextmanager
def private_daemon() -> Iterator[Connection]:
    """Run a daemon of our own with its emulator, apart from the user's; stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="livehandle-demo-") as folder:
        path, log, config = (Path(folder, name) for name in ("sock", "log", "config.toml"))
        config.touch()
        command = [sys.executable, "-m", "livehandled", "--emulator"]
        command += ["--socket", str(path), "--config", str(config)]
        # The user's own settings must not change the demo.
        ours = ("LIVEHANDLE_", "GOOGLE_", "GEMINI_", "LISTEN_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        with (
            log.open("wb") as output,
            subprocess.Popen(command, env=environment, stdout=output, stderr=output) as daemon,
        ):
            try:
                with _connected(path, daemon, log) as connection:
                    yield connection
                    connection.call("daemon.shutdown")
                if daemon.wait(_STOP_S) != 0 or path.exists():
                    raise Missed(f"the daemon's clean end; its log says:\n{log.read_text()}")
            finally:
                if daemon.poll() is None:
                    daemon.kill()


def _connected(path: Path, daemon: subprocess.Popen[bytes], log: Path) -> Connection:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return Connection.open(str(path))
        except LiveHandleError as error:
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise Missed(f"the daemon's start; its log says:\n{log.read_text()}") from error
            time.sleep(0.02)


class Stage:
    """A microphone that sends in real time, and what the daemon tells meanwhile."""

    def __init__(self, connection: Connection, screen: Screen) -> None:
        self.connection = connection
        self.seen: list[Event] = []
        """The events since `forget`."""
        self._screen = screen
        self._speech: list[bytes] = []
        self._levels: list[float] = []
        self.phase: object = None
        """The phase that was told last."""
        self._sent = 0
        self._begun: float | None = None

    def forget(self) -> None:
        """Begin a new part: what was seen before no longer counts."""
        self.seen.clear()

    def say(self, recording: Path) -> None:
        """Speak a recording, beginning now; `until` goes on speaking."""
        self._speech = list(sound.open_source(str(recording)).chunks)[::-1]
        self._levels = []

    @property
    def speaking(self) -> bool:
        """Whether a recording is not yet at its end."""
        return bool(self._speech)

    def has(self, topic: str) -> bool:
        """Whether an event of the topic has been seen."""
        return any(event.topic == topic for event in self.seen)

    def until(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        """Speak, listen and show until a condition holds. Raises `Missed` with `what`."""
        if self._begun is None:
            self._begun = time.monotonic()
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Missed(what)
            pause = self._begun + sound.due(self._sent, 1.0) - time.monotonic()
            if pause <= 0:
                self._send_chunk()
                continue
            event = self.connection.next_event(pause)
            if event is not None:
                self._take(event)

    def until_seen(self, topic: str, seconds: float) -> None:
        """Go on until an event of the topic has been seen."""
        self.until(topic, lambda: self.has(topic), seconds)

    def until_turn_ends(self, seconds: float) -> None:
        """Go on until a turn is complete and the session rests."""
        self.until_seen("live.turn_complete", seconds)
        self.until("the phase active after the turn", lambda: self.phase == "active", 2)

    def listen(self, seconds: float) -> None:
        """Go on for a while."""
        end = time.monotonic() + seconds
        self.until("the time", lambda: time.monotonic() > end, seconds + 5)

    def _send_chunk(self) -> None:
        speaks = bool(self._speech)
        chunk = self._speech.pop() if speaks else bytes(sound.CHUNK_BYTES)
        self.connection.notify("send_audio", data=base64.b64encode(chunk).decode())
        self._sent += 1
        if speaks and len(self._speech) % _METER_CHUNKS == 0:
            self._levels.append(sound.level(chunk))
            self._screen.meter(self._levels[-1])
            if not self._speech:
                self._screen.levels(self._levels)

    def _take(self, event: Event) -> None:
        self.seen.append(event)
        if event.topic == "session.phase_changed":
            self.phase = event.data["phase"]
        if event.topic == "live.output_transcript":
            self._screen.grow("model", str(event.data["text"]))
        elif (told := describe(event)) is not None:
            self._screen.line(*told)
        if event.topic in {"daemon.notification_failed", "live.error", "live.disconnected"}:
            raise Missed(f"a conversation without faults: {event.topic} {dict(event.data)}")


def describe(event: Event) -> tuple[str, str] | None:
    """Return the kind and the words of an event that the demo shows."""
    data = event.data
    match event.topic:
        case "live.vad_start":
            return "hears", "speech begins"
        case "live.vad_end":
            return "hears", "speech ends"
        case "session.phase_changed":
            return "phase", f"{data['previous']} -> {data['phase']}"
        case "live.input_transcript":
            return "user", str(data["text"])
        case "live.interrupted":
            return "stop", "the model stops: it was spoken over"
        case "live.turn_complete":
            return "phase", f"turn {data['turn']} is complete"
        case "session.tool_call":
            return "tool", f"the model calls {_calls(data['function_calls'])}"
    return None


def _calls(calls: object) -> str:
    listed = calls if isinstance(calls, list) else []
    return ", ".join(f"{call['name']} {json.dumps(call['args'])}" for call in listed)


def reply_audio(events: list[Event]) -> bytes:
    """Return the model's speech in the events: 16-bit mono PCM at 24 kHz."""
    parts = (str(e.data["data"]) for e in events if e.topic == "live.audio")
    return b"".join(map(base64.b64decode, parts))
