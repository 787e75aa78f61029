"""A machine with Debian and its systemd, in a container of systemd-nspawn: it needs root."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TOOLS = ("mmdebstrap", "systemd-nspawn", "unshare", "nsenter")

_SUITE = "bookworm"
_MIRROR = "http://deb.debian.org/debian"
_PACKAGES = "systemd,systemd-sysv,dbus,man-db,python3"
_BOOT_S = 60.0
_COMMAND_S = 180.0

# Whatever hierarchy of cgroups is mounted here, the machine gets the unified one: Debian's own.
_BOOT = """
umount --recursive --lazy /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec systemd-nspawn --quiet --register=no --keep-unit --link-journal=no --private-network \
  --console=read-only --machine=livehandle --directory="$1" --boot
"""


class Failed(Exception):  # noqa: N818 - it says what failed, and is shown to people
    """A command in the machine failed: what was run, and its own words."""


class Machine:
    """A machine that runs; without a network but its own loopback."""

    def __init__(self, tree: Path, leader: int) -> None:
        self.tree = tree
        """Its files as they are on its disk; `inside` also shows what it has mounted."""
        self.leader = leader
        """The id here of its first process."""

    def inside(self, path: str) -> Path:
        """Return where a path of the machine is here: also that of a socket."""
        return Path(f"/proc/{self.leader}/root", path.lstrip("/"))

    def run(self, *command: str) -> str:
        """Run a command as root; return what it printed. Raises `Failed`."""
        done = self._done(command)
        if done.returncode != 0:
            raise Failed(f"`{' '.join(command)}`: {done.stdout}{done.stderr}".strip())
        return done.stdout.strip()

    def code(self, *command: str) -> int:
        """Run a command as root; return its exit code."""
        return self._done(command).returncode

    def _done(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            ["nsenter", "--target", str(self.leader), "--all", "--wd=/", *command],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_COMMAND_S,
            env={"PATH": path, "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"},
        )


def missing() -> list[str]:
    """Return what is needed for a machine and is not there."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    return lacking if os.geteuid() == 0 else ["root", *lacking]


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """Make a machine in a folder, boot it, and wait until all that it starts has started."""
    tree = folder / "tree"
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}",
         _SUITE, str(tree), _MIRROR],
        check=True,
    )  # fmt: skip
    (tree / "etc/machine-id").write_text("")
    with (folder / "console").open("wb") as console:
        container = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _BOOT, "sh", tree],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
    try:
        machine = Machine(tree, _leader(container))
        _wait_until_up(machine)
        yield machine
        machine.run("systemctl", "poweroff")
        container.wait(_BOOT_S)
    finally:
        container.kill()
        container.wait()


def _leader(container: "subprocess.Popen[bytes]") -> int:
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    deadline = time.monotonic() + _BOOT_S
    while time.monotonic() < deadline and container.poll() is None:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.1)  # a process tells nobody that it has begun
    raise Failed("systemd-nspawn starts no systemd")


def _wait_until_up(machine: Machine) -> None:
    deadline = time.monotonic() + _BOOT_S
    while (state := machine._done(["systemctl", "is-system-running"]).stdout.strip()) != "running":
        if time.monotonic() > deadline or state in {"degraded", "maintenance"}:
            failed = machine._done(["systemctl", "--failed", "--no-pager"]).stdout
            raise Failed(f"systemd is {state or 'silent'}: {failed}")
        time.sleep(0.2)  # before its bus is there, nobody can be asked to wait
