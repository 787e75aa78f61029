"""Cold start of `livectl phase`, against `python -c pass`."""

import subprocess
import sys
import time

from bench.figures import compare, median
from bench.processes import DAEMON, serving

RUNS = 31


def timed(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    print("livectl phase from start to exit, against `python -c pass`")
    with serving(DAEMON) as (_, path):
        phase = [sys.executable, "-m", "livectl", "--socket", str(path), "phase"]
        nothing = [sys.executable, "-c", "pass"]
        timed(phase), timed(nothing)
        pairs = [(timed(phase), timed(nothing)) for _ in range(RUNS)]
    compare("livectl phase", median([a for a, _ in pairs]), median([b for _, b in pairs]), "ms")
