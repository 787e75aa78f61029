"""One voice scenario in Python, over the socket and by livectl: the same frames on the wire."""

import base64
import inspect
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import msgspec
import pytest
from anyio.to_thread import run_sync
from websockets.exceptions import ConnectionClosed

from livehandled import LiveHandle
from livehandled.config.loader import from_tree
from livehandled.gemini import frames
from livehandled.gemini.content import text_content
from livehandled.gemini.opening import setup_message
from support.daemon import running_daemon
from support.livectl import livectl
from support.rigs import sent_text
from support.service import ENVIRON, TURN_COMPLETE, Call, Json, running

pytestmark = pytest.mark.anyio

Steps = list[tuple[str, Json]]

SILENCE = base64.b64encode(bytes(640)).decode()
CONFIG: Json = {
    "session": {"model": "gemini-3.8-live", "instruction": "You wait at table."},
    "context": {"delivery": "deferred"},
    "voice": {"authority": "client"},
}
STEPS: Steps = [
    ("connect", {"config": CONFIG}),
    ("send_text", {"text": "Hello"}),
    ("session.wait_for_phase", {"phase": "model_speaking"}),
    ("queue_context", {"text": "The kitchen closes at ten.", "prompt": True}),
    ("voice_state", {}),
    ("user_speech_started", {}),  # a barge-in: it disarms the prompt
    ("session.wait_for_phase", {"phase": "user_speaking"}),
    ("voice_state", {}),
    ("pending_context", {}),
    ("send_audio", {"data": SILENCE}),  # takes the context along
    ("queue_context", {"text": "It is nine.", "prompt": True}),
    ("playback_drained", {}),  # nothing while the user speaks
    ("queue_context", {"turns": [{"role": "model", "parts": [{"text": "It rains."}]}]}),
    ("user_speech_ended", {}),  # now the model is prompted
    ("session.wait_for_phase", {"phase": "active"}),
    ("queue_context", {"text": "A table is free.", "prompt": True}),
    ("playback_drained", {}),
    ("voice_state", {}),
    ("update_instruction", {"instruction": "Be brief."}),
    ("writer.send_text", {"text": "Thanks"}),
    ("disconnect", {}),
]


def context(*texts: str) -> Json:
    turns = [text_content(words, "model") for words in texts]
    return decoded(frames.client_content(turns, turn_complete=False))


def decoded(frame: bytes) -> Json:
    body: Json = json.loads(frame)
    return body


START = decoded(frames.activity_start())
END = decoded(frames.activity_end())
PROMPT = decoded(frames.client_content((), turn_complete=True))
WIRE = [
    sent_text("Hello"),
    START,
    context("The kitchen closes at ten."),
    decoded(frames.audio(SILENCE)),
    END,
    context("It is nine.", "It rains."),
    PROMPT,
    context("A table is free."),
    PROMPT,
    decoded(frames.instruction("Be brief.", "context_update")),
    sent_text("Thanks"),
]
SPEECH: Json = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "A" * 64_000}}


async def converse(call: Call) -> None:
    """Speak when greeted, stop when cut off, and end the turn with the user's speech."""
    await call.set_up()
    while True:
        frame = await call.hear()
        if frame == sent_text("Hello"):
            await call.say({"serverContent": {"modelTurn": {"parts": [SPEECH]}}})
        elif frame == START:
            await call.say({"serverContent": {"interrupted": True}})
        elif frame == END:
            with suppress(ConnectionClosed):  # who has said all there is to say may be gone
                await call.say(TURN_COMPLETE)


Drive = Callable[[str, Path], Awaitable[list[object]]]


async def in_python(url: str, _directory: Path) -> list[object]:
    answers: list[object] = []
    config = {"session": {"base_url": url}}
    async with LiveHandle.open(config, environ=ENVIRON) as live:
        for method, params in STEPS:
            prefix, _, name = method.rpartition(".")
            part = getattr(live, prefix)() if prefix else live
            answer = getattr(part, name)(**params)
            answers.append(await answer if inspect.isawaitable(answer) else answer)
    return answers


async def over_the_socket(url: str, _directory: Path) -> list[object]:
    def drive() -> list[object]:
        flags = ("--set", f"session.base_url={url}")
        with running_daemon(*flags, environ=ENVIRON) as daemon, daemon.client() as client:
            return [client.result(method, **params) for method, params in STEPS]

    return await run_sync(drive)


async def by_livectl(url: str, _directory: Path) -> list[object]:
    def drive() -> list[object]:
        answers: list[object] = []
        with running_daemon("--set", f"session.base_url={url}", environ=ENVIRON) as daemon:
            for method, params in STEPS:
                done = livectl(daemon.path, "call", method, json.dumps(params))
                assert (done.code, done.err) == (0, ""), (method, done)
                answers.append(json.loads(done.out))
        return answers

    return await run_sync(drive)


def told(answers: list[object]) -> list[object]:
    """Return what the voice was at each time it was asked for, without its instants."""
    states: list[object] = []
    for (method, _), answer in zip(STEPS, answers, strict=True):
        if method == "voice_state":
            state = msgspec.to_builtins(answer)
            states.append({k: value for k, value in state.items() if not k.endswith("_ago")})
    return states


def state(**some: object) -> Json:
    quiet: Json = {"user_speaking": False, "playback_active": False, "prompt_pending": False}
    return quiet | some


@pytest.fixture
def no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.mark.usefixtures("no_file")
@pytest.mark.parametrize("drive", [in_python, over_the_socket, by_livectl])
async def test_one_scenario_is_the_same_on_the_wire_whoever_drives_it(
    drive: Drive, tmp_path: Path
) -> None:
    async with running(converse) as service:
        with anyio.fail_after(40):
            answers = await drive(service.url, tmp_path)
        [call] = service.calls
        await call.until(lambda c: c.closed or len(c.heard) > len(WIRE))
    setup = setup_message(from_tree(CONFIG, {}).config)
    assert call.heard == [{"setup": setup}, *WIRE]
    assert told(answers) == [
        state(playback_active=True, prompt_epoch=0),
        state(user_speaking=True, prompt_epoch=1),
        # As the drain found it (C5); the prompt itself has been sent.
        state(prompt_pending=True, prompt_epoch=1),
    ]
