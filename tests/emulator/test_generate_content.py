"""`generateContent` of the emulator: by plain requests, and by the official SDK over TLS."""

import json
import warnings
from pathlib import Path

import anyio
import pytest
from websockets.asyncio.client import connect

from livehandle_emulator.exchange import Exchange
from livehandle_emulator.generate_content import filled, respond
from livehandle_emulator.scenario import Scenario
from support.emulator import FAST, GEMINI_PATH, running_emulator, serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the SDK's dependencies, at import
    from google import genai
    from google.genai import errors, types

pytestmark = pytest.mark.anyio

PATH = "/v1beta/models/gemini-flash-latest:generateContent"
VERTEX = "/v1beta1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:generateContent"
KEY = "x-goog-api-key: k"
SCHEMA = {
    "type": "object",
    "properties": {
        "item": {"anyOf": [{"type": "string", "enum": ["latte", "mocha"]}, {"type": "null"}]},
        "party_size": {"type": ["integer", "null"]},
    },
}
TEXT = "User: A latte, no, a MOCHA. The party size is 4 today."


def body(text: str = TEXT, **config: object) -> str:
    generation = {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA, **config}
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return json.dumps({"contents": contents, "generationConfig": generation})


def post(content: str, path: str = PATH, *headers: str, length: int | None = None) -> bytes:
    size = len(content.encode()) if length is None else length
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {size}", *headers]
    return "\r\n".join([*lines, "", content]).encode()


def answered(data: bytes | None) -> tuple[int, dict[str, object]]:
    assert data is not None
    head, _, content = data.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(content)}\r\n".encode() in head
    return int(head.split()[1]), json.loads(content)


def exchange(**given: object) -> Exchange:
    scenario = Scenario(timing=FAST, **given)  # type: ignore[arg-type]  # each test gives fields
    return Exchange(lambda request: respond(request, scenario))


def asked(request: bytes, **scenario: object) -> tuple[int, dict[str, object]]:
    return answered(exchange(**scenario).receive(request))


def refused(request: bytes, **scenario: object) -> tuple[int, str, str]:
    status, content = asked(request, **scenario)
    error = content["error"]
    assert isinstance(error, dict)
    assert error["code"] == status
    return status, error["status"], error["message"]


def said(content: dict[str, object]) -> object:
    candidates = content["candidates"]
    assert isinstance(candidates, list)
    return json.loads(candidates[0]["content"]["parts"][0]["text"])


@pytest.mark.parametrize(
    "target",
    [
        PATH,
        "/" + PATH,
        PATH + "?key=k",
        PATH.replace("/models", "%2Fmodels"),
        VERTEX,
        "/v1beta1/publishers/google/models/gemini-2.5-flash:generateContent",
    ],
)
def test_an_answer_follows_the_schema(target: str) -> None:
    status, content = asked(post(body(), target, KEY))
    assert status == 200
    assert said(content) == {"item": "mocha", "party_size": 4}
    assert content["modelVersion"] in {"gemini-flash-latest", "gemini-2.5-flash"}


def test_names_are_taken_in_either_spelling() -> None:
    content = body().replace("generationConfig", "generation_config")
    content = content.replace("responseJsonSchema", "response_json_schema")
    content = content.replace("responseMimeType", "response_mime_type")
    assert said(asked(post(content, PATH, KEY))[1]) == {"item": "mocha", "party_size": 4}


def test_a_request_is_read_in_any_pieces() -> None:
    one = exchange()
    request = post(body(), PATH, KEY)
    answers = [one.receive(request[i : i + 1]) for i in range(len(request))]
    assert answers[:-1] == [None] * (len(request) - 1)
    assert answered(answers[-1])[0] == 200


def test_without_json_the_text_is_repeated() -> None:
    _, content = asked(post(body("hello", responseMimeType="text/plain"), PATH, KEY))
    candidates = content["candidates"]
    assert isinstance(candidates, list)
    assert candidates[0]["content"]["parts"] == [{"text": "You typed: hello"}]


