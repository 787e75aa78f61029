"""`generateContent`: one answer of a model, outside the live session, as JSON by a schema.

POST {base}/{version}/models/{id}:generateContent, or on Vertex AI
{base}/{version}/projects/{p}/locations/{l}/publishers/google/models/{id}:generateContent, with
the credentials of the session.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Session
from livehandled.gemini.auth import Credentials
from livehandled.gemini.closing import meaning_of_http
from livehandled.gemini.endpoints import endpoint, model_name, version_of

DEFAULT_MODEL = "gemini-flash-latest"
"""An alias of the service for its current small model."""

_SCHEMES = {"ws": "http", "wss": "https"}
_NULLS = "Use null for every field that the text does not state: never guess, never fill in."


class Service(NamedTuple):
    """Where to ask, and as whom: a session's configuration and credentials."""

    session: Session
    credentials: Credentials
    emulator_url: str = ""

    def url(self, model: str) -> str:
        """Return the URL for a model, without any key of ours. Raises as `endpoint` does."""
        session = msgspec.structs.replace(self.session, model=model)
        live = urlsplit(endpoint(session, self.emulator_url))
        prefix = live.path.rpartition("/ws/google.")[0]
        version = version_of(session)
        path = f"{prefix}/{version}/{quote(model_name(session))}:generateContent"
        return urlunsplit((_SCHEMES[live.scheme], live.netloc, path, live.query, ""))


def request(
    instruction: str, text: str, schema: Mapping[str, object] | None, *, think: bool
) -> bytes:
    """Return the body that asks for JSON.

    Without `think` the model is told not to; some refuse that (`refuses_not_to_think`). The
    schema's own properties are made nullable (Q7).
    """
    config: dict[str, object] = {"responseMimeType": "application/json"}
    if schema is not None:
        config["responseJsonSchema"] = nullable(schema)
    if not think:
        config["thinkingConfig"] = {"thinkingBudget": 0}
    parts = [part for part in (instruction, _NULLS) if part]
    return msgspec.json.encode(
        {
            "systemInstruction": {"parts": [{"text": "\n\n".join(parts)}]},
            "contents": [{"role": "user", "parts": [{"text": text}]}],
            "generationConfig": config,
        }
    )


def nullable(schema: Mapping[str, object]) -> dict[str, object]:
    """Return the schema with every property of its top level allowed to be null."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return dict(schema)
    return {**schema, "properties": {key: _or_null(value) for key, value in properties.items()}}


def _or_null(schema: object) -> object:
    if not isinstance(schema, Mapping):
        return schema
    kinds = schema.get("type")
    if isinstance(kinds, str):
        kinds = [kinds]
    if not isinstance(kinds, list) or "enum" in schema or "const" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema if "null" in kinds else {**schema, "type": [*kinds, "null"]}


def refuses_not_to_think(status: int, body: bytes) -> bool:
    """Return whether the model does nothing without thinking: then ask it with `think`."""
    return status == 400 and b"think" in body.lower()


def refusal(status: int, body: bytes, secrets: Sequence[str]) -> LiveHandleError:
    """Return the error that an HTTP status other than 200 means, without any secret."""
    error = meaning_of_http(status, body, secrets)
    if status not in {400, 404} or error.name == "auth.rejected":
        return error
    name = "upstream.model_not_found" if status == 404 else error.name
    happened = error.message.partition(": ")[2]
    return LiveHandleError(
        name, f"Check the extractor's model and schema: {happened}", **error.data
    )


class _Part(msgspec.Struct, frozen=True):
    text: str = ""
    thought: bool = False


class _Content(msgspec.Struct, frozen=True):
    parts: list[_Part] = []


class _Candidate(msgspec.Struct, frozen=True, rename="camel"):
    content: _Content = _Content()
    finish_reason: str = ""


class _Feedback(msgspec.Struct, frozen=True, rename="camel"):
    block_reason: str = ""


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback = _Feedback()


_decoder = msgspec.json.Decoder(_Answer)


def answer(body: bytes) -> object:
    """Return the JSON the model answered. Raises `extraction.failed` where it is none.

    Thoughts are left out, and a code fence around the JSON is taken off (Q7).
    """
    try:
        decoded = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _failed("Check session.base_url: the service's answer is not its own") from error
    if not decoded.candidates:
        why = decoded.prompt_feedback.block_reason or "no reason"
        raise _failed(f"Change the extractor's prompt: the model gave no answer, for {why}")
    candidate = decoded.candidates[0]
    text = "".join(part.text for part in candidate.content.parts if not part.thought)
    try:
        value: object = json.loads(without_fence(text), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        why = candidate.finish_reason or "no reason"
        raise _failed(
            f"Give the extractor a schema, or a simpler one: the model answered with what is no "
            f"JSON, and ended for {why}"
        ) from error
    return value


def without_fence(text: str) -> str:
    """Return the text without a code fence around it (Q7)."""
    text = text.strip()
    if not text.startswith("```"):
        return text
    first, _, rest = text.partition("\n")
    body = rest or first.removeprefix("```").removeprefix("json")
    return body.rstrip().removesuffix("```").strip()


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _failed(message: str) -> LiveHandleError:
    return LiveHandleError("extraction.failed", f"{message}.")
