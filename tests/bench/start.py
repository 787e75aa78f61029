"""Start to ready, and resident memory, against a process that only imports google-genai."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import compare, median, resident_mib
from bench.round_trip import connected, round_trips

RUNS = 7
IMPORT = "import google.genai, sys; print('ready', flush=True); sys.stdin.read()"


def ours() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "daemon.sock")
        begun = time.perf_counter()
        command = [sys.executable, "-m", "livehandled", "--socket", str(path)]
        with (
            subprocess.Popen(command, stderr=subprocess.DEVNULL) as daemon,
            connected(path) as connection,
        ):
            round_trips(connection, 1)
            figures = (time.perf_counter() - begun) * 1000, resident_mib(daemon.pid)
            daemon.terminate()
            return figures


def baseline() -> tuple[float, float]:
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", IMPORT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        figures = (time.perf_counter() - begun) * 1000, resident_mib(process.pid)
        process.terminate()
        return figures


def main() -> None:
    print("livehandled from start to its first answer, against `import google.genai`")
    ours(), baseline()  # warm the file cache
    pairs = [(ours(), baseline()) for _ in range(RUNS)]
    for what, figure, unit in (("start to ready", 0, "ms"), ("resident memory", 1, "MiB")):
        mine = median([pair[0][figure] for pair in pairs])
        theirs = median([pair[1][figure] for pair in pairs])
        compare(what, mine, theirs, unit)
