"""The catalogue of methods: complete, in its own style, and described."""

import re

import msgspec
import pytest

from livehandle_proto.methods import (
    MAX_LINE_BYTES,
    MAX_TIMEOUT_MS,
    METHODS,
    MIN_LINE_BYTES,
    Done,
    Hello,
    Params,
    Subscribe,
)

EACH = pytest.mark.parametrize("name", METHODS)

# Protocol section 4, as far as this API level goes.
EXPECTED = {
    *("daemon.hello", "daemon.ping", "daemon.status", "daemon.shutdown"),
    *("connect", "disconnect", "done", "phase", "session", "session.config"),
    *("send_audio", "send_text", "send_video", "send_tool_response"),
    *("events", "subscribe", "unsubscribe", "telemetry"),
}


def test_the_methods_of_this_level_are_there() -> None:
    assert set(METHODS) == EXPECTED


@EACH
def test_a_name_is_in_snake_case_below_at_most_one_area(name: str) -> None:
    assert re.fullmatch(r"([a-z]+\.)?[a-z]+(_[a-z]+)*", name)


@EACH
def test_a_meaning_is_one_sentence(name: str) -> None:
    assert re.fullmatch(r"[A-Z][^.]*(\.\w[^.]*)*\.", METHODS[name].meaning)


@EACH
def test_unknown_parameters_are_refused_and_names_are_in_snake_case(name: str) -> None:
    params = METHODS[name].params
    assert issubclass(params, Params)
    fields = msgspec.structs.fields(params)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", field.encode_name) for field in fields)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"no_such_parameter":1}', type=params)


@pytest.mark.parametrize(
    ("params", "text", "right"),
    [
        (Hello, b'{"max_line_bytes":%d}' % MIN_LINE_BYTES, True),
        (Hello, b'{"max_line_bytes":%d}' % (MIN_LINE_BYTES - 1), False),
        (Hello, b'{"max_line_bytes":%d}' % MAX_LINE_BYTES, True),
        (Hello, b'{"max_line_bytes":%d}' % (MAX_LINE_BYTES + 1), False),
        (Hello, b'{"client":"%s"}' % (b"x" * 201), False),
        (Done, b'{"timeout_ms":0}', True),
        (Done, b'{"timeout_ms":-1}', False),
        (Done, b'{"timeout_ms":%d}' % MAX_TIMEOUT_MS, True),
        (Done, b'{"timeout_ms":1%s}' % (b"0" * 400), False),
        (Subscribe, b'{"topics":[]}', False),
        (Subscribe, b'{"topics":null}', True),
    ],
)
def test_bounds_are_kept(params: type[Params], text: bytes, right: bool) -> None:
    if right:
        msgspec.json.decode(text, type=params)
    else:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(text, type=params)
