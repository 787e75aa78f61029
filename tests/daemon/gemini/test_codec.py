"""Frames to messages and back (wire 2, 3)."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.gemini import codec
from livehandled.gemini.client import ClientContent, ClientMessage
from livehandled.gemini.codec import FrameError, decode_client, decode_server, encode, encode_setup
from livehandled.gemini.content import Blob, Content, Part
from livehandled.gemini.names import UnknownNameError
from livehandled.gemini.server import (
    GoAway,
    ServerContent,
    ServerMessage,
    SessionResumptionUpdate,
    SetupComplete,
    ToolCallCancellation,
    Transcription,
    UsageMetadata,
    VoiceActivity,
)

READ = [
    ('{"setupComplete":{}}', ServerMessage(setup_complete=SetupComplete())),
    (
        '{"setupComplete":{"sessionId":"s"}}',
        ServerMessage(setup_complete=SetupComplete(session_id="s")),
    ),
    (
        (
            '{"serverContent":{"interrupted":true,"turnComplete":true,'
            '"inputTranscription":{"text":"Hel"},"outputTranscription":{"text":"lo","finished":true}},'
            '"usageMetadata":{"totalTokenCount":9},"goAway":{"timeLeft":"50s"}}'
        ),
        ServerMessage(
            server_content=ServerContent(
                interrupted=True,
                turn_complete=True,
                input_transcription=Transcription(text="Hel"),
                output_transcription=Transcription(text="lo", finished=True),
            ),
            usage_metadata=UsageMetadata(total_token_count=9),
            go_away=GoAway(time_left="50s"),
        ),
    ),
    (
        (
            '{"serverContent":{"modelTurn":{"role":"model","parts":['
            '{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AA-_"}},'
            '{"text":"null","thought":true}]}}}'
        ),
        ServerMessage(
            server_content=ServerContent(
                model_turn=Content(
                    role="model",
                    parts=[
                        Part(inline_data=Blob(mime_type="audio/pcm;rate=24000", data="AA-_")),
                        Part(text="null", thought=True),
                    ],
                )
            )
        ),
    ),
    (
        (
            '{"sessionResumptionUpdate":{"newHandle":"h","resumable":true,'
            '"lastConsumedClientMessageIndex":"7"}}'
        ),
        ServerMessage(
            session_resumption_update=SessionResumptionUpdate(
                new_handle="h", resumable=True, last_consumed_client_message_index=7
            )
        ),
    ),
    (
        '{"sessionResumptionUpdate":{"lastConsumedClientMessageIndex":7}}',
        ServerMessage(
            session_resumption_update=SessionResumptionUpdate(last_consumed_client_message_index=7)
        ),
    ),
    (
        '{"usageMetadata":{"responseTokenCount":"3","candidatesTokenCount":4}}',
        ServerMessage(
            usage_metadata=UsageMetadata(response_token_count=3, candidates_token_count=4)
        ),
    ),
    (
        '{"toolCallCancellation":{"ids":["1","2"]}}',
        ServerMessage(tool_call_cancellation=ToolCallCancellation(ids=["1", "2"])),
    ),
    (
        '{"voiceActivity":{"type":"SOMETHING_OF_TOMORROW","audioOffset":"1.2s"}}',
        ServerMessage(
            voice_activity=VoiceActivity(type="SOMETHING_OF_TOMORROW", audio_offset="1.2s")
        ),
    ),
    (
        '{"serverContent":{"turnCompleteReason":"OF_TOMORROW","newField":{"a_b":1}},"newKey":1}',
        ServerMessage(server_content=ServerContent(turn_complete_reason="OF_TOMORROW")),
    ),
    ('{"code":13,"message":"no"}', ServerMessage(code=13, message="no")),
    ('{"error":{"code":13}}', ServerMessage(error={"code": 13})),
    ("{}", ServerMessage()),
    (' {"goAway" : {} } ', ServerMessage(go_away=GoAway())),
]


@pytest.mark.parametrize(("frame", "message"), READ)
def test_a_frame_from_the_service_is_read_whole(frame: str, message: ServerMessage) -> None:
    assert decode_server(frame.encode()) == codec.Decoded(message)


SNAKE = [
    (
        (
            '{"server_content":{"turn_complete":true,"model_turn":{"parts":[{"inline_data":'
            '{"mime_type":"x","data":"_"}}]}}}'
        ),
        (
            '{"serverContent":{"turnComplete":true,"modelTurn":{"parts":[{"inlineData":'
            '{"mimeType":"x","data":"_"}}]}}}'
        ),
    ),
    (
        '{"session_resumption_update" : {"newHandle":"a_b","resumable":true,"new_field":1}}',
        '{"sessionResumptionUpdate":{"newHandle":"a_b","resumable":true}}',
    ),
    (
        '{"tool_call":{"function_calls":[{"name":"f_g","args":{"turn_complete":{"a_b":1}}}]}}',
        '{"toolCall":{"functionCalls":[{"name":"f_g","args":{"turn_complete":{"a_b":1}}}]}}',
    ),
]


@pytest.mark.parametrize(("snake", "camel"), SNAKE)
def test_both_spellings_are_read_alike(snake: str, camel: str) -> None:
    assert decode_server(snake.encode()) == decode_server(camel.encode())
    assert decode_server(snake.encode()).skipped == ()


def test_arguments_keep_their_own_names() -> None:
    frame = (
        b'{"toolCall":{"functionCalls":[{"id":"1","name":"f","args":{"user_id":{"turn_x":1}}}]}}'
    )
    call = decode_server(frame).message.tool_call
    assert call is not None
    assert call.function_calls[0].args == {"user_id": {"turn_x": 1}}


SALVAGED = [
    (
        {"serverContent": {"turnComplete": 5, "inputTranscription": {"text": "a"}}},
        {"serverContent": {"inputTranscription": {"text": "a"}}},
        ["serverContent.turnComplete"],
    ),
    (
        {"serverContent": 5, "goAway": {"timeLeft": "1s"}},
        {"goAway": {"timeLeft": "1s"}},
        ["serverContent"],
    ),
    (
        {"goAway": {"timeLeft": 5}, "serverContent": {"interrupted": True}},
        {"serverContent": {"interrupted": True}},
        ["goAway"],
    ),
    (
        {"server_content": {"model_turn": [], "turn_complete": True}, "usage_metadata": 1},
        {"serverContent": {"turnComplete": True}},
        ["usageMetadata", "serverContent.modelTurn"],
    ),
    ({"serverContent": []}, {}, ["serverContent"]),
    ({"error": "quota"}, {}, ["error"]),
    ({"serverContent": {"interrupted": []}}, {"serverContent": {}}, ["serverContent.interrupted"]),
]


@pytest.mark.parametrize(("tree", "readable", "skipped"), SALVAGED)
def test_a_field_of_the_wrong_type_costs_that_field_alone(
    tree: dict[str, Any], readable: dict[str, Any], skipped: list[str]
) -> None:
    decoded = decode_server(json.dumps(tree).encode())
    assert decoded.message == decode_server(json.dumps(readable).encode()).message
    assert sorted(entry.split(":")[0] for entry in decoded.skipped) == sorted(skipped)


DEEP = b'{"a":' * 100_000
NO_MESSAGES = [
    b"",
    b" ",
    b"{",
    b"{}{}",
    b"null",
    b"[]",
    b"5",
    b'"text"',
    b"\xff",
    b'{"serverContent":{"modelTurn":{"parts":[{"text":"\xff"}]}}}',
    b'{"x_y":"\xff"}',
    DEEP,
    b'{"toolCall":{"functionCalls":[{"args":' + DEEP,
    b'{"tool_call":{"functionCalls":' + b"[" * 100_000,
]


@pytest.mark.parametrize("frame", NO_MESSAGES)
def test_what_is_no_message_is_a_frame_error(frame: bytes) -> None:
    with pytest.raises(FrameError):
        decode_server(frame)
    with pytest.raises(FrameError):
        decode_client(frame)


def test_a_frame_error_does_not_repeat_the_frame() -> None:
    with pytest.raises(FrameError) as error:
        decode_server(b'{"sessionResumptionUpdate":{"newHandle":"secret-handle"')
    assert "secret" not in str(error.value)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_frame_errors(frame: bytes) -> None:
    for decode, errors in (
        (decode_server, (FrameError,)),
        (decode_client, (FrameError, UnknownNameError)),
    ):
        with contextlib.suppress(*errors):
            decode(frame)


names = st.sampled_from(
    [
        "serverContent",
        "server_content",
        "modelTurn",
        "parts",
        "inlineData",
        "text",
        "toolCall",
        "functionCalls",
        "args",
        "setupComplete",
        "turn_complete",
        "usageMetadata",
        "totalTokenCount",
        "goAway",
        "realtimeInput",
        "setup",
        "tools",
        "x",
    ]
)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(names, trees, max_size=4))
def test_every_json_object_is_a_message(tree: dict[str, Any]) -> None:
    frame = json.dumps(tree).replace("NaN", "0").replace("-Infinity", "0").replace("Infinity", "0")
    assert isinstance(decode_server(frame.encode()).message, ServerMessage)


@given(data=st.binary(max_size=300), cut=st.integers(0, 400), flip=st.integers(0, 255))
def test_a_damaged_frame_raises_nothing_but_a_frame_error(data: bytes, cut: int, flip: int) -> None:
    blob = Blob(mime_type="audio/pcm;rate=24000", data=base64.urlsafe_b64encode(data).decode())
    frame = bytearray(
        encode(
            ServerMessage(
                server_content=ServerContent(model_turn=Content(parts=[Part(inline_data=blob)]))
            )
        )
    )
    if cut < len(frame):
        frame[cut] ^= flip
    with contextlib.suppress(FrameError):
        decode_server(bytes(frame))


CLIENT = [
    '{"setup":{"model":"models/m","generationConfig":{"responseModalities":["AUDIO"]}}}',
    '{"client_content":{"turns":[{"role":"user","parts":[{"text":"Hi"}]}],"turn_complete":true}}',
    '{"realtime_input":{"audio":{"mime_type":"audio/pcm;rate=16000","data":"AA-_"}}}',
    '{"realtimeInput":{"activityStart":{}}}',
    '{"tool_response":{"function_responses":[{"id":"1","response":{"a_b":1}}]}}',
    '{"contextUpdate":{"tools":{"tools":[]}}}',
    '{"setup":{"contextWindowCompression":{"triggerTokens":"5","slidingWindow":{}}}}',
]


@pytest.mark.parametrize("frame", CLIENT)
@pytest.mark.parametrize("as_text", [True, False])
def test_a_frame_from_a_client_is_read_as_text_or_bytes(frame: str, as_text: bool) -> None:
    message = decode_client(frame if as_text else frame.encode())
    assert decode_client(encode(message)) == message
    assert message != decode_client("{}")


@pytest.mark.parametrize(
    ("frame", "name", "at"),
    [
        ('{"setup":{"proactivty":{}}}', "proactivty", "setup"),
        ('{"setup":{},"extra":1}', "extra", ""),
        ('{"realtimeInput":{"audio":{"mimetype":"x"}}}', "mimetype", "realtime_input.audio"),
    ],
)
def test_a_client_is_read_as_strictly_as_by_the_service(frame: str, name: str, at: str) -> None:
    with pytest.raises(UnknownNameError) as unknown:
        decode_client(frame)
    assert (unknown.value.name, unknown.value.at) == (name, at)


@pytest.mark.parametrize(
    "frame",
    [
        '{"setup":5}',
        '{"clientContent":{"turns":{}}}',
        '{"toolResponse":{"functionResponses":[{"response":[]}]}}',
        '{"setup":{"tools":[{"functionDeclarations":[{"description":"no name"}]}]}}',
    ],
)
def test_a_value_of_the_wrong_type_from_a_client_is_a_frame_error(frame: str) -> None:
    with pytest.raises(FrameError):
        decode_client(frame)


def test_a_setup_is_sent_with_the_users_own_fields() -> None:
    setup: dict[str, object] = {"model": "models/m", "brand_new": {"a": None}}
    assert json.loads(encode_setup(setup)) == {"setup": setup}


def test_a_null_of_a_client_counts_as_unset() -> None:
    message = decode_client(b'{"clientContent":{"turns":null,"turnComplete":null}}')
    assert message == ClientMessage(client_content=ClientContent())
