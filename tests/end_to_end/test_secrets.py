"""A key, a token, a handle and an utterance, each marked, through every fault: none gets out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest
from anyio import to_thread

from livehandle_emulator.scenario import Scenario, Timing
from livehandle_emulator.service import Service
from livehandle_proto.faults import Fault, FaultKind
from support.daemon import DaemonProcess, private_directory
from support.emulator import serving
from support.gateway import Gateway, gateway
from support.wire import WireClient

KEY = "marked-key-0123456789abcdef"
WORDS = "the marked utterance of somebody"
PATTERN = "the marked [a-z]+ of somebody"
TIMING = Timing(reply_delay_ms=0, stream_speed=1e6, playback_speed=50.0)

FAULTS = (
    Fault(do="close", at="model_turn", code=1011, reason=f"Failed at {WORDS} with {KEY}."),
    Fault(do="close", at="model_turn", code=1007, reason=f"Invalid field {KEY}."),
    Fault(do="abort", at="model_turn"),
    Fault(do="go_away", at="turn_complete", time_left_ms=60_000),
    Fault(do="stall", at="model_turn", for_ms=50),
    Fault(do="refuse", at="upgrade", status=503, body=f"No service for {KEY}."),
    Fault(do="half_open", at="model_turn", for_ms=50),
    Fault(do="slow", at="model_turn", bytes_per_s=2_000_000),
    Fault(do="fragment", at="model_turn", bytes=10),
    Fault(do="oversize", at="model_turn", bytes=70_000_000),
    Fault(do="delay_pong", by_ms=50),
    Fault(do="garbage", at="model_turn"),
    Fault(do="quota", at="model_turn"),
    Fault(do="forget", at="upgrade"),
    Fault(do="drop_message", at="output_transcription", when="instead"),
)

ASKED = (
    *("session", "session.config", "session.resume_handle", "transcript", "telemetry", "metrics"),
    *("state", "daemon.status", "daemon.hello", "claims", "tools.list", "pending_context"),
    *("recording", "recording.list", "voice_state", "extractors.list"),
)


def test_every_fault_has_its_turn() -> None:
    assert {fault.do for fault in FAULTS} == set(get_args(FaultKind))


class Everything:
    """All that a client is told."""

    def __init__(self, client: WireClient) -> None:
        self.told: list[str] = []
        self._client = client

    def result(self, method: str, **params: object) -> None:
        self.told.append(json.dumps(self._client.call(method, **params)))

    def until(self, *topics: str) -> None:
        while True:
            event = self._client.event()
            self.told.append(json.dumps(event))
            if event["topic"] in topics:
                return
            if event["topic"] == "live.reconnecting":
                self._client.call("connect")  # now, and not after a pause


def converse(client: WireClient, arm: Any) -> list[str]:
    """Say the words through every fault; return all that was told."""
    every = Everything(client)
    client.max_line = 2**24
    every.result("daemon.hello", max_line_bytes=2**24)
    every.result("events", topics=["*"])
    every.result("recording.start", name="call")
    for fault in FAULTS:
        every.result("connect")
        arm(fault)
        for _ in range(2):
            every.result("send_text", text=WORDS)
            every.until("live.turn_complete", "live.disconnected")
        every.result("state.set", key="app:words", value=WORDS)
        every.result("send_text", text="")
    every.result("recording.stop")
    for method in ASKED:
        every.result(method)
    return every.told


def texts(directory: Path) -> Iterator[tuple[str, str]]:
    """Return the files below a directory, as text."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes().decode(errors="replace")


def process_list(pid: int) -> Iterator[tuple[str, str]]:
    """Return what the process list can show of a process."""
    for name in ("cmdline", "environ", "comm", "status"):
        yield name, Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")


async def run(daemon: DaemonProcess, service: Service) -> list[str]:
    def arm(fault: Fault) -> None:
        anyio.from_thread.run_sync(service.faults.clear)
        anyio.from_thread.run_sync(service.faults.add, fault)
        if fault.moment == "upgrade":
            anyio.from_thread.run_sync(service.faults.add, Fault(do="abort", at="model_turn"))

    def whole() -> list[str]:
        with daemon.client() as client:
            return converse(client, arm)

    return await to_thread.run_sync(whole)


@pytest.mark.anyio
async def test_no_mark_is_anywhere_it_must_not_be() -> None:
    service = Service(Scenario(timing=TIMING))
    with private_directory() as directory:
        key_file = directory / "key"
        key_file.touch(0o600)
        key_file.write_text(KEY)
        config = directory / "config.toml"
        config.write_text(f'[redaction]\nkeys = ["words"]\npatterns = {{ words = "{PATTERN}" }}\n')
        state, shelf = directory / "state", directory / "shelf"
        async with serving(service=service) as port, gateway(port) as front:
            values = (
                f"session.base_url={front.url}", f"session.key_file={key_file}",
                "session.credentials=token", "session.modality=text", "log.level=debug",
                f"recording.directory={shelf}",
            )  # fmt: skip
            flags = ["--config", str(config), *(w for value in values for w in ("--set", value))]
            daemon = DaemonProcess(directory / "s", *flags, environ={"STATE_DIRECTORY": str(state)})
            try:
                await to_thread.run_sync(daemon.wait_for, "listening on")
                told = await run(daemon, service)
                seen = dict(process_list(daemon.process.pid))
            finally:
                await to_thread.run_sync(daemon.close)
        seen |= {"told": "".join(told), "log": "".join(daemon.log)}
        kept = dict(texts(state))
        seen |= dict(texts(shelf))
        check(front, seen, kept)


def check(front: Gateway, seen: dict[str, str], kept: dict[str, str]) -> None:
    secrets = {KEY, *front.tokens, *front.handles}
    assert len(front.tokens) > 5
    assert len(front.handles) > 5
    assert any("wire.jsonl" in name for name in seen)
    assert "[redacted]" in seen["told"]
    assert kept, "there is a state file"
    for name, text in seen.items():
        for mark in (*secrets, WORDS):
            assert mark not in text, (name, mark)
    for name, text in kept.items():
        # The handle stands in the session's file: with it a restart goes on.
        for mark in {KEY, *front.tokens, WORDS}:
            assert mark not in text, (name, mark)
