"""CPU per audio frame in and out, against the naive server doing the same to the same emulator.

The CPU is the server's alone: clients and emulator are other processes, the same for both. The
daemon listens for the user's voice in each frame in, which the naive server does not. Back to
back, up to `WINDOW` frames wait for their answers; paced, the client sends one every 20 ms.
"""

import base64
import statistics
import time
from collections.abc import Sequence

from bench.figures import compare, cpu_seconds
from bench.processes import DAEMON, NAIVE, Client, emulator, line_of, serving

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
FRAME = line_of("send_audio", data=SILENCE)
WINDOW = 64
ROUNDS, FRAMES, PACED = 5, 2000, 150
REST_S = 0.3
"""The emulator takes longer for a frame than the daemon: it has caught up after so long."""


def main() -> None:
    print("CPU of audio, against the naive server")
    with emulator(SCENARIO) as url:
        ours = [*DAEMON, "--set", f"session.base_url={url}"]
        key = {"GEMINI_API_KEY": "benchmark", "NAIVE_SERVER_URL": url}
        with (
            serving(ours, **key) as (pid_a, path_a),
            serving(NAIVE, **key) as (pid_b, path_b),
            Client(path_a) as a,
            Client(path_b) as b,
        ):
            both = (Measured(pid_a, a), Measured(pid_b, b))
            in_turn("a 20 ms frame in, back to back", both, "frames", ROUNDS)
            in_turn("a 20 ms frame in, paced", both, "paced", ROUNDS)
            in_turn("a frame of the model's voice out", both, "voice", ROUNDS)
            dropped = a.call("telemetry")["media_frames_dropped"]
            assert dropped == 0, f"{dropped} frames were dropped: not all work was done"


def in_turn(what: str, servers: Sequence["Measured"], figure: str, rounds: int) -> None:
    """Print the medians of a figure that is measured of each in turn."""
    for server in servers:
        getattr(server, figure)()
    rows = [[getattr(server, figure)() for server in servers] for _ in range(rounds)]
    ours, naive = (statistics.median(column) for column in zip(*rows, strict=True))
    compare(what, ours, naive, "us")


class Measured:
    """A server, and what its CPU does for one client; figures are microseconds a frame."""

    def __init__(self, pid: int, client: Client) -> None:
        self._pid = pid
        self._client = client
        client.call("send_audio", data=SILENCE)  # opens the session

    def frames(self) -> float:
        return self._sent(FRAMES, 0.0)

    def paced(self) -> float:
        return self._sent(PACED, 0.02)

    def _sent(self, frames: int, pause_s: float) -> float:
        window = 0 if pause_s else WINDOW
        begun, due = cpu_seconds(self._pid), time.perf_counter()
        for sent in range(frames + window):
            if sent < frames:
                self._client.socket.sendall(FRAME)
            if sent >= window:
                assert b'"result":' in self._client.line()
            if pause_s:
                due += pause_s
                time.sleep(max(0.0, due - time.perf_counter()))
        spent = cpu_seconds(self._pid) - begun
        time.sleep(REST_S)
        return spent / frames * 1e6

    def voice(self) -> float:
        if not self._listens:
            self._client.call("events", topics=["live.audio", "live.turn_complete"])
            self._listens = True
        begun = cpu_seconds(self._pid)
        self._client.socket.sendall(line_of("send_text", text=TEXT))
        received = 0
        while b'"live.turn_complete"' not in (line := self._client.line()):
            received += b'"live.audio"' in line
        return (cpu_seconds(self._pid) - begun) / received * 1e6

    _listens = False
