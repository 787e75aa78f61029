"""The socket of a real daemon, as any program may use or misuse it."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from livehandle_proto.envelope import MAX_ID_BYTES
from support.daemon import DaemonProcess, private_directory, running_daemon
from support.emulator import running_emulator
from support.wire import WireClient, notification, request

KEY = {"GEMINI_API_KEY": "x" * 30}
PHASE = b'{"jsonrpc":"2.0","id":1,"method":"phase"}'
ANSWER = b'{"jsonrpc":"2.0","result":{"phase":"disconnected"},"id":1}\n'


@contextmanager
def failing(*flags: str) -> Iterator[DaemonProcess]:
    """Run a daemon each of whose sessions fails at once, and so gives a handful of events."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: it refuses
        url = f"session.base_url=ws://127.0.0.1:{closed.getsockname()[1]}"
        with running_daemon("--set", url, *flags, environ=KEY) as daemon:
            yield daemon


@pytest.fixture(scope="module")
def shared() -> Iterator[DaemonProcess]:
    """Give a daemon without a session, which tests that leave it as it is share."""
    with running_daemon() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def talking() -> Iterator[DaemonProcess]:
    """Give a daemon whose model answers in no time, and which lets little wait for a client."""
    with private_directory() as directory, running_emulator(directory) as emulator:
        setup = {"tools": [{"functionDeclarations": [{"name": "f"}]}]}
        flags = [
            f"session.base_url={emulator.url}",
            f"session.setup={json.dumps(setup)}",
            "limits.client_buffer_bytes=65536",
        ]
        settings = [word for flag in flags for word in ("--set", flag)]
        with running_daemon(*settings, environ=KEY) as daemon:
            yield daemon


def say_a_lot(client: WireClient) -> None:
    """Have the model speak; `client` must hear `live.turn_complete`."""
    client.result("send_text", text="hello " * 100)
    client.event_of("live.turn_complete")


