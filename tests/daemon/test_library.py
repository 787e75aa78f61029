"""`livehandled` as a library: what it imports, and the names it shares with the socket."""

import base64
import inspect
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import msgspec
import pytest

import livehandled
from livehandle_proto.methods import METHODS
from livehandled.handle import LiveHandle
from livehandled.session.underlying import UnderlyingSession
from livehandled.session.writer import Writer
from livehandled.state import State
from support.rigs import refused
from support.service import ENVIRON, converse, running

PCM = bytes([1, 2, 3, 4])
JPEG = b"\xff\xd8\xff\xe0 not much of a picture"

SENDS = [
    *("send_audio", "send_text", "send_video", "send_tool_response", "send_client_content"),
    *("update_instruction", "signal_activity_start", "signal_activity_end", "disconnect"),
]
PARTS: Mapping[str, tuple[type, list[str]]] = {
    "": (
        LiveHandle,
        [
            *("send_audio", "send_text", "send_video", "update_instruction"),
            *("send_tool_response", "playback_drained", "user_speech_started"),
            *("user_speech_ended", "flush_deferred_prompt", "voice_state", "input_vad_state"),
            *("writer", "subscribe", "events", "phase", "disconnect", "done", "session"),
            *("state", "telemetry", "extracted"),
            *("connect", "queue_context", "pending_context", "transcript"),
        ],
    ),
    "writer.": (Writer, SENDS),
    "session.": (UnderlyingSession, [*SENDS, "wait_for_phase", "resume_handle"]),
    "state.": (State, ["get", "set", "remove", "keys", "clear_prefix", "mutations_since"]),
}
"""The methods of section 4.1 of the protocol and some of 4.2, and what has them in Python."""

OF_THE_SOCKET = {
    "events": {"since", "snapshot"},  # for a client that may lose its connection
    "subscribe": {"since", "snapshot"},
}
"""Parameters that are the socket's alone."""


@pytest.mark.parametrize(
    ("prefix", "name"), [(prefix, name) for prefix, (_, names) in PARTS.items() for name in names]
)
def test_what_can_be_called_over_the_socket_has_the_same_name_in_python(
    prefix: str, name: str
) -> None:
    over_the_socket = METHODS[prefix + name]
    method = getattr(PARTS[prefix][0], name)
    assert callable(method)
    assert method.__doc__
    fields = {field.encode_name for field in msgspec.structs.fields(over_the_socket.params)}
    assert fields - OF_THE_SOCKET.get(name, set()) <= inspect.signature(method).parameters.keys()


def test_these_are_all_methods_of_section_4_1() -> None:
    named = {prefix + name for prefix, (_, names) in PARTS.items() for name in names}
    around = (
        *("daemon.", "extractors.", "tools.", "rpc.", "claim", "release", "unsubscribe"),
        *("recording", "metrics", "session.config", "state.forget"),
    )
    assert {name for name in METHODS if not name.startswith(around)} == named


def test_the_package_imports_nothing_before_the_handle_is_asked_for() -> None:
    program = (
        "import sys, livehandled, livehandled.gemini.codec, livehandled.voice.reactor\n"
        "print([m for m in ('anyio', 'websockets', 'numpy', 'httpx2', 'livehandled.handle')"
        " if m in sys.modules])\n"
        "from livehandled import LiveHandle\n"
        "print([m for m in ('numpy', 'httpx2') if m in sys.modules], LiveHandle.__name__)\n"
    )
    ran = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(ran, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n[] LiveHandle\n"


def test_the_package_has_the_handle_and_no_other_name() -> None:
    assert livehandled.LiveHandle is LiveHandle
    with pytest.raises(AttributeError, match="no attribute 'LiveHandel'"):
        livehandled.LiveHandel  # noqa: B018 - what is tested


@pytest.fixture
def no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


@pytest.mark.anyio
@pytest.mark.usefixtures("no_file", "no_key_in_the_log", "short_patience")
async def test_a_program_opens_a_handle_of_its_own() -> None:
    async with running(converse) as service:
        config = {"session": {"base_url": service.url}}
        with anyio.fail_after(10):
            async with livehandled.LiveHandle.open(config, environ=ENVIRON) as live:
                with live.events() as events:
                    await live.send_audio(PCM)
                    await live.send_audio(base64.b64encode(PCM).decode())
                    await live.send_video(JPEG)
                    await live.send_video(base64.b64encode(JPEG).decode())
                    async for event in events:
                        if event.topic == "live.connected":
                            break
                assert live.config()["session"]["base_url"]["source"] == "program"
                call = await service.call()
                await call.until(lambda c: len(c.heard) == 5)
    [setup, first, second, third, fourth] = call.heard
    assert "setup" in setup
    assert first == second
    assert third == fourth


@pytest.mark.usefixtures("no_file")
def test_a_program_is_told_what_it_got_wrong() -> None:
    with refused("config.invalid") as caught:
        LiveHandle.open({"session": {"modle": "x"}}, environ={})
    assert caught.value.data["did_you_mean"] == "session.model"


@pytest.mark.anyio
@pytest.mark.usefixtures("no_file")
async def test_a_program_without_an_emulator_is_told_so() -> None:
    async with LiveHandle.open({"session": {"backend": "emulator"}}, environ={}) as live:
        with refused("config.invalid"):
            live.send_text("hi")
        assert live.phase() == "disconnected"
