"""The frames of a running session, byte for byte (wire 2.2 to 2.4)."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.methods import ToolAnswer
from livehandled.gemini import frames
from livehandled.gemini.codec import decode_client
from livehandled.gemini.content import Content, text_content
from livehandled.gemini.models import InPlace, Traits, traits_of

TAKES_ALL = traits_of("gemini-3.8-live", "gemini")
OLDER = traits_of("gemini-3.1-flash-live-preview", "gemini")
TURNS_ALONE = traits_of("gemini-live-2.5-flash", "gemini")


def test_b1_text_is_one_complete_user_turn() -> None:
    assert json.loads(frames.text_turn("I am pescatarian", TAKES_ALL)) == {
        "clientContent": {
            "turns": [{"role": "user", "parts": [{"text": "I am pescatarian"}]}],
            "turnComplete": True,
        }
    }


def test_where_a_content_turn_would_close_the_session_text_is_live_input() -> None:
    frame = json.loads(frames.text_turn("I am pescatarian", OLDER))
    assert frame == {"realtimeInput": {"text": "I am pescatarian"}}


def seeded(model: Traits, *turns: tuple[frames.Role, str]) -> list[object]:
    """Return what a seed consists of: role and text of each turn, and whether it is complete."""
    sent = [decode_client(frame).client_content for frame in frames.seed(turns, model)]
    found: list[object] = []
    for content in sent:
        assert content is not None
        found += [(turn.role, turn.parts[0].text) for turn in content.turns]
        found.append(content.turn_complete)
    return found


@pytest.mark.parametrize("model", [TAKES_ALL, OLDER])
def test_an_announced_history_ends_with_a_complete_turn_whoever_spoke_last(model: Traits) -> None:
    assert seeded(model, ("user", "one"), ("model", "two")) == [
        ("user", "one"),
        ("model", "two"),
        True,
    ]


def test_plain_turns_are_not_complete_and_end_with_the_user() -> None:
    assert seeded(TURNS_ALONE, ("model", "one"), ("user", "two")) == [
        ("model", "one"),
        ("user", "two"),
        False,
    ]
    found = seeded(TURNS_ALONE, ("user", "one"), ("model", "two"))
    note = "(The connection was renewed. The conversation goes on from here.)"
    assert found == [("user", "one"), ("model", "two"), ("user", note), False]


@pytest.mark.parametrize("model", [TAKES_ALL, TURNS_ALONE])
def test_nothing_that_was_said_is_no_seed(model: Traits) -> None:
    assert frames.seed([], model) == []


def test_b5_audio_is_base64_with_its_rate() -> None:
    data = base64.b64encode(bytes([1, 2, 3, 4])).decode()
    assert data == "AQIDBA=="
    assert frames.audio(data) == (
        b'{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"AQIDBA=="}}}'
    )


def test_b4_video_is_one_jpeg() -> None:
    assert frames.video("/9j/4AA=") == (
        b'{"realtimeInput":{"video":{"mimeType":"image/jpeg","data":"/9j/4AA="}}}'
    )


@given(st.binary())
def test_b5_base64_goes_upstream_as_it_came(pcm: bytes) -> None:
    data = base64.b64encode(pcm).decode()
    assert f'"data":"{data}"'.encode() in frames.audio(data) or not pcm


@pytest.mark.parametrize(
    ("turns", "complete", "frame"),
    [
        (
            [text_content("a", "user"), text_content("b", "model")],
            True,
            (
                b'{"clientContent":{"turns":[{"parts":[{"text":"a"}],"role":"user"},'
                b'{"parts":[{"text":"b"}],"role":"model"}],"turnComplete":true}}'
            ),
        ),
        # Proto JSON leaves a false out.
        (
            [text_content("a", "model")],
            False,
            b'{"clientContent":{"turns":[{"parts":[{"text":"a"}],"role":"model"}]}}',
        ),
        ([], True, b'{"clientContent":{"turnComplete":true}}'),
    ],
)
def test_d1_d2_r6_context_and_prompt_are_client_content(
    turns: list[Content], complete: bool, frame: bytes
) -> None:
    assert frames.client_content(turns, turn_complete=complete) == frame
    read = decode_client(frame).client_content
    assert read is not None
    assert (read.turns, read.turn_complete) == (turns, complete)


def test_b13_d6_a_mark_has_exactly_one_key_and_is_empty() -> None:
    assert frames.activity_start() == b'{"realtimeInput":{"activityStart":{}}}'
    assert frames.activity_end() == b'{"realtimeInput":{"activityEnd":{}}}'


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            "context_update",
            {"contextUpdate": {"systemInstruction": {"parts": [{"text": "Be brief."}]}}},
        ),
        (
            "system_turn",
            {"clientContent": {"turns": [{"parts": [{"text": "Be brief."}], "role": "system"}]}},
        ),
        (
            "note",
            {
                "clientContent": {
                    "turns": [
                        {
                            "parts": [
                                {
                                    "text": "From now on these instructions replace those you "
                                    "were given before:\n\nBe brief."
                                }
                            ],
                            "role": "user",
                        }
                    ]
                }
            },
        ),
    ],
)
def test_b17_d5_an_instruction_goes_the_way_the_model_takes_it_and_asks_for_no_reply(
    how: InPlace, message: dict[str, object]
) -> None:
    frame = frames.instruction("Be brief.", how)
    assert json.loads(frame) == message
    assert decode_client(frame) is not None
    assert b"turnComplete" not in frame


@pytest.mark.parametrize("backend", ["gemini", "emulator"])
@pytest.mark.parametrize("model", ["gemini-3.8-live", "gemini-live-2.5-flash", "unknown"])
def test_b17_outside_vertex_no_instruction_is_of_the_role_system(model: str, backend: str) -> None:
    how = traits_of(model, backend).instruction
    assert how != "reconnect"
    frame = frames.instruction("Be brief.", how)
    assert b'"system"' not in frame  # it would close the session with 1007


@pytest.mark.parametrize(
    ("response", "sent"),
    [
        ({"celsius": 21}, {"celsius": 21}),
        ({}, {"output": {}}),  # an empty object would be left out, and the service needs one
        ("sunny", {"output": "sunny"}),
        ("", {"output": ""}),
        (21, {"output": 21}),
        (False, {"output": False}),
        (None, {"output": None}),
        ([{"a": 1}], {"output": [{"a": 1}]}),
    ],
)
def test_b19_a_result_that_is_no_object_is_wrapped(response: object, sent: object) -> None:
    frame = frames.tool_response([ToolAnswer(id="c1", name="f", response=response)], TAKES_ALL)
    body = json.loads(frame)["toolResponse"]["functionResponses"]
    assert body == [{"id": "c1", "name": "f", "response": sent}]


def test_b18_what_a_model_does_not_take_is_left_out() -> None:
    answer = ToolAnswer(
        id="c1", name="f", response={"a": 1}, scheduling="SILENT", will_continue=False
    )
    for model, backend in (
        ("gemini-3.8-live-extended-thinking", "gemini"),
        ("gemini-live-2.5-flash", "vertex"),
    ):
        body = json.loads(frames.tool_response([answer], traits_of(model, backend)))
        [response] = body["toolResponse"]["functionResponses"]
        assert ("scheduling" in response) == (backend == "vertex")
        assert ("willContinue" in response) == (backend == "gemini")


def test_b18_all_answers_travel_in_one_frame_with_what_they_say_of_themselves() -> None:
    answers = [
        ToolAnswer(id="c1", name="f", response={"a": 1}, scheduling="WHEN_IDLE"),
        ToolAnswer(id="c2", name="g", response={"b": 2}, will_continue=True),
        ToolAnswer(id="c3", name="h", response={"c": 3}, will_continue=False),
    ]
    assert json.loads(frames.tool_response(answers, TAKES_ALL)) == {
        "toolResponse": {
            "functionResponses": [
                {"id": "c1", "name": "f", "response": {"a": 1}, "scheduling": "WHEN_IDLE"},
                {"id": "c2", "name": "g", "response": {"b": 2}, "willContinue": True},
                {"id": "c3", "name": "h", "response": {"c": 3}, "willContinue": False},
            ]
        }
    }


def test_a_call_that_came_without_an_id_is_answered_without_one() -> None:
    frame = frames.tool_response([ToolAnswer(id="", name="f", response={"a": 1})], TAKES_ALL)
    assert json.loads(frame)["toolResponse"]["functionResponses"] == [
        {"name": "f", "response": {"a": 1}}
    ]


@given(
    text=st.text(min_size=1).filter(str.isprintable),
    response=st.dictionaries(
        st.text(max_size=5), st.integers() | st.text(max_size=5), min_size=1, max_size=3
    ),
)
def test_every_frame_is_one_the_service_reads(text: str, response: dict[str, object]) -> None:
    turn = decode_client(frames.text_turn(text, TAKES_ALL)).client_content
    assert turn is not None
    assert turn.turns[0].parts[0].text == text
    said = decode_client(frames.text_turn(text, OLDER)).realtime_input
    assert said is not None
    assert said.text == text
    answer = ToolAnswer(id="c1", name="f", response=response)
    read = decode_client(frames.tool_response([answer], TAKES_ALL)).tool_response
    assert read is not None
    assert read.function_responses[0].response == response


@pytest.mark.parametrize("declared", [[], [{"functionDeclarations": [{"name": "f"}]}]])
def test_a_tool_list_is_wrapped_so_that_an_empty_one_is_told_from_none(
    declared: list[dict[str, object]],
) -> None:
    frame = frames.tools(declared)
    assert json.loads(frame) == {"contextUpdate": {"tools": {"tools": declared}}}
    read = decode_client(frame).context_update
    assert read is not None
    assert read.tools is not None
    assert len(read.tools.tools) == len(declared)
