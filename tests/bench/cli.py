"""Cold start of `livectl phase`, against `python -c pass`."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import compare, median
from bench.round_trip import connected

RUNS = 31


def timed(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    print("livectl phase from start to exit, against `python -c pass`")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "daemon.sock")
        command = [sys.executable, "-m", "livehandled", "--socket", str(path)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as daemon:
            connected(path).close()
            phase = [sys.executable, "-m", "livectl", "--socket", str(path), "phase"]
            nothing = [sys.executable, "-c", "pass"]
            timed(phase), timed(nothing)
            pairs = [(timed(phase), timed(nothing)) for _ in range(RUNS)]
            daemon.terminate()
    compare("livectl phase", median([a for a, _ in pairs]), median([b for _, b in pairs]), "ms")
