"""The lines of the control socket: JSON-RPC 2.0, one message or batch a line (section 2)."""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from livehandle_proto.errors import LiveHandleError

MAX_BATCH = 100
"""Requests in one batch, so that even a batch of errors fits one line."""

MAX_ID_BYTES = 128
"""Length of an id, for the same reason."""

_encode = msgspec.json.Encoder().encode
_NULL = Raw(b"null")
_ID_STARTS = b'"-0123456789n'
_NO_PARAMS = Raw(b"{}")


class Request(Struct, frozen=True):
    """One request as it came: parameters and id still as JSON text."""

    jsonrpc: Literal["2.0"]
    method: str
    params: Raw = _NO_PARAMS
    id: Raw = Raw()
    """The id verbatim; empty where the request is a notification."""


class BadRequestError(Exception):
    """A line or batch member that is no request, and the id to answer it with."""

    def __init__(self, error: LiveHandleError, request_id: Raw = _NULL) -> None:
        super().__init__(error.message)
        self.error = error
        self.request_id = request_id


class _Id(Struct):
    id: Raw = _NULL


_requests = msgspec.json.Decoder(Request)
_ids = msgspec.json.Decoder(_Id)
_members = msgspec.json.Decoder(list[Raw])


def decode_request(text: bytes | Raw) -> Request:
    """Read one request. Raises `BadRequestError` for anything else."""
    try:
        request = _requests.decode(text)
        request_id = _checked(request.id)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), salvaged_id(text)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(
            LiveHandleError("wire.parse_error", f"The line is not JSON: {error}.")
        ) from error
    if request_id[:1] not in _ID_STARTS:
        raise _invalid("`id` must be a string, a number or null", _NULL)
    if len(request_id) > MAX_ID_BYTES:
        raise _invalid(f"`id` may be {MAX_ID_BYTES} bytes long", _NULL)
    if request.params is not _NO_PARAMS and bytes(request.params)[:1] not in b"{[":
        raise _invalid("`params` must be an object or an array", request.id)
    return request


def decode_batch(line: bytes) -> list[Raw]:
    """Return the members of a batch. Raises `BadRequestError` for an empty or too long one."""
    try:
        members = _members.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(
            LiveHandleError("wire.parse_error", f"The line is not JSON: {error}.")
        ) from error
    if not members:
        raise _invalid("a batch must hold at least one request", _NULL)
    if len(members) > MAX_BATCH:
        raise _invalid(f"a batch may hold {MAX_BATCH} requests, not {len(members)}", _NULL)
    return members


def salvaged_id(text: bytes | Raw) -> Raw:
    """Return the id of a request that is otherwise unreadable, or null."""
    try:
        found = _ids.decode(text).id
        text_of_id = _checked(found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NULL
    fits = len(text_of_id) <= MAX_ID_BYTES and text_of_id[:1] in _ID_STARTS
    return found if fits else _NULL


def _checked(request_id: Raw) -> bytes:
    """Raise `UnicodeDecodeError` for an id that is not UTF-8, for Raw takes any bytes."""
    text = bytes(request_id)
    if not text.isascii():
        text.decode()
    return text


def _invalid(why: str, request_id: Raw) -> BadRequestError:
    message = f'Not a JSON-RPC request: {why}. Send {{"jsonrpc":"2.0","id":1,"method":"phase"}}.'
    return BadRequestError(LiveHandleError("wire.invalid_request", message), request_id)


def event_head(subscription: str | None) -> bytes:
    """Return the part of an event's line that differs between subscriptions."""
    if subscription is None:
        return b'{"jsonrpc":"2.0","method":"event","params":{'
    return b'{"jsonrpc":"2.0","method":"event","params":{"subscription":%b,' % _encode(subscription)


def event_body(seq: int, cursor: str, ts_ms: int, topic: str, data: object) -> bytes:
    """Return the rest of an event's line, the same for all subscriptions."""
    return b'"seq":%d,"cursor":"%b","ts_ms":%d,"topic":"%b","data":%b}}\n' % (
        seq,
        cursor.encode(),
        ts_ms,
        topic.encode(),
        _encode(data),
    )
