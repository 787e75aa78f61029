"""Subscribers that read all they are sent: a process of its own, so that nobody else pays for it.

`python -m bench.subscribers PATH COUNT REQUEST` connects COUNT times to the socket, writes the
request's line on each connection, and says `ready` once each has been answered. When its own
input ends it says how many lines and bytes the first has had since.
"""

import resource
import select
import socket
import sys
from pathlib import Path

from bench.processes import connected

_READ_BYTES = 2**20


def main(path: Path, count: int, request: bytes) -> None:
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    for _ in range(count):
        one = connected(path)
        one.sendall(request + b"\n")
        while not one.recv(_READ_BYTES).endswith(b"\n"):
            pass
        one.setblocking(False)
        sockets[one.fileno()] = one
        poll.register(one, select.EPOLLIN)
    print("ready", flush=True)
    poll.register(sys.stdin, select.EPOLLIN)
    first, lines, size = min(sockets), 0, 0
    while True:
        for number, _ in poll.poll():
            if number == sys.stdin.fileno():
                print(lines, size, flush=True)
                return
            data = sockets[number].recv(_READ_BYTES)
            if number == first:
                lines += data.count(b"\n")
                size += len(data)


if __name__ == "__main__":
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode())
