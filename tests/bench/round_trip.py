"""Round trip of `daemon.ping` against a bare blocking-socket echo."""

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import compare, percentile

PING = b'{"jsonrpc":"2.0","id":1,"method":"daemon.ping"}\n'
ROUNDS, CALLS = 20, 200

ECHO = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
connection, _ = listener.accept()
while data := connection.recv(65536):
    connection.sendall(data)
"""


def connected(path: Path) -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return connection


def round_trips(connection: socket.socket, count: int) -> list[float]:
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        connection.sendall(PING)
        connection.recv(65536)
        times.append((time.perf_counter() - begun) * 1e6)
    return times


def main() -> None:
    print("round trip of daemon.ping, against a blocking-socket echo")
    with tempfile.TemporaryDirectory() as folder:
        ours, echo = Path(folder, "ours.sock"), Path(folder, "echo.sock")
        command = [sys.executable, "-m", "livehandled", "--socket", str(ours)]
        daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        baseline = subprocess.Popen([sys.executable, "-c", ECHO, str(echo)])
        with daemon, baseline, connected(ours) as a, connected(echo) as b:
            round_trips(a, CALLS)
            round_trips(b, CALLS)
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(ROUNDS):
                times[0].extend(round_trips(a, CALLS))
                times[1].extend(round_trips(b, CALLS))
            daemon.terminate()
            baseline.terminate()
    compare("p50", percentile(times[0], 0.5), percentile(times[1], 0.5), "us")
    compare("p99", percentile(times[0], 0.99), percentile(times[1], 0.99), "us")
