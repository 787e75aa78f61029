"""The frames a running session sends (wire 2.2 to 2.5)."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from livehandle_proto.methods import ToolAnswer
from livehandled.gemini.client import (
    Activity,
    ClientContent,
    ClientMessage,
    ContextUpdate,
    RealtimeInput,
    ToolResponse,
)
from livehandled.gemini.codec import encode
from livehandled.gemini.content import (
    OWN_ID,
    Blob,
    Content,
    FunctionResponse,
    as_object,
    text_content,
)
from livehandled.gemini.models import InPlace, Traits

_AUDIO = "audio/pcm;rate=16000"
_PICTURE = "image/jpeg"
_NOTE = "From now on these instructions replace those you were given before:\n\n"
# What ends a seed that is no announced history: such must not end with the model's words.
_GOES_ON = "(The connection was renewed. The conversation goes on from here.)"

# All frames of audio are the same but for their data, and there are fifty a second.
_BEFORE_AUDIO, _AFTER_AUDIO = encode(
    ClientMessage(realtime_input=RealtimeInput(audio=Blob(mime_type=_AUDIO, data="|")))
).split(b"|")

Role = Literal["user", "model"]
"""Who said a turn of the history."""


def text_turn(text: str, model: Traits) -> bytes:
    """Return one typed turn that wants a reply, in the way the model takes it (B1, wire 4.5)."""
    if model.typed_turn == "realtime":
        return encode(ClientMessage(realtime_input=RealtimeInput(text=text)))
    return client_content([text_content(text, "user")], turn_complete=True)


def ask(model: Traits) -> bytes:
    """Return what wants a reply to what was said before, and says nothing itself (wire 4.5)."""
    if model.typed_turn == "realtime":
        return text_turn(" ", model)
    return client_content((), turn_complete=True)


def seed(
    turns: Sequence[tuple[Role, str]], model: Traits, *, announced: bool = True
) -> list[bytes]:
    """Return what was said before: it is known then, and not answered.

    They are the first frames after the setup. `announced`: that was made for seeding a fresh
    session. No turns are no frames: an announced history that does not come would swallow the
    user's first turn (wire 4.5).
    """
    if not turns:
        return []
    contents = [text_content(text, role) for role, text in turns]
    if announced and model.seed == "history":
        return [client_content(contents, turn_complete=True)]
    if model.seed != "history" and turns[-1][0] == "model":
        contents.append(text_content(_GOES_ON, "user"))
    return [client_content(contents, turn_complete=False)]


def client_content(turns: Sequence[Content], *, turn_complete: bool) -> bytes:
    """Return turns for the model's history; `turn_complete` has it speak now (wire 2.2)."""
    content = ClientContent(turns=list(turns), turn_complete=turn_complete)
    return encode(ClientMessage(client_content=content))


def activity_start() -> bytes:
    """Return the mark of speech that begins, for a service that does not detect it (B13)."""
    return encode(ClientMessage(realtime_input=RealtimeInput(activity_start=Activity())))


def activity_end() -> bytes:
    """Return the mark of speech that ends (B13)."""
    return encode(ClientMessage(realtime_input=RealtimeInput(activity_end=Activity())))


def instruction(text: str, how: InPlace) -> bytes:
    """Return another instruction, in the way the model takes it (B17, wire 4.6)."""
    if how == "context_update":
        update = ContextUpdate(system_instruction=text_content(text))
        return encode(ClientMessage(context_update=update))
    if how == "system_turn":
        return client_content([text_content(text, "system")], turn_complete=False)
    return client_content([text_content(_NOTE + text, "user")], turn_complete=False)


def tools(declared: Sequence[Mapping[str, object]]) -> bytes:
    """Return the tool list that replaces the one the model has (wire 2.5)."""
    return msgspec.json.encode({"contextUpdate": {"tools": {"tools": declared}}})


def audio(data: str) -> bytes:
    """Return a chunk of microphone audio, its base64 as it came (B5): nothing else may be given."""
    return b"%b%b%b" % (_BEFORE_AUDIO, data.encode("ascii"), _AFTER_AUDIO)


def video(data: str) -> bytes:
    """Return one picture, its base64 as it came (B4)."""
    blob = Blob(mime_type=_PICTURE, data=data)
    return encode(ClientMessage(realtime_input=RealtimeInput(video=blob)))


def tool_response(answers: Sequence[ToolAnswer], model: Traits) -> bytes:
    """Return the answers to calls. One that came without an id is answered without (wire 2.4).

    What the model does not take of them is left out, for it would close the session (B18).
    """
    responses = [
        FunctionResponse(
            id=None if answer.id.startswith(OWN_ID) else answer.id or None,
            name=answer.name,
            response=as_object(answer.response),
            scheduling=answer.scheduling if model.scheduling else None,
            will_continue=answer.will_continue if model.will_continue else None,
        )
        for answer in answers
    ]
    return encode(ClientMessage(tool_response=ToolResponse(function_responses=responses)))
