"""A daemon and an emulator as real processes, and one client that records all it sees."""

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from campaign.checker import Json, Kind, Log, Sent
from support.daemon import DaemonProcess, private_directory, running_daemon
from support.emulator import running_emulator

_CALL_S = 20.0
_QUIET_S = 0.3
_KEY = {"GEMINI_API_KEY": "x" * 30}
_TOPICS = ["*", "live.audio", "session.audio_data"]
_FORBIDDEN = ("Traceback", "Task exception", "never retrieved")

CHUNK_S = 0.04
CHUNK_BYTES = round(CHUNK_S * 16_000) * 2

FUNCTIONS = [
    {"name": "wait", "behavior": "BLOCKING"},
    {"name": "work", "behavior": "NON_BLOCKING"},
]
"""Functions of every session: the model waits for the one, and not for the other."""


class HangError(AssertionError):
    """Something did not come within its time."""


class RefusedError(Exception):
    """A call was answered by an error."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error['data']['name']}: {error['message']}")
        self.name: str = error["data"]["name"]


class Usage(NamedTuple):
    """What the daemon's process holds."""

    descriptors: int
    memory_kb: int


class Client:
    """One connection to the daemon. A thread reads it; every event is kept with its time."""

    def __init__(self, path: Path) -> None:
        self.events: list[Json] = []
        self.times: list[float] = []
        """Monotonic seconds at which each event came."""
        self.closed = False
        self._answers: dict[int, Json] = {}
        self._ids = 0
        self._news = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def call(self, method: str, **params: object) -> Any:
        """Call a method and return its result. Raises `RefusedError`, and `HangError`."""
        with self._news:
            self._ids += 1
            number = self._ids
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        self._wait(lambda: number in self._answers, _CALL_S, f"the answer to {method}")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer["result"]

    def until(
        self, wanted: Callable[[Json], bool], what: str, *, within_s: float, since: int = 0
    ) -> Json:
        """Return the first event from index `since` that is wanted. Raises `HangError`."""
        found: list[Json] = []
        looked = since

        def look() -> bool:
            nonlocal looked
            for event in self.events[looked:]:
                if wanted(event):
                    found.append(event)
                    return True
            looked = len(self.events)
            return False

        self._wait(look, within_s, what)
        return found[0]

    def topic(self, topic: str, *, within_s: float = _CALL_S, since: int = 0) -> Json:
        """Return the data of the first event of a topic."""
        event = self.until(lambda e: e["topic"] == topic, topic, within_s=within_s, since=since)
        return dict(event["data"])

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):  # the daemon may be gone
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()

    def _wait(self, fulfilled: Callable[[], bool], within_s: float, what: str) -> None:
        with self._news:
            self._news.wait_for(lambda: fulfilled() or self.closed, within_s)
            if not fulfilled():
                raise HangError(
                    f"the daemon closed the client's socket before {what}"
                    if self.closed
                    else f"{what} did not come within {within_s:g} s"
                )

    def _read(self) -> None:
        # A daemon that is killed resets its connections.
        with self._socket.makefile("rb") as lines, suppress(ConnectionResetError):
            for line in lines:
                message = json.loads(line)
                with self._news:
                    if message.get("method") == "event":
                        self.times.append(time.monotonic())
                        self.events.append(message["params"])
                    else:
                        self._answers[message["id"]] = message
                    self._news.notify_all()
        with self._news:
            self.closed = True
            self._news.notify_all()


_MOST_LATE = 6
"""Results that may come while a conversation is being settled, each cutting an answer off."""