@pytest.mark.parametrize(
    ("request_", "scenario", "code", "status", "message"),
    [
        (post(body()), {}, 403, "PERMISSION_DENIED", "Method doesn't allow unregistered"),
        (post(body(), PATH, KEY), {"keys": ["x"]}, 400, "INVALID_ARGUMENT", "API key not valid"),
        (post(body(), VERTEX), {}, 401, "UNAUTHENTICATED", "Request had invalid"),
        (post(body(), VERTEX, KEY), {"keys": ["x"]}, 401, "UNAUTHENTICATED", "Request had"),
        (post(body(), "/v1beta/models/x:embed", KEY), {}, 404, "NOT_FOUND", "Requested entity"),
        (
            post(body(), "/v1/models/x:generateContent", KEY),
            {},
            404,
            "NOT_FOUND",
            "models/x is not",
        ),
        (
            post(body(), "/v1beta/models/gemini-3.8-live:generateContent", KEY),
            {},
            404,
            "NOT_FOUND",
            "models/gemini-3.8-live is not found for API version v1beta, or is not supported",
        ),
        (post(body(), PATH, KEY), {"models": ["other"]}, 404, "NOT_FOUND", "models/gemini-flash"),
        (post("{", PATH, KEY), {}, 400, "INVALID_ARGUMENT", "Invalid JSON"),
        (post("[]", PATH, KEY), {}, 400, "INVALID_ARGUMENT", "Invalid JSON"),
        (post("[" * 100_000, PATH, KEY), {}, 400, "INVALID_ARGUMENT", "Invalid JSON"),
        (post("{}", PATH, KEY), {}, 400, "INVALID_ARGUMENT", "* GenerateContentRequest.contents"),
        (
            post(
                body(thinkingConfig={"thinkingBudget": 0}),
                PATH.replace("flash-latest", "2.5-pro"),
                KEY,
            ),
            {},
            400,
            "INVALID_ARGUMENT",
            "Budget 0 is invalid",
        ),
        (post("x", PATH, KEY, length=10**9), {}, 413, "INVALID_ARGUMENT", "The request is too"),
        (post("", PATH, KEY, "Transfer-Encoding: chunked"), {}, 411, "INVALID_ARGUMENT", "A Con"),
        (b"POST / HTTP/1.1\r\n\r\n", {}, 411, "INVALID_ARGUMENT", "A Content-Length"),
        (b"POST /\r\n\r\n", {}, 400, "INVALID_ARGUMENT", "The request line"),
        (b"POST " + b"x" * 40_000, {}, 431, "INVALID_ARGUMENT", "The headers"),
    ],
)
def test_refusals_are_errors_of_the_service_s_form(
    request_: bytes, scenario: dict[str, object], code: int, status: str, message: str
) -> None:
    refusal = refused(request_, **scenario)
    assert refusal[:2] == (code, status)
    assert refusal[2].startswith(message)


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "my name is Ada, bye", "Ada"),
        ({"type": "STRING"}, "name: Ada\nname = Bo.", "Bo"),
        ({"type": "string"}, "Ada", None),
        ({"type": "number"}, "the name of it costs 2.5", 2.5),
        ({"type": "integer"}, "name 3 and name -4", -4),
        ({"type": "integer"}, "name", None),
        ({"type": "boolean"}, "a NAME", True),
        ({"type": "boolean"}, "a names", None),
        ({"type": "array", "items": {"enum": ["a", "b", "c"]}}, "c then b", ["c", "b"]),
        ({"type": "array", "items": {"enum": ["a"]}}, "z", None),
        ({"type": "array", "items": {"type": "string"}}, "name is a", None),
        ({"enum": [1, 2, None]}, "2 or 1", 1),
        ({"type": "object", "properties": {"in": {"type": "string"}}}, "in: x", {"in": "x"}),
        ({"type": "object"}, "name is x", None),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, "name is x", "x"),
        ({}, "name is x", None),
        (True, "name is x", None),
    ],
)
def test_the_plain_rules(schema: object, text: str, value: object) -> None:
    assert filled(schema, text, "name") == value


def test_a_schema_of_great_depth_ends() -> None:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(200):
        schema = {"properties": {"a": schema}}
    assert filled(schema, "a is x") is not None


async def test_the_same_port_answers_posts_and_holds_sessions() -> None:
    async with serving() as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        url = f"ws://127.0.0.1:{port}{GEMINI_PATH}?key=k"
        async with connect(url, proxy=None) as websocket:
            request = post(body(), PATH, KEY)
            await stream.send(request[:3])
            await anyio.wait_all_tasks_blocked()
            await stream.send(request[3:])
            received = b""
            async for data in stream:  # to the end of the connection
                received += data
            assert said(answered(received)[1]) == {"item": "mocha", "party_size": 4}
            await websocket.send('{"setup": {"model": "models/gemini-3.8-live"}}')
            assert "setupComplete" in json.loads(await websocket.recv())


async def test_a_client_that_goes_in_the_middle_of_its_request_harms_nobody() -> None:
    async with serving() as port:
        for sent in (b"PO", post(body(), PATH, KEY)[:-5]):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(sent)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(post(body(), PATH, KEY))
            assert (await stream.receive()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_the_official_sdk_is_answered_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"):
        monkeypatch.delenv(name, raising=False)
    with running_emulator(tmp_path, tls=True) as emulator:
        monkeypatch.setenv("SSL_CERT_FILE", str(emulator.ca_file))
        base_url = emulator.url.replace("wss://", "https://")
        options = types.HttpOptions(base_url=base_url)
        client = genai.Client(api_key="test-key", http_options=options)
        config = types.GenerateContentConfig(
            response_mime_type="application/json", response_json_schema=SCHEMA
        )
        try:
            answer = client.models.generate_content(
                model="gemini-2.5-flash", contents=TEXT, config=config
            )
            assert json.loads(answer.text or "") == {"item": "mocha", "party_size": 4}
            again = await client.aio.models.generate_content(
                model="gemini-2.5-flash", contents=TEXT, config=config
            )
            assert again.text == answer.text
            with pytest.raises(
                errors.ClientError, match=r"gemini-3\.8-live is not found"
            ) as caught:
                client.models.generate_content(model="gemini-3.8-live", contents="x")
            assert caught.value.code == 404
        finally:
            await client.aio.aclose()
            client.close()
