"""Extraction by a model, against the emulator and against a service by hand."""

import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from livehandle_emulator.scenario import Scenario
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorRun, ExtractorSpec
from livehandled.config.schema import Session
from livehandled.extraction import llm_kind
from livehandled.extraction.llm_kind import ModelClient
from livehandled.gemini.auth import Key
from livehandled.gemini.generate import Service
from support.emulator import FAST, serving

pytestmark = pytest.mark.anyio

KEY = "AIza-secret-of-ours"
RUN = ExtractorRun(
    run_id="Order-1",
    name="Order",
    turn=0,
    window=[],
    text="User: a latte please",
    deadline_ms=10_000,
)
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "item": {"type": "string", "enum": ["latte", "mocha"]},
        "size": {"type": "string"},
    },
}


def spec(model: str = "", schema: dict[str, object] | None = SCHEMA) -> ExtractorSpec:
    return ExtractorSpec(name="Order", kind="llm", prompt="Drinks.", schema=schema, model=model)


@asynccontextmanager
async def models(port: int) -> AsyncIterator[ModelClient]:
    session = Session(base_url=f"http://127.0.0.1:{port}")
    client = ModelClient(lambda: Service(session, Key(KEY, "env")))
    try:
        yield client
    finally:
        await client.aclose()


async def failure(client: ModelClient, model: str = "") -> LiveHandleError:
    with pytest.raises(LiveHandleError) as caught:
        await client(spec(model))(RUN)
    assert KEY not in str(caught.value.to_json())
    return caught.value


async def test_a_model_fills_the_schema() -> None:
    async with serving() as port, models(port) as client:
        assert await client(spec())(RUN) == {"item": "latte", "size": None}


async def test_q7_a_model_that_does_nothing_without_thinking_is_asked_again_and_remembered() -> (
    None
):
    bodies: list[dict[str, object]] = []
    refused = (400, {"error": {"message": "This model only works in thinking mode."}})
    good = (200, {"candidates": [{"content": {"parts": [{"text": '```json\n{"a":1}\n```'}]}}]})
    async with by_hand([refused, good, good], bodies) as port, models(port) as client:
        look = client(spec("gemini-2.5-pro"))
        assert [await look(RUN), await look(RUN)] == [{"a": 1}, {"a": 1}]
    budgets = ["thinkingConfig" in str(body["generationConfig"]) for body in bodies]
    assert budgets == [True, False, False]


async def test_q7_the_same_with_the_emulator_s_model_that_thinks() -> None:
    async with serving() as port, models(port) as client:
        assert await client(spec("gemini-2.5-pro"))(RUN) == {"item": "latte", "size": None}


async def test_refusals_have_their_names() -> None:
    async with serving() as port, models(port) as client:
        assert (await failure(client, "gemini-3.8-live")).name == "upstream.model_not_found"
    async with serving(Scenario(timing=FAST, keys=["x"])) as port, models(port) as client:
        assert (await failure(client)).name == "auth.rejected"
    busy = (429, {"error": {"message": f"slow down {KEY}"}})
    async with by_hand([busy]) as port, models(port) as client:
        error = await failure(client)
        assert (error.name, error.retryable) == ("upstream.quota", True)


async def test_nobody_there_is_unreachable() -> None:
    async with serving() as port:
        pass
    async with models(port) as client:
        error = await failure(client)
        assert error.name == "upstream.unreachable"
        assert f"http://127.0.0.1:{port}" in error.message


async def test_an_endless_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_kind, "_MAX_ANSWER_BYTES", 1000)
    async with by_hand([(200, {"candidates": "x" * 5000})]) as port, models(port) as client:
        assert (await failure(client)).name == "extraction.failed"


async def test_a_redirect_is_not_followed_with_the_key() -> None:
    async with by_hand([(302, {})]) as port, models(port) as client:
        assert (await failure(client)).name == "upstream.rejected"


async def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with serving() as port, models(port) as client:
        assert await client(spec())(RUN) == {"item": "latte", "size": None}


@pytest.mark.parametrize("proxy", ["nonsense://x", "socks5://127.0.0.1:1"])
async def test_a_proxy_that_is_none_is_told_when_the_extractor_is_registered(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    async with models(1) as client:
        with pytest.raises(LiveHandleError, match="Correct the proxy") as caught:
            client(spec())
        assert caught.value.name == "config.invalid"


async def test_without_the_package_the_command_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    async with models(1) as client:
        with pytest.raises(LiveHandleError, match=r"pip install 'livehandle\[llm\]'") as caught:
            client(spec())
        assert caught.value.name == "config.invalid"


async def test_no_key_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as port, models(port) as client:
        await client(spec())(RUN)
    assert KEY not in caplog.text


@asynccontextmanager
async def by_hand(
    answers: list[tuple[int, object]], bodies: list[dict[str, object]] | None = None
) -> AsyncIterator[int]:
    """Answer one request a connection, as told; gives the port."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive()
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            while len(body) < length:
                body += await stream.receive()
            if bodies is not None:
                bodies.append(json.loads(body))
            status, answer = answers.pop(0)
            content = json.dumps(answer).encode()
            lines = (
                f"HTTP/1.1 {status} x\r\nContent-Length: {len(content)}\r\nLocation: http://x/\r\n"
            )
            await stream.send(f"{lines}Connection: close\r\n\r\n".encode() + content)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django
        tasks.cancel_scope.cancel()
