r"""`generateContent`, a request and an answer over plain HTTP beside the live sessions.

The answer is JSON for the given schema, filled in from the text by plain rules, no model. Of a
property what the text says last counts, and what it does not say is null:

- `enum`: the value that is found in the text as a word
- a string: what follows `NAME is`, `NAME:` or `NAME =`, to the end of the clause
- a number or integer: the first number that follows `NAME`, at most a few words behind it
- a boolean: true where `NAME` is found
- an array of an enum: every value that is found; any other array: null
- an object: the same rules for its own properties

`NAME` is the property's name, in any case, underscores standing for spaces as well. Without
`responseMimeType: application/json` the answer repeats the text. Two refusals of the service are
rehearsed: a live model cannot be asked, and a model with `pro` in its id does not take a
`thinkingBudget` of 0.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from livehandle_emulator.endpoint import Endpoint, credential_of, refused_session, refused_upgrade
from livehandle_emulator.exchange import Json, RefusedRequestError, Request, invalid
from livehandle_emulator.models import model_of
from livehandle_emulator.scenario import Scenario

_TARGET = re.compile(
    r"/+(?P<version>v\d\w*)/(?P<model>(?:models|tunedModels)/[^/:]+"
    r"|(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/[^/:]+):generateContent"
)
_MAX_DEPTH = 16
_LONGEST_REPEAT = 200


def respond(request: Request, scenario: Scenario) -> Json:
    """Return the body of the answer. Raises `RefusedRequestError`."""
    match = _TARGET.fullmatch(unquote(urlsplit("//host" + request.target).path))
    if request.method != "POST" or match is None:
        raise RefusedRequestError(404, "NOT_FOUND", "Requested entity was not found.")
    name = match["model"]
    vertex = "publishers/" in name
    credential = credential_of(request.target, request.headers)
    _check_credential(Endpoint(vertex, match["version"]), credential, scenario)
    model = _model_id(name, vertex, match["version"], scenario)
    try:
        body = msgspec.json.decode(request.body, type=Json)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid("Invalid JSON payload received. Unexpected token.") from error
    text = _text_of(body)
    config = _object(_field(body, "generationConfig"))
    thinking = _object(_field(config, "thinkingConfig"))
    if "pro" in model.split("-") and _field(thinking, "thinkingBudget") == 0:
        raise invalid("Budget 0 is invalid. This model only works in thinking mode.")
    return _reply(model, text, _said(config, text))


def filled(schema: object, text: str, name: str = "", depth: int = 0) -> object:
    """Return a value for a schema, from what the text says of `name`; None if nothing."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    variants = schema.get("anyOf", schema.get("any_of"))
    if isinstance(variants, list):
        values = (filled(variant, text, name, depth + 1) for variant in variants)
        return next((value for value in values if value is not None), None)
    choices = schema.get("enum")
    if isinstance(choices, list):
        return next((value for value, _ in reversed(_mentioned(choices, text))), None)
    kinds = schema.get("type")
    kind = next((k for k in (kinds if isinstance(kinds, list) else [kinds]) if k != "null"), "")
    return _of_kind(str(kind).lower(), schema, text, name, depth)


def _of_kind(kind: str, schema: Mapping[str, object], text: str, name: str, depth: int) -> object:
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        return {key: filled(inner, text, str(key), depth + 1) for key, inner in properties.items()}
    if kind == "array":
        choices = _object(schema.get("items")).get("enum")
        found = _mentioned(choices, text) if isinstance(choices, list) else []
        return list(dict.fromkeys(value for value, _ in found)) or None
    if kind == "boolean":
        return True if _after(name, "", text) is not None else None
    if kind == "string":
        return _after(name, r"\s*(?:\bis\b|[:=])\s*([^\n.,;]+)", text)
    if kind in {"number", "integer"}:
        number = _after(name, r"(?:\W+[a-z]+){0,4}?\W*?(-?\d+(?:\.\d+)?)", text)
        return (
            None if number is None else (int(float(number)) if kind == "integer" else float(number))
        )
    return None


def _after(name: str, what: str, text: str) -> str | None:
    """Return what follows the name where it last stands, in the form given; None if nothing."""
    spelled = re.escape(name).replace("_", "[ _]")
    matches = list(re.finditer(rf"\b{spelled}\b{what}", text, re.IGNORECASE)) if name else []
    return matches[-1][matches[-1].re.groups].strip() if matches else None


def _mentioned(choices: list[object], text: str) -> list[tuple[object, int]]:
    """Return the choices that stand in the text as words, with where they last do, in order."""
    found = []
    for choice in choices:
        spots = [
            m.start() for m in re.finditer(rf"\b{re.escape(str(choice))}\b", text, re.IGNORECASE)
        ]
        if choice is not None and spots:
            found.append((choice, spots[-1]))
    return sorted(found, key=lambda each: each[1])


def _said(config: Json, text: str) -> str:
    if _field(config, "responseMimeType") != "application/json":
        return f"You typed: {text[:_LONGEST_REPEAT]}"
    schema = _field(config, "responseJsonSchema") or _field(config, "responseSchema")
    return msgspec.json.encode(filled(schema, text) if schema else {}).decode()


def _reply(model: str, text: str, said: str) -> Json:
    prompt, spoken = len(text.split()), len(said.split())
    content = {"role": "model", "parts": [{"text": said}]}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": prompt,
            "candidatesTokenCount": spoken,
            "totalTokenCount": prompt + spoken,
        },
        "modelVersion": model,
    }


def _text_of(body: Json) -> str:
    contents = _field(body, "contents")
    if not isinstance(contents, list) or not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    parts = [part for content in contents for part in _parts_of(content)]
    return "\n".join(str(_object(part).get("text", "")) for part in parts)


def _parts_of(content: object) -> list[object]:
    parts = _object(content).get("parts")
    return parts if isinstance(parts, list) else []


def _check_credential(endpoint: Endpoint, credential: str | None, scenario: Scenario) -> None:
    if refused_upgrade(endpoint, credential, scenario.keys):
        raise RefusedRequestError(
            401, "UNAUTHENTICATED", "Request had invalid authentication credentials."
        )
    refused = refused_session(endpoint, credential, scenario.keys)
    if refused is not None:
        if credential is None or refused.code == 1008:
            raise RefusedRequestError(403, "PERMISSION_DENIED", refused.reason)
        raise invalid(refused.reason)


def _model_id(name: str, vertex: bool, version: str, scenario: Scenario) -> str:
    model = model_of(name, vertex=vertex)
    known = scenario.models
    if (
        model is None
        or model.plausible
        or not (model.id in known if known is not None else model.id.startswith("gemini-"))
    ):
        raise RefusedRequestError(
            404,
            "NOT_FOUND",
            f"{name} is not found for API version {version}, or is not supported for "
            "generateContent.",
        )
    return model.id


def _field(table: Json, name: str) -> object:
    """Return a field by either of its spellings, camelCase or snake_case."""
    return table.get(name, table.get(re.sub("[A-Z]", lambda m: "_" + m[0].lower(), name)))


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}
