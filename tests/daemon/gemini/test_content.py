"""What both directions carry (wire 2.2, 3.2)."""

import msgspec
import pytest

from livehandled.gemini.client import (
    Activity,
    ClientContent,
    ClientMessage,
    ContextUpdate,
    RealtimeInput,
    ToolList,
    ToolResponse,
)
from livehandled.gemini.codec import encode
from livehandled.gemini.content import (
    Blob,
    Content,
    FunctionCall,
    FunctionResponse,
    Part,
    is_deep,
    text_content,
)
from livehandled.gemini.server import (
    ModalityTokens,
    ServerContent,
    ServerMessage,
    SetupComplete,
    ToolCall,
    Transcription,
    UsageMetadata,
)
from livehandled.gemini.setup import (
    AutomaticActivityDetection,
    RealtimeInputConfig,
    SessionResumption,
    Setup,
    Tool,
)

AUDIO = Blob(mime_type="audio/pcm;rate=16000", data="AAAA")

ON_THE_WIRE = [
    (
        ClientMessage(client_content=ClientContent(turns=[text_content("Hi", "user")])),
        '{"clientContent":{"turns":[{"parts":[{"text":"Hi"}],"role":"user"}]}}',
    ),
    (
        ClientMessage(client_content=ClientContent(turn_complete=True)),
        '{"clientContent":{"turnComplete":true}}',
    ),
    (
        ClientMessage(realtime_input=RealtimeInput(audio=AUDIO)),
        '{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"AAAA"}}}',
    ),
    (
        ClientMessage(realtime_input=RealtimeInput(activity_start=Activity())),
        '{"realtimeInput":{"activityStart":{}}}',
    ),
    (
        ClientMessage(realtime_input=RealtimeInput(audio_stream_end=True)),
        '{"realtimeInput":{"audioStreamEnd":true}}',
    ),
    (
        ClientMessage(
            tool_response=ToolResponse(
                function_responses=[
                    FunctionResponse(
                        id="1",
                        name="f",
                        response={"my_own": 1},
                        scheduling="SILENT",
                        will_continue=False,
                    )
                ]
            )
        ),
        (
            '{"toolResponse":{"functionResponses":[{"id":"1","name":"f","response":{"my_own":1},'
            '"scheduling":"SILENT","willContinue":false}]}}'
        ),
    ),
    (
        ClientMessage(context_update=ContextUpdate(tools=ToolList())),
        '{"contextUpdate":{"tools":{}}}',
    ),
    (
        ClientMessage(setup=Setup(model="models/m", session_resumption=SessionResumption())),
        '{"setup":{"model":"models/m","sessionResumption":{}}}',
    ),
    (
        ClientMessage(
            setup=Setup(
                tools=[Tool(google_search={})],
                realtime_input_config=RealtimeInputConfig(
                    automatic_activity_detection=AutomaticActivityDetection(
                        disabled=True, silence_duration_ms=500
                    )
                ),
            )
        ),
        (
            '{"setup":{"tools":[{"googleSearch":{}}],"realtimeInputConfig":'
            '{"automaticActivityDetection":{"disabled":true,"silenceDurationMs":500}}}}'
        ),
    ),
    (ServerMessage(setup_complete=SetupComplete()), '{"setupComplete":{}}'),
    (
        ServerMessage(
            server_content=ServerContent(
                model_turn=Content(role="model", parts=[Part(inline_data=AUDIO)]),
                output_transcription=Transcription(text="Hi"),
            )
        ),
        (
            '{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=16000",'
            '"data":"AAAA"}}],"role":"model"},"outputTranscription":{"text":"Hi"}}}'
        ),
    ),
    (
        ServerMessage(
            server_content=ServerContent(turn_complete=True),
            usage_metadata=UsageMetadata(
                total_token_count=0,
                response_tokens_details=[ModalityTokens(modality="AUDIO", token_count=3)],
            ),
        ),
        (
            '{"serverContent":{"turnComplete":true},"usageMetadata":{"totalTokenCount":0,'
            '"responseTokensDetails":[{"modality":"AUDIO","tokenCount":3}]}}'
        ),
    ),
    (
        ServerMessage(tool_call=ToolCall(function_calls=[FunctionCall(id="1", name="f")])),
        '{"toolCall":{"functionCalls":[{"id":"1","name":"f"}]}}',
    ),
]


@pytest.mark.parametrize(("message", "frame"), ON_THE_WIRE)
def test_a_message_is_camel_case_without_what_is_not_set(
    message: ClientMessage | ServerMessage, frame: str
) -> None:
    assert encode(message).decode() == frame


@pytest.mark.parametrize(("message", "frame"), ON_THE_WIRE)
def test_a_message_is_read_as_it_was_written(
    message: ClientMessage | ServerMessage, frame: str
) -> None:
    assert msgspec.json.decode(frame, type=type(message)) == message


def test_text_content_is_one_text_part() -> None:
    assert text_content("Hi") == Content(parts=[Part(text="Hi")], role=None)


def test_no_two_messages_share_a_default() -> None:
    assert Content().parts is not Content().parts
    assert FunctionResponse().response is not FunctionResponse().response


@pytest.mark.parametrize(("levels", "deep"), [(1, False), (64, False), (65, True), (100_000, True)])
@pytest.mark.parametrize("kind", ["list", "object"])
def test_what_stands_too_deep_is_known_however_deep_it_is(
    levels: int, deep: bool, kind: str
) -> None:
    value: object = 0
    for _ in range(levels):
        value = [1, value] if kind == "list" else {"a": 1, "b": value}
    assert is_deep(value) == deep
    while isinstance(value, list | dict):  # to be freed one by one, and not by recursion
        value = value[1] if isinstance(value, list) else value["b"]
