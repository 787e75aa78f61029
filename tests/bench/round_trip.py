"""Round trip of `daemon.ping` against a bare blocking-socket echo, with uvloop and without.

An event loop's own part is shown too: the least that a callback on it may take, which receives
and sends a line and looks at neither.
"""

import socket
import time
from contextlib import ExitStack
from importlib.util import find_spec

from bench.figures import compare, percentile
from bench.processes import DAEMON, DAEMON_WITHOUT_UVLOOP, PYTHON, connected, line_of, serving

PING = line_of("daemon.ping")
ROUNDS, CALLS = 30, 200

ECHO = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[-1])
listener.listen()
while True:
    connection, _ = listener.accept()
    while data := connection.recv(65536):
        connection.sendall(data)
"""

LOOP = """
import asyncio, socket, sys
async def main():
    loop = asyncio.get_running_loop()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[-1])
    listener.listen()
    def answer(connection):
        data = connection.recv(65536)
        connection.send(data) if data else loop.remove_reader(connection)
    def accept():
        connection, _ = listener.accept()
        connection.setblocking(False)
        loop.add_reader(connection, answer, connection)
    loop.add_reader(listener, accept)
    await asyncio.Event().wait()
"""
LOOPS = {
    "without uvloop": f"{LOOP}\nasyncio.run(main())",
    "uvloop": f"import uvloop\n{LOOP}\nuvloop.run(main())",
}


def main() -> None:
    print("round trip of daemon.ping, against a blocking-socket echo")
    commands = {
        "echo": [*PYTHON, "-c", ECHO],
        "without uvloop": DAEMON_WITHOUT_UVLOOP,
        "a loop without uvloop": [*PYTHON, "-c", LOOPS["without uvloop"]],
    }
    if find_spec("uvloop") is not None:
        commands |= {"uvloop": DAEMON, "a loop of uvloop": [*PYTHON, "-c", LOOPS["uvloop"]]}
    with ExitStack() as stack:
        paths = {what: stack.enter_context(serving(run))[1] for what, run in commands.items()}
        ends = {what: stack.enter_context(connected(path)) for what, path in paths.items()}
        times: dict[str, list[float]] = {what: [] for what in ends}
        for turn in range(ROUNDS + 1):
            for what, end in ends.items():
                found = round_trips(end, CALLS)
                times[what] += found if turn else []  # all are warm by then
        for what in (what for what in times if what != "echo"):
            for share in (0.5, 0.99):
                ours, echo = percentile(times[what], share), percentile(times["echo"], share)
                compare(f"{what}, p{100 * share:.0f}", ours, echo, "us")


def round_trips(connection: socket.socket, count: int) -> list[float]:
    """Return the microseconds of so many, one after another."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        connection.sendall(PING)
        connection.recv(65536)
        times.append((time.perf_counter() - begun) * 1e6)
    return times
