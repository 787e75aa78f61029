"""A shell command that carries out the model's calls of a function."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import IO

from livectl.assignments import as_json_value
from livehandle.connection import Connection, Event
from livehandle_proto.errors import LiveHandleError

_MOST_BYTES = 2**20


class Function:
    """The calls under way, each a process: its input is the arguments, its output the result.

    The command is a shell's, and `$1` in it is the function's name. Output that is JSON is that,
    any other is text. After an exit code other than 0 the output, or else the code, is the error.
    """

    def __init__(self, connection: Connection, command: str) -> None:
        self._connection = connection
        self._command = command
        self._running: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}

    @property
    def busy(self) -> bool:
        """Whether any call is under way."""
        return bool(self._running)

    def take(self, event: Event) -> None:
        """Begin a call of the model, or end one that is no longer wanted."""
        call_id = str(event.data.get("call_id"))
        if event.topic == "tool.call":
            name, args = str(event.data.get("name")), event.data.get("args")
            self._running[call_id] = self._begun(name, json.dumps(args).encode())
        elif event.topic == "tool.cancel" and call_id in self._running:
            _kill(*self._running.pop(call_id))

    def tick(self) -> None:
        """Answer the calls whose process has ended."""
        for call_id, (process, output) in list(self._running.items()):
            if process.poll() is not None:
                del self._running[call_id]
                with output:
                    self._answer(call_id, **_outcome(process.returncode, output))

    def close(self) -> None:
        """End what is under way."""
        for process, output in self._running.values():
            _kill(process, output)
        self._running.clear()

    def _begun(self, name: str, args: bytes) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        with tempfile.TemporaryFile() as given:  # a pipe could fill while nobody reads
            given.write(args)
            given.seek(0)
            command = ["sh", "-c", self._command, "sh", name]
            process = subprocess.Popen(command, stdin=given, stdout=output, start_new_session=True)
        return process, output

    def _answer(self, call_id: str, **outcome: object) -> None:
        try:
            self._connection.call("tools.respond", call_id=call_id, **outcome)
        except LiveHandleError as error:
            if error.name == "daemon.unreachable":
                raise
            print(f"livectl: {error.message} [{error.name}]", file=sys.stderr)


def _outcome(code: int, output: IO[bytes]) -> dict[str, object]:
    output.seek(0)
    data = output.read(_MOST_BYTES + 1)
    text = data.decode(errors="replace").strip()
    if len(data) > _MOST_BYTES:
        return {"error": f"The command printed more than {_MOST_BYTES} bytes."}
    if code:
        return {"error": text or f"The command failed with exit code {code}."}
    try:
        return {"result": as_json_value(text, "The output")}
    except LiveHandleError:  # then it is text
        return {"result": text}


def _kill(process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
    """End a process and all that it has started."""
    with output:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
