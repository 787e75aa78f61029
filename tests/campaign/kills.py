"""`kill -9` at random moments under load: what the next daemon knows, and what it says of it."""

import random
import re
import signal
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from campaign.checker import Json, marks
from campaign.rig import CHUNK_BYTES, CHUNK_S, FUNCTIONS, Client, HangError, RefusedError
from livehandled.saver import EVERY_S, SOON_S
from livehandled.store import Snapshot
from support.daemon import DaemonProcess
from support.house import House, house
from support.speech import silence, speech_like

_SCENARIO = "timing = { reply_delay_ms = 40, stream_speed = 50.0, playback_speed = 20.0 }\n"
_SETUP = msgspec.json.encode({"tools": [{"functionDeclarations": FUNCTIONS}]}).decode()
_VALUES = (f"session.setup={_SETUP}", "extraction.extractors={}")
_KEPT_S, _SENT_KEPT_S = EVERY_S + 0.5, SOON_S + 0.5
"""What was acknowledged so long before a kill is kept: the half second is for a slow machine."""
_LEAST_S, _MOST_S = 0.05, 3.0
"""How long a daemon lives under load."""
_BACK_S = 20.0
_SETTLE_S = 15.0
_KEYS = 7
_TOLD_RESULT = re.compile(r"^\[.* returned (.*)\]$", re.MULTILINE)


class Ack(NamedTuple):
    """Something that a client was told is done."""

    what: str
    """The mark of a text or a result."""
    at: float
    call: str = ""
    """Of a result: the call's id."""


class Kill(NamedTuple):
    """One daemon's life and death, and how the next one went on."""

    lived_ms: int
    phase: str
    """At the end, as far as was told."""
    texts: int
    results: int
    writes: int
    state_lost_ms: int
    """How long before the kill the oldest write was acknowledged that was not kept."""
    snapshot: str
    """Its size, or what was wrong with it."""
    restored: str
    back_ms: int
    """From the next start to the session's going on."""


class Result(NamedTuple):
    """What became of them all."""

    kills: Sequence[Kill]
    sent: int
    """Texts and results that were accepted."""
    young_lost: int
    """Of them, those accepted too short a time before a kill, and gone with it."""
    sessions: int
    """That the emulator holds at the end."""
    problems: Sequence[str]


