"""What the journal says of a message."""

import pytest

from livehandle_emulator.journal import told_of, told_to
from livehandled.gemini.client import (
    ClientContent,
    ClientMessage,
    RealtimeInput,
    ToolResponse,
)
from livehandled.gemini.content import Blob, FunctionCall, FunctionResponse, text_content
from livehandled.gemini.server import (
    GoAway,
    ServerContent,
    ServerMessage,
    SessionResumptionUpdate,
    ToolCall,
    ToolCallCancellation,
    Transcription,
)
from livehandled.gemini.setup import SessionResumption, Setup

SETUP = Setup(model="models/m", session_resumption=SessionResumption(handle="secret"))
FOUR_BYTES = Blob(mime_type="audio/pcm", data="AAAAAA==")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (ClientMessage(setup=SETUP), {"kinds": ["setup"]}),
        (
            ClientMessage(
                client_content=ClientContent(
                    turns=[text_content("a", "user"), text_content("b")], turn_complete=True
                )
            ),
            {
                "kinds": ["client_content"],
                "turns": [{"role": "user", "text": "a"}, {"role": None, "text": "b"}],
                "turn_complete": True,
            },
        ),
        (
            ClientMessage(realtime_input=RealtimeInput(text="a")),
            {"kinds": ["text"], "text": "a"},
        ),
        (ClientMessage(realtime_input=RealtimeInput(audio=FOUR_BYTES)), {"kinds": ["audio"]}),
        (
            ClientMessage(
                tool_response=ToolResponse(
                    function_responses=[FunctionResponse(id="1", response={"output": 2})]
                )
            ),
            {"kinds": ["tool_response"], "answers": [{"id": "1", "response": {"output": 2}}]},
        ),
    ],
)
def test_of_what_a_client_sends_the_words_are_told(
    message: ClientMessage, told: dict[str, object]
) -> None:
    assert told_of(message) == told


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            ServerMessage(
                server_content=ServerContent(
                    model_turn=text_content("a", "model"),
                    output_transcription=Transcription(text="b"),
                )
            ),
            {"kinds": ["model_turn", "output_transcription"], "text": "ab"},
        ),
        (
            ServerMessage(server_content=ServerContent(turn_complete=True)),
            {"kinds": ["turn_complete"]},
        ),
        (
            ServerMessage(tool_call=ToolCall(function_calls=[FunctionCall(id="1", name="f")])),
            {"kinds": ["tool_call"], "calls": [{"id": "1", "name": "f", "args": {}}]},
        ),
        (
            ServerMessage(tool_call_cancellation=ToolCallCancellation(ids=["1"])),
            {"kinds": ["tool_call_cancellation"], "cancelled": ["1"]},
        ),
        (
            ServerMessage(
                session_resumption_update=SessionResumptionUpdate(
                    new_handle="secret", resumable=True
                )
            ),
            {"kinds": ["resumption_update"], "resumable": True},
        ),
        (
            ServerMessage(go_away=GoAway(time_left="5s")),
            {"kinds": ["go_away"], "time_left": "5s"},
        ),
    ],
)
def test_of_what_it_is_sent_too(message: ServerMessage, told: dict[str, object]) -> None:
    assert told_to(message) == told
