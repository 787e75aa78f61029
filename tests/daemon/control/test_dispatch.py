"""From a request's text to its answer's text, whatever the text is."""

import json
import logging
from collections.abc import Awaitable
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import ERRORS, LiveHandleError
from livehandle_proto.methods import METHODS, Done, SendText
from livehandle_proto.values import Params
from livehandled.control.dispatch import Answer, Dispatcher, Later
from support.control import handlers_with

SECRET = "marked-secret-0123456789"


def echo(peer: str, params: Params) -> object:
    """Return who asked for what; `send_text` says what is to go wrong."""
    assert isinstance(params, SendText)
    if params.text == "fault":
        raise RuntimeError(SECRET)
    if params.text == "refusal":
        raise LiveHandleError("text.empty", "The text is empty: send words.", param="text")
    if params.text == "unencodable":
        return {"a": object()}
    if params.text == "surrogate":
        return "\udcff"
    return [peer, params.text]


def late(_peer: str, params: Params) -> Awaitable[object]:
    """Begin at once, and let the caller wait."""
    assert isinstance(params, Done)
    milliseconds = params.timeout_ms
    begun.append(milliseconds)

    async def wait() -> object:
        await anyio.lowlevel.checkpoint()
        if milliseconds == 1:
            raise LiveHandleError("session.timeout", "Wait longer.")
        if milliseconds == 2:
            raise RuntimeError(SECRET)
        return {"waited": milliseconds}

    return wait()


begun: list[int | None] = []

DISPATCHER = Dispatcher(handlers_with({"send_text": echo, "done": late}))


def text_of(method: str, params: object = None, **more: object) -> bytes:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}, **more}
    return json.dumps(message).encode()


def answered(text: bytes) -> Answer:
    answer = DISPATCHER.start("me", text)
    assert isinstance(answer, Answer)
    return answer


def said(answer: Answer) -> dict[str, Any]:
    """Return the answer's JSON, which must be one of the two forms that JSON-RPC knows."""
    message: dict[str, Any] = json.loads(answer.text.decode())
    assert b"\n" not in answer.text
    assert message["jsonrpc"] == "2.0"
    assert message.keys() in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"})
    if error := message.get("error"):
        assert error == answer.error
        assert ERRORS[error["data"]["name"]].code == error["code"]
        assert error["message"]
    return message


def test_a_method_is_called_for_the_peer_with_typed_parameters() -> None:
    answer = answered(text_of("send_text", {"text": "hi"}))
    assert said(answer)["result"] == ["me", "hi"]
    assert answer.method == "send_text"
    assert not answer.notification
    assert answer.error is None


@pytest.mark.parametrize("request_id", [0, -1, 1.5, "a", "", None, "\u2028"])
def test_the_id_comes_back_as_it_was(request_id: object) -> None:
    assert said(answered(text_of("phase", id=request_id)))["id"] == request_id


@pytest.mark.parametrize(
    ("text", "name", "near"),
    [
        (text_of("fase"), "wire.method_not_found", None),
        (text_of("phases"), "wire.method_not_found", "phase"),
        (text_of("send-text"), "wire.method_not_found", "send_text"),
        (text_of("Phase"), "wire.method_not_found", "phase"),
        (text_of("done", {"timeout": 1}), "wire.invalid_params", None),
        (text_of("done", {"timeout_m": 1}), "wire.invalid_params", "timeout_ms"),
        (text_of("send_text", {"text": "refusal"}), "text.empty", None),
        (b"{", "wire.parse_error", None),
        (b'{"jsonrpc":"2.0","id":1}', "wire.invalid_request", None),
    ],
)
def test_what_fails_is_an_error_of_the_catalogue(text: bytes, name: str, near: str | None) -> None:
    data = said(answered(text))["error"]["data"]
    assert data["name"] == name
    assert data.get("did_you_mean") == near


@pytest.mark.parametrize("what", ["fault", "unencodable", "surrogate"])
def test_a_fault_is_logged_and_shows_nothing(what: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = answered(text_of("send_text", {"text": what}))
    assert said(answer)["error"] == {
        "code": -32603,
        "message": "send_text failed inside the daemon; its log says how.",
        "data": {"name": "wire.internal", "retryable": False},
    }
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


@pytest.mark.parametrize("what", ["hi", "refusal", "fault"])
def test_a_notification_is_carried_out_and_its_error_kept(what: str) -> None:
    text = json.dumps({"jsonrpc": "2.0", "method": "send_text", "params": {"text": what}})
    answer = answered(text.encode())
    assert answer.notification
    assert (answer.error is None) == (what == "hi")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("milliseconds", "outcome"),
    [(0, {"waited": 0}), (1, "session.timeout"), (2, "wire.internal"), (None, {"waited": None})],
)
async def test_a_slow_call_begins_at_once_and_is_answered_later(
    milliseconds: int | None, outcome: object
) -> None:
    begun.clear()
    later = DISPATCHER.start("me", text_of("done", {"timeout_ms": milliseconds}))
    assert isinstance(later, Later)
    assert begun == [milliseconds]
    assert later.request.method == "done"
    message = said(await later.answer())
    assert SECRET not in json.dumps(message)
    assert message.get("result", message.get("error", {}).get("data", {}).get("name")) == outcome


@pytest.mark.anyio
async def test_a_slow_call_that_is_cancelled_is_not_answered() -> None:
    later = DISPATCHER.start("me", text_of("done"))
    assert isinstance(later, Later)
    answers = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        answers.append(await later.answer())
    assert answers == []


@pytest.mark.parametrize("text", [text_of("done", id="a"), b'{"id":"a","jsonrpc":"2.0"}'])
def test_a_request_can_be_refused_unread_with_its_id(text: bytes) -> None:
    begun.clear()
    stopping = LiveHandleError("daemon.stopping", "The daemon is stopping.")
    answer = DISPATCHER.refuse(text, stopping)
    assert said(answer)["id"] == "a"
    assert begun == []


@pytest.mark.parametrize("odd", [{"phase"}, {"phase", "no_such_method"}])
def test_handlers_must_be_those_of_the_catalogue(odd: set[str]) -> None:
    handlers = handlers_with({"send_text": echo})
    for name in odd:
        if handlers.pop(name, None) is None:
            handlers[name] = echo
    with pytest.raises(ValueError, match="phase"):
        Dispatcher(handlers)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(["topics", "since", "text", "timeout_ms", "config", "client", "x"])
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", 2.0, None]),
        "id": JSON,
        "method": st.sampled_from([*METHODS, "rpc.x", "", "\udc80", "x" * 5000]) | JSON,
        "params": st.dictionaries(NAMES, JSON) | JSON,
    },
)


@st.composite
def garbled(draw: st.DrawFn) -> bytes:
    """Return a request with some of its bytes changed."""
    text = bytearray(json.dumps(draw(REQUESTS)).encode())
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(text) - 1))
        text[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
        if not text:
            break
    return bytes(text)


@given(st.binary(max_size=40) | garbled() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_answered_by_one_valid_json_rpc_answer(text: bytes) -> None:
    outcome = DISPATCHER.start("me", text)
    if isinstance(outcome, Later):
        anyio.run(outcome.answer)
    elif not outcome.notification:
        said(outcome)
        assert len(outcome.text) < 16_384
    msgspec.json.encode(DISPATCHER.refuse(text, LiveHandleError("daemon.stopping", "x")).error)
