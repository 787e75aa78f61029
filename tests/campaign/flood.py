"""One client floods the daemon; how long another one waits for its answers, and how it stops.

Against that other client alone, and against it beside an equally busy pair of processes: the same
flood poured into a bare echo server.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.figures import percentile
from campaign.children import child
from campaign.flooder import FLOODS
from campaign.quiet import Quiet
from support.daemon import private_directory, running_daemon

_MOST_RATIO = 2.0
"""Of the 99th percentiles, beside the flood and beside the echo server."""
_MOST_STOP_S = 5.0

Times = list[float]


class Row(NamedTuple):
    """A flood, and the round trips of the quiet client, microseconds."""

    flood: str
    alone: Times
    echo: Times
    """Beside the same flood into an echo server."""
    flooded: Times
    stop_s: float
    """How long the daemon took to stop while it was flooded."""

    @property
    def ratio(self) -> float:
        """How much longer the slowest hundredth waits than beside the echo server."""
        return percentile(self.flooded, 0.99) / percentile(self.echo, 0.99)

    @property
    def problems(self) -> list[str]:
        """What is not as it should be."""
        found = []
        if self.ratio > _MOST_RATIO:
            found.append(f"{self.flood}: others wait {self.ratio:.1f} times as long")
        if self.stop_s > _MOST_STOP_S:
            found.append(f"{self.flood}: the daemon took {self.stop_s:.1f} s to stop")
        return found


def run(
    floods: Sequence[str], seconds: float, rounds: int, values: Sequence[str] = ()
) -> Iterator[Row]:
    """Measure each flood so many times for so many seconds."""
    flags = [word for value in values for word in ("--set", value)]
    for name in floods:
        alone: Times = []
        echoed: Times = []
        flooded: Times = []
        with private_directory() as directory, running_daemon(*flags) as daemon:
            echo = directory / "echo"
            with _child(echo, "echo"):
                for _ in range(rounds):
                    alone += _timed(daemon.path, seconds)
                    with _child(echo, name):
                        echoed += _timed(daemon.path, seconds)
                    with _child(daemon.path, name):
                        flooded += _timed(daemon.path, seconds)
            with _child(daemon.path, name):
                time.sleep(0.2)
                begun = time.monotonic()
                daemon.stop()
                stop_s = time.monotonic() - begun
        yield Row(name, alone, echoed, flooded, stop_s)


def _timed(path: Path, seconds: float) -> Times:
    quiet = Quiet(path)
    time.sleep(seconds)
    return quiet.times_us()


@contextmanager
def _child(path: Path, kind: str) -> Iterator[None]:
    with child("flooder", path, kind) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it is there
        try:
            yield
        finally:
            process.communicate()


HEAD = (
    "| flood | alone p50 / p99 us | echo p50 / p99 us | flooded p50 / p99 us | p99 ratio | stop s |"
    "\n|---|---|---|---|---|---|"
)


def row(one: Row) -> str:
    """Return a line of the table."""
    cells = [
        f"{percentile(times, 0.5):.0f} / {percentile(times, 0.99):.0f}"
        for times in (one.alone, one.echo, one.flooded)
    ]
    return f"| {one.flood} | {' | '.join(cells)} | {one.ratio:.2f} | {one.stop_s:.2f} |"


def names() -> Sequence[str]:
    """Return the floods there are."""
    return tuple(FLOODS)
