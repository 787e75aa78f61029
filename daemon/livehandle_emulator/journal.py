"""What the journal says of a message: its kinds, and its words without its media."""

from livehandle_emulator.faults import client_kinds, server_kinds
from livehandled.gemini.client import ClientMessage
from livehandled.gemini.content import Content
from livehandled.gemini.server import ServerMessage


def told_of(message: ClientMessage) -> dict[str, object]:
    """Return what is told of a message of the client's. Of a setup only that it is one."""
    told: dict[str, object] = {"kinds": sorted(client_kinds(message))}
    content, live, response = message.client_content, message.realtime_input, message.tool_response
    if content is not None:
        told["turns"] = [{"role": turn.role, "text": _text(turn)} for turn in content.turns]
        told["turn_complete"] = content.turn_complete
    if live is not None and live.text is not None:
        told["text"] = live.text
    if response is not None:
        told["answers"] = [
            {"id": answer.id, "response": answer.response} for answer in response.function_responses
        ]
    return told


def told_to(message: ServerMessage) -> dict[str, object]:
    """Return what is told of a message to the client. Of a handle only that there is one."""
    told: dict[str, object] = {"kinds": sorted(server_kinds(message))}
    content = message.server_content
    if content is not None:
        words = [
            _text(content.model_turn) if content.model_turn else "",
            content.input_transcription.text if content.input_transcription else "",
            content.output_transcription.text if content.output_transcription else "",
        ]
        if any(words):
            told["text"] = "".join(words)
    if message.tool_call is not None:
        told["calls"] = [
            {"id": call.id, "name": call.name, "args": call.args}
            for call in message.tool_call.function_calls
        ]
    if message.tool_call_cancellation is not None:
        told["cancelled"] = message.tool_call_cancellation.ids
    if message.session_resumption_update is not None:
        told["resumable"] = bool(message.session_resumption_update.resumable)
    if message.go_away is not None:
        told["time_left"] = message.go_away.time_left
    return told


def _text(turn: Content) -> str:
    return "\n".join(part.text for part in turn.parts if part.text)
