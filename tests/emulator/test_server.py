"""The emulator over real sockets."""

import json
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from livehandle_emulator.certificate import fresh_certificate
from livehandle_emulator.scenario import Scenario
from livehandle_emulator.server import serve
from support.emulator import FAST, GEMINI_PATH, VERTEX_PATH, serving
from support.live_session import (
    CURRENT,
    HALF_CASCADE,
    TEXT,
    VERTEX_HALF_CASCADE,
    Json,
    b64,
    kinds,
    sound_of,
    text_of,
)
from support.speech import silence, speech_like

pytestmark = pytest.mark.anyio

KEY = {"x-goog-api-key": "k"}
SETUP = json.dumps({"setup": {"model": HALF_CASCADE}})
NOT_FOUND = (
    "models/gemini-pro is not found for API version v1beta, "
    "or is not supported for bidiGenerateContent."
)


def link(
    port: int, path: str = GEMINI_PATH, *, headers: dict[str, str] | None = None, **extra: object
) -> connect:
    return connect(
        f"ws://127.0.0.1:{port}{path}",
        additional_headers=KEY if headers is None else headers,
        proxy=None,
        max_size=None,
        **extra,  # type: ignore[arg-type]  # each test gives arguments of connect
    )


async def set_up(websocket: ClientConnection, **setup: object) -> None:
    await websocket.send(json.dumps({"setup": {"model": HALF_CASCADE, **setup}}))
    assert "setupComplete" in json.loads(await websocket.recv())


async def until(websocket: ClientConnection, kind: str) -> list[Json]:
    """Return what comes up to the first message of a kind."""
    came: list[Json] = []
    while kind not in kinds(came):
        came.append(json.loads(await websocket.recv()))
    return came


def typed(text: str) -> str:
    turn = {"role": "user", "parts": [{"text": text}]}
    return json.dumps({"clientContent": {"turns": [turn], "turnComplete": True}})


async def closing(websocket: ClientConnection) -> tuple[int, str]:
    with suppress(ConnectionClosed):
        while True:
            await websocket.recv()
    assert websocket.close_code is not None
    return websocket.close_code, websocket.close_reason or ""


async def test_a_turn_of_text() -> None:
    async with serving() as port, link(port) as websocket:
        await set_up(websocket, generationConfig=TEXT)
        await websocket.send(typed("hello"))
        came = await until(websocket, "turnComplete")
        assert text_of(came) == "You typed: hello"


async def test_a_turn_of_speech() -> None:
    async with serving() as port, link(port) as websocket:
        await set_up(websocket, inputAudioTranscription={})
        audio = silence(0.3) + speech_like(0.6) + silence(0.7)
        for first in range(0, len(audio), 3200):
            blob = {"mimeType": "audio/pcm;rate=16000", "data": b64(audio[first : first + 3200])}
            await websocket.send(json.dumps({"realtimeInput": {"audio": blob}}))
        came = await until(websocket, "turnComplete")
        assert kinds(came) == [
            "inputTranscription",
            "audio",
            "generationComplete",
            "turnComplete",
        ]
        assert len(sound_of(came)) > 48_000 * 0.6


@pytest.mark.parametrize(
    ("path", "model", "kind"),
    [(GEMINI_PATH, HALF_CASCADE, str), (VERTEX_PATH, VERTEX_HALF_CASCADE, bytes)],
)
async def test_frames_are_text_or_on_vertex_binary(path: str, model: str, kind: type) -> None:
    async with serving() as port, link(port, path) as websocket:
        await websocket.send(json.dumps({"setup": {"model": model}}))
        assert type(await websocket.recv()) is kind


async def test_binary_frames_are_taken_too() -> None:
    async with serving() as port, link(port) as websocket:
        await websocket.send(SETUP.encode())
        assert "setupComplete" in json.loads(await websocket.recv())


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_compression_is_offered_and_not_required(compression: str | None) -> None:
    async with serving() as port, link(port, compression=compression) as websocket:
        assert bool(websocket.protocol.extensions) is (compression is not None)
        await set_up(websocket, generationConfig=TEXT)
        await websocket.send(typed("hello"))
        assert text_of(await until(websocket, "turnComplete")) == "You typed: hello"


