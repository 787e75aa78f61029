"""What clients give to be sent, checked before anything of it is."""

import base64
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.content import Blob, Content, Part, text_content
from livehandled.session import payload

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"


def refused(call: Callable[[], object]) -> LiveHandleError:
    with pytest.raises(LiveHandleError) as caught:
        call()
    error = caught.value
    assert error.message.endswith(".")
    return error


def based(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00a0\u2003"])
def test_a_text_without_a_word_is_refused_by_its_parameter(text: str) -> None:
    error = refused(lambda: payload.words(text, "instruction"))
    assert (error.name, error.data["param"]) == ("text.empty", "instruction")


@pytest.mark.parametrize("text", ["a", " a ", "。", "🙂"])
def test_a_text_with_a_word_is_taken(text: str) -> None:
    payload.words(text, "text")


@given(st.binary(min_size=2).map(lambda data: data[: len(data) // 2 * 2]))
def test_b5_samples_come_with_their_base64_whichever_was_given(pcm: bytes) -> None:
    assert payload.pcm(pcm) == payload.pcm(based(pcm)) == (pcm, based(pcm))


def test_b5_the_samples_of_the_statement() -> None:
    assert payload.pcm(bytes([1, 2, 3, 4])) == (b"\x01\x02\x03\x04", "AQIDBA==")


BAD_BASE64 = [
    *("AQI", "AQI_", "AQI-", "AQ I=", "AQI=\n", "\nAQI=", "====", "A===", "AQI===", "AQI=AQI="),
    *("é", "AQI\ud800", "data:audio/pcm;base64,AQI=", "A", "=AQI"),
]


@pytest.mark.parametrize("data", BAD_BASE64)
def test_audio_that_is_no_base64_is_refused(data: str) -> None:
    error = refused(lambda: payload.pcm(data))
    assert (error.name, error.data["param"]) == ("audio.bad_base64", "data")


@pytest.mark.parametrize("data", ["", b""])
def test_audio_without_samples_is_refused(data: bytes | str) -> None:
    assert refused(lambda: payload.pcm(data)).name == "audio.empty"


@pytest.mark.parametrize("data", [b"\x00", "AA==", b"\x00\x01\x02", "AAEC"])
def test_half_a_sample_is_refused(data: bytes | str) -> None:
    error = refused(lambda: payload.pcm(data))
    assert error.name == "audio.misaligned"
    assert error.message.startswith(("1 bytes", "3 bytes"))


def test_b4_a_jpeg_is_taken_whichever_way_it_is_given() -> None:
    assert payload.jpeg(JPEG) == payload.jpeg(based(JPEG)) == based(JPEG)


@pytest.mark.parametrize(
    "data",
    ["", b"", b"\x89PNG\r\n\x1a\n", based(b"GIF89a"), b"\xff\xd8", "/9j", "not base64!", "é"],
)
def test_a_picture_that_is_no_jpeg_is_refused(data: bytes | str) -> None:
    error = refused(lambda: payload.jpeg(data))
    assert (error.name, error.data["param"]) == ("video.not_jpeg", "data")


@given(st.text())
def test_any_text_is_a_payload_or_a_refusal_by_name(data: str) -> None:
    for check in (payload.pcm, payload.jpeg):
        with suppress(LiveHandleError):
            check(data)


def turn(**changes: Any) -> dict[str, object]:
    return {"role": "user", "parts": [{"text": "hi"}]} | changes


def part(**fields: Any) -> dict[str, object]:
    return turn(parts=[fields])


def deep(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for _ in range(levels):
        tree = {"a": tree}
    return tree


def test_turns_are_taken_in_either_spelling() -> None:
    blob = Blob(mime_type="image/jpeg", data=based(JPEG))
    picture = Content(role="user", parts=[Part(inline_data=blob)])
    inline = {"mime_type": "image/jpeg", "data": based(JPEG)}
    camel = {"mimeType": "image/jpeg", "data": based(JPEG)}
    assert payload.contents(
        [turn(role="model"), part(inline_data=inline), part(inlineData=camel), picture]
    ) == [text_content("hi", "model"), picture, picture, picture]


def test_a_null_counts_as_left_out() -> None:
    assert payload.contents([part(text="hi", inlineData=None)]) == [text_content("hi", "user")]


def test_no_turns_are_none() -> None:
    assert payload.contents([]) == []


@pytest.mark.parametrize(
    ("bad", "param", "expected"),
    [
        ({}, "turns[1].role", '"user" or "model"'),
        (turn(role=None), "turns[1].role", '"user" or "model"'),
        (turn(role="system"), "turns[1].role", '"user" or "model"'),
        (turn(role="User"), "turns[1].role", '"user" or "model"'),
        (turn(role=1), "turns[1].role", "str | null"),
        (turn(parts=[]), "turns[1].parts", "at least one part"),
        (turn(parts=None), "turns[1].parts", "at least one part"),
        (turn(parts="hi"), "turns[1].parts", "array"),
        (turn(parts=["hi"]), "turns[1].parts[0]", "object"),
        (turn(parts=[{"text": "a"}, {"text": 1}]), "turns[1].parts[1].text", "str | null"),
        (turn(txt=1), "turns[1].txt", "a name that the Live API has"),
        (part(txt="hi"), "turns[1].parts[0].txt", "a name that the Live API has"),
        (part(), "turns[1].parts[0]", "exactly one of"),
        (part(thought=True), "turns[1].parts[0]", "exactly one of"),
        (part(text="a", inline_data={}), "turns[1].parts[0]", "exactly one of"),
        (part(inline_data={}), "turns[1].parts[0].inline_data.mime_type", "a MIME type"),
        (
            part(inline_data={"mime_type": "image/jpeg"}),
            "turns[1].parts[0].inline_data.data",
            "base64 of the data",
        ),
        (
            part(inline_data={"mime_type": "image/jpeg", "data": "AQI"}),
            "turns[1].parts[0].inline_data.data",
            "base64 of the data",
        ),
        (part(function_call={"args": {1: 2}}), "turns[1].parts[0].function_call.args", "str"),
        (part(function_call={"args": {"a": object()}}), "turns[1]", "what JSON can hold"),
        (part(function_call={"args": deep(20_000)}), "turns[1]", "a value of at most 64 levels"),
        (part(text="\ud800"), "turns[1]", "what JSON can hold"),
        (Content(parts=[Part(text="hi")]), "turns[1].role", '"user" or "model"'),
        (Content(role="user"), "turns[1].parts", "at least one part"),
        (Content(role="user", parts=[Part()]), "turns[1].parts[0]", "exactly one of"),
    ],
)
def test_b20_a_turn_that_cannot_be_sent_is_refused_by_its_place(
    bad: Any, param: str, expected: str
) -> None:
    error = refused(lambda: payload.contents([turn(), bad]))
    assert error.name == "wire.invalid_params"
    assert error.data["param"] == param
    assert str(error.data["expected"]).startswith(expected)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
NAMES = st.sampled_from(["text", "inlineData", "inline_data", "functionCall", "thought", "x"])
TURNS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "model"]) | JSON,
        "parts": st.lists(st.dictionaries(NAMES, JSON, max_size=2), max_size=3) | JSON,
    },
)


@given(st.lists(TURNS, max_size=3))
def test_any_turns_are_contents_or_a_refusal_by_name(turns: list[dict[str, object]]) -> None:
    refusal: LiveHandleError | None = None
    contents: list[Content] = []
    try:
        contents = payload.contents(turns)
    except LiveHandleError as error:
        refusal = error
    assert all(content.role in {"user", "model"} and content.parts for content in contents)
    if refusal is not None:
        assert refusal.name == "wire.invalid_params"
        assert str(refusal.data["param"]).startswith("turns[")
