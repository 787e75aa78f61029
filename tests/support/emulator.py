"""Emulators for tests: in the test's own loop, or as a process of their own."""

import select
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from ssl import SSLContext

import anyio

from livehandle_emulator.scenario import Scenario, Timing
from livehandle_emulator.server import serve
from livehandle_emulator.service import Service

GEMINI_PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VERTEX_PATH = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"

FAST = Timing(reply_delay_ms=0, stream_speed=1e6, playback_speed=1e6)
"""Replies come at once, and play in no time."""

FAST_TOML = "timing = { reply_delay_ms = 0, stream_speed = 1e6, playback_speed = 1e6 }\n"

_START_S = 30.0
_STOP_S = 10.0


@asynccontextmanager
async def serving(
    scenario: Scenario | None = None,
    *,
    tls: SSLContext | None = None,
    service: Service | None = None,
) -> AsyncIterator[int]:
    """Serve in this loop; gives the port. A reply takes no time unless the scenario says so."""
    service = service or Service(scenario or Scenario(timing=FAST))
    async with anyio.create_task_group() as tasks:
        port: int = await tasks.start(partial(serve, service=service, tls=tls))
        yield port
        tasks.cancel_scope.cancel()


@dataclass(frozen=True)
class EmulatorProcess:
    """A `livehandle-emulator` that listens."""

    url: str
    """As printed, without a path."""
    ca_file: Path | None
    """What SSL_CERT_FILE must be to trust it, with TLS."""
    process: subprocess.Popen[bytes]


@contextmanager
def running_emulator(
    directory: Path,
    *,
    tls: bool = False,
    scenario: str | None = FAST_TOML,
    flags: tuple[str, ...] = (),
) -> Iterator[EmulatorProcess]:
    """Run `livehandle-emulator` with a scenario given as TOML, or none; stop it by SIGTERM.

    Fails if it does not exit cleanly, or wrote anything to stderr.
    """
    command = [sys.executable, "-m", "livehandle_emulator", "--port", "0"]
    command += [*(["--tls"] if tls else []), *flags]
    if scenario is not None:
        scenario_file = directory / "scenario.toml"
        scenario_file.write_text(scenario, encoding="utf-8")
        command += ["--scenario", str(scenario_file)]
    # Without a buffer: a line that is read leaves the next where select sees it.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        try:
            url = _line(process)
            ca_file = Path(_line(process).removeprefix("SSL_CERT_FILE=")) if tls else None
            yield EmulatorProcess(url, ca_file, process)
        finally:
            process.terminate()
            try:
                _, complaints = process.communicate(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert (process.returncode, complaints) == (0, b""), complaints.decode()


def _line(process: subprocess.Popen[bytes]) -> str:
    """Return the next line of output; fails with what was complained of if none comes."""
    assert process.stdout is not None
    assert process.stderr is not None
    ready, _, _ = select.select([process.stdout], [], [], _START_S)
    line = process.stdout.readline() if ready else b""
    if not line:
        process.kill()
        raise AssertionError(f"the emulator did not start: {process.stderr.read()!r}")
    return line.decode().rstrip("\n")
