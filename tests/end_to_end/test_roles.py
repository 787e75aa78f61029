"""The microphone in one process, the speaker in another: who has the word, and what if it dies."""

import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from livehandle_proto.methods import Reloaded
from livehandled.config.schema import Config, Control, Limits
from livehandled.control import listener
from livehandled.control.calls import Calls
from livehandled.control.claims import Claims
from livehandled.control.dispatch import Dispatcher
from livehandled.control.server import ControlServer
from livehandled.control.surroundings import Surroundings
from livehandled.session import voice
from support.control import WAIT_S, LoopClient
from support.daemon import DaemonProcess, private_directory, running_daemon
from support.rigs import HandleRig, handle
from support.service import TURN_COMPLETE, Json, saying
from support.wire import Message, WireClient, request

SILENCE = base64.b64encode(bytes(640)).decode()
CHANGED = "daemon.claim_changed"

SPEAKS_UNTIL_KILLED = """
import socket, sys, time
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(sys.argv[2].encode())
answers = connection.makefile("rb")
assert b'"result"' in answers.readline() and b'"result"' in answers.readline()
print("speaks", flush=True)
time.sleep(60)
"""


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    with running_daemon("--emulator") as daemon:
        yield daemon


@contextmanager
def watching(daemon: DaemonProcess, client: str) -> Iterator[WireClient]:
    """Give a client with a name that is told of every change."""
    with daemon.client() as connection:
        connection.result("daemon.hello", client=client)
        connection.result("events", topics=[CHANGED])
        yield connection


def change(client: WireClient) -> tuple[str, str | None, str | None]:
    """Return the next change: why, and the names of who holds the role now and who held it."""
    data = client.event_of(CHANGED)["data"]
    now, before = data["holder"], data["previous"]
    return data["reason"], now and now["client"], before and before["client"]


def refusal(client: WireClient, method: str, **params: object) -> Message:
    error = client.error(method, **params)
    assert error["data"]["name"] == "roles.claimed"
    return dict(error["data"]["holder"])


def test_the_first_microphone_has_the_word_until_it_leaves(daemon: DaemonProcess) -> None:
    with watching(daemon, "screen") as screen, daemon.client() as second:
        with daemon.client() as first:
            first.result("daemon.hello", client="first")
            first.result("send_audio", data=SILENCE)
            holder = refusal(second, "send_audio", data=SILENCE)
            for method in ("writer.send_audio", "session.send_audio"):
                assert refusal(second, method, data=SILENCE) == holder
            connection = holder.pop("connection")
            assert holder == {"client": "first", "pid": os.getpid(), "uid": os.getuid()}
            clients = screen.result("daemon.status")["clients"]
            assert [c["connection"] for c in clients if c["roles"] == ["mic"]] == [connection]
            sent = screen.result("telemetry")["audio_chunks_in"]
        assert [change(screen), change(screen)] == [
            ("audio", "first", None),
            ("left", None, "first"),
        ]
        assert sent == 1
        second.result("send_audio", data=SILENCE)
        assert change(screen) == ("audio", "", None)


def test_a_microphone_that_is_killed_leaves_the_word_to_others(daemon: DaemonProcess) -> None:
    calls = request("daemon.hello", client="mic.py") + request("send_audio", data=SILENCE)
    command = [sys.executable, "-c", SPEAKS_UNTIL_KILLED, str(daemon.path), calls.decode()]
    with (
        watching(daemon, "screen") as screen,
        subprocess.Popen(command, stdout=subprocess.PIPE) as speaking,
    ):
        assert speaking.stdout is not None
        assert speaking.stdout.readline() == b"speaks\n"
        holder = refusal(screen, "send_audio", data=SILENCE)
        assert (holder["client"], holder["pid"]) == ("mic.py", speaking.pid)
        speaking.send_signal(signal.SIGKILL)
        assert [change(screen)[0], change(screen)[0]] == ["audio", "left"]
        screen.result("send_audio", data=SILENCE)


def test_a_microphone_that_is_silent_leaves_the_word_to_others() -> None:
    flags = ("--emulator", "--set", "control.mic_idle_ms=50")
    with running_daemon(*flags) as daemon, watching(daemon, "screen") as screen:
        with daemon.client() as claimed, daemon.client() as first:
            first.result("send_audio", data=SILENCE)
            assert [change(screen)[0], change(screen)[0]] == ["audio", "silent"]
            claimed.result("send_audio", data=SILENCE)
            claimed.result("claim", role="mic")  # which lasts
            refusal(first, "send_audio", data=SILENCE)
            assert screen.result("claims")["mic"] is not None
        assert [change(screen)[0], change(screen)[0]] == ["audio", "left"]


def test_a_role_is_taken_by_force_and_its_holder_is_told(daemon: DaemonProcess) -> None:
    with watching(daemon, "first") as first, daemon.client() as second:
        claims = first.result("claim", role="speaker")
        assert claims["speaker"]["client"] == "first"
        assert refusal(second, "playback_drained")["client"] == "first"
        second.result("claim", role="speaker", force=True)
        second.result("daemon.hello", client="second")  # named after it has claimed
        assert [change(first), change(first)] == [
            ("claimed", "first", None),
            ("forced", "", "first"),
        ]
        assert refusal(first, "playback_drained")["client"] == "second"
        assert first.error("release", role="speaker")["data"]["name"] == "roles.not_held"
        snapshot = first.result("events", snapshot=True)["snapshot"]
        assert snapshot["claims"] == first.result("claims")
        assert snapshot["claims"]["speaker"]["client"] == "second"


