"""A disk that is soon full: a small tmpfs, which root alone can mount."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BLOCK = b"\0" * 4096


class SmallDisk:
    """What a test knows of the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave no room on it."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(_BLOCK)
            except OSError:
                pass  # it is full

    def make_room(self) -> None:
        """Remove what it was filled with."""
        self._filler.unlink()


@contextmanager
def small_disk(path: Path, *, kib: int) -> Iterator[SmallDisk | None]:
    """Mount a disk at a directory; gives None where that is not allowed."""
    options = f"size={kib}k,mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield SmallDisk(path) if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)
