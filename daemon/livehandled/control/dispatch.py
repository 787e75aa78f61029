"""From a request's text to its answer's text.

jsonrpcserver calls the method and tells success from error; decoding is msgspec's, typed by the
catalogue. Each member of a batch is dispatched on its own, because the library would refuse a
whole batch for one bad member.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from livehandle_proto.envelope import BadRequestError, Request, decode_request
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import METHODS
from livehandle_proto.suggest import nearest
from livehandle_proto.values import Params
from livehandled.control.jsonrpc import (
    NOCONTEXT,
    Call,
    JsonRpcError,
    Result,
    Success,
    call_async,
    call_now,
    to_response,
    to_serializable_one,
)
from livehandled.control.params import params_decoder
from livehandled.log import ids

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

_MAX_ID_BYTES = 80
"""Of a request's id, in the log."""

P = TypeVar("P")
Handler = Callable[[P, Params], object]
"""Carries out one method for a peer: returns the result, or an awaitable of it."""


class Answer(msgspec.Struct, frozen=True):
    """What came of one request."""

    request_id: Raw
    """The id verbatim; empty for a notification."""
    method: str | None
    text: bytes
    """The JSON-RPC answer, without the line's end."""
    error: dict[str, object] | None
    """The JSON-RPC error object, if it is one."""

    @property
    def notification(self) -> bool:
        """Whether nobody waits for the answer."""
        return not bytes(self.request_id)


class Later(NamedTuple):
    """A request that is under way: it has begun, and its answer takes a wait."""

    request: Request
    answer: Callable[[], Awaitable[Answer]]


class _Method(NamedTuple):
    call: Callable[..., object]
    decode: Callable[[Raw], Params]


_DONE = Success(None)


class Dispatcher(Generic[P]):
    """Calls the handler of each request's method."""

    def __init__(self, handlers: Mapping[str, Handler[P]]) -> None:
        if handlers.keys() != METHODS.keys():
            odd = sorted(handlers.keys() ^ METHODS.keys())
            raise ValueError(f"handlers and catalogue differ: {odd}")
        self._methods = {
            name: _Method(self._guarded(name, handler), params_decoder(name))
            for name, handler in handlers.items()
        }
        self._request_id = Raw()
        """Of the request that is being begun."""

    def start(self, peer: P, text: bytes | Raw) -> Answer | Later:
        """Begin a request. What can be answered at once, is."""
        try:
            request = decode_request(text)
        except BadRequestError as bad:
            return failed(bad.request_id, None, bad.error)
        try:
            method = self._methods.get(request.method)
            if method is None:
                raise _not_found(request.method)
            params = method.decode(request.params)
        except LiveHandleError as error:
            return failed(request.id, request.method, error)
        called = Call(request.method, [params], request.id)
        self._request_id = request.id
        outcome = call_now(called, peer, method.call)
        if outcome is _DONE:  # written out: what is sent most is answered so
            text = b'{"jsonrpc":"2.0","result":null,"id":%b}' % request.id
            return Answer(request.id, request.method, text, None)
        answer = _told(called, outcome)
        result = answer.get("result")
        if isawaitable(result):
            return Later(request, lambda: self._finish(peer, request, result))
        return _answered(peer, request, answer)

    def refuse(self, text: bytes | Raw, error: LiveHandleError) -> Answer:
        """Answer a request with an error, whatever it asks for."""
        try:
            request = decode_request(text)
        except BadRequestError as bad:
            return failed(bad.request_id, None, bad.error)
        return failed(request.id, request.method, error)

    async def _finish(self, peer: P, request: Request, result: Awaitable[object]) -> Answer:
        async def awaited() -> object:
            try:
                return Success(await result)
            except Exception as error:  # each becomes an answer
                raise _library_error(request.method, error, peer, request.id) from error

        called = Call(request.method, [], request.id)
        outcome = await call_async(called, NOCONTEXT, awaited)
        return _answered(peer, request, _told(called, outcome))

    def _guarded(self, name: str, handler: Handler[P]) -> Callable[[P, Params], object]:
        def method(peer: P, params: Params) -> object:
            try:
                result = handler(peer, params)
                return _DONE if result is None else Success(result)
            except Exception as error:  # each becomes an answer
                raise _library_error(name, error, peer, self._request_id) from error

        return method


def failed(request_id: Raw, method: str | None, error: LiveHandleError) -> Answer:
    """Return the error answer to a request."""
    told = error.to_json()
    text = _encode({"jsonrpc": "2.0", "error": told, "id": request_id})
    return Answer(request_id, method, text, told)


def _told(called: Call, outcome: Result) -> dict[str, object]:
    answer = to_serializable_one(to_response(called, outcome))
    assert isinstance(answer, dict)  # only a batch would give a list
    return answer


def _answered(peer: object, request: Request, answer: dict[str, object]) -> Answer:
    try:
        text = _encode(answer)
    except Exception as error:  # noqa: BLE001 - a result that is no JSON is a fault like another
        fault = _internal(request.method, error, peer, request.id)
        return failed(request.id, request.method, fault)
    told = answer.get("error")
    return Answer(request.id, request.method, text, told if isinstance(told, dict) else None)


def _library_error(method: str, error: Exception, peer: object, request_id: Raw) -> JsonRpcError:
    if not isinstance(error, LiveHandleError):
        error = _internal(method, error, peer, request_id)
    told = error.to_json()
    return JsonRpcError(error.code, str(told["message"]), told["data"])


def _internal(method: str, fault: Exception, peer: object, request_id: Raw) -> LiveHandleError:
    """Log a fault, and return an error that shows nothing of it."""
    request = bytes(request_id)[:_MAX_ID_BYTES].decode(errors="replace") or None
    told = ids(client=getattr(peer, "id", None), request=request)
    _log.error("%s failed", method, exc_info=fault, extra=told)
    return LiveHandleError("wire.internal", f"{method} failed inside the daemon; its log says how.")


def _not_found(method: str) -> LiveHandleError:
    near = nearest(method, METHODS)
    hint = f"did you mean {near}?" if near else "the catalogue lists what there is."
    return LiveHandleError(
        "wire.method_not_found", f"There is no method {method[:80]!r}: {hint}", did_you_mean=near
    )
