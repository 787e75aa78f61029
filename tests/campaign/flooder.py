"""`python -m campaign.flooder SOCKET KIND`: writes as fast as it can, until its input ends.

`python -m campaign.flooder SOCKET echo` serves a socket instead: what comes is sent back.
"""

import json
import select
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress

from campaign.quiet import PING


def _call(method: str, **params: object) -> bytes:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


_NOTIFICATION = b'{"jsonrpc":"2.0","method":"daemon.ping"}\n'

FLOODS: Mapping[str, bytes] = {
    "pings": PING * 500,
    "pings, answers unread": PING * 500,
    "notifications": _NOTIFICATION * 500,
    "batches of 100": (b"[" + b",".join([PING.strip()] * 100) + b"]\n") * 10,
    "state.set": _call("state.set", key="app:flood", value="x" * 100) * 200,
    "telemetry": _call("telemetry") * 200,
    "nonsense": b"{\n" * 2000,
    "lines of 60 KB": _call("state.set", key="app:flood", value="x" * 60_000) * 2,
    "subscriptions": (_call("events") + _call("unsubscribe", subscription="e1")) * 100,
    "connections": b"",
}
"""What is written over and over, by the name of the flood."""

_UNREAD = {"pings, answers unread"}


def main(path: str, kind: str) -> None:
    """Flood a socket, or serve one."""
    if kind == "echo":
        threading.Thread(target=_serve, args=(path,), daemon=True).start()
        _wait_for_the_end()
    elif kind == "connections":
        print(flush=True)
        while not _over():
            with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
                connection.connect(path)
    else:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.setblocking(False)
            print(flush=True)
            with suppress(ConnectionError):  # the daemon may stop meanwhile
                _flood(connection, FLOODS[kind], reads=kind not in _UNREAD)
            _wait_for_the_end()


def _flood(connection: socket.socket, data: bytes, *, reads: bool) -> None:
    rest = memoryview(data)
    while not _over():
        readers = [connection] if reads else []
        readable, writable, _ = select.select(readers, [connection], [], 0.1)
        if readable and not connection.recv(2**20):
            return
        if writable:
            with suppress(BlockingIOError):
                rest = rest[connection.send(rest) :] or memoryview(data)


def _over() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _wait_for_the_end() -> None:
    sys.stdin.read()


def _serve(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print(flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with connection, suppress(ConnectionError):
        while data := connection.recv(65_536):
            connection.sendall(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
