"""Requests and answers over plain HTTP, beside the live sessions on the same port."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

import msgspec

_MAX_HEAD = 32_768
_MAX_BODY = 4 * 2**20

Json = dict[str, object]


class RefusedRequestError(Exception):
    """The request is against the rules; the answer is an error in the service's form."""

    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body: Json = {"error": {"code": code, "message": message, "status": status}}


class Request(NamedTuple):
    """One request, whole."""

    method: str
    target: str
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes


Respond = Callable[[Request], Json]
"""Returns the body of the answer, or raises `RefusedRequestError`."""


class Exchange:
    """One request, byte by byte, and the answer to it. The connection ends after that."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._data = bytearray()

    def receive(self, data: bytes) -> bytes | None:
        """Return the whole answer once the request is whole, else None."""
        self._data += data
        try:
            request = _read(bytes(self._data))
            return None if request is None else _answered(200, self._respond(request))
        except RefusedRequestError as refusal:
            return _answered(refusal.code, refusal.body)


def invalid(message: str) -> RefusedRequestError:
    """Return the refusal of what a request says."""
    return RefusedRequestError(400, "INVALID_ARGUMENT", message)


def _read(data: bytes) -> Request | None:
    """Return the request if all of it is there. Raises `RefusedRequestError`."""
    head, found, body = data.partition(b"\r\n\r\n")
    if len(head) > _MAX_HEAD:
        raise RefusedRequestError(431, "INVALID_ARGUMENT", "The headers are too long.")
    if not found:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = headers.get("content-length", "")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise invalid("The request line is not one of HTTP/1.1.")
    if not (length.isascii() and length.isdigit()) or "transfer-encoding" in headers:
        raise RefusedRequestError(411, "INVALID_ARGUMENT", "A Content-Length is required.")
    if len(length) > 12 or int(length) > _MAX_BODY:
        raise RefusedRequestError(413, "INVALID_ARGUMENT", "The request is too large.")
    if len(body) < int(length):
        return None
    return Request(words[0], words[1], headers, body[: int(length)])


def _answered(status: int, body: Json) -> bytes:
    content = msgspec.json.encode(body)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Content-Type: application/json; charset=UTF-8\r\n"
        f"Content-Length: {len(content)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + content