class _Load:
    """Everything that clients do at a time: type, speak, write state, answer calls."""

    def __init__(self, path: Path, chance: random.Random, counts: Counter[str]) -> None:
        self.acks: list[Ack] = []
        self.writes: dict[str, list[tuple[int, float]]] = {}
        """By key, the numbers written and when each was acknowledged."""
        self.main = Client(path)
        self._counts = counts
        self._clients = [self.main, *(Client(path) for _ in range(3))]
        self._over = threading.Event()
        seeds = [random.Random(chance.random()) for _ in range(4)]  # noqa: S311 - a schedule
        parts = (self._type, self._speak, self._write, self._answer)
        self._threads = [
            threading.Thread(target=self._carry_on, args=(part, client, seed))
            for part, client, seed in zip(parts, self._clients, seeds, strict=True)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until nothing more is done: at once where the daemon is gone."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        for client in self._clients:
            with suppress(OSError):
                client.close()

    def _carry_on(
        self,
        part: Callable[[Client, random.Random], None],
        client: Client,
        chance: random.Random,
    ) -> None:
        # The daemon is killed in the middle of it.
        with suppress(HangError, OSError):
            while not self._over.is_set():
                part(client, chance)

    def _mark(self, letter: str) -> str:
        self._counts[letter] += 1
        return f"[{letter}{self._counts[letter]}]"

    def _type(self, client: Client, chance: random.Random) -> None:
        mark = self._mark("t")
        asks = chance.random() < 0.3
        words = f"call {chance.choice(('wait', 'work'))} {{}}" if asks else "says the typist"
        with suppress(RefusedError):
            client.call("send_text", text=f"{mark}\n{words}")
            self.acks.append(Ack(mark, time.monotonic()))
        self._over.wait(chance.choice((0.05, 0.2, 0.5, 2.0)))

    def _speak(self, client: Client, chance: random.Random) -> None:
        pcm = speech_like(chance.uniform(0.4, 1.2)) + silence(1.0)
        for first in range(0, len(pcm), CHUNK_BYTES):
            if self._over.wait(CHUNK_S / 4):
                return
            with suppress(RefusedError):
                client.call("send_audio", data=b64encode(pcm[first : first + CHUNK_BYTES]).decode())

    def _write(self, client: Client, chance: random.Random) -> None:
        key = f"app:k{chance.randrange(_KEYS)}"
        self._counts["writes"] += 1
        number = self._counts["writes"]
        client.call("state.set", key=key, value=number)
        self.writes.setdefault(key, []).append((number, time.monotonic()))
        self._over.wait(chance.uniform(0.0, 0.02))

    def _answer(self, client: Client, chance: random.Random) -> None:
        seen = 0
        client.call("events", topics=["session.tool_call"])
        while not self._over.is_set():
            for event in client.events[seen:]:
                seen += 1
                self._over.wait(chance.uniform(0.0, 0.3))
                for call in event["data"]["function_calls"]:
                    self._answer_one(client, call)
            if self._over.wait(0.01) or client.closed:
                return

    def _answer_one(self, client: Client, call: Json) -> None:
        mark = self._mark("r")
        answer = {"id": call["id"], "name": call["name"], "response": {"output": mark}}
        with suppress(RefusedError):  # the model no longer waits for it
            client.call("send_tool_response", responses=[answer])
            self.acks.append(Ack(mark, time.monotonic(), call["id"]))


def run(seed: int, count: int, tell: Callable[[str], None] = lambda _: None) -> Result:
    """Kill daemons, one after the other, and let each next one go on."""
    chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    counts: Counter[str] = Counter()
    kills: list[Kill] = []
    problems: list[str] = []
    old: list[Ack] = []
    young: list[Ack] = []
    with house(_SCENARIO) as made:
        daemon = made.start(*_VALUES)
        for number in range(1, count + 1):
            load = _Load(made.path, chance, counts)
            kill, found = _one(made, daemon, load, chance, problems, number)
            for ack, is_old in found:
                (old if is_old else young).append(ack)
            begun = time.monotonic()
            daemon = made.start(*_VALUES)
            restored, back_ms = _back(made, daemon, begun, problems, number)
            kill = kill._replace(restored=restored, back_ms=back_ms)
            kills.append(kill)
            tell(row(number, kill))
        _settle(made, problems)
        told = Counter(_told(made.sessions[-1]["history"]))
        daemon.stop()
        for one in made.daemons:
            problems += [line.strip() for line in one.log if "Task exception" in line]
        # A result for a call that the service itself gave up need not arrive.
        given_up = {id_ for entry in made.journal() for id_ in entry.get("cancelled", ())} - {""}
        problems += [
            f"{ack.what} was accepted early enough, and is lost"
            for ack in old
            if not told[ack.what] and ack.call not in given_up
        ]
        problems += [f"{mark} stands {n} times" for mark, n in told.items() if n > 1]
        lost = len([ack for ack in young if not told[ack.what] and ack.call not in given_up])
        return Result(kills, len(old) + len(young), lost, len(made.sessions), problems)


def _one(
    made: House,
    daemon: DaemonProcess,
    load: _Load,
    chance: random.Random,
    problems: list[str],
    number: int,
) -> tuple[Kill, list[tuple[Ack, bool]]]:
    """Load a daemon, kill it, and look at what it left."""
    begun = time.monotonic()
    load.main.call("events", topics=["session.phase_changed"])
    load.start()
    time.sleep(chance.uniform(_LEAST_S, _MOST_S))
    killed = time.monotonic()
    daemon.stop(signal.SIGKILL)
    load.stop()
    phases = [event["data"]["phase"] for event in load.main.events]
    snapshot = made.store.load()
    if snapshot is None:
        left = made.store.complaint or "none yet"
        if made.store.complaint or killed - begun > _KEPT_S:
            problems.append(f"kill {number}: {left}")
    else:
        left = f"{sum(path.stat().st_size for path in made.snapshots) // 1024} KiB"
    lost_s = _state_lost_s(load, snapshot, killed)
    if lost_s > _KEPT_S:
        problems.append(f"kill {number}: a write {lost_s:.2f} s before it was not kept")
    kill = Kill(
        lived_ms=round((killed - begun) * 1000),
        phase=phases[-1] if phases else "-",
        texts=len([ack for ack in load.acks if ack.what.startswith("[t")]),
        results=len([ack for ack in load.acks if ack.what.startswith("[r")]),
        writes=sum(map(len, load.writes.values())),
        state_lost_ms=round(lost_s * 1000),
        snapshot=left,
        restored="",
        back_ms=0,
    )
    return kill, [(ack, killed - ack.at > _SENT_KEPT_S) for ack in load.acks]


def _state_lost_s(load: _Load, snapshot: Snapshot | None, killed: float) -> float:
    """Return how old the oldest acknowledged write was that is not in the snapshot."""
    kept = {} if snapshot is None else snapshot.state.values
    lost = [
        killed - at
        for key, writes in load.writes.items()
        for value, at in writes
        if value > (int(bytes(kept[key])) if key in kept else 0)
    ]
    return max(lost, default=0.0)


def _back(
    made: House, daemon: DaemonProcess, begun: float, problems: list[str], number: int
) -> tuple[str, int]:
    """Return how the next daemon takes the session up, and after how many milliseconds."""
    kept = made.store.load()
    client = Client(daemon.path)
    try:
        if kept is None or not kept.open:
            return "no session was kept", 0
        instance = client.call("daemon.hello")["instance"]
        client.call("events", topics=["session.resumed"], since=f"{instance}:0")
        told = client.topic("session.resumed", within_s=_BACK_S)
        back_ms = round((time.monotonic() - begun) * 1000)
        problems += [f"kill {number}: {words}" for words in _differs(client, kept, told)]
        because = f" ({told['reason']})" if told["reason"] else ""
        return told["restored"] + because, back_ms
    finally:
        client.close()


def _differs(client: Client, kept: Snapshot, told: Json) -> Iterable[str]:
    """Return what the daemon does not know as it was kept."""
    session, state = client.call("session"), client.call("state")
    if kept.session_id is not None and session["session_id"] != kept.session_id:
        yield f"the session is {session['session_id']}, and was {kept.session_id}"
    if session["turns"] < kept.turns:
        yield f"{session['turns']} turns are counted, and were {kept.turns}"
    for key, value in kept.state.values.items():
        if key.startswith("app:") and state.get(key) != msgspec.json.decode(value):
            yield f"the state has {state.get(key)} under {key}, and had {bytes(value)!r}"
    turns = {turn["turn_number"]: turn["user"] for turn in client.call("transcript")["turns"]}
    for turn in kept.transcript.turns:
        if turn.turn_number in turns and turns[turn.turn_number] != turn.user:
            yield f"turn {turn.turn_number} has changed"
    if told["restored"] != "handle" and not told["reason"]:
        yield f"{told['restored']} without a reason"
    if told["restored"] != "handle" and kept.handle is not None:
        yield f"{told['restored']} ({told['reason']}), though there was a handle"


def _settle(made: House, problems: list[str]) -> None:
    """Let the last daemon come to rest, and see that it still converses."""
    client = Client(made.path)
    try:
        client.call("events", topics=["live.turn_complete", "session.tool_call"])
        client.call("send_text", text="[t0]\nare you there?")
        client.until(
            lambda e: "[t0]" in str(e["data"].get("model")), "the last answer", within_s=_SETTLE_S
        )
    except (HangError, RefusedError) as error:
        problems.append(f"at the end: {error}")
    finally:
        client.close()


def _told(history: Iterable[Json]) -> list[str]:
    """Return the marks of what the user and the functions said, wherever it stands."""
    found: list[str] = []
    for entry in history:
        if entry["role"] == "user":
            found += marks(entry["text"])
        elif entry["kind"] != "reply":
            found += [m for text in _TOLD_RESULT.findall(entry["text"]) for m in marks(text)]
    return found


HEAD = (
    "| kill | lived ms | phase | texts | results | writes | state lost ms | snapshot | goes on by "
    "| back ms |\n|---|---|---|---|---|---|---|---|---|---|"
)


def row(number: int, kill: Kill) -> str:
    """Return a line of the table."""
    return f"| {number} | {' | '.join(str(field) for field in kill)} |"


def summary(result: Result) -> str:
    """Return what became of them all, in a few lines."""
    ways = Counter(kill.restored for kill in result.kills)
    back = sorted(kill.back_ms for kill in result.kills if kill.back_ms)
    worst = max(kill.state_lost_ms for kill in result.kills)
    lines = [f"{len(result.kills)} kills: " + ", ".join(f"{n} x {way}" for way, n in ways.items())]
    if back:
        lines.append(f"back after {back[len(back) // 2]} ms (median), {back[-1]} ms at most")
    lines.append(f"state: the oldest acknowledged write that a kill took was {worst} ms old")
    lines.append(
        f"{result.sent} texts and results were accepted, {result.young_lost} of them less than "
        f"{_SENT_KEPT_S:g} s before a kill and gone with it; {result.sessions} session(s) in all"
    )
    lines += [f"PROBLEM {problem}" for problem in result.problems]
    return "\n".join(lines)
