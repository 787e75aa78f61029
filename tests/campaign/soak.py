"""A long conversation, faster than life: what the daemon holds must not grow.

The emulator's times are divided by the speed, and the microphone's chunks follow each other that
much faster. A connection lives two minutes of the conversation, so that it is renewed often.
"""

import json
import signal
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from campaign.checker import Json, marks
from campaign.rig import CHUNK_BYTES, CHUNK_S, FUNCTIONS, Client, RefusedError
from support.daemon import DaemonProcess
from support.house import House, house
from support.speech import silence, speech_like

_TESTS = Path(__file__).parents[1]
_MINUTE_S = 60.0
_CONNECTION_MS, _GO_AWAY_MS = 120_000, 30_000
_EVENTS = 256
"""Of the ring: what is bounded is full after the first minutes, and does not grow then."""
_WARM = 0.25
"""The part of the conversation after which nothing may grow."""
_MOST_GROWTH = 1.1
_MOST_DESCRIPTORS, _MOST_TASKS = 3, 3
_COUNT_S = 20.0
_SAMPLES = 13


class Sample(NamedTuple):
    """What the daemon held at one time."""

    minute: int
    memory_kib: int
    descriptors: int
    threads: int
    tasks: int
    objects: int
    connection: int
    """How many there have been."""
    turns: int
    cpu_s: float


class Result(NamedTuple):
    """What became of the conversation."""

    samples: Sequence[Sample]
    wall_s: float
    rotations: int
    gaps_ms: Sequence[int]
    texts: int
    interruptions: int
    tool_calls: int
    chunks: int
    dropped: int
    problems: Sequence[str]


class _Speaker:
    """The user and those around: speaks, interrupts, types, answers calls, comes and goes."""

    def __init__(self, made: House, speed: float) -> None:
        self.client = Client(made.path)
        self.texts: list[str] = []
        self.results = 0
        self.chunks = 0
        self._speed = speed
        self._path = made.path
        self._seen = 0
        self._due = time.monotonic()
        self._speech = [speech_like(seconds, seed=n) for n, seconds in enumerate((2.4, 1.6, 0.9))]
        self.client.call("events", topics=["live.*", "session.*"])

    def minute(self) -> None:
        """Live through one minute of the conversation, the microphone open all the time."""
        for step in (
            self._utter(0, 5.6),
            self._type(8.0),
            self._utter(1, 1.0),
            self._utter(2, 5.0),  # over the reply
            self._type(6.0, "call wait {}"),
            self._type(5.0, "call work {}"),
            self._utter(0, 2.0),
            self._type(6.0),  # over the reply
            self._tell(4.0),
        ):
            self._live(step)
        self._hear(silence(60.0 - 47.5))
        self._come_and_go()

    def _live(self, pcm: bytes) -> None:
        self._hear(pcm)

    def _utter(self, which: int, then_s: float) -> bytes:
        return self._speech[which] + silence(then_s)

    def _type(self, then_s: float, words: str = "says the typist") -> bytes:
        mark = f"[t{len(self.texts) + 1}]"
        self.client.call("send_text", text=f"{mark}\n{words}")
        self.texts.append(mark)
        return silence(then_s)

    def _tell(self, then_s: float) -> bytes:
        self.client.call("queue_context", text=f"It is minute {len(self.texts)}.")
        self.client.call("state.set", key="app:minute", value=len(self.texts))
        return silence(then_s)

    def _hear(self, pcm: bytes) -> None:
        """Send sound as a microphone does, and do meanwhile what is asked."""
        for first in range(0, len(pcm), CHUNK_BYTES):
            self.client.call(
                "send_audio", data=b64encode(pcm[first : first + CHUNK_BYTES]).decode()
            )
            self.chunks += 1
            self._answer()
            self._due = max(self._due + CHUNK_S / self._speed, time.monotonic() - 0.5)
            time.sleep(max(0.0, self._due - time.monotonic()))

    def _answer(self) -> None:
        new, self._seen = self.client.events[self._seen :], len(self.client.events)
        for event in new:
            if event["topic"] == "session.tool_call":
                for call in event["data"]["function_calls"]:
                    self._answer_one(call)

    def _answer_one(self, call: Json) -> None:
        answer = {"id": call["id"], "name": call["name"], "response": {"output": "[r0]"}}
        try:
            self.client.call("send_tool_response", responses=[answer])
            self.results += 1
        except RefusedError as refused:
            if refused.name != "tools.unknown_call":
                raise

    def _come_and_go(self) -> None:
        """Connect as `livectl` and a second screen do, and leave again."""
        for methods in (("phase",), ("events", "transcript", "telemetry")):
            client = Client(self._path)
            for method in methods:
                client.call(method)
            client.close()


