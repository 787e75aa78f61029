"""CPU per audio frame in and out, against google-genai doing the same to the same emulator.

Ours is the daemon's CPU alone: its clients are other processes. It decodes each frame in and runs
voice activity detection on it, which the baseline does not.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import compare, cpu_seconds
from bench.round_trip import connected

TEXT = "tell me a long story"
STORY = "and then it went on, again and again, " * 100
SCENARIO = f"""
[timing]
reply_delay_ms = 1
stream_speed = 500.0
playback_speed = 1000.0
[[reply]]
match = "{TEXT}"
say = "{STORY}"
"""
SILENCE = base64.b64encode(bytes(640)).decode()
WINDOW = 64
MODES = (("back to back", 20_000, 0.0), ("paced at 20 ms", 500, 0.02))


def main() -> None:
    with emulator() as url:
        for mode, frames, pause_s in MODES:
            print(f"CPU per audio frame, {mode}, against google-genai")
            ours, theirs = daemon(url, frames, pause_s), naive(url, frames, pause_s)
            compare("a 20 ms frame in", ours["in"], theirs["in"], "us")
            compare("a frame of the model's voice out", ours["out"], theirs["out"], "us")


@contextmanager
def emulator() -> Iterator[str]:
    """Run the emulator over TLS, which is all that the SDK speaks, and trust it."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "fast.toml")
        scenario.write_text(SCENARIO)
        command = [sys.executable, "-m", "livehandle_emulator", "--port", "0", "--tls"]
        command += ["--scenario", str(scenario)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            os.environ["SSL_CERT_FILE"] = process.stdout.readline().strip().partition("=")[2]
            yield url.replace("wss://", "https://")
            process.terminate()


def naive(url: str, frames: int, pause_s: float) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.naive", url, str(frames), str(pause_s), TEXT]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def daemon(url: str, frames: int, pause_s: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "daemon.sock")
        command = [sys.executable, "-m", "livehandled", "--socket", str(path)]
        command += ["--set", f"session.base_url={url}", "--set", "session.connect=start"]
        environment = {**os.environ, "GEMINI_API_KEY": "benchmark"}
        with (
            subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process,
            connected(path) as connection,
        ):
            try:
                return measure(process.pid, Client(connection), frames, pause_s)
            finally:
                process.terminate()


class Client:
    """A thin client: a socket and lines."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def send(self, method: str, **params: object) -> None:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self._connection.sendall(json.dumps(request).encode() + b"\n")

    def line(self) -> bytes:
        return self._lines.readline()

    def call(self, method: str, **params: object) -> dict[str, object]:
        self.send(method, **params)
        answer: dict[str, object] = json.loads(self.line())
        if "result" not in answer:
            raise RuntimeError(answer)
        return answer


def measure(pid: int, client: Client, frames: int, pause_s: float) -> dict[str, float]:
    client.call("send_audio", data=SILENCE)  # opens the session, imports numpy
    begun = cpu_seconds(pid)
    due = time.perf_counter()
    for sent in range(frames):
        client.send("send_audio", data=SILENCE)
        if sent >= WINDOW:  # so that nothing is dropped, answers are awaited, some frames later
            assert b'"result":null' in client.line()
        due += pause_s
        if pause_s:
            time.sleep(max(0.0, due - time.perf_counter()))
    for _ in range(WINDOW):
        client.line()
    spent_in = cpu_seconds(pid) - begun
    telemetry = client.call("telemetry")["result"]
    assert isinstance(telemetry, dict)
    if telemetry["media_frames_dropped"]:
        print(f"  {telemetry['media_frames_dropped']} frames were dropped: too fast a client")
    client.call("events", topics=["live.audio", "live.turn_complete"])
    begun = cpu_seconds(pid)
    client.send("send_text", text=TEXT)
    received = 0
    while b'"live.turn_complete"' not in (line := client.line()):
        received += b'"live.audio"' in line
    spent_out = cpu_seconds(pid) - begun
    return {"in": spent_in / frames * 1e6, "out": spent_out / received * 1e6}
