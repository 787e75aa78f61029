"""The model's voice to many subscribers, against raw non-blocking `send()` of the same bytes.

First the daemon's CPU for each event, all of it: an event is received over TLS, decoded, counted
and told. The baseline is a process that sends a line of the same length to as many sockets at the
same pace and does nothing else. Then the publishing alone, in this process: `Hub.publish` to
subscriptions with sockets of their own, against `send()` to the same sockets.
"""

import resource
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.figures import compare, cpu_seconds, median
from bench.processes import DAEMON, PYTHON, Client, emulator, line_of, running, serving
from livehandle_proto.topics import Audio
from livehandled.control.outlet import Outlet
from livehandled.control.subscriptions import Backlog, Subscription
from livehandled.hub import Hub

COUNTS = (1, 10, 100, 1000)
ROUNDS = 3
TEXT = "tell me a story"
SPEED = 2.0
SCENARIO = f"""
[timing]
reply_delay_ms = 1
stream_speed = {SPEED}
playback_speed = 1000.0
[[reply]]
match = "{TEXT}"
say = "{"and then it went on, again and again, " * 3}"
"""
EVENTS = 200
"""Of the publishing alone."""


def main() -> None:
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    print("CPU of an event of the model's voice to N subscribers, against raw send()")
    costs = {}
    with emulator(SCENARIO) as url:
        for count in COUNTS:
            pairs = [whole(url, count) for _ in range(ROUNDS)]
            ours, raw = (median([pair[side] for pair in pairs]) for side in (0, 1))
            costs[count] = ours
            compare(f"the daemon, {count}", ours, raw, "us")
    each = [(costs[b] - costs[a]) / (b - a) for a, b in ((10, 100), (100, 1000))]
    compare("one of 100 to 1000, against of 10 to 100", each[1], each[0], "us")
    for count in COUNTS:
        compare(f"publishing alone, {count}", *publishing(count), "us")


def whole(url: str, count: int) -> tuple[float, float]:
    """Return the CPU of an event, ours and raw, in us."""
    ours = [*DAEMON, "--set", f"session.base_url={url}", "--set", "control.max_clients=2000"]
    ours += ["--set", "control.max_clients_per_uid=2000"]
    wanted = line_of("events", topics=["live.audio"])
    with serving(ours, GEMINI_API_KEY="benchmark") as (pid, path), Client(path) as client:
        client.call("daemon.hello", max_line_bytes=2**24)
        client.call("connect")
        client.call("events", topics=["live.turn_complete"])
        with subscribed(path, count, wanted) as first:
            begun, begun_at = cpu_seconds(pid), time.perf_counter()
            client.call("send_text", text=TEXT)
            while b'"live.turn_complete"' not in client.line():
                pass
            spent, took = cpu_seconds(pid) - begun, time.perf_counter() - begun_at
            clients = client.call("daemon.status")["clients"]
            assert isinstance(clients, list)
            assert not any(one["dropped"] for one in clients), "the subscribers were too slow"
        events, length = first()
    with (
        serving([*PYTHON, "-m", "bench.raw_sender"]) as (_, path),
        Client(path) as client,
        subscribed(path, count, b"\n"),
    ):
        line = b"x" * (length - 1) + b"\n"
        client.socket.sendall(b"go %d %f %b" % (events, took / events, line))
        raw = float(client.line())
    return spent / events * 1e6, raw / events * 1e6


@contextmanager
def subscribed(path: Path, count: int, request: bytes) -> Iterator[Callable[[], tuple[int, int]]]:
    """Run the subscribers; what is given tells, after the block, what the first of them got.

    That is the number of lines and their mean length.
    """
    command = [*PYTHON, "-m", "bench.subscribers", str(path), str(count), request.decode().strip()]
    got: list[str] = []
    with running(command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield lambda: (int(got[0]), int(got[1]) // int(got[0]))
        assert process.stdin is not None
        process.stdin.close()
        got += process.stdout.readline().split()


def publishing(count: int) -> tuple[float, float]:
    """Return the CPU of publishing an event, and of as many raw sends, in us."""
    hub = Hub(ring_events=1, wall_ms=lambda: 0)
    with ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(count)]
        for pair in pairs:
            for end in pair:
                stack.enter_context(end).setblocking(False)
        for near, _ in pairs:
            subscription = Subscription(
                "e1",
                ["live.audio"],
                start_seq=0,
                hub=hub,
                outlet=Outlet(near),
                backlog=Backlog(log_bytes=2**20, stream_bytes=2**20),
                line_bytes=2**16,
            )
            subscription.activate()
        data = Audio(data="A" * 2560, mime_type="audio/pcm;rate=24000")
        hub.publish("live.audio", data)
        line = pairs[0][1].recv(2**16)
        drain(pairs[1:])
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(2 * max(10, EVENTS // count)):
            begun = time.perf_counter()
            if turn % 2:
                hub.publish("live.audio", data)
            else:
                for near, _ in pairs:
                    near.send(line)
            times[turn % 2].append(time.perf_counter() - begun)
            drain(pairs)
    return median(times[1]) * 1e6, median(times[0]) * 1e6


def drain(pairs: Iterable[tuple[socket.socket, socket.socket]]) -> None:
    for _, far in pairs:
        far.recv(2**16)
