"""The certification at a socket, and the client under it as a process."""

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import struct
import subprocess
import termios
import time
from collections import deque
from collections.abc import Sequence

from livectl.certify.conversation import Conversation
from livectl.certify.script import STEP_S
from livectl.certify.service import Action, Close, EndWriting, Write

FIRST_S = 120.0
"""How long a command may take to connect: it may have to compile itself first."""

_LOOK_S = 0.1  # how often the process is looked at
_APART_S = 0.005  # how long a client may take to read what is to be read by itself
_READ_BYTES = 65_536


class _Connection:
    """An accepted connection and what is still to be done with it."""

    def __init__(self, number: int, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        self.number = number
        self.socket = accepted
        self.rest: deque[bytes | EndWriting | Close] = deque()


class Server:
    """Serves a conversation at a listening socket, to the end of it."""

    def __init__(self, listener: socket.socket, conversation: Conversation) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._conversation = conversation
        self._connections: dict[int, _Connection] = {}
        self._accepted = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, None)

    def serve(self, process: "subprocess.Popen[bytes] | None") -> None:
        """Hold the conversation, with the process where one was started."""
        conversation = self._conversation
        try:
            while not conversation.over:
                ended = process is not None and process.poll() is not None
                worked = self._turn(0.0 if ended else self._patience())
                if ended and not worked and process is not None:
                    conversation.exited(process.returncode, time.monotonic())
                conversation.tick(time.monotonic())
            if process is not None and conversation.complete:
                self._await_exit(process)
        finally:
            for connection in self._connections.values():
                connection.socket.close()
            self._selector.close()

    def _patience(self) -> float:
        deadline = self._conversation.deadline
        left = _LOOK_S if deadline is None else deadline - time.monotonic()
        return min(max(left, 0.0), _LOOK_S)

    def _await_exit(self, process: "subprocess.Popen[bytes]") -> None:
        try:
            code = process.wait(STEP_S)
        except subprocess.TimeoutExpired:
            got = f"it still runs {STEP_S:.0f} s after it has closed the connection"
            self._conversation.results.failed("end.exit", got)
        else:
            self._conversation.exited(code, time.monotonic())

    def _turn(self, seconds: float) -> bool:
        """Carry out what there is to be done; whether there was anything."""
        self._act()
        ready = self._selector.select(seconds)
        for key, events in ready:
            connection = key.data
            if connection is None:
                self._accept()
            elif connection.number in self._connections:
                if events & selectors.EVENT_WRITE:
                    self._flush(connection)
                if events & selectors.EVENT_READ:
                    self._read(connection)
            self._act()
        return bool(ready)

    def _act(self) -> None:
        for action in self._conversation.actions():
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        connection = self._connections.get(action.connection)
        if connection is None:
            return  # the client has closed it meanwhile
        if isinstance(action, Write):
            if action.apart and not connection.rest:
                _let_read(connection.socket)
            connection.rest.append(action.data)
        else:
            connection.rest.append(action)
        self._flush(connection)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except BlockingIOError:
            return
        self._accepted += 1
        connection = _Connection(self._accepted, accepted)
        self._connections[connection.number] = connection
        self._selector.register(accepted, selectors.EVENT_READ, connection)
        self._conversation.connected(connection.number, time.monotonic())

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if data:
            self._conversation.received(connection.number, data, time.monotonic())
        else:
            self._leave(connection)
            self._conversation.closed(connection.number, time.monotonic())

    def _flush(self, connection: _Connection) -> None:
        try:
            while connection.rest:
                first = connection.rest[0]
                if isinstance(first, Close):
                    self._leave(connection)
                    return
                if isinstance(first, EndWriting):
                    connection.socket.shutdown(socket.SHUT_WR)
                elif (sent := connection.socket.send(first)) < len(first):
                    connection.rest[0] = first[sent:]
                    continue
                connection.rest.popleft()
        except BlockingIOError:
            pass
        except OSError:  # the client has closed it, as reading will tell
            connection.rest.clear()
        waiting = selectors.EVENT_WRITE if connection.rest else 0
        self._selector.modify(connection.socket, selectors.EVENT_READ | waiting, connection)

    def _leave(self, connection: _Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()
        del self._connections[connection.number]


def listen(path: str) -> socket.socket:
    """Return a socket that listens at a path where nothing is yet, for this user alone."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before it is there for others to see
        listener.bind(path)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def start(command: Sequence[str], path: str) -> "subprocess.Popen[bytes]":
    """Start the client's command; what it prints goes to standard error."""
    environ = {**os.environ, "LIVEHANDLE_SOCKET": path}
    # Of a session of its own, so that what it starts in turn can be ended with it.
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=2, env=environ, start_new_session=True
    )


def end(process: "subprocess.Popen[bytes]") -> None:
    """End the client, and what it has started, if it still runs."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _let_read(connection: socket.socket) -> None:
    """Give the client a moment to read what was written."""
    until = time.monotonic() + _APART_S
    while _unread(connection) and time.monotonic() < until:
        time.sleep(0.0002)


def _unread(connection: socket.socket) -> int:
    count: int = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]
    return count
