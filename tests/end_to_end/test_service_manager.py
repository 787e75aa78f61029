"""The daemon and its service manager: readiness, status, reload, watchdog, units."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from livectl.service.units import Place, files
from support.daemon import DaemonProcess, environment, private_directory
from support.toolchains import need
from support.wire import WireClient

ROOT = Path(__file__).parents[2]
DAEMON = (sys.executable, "-m", "livehandled")


class ServiceManager:
    """A manager's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(30)

    def hear(self) -> dict[str, str]:
        """Return the next words, by their names."""
        words = self.socket.recv(65_536).decode().splitlines()
        return dict(word.partition("=")[::2] for word in words)

    def until(self, name: str, pattern: str = "") -> dict[str, str]:
        """Hear until a word comes whose value has the pattern."""
        while not re.search(pattern, (told := self.hear()).get(name, "\0")):
            assert name not in {"READY", "STOPPING"} or name not in told
        return told


@contextmanager
def managed(
    *flags: str,
    abstract: bool = False,
    environ: Mapping[str, str] | None = None,
    command: tuple[str, ...] = DAEMON,
) -> Iterator[tuple[ServiceManager, DaemonProcess]]:
    """Start a daemon of which nothing is known yet but that it has a manager."""
    with private_directory() as directory:
        address = f"@{directory}" if abstract else f"{directory}/notify"
        manager = ServiceManager(address)
        told = {"NOTIFY_SOCKET": address, **(environ or {})}
        daemon = DaemonProcess(directory / "s", *flags, environ=told, command=command)
        try:
            yield manager, daemon
        finally:
            daemon.close()
            manager.socket.close()


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_the_first_word_is_that_it_is_ready_and_then_it_serves(abstract: bool) -> None:
    with managed("--emulator", abstract=abstract) as (manager, daemon):
        first = manager.hear()
        assert first["READY"] == "1"
        assert first["STATUS"].startswith("Session disconnected, 0 turns, model ")
        with daemon.client() as client:
            client.result("connect")
            assert manager.until("STATUS", "^Session active, ")
        daemon.process.terminate()
        assert manager.until("STOPPING", "1")["STATUS"] == "Stopping: SIGTERM"
        assert daemon.exit_code() == 0


def test_a_daemon_that_is_refused_is_never_ready_and_is_not_to_be_started_again() -> None:
    with managed("--set", "session.modle=x") as (manager, daemon):
        assert daemon.exit_code() == 3
        manager.socket.settimeout(0)
        with pytest.raises(BlockingIOError):
            manager.hear()
    for unit in ROOT.glob("systemd/*/*.service"):
        assert "\nRestartPreventExitStatus=3\n" in unit.read_text()


def test_a_reload_is_announced_with_its_time_and_ends_whatever_came_of_it() -> None:
    with private_directory() as directory:
        file = directory / "config.toml"
        file.write_text("")
        with managed("--config", str(file)) as (manager, daemon):
            manager.until("READY", "1")
            for text, status in (
                ("[log]\nlevl = 1\n", r"; reload refused: Correct log\.levl "),
                ('[log]\nlevel = "debug"\n', r"[^;]*$"),
            ):
                file.write_text(text)
                asked_ns = time.monotonic_ns()
                daemon.process.send_signal(signal.SIGHUP)
                began = manager.until("RELOADING", "1")
                began_ns = int(began["MONOTONIC_USEC"]) * 1000
                assert asked_ns - 1000 <= began_ns <= time.monotonic_ns()
                ended = manager.hear()
                assert ended["READY"] == "1"
                assert re.search(status, ended["STATUS"]), ended["STATUS"]


