"""What a client sends: one of five kinds a frame (wire 2)."""

from livehandled.gemini.content import Blob, Content, FunctionResponse, Message
from livehandled.gemini.setup import Setup, Tool


class ClientContent(Message, frozen=True, kw_only=True):
    """Turns appended to the history; `turn_complete` asks for a reply now (wire 2.2)."""

    turns: list[Content] = []
    turn_complete: bool = False


class Activity(Message, frozen=True, kw_only=True):
    """The empty body of an activity mark."""


class RealtimeInput(Message, frozen=True, kw_only=True):
    """Live input, one kind a message (wire 2.3). `media_chunks` is the form of 2024."""

    audio: Blob | None = None
    video: Blob | None = None
    text: str | None = None
    activity_start: Activity | None = None
    activity_end: Activity | None = None
    audio_stream_end: bool | None = None
    media_chunks: list[Blob] | None = None


class ToolResponse(Message, frozen=True, kw_only=True):
    """Answers to calls (wire 2.4)."""

    function_responses: list[FunctionResponse] = []


class ToolList(Message, frozen=True, kw_only=True):
    """The wrapper that tells "no tools" from "keep the tools" (wire 2.5)."""

    tools: list[Tool] = []


class ContextUpdate(Message, frozen=True, kw_only=True):
    """Replaces the instruction, the tools, or both; what is unset stays (wire 2.5)."""

    system_instruction: Content | None = None
    tools: ToolList | None = None


class ClientMessage(Message, frozen=True, kw_only=True):
    """One frame to the service: exactly one field is set."""

    setup: Setup | None = None
    client_content: ClientContent | None = None
    realtime_input: RealtimeInput | None = None
    tool_response: ToolResponse | None = None
    context_update: ContextUpdate | None = None