def run(minutes: int, speed: float, tell: Callable[[str], None] = lambda _: None) -> Result:
    """Converse so many minutes, `speed` times faster than life, and sample the daemon."""
    begun = time.monotonic()
    setup = json.dumps({"tools": [{"functionDeclarations": FUNCTIONS}]})
    extractor = {"Order": {"kind": "regex", "patterns": {"who": "the (typist)"}}}
    values = (
        f"session.setup={setup}",
        f"extraction.extractors={json.dumps(extractor)}",
        f"limits.ring_events={_EVENTS}",
        "metrics.interval_ms=100",
    )
    with house(_scenario(speed)) as made:
        counts = made.path.parent / "counts.json"
        python_path = ":".join([str(_TESTS), *_python_path()])
        daemon = made.start(
            *values,
            environ={"PYTHONPATH": python_path},
            command=(sys.executable, "-m", "campaign.counted", str(counts)),
        )
        speaker = _Speaker(made, speed)
        samples = []
        every = max(1, minutes // (_SAMPLES - 1))
        for minute in range(minutes + 1):
            speaker.minute()
            if minute % every == 0 or minute == minutes:
                samples.append(_sample(minute, daemon, speaker.client, counts))
                tell(row(samples[-1]))
        wall_s = time.monotonic() - begun
        problems = [*_grown(samples), *_said(made, speaker), *_log(daemon)]
        result = _result(samples, wall_s, speaker, problems)
        speaker.client.close()
        daemon.stop()
        return result


def _scenario(speed: float) -> str:
    return (
        f"[timing]\nreply_delay_ms = {max(10, round(150 / speed))}\n"
        f"stream_speed = {8 * speed}\nplayback_speed = {speed}\n"
        f"[lifetime]\nconnection_ms = {round(_CONNECTION_MS / speed)}\n"
        f"go_away_ms = {round(_GO_AWAY_MS / speed)}\n"
    )


def _python_path() -> list[str]:
    """Return where this process finds the daemon, for one without an installation."""
    return [entry for entry in sys.path if entry.endswith(("/proto", "/daemon", "/client"))]


def _sample(minute: int, daemon: DaemonProcess, client: Client, counts: Path) -> Sample:
    proc = Path(f"/proc/{daemon.process.pid}")
    counts.unlink(missing_ok=True)
    daemon.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + _COUNT_S
    while not counts.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the daemon does not count")
        time.sleep(0.01)
    counted = json.loads(counts.read_text())
    status = dict(
        line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line
    )
    ticks = (proc / "stat").read_text().rpartition(")")[2].split()[11:13]
    session = client.call("session")
    return Sample(
        minute=minute,
        memory_kib=int(status["VmRSS"].split()[0]),
        descriptors=len(list((proc / "fd").iterdir())),
        threads=int(status["Threads"]),
        tasks=counted["tasks"],
        objects=counted["objects"],
        connection=session["connection"]["generation"],
        turns=session["turns"],
        cpu_s=sum(map(int, ticks)) / 100,
    )


def _warm(samples: Sequence[Sample]) -> Sample:
    return next(one for one in samples if one.minute >= _WARM * samples[-1].minute)


def _grown(samples: Sequence[Sample]) -> Iterator[str]:
    first, last = _warm(samples), samples[-1]
    for name in ("memory_kib", "objects"):
        before, after = getattr(first, name), getattr(last, name)
        if after > before * _MOST_GROWTH:
            yield f"{name} grew from {before} to {after}"
    if last.descriptors > first.descriptors + _MOST_DESCRIPTORS:
        yield f"descriptors grew from {first.descriptors} to {last.descriptors}"
    if last.tasks > first.tasks + _MOST_TASKS:
        yield f"tasks grew from {first.tasks} to {last.tasks}"


def _said(made: House, speaker: _Speaker) -> Iterator[str]:
    """Look for every text in what the model remembers."""
    client = speaker.client
    client.call("send_text", text="[t0]")
    client.until(lambda e: "[t0]" in str(e["data"].get("model")), "the last answer", within_s=20.0)
    history = made.sessions[-1]["history"]
    told = Counter(m for e in history if e["role"] == "user" for m in marks(e["text"]))
    for mark in speaker.texts:
        if told[mark] != 1:
            yield f"{mark} stands {told[mark]} times in the history"
    if len(made.sessions) != 1:
        yield f"there were {len(made.sessions)} sessions"
    for event in client.events:
        if event["topic"] in {"events.lagged", "session.error", "session.disconnected"}:
            yield f"{event['topic']}: {event['data']}"


def _log(daemon: DaemonProcess) -> Iterator[str]:
    for line in daemon.log:
        if "Task exception" in line or "never retrieved" in line:
            yield line.strip()


def _result(
    samples: Sequence[Sample], wall_s: float, speaker: _Speaker, problems: Sequence[str]
) -> Result:
    telemetry = speaker.client.call("telemetry")
    resumed = [e["data"] for e in speaker.client.events if e["topic"] == "session.resumed"]
    return Result(
        samples=samples,
        wall_s=wall_s,
        rotations=len(resumed),
        gaps_ms=sorted(data["gap_ms"] for data in resumed),
        texts=len(speaker.texts),
        interruptions=telemetry["interruptions"],
        tool_calls=telemetry["tool_calls"],
        chunks=speaker.chunks,
        dropped=telemetry["media_frames_dropped"],
        problems=[
            *problems,
            *(f"resumed: {data}" for data in resumed if data["restored"] != "handle"),
        ],
    )


HEAD = (
    "| minute | memory KiB | descriptors | threads | tasks | objects | connection | turns | CPU s |"
    "\n|---|---|---|---|---|---|---|---|---|"
)


def row(sample: Sample) -> str:
    """Return a line of the table."""
    return f"| {' | '.join(str(field) for field in sample)} |"


def summary(result: Result) -> str:
    """Return last against first, and what was said and done."""
    first, warm, last = result.samples[0], _warm(result.samples), result.samples[-1]
    shown = ("memory_kib", "descriptors", "threads", "tasks", "objects")
    lines = [_ratios(one, last, shown) for one in (first, warm)]
    gaps = result.gaps_ms
    told = f"gaps {gaps[len(gaps) // 2]} ms (median), {gaps[-1]} ms at most" if gaps else "no gaps"
    minutes = last.minute + 1
    pace = minutes * _MINUTE_S / result.wall_s
    lines.append(
        f"\n{minutes} minutes of conversation in {result.wall_s:.0f} s ({pace:.1f} x life)"
    )
    lines.append(
        f"{result.rotations} rotations, {told}; {result.texts} texts, {result.interruptions} "
        f"interruptions, {result.tool_calls} calls, {result.chunks} chunks of audio in, "
        f"{result.dropped} of them dropped"
    )
    lines += [f"PROBLEM {problem}" for problem in result.problems]
    return "\n".join(lines)


def _ratios(first: Sample, last: Sample, names: Sequence[str]) -> str:
    ratios = [f"{getattr(last, n) / max(1, getattr(first, n)):.2f}" for n in names]
    return f"| {last.minute} against {first.minute} | {' | '.join(ratios)} | | | |"
