"""Metrics over HTTP, and a model that falls silent."""

import http.client
import json
import socket
from pathlib import Path

import pytest

from support.daemon import private_directory, refused_daemon, running_daemon
from support.livectl import livectl


class UnixHTTP(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def fetched(
    connection: http.client.HTTPConnection, target: str = "/metrics", **headers: str
) -> tuple[int, str, str]:
    connection.request("GET", target, headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, response.getheader("content-type", ""), body


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def test_prometheus_fetches_them_from_a_port_of_this_machine() -> None:
    port = free_port()
    where = f"metrics.listen=127.0.0.1:{port}"
    with running_daemon("--emulator", "--set", where) as daemon, daemon.client() as client:
        client.result("connect")
        status, kind, body = fetched(http.client.HTTPConnection("127.0.0.1", port, timeout=20))
        assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert "livehandle_sessions_total 1\n" in body
        assert 'livehandle_session_phase{phase="active"} 1\n' in body
        page = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        assert fetched(page, Origin="https://example.org")[0] == 403
        assert fetched(http.client.HTTPConnection("127.0.0.1", port, timeout=20), "/")[0] == 404
        for host in ("example.org", f"example.org:{port}", "127.0.0.1.example.org", "[", ""):
            assert fetched(page, Host=host)[0] == 403, host
        for host in ("localhost", f"LOCALHOST:{port}", f"[::1]:{port}"):
            assert fetched(page, Host=host)[0] == 200, host
        assert daemon.stop() == 0
        assert not any("websockets" in line for line in daemon.log), daemon.log


def test_a_unix_socket_is_as_private_as_the_daemons_own() -> None:
    with private_directory() as directory:
        path = directory / "metrics.sock"
        with running_daemon("--emulator", "--set", f"metrics.listen={path}") as daemon:
            assert fetched(UnixHTTP(path))[0] == 200
            assert path.stat().st_mode & 0o777 == 0o600
            told = livectl(daemon.path, "metrics")
            assert told.code == 0
            assert "# TYPE livehandle_turns_total counter\n" in told.out
            told = livectl(daemon.path, "metrics", "--json")
            assert "livehandle_turns_total 0" in json.loads(told.out)["exposition"]
        assert not path.exists()


@pytest.mark.parametrize(
    "where", ["0.0.0.0:9000", "localhost:9000", "9000", "127.0.0.1:x", "127.0.0.1:65536"]
)
def test_another_machine_never_gets_there(where: str) -> None:
    with (
        private_directory() as directory,
        refused_daemon(directory / "s", "--set", f"metrics.listen={where}") as daemon,
    ):
        daemon.wait_for("metrics.listen")
        assert daemon.exit_code() == 3


def test_a_port_that_is_taken_is_told_before_a_session_is_opened_and_may_be_free_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            private_directory() as directory,
            refused_daemon(
                *(directory / "s", "--emulator", "--set", "session.connect=start"),
                *("--set", f"metrics.listen={where}"),
            ) as daemon,
        ):
            assert daemon.exit_code() == 1  # which the units start again
            (said,) = daemon.log
            assert said.startswith(f"livehandled: Stop who listens on {where}, ")


def test_silence_amid_a_reply_is_told_once() -> None:
    with (
        running_daemon("--emulator", "--set", "voice.stall_ms=100") as daemon,
        daemon.client() as client,
    ):
        client.result("events", topics=["live.stalled", "live.turn_complete"])
        client.result("daemon.fault", do="stall", for_ms=700, at="model_turn", skip=1)
        client.result("send_text", text="Hello there, how are you today?")
        stalled = client.event()
        assert stalled["topic"] == "live.stalled"
        assert 100 <= stalled["data"]["silent_ms"] < 700
        assert client.event()["topic"] == "live.turn_complete"
        assert "livehandle_stalls_total 1\n" in client.result("metrics")["exposition"]
