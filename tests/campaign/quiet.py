"""`python -m campaign.quiet SOCKET`: a client that pings now and then, and times each answer.

It ends when its input does, and prints the times as a JSON array, microseconds.
"""

import json
import select
import socket
import sys
import time
from pathlib import Path

from campaign.children import child

PING = b'{"jsonrpc":"2.0","id":1,"method":"daemon.ping"}\n'

_PAUSE_S = 0.002
"""Between an answer and the next ping."""


class Quiet:
    """The client as a process, from now on."""

    def __init__(self, path: Path) -> None:
        self._process = child("quiet", path)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it is there

    def times_us(self) -> list[float]:
        """End it; return how long each answer took, but for the first few."""
        said, _ = self._process.communicate()
        times: list[float] = json.loads(said)
        return times[20:]


def main(path: str) -> None:
    """Ping until the input ends."""
    times: list[float] = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        print(flush=True)
        while not select.select([sys.stdin], [], [], _PAUSE_S)[0]:
            begun = time.perf_counter()
            connection.sendall(PING)
            connection.recv(65_536)
            times.append((time.perf_counter() - begun) * 1e6)
    print(json.dumps(times))


if __name__ == "__main__":
    main(sys.argv[1])
