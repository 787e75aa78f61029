"""What is asked of systemd's own programs."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_WAIT_S = 120.0
"""For a program of systemd: it waits for units, and those have their own deadlines."""


class Failed(Exception):  # noqa: N818 - it says what failed, and is shown to people
    """One of systemd's programs failed: what was run, and its own words."""


def version() -> int:
    """Return the version of systemd that is installed, 0 where there is none."""
    words = _output(["systemctl", "--version"]).split()
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0


def runs(root: Path) -> bool:
    """Return whether systemd runs this machine, as sd_booted(3) tells."""
    return shutil.which("systemctl") is not None and (root / "run/systemd/system").is_dir()


def properties(systemctl: Sequence[str], unit: str, names: Sequence[str]) -> dict[str, str]:
    """Return properties of a unit by name; none where no manager answers."""
    lines = _output([*systemctl, "show", f"--property={','.join(names)}", unit]).splitlines()
    return dict(line.partition("=")[::2] for line in lines)


def run(command: Sequence[str]) -> None:
    """Run one of systemd's programs. Raises `Failed`."""
    try:
        done = _done(command)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"`{' '.join(command)}` cannot be run: {error}") from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split()) or f"code {done.returncode}"
        raise Failed(f"`{' '.join(command)}` failed: {said}")


def _output(command: Sequence[str]) -> str:
    try:
        return _done(command).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _done(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=_WAIT_S, check=False)
