"""What both directions carry: content, its parts, and tool calls (wire 2.2, 3.2)."""

from collections.abc import Iterable

from msgspec import Struct

Object = dict[str, object]
"""A JSON object whose names are the user's own, never the protocol's."""


class Message(Struct, rename="camel", omit_defaults=True, frozen=True, kw_only=True):
    """Base of every JSON object of the protocol: camelCase on the wire, defaults left out."""


class Blob(Message, frozen=True, kw_only=True):
    """Bytes with their type. `data` is base64 text, kept as it came."""

    mime_type: str = ""
    data: str = ""
    display_name: str | None = None


class FileData(Message, frozen=True, kw_only=True):
    """A file the service can fetch by itself."""

    mime_type: str = ""
    file_uri: str = ""
    display_name: str | None = None


class FunctionCall(Message, frozen=True, kw_only=True):
    """One call the model makes. Vertex may leave `id` out, and may stream the arguments."""

    id: str = ""
    name: str = ""
    args: Object = {}
    partial_args: list[Object] | None = None
    will_continue: bool | None = None


class FunctionResponsePart(Message, frozen=True, kw_only=True):
    """A picture or file that belongs to a function's result."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(Message, frozen=True, kw_only=True):
    """The answer to one call (wire 2.4). `response` must be a JSON object."""

    id: str | None = None
    name: str | None = None
    response: Object = {}
    scheduling: str | None = None
    will_continue: bool | None = None
    parts: list[FunctionResponsePart] | None = None


class ExecutableCode(Message, frozen=True, kw_only=True):
    """Code the model wrote to run at the service."""

    id: str | None = None
    language: str = ""
    code: str = ""


class CodeExecutionResult(Message, frozen=True, kw_only=True):
    """What the model's code printed at the service."""

    id: str | None = None
    outcome: str = ""
    output: str = ""


class Part(Message, frozen=True, kw_only=True):
    """One piece of content: exactly one of the data fields is set, plus notes about it."""

    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    video_metadata: Object | None = None
    media_resolution: Object | None = None
    part_metadata: Object | None = None


class Content(Message, frozen=True, kw_only=True):
    """Parts by one speaker: `role` is `user` or `model` (`system` on Vertex 2.5 alone)."""

    parts: list[Part] = []
    role: str | None = None


MOST_LEVELS = 64
"""How deep lists and objects may stand in one another. The service takes 100 levels of a message
(the limit of protocol buffers); a frame adds some, and whoever shows it adds some more."""

OWN_ID = "~"
"""How an id begins that the daemon made up for a call that came without one (Vertex, wire 2.6)."""


def is_deep(value: object) -> bool:
    """Return whether a JSON value has more than `MOST_LEVELS` levels."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [inner for one in level for inner in _inside(one)]
    return bool(level)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def text_of(content: Content) -> str:
    """Return the text of a turn's parts."""
    return "".join(part.text or "" for part in content.parts)


def text_content(text: str, role: str | None = None) -> Content:
    """Return content of one text part."""
    return Content(parts=[Part(text=text)], role=role)


def as_object(result: object) -> Object:
    """Return a function's result as an object, never an empty one: it would be left out (B19)."""
    return result if isinstance(result, dict) and result else {"output": result}