async def test_another_path_is_not_found() -> None:
    async with serving() as port:
        with pytest.raises(InvalidStatus) as caught:
            async with link(port, "/ws/elsewhere"):
                pass
        assert caught.value.response.status_code == 404


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (GEMINI_PATH, KEY),
        (GEMINI_PATH + "?key=k", {}),
        (GEMINI_PATH + "?access_token=k", {}),
        (GEMINI_PATH, {"Authorization": "Bearer k"}),
        ("/" + GEMINI_PATH.replace("v1beta", "v1"), KEY),
        (
            GEMINI_PATH.replace("v1beta", "v1alpha") + "Constrained",
            {"Authorization": "Token auth_tokens/t"},
        ),
    ],
)
async def test_every_way_to_give_a_key(path: str, headers: dict[str, str]) -> None:
    async with serving() as port, link(port, path, headers=headers) as websocket:
        await set_up(websocket)


async def test_without_a_key_the_caller_is_unregistered() -> None:
    async with serving() as port, link(port, headers={}) as websocket:
        await websocket.send(SETUP)
        code, reason = await closing(websocket)
        assert code == 1008
        assert reason.startswith("Method doesn't allow unregistered callers")


async def test_a_wrong_key_is_told_without_repeating_it() -> None:
    scenario = Scenario(timing=FAST, keys=["right"])
    async with serving(scenario) as port, link(port) as websocket:
        await websocket.send(SETUP)
        assert await closing(websocket) == (
            1007,
            "API key not valid. Please pass a valid API key.",
        )


async def test_vertex_refuses_the_upgrade_without_credentials() -> None:
    async with serving() as port:
        with pytest.raises(InvalidStatus) as caught:
            async with link(port, VERTEX_PATH, headers={}):
                pass
        assert caught.value.response.status_code == 401


@pytest.mark.parametrize(
    ("frame", "code", "reason"),
    [
        (
            '{"setup": {"model": "models/gemini-pro"}}',
            1008,
            NOT_FOUND,
        ),
        (
            '{"setup": {"x": 1}}',
            1007,
            "Invalid JSON payload received. Unknown name \"x\" at 'setup': Cannot find field.",
        ),
        ("é" * 400, 1007, "Invalid JSON payload received. Unexpected token."),
    ],
)
async def test_refusals_are_closes_with_the_reason(frame: str, code: int, reason: str) -> None:
    async with serving() as port, link(port) as websocket:
        await websocket.send(frame)
        assert await closing(websocket) == (code, reason)


async def test_several_connections_are_several_conversations() -> None:
    async with serving() as port, link(port) as one, link(port) as two:
        await set_up(one, generationConfig=TEXT)
        await set_up(two, generationConfig=TEXT)
        await one.send(typed("one"))
        await two.send(typed("two"))
        assert text_of(await until(two, "turnComplete")) == "You typed: two"
        assert text_of(await until(one, "turnComplete")) == "You typed: one"


async def test_a_client_that_goes_in_the_middle_of_a_reply_harms_nobody() -> None:
    async with serving() as port:
        async with link(port) as websocket:
            await set_up(websocket)
            await websocket.send(typed("a sentence of some length to be spoken"))
            await websocket.recv()
            websocket.transport.abort()
        async with link(port) as websocket:
            await set_up(websocket)


async def test_stopping_says_that_the_server_goes_away() -> None:
    async with serving() as port:
        websocket = await link(port)
        await set_up(websocket)
    assert (await closing(websocket))[0] == 1001


async def test_an_address_in_use_is_an_error_at_the_start() -> None:
    async with serving() as port:
        with pytest.raises(OSError, match="address already in use"):
            await serve(port=port)


async def test_tls_with_a_fresh_certificate(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    tls = fresh_certificate("127.0.0.1", ca_file)
    trust = ssl.create_default_context(cafile=str(ca_file))
    async with serving(tls=tls) as port:
        for host in ("127.0.0.1", "localhost"):
            url = f"wss://{host}:{port}{GEMINI_PATH}"
            async with connect(url, additional_headers=KEY, ssl=trust, proxy=None) as websocket:
                await set_up(websocket, model=CURRENT)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(f"wss://127.0.0.1:{port}{GEMINI_PATH}", proxy=None)
