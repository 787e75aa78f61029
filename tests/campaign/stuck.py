"""A client that subscribes to everything and is stopped, while the model talks for minutes.

What it costs the daemon's memory and the latency of another client, against the same minutes
without it before and after; and what it is told when it goes on.
"""

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.figures import percentile, resident_mib
from campaign.children import child
from campaign.quiet import Quiet
from support.house import House, house

_WORDS = "and then it went on, again and again, " * 10
_ASKED = "tell me a long story"
_KIB_A_SECOND = 48_000 / 1024
_END_S = 60.0
_MOST_GROWTH_MIB = 2.0

Json = dict[str, Any]


class Result(NamedTuple):
    """What it cost, and what the stuck client was told."""

    without_us: Sequence[float]
    """Round trips of `daemon.ping` before and after, microseconds."""
    beside_us: Sequence[float]
    """And beside the stuck client."""
    grown_mib: float
    """Resident memory of the daemon, from before the stuck client came to its last minute."""
    audio_s: float
    """Of the model's speech while it was stuck."""
    told: Sequence[Json]
    """The notices that it got, and the answers to its subscriptions."""
    problems: Sequence[str]


class _Deaf:
    """A process that listens."""

    def __init__(self, path: Path) -> None:
        self._process = child("deaf", path)
        assert self._process.stdout is not None
        self.begun: Json = json.loads(self._process.stdout.readline())

    def signal(self, number: int) -> None:
        """Stop it, or let it go on."""
        self._process.send_signal(number)

    def rest(self) -> list[Json]:
        """Return what it prints until it ends."""
        said, _ = self._process.communicate(timeout=_END_S)
        return [json.loads(line) for line in said.splitlines()]


class _Talk:
    """Has the model speak."""

    def __init__(self, made: House, minutes: float) -> None:
        self.client = made.daemons[-1].client()
        self._seconds = minutes * 60
        self.client.result("events", topics=["*"])
        self._ring: int = self.client.result("daemon.hello")["limits"]["ring_events"]

    def fill_the_ring(self) -> None:
        """Make as many events as the daemon keeps."""
        heard = 0
        while heard < self._ring:
            self.client.result("send_text", text="hello")
            heard += self._turn()

    def _turn(self) -> int:
        """Hear a turn out; return how many events it made."""
        heard = 1
        while self.client.event()["topic"] != "live.turn_complete":
            heard += 1
        return heard

    def said_s(self) -> float:
        """Return how long the model has spoken since the daemon began."""
        return float(self.client.result("telemetry")["audio_kbytes_out"]) / _KIB_A_SECOND

    def minutes(self) -> float:
        """Have it speak for the minutes there are; return the seconds."""
        begun = self.said_s()
        while (said := self.said_s() - begun) < self._seconds:
            self.client.result("send_text", text=_ASKED)
            self._turn()
        return said


def run(minutes: float, speed: float, *values: str) -> Result:
    """Let the model talk so many minutes three times, `speed` times faster than life."""
    with house(_scenario(speed)) as made:
        daemon = made.start(*values)
        talk = _Talk(made, minutes)
        with talk.client:
            healthy = _Deaf(made.path)
            talk.fill_the_ring()
            talk.minutes()  # the daemon holds all it ever will
            before = _timed(made, talk.minutes)
            held_mib = resident_mib(daemon.process.pid)
            stuck = _Deaf(made.path)
            stuck.signal(signal.SIGSTOP)
            from_s = talk.said_s()
            beside = _timed(made, talk.minutes)
            audio_s = talk.said_s() - from_s
            grown_mib = resident_mib(daemon.process.pid) - held_mib
            stuck.signal(signal.SIGCONT)
            talk.client.result("state.set", key="app:end", value=True)
            *_, all_of_it = healthy.rest()
            told = [stuck.begun, *stuck.rest()]
            again = _Deaf(made.path)
            after = _timed(made, talk.minutes)
            talk.client.result("state.set", key="app:end", value=False)
            again.rest()
    problems = [*_missed(told, all_of_it)]
    if grown_mib >= _MOST_GROWTH_MIB:
        problems.append(f"the daemon grew by {grown_mib:.2f} MiB")
    return Result([*before, *after], beside, grown_mib, audio_s, told, problems)


def _scenario(speed: float) -> str:
    return (
        f"[timing]\nreply_delay_ms = 1\nstream_speed = {speed}\nplayback_speed = {speed}\n"
        f"[[reply]]\nmatch = {json.dumps(_ASKED)}\nsay = {json.dumps(_WORDS)}\n"
    )


def _timed(made: House, do: Callable[[], object]) -> list[float]:
    quiet = Quiet(made.path)
    do()
    return quiet.times_us()


def _missed(told: Sequence[Json], whole: Json) -> Iterator[str]:
    """Hold what the stuck client got against what one got that always read."""
    begun, *notices, heard = told
    first = int(begun["cursor"].partition(":")[2])
    logs = [seq for seq in whole["logs"] if seq > first]
    if any(one.get("reset") for one in notices):
        yield f"it could not resume, the ring was too small: {notices}"
    if heard["logs"] != logs:
        missing = sorted(set(logs) ^ set(heard["logs"]))
        yield f"{len(missing)} events of the log were lost, or came twice: {missing[:20]}"
    if not heard["dropped"]:
        yield "no sound was dropped: it was not stuck for long enough"


def summary(result: Result) -> str:
    """Return the figures, and what was wrong."""
    lines = ["| ping | without it | beside it | ratio |\n|---|---|---|---|"]
    for share in (0.5, 0.99):
        without, beside = (percentile(t, share) for t in (result.without_us, result.beside_us))
        lines.append(
            f"| p{share * 100:g} | {without:.0f} us | {beside:.0f} us | {beside / without:.2f} |"
        )
    counts = len(result.without_us), len(result.beside_us)
    lines.append(
        f"\n{counts[0]} and {counts[1]} pings; stuck for {result.audio_s:.0f} s of speech; the "
        f"daemon grew by {result.grown_mib:.2f} MiB"
    )
    for told in result.told:
        shown = {name: value for name, value in told.items() if name != "logs"}
        lines += [f"told: {shown}"]
    return "\n".join([*lines, *(f"PROBLEM {problem}" for problem in result.problems)])
