"""The frames a running session sends (wire 2.2 to 2.4)."""

from collections.abc import Sequence

from livehandle_proto.methods import ToolAnswer
from livehandled.gemini.client import ClientContent, ClientMessage, RealtimeInput, ToolResponse
from livehandled.gemini.codec import encode
from livehandled.gemini.content import Blob, FunctionResponse, Object, text_content

_AUDIO = "audio/pcm;rate=16000"
_PICTURE = "image/jpeg"


def text_turn(text: str) -> bytes:
    """Return one typed turn that wants a reply (B1)."""
    turn = ClientContent(turns=[text_content(text, "user")], turn_complete=True)
    return encode(ClientMessage(client_content=turn))


def audio(data: str) -> bytes:
    """Return a chunk of microphone audio, its base64 as it came (B5)."""
    blob = Blob(mime_type=_AUDIO, data=data)
    return encode(ClientMessage(realtime_input=RealtimeInput(audio=blob)))


def video(data: str) -> bytes:
    """Return one picture, its base64 as it came (B4)."""
    blob = Blob(mime_type=_PICTURE, data=data)
    return encode(ClientMessage(realtime_input=RealtimeInput(video=blob)))


def tool_response(answers: Sequence[ToolAnswer]) -> bytes:
    """Return the answers to calls. One that came without an id is answered without (wire 2.4)."""
    responses = [
        FunctionResponse(
            id=answer.id or None,
            name=answer.name,
            response=_as_object(answer.response),
            scheduling=answer.scheduling,
            will_continue=answer.will_continue,
        )
        for answer in answers
    ]
    return encode(ClientMessage(tool_response=ToolResponse(function_responses=responses)))


def _as_object(result: object) -> Object:
    """Return a result as an object (B19), and not as an empty one: that would be left out."""
    return result if isinstance(result, dict) and result else {"output": result}
