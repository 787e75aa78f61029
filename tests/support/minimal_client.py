"""A minimal client without sockets that the certification passes, and its many ways to be wrong.

`MinimalClient("")` is right. Each other name is wrong in just one way: see where it is asked for.
"""

import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

Answer = Callable[[dict[str, Any]], None]

_LIMIT = 16_777_216
_TOPICS = ["live.text_delta", "live.turn_complete"]
_INTEGER = {"type": "integer"}
_ADD = {
    "name": "add",
    "description": "Adds.",
    "parameters": {"type": "object", "properties": {"a": _INTEGER, "b": _INTEGER}},
}
_KNOWN_PARAMS = {"subscription", "seq", "cursor", "ts_ms", "topic", "data"}
_KNOWN_TOPICS = {*_TOPICS, "events.lagged", "events.dropped", "tool.call", "tool.cancel"}


class MinimalClient:
    """Bytes in, bytes out. `outbox` is to be sent; `state` says what to do with the connection."""

    def __init__(self, wrong: str = "") -> None:
        self.wrong = wrong
        self.outbox = b""
        self.state = "open"
        """`open` where a connection is wanted, `closed` for good, or `hung`."""
        self.keeps_old = wrong == "never closes the old connection"
        self.exit_code = 3 if wrong == "exits with 3" else 0
        self._connections = 0
        self._buffer = b""
        self._last_id = 0
        self._waiting: dict[object, Answer] = {}
        self._registration: str | None = None
        self._subscription = ""
        self._cursor: str | None = None
        self._text = ""
        self._done_failed = False

    # What the connection does.

    def opened(self) -> None:
        """Take a new connection."""
        self._connections += 1
        if self.wrong != "keeps the partial line":
            self._buffer = b""
        again = self._connections > 1
        if self.wrong == "pings before hello" and not again:
            self._call("daemon.ping")
        if self.wrong == "no hello again" and again:
            self._resume({})
            return
        hello: dict[str, object] = {"client": "certify minimal", "max_line_bytes": _LIMIT}
        if self.wrong == "no name":
            del hello["client"]
        if self.wrong == "no limit" or (again and self.wrong == "no limit again"):
            del hello["max_line_bytes"]
        self._call("daemon.hello", then=self._resume if again else self._begin, **hello)

    def received(self, data: bytes) -> None:
        """Take bytes."""
        if self.wrong == "decodes each read by itself":
            data = data.decode(errors="ignore").encode()
        self._buffer += data
        if self.wrong == "one line of each read":
            line, end, _ = self._buffer.partition(b"\n")
            if end:
                self._buffer = b""
                self._line(line)
            return
        while b"\n" in self._buffer and self.state == "open":
            line, _, self._buffer = self._buffer.partition(b"\n")
            if self.wrong == "reads lines of 64 KiB" and len(line) > 65_536:
                continue
            if self.wrong == "ends lines as Unicode does":
                for part in line.decode().splitlines():
                    self._line(part.encode())
            else:
                self._line(line)

    def lost(self) -> None:
        """Take the end of the connection, or of what the server writes."""
        waiting, self._waiting = self._waiting, {}
        if self.wrong == "gives up at a loss":
            self.state, self.exit_code = "closed", 1
        if self.wrong == "forgets the text at a loss":
            self._text = ""
        if self.wrong != "forgets the call in flight":
            self._done_failed = self._done_failed or bool(waiting)

    # What it says.

    def _call(self, method: str, /, *, then: Answer | None = None, **params: object) -> None:
        self._last_id += 1
        given: object = self._last_id
        if self.wrong == "one id for two" and method in {"done", "phase"}:
            given = 7
        if self.wrong == "ids are fractions":
            given = self._last_id + 0.5
        if then is not None:
            self._waiting[given] = then
        message: dict[str, object] = {"jsonrpc": "2.0", "id": given, "method": method}
        message["params"] = params
        if self.wrong == "no jsonrpc":
            del message["jsonrpc"]
        if self.wrong == "params by place" and method == "daemon.ping":
            message["params"] = []
        line = json.dumps(message, ensure_ascii=False).encode()
        if self.wrong == "a batch" and method == "daemon.ping":
            line = b"[" + line + b"]"
        if self.wrong == "latin-1" and method == "send_text":
            line = line.decode().encode("latin-1", "replace")
        self.outbox += line + b"\n"

    def _set(self, key: str, value: object, then: Answer | None = None) -> None:
        self._call("state.set", key=key, value=value, then=then)

    # Steps 1 to 4.

    def _begin(self, _: dict[str, Any]) -> None:
        if self.wrong == "asks for the session":
            self._call("session")
        if self.wrong == "no ping":
            self._get({})
        else:
            self._call("daemon.ping", then=self._get)

    def _get(self, _: dict[str, Any]) -> None:
        self._call("state.get", key="app:missing", then=self._got)

    def _got(self, answer: dict[str, Any]) -> None:
        name = answer["error"]["data"]["name"]
        if self.wrong == "the error's code for its name":
            name = answer["error"]["code"]
        self._set("app:error", name, then=self._phase)

    def _phase(self, _: dict[str, Any]) -> None:
        if self.wrong == "waits for done":
            self._call("done", timeout_ms=60_000, then=lambda _: self._call("phase"))
            return
        if self.wrong != "no done":
            self._call("done", timeout_ms=60_000, then=lambda _: None)
        self._call("phase", then=self._phased)

    def _phased(self, answer: dict[str, Any]) -> None:
        self._set("app:phase", answer["result"]["phase"], then=self._register)
        if self.wrong == "sets the phase twice":
            self._set("app:phase", answer["result"]["phase"])

    def _register(self, _: dict[str, Any]) -> None:
        declaration: dict[str, Any] = dict(_ADD)
        if self.wrong == "declares no parameters":
            del declaration["parameters"]
        self._call("tools.register", declarations=[declaration], then=self._registered)

    def _registered(self, answer: dict[str, Any]) -> None:
        if "error" in answer:
            if self.wrong != "takes an unknown registration for the end":
                self._register({})
            return
        self._registration = answer["result"]["registration"]
        self._subscribe()

    def _subscribe(self) -> None:
        topics = ["live.*"] if self.wrong == "subscribes to all" else _TOPICS
        params: dict[str, object] = {"topics": topics}
        if self._cursor is not None and self.wrong != "no since":
            params["since"] = self._cursor
        if self.wrong == "the first cursor for ever" and self._cursor is not None:
            params["since"] = "c1:0"
        self._call("events", then=self._subscribed, **params)

    def _subscribed(self, answer: dict[str, Any]) -> None:
        result = answer["result"]
        self._subscription = result["subscription"]
        self._cursor = result["cursor"]
        if self._done_failed:
            self._done_failed = False
            name = "done.failed" if self.wrong == "a name of its own" else "daemon.unreachable"
            self._set("app:lost", name)
        if result.get("reset"):
            if self.wrong != "keeps the text at a reset":
                self._text = ""
            if self.wrong != "does not tell of a reset":
                self._set("app:reset", True)

    def _resume(self, _: dict[str, Any]) -> None:
        if self.wrong == "does not present its registration":
            self._subscribe()
        elif self.wrong == "registers anew":
            self._register({})
        else:
            self._call("tools.register", registration=self._registration, then=self._registered)
        if self.wrong == "sends done again":
            self._call("done", timeout_ms=60_000)

    # What comes.

    def _line(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        if "id" in message and "method" not in message:
            self._answered(message)
        elif message.get("method") == "event":
            self._event(message["params"])

    def _answered(self, message: dict[str, Any]) -> None:
        key = message["id"]
        if self.wrong == "takes answers in order" and self._waiting:
            key = next(iter(self._waiting))
        expired = message.get("error", {}).get("data", {}).get("name") == "tools.call_expired"
        if expired and self.wrong == "dies of a late answer":
            self.state, self.exit_code = "closed", 1
        then = self._waiting.pop(key, None)
        if then is not None:
            then(message)

    def _event(self, event: dict[str, Any]) -> None:
        topic, data = event["topic"], event["data"]
        if self.wrong == "refuses unknown fields" and not event.keys() <= _KNOWN_PARAMS:
            return
        if self.wrong == "dies of unknown topics" and topic not in _KNOWN_TOPICS:
            self.state, self.exit_code = "closed", 1
            return
        if self.wrong == "prints deltas stripped" and topic == "live.text_delta":
            data = {"text": data["text"].strip()}
        if event.get("subscription") == self._subscription:
            self._cursor = event["cursor"]
        if topic == "live.text_delta":
            self._text += data["text"]
        elif topic == "live.turn_complete":
            self._turn_complete()
        elif topic == "events.lagged":
            self._lagged(data)
        elif topic == "tool.call":
            self._tool(data)

    def _turn_complete(self) -> None:
        text, self._text = self._text, ""
        last = text == "That is all."
        if last and self.wrong == "keeps the last text":
            self._disconnect({})
            return
        self._call("send_text", text=text, then=self._disconnect if last else None)
        if self.wrong == "sends texts twice" and text == "Hello, world.":
            self._call("send_text", text=text)

    def _lagged(self, data: dict[str, Any]) -> None:
        if self.wrong != "does not tell of a lag":
            self._set("app:lagged", data["missed"])
        if self.wrong == "closes at a lag":
            self.state, self.exit_code = "closed", 1
        elif self.wrong != "does not go on after a lag":
            self._subscribe()

    def _tool(self, call: dict[str, Any]) -> None:
        a, b = call["args"]["a"], call["args"]["b"]
        answer: dict[str, Any] = {"result": {"sum": a + b}}
        if a > 1000:
            answer = {"error": "too large"}
            if self.wrong == "an error is a result":
                answer = {"result": {"error": "too large"}}
        if self.wrong == "results are text":
            answer = {key: str(value) for key, value in answer.items()}
        self._call("tools.respond", call_id=call["call_id"], **answer)
        if self.wrong == "answers calls twice":
            self._call("tools.respond", call_id=call["call_id"], **answer)

    def _disconnect(self, _: dict[str, Any]) -> None:
        if self.wrong == "no disconnect":
            self._end({})
        else:
            self._call("disconnect", then=self._end)

    def _end(self, _: dict[str, Any]) -> None:
        if self.wrong == "half a line at the end":
            self.outbox += b'{"jsonrpc'
        self.state = "hung" if self.wrong == "never closes" else "closed"


def main(path: str, wrong: str) -> int:
    """Run it against a socket."""
    client = MinimalClient(wrong)
    while client.state != "closed":
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        client.opened()
        while client.state != "closed":
            if client.outbox:
                connection.sendall(client.outbox)
                client.outbox = b""
            data = connection.recv(65_536)
            if not data:
                client.lost()
                break
            client.received(data)
        if client.state == "closed":
            connection.sendall(client.outbox)
        connection.close()
    return client.exit_code


if __name__ == "__main__":
    sys.exit(main(os.environ["LIVEHANDLE_SOCKET"], " ".join(sys.argv[1:])))
