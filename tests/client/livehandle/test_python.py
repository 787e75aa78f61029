"""The Python clients as their users have them: the examples, and a real daemon that misbehaves."""

import re
import signal
import socket
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from livehandle import AsyncClient, Client, Connection
from livehandle.types import AnyEvent
from support.daemon import DaemonProcess, environment, running_daemon

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "client" / "livehandle"
EXAMPLES = FOLDER / "examples"
SAID = 'tool: get_weather Oslo\nget_weather answered {"temperature": 7}.'
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
CALL = 'call get_weather {"city": "Oslo"}'
RESET = ["client.disconnected", "client.connected", "client.reset"]


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with running_daemon("--emulator") as daemon:
        yield daemon


def output_of(command: list[str], path: Path) -> str:
    environ = environment(path.parent, {"LIVEHANDLE_SOCKET": str(path)})
    done = subprocess.run(
        command, capture_output=True, text=True, env=environ, timeout=40, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("program", ["hello.py", "hello_async.py"])
def test_the_hello_programs_carry_out_a_call_and_print_the_reply(
    program: str, daemon: DaemonProcess
) -> None:
    said = output_of([sys.executable, str(EXAMPLES / program)], daemon.path)
    assert said.strip() == SAID


def test_a_recording_is_spoken_and_answered(daemon: DaemonProcess, tmp_path: Path) -> None:
    words = tmp_path / "words.wav"
    hello = ROOT / "client" / "livectl" / "data" / "hello.wav"
    with wave.open(str(hello)) as whole, wave.open(str(words), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(16_000))
    said = output_of([sys.executable, str(EXAMPLES / "speak.py"), str(words)], daemon.path)
    assert re.search(r"\d s of speech\]", said)


def test_a_program_without_a_daemon_is_told_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "speak.py"), "none.wav"]
    environ = environment(tmp_path, {"LIVEHANDLE_SOCKET": str(tmp_path / "none")})
    done = subprocess.run(
        command, capture_output=True, text=True, env=environ, timeout=40, check=False
    )
    assert done.stderr.startswith("daemon.unreachable: No daemon answers at ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", ["hello.py", "hello_async.py", "speak.py"])
def test_the_readme_shows_the_program_as_it_is(program: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    assert (EXAMPLES / program).read_text() in blocks


def test_the_asynchronous_client_is_certified(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "livectl", "certify", "--", sys.executable]
    report = output_of([*command, str(EXAMPLES / "certify_async.py")], tmp_path / "s")
    assert re.search(r"(\d+) of \1 checks passed", report), report


# A daemon that is killed and comes back


def restarted(daemon: DaemonProcess) -> DaemonProcess:
    daemon.stop(signal.SIGKILL)
    again = DaemonProcess(daemon.path, "--emulator")
    again.wait_for("listening on")
    return again


async def test_both_clients_outlive_their_daemon(anyio_backend: str) -> None:
    """Started anew it knows neither their subscriptions nor their functions."""
    asked: list[str] = []

    async def get_weather(city: str) -> str:
        asked.append(city)
        return "rain"

    with running_daemon("--emulator") as daemon, Client.open(str(daemon.path)) as blocking:
        async with AsyncClient.open(str(daemon.path)) as live:
            await live.register(get_weather, parameters=PARAMETERS)
            events = await live.events(topics=["live.tool_execution"])
            others = blocking.events(topics=["live.tool_execution"])
            again = await anyio.to_thread.run_sync(restarted, daemon)
            try:
                assert [(await anext(events)).topic for _ in RESET] == RESET
                assert [next(others).topic for _ in RESET] == RESET
                await live.send_text(text=CALL)
                seen = [await anext(events), next(others)]
            finally:
                await anyio.to_thread.run_sync(again.close)
    for event in seen:
        assert event.topic == "live.tool_execution"
        assert event.data["result"] == {"output": "rain"}
    assert asked == ["Oslo"]


def test_a_client_that_was_only_cut_off_goes_on_without_loss(daemon: DaemonProcess) -> None:
    with Connection.open(str(daemon.path)) as other, Client.open(str(daemon.path)) as live:
        events = live.events(topics=["daemon.claim_changed"])
        other.call("claim", role="mic")
        seen = [next(events)]
        assert live._connection is not None
        live._connection.shutdown(socket.SHUT_RDWR)
        other.call("release", role="mic")
        seen += [next(events) for _ in range(3)]
    assert [event.topic for event in seen] == [
        "daemon.claim_changed",
        "client.disconnected",
        "client.connected",
        "daemon.claim_changed",
    ]
    assert seen[3].seq == seen[0].seq + 1


async def test_a_handler_is_cancelled_when_nobody_wants_the_answer(anyio_backend: str) -> None:
    began, ended = anyio.Event(), anyio.Event()

    async def get_weather(city: str) -> None:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    with running_daemon("--emulator") as daemon:
        async with AsyncClient.open(str(daemon.path)) as live:
            await live.register(get_weather, parameters=PARAMETERS)
            await live.send_text(text=CALL)
            await began.wait()
            await live.disconnect()
            await ended.wait()
            assert await live.phase() == {"phase": "disconnected"}


# A reader who is too slow

PAIRS = 600


def flood(daemon: DaemonProcess) -> None:
    """Claim and release a role so often that whoever does not read falls behind."""
    with Connection.open(str(daemon.path)) as other:
        for _ in range(PAIRS // 50):
            sent = [other.send(m, {"role": "mic"}) for _ in range(50) for m in ("claim", "release")]
            for each in sent:
                other.wait(each)
        status = other.call("daemon.status")
    assert isinstance(status, dict)
    assert sorted(client["lagged"] for client in status["clients"]) == [0, 1, 1]


def holders(seen: list[AnyEvent]) -> list[bool]:
    return [e.data["holder"] is not None for e in seen if e.topic == "daemon.claim_changed"]


async def test_slow_readers_are_told_and_go_on_without_loss(
    monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> None:
    monkeypatch.setattr("livehandle.feeds.BUFFER_BYTES", 20_000)
    flags = ("--emulator", "--set", "limits.client_buffer_bytes=65536")
    with running_daemon(*flags) as daemon, Client.open(str(daemon.path)) as blocking:
        async with AsyncClient.open(str(daemon.path)) as live:
            events = await live.events(topics=["daemon.claim_changed"])
            others = blocking.events(topics=["daemon.claim_changed"])
            await anyio.to_thread.run_sync(flood, daemon)
            seen: list[AnyEvent] = []
            while len(holders(seen)) < 2 * PAIRS:
                seen.append(await anext(events))
            also: list[AnyEvent] = []
            while len(holders(also)) < 2 * PAIRS:
                also.append(next(others))
    for given in (seen, also):
        assert holders(given) == [True, False] * PAIRS
        topics = {event.topic for event in given}
        assert topics == {"daemon.claim_changed", "events.lagged"}