def memory_kb(daemon: DaemonProcess) -> int:
    """Return the daemon's resident memory."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def descriptors(daemon: DaemonProcess) -> int:
    return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


# Programs that know nothing of us.


def test_a_request_without_a_line_end_from_a_half_closed_client_is_answered() -> None:
    with running_daemon() as daemon, daemon.client() as client:
        client.send(PHASE)
        client.half_close()
        assert client.read_line() == ANSWER
        assert client.read_line() == b""


@pytest.mark.skipif(shutil.which("nc") is None, reason="needs nc (netcat-openbsd)")
@pytest.mark.parametrize(("flags", "end"), [("-NU", b""), ("-NU", b"\n"), ("-U", b"\n")])
def test_nc_is_answered(flags: str, end: bytes) -> None:
    with running_daemon() as daemon:
        command = ["nc", flags, str(daemon.path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nc:
            assert nc.stdin is not None
            assert nc.stdout is not None
            nc.stdin.write(PHASE + end)
            nc.stdin.close()
            assert nc.stdout.readline() == ANSWER
            if flags == "-NU":
                assert nc.wait(10) == 0
            nc.kill()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_is_told_what_the_socket_speaks() -> None:
    with running_daemon() as daemon:
        command = ["curl", "--silent", "--include", "--unix-socket", str(daemon.path), "http://x/"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("HTTP/1.1 400 ")
    assert said.count("HTTP/1.1") == 1
    assert said.endswith("not HTTP.\n")


@pytest.mark.parametrize("start", [b"GET /", b"POST /", b"PRI *"])
def test_http_one_byte_at_a_time_gets_one_refusal_and_the_end(start: bytes) -> None:
    with running_daemon() as daemon, daemon.client() as client:
        for i in range(len(start)):
            client.send(start[i : i + 1])
        said = b""
        while data := client.connection.recv(1000):
            said += data
        assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert said.count(b"\r\n\r\n") == 1
        assert said.endswith(b"not HTTP.\n")


# Limits.

LONG = "\x01" * 10_000


@pytest.mark.parametrize(
    "line",
    [
        request(LONG, "x" * (MAX_ID_BYTES - 2)),
        request("phase", "x" * 10_000),
        request("send_text", 1, **{LONG: 1}),
        request("events", 1, topics=[LONG]),
        request("events", 1, since=LONG),
        request("unsubscribe", 1, subscription=LONG),
        request("connect", 1, config={LONG: 1}),
        request("connect", 1, config={"session": {LONG: 1}}),
        request("connect", 1, config={"session": {"voice": LONG, "modality": LONG}}),
        request("send_audio", 1, data=LONG),
        request("send_video", 1, data=LONG),
        request("send_tool_response", 1, responses=[{"id": LONG, "name": LONG, "response": 1}]),
        notification(LONG),
        notification("send_text", **{LONG: 1}),
    ],
)
def test_what_is_said_of_a_hostile_request_fits_a_line(line: bytes, shared: DaemonProcess) -> None:
    with shared.client() as client:
        client.send(line)
        message = client.read()  # which checks the length
        assert "error" in message or message["params"]["topic"] == "daemon.notification_failed"
        client.send(b"[" + b",".join([line.strip()] * 100) + b"]\n" + request("phase", "last"))
        while True:
            message = client.read()
            if isinstance(message, dict) and message.get("id") == "last":
                break


def test_a_line_too_long_is_refused_and_the_connection_closes() -> None:
    with running_daemon("--set", "limits.max_line_bytes=4096") as daemon, daemon.client() as client:
        with suppress(BrokenPipeError, ConnectionResetError):
            client.send(PHASE + b"\n" + b"x" * 1_000_000)
        answers = client.read_rest()
        assert answers[0] == json.loads(ANSWER)
        assert answers[1]["error"]["data"]["name"] == "wire.too_long"


def test_every_line_is_short_while_the_model_speaks_and_its_events_come_in_order(
    talking: DaemonProcess,
) -> None:
    with talking.client() as listener, talking.client() as talker:
        answer = listener.result("events", topics=["*", "live.audio", "session.audio_data"])
        talker.result("send_text", text="hello " * 100)
        seqs = [int(answer["cursor"].split(":")[1])]
        topics = []
        while "live.turn_complete" not in topics:
            event = listener.event()  # which checks the length
            topics.append(event["topic"])
            seqs.append(event["seq"])
        assert seqs == sorted(set(seqs))
        assert "live.audio" in topics
        assert "live.output_transcript" in topics


def test_an_event_too_long_for_a_line_says_what_to_raise(talking: DaemonProcess) -> None:
    args = json.dumps({"a": "x" * 70_000})
    with talking.client() as client, talking.client() as patient:
        patient.result("daemon.hello", max_line_bytes=1_000_000)
        patient.max_line = 1_000_000
        for one in (client, patient):
            one.result("subscribe", topics=["session.tool_call"])
        client.result("send_text", text=f"call f {args}")
        error = client.event()["data"]["error"]
        assert error["data"]["name"] == "wire.result_too_large"
        assert error["data"]["param"] == "max_line_bytes"
        (call,) = patient.event()["data"]["function_calls"]
        assert call["args"] == json.loads(args)
        answer = {"id": call["id"], "name": "f", "response": {}}
        client.result("send_tool_response", responses=[answer])


# Slow readers, and what they cost others.


def fail_once(client: WireClient) -> None:
    assert client.error("connect")["data"]["name"] == "upstream.unreachable"


def test_a_slow_log_lags_with_one_notice_and_since_resumes_exactly() -> None:
    topics = ["session.error", "session.disconnected", "live.disconnected"]
    with (
        failing("--set", "limits.client_buffer_bytes=65536") as daemon,
        daemon.client() as slow,
        daemon.client() as client,
    ):
        client.result("events", topics=topics)
        slow.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        first = slow.result("events", topics=topics)
        rounds = 0
        while client.result("daemon.status")["last_seq"] < 3000:
            fail_once(client)
            rounds += 1
        expected = [client.event()["seq"] for _ in range(3 * rounds)]
        seen: list[int] = []
        while (event := slow.event())["topic"] != "events.lagged":
            seen.append(event["seq"])
        assert event["subscription"] == first["subscription"]
        assert event["data"]["last_seq"] == seen[-1]
        assert event["data"]["missed"] == len(expected) - len(seen) > 0
        resumed = slow.result("events", topics=topics, since=event["cursor"])
        assert not resumed.get("reset")
        seen += [slow.event()["seq"] for _ in range(len(expected) - len(seen))]
        assert seen == expected
        fail_once(client)
        assert slow.event()["seq"] > expected[-1]


def test_since_another_daemons_cursor_is_reset_with_a_snapshot() -> None:
    with failing() as daemon, daemon.client() as client:
        fail_once(client)
        for since in ("other:1", f"{client.result('daemon.hello')['instance']}:9999"):
            answer = client.result("events", since=since)
            assert answer["reset"] is True
            assert answer["snapshot"]["phase"] == "disconnected"


def test_a_slow_listener_misses_the_oldest_audio_and_is_told_how_much(
    talking: DaemonProcess,
) -> None:
    with talking.client() as slow, talking.client() as client:
        client.result("events", topics=["live.turn_complete"])
        before = client.result("telemetry")["audio_chunks_out"]
        slow.result("events", topics=["live.audio"])
        for _ in range(2):
            say_a_lot(client)
        sent = client.result("telemetry")["audio_chunks_out"] - before
        last = client.result("daemon.status")["last_seq"]
        heard, dropped, seqs = 0, 0, [0]
        while heard + dropped < sent:
            event = slow.event()
            seqs.append(event["seq"])
            if event["topic"] == "events.dropped":
                dropped += event["data"]["count"]
                assert event["data"]["from"] <= event["data"]["to"] <= last
            else:
                heard += 1
        assert dropped > 0
        assert seqs == sorted(set(seqs))


def flood(client: WireClient, other: WireClient, line: bytes) -> int:
    """Write and never read, until nothing is taken any more while others are served."""
    client.connection.setblocking(False)
    sent = idle = 0
    while idle < 50:
        try:
            sent += client.connection.send(line)
            idle = 0
        except BlockingIOError:
            other.result("daemon.ping")
            idle += 1
    return sent


@pytest.mark.parametrize(
    "line",
    [
        request("session.config"),
        b"[" + b",".join([request("telemetry").strip()] * 100) + b"]\n",
        notification("no_such_method"),
        b"nonsense\n",
        request("events") + request("unsubscribe", subscription="e1"),
    ],
)
def test_a_client_that_does_not_read_its_answers_is_not_read_from_and_hurts_nobody(
    line: bytes, shared: DaemonProcess
) -> None:
    with shared.client() as deaf, shared.client() as other:
        other.result("daemon.ping")
        before = memory_kb(shared)
        sent = flood(deaf, other, line)
        assert sent < 2_000_000
        assert memory_kb(shared) - before < 8_192
        deaf.connection.setblocking(True)
        assert deaf.read_line()  # and it is served again as soon as it reads


def test_a_deaf_subscriber_costs_a_bounded_amount_whatever_is_said(talking: DaemonProcess) -> None:
    everything = ["*", "live.audio", "session.audio_data", "session.raw"]
    with talking.client() as deaf, talking.client() as client:
        client.result("events", topics=["live.turn_complete"])
        say_a_lot(client)
        before = memory_kb(talking)
        for _ in range(32):
            deaf.result("events", topics=everything)
        for _ in range(4):
            say_a_lot(client)
        assert memory_kb(talking) - before < 32_768


def test_clients_that_come_and_go_leave_nothing_behind() -> None:
    with running_daemon() as daemon, daemon.client() as client:
        client.result("daemon.hello")

        def settled() -> tuple[int, Any]:
            while len(clients := client.result("daemon.status")["clients"]) > 1:
                pass
            return descriptors(daemon), len(clients)

        before = settled()
        for i in range(200):
            with daemon.client() as passing:
                if i % 4 == 0:
                    passing.result("events")
                elif i % 4 == 1:
                    passing.send(request("done") + b"{")
                elif i % 4 == 2:
                    passing.send(b"GET / HTTP/1.1\r\n\r\n")
        assert settled() == before
