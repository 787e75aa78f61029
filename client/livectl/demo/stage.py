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

from livectl.screen import Screen
from livectl.sound import audio as sound
from livehandle.connection import Connection, Event
from livehandle_proto.errors import LiveHandleError

REPLY_RATE = 24_000

_START_S = 15.0
_ANSWER_S = 10.0
_STOP_S = 5.0
_METER_CHUNKS = 5  # a level each 100 ms
_FAULTS = {"daemon.notification_failed", "live.error", "live.disconnected", "events.lagged"}
# The user's own settings must not change the demo.
_SETTINGS = ("LIVEHANDLE_", "GOOGLE_", "GEMINI_", "LISTEN_")


class Missed(Exception):  # noqa: N818 - says what did not happen, and is shown to people
    """Something the demo waited for did not happen."""


@contextmanager
def private_daemon() -> Iterator[Connection]:
    """Run a daemon of our own with its emulator, apart from the user's; stop it at the end.

    Raises `Missed`, with the daemon's log, if it does not start, dies, or ends uncleanly.
    """
    with tempfile.TemporaryDirectory(prefix="livehandle-demo-") as folder:
        path, log, config = (Path(folder, name) for name in ("sock", "log", "config.toml"))
        config.touch()
        command = [sys.executable, "-m", "livehandled", "--emulator"]
        command += ["--set", "resumption.store=false"]  # a demonstration leaves nothing behind
        command += ["--socket", str(path), "--config", str(config)]
        environ = {k: v for k, v in os.environ.items() if not k.startswith(_SETTINGS)}
        with (
            log.open("wb") as output,
            subprocess.Popen(command, env=environ, stdout=output, stderr=output) as daemon,
        ):
            try:
                with _connected(path, daemon) as connection:
                    yield connection
                    connection.call("daemon.shutdown")
                _await_clean_end(daemon, path)
            except (Missed, LiveHandleError, subprocess.TimeoutExpired) as error:
                raise Missed(f"{error}\n{log.read_text(errors='replace')}".rstrip()) from error
            finally:
                daemon.kill()  # nothing if it has ended


def _await_clean_end(daemon: subprocess.Popen[bytes], path: Path) -> None:
    if daemon.wait(_STOP_S) != 0 or path.exists():
        raise Missed(f"the daemon did not end cleanly (exit code {daemon.returncode})")


def _connected(path: Path, daemon: subprocess.Popen[bytes]) -> Connection:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return Connection.open(str(path), answer_timeout=_ANSWER_S)
        except LiveHandleError as error:
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise Missed("the daemon did not start") from error
            time.sleep(0.02)


class Stage:
    """A microphone that sends in real time, and what the daemon tells meanwhile."""

    def __init__(self, connection: Connection, screen: Screen) -> None:
        self.connection = connection
        self.screen = screen
        self.phase: object = None
        """The phase that was told last."""
        self.kept = b""
        """The reply that is to be heard afterwards: PCM, as of `reply`."""
        self._seen: list[Event] = []
        self._speech: list[bytes] = []
        self._levels: list[float] = []
        self._sent = 0
        self._begun: float | None = None

    def forget(self) -> None:
        """Let what was seen before no longer count."""
        self._seen.clear()

    def say(self, recording: Path, words: str) -> None:
        """Speak a recording of these words, beginning now; `until` goes on speaking."""
        self.screen.line("mic", f'"{words}"')
        self._speech = list(sound.open_source(str(recording)).chunks)[::-1]
        self._levels = []

    def type(self, words: str) -> None:
        """Send a typed turn."""
        self.screen.line("typed", words)
        self.connection.call("send_text", text=words)

    @property
    def speaking(self) -> bool:
        """Whether a recording is not yet at its end."""
        return bool(self._speech)

    def seen(self, topic: str) -> list[Event]:
        """Return the events of the topic since `forget`."""
        return [event for event in self._seen if event.topic == topic]

    def reply(self) -> bytes:
        """Return the model's speech since `forget`: 16-bit mono PCM at `REPLY_RATE`."""
        parts = (str(event.data["data"]) for event in self.seen("live.audio"))
        return b"".join(map(base64.b64decode, parts))

    def until(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        """Speak, listen and show until a condition holds. Raises `Missed` if it does not."""
        deadline = time.monotonic() + seconds
        if self._begun is None:
            self._begun = time.monotonic()
        while not condition():
            if time.monotonic() > deadline:
                raise Missed(f"no {what} within {seconds:.0f} s")
            pause = self._begun + sound.due(self._sent, 1.0) - time.monotonic()
            if pause <= 0:
                self._send_chunk()
                continue
            event = self.connection.next_event(pause)
            if event is not None:
                self._take(event)

    def until_seen(self, topic: str, seconds: float) -> None:
        """Go on until an event of the topic has been seen."""
        self.until(topic, lambda: bool(self.seen(topic)), seconds)

    def until_turn_ends(self, seconds: float) -> None:
        """Go on until a turn is complete and the session rests."""
        self.until_seen("live.turn_complete", seconds)
        self.until("phase active after the turn", lambda: self.phase == "active", 2)

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
            self.screen.meter(self._levels[-1])
            if not self._speech:
                self.screen.levels(self._levels)

    def _take(self, event: Event) -> None:
        self._seen.append(event)
        if event.topic in _FAULTS:
            raise Missed(f"{event.topic} {dict(event.data)}")
        if event.topic == "session.phase_changed":
            self.phase = event.data["phase"]
        if event.topic == "live.audio":
            self._show_audio(event)
        elif event.topic == "live.output_transcript":
            self.screen.grow("model", str(event.data["text"]))
        elif (told := describe(event)) is not None:
            if event.topic == "live.turn_complete":
                self._show_reply()
            self.screen.line(*told)

    def _show_audio(self, event: Event) -> None:
        """Say how long the user waited for the first of a reply."""
        before = [e for e in self._seen if e.topic in {"live.vad_end", "live.audio"}][:-1]
        if before and before[-1].topic == "live.vad_end":
            waited = event.ts_ms - before[-1].ts_ms
            self.screen.line("reply", f"begins, {waited} ms after the end of speech")

    def _show_reply(self) -> None:
        """Say how much of a reply came, and how fast."""
        parts = self.seen("live.audio")
        if parts:
            size = len(self.reply())
            took = (parts[-1].ts_ms - parts[0].ts_ms) / 1000
            told = f"{size:,} bytes in {len(parts)} parts: {size / 2 / REPLY_RATE:.1f} s of speech"
            self.screen.line("reply", f"{told}, which came in {took:.1f} s")


def describe(event: Event) -> tuple[str, str] | None:
    """Return the kind and the words of an event that the demo shows as a line."""
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
