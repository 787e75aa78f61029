"""The baseline of fan-out: a process that sends one line to every connection, and does no more.

`python -m bench.raw_sender --socket PATH` answers each line that comes with one like it. After
the line `go COUNT PAUSE LINE` it sends LINE to all other connections COUNT times, at most once in
PAUSE seconds, by a raw non-blocking `send`; then it answers with the CPU seconds that took.
"""

import select
import socket
import sys
import time


def main(path: str) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(4096)
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    connections: dict[int, socket.socket] = {}
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                one, _ = listener.accept()
                connections[one.fileno()] = one
                poll.register(one, select.POLLIN)
                continue
            said = connections[number].recv(2**20)
            if not said:
                poll.unregister(number)
                connections.pop(number).close()
            elif said.startswith(b"go "):
                spent = send(said, [c for n, c in connections.items() if n != number])
                connections[number].sendall(b"%.9f\n" % spent)
            else:
                connections[number].sendall(b"yes\n")


def send(said: bytes, connections: list[socket.socket]) -> float:
    _, count, pause_s, line = said.split(b" ", 3)
    for one in connections:
        one.setblocking(False)
    begun = time.process_time()
    due = time.monotonic()
    for _ in range(int(count)):
        for one in connections:
            one.send(line)
        due += float(pause_s)
        time.sleep(max(0.0, due - time.monotonic()))
    return time.process_time() - begun


if __name__ == "__main__":
    main(sys.argv[-1])
