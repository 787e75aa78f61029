"""The Debian package in a machine of its own: installed, crashed, upgraded, purged.

Real systemd, real users, the model played by an emulator that is a service of its own there.
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from campaign.nspawn import Machine, booted
from support.versions import copy
from support.wire import Message, WireClient

VERSIONS = ("1.0", "1.1")

_SOCKET = "/run/livehandle/default.sock"
_INSTANCE = "livehandled@kiosk.service"
_CONFIG = """[session]
base_url = "ws://127.0.0.1:8765"
model = "gemini-2.5-flash-live"
modality = "text"
"""
_WAIT_S = 30.0


def run(tell: Callable[[str], None]) -> None:
    """Build two versions, boot a machine, and go through the life of the package in it.

    Raises `AssertionError` or `nspawn.Failed` for what is not as it should be.
    """
    with TemporaryDirectory(prefix="machine-") as directory:
        folder = Path(directory)
        packages = [_package(folder / version, version) for version in VERSIONS]
        tell("packages built, making a machine")
        with booted(folder) as machine:
            for step in _steps(machine, packages):
                tell(": ".join(step))


def _package(folder: Path, version: str) -> Path:
    source = copy(folder / "source", version)
    build = source / "systemd/debian/build.sh"
    with (folder / "log").open("wb") as log:
        done = subprocess.run([build, folder / "out"], stdout=log, stderr=log)
    assert done.returncode == 0, (folder / "log").read_text()[-2000:]
    [package] = (folder / "out").glob("*.deb")
    return package


def _steps(machine: Machine, packages: list[Path]) -> Iterator[tuple[str, str]]:
    old, new = [_given(machine, package) for package in packages]
    machine.run("dpkg", "--install", old)
    yield "installed", _installed(machine)
    yield "who may", _who_may(machine)
    yield "configured", _configured(machine)
    yield "killed", _killed(machine)
    yield "upgraded", _upgraded(machine, new)
    yield "removed", _removed(machine)
    yield "purged", _purged(machine)


def _given(machine: Machine, package: Path) -> str:
    """Put a package into the machine; return its path there."""
    there = f"/root/{package.name}"
    (machine.tree / "root" / package.name).write_bytes(package.read_bytes())
    return there


def _installed(machine: Machine) -> str:
    for unit in ("livehandled.service", "livehandled.socket"):
        assert machine.run("systemctl", "is-active", unit) == "active"
        assert machine.run("systemctl", "is-enabled", unit) == "enabled"
    socket = machine.run("stat", "--format=%U:%G %a", _SOCKET)
    assert socket == "livehandle:livehandle 660", socket
    user = machine.run("stat", "--format=%U", f"/proc/{_pid(machine)}")
    assert user == "livehandle", user
    state = machine.run("stat", "--format=%U %a", "/var/lib/livehandle")
    assert state == "livehandle 700", state
    for page in ("livectl", "livehandled", "livehandle-errors", "livehandle-emulator"):
        machine.run("man", "--where", page)
    told = machine.run("livectl", "service", "install", "--system", "--dry-run")
    assert "write" not in told, told
    return f"active and enabled, runs as {user}, socket {socket}, state {state}"


def _who_may(machine: Machine) -> str:
    for name in ("member", "stranger"):
        machine.run("useradd", name)
    machine.run("usermod", "--append", "--groups", "livehandle", "member")
    ask = ("livectl", "--socket", _SOCKET, "phase")
    phase = machine.run("runuser", "--user", "member", "--", *ask)
    refused = machine.code("runuser", "--user", "stranger", "--", *ask)
    assert refused == 2, refused
    return f"a member of the group is told {phase!r}, a stranger gets exit code {refused}"


def _configured(machine: Machine) -> str:
    emulator = ("livehandle-emulator", "--port", "8765")
    machine.run("systemd-run", "--unit=emulator", "--quiet", *emulator)
    _write(machine, "config.toml", _CONFIG, 0o644)
    _write(machine, "gemini-api-key", "x" * 30 + "\n", 0o600)
    machine.run("systemctl", "restart", "livehandled.service")
    machine.run("systemctl", "enable", "--quiet", "--now", _INSTANCE)
    with _client(machine) as client:
        _say(client, "Before the kill")
    _until_kept(machine)
    return "a turn is answered, with the key from its credential"


def _killed(machine: Machine) -> str:
    before = _pid(machine)
    machine.run("systemctl", "kill", "--signal=KILL", "livehandled.service")
    with _client(machine) as client:
        how = _goes_on(client)
        _say(client, "After the kill")
    restarts = _property(machine, "NRestarts")
    assert (_pid(machine) != before, restarts) == (True, "1"), restarts
    return f"started again by systemd, session resumed by {how}"


def _upgraded(machine: Machine, package: str) -> str:
    before = _property(machine, "MainPID", _INSTANCE)
    with _knocking(machine) as answers:
        machine.run("dpkg", "--install", package)
    with _client(machine) as client:
        version = client.result("daemon.hello")["version"]
        how = _goes_on(client)
        _say(client, "After the upgrade")
    assert version == VERSIONS[1], version
    assert machine.inside("/etc/livehandle/config.toml").read_text() == _CONFIG
    assert _property(machine, "MainPID", _INSTANCE) not in {before, "0"}
    answered = answers.count("")
    # Who was being served when the daemon stopped is hung up on; the socket refuses nobody.
    assert not any("Refused" in answer for answer in answers), set(answers)
    assert len(answers) - answered <= 2 < answered, set(answers)
    said = machine.run("livectl", "--socket", _SOCKET, "transcript")
    assert all(words in said for words in ("Before the kill", "After the kill")), said
    return (
        f"now {version}, session resumed by {how}, the instance too; "
        f"{answered} of {len(answers)} clients that came meanwhile were answered, none was refused"
    )


def _removed(machine: Machine) -> str:
    machine.run("dpkg", "--remove", "livehandle")
    assert machine.run("systemctl", "list-units", "--no-legend", "livehandled*") == ""
    for gone in ("/usr/lib/livehandle", "/usr/bin/livehandled"):
        assert not machine.inside(gone).exists(), gone
    for kept in ("/etc/livehandle/config.toml", "/var/lib/livehandle"):
        assert machine.inside(kept).exists(), kept
    return "nothing runs; configuration and state stay"


def _purged(machine: Machine) -> str:
    machine.run("dpkg", "--purge", "livehandle")
    for gone in ("/etc/livehandle", "/var/lib/livehandle", "/run/livehandle"):
        assert not machine.inside(gone).exists(), gone
    assert machine.code("getent", "passwd", "livehandle") == 2
    left = machine.run("find", "/etc", "/usr", "/var/lib/systemd", "-name", "*livehandle*")
    assert left == "", left
    assert machine.run("systemctl", "--failed", "--no-legend") == ""
    return "no file, no user and no failed unit is left"


def _write(machine: Machine, name: str, text: str, mode: int) -> None:
    path = machine.tree / "etc/livehandle" / name
    path.touch(mode)
    path.write_text(text)


def _pid(machine: Machine) -> int:
    return int(_property(machine, "MainPID"))


def _property(machine: Machine, name: str, unit: str = "livehandled.service") -> str:
    return machine.run("systemctl", "show", f"--property={name}", "--value", unit)


def _client(machine: Machine) -> WireClient:
    """Connect: the socket is there whether or not the daemon is."""
    return WireClient.to(machine.inside(_SOCKET))


def _say(client: WireClient, words: str) -> Message:
    client.result("events", topics=["live.*", "session.*"])
    client.result("send_text", text=words)
    ended = client.event_of("live.turn_complete")
    client.event_of("session.resume_update")
    return ended


def _until_kept(machine: Machine) -> None:
    """Wait until what is on disk holds the turn that was, and a handle: a kill needs that."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        found = machine.inside("/var/lib/livehandle").glob("default-*.snapshot")
        bodies = [path.read_bytes().partition(b"\n")[2] for path in found]
        kept = [json.loads(body) for body in bodies]
        if any(snapshot["turns"] and snapshot["handle"] for snapshot in kept):
            return
        assert time.monotonic() < deadline, kept
        time.sleep(0.1)  # a file tells nobody that it is there


def _goes_on(client: WireClient) -> str:
    """Return how the daemon took up the session that was before: by `handle` or otherwise."""
    instance = client.result("daemon.hello")["instance"]
    client.result("events", topics=["session.*"], since=f"{instance}:0")
    data = client.event_of("session.resumed")["data"]
    assert (data["restored"], data["lost"]) == ("handle", 0), data
    return str(data["restored"])


@contextmanager
def _knocking(machine: Machine) -> Iterator[list[str]]:
    """Come as one client after the other meanwhile; gives what went wrong with each, or ``."""
    answers: list[str] = []
    over = threading.Event()

    def knock() -> None:
        while not over.is_set():
            try:
                with _client(machine) as client:
                    client.result("daemon.ping")
                answers.append("")
            except (OSError, AssertionError) as error:
                answers.append(repr(error))
            time.sleep(0.02)  # as clients come, one now and then

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join(_WAIT_S)
