"""`generateContent`: its URL, its body, and what comes back."""

import json

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Session
from livehandled.gemini.auth import Key
from livehandled.gemini.generate import (
    Service,
    answer,
    nullable,
    refusal,
    refuses_not_to_think,
    request,
    without_fence,
)

KEY = "AIza-secret-of-ours"
VERTEX = "https://us-central1-aiplatform.googleapis.com"


def service(emulator_url: str = "", **session: object) -> Service:
    return Service(Session(**session), Key(KEY, "env"), emulator_url)  # type: ignore[arg-type]  # each test gives keys of the section


@pytest.mark.parametrize(
    ("asked", "model", "url"),
    [
        (
            service(),
            "gemini-2.5-flash",
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash",
        ),
        (
            service(api_version="v1", base_url="https://gateway.example/prefix/"),
            "m",
            "https://gateway.example/prefix/v1/models/m",
        ),
        (
            service(base_url="wss://gateway.example?tenant=1"),
            "tunedModels/m",
            "https://gateway.example/v1beta/tunedModels/m:generateContent?tenant=1",
        ),
        (
            service(backend="vertex", project="p", location="us-central1"),
            "m",
            f"{VERTEX}/v1beta1/projects/p/locations/us-central1/publishers/google/models/m",
        ),
        (
            service(backend="vertex"),
            "m",
            "https://aiplatform.googleapis.com/v1beta1/publishers/google/models/m",
        ),
        (
            service("ws://127.0.0.1:99", backend="emulator"),
            "m",
            "http://127.0.0.1:99/v1beta/models/m",
        ),
        (
            service(),
            "a b?c#d",
            "https://generativelanguage.googleapis.com/v1beta/models/a%20b%3Fc%23d",
        ),
    ],
)
def test_the_url_is_the_session_s(asked: Service, model: str, url: str) -> None:
    expected = url if "generateContent" in url else f"{url}:generateContent"
    assert asked.url(model) == expected


def test_plain_text_goes_to_loopback_only() -> None:
    assert service(base_url="http://127.0.0.1:1").url("m").startswith("http://127.0.0.1:1/v1beta/")
    with pytest.raises(LiveHandleError) as caught:
        service(base_url="http://gateway.example").url("m")
    assert caught.value.name == "config.invalid"


def test_a_service_does_not_show_its_key() -> None:
    assert KEY not in repr(service())


def test_q7_the_body_asks_for_json_without_thinking() -> None:
    schema = {"type": "object", "properties": {"item": {"type": "string"}}}
    body = json.loads(request("Look for drinks.", "User: a latte", schema, think=False))
    assert body["contents"] == [{"role": "user", "parts": [{"text": "User: a latte"}]}]
    assert body["systemInstruction"]["parts"][0]["text"].startswith("Look for drinks.\n\nUse null")
    assert body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {
            "type": "object",
            "properties": {"item": {"type": ["string", "null"]}},
        },
        "thinkingConfig": {"thinkingBudget": 0},
    }


def test_q7_without_a_schema_and_with_thinking_neither_is_sent() -> None:
    body = json.loads(request("", "x", None, think=True))
    assert body["generationConfig"] == {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}),
        ({"type": ["string", "integer"]}, {"type": ["string", "integer", "null"]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "null"}, {"type": "null"}),
        (
            {"type": "string", "enum": ["a"]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        ({"$ref": "#/x"}, {"anyOf": [{"$ref": "#/x"}, {"type": "null"}]}),
        (True, True),
    ],
)
def test_q7_properties_are_nullable(given: object, made: object) -> None:
    assert nullable({"properties": {"a": given}}) == {"properties": {"a": made}}


def test_q7_a_schema_without_properties_stays() -> None:
    assert nullable({"type": "array"}) == {"type": "array"}


def candidate(*parts: dict[str, object], **fields: object) -> bytes:
    return json.dumps({"candidates": [{"content": {"parts": list(parts)}, **fields}]}).encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' {"a": 1}\n',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}\n```  ',
        '```json {"a": 1}```',
        '\n```JSON\r\n{"a": 1}\n```',
    ],
)
def test_q7_the_answer_is_read_with_or_without_a_code_fence(text: str) -> None:
    assert answer(candidate({"text": text})) == {"a": 1}


def test_parts_are_joined_and_thoughts_left_out() -> None:
    body = candidate({"text": "Hm", "thought": True}, {"text": '{"a"'}, {"text": ":1}"}, {})
    assert answer(body) == {"a": 1}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "is not its own"),
        (b"\xff", "is not its own"),
        (b"[]", "is not its own"),
        (b"{}", "no answer"),
        (b'{"promptFeedback": {"blockReason": "SAFETY"}}', "SAFETY"),
        (candidate({"text": '{"a'}, finishReason="MAX_TOKENS"), "MAX_TOKENS"),
        (candidate({"text": "NaN"}), "no JSON"),
        (candidate({"text": "[" * 100_000}), "no JSON"),
        (candidate(), "no JSON"),
    ],
)
def test_what_is_no_answer_fails_by_name(body: bytes, said: str) -> None:
    with pytest.raises(LiveHandleError, match=said) as caught:
        answer(body)
    assert caught.value.name == "extraction.failed"


@pytest.mark.parametrize("text", ["plain", "``x``", ""])
def test_text_without_a_fence_stays(text: str) -> None:
    assert without_fence(text) == text


def service_says(message: str) -> bytes:
    return json.dumps({"error": {"message": message}}).encode()


def test_q7_a_refusal_not_to_think_is_told_from_others() -> None:
    said = service_says("Budget 0 is invalid. This model only works in thinking mode.")
    assert refuses_not_to_think(400, said)
    assert not refuses_not_to_think(429, said)
    assert not refuses_not_to_think(400, service_says("API key not valid."))


@pytest.mark.parametrize(
    ("status", "message", "name", "said"),
    [
        (400, "API key not valid.", "auth.rejected", "API key"),
        (403, "unregistered callers", "auth.rejected", "API key"),
        (404, "models/x is not found for API version v1", "upstream.model_not_found", "model and"),
        (404, "gone", "upstream.model_not_found", "Check the extractor's model and schema"),
        (400, "Unknown schema", "upstream.rejected", "Check the extractor's model and schema: "),
        (429, "slow down", "upstream.quota", "Wait"),
        (503, "overloaded", "upstream.unreachable", "later"),
        (302, "", "upstream.rejected", "base_url"),
    ],
)
def test_refusals_have_their_names_and_never_a_key(
    status: int, message: str, name: str, said: str
) -> None:
    error = refusal(status, service_says(f"{message} {KEY}"), [KEY])
    assert error.name == name
    assert said in error.message
    assert error.data["http_status"] == status
    assert KEY not in str(error.to_json())
