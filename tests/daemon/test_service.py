"""Start and stop of real daemons: one to a path, no trace of a killed one, nobody left waiting."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.daemon import DaemonProcess, environment, private_directory, refused_daemon
from support.daemon import running_daemon as running
from support.http import DRIPS, Asked, Drip, http_server
from support.wire import WireClient, notification, request

FROM_MANAGER = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="control")
os.execv(sys.executable, [sys.executable, "-m", "livehandled", *sys.argv[2:]])
"""


@contextmanager
def silent_service() -> Iterator[str]:
    """Give the URL of a service that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def connecting(*flags: str) -> Iterator[DaemonProcess]:
    """Run a daemon whose sessions never come to be set up."""
    with (
        silent_service() as url,
        running(
            "--set", f"session.base_url={url}", *flags, environ={"GEMINI_API_KEY": "x" * 30}
        ) as daemon,
    ):
        yield daemon


@contextmanager
def fetching() -> Iterator[DaemonProcess]:
    """Run a daemon that asks for a token, and gets it a byte at a time, for ever."""
    asked = threading.Event()

    def answer(_: Asked) -> Drip:
        asked.set()
        return DRIPS[1]

    with http_server(answer) as server:
        url = server.url.replace("http:", "ws:")
        values = (f"session.base_url={url}", "session.credentials=token", _PATIENT)
        flags = [word for value in values for word in ("--set", value)]
        environ = {"GEMINI_API_KEY": "x" * 30}
        with running(*flags, environ=environ) as daemon, daemon.client() as client:
            client.send(request("connect"))
            assert asked.wait(30)
            yield daemon


_PATIENT = "session.connect_timeout_ms=600000"


# One daemon to a path.


def test_a_second_daemon_is_refused_by_path_and_pid_and_the_first_does_not_notice() -> None:
    with running() as first, first.client() as client:
        instance = client.result("daemon.hello")["instance"]
        client.result("events")
        before = first.path.lstat().st_ino
        with refused_daemon(first.path) as second:
            assert second.process.returncode == 1
            (said,) = second.log
        assert str(first.path) in said
        assert f"pid {first.process.pid} " in said
        assert said.endswith("[daemon.already_running]\n")
        assert first.path.lstat().st_ino == before
        assert client.result("daemon.hello")["instance"] == instance
        with first.client() as another:
            assert another.result("daemon.hello")["instance"] == instance
            assert len(another.result("daemon.status")["clients"]) == 2


def test_of_several_daemons_that_start_at_once_one_listens() -> None:
    with private_directory() as directory:
        path = directory / "s"
        daemons = [DaemonProcess(path) for _ in range(3)]
        try:
            for daemon in daemons:
                daemon.wait_for(str(path))  # listening on it, or refused it
            (first,) = (d for d in daemons if "listening on" in d.log[0])
            with first.client() as client:
                assert client.result("daemon.status")["pid"] == first.process.pid
            for daemon in daemons:
                assert daemon is first or daemon.exit_code() == 1
        finally:
            for daemon in daemons:
                daemon.close()


# The socket's mode.


def test_the_socket_is_never_wider_than_0600_while_daemons_start_and_stop() -> None:
    with private_directory() as directory:
        path = directory / "below" / "s"
        seen: set[int] = set()
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                for each in (path, path.parent):
                    try:
                        seen.add(os.lstat(each).st_mode)
                    except FileNotFoundError:
                        continue

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for _ in range(2):
                with running(path=path, umask=0) as daemon, daemon.client() as client:
                    client.result("phase")
        finally:
            over.set()
            watcher.join()
        assert seen == {stat.S_IFSOCK | 0o600, stat.S_IFDIR | 0o700}


def test_the_mode_can_be_configured() -> None:
    with running("--set", "control.mode=0660", umask=0o077) as daemon:
        assert stat.S_IMODE(daemon.path.lstat().st_mode) == 0o660


# Sockets of the service manager.


def serves_and_leaves_the_socket(daemon: DaemonProcess, shown: Path) -> None:
    daemon.wait_for("listening on")
    with WireClient.to(shown) as client:
        status = client.result("daemon.status")
        assert status["socket"] == str(shown)
        client.result("daemon.shutdown")
        client.read_rest()
    assert daemon.exit_code() == 0
    assert shown.is_socket()


def test_an_inherited_socket_replaces_binding_and_is_left_to_its_owner() -> None:
    with private_directory() as directory:
        given = directory / "given"
        daemon = DaemonProcess(
            directory / "other", command=(sys.executable, "-c", FROM_MANAGER, str(given))
        )
        try:
            serves_and_leaves_the_socket(daemon, given)
        finally:
            daemon.close()
        assert not (directory / "other").exists()


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="needs systemd-socket-activate"
)
def test_systemd_starts_the_daemon_for_the_first_client() -> None:
    with private_directory() as directory:
        given = directory / "given"
        environ = [f"--setenv={name}={value}" for name, value in environment(directory).items()]
        daemon = DaemonProcess(
            directory / "other",
            command=(
                *("systemd-socket-activate", f"--listen={given}", *environ),
                *(sys.executable, "-m", "livehandled"),
            ),
        )
        try:
            daemon.wait_for("Listening on")
            with WireClient.to(given) as client:  # it waits until the daemon accepts it
                client.result("phase")
            serves_and_leaves_the_socket(daemon, given)
        finally:
            daemon.close()


def test_a_socket_meant_for_another_process_is_not_taken() -> None:
    with running(environ={"LISTEN_FDS": "1", "LISTEN_PID": "1"}) as daemon:
        assert daemon.path.is_socket()


# The end.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_daemon_and_removes_the_socket(number: signal.Signals) -> None:
    with running() as daemon:
        with daemon.client() as client:
            client.result("events")
            daemon.process.send_signal(number)
            stopping = client.event()
            with suppress(BrokenPipeError):
                client.send(request("connect", "late"))
            *late, bye = client.read_rest()
        assert (stopping["topic"], stopping["data"]) == ("daemon.stopping", {"reason": number.name})
        assert bye["params"]["topic"] == "daemon.bye"
        assert {answer["error"]["data"]["name"] for answer in late} <= {"daemon.stopping"}
        assert daemon.exit_code() == 0
        assert not daemon.path.exists()


def test_a_token_that_comes_a_byte_at_a_time_holds_up_no_stop() -> None:
    with fetching() as daemon:
        assert daemon.stop() == 0


@pytest.mark.parametrize("how", ["shutdown", "SIGTERM"])
def test_stopping_answers_every_pending_call(how: str) -> None:
    with connecting() as daemon:
        with daemon.client() as client, daemon.client() as idle:
            idle.result("phase")
            client.result("events")
            client.result("subscribe")
            client.send(request("connect", "connect") + request("done", "done"))
            client.send(b"[%b,%b]\n" % (request("done", 1)[:-1], request("phase", 2)[:-1]))
            client.send(request("send_text", "text", text="hi") + notification("done"))
            client.event_of("session.phase_changed")
            if how == "shutdown":
                client.send(request("daemon.shutdown", "stop"))
            else:
                daemon.process.terminate()
            messages = client.read_rest()
        assert daemon.exit_code() == 0
        answers = {str(a["id"]): a for a in messages if not isinstance(a, list) and "id" in a}
        assert answers["done"]["result"]["reason"] == "stopped"
        for waiting in ("connect", "text"):
            assert answers[waiting]["error"]["data"]["name"] == "session.ended"
        (batch,) = (a for a in messages if isinstance(a, list))
        assert [a["id"] for a in batch] == [1, 2]
        assert batch[0]["result"]["reason"] == "stopped"
        if how == "shutdown":
            assert answers["stop"]["result"] is None
        topics = [m["params"]["topic"] for m in messages if "method" in m]
        assert topics[-1] == "daemon.bye"
        assert "daemon.stopping" in topics
        assert "session.disconnected" in topics


def test_clients_that_do_not_read_or_do_not_close_hold_up_no_stop() -> None:
    with (
        running() as daemon,
        daemon.client() as deaf,
        daemon.client() as idle,
        daemon.client() as client,
    ):
        idle.result("events")
        deaf.connection.setblocking(False)
        with suppress(BlockingIOError):
            while deaf.connection.send(request("session.config")):
                client.result("daemon.ping")
        assert daemon.stop() == 0


# What is refused in words.


def test_a_session_that_cannot_be_opened_at_the_start_is_refused_in_one_line() -> None:
    with (
        private_directory() as directory,
        refused_daemon(directory / "s", "--set", "session.connect=start") as daemon,
    ):
        assert daemon.process.returncode == 1
        assert daemon.log[-1].endswith("[auth.missing_key]\n")
        assert not daemon.path.exists()


def a_directory(path: Path) -> None:
    path.mkdir()


def a_loop(path: Path) -> None:
    path.symlink_to(path)


def a_key(text: str, mode: int = 0o600) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text)
        path.chmod(mode)

    return write


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (None, "Put an API key into {}: session.key_file names it and it has none."),
        (a_key("\n"), "Put an API key into {}: session.key_file names it and it has none."),
        (a_directory, "Name a plain file for the API key: {} is none."),
        (a_key("marked-1\nmarked-2\n"), "Copy the API key again (file {}): it holds what no"),
        (a_key("marked-1\n", 0o644), "Run chmod 600 {}: others can reach the API key in it."),
        (a_loop, "Make the key file {} readable: Too many levels of symbolic links."),
    ],
    ids=["missing", "empty", "directory", "two lines", "open to others", "unreadable"],
)
def test_a_wrong_key_file_is_told_at_the_start_and_may_be_set_right_later(
    put: Callable[[Path], None] | None, said: str
) -> None:
    with private_directory() as directory:
        path = directory / "key"
        if put is not None:
            put(path)
        flags = ["--set", f"session.key_file={path}", "--set", "session.base_url=ws://127.0.0.1:1"]
        with running(*flags, path=directory / "s") as daemon:
            daemon.wait_for(
                f"warning livehandled.service: no session can be opened yet: {said}".format(path)
            )
            assert daemon.log[-1].endswith("[auth.missing_key]\n")
            assert "marked" not in "".join(daemon.log)
            with daemon.client() as client:
                error = client.error("connect")
                assert error["data"]["name"] == "auth.missing_key"
                assert said.format(path) in error["message"]
                if put is a_directory:
                    path.rmdir()
                path.unlink(missing_ok=True)
                a_key("marked-1\n")(path)
                # The key is found: now it is the service that is not there.
                assert client.error("connect")["data"]["name"] == "upstream.unreachable"


@pytest.mark.parametrize(
    ("flags", "environ"),
    [
        (["--emulator"], {}),
        (["--set", "session.key_file=/no/such/key"], {"GEMINI_API_KEY": "x" * 30}),
    ],
)
def test_a_daemon_that_can_open_a_session_warns_of_nothing(
    flags: list[str], environ: dict[str, str]
) -> None:
    with running(*flags, environ=environ) as daemon:
        assert daemon.stop() == 0
        assert not any("WARNING" in line for line in daemon.log)


def test_a_path_that_is_no_utf8_is_shown_as_well_as_it_can_be() -> None:
    with (
        private_directory() as directory,
        running(path=directory / "\udcff") as daemon,
        daemon.client() as client,
    ):
        assert client.result("daemon.status")["socket"] == f"{directory}/\\xff"


def test_a_daemon_writes_nothing_to_stdout_and_no_key_to_its_log() -> None:
    with connecting("--set", "log.level=debug") as daemon, daemon.client() as client:
        client.send(request("connect", 1) + request("disconnect", 2))
        assert {client.read()["id"], client.read()["id"]} == {1, 2}
        assert daemon.stop() == 0
        assert "x" * 30 not in "".join(daemon.log)


def test_the_command_is_installed() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("livehandled"), "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("livehandled ")