def test_a_claim_and_audio_in_one_batch_and_as_notifications(daemon: DaemonProcess) -> None:
    def line(*calls: tuple[str, dict[str, object]]) -> bytes:
        members = (request(method, method, **params).strip() for method, params in calls)
        return b"[" + b",".join(members) + b"]\n"

    claim: dict[str, object] = {"role": "mic"}
    with daemon.client() as first, daemon.client() as second:
        first.send(line(("claim", claim), ("send_audio", {"data": SILENCE}), ("claims", {})))
        assert all("result" in answer for answer in first.read())
        second.send(line(("claim", claim), ("send_audio", {"data": SILENCE})))
        names = [answer["error"]["data"]["name"] for answer in second.read()]
        assert names == ["roles.claimed"] * 2
        second.send(b'{"jsonrpc":"2.0","method":"claim","params":{"role":"mic"}}\n')
        failed = second.event_of("daemon.notification_failed")["data"]
        assert (failed["method"], failed["error"]["data"]["name"]) == ("claim", "roles.claimed")


def test_a_claim_ends_with_a_connection_that_only_claims(daemon: DaemonProcess) -> None:
    with watching(daemon, "screen") as screen, daemon.client() as hasty:
        hasty.send(request("claim", role="speaker").strip())  # as `printf … | nc -U` does
        hasty.half_close()
        (answer,) = hasty.read_rest()
        assert answer["result"]["speaker"]["connection"] == "c2"
        assert [change(screen)[0], change(screen)[0]] == ["claimed", "left"]


def test_who_goes_with_the_daemon_is_told_of_by_nobody() -> None:
    flags = ("--emulator", "--set", "log.level=debug")
    with running_daemon(*flags) as daemon, watching(daemon, "slow") as slow:
        with daemon.client() as first:
            first.result("claim", role="mic")
            slow.send(request("session.config") * 500)  # more answers than the socket holds
            while not first.result("telemetry")["clients"][0]["queued_lines"]:
                pass
            first.result("daemon.shutdown")
        daemon.wait_for("client gone client=c2")
        *_, bye = slow.read_rest()
        assert bye["params"]["topic"] == "daemon.bye"


# A dead speaker.


SPOKEN: Json = {
    "serverContent": {
        "modelTurn": {
            "parts": [
                {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": SILENCE}},
            ]
        }
    }
}


@asynccontextmanager
async def served(rig: HandleRig) -> AsyncIterator[Path]:
    """Serve a handle at a socket."""
    hub = rig.handle._hub
    claims = Claims(mic_idle_s=5.0, tell=partial(hub.publish, CHANGED), look=lambda: None)
    with private_directory() as directory:
        path = directory / "s"
        with listener.bind(path, mode=0o600, group="") as bound:
            around = Surroundings(
                socket=str(path),
                config_file="/home/ada/config.toml",
                config=Config,
                started=0.0,
                clock=lambda: 0.0,
                claims=claims,
                peers=lambda: server.peers,
                shut_down=lambda: None,
                reload=lambda: Reloaded(applied=[], at_connect=[], at_restart=[]),
            )
            calls = Calls(rig.handle, hub, around)
            server = ControlServer(
                bound,
                dispatcher=Dispatcher(calls.handlers()),
                hub=hub,
                control=Control(),
                limits=Limits(),
                left=calls.left,
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.run)
                yield path
                tasks.cancel_scope.cancel()


async def result(client: LoopClient, method: str, **params: object) -> Any:
    """Call a method that succeeds; events are passed over."""
    await client.send(request(method, **params))
    while "method" in (answer := await client.read()):
        pass
    return answer["result"]


@pytest.mark.anyio
async def test_z9_the_prompt_of_a_speaker_that_has_died_goes_out_by_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(voice, "_SPEAKER_GRACE_S", 0.1)
    script = saying(SPOKEN, TURN_COMPLETE)
    async with handle(script, context__delivery="deferred") as rig, served(rig) as path:
        speaker, other = connect(path), connect(path)
        await result(speaker, "claim", role="speaker")
        await result(other, "events", topics=["live.audio", CHANGED])
        await result(speaker, "queue_context", text="Ask.", prompt=True)
        await result(speaker, "connect")
        await rig.told.until("live.audio")
        state = await result(other, "voice_state")
        assert state["playback_active"]
        speaker.connection.close()
        with anyio.fail_after(WAIT_S):
            await rig.told.until(CHANGED, 2)
            heard = await rig.heard(3)
        assert rig.told.data(CHANGED)[-1]["reason"] == "left"
        assert [list(frame) for frame in heard[1:]] == [["clientContent"], ["clientContent"]]
        state = await result(other, "voice_state")
        assert not state["playback_active"]
        assert not (await result(other, "writer"))["prompt_armed"]
        assert state["last_playback_drained_ms_ago"] is None  # nobody has reported it
        await result(other, "playback_drained")  # from now on anybody may
        other.connection.close()


def connect(path: Path) -> LoopClient:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    connection.setblocking(False)
    return LoopClient(connection)
