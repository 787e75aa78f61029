"""What a client sends, read line by line: requests, and what is wrong with a line."""

import json
from typing import NamedTuple

from livectl.certify.checks import Results

_LONGEST_SHOWN = 120


class Request(NamedTuple):
    """One call, or a notification."""

    connection: int
    method: str
    params: dict[str, object]
    id: object = None
    """As it came, even where it is no legal one."""
    wants_answer: bool = False
    """Whether it has an id."""


class Lines:
    """The lines of one connection. What is wrong with one goes into the results."""

    def __init__(self, connection: int, results: Results) -> None:
        self.connection = connection
        self.rest = b""
        """The beginning of a line whose end has not come."""
        self._results = results
        self._in_flight: set[str | int] = set()

    def receive(self, data: bytes) -> list[Request]:
        """Take bytes in; return the requests that they complete."""
        *lines, self.rest = (self.rest + data).split(b"\n") if b"\n" in data else [self.rest + data]
        read = [self._request(line) for line in lines]
        return [request for request in read if request is not None]

    def answered(self, request_id: object) -> None:
        """Note that a call is in flight no more."""
        if isinstance(request_id, str | int):
            self._in_flight.discard(request_id)

    def _request(self, line: bytes) -> Request | None:
        message = self._message(line)
        if message is None:
            return None
        method, params = message.get("method"), message.get("params", {})
        wrong = None
        if message.get("jsonrpc") != "2.0":
            wrong = f'`"jsonrpc": {json.dumps(message.get("jsonrpc"))}`'
        elif not isinstance(method, str):
            wrong = f"`method` is {json.dumps(method)}"
        elif not isinstance(params, dict):
            wrong = "`params` is no object; in this conversation all are by name"
        if wrong:
            self._results.failed("framing.request", f"{wrong} in {shown(line)}")
        if not isinstance(method, str):
            return None
        if "id" in message:
            self._note_id(message["id"], line)
        named = params if isinstance(params, dict) else {}
        return Request(self.connection, method, named, message.get("id"), "id" in message)

    def _message(self, line: bytes) -> dict[str, object] | None:
        try:
            message = json.loads(line.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            why = "it is empty" if not line.strip() else str(error)
            self._results.failed("framing.line", f"no JSON ({why}): {shown(line)}")
            return None
        if not isinstance(message, dict):
            self._results.failed("framing.line", f"no object (no batches here): {shown(line)}")
            return None
        return message

    def _note_id(self, request_id: object, line: bytes) -> None:
        if isinstance(request_id, bool) or not isinstance(request_id, str | int):
            self._results.failed("ids.legal", f"id {json.dumps(request_id)} in {shown(line)}")
            return
        if request_id in self._in_flight:
            got = f"id {json.dumps(request_id)} again, before its first call was answered"
            self._results.failed("ids.unique", f"{got}: {shown(line)}")
        self._in_flight.add(request_id)


def shown(data: bytes | str) -> str:
    """Return the beginning of a line, or of a text, for a message."""
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    cut = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return repr(cut) if not cut.isprintable() else cut


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
