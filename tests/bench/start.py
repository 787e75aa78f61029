"""Start to the first answer, and resident memory before the first audio, against the naive server.

Both processes begin with the file cache warm. The naive server has imported the official SDK by
then and made its client, and has no session yet; no more has the daemon.
"""

import time
from collections.abc import Sequence
from importlib.util import find_spec

from bench.figures import compare, median, resident_mib
from bench.processes import DAEMON, DAEMON_WITHOUT_UVLOOP, NAIVE, Client, serving

RUNS = 9


def main() -> None:
    print("livehandled from start to its first answer, against the naive server")
    daemons = {"without uvloop": DAEMON_WITHOUT_UVLOOP}
    if find_spec("uvloop") is not None:
        daemons["uvloop"] = DAEMON
    for command in (*daemons.values(), NAIVE):
        started(command)  # the file cache is warm from here on
    for name, daemon in daemons.items():
        pairs = [(started(daemon), started(NAIVE)) for _ in range(RUNS)]
        for what, figure, unit in (("start to ready", 0, "ms"), ("resident memory", 1, "MiB")):
            ours, naive = (median([pair[side][figure] for pair in pairs]) for side in (0, 1))
            compare(f"{name}, {what}", ours, naive, unit)


def started(command: Sequence[str]) -> tuple[float, float]:
    """Return the milliseconds from start to the first answer, and the MiB resident then."""
    begun = time.perf_counter()
    with serving(command) as (pid, path), Client(path) as client:
        client.call("daemon.ping")
        return (time.perf_counter() - begun) * 1000, resident_mib(pid)
