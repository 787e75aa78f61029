"""The service's messages verbatim, on one line, and without what nobody may see."""

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.session.raw import raw_message

KEY = "marked-key-0123456789"


def shown(frame: bytes) -> bytes:
    return msgspec.json.encode(raw_message(frame, [KEY]))


@pytest.mark.parametrize(
    "frame",
    [
        b'{"serverContent":{"turnComplete":true}}',
        b'{\n  "serverContent": {\r\n\t"turnComplete": true\n  }\n}\n',
    ],
)
def test_a_message_is_told_on_one_line_as_the_service_prints_it_on_many(frame: bytes) -> None:
    assert not re.search(rb"[\r\n]", shown(frame))
    assert json.loads(shown(frame)) == {"message": {"serverContent": {"turnComplete": True}}}


def test_names_and_numbers_nobody_knows_stay_as_they_came() -> None:
    frame = b'{"newThing":{"a":1.50,"b":123456789012345678901234567890,"a":1e400,"t":"\\u00e9"}}'
    assert shown(frame) == b'{"message":%b}' % frame


@pytest.mark.parametrize("name", ["newHandle", "new_handle"])
@pytest.mark.parametrize("handle", ["rh-42", 'r\\"h\\\\', "rh\\u003d\\u003d"])
def test_a_resumption_handle_is_masked_in_any_spelling(name: str, handle: str) -> None:
    frame = f'{{"sessionResumptionUpdate":{{"{name}" : "{handle}","resumable":true}}}}'
    assert json.loads(shown(frame.encode()))["message"] == {
        "sessionResumptionUpdate": {name: "***", "resumable": True}
    }


def test_a_secret_the_service_repeats_is_masked() -> None:
    frame = json.dumps({"error": {"code": 400, "message": f"key {KEY} not valid"}}).encode()
    assert json.loads(shown(frame)) == {
        "message": {"error": {"code": 400, "message": "key *** not valid"}}
    }


def test_a_message_may_be_nested_as_deep_as_it_likes() -> None:
    frame = b'{"a":%b}' % (b"[" * 100_000 + b"]" * 100_000)
    assert shown(frame) == b'{"message":%b}' % frame


def test_what_is_no_utf8_is_replaced() -> None:
    assert shown(b'{"a":"\xff"}').decode() == '{"message":{"a":"�"}}'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values), st.sampled_from([None, 1, "\t"]))
def test_any_message_keeps_its_meaning_and_fits_one_line(
    message: dict[str, object], indent: str | int | None
) -> None:
    frame = json.dumps(message, indent=indent, ensure_ascii=False).encode()
    line = shown(frame)
    assert not re.search(rb"[\r\n]", line)
    assert json.loads(line) == {"message": message}