class Rig:
    """A conversation under test, and the hands that disturb it."""

    def __init__(self, daemon: DaemonProcess, emulator_url: str, journal: Path) -> None:
        self.daemon = daemon
        self.client = Client(daemon.path)
        self.sent: list[Sent] = []
        self._emulator = urlsplit(emulator_url).netloc
        self._journal = journal
        self._counts = {"typed": 0, "context": 0, "result": 0}
        self._lock = threading.Lock()
        self.client.call("events", topics=_TOPICS)

    # The client's doings.

    def text(self, words: str = "") -> str:
        """Send a typed turn; return its mark."""
        mark = self._mark("typed")
        self._send(Sent(mark, "typed"), "send_text", text=f"{mark} {words}".strip())
        return mark

    def greet(self) -> None:
        """Hold a first turn, from which on there is a handle."""
        self.text("hello")
        self.client.topic("session.turn_complete")
        over = [event["topic"] for event in self.client.events].index("session.turn_complete")
        self.client.topic("session.resume_update", since=over)

    def context(self, role: str = "model") -> str:
        """Tell the model something; return its mark."""
        mark = self._mark("context")
        words = f"{mark} is good to know"
        self._send(Sent(mark, "context"), "queue_context", text=words, role=role)
        return mark

    def result(self, call: Json, **more: object) -> str:
        """Answer a call of the model; return the answer's mark, empty where it was refused."""
        mark = self._mark("result")
        answer = {"id": call["id"], "name": call["name"], "response": {"output": mark}, **more}
        try:
            self._send(Sent(mark, "result", call["id"]), "send_tool_response", responses=[answer])
        except RefusedError as refused:
            if refused.name != "tools.unknown_call":
                raise
            return ""
        return mark

    def speak(self, pcm: bytes, *, speed: float = 1.0) -> None:
        """Send speech in chunks as a microphone does, `speed` times as fast."""
        due = time.monotonic()
        for first in range(0, len(pcm), CHUNK_BYTES):
            chunk = base64.b64encode(pcm[first : first + CHUNK_BYTES]).decode()
            self.client.call("send_audio", data=chunk)
            due += CHUNK_S / speed
            time.sleep(max(0.0, due - time.monotonic()))

    # The service's.

    def fault(self, **fault: object) -> None:
        """Let something go wrong, now or at its moment. Raises where nothing is connected."""
        self._ask("faults", fault)

    def recover(self) -> None:
        """End every fault."""
        self._ask("faults/clear", {})

    def sessions(self) -> list[Json]:
        """Return the emulator's sessions."""
        found: list[Json] = self._ask("sessions", {})["sessions"]
        return found

    def journal(self) -> list[Json]:
        """Return what the emulator has noted."""
        return [json.loads(line) for line in self._journal.read_text().splitlines()]

    # What is known.

    def log(self) -> Log:
        """Return all that was seen."""
        cancelled = {id_ for entry in self.journal() for id_ in entry.get("cancelled") or () if id_}
        return Log(
            events=list(self.client.events),
            sent=list(self.sent),
            sessions=self.sessions(),
            transcript=self.client.call("transcript"),
            session=self.client.call("session"),
            cancelled=frozenset(cancelled),
        )

    def ended(self) -> bool:
        """Return whether the session is over for good."""
        return any(event["topic"] == "session.disconnected" for event in self.client.events)

    def at_rest(self) -> bool:
        """Return whether the session is set up and nothing goes on in it."""
        session = self.client.call("session")
        state = (session["connection"] or {}).get("state")
        return bool(
            state == "ready" and session["phase"] == "active" and session["current_turn"] is None
        )

    def settle(self, within_s: float) -> None:
        """Say a last word, and wait until it is answered and all has come to rest.

        A late result may cut the answer off: then it is asked once more. Where the session ends
        instead, that is the end too. Raises `HangError`.
        """
        last = ""
        for _ in range(_MOST_LATE):
            since = len(self.client.events)
            try:
                last = self.text("are you there?")
            except RefusedError:
                self.client.topic("session.disconnected", within_s=within_s)
                return
            self.rest(within_s)
            said = [e["data"]["model"] for e in self.client.events[since:] if _ends_turn(e)]
            if self.ended() or any(last in words for words in said):
                return
        raise HangError(f"{last} was not answered")

    def rest(self, within_s: float) -> None:
        """Wait until nothing goes on, or the session is over. Raises `HangError`."""
        deadline = time.monotonic() + within_s
        while not self.ended() and not (self._quiet() and self.at_rest()):
            if time.monotonic() > deadline:
                raise HangError(f"no rest within {within_s:g} s: {self.client.call('session')}")
            time.sleep(0.02)

    def _quiet(self) -> bool:
        """Return whether nothing has been told for a while: no reply is about to begin."""
        return time.monotonic() - self.client.times[-1] > _QUIET_S

    def usage(self) -> Usage:
        """Return what the daemon holds just now."""
        proc = Path(f"/proc/{self.daemon.process.pid}")
        memory = proc.joinpath("status").read_text().split("VmRSS:")[1].split()[0]
        return Usage(len(list(proc.joinpath("fd").iterdir())), int(memory))

    def complaints(self) -> list[str]:
        """Return the lines of the daemon's log that no daemon should write."""
        return [
            line.strip() for line in self.daemon.log if any(word in line for word in _FORBIDDEN)
        ]

    def _mark(self, kind: Kind) -> str:
        with self._lock:
            self._counts[kind] += 1
            return f"[{ {'typed': 't', 'context': 'c', 'result': 'r'}[kind] }{self._counts[kind]}]"

    def _send(self, sent: Sent, method: str, **params: object) -> None:
        self.client.call(method, **params)
        self.sent.append(sent)

    def _ask(self, what: str, body: Mapping[str, object]) -> Json:
        connection = http.client.HTTPConnection(self._emulator, timeout=_CALL_S)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", f"/emulator/{what}", json.dumps(body), headers)
            answer: Json = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in answer:
            raise ConnectionError(answer["error"]["message"])
        return answer


def _ends_turn(event: Json) -> bool:
    return bool(event["topic"] == "live.turn_complete")


@contextmanager
def running_rig(scenario: str, settings: Mapping[str, object] | None = None) -> Iterator[Rig]:
    """Run an emulator with a scenario given as TOML, a daemon that talks to it, and a client."""
    with private_directory() as directory:
        journal = directory / "journal.jsonl"
        with running_emulator(
            directory, scenario=scenario, flags=("--journal", str(journal))
        ) as emulator:
            values = {
                "session.base_url": emulator.url,
                "session.setup": json.dumps({"tools": [{"functionDeclarations": FUNCTIONS}]}),
                **(settings or {}),
            }
            flags = [
                word for name, value in values.items() for word in ("--set", f"{name}={value}")
            ]
            with running_daemon(*flags, environ=_KEY) as daemon:
                rig = Rig(daemon, emulator.url, journal)
                try:
                    yield rig
                finally:
                    rig.client.close()
