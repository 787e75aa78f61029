"""A daemon whose configuration is changed while it runs."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import DaemonProcess, running_daemon


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("")
    return path


@pytest.fixture
def daemon(file: Path) -> Iterator[DaemonProcess]:
    with running_daemon("--emulator", "--config", str(file)) as daemon:
        yield daemon


def test_each_change_counts_from_the_moment_that_is_told(daemon: DaemonProcess, file: Path) -> None:
    with daemon.client() as client:
        client.result("connect")
        file.write_text(
            '[session]\nvoice = "Puck"\n[limits]\npending_calls = 3\nring_events = 9\n'
            "[metrics]\ninterval_ms = 10\n"
        )
        assert client.result("daemon.reload") == {
            "applied": ["limits.pending_calls", "metrics.interval_ms"],
            "at_connect": ["session.voice"],
            "at_restart": ["limits.ring_events"],
        }
        limits = client.result("daemon.hello")["limits"]
        assert (limits["pending_calls"], limits["ring_events"]) == (3, 4096)
        client.result("events", topics=["live.telemetry"])
        assert client.event()["topic"] == "live.telemetry"
        assert client.result("session.config")["session"]["voice"]["value"] == ""
        client.result("disconnect")
        client.result("connect")
        voice = client.result("session.config")["session"]["voice"]
        assert voice == {"value": "Puck", "source": f"file {file}:2"}


def test_those_who_connect_from_now_on_have_the_new_limits(
    daemon: DaemonProcess, file: Path
) -> None:
    with daemon.client() as first:
        file.write_text("[limits]\nsubscriptions = 1\n[control]\nmax_clients = 2\n")
        first.result("daemon.reload")
        first.result("events")
        first.result("events")
        with daemon.client() as second:
            second.result("events")
            assert second.error("events")["data"]["name"] == "events.too_many"
            with daemon.client() as third:
                assert third.read()["error"]["data"]["name"] == "daemon.too_many_clients"


def test_a_signal_reads_it_again_and_the_log_tells_of_it(daemon: DaemonProcess, file: Path) -> None:
    file.write_text('[tools]\nmax_repeats = 7\n[log]\nlevel = "debug"\n')
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("at once log.level, at the next session tools.max_repeats")
    file.write_text("[tools]\nmax_repeat = 7\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for(
        f"stays as it was: Correct tools.max_repeat (file {file}:2): there is no such key; "
        "did you mean tools.max_repeats?"
    )
    with daemon.client() as client:
        assert client.result("session.config")["tools"]["max_repeats"]["value"] == 7
