"""The catalogue of errors, and errors on their way over the wire (protocol section 7)."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import ERRORS, ErrorKind, LiveHandleError

JSON_RPC = {
    "wire.parse_error": -32700,
    "wire.invalid_request": -32600,
    "wire.method_not_found": -32601,
    "wire.invalid_params": -32602,
    "wire.internal": -32603,
}

AREAS = {
    "session": range(1000, 1100),
    "audio": range(1100, 1200),
    "video": range(1100, 1200),
    "text": range(1100, 1200),
    "tools": range(1200, 1300),
    "upstream": range(1300, 1400),
    "auth": range(1400, 1500),
    "events": range(1500, 1600),
    "state": range(1600, 1700),
    "extraction": range(1600, 1700),
    "roles": range(1900, 2000),
    "daemon": range(1900, 2000),
    "wire": range(1900, 2000),
    "config": range(1900, 2000),
    "client": range(1900, 2000),
    "recording": range(1900, 2000),
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(("name", "code"), JSON_RPC.items())
def test_the_five_errors_of_json_rpc_keep_their_numbers(name: str, code: int) -> None:
    assert ERRORS[name].code == code


@pytest.mark.parametrize(("name", "kind"), ERRORS.items())
def test_every_other_number_lies_outside_the_reserved_range(name: str, kind: ErrorKind) -> None:
    assert (-32768 <= kind.code <= -32000) == (name in JSON_RPC)


@pytest.mark.parametrize(("name", "kind"), ERRORS.items())
def test_a_number_says_the_area_of_its_error(name: str, kind: ErrorKind) -> None:
    assert name in JSON_RPC or kind.code in AREAS[name.split(".")[0]]


def test_no_two_errors_share_a_number() -> None:
    codes = [kind.code for kind in ERRORS.values()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(("name", "kind"), ERRORS.items())
def test_names_and_meanings_have_one_form(name: str, kind: ErrorKind) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z0-9]+)*", name)
    assert re.fullmatch(r"[A-Z].*\.", kind.meaning)


def test_an_error_has_the_number_and_the_retryability_of_its_name() -> None:
    error = LiveHandleError("upstream.quota", "Wait a minute.")
    assert (error.code, error.retryable, str(error)) == (1301, True, "Wait a minute.")


def test_an_error_in_json_has_its_name_its_retryability_and_its_data() -> None:
    error = LiveHandleError(
        "wire.invalid_params", "Give text.", param="txt", expected="text", did_you_mean=None
    )
    assert error.to_json() == {
        "code": -32602,
        "message": "Give text.",
        "data": {
            "name": "wire.invalid_params",
            "retryable": False,
            "param": "txt",
            "expected": "text",
        },
    }


def test_an_error_of_an_unknown_name_counts_as_internal() -> None:
    error = LiveHandleError("moon.eclipsed", "Wait.")
    assert (error.code, error.retryable) == (-32603, False)
    assert error.to_json()["data"] == {"name": "moon.eclipsed", "retryable": False}


@given(
    name=st.sampled_from(sorted(ERRORS)),
    message=st.text(),
    data=st.dictionaries(st.text(), json_values, max_size=4),
)
def test_an_error_survives_the_way_over_the_wire(
    name: str, message: str, data: dict[str, object]
) -> None:
    data = {k: v for k, v in data.items() if k not in {"name", "retryable"}}
    sent = LiveHandleError(name, message, **data)
    received = LiveHandleError.from_json(json.loads(json.dumps(sent.to_json())))
    assert (received.name, received.message, received.data) == (name, message, sent.data)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"code": 5},
        {"message": None, "data": None},
        {"message": 5, "data": "text"},
        {"data": {"name": 7, "self": 1, "message": "x"}},
        {"data": []},
    ],
)
def test_an_error_object_of_any_shape_can_be_read(odd: dict[str, object]) -> None:
    assert isinstance(LiveHandleError.from_json(odd), LiveHandleError)