def test_the_watchdog_is_fed_while_the_loop_turns_and_not_while_it_is_stuck() -> None:
    with managed(environ={"WATCHDOG_USEC": "200000"}) as (manager, daemon):
        manager.until("READY", "1")
        for _ in range(3):
            manager.until("WATCHDOG", "1")
        daemon.process.send_signal(signal.SIGSTOP)
        os.waitpid(daemon.process.pid, os.WUNTRACED)
        manager.socket.settimeout(0)
        with suppress(BlockingIOError):
            while True:  # what was told before
                manager.hear()
        manager.socket.settimeout(0.4)
        with pytest.raises(TimeoutError):
            manager.hear()
        manager.socket.settimeout(30)
        # What a manager does then: the log says where the loop stood.
        daemon.process.send_signal(signal.SIGABRT)
        daemon.process.send_signal(signal.SIGCONT)
        assert daemon.exit_code() == -signal.SIGABRT
        assert any("Fatal Python error: Aborted" in line for line in daemon.log)


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="needs systemd-socket-activate"
)
def test_a_daemon_that_systemd_gives_a_socket_tells_when_it_has_it() -> None:
    with private_directory() as directory:
        manager = ServiceManager(f"{directory}/notify")
        environ = environment(directory, {"NOTIFY_SOCKET": f"{directory}/notify"})
        command = ("systemd-socket-activate", f"--listen={directory}/given", "--fdname=control")
        daemon = DaemonProcess(
            directory / "other",
            command=(*command, *(f"--setenv={k}={v}" for k, v in environ.items()), *DAEMON),
        )
        try:
            daemon.wait_for("Listening on")
            with WireClient.to(directory / "given") as client:
                client.result("phase")
                manager.until("READY", "1")
                client.result("daemon.shutdown")
            manager.until("STOPPING", "1")
            assert daemon.exit_code() == 0
        finally:
            daemon.close()
            manager.socket.close()


# The units.


def installed(root: Path, *, system: bool, systemd: int = 252) -> list[Path]:
    """Write the units of this installation, plain and for instances; return their services."""
    command = str(Path(sys.executable).with_name("livehandled"))
    services = []
    for instance in ("default", "kitchen"):
        environ = {"XDG_CONFIG_HOME": str(root / "home")}
        place = Place(system=system, instance=instance, environ=environ, root=root)
        for path, text in files(place, command, systemd).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        services.append(place.units / f"{place.template}.service")
    return services


def analyze(*words: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["system", "user"])
def test_systemd_finds_nothing_wrong_with_the_units(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(["systemd-analyze"])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    version = int(analyze("--version").split()[1])
    for service in installed(tmp_path, system=kind == "system", systemd=version):
        unit = str(service).replace("@.", "@kitchen.")
        told = analyze("verify", "--man=no", f"--{kind}", unit, unit.replace(".service", ".socket"))
        assert not re.search("livehandle", told), told


def test_the_systems_service_is_exposed_to_at_most_1_3(tmp_path: Path) -> None:
    need(["systemd-analyze"])
    for service in installed(tmp_path, system=True):
        told = analyze("security", "--offline=true", "--no-pager", "--threshold=13", str(service))
        score = re.search(r"Overall exposure level for .*: ([0-9.]+) ", told)
        assert score is not None
        assert float(score[1]) <= 1.3


@pytest.mark.parametrize("kind", ["system", "user"])
@pytest.mark.parametrize("suffix", ["service", "socket"])
def test_the_units_of_instances_differ_in_their_names_alone(kind: str, suffix: str) -> None:
    folder = ROOT / "systemd" / kind
    plain = (folder / f"livehandled.{suffix}").read_text().splitlines()
    named = (folder / f"livehandled@.{suffix}").read_text().splitlines()
    for one, other in zip(plain, named, strict=True):
        if one != other:
            as_plain = re.sub("@%i|, instance %i|%i[.](?=environment)", "", other)
            as_plain = as_plain.replace("%i", "default")
            assert as_plain == one


def test_the_systems_user_and_folder_are_as_systemd_reads_them(tmp_path: Path) -> None:
    need(["systemd-sysusers", "systemd-tmpfiles"])
    (tmp_path / "etc").mkdir()
    for program, *flags in (("systemd-sysusers",), ("systemd-tmpfiles", "--create")):
        file = ROOT / f"systemd/{program.removeprefix('systemd-')}.d/livehandle.conf"
        done = subprocess.run(
            [program, f"--root={tmp_path}", *flags, file],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "\nlivehandle:x:" in "\n" + (tmp_path / "etc/passwd").read_text()
    assert (tmp_path / "run/livehandle").stat().st_mode & 0o7777 == 0o750
