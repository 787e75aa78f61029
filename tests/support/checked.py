"""Whether what a daemon sends is as the catalogue has it: each answer, each error, each event.

Every value is decoded into the catalogue's type, which takes microseconds; and the first of each
shape is held against its JSON Schema too, which takes a hundredfold and knows fields that should
not be there.
"""

import json
from collections.abc import Callable, Container
from typing import Any, Literal

import msgspec

from livehandle_proto.errors import ERRORS
from livehandle_proto.methods import METHODS
from livehandle_proto.topics import TOPICS
from support import described

Message = dict[str, Any]
Seen = tuple[Literal["method", "topic", "error"], str]


class Checked:
    """The requests of one connection, and the check of what comes back."""

    def __init__(self) -> None:
        self.seen: set[Seen] = set()
        """The methods that were answered with a result, and the topics and errors that came."""
        self._asked: dict[str, str] = {}
        """The method of each request that waits, by the JSON text of its id."""
        self._rest = b""

    def sent(self, data: bytes) -> None:
        """Note what a client writes, whole lines or parts of them."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._request(line)

    def received(self, message: object) -> None:
        """Fail where a message is not as the catalogue has it."""
        if isinstance(message, list):
            for one in message:
                self.received(one)
        elif isinstance(message, dict):
            assert message["jsonrpc"] == "2.0", message
            self._event(message) if "method" in message else self._answer(message)

    def _request(self, line: bytes) -> None:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return  # what is no JSON has no id to be answered by
        for one in request if isinstance(request, list) else [request]:
            if isinstance(one, dict) and isinstance(one.get("method"), str) and "id" in one:
                self._asked[json.dumps(one["id"])] = one["method"]

    def _event(self, message: Message) -> None:
        assert message["method"] == "event", message
        event = message["params"]
        assert event.keys() - {"subscription"} == {"seq", "cursor", "ts_ms", "topic", "data"}, event
        if event["data"].keys() == {"error"} and "error" not in _fields(event["topic"]):
            self._error(event["data"]["error"], ("wire.result_too_large",))  # it had no room
        else:
            topic = event["topic"]
            self.seen.add(("topic", topic))
            self._error_inside(topic, event["data"])
            _check(TOPICS[topic].data, event["data"], described.data, topic)

    def _answer(self, message: Message) -> None:
        # None where the request could not be read here.
        name = self._asked.pop(json.dumps(message["id"]), "")
        method = METHODS.get(name)
        if "error" in message:
            assert message.keys() == {"jsonrpc", "error", "id"}, message
            self._error(message["error"], ERRORS if method is None else method.errors)
        else:
            assert message.keys() == {"jsonrpc", "result", "id"}, message
            if method is not None:
                self.seen.add(("method", name))
                _check(method.result, message["result"], described.result, name)

    def _error_inside(self, topic: str, data: Message) -> None:
        if topic in {"session.error", "live.error"}:
            self._error(data, ERRORS)
        elif topic in {"live.extraction_error", "daemon.notification_failed"}:
            self._error(data["error"], ERRORS)

    def _error(self, error: Message, names: Container[str]) -> None:
        """Fail where an error is none of the catalogue's, or not one of the names."""
        assert error.keys() == {"code", "message", "data"}, error
        name = error["data"]["name"]
        kind = ERRORS[name]
        assert (kind.code, kind.retryable) == (error["code"], error["data"]["retryable"]), error
        assert name in names, f"{name} is not among what is documented: {error}"
        self.seen.add(("error", name))


def _fields(topic: str) -> tuple[str, ...]:
    return TOPICS[topic].data.__struct_fields__


_seen: set[object] = set()


def _check(kind: Any, value: object, validator: Callable[[str], Any], name: str) -> None:
    """Fail where a value is not of its type, or not of its schema."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise AssertionError(f"{name}: {error}: {str(value)[:500]}") from error
    shape = validator, name, _shape(value)
    if shape not in _seen:
        assert described.problems(validator(name), value) == [], (name, value)
        _seen.add(shape)


def _shape(value: object) -> object:
    if isinstance(value, dict):
        return frozenset((key, _shape(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return tuple({_shape(inner) for inner in value})
    return type(value)
