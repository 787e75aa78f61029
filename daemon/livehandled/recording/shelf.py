"""Where recordings are: a directory of this user's alone, with one directory for each of them."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.recordings import KeptRecording, Recordings
from livehandle_proto.wire_file import AUDIO, SUFFIX, WIRE

_FILES = (WIRE, AUDIO)
_MOST_OF_A_SECOND = 100


class Place(NamedTuple):
    """The directory of one recording."""

    name: str
    path: Path

    def open(self, file: str) -> int:
        """Return a descriptor of a new file, mode 0600. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(self.path / file, flags, 0o600)
        os.fchmod(descriptor, 0o600)  # whatever the umask
        return descriptor


class Shelf:
    """The recordings in a directory. Everything here blocks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self, name: str | None, *, started_ms: int, keep: int) -> Place:
        """Make the directory of a new recording; the oldest leave, so that `keep` stay with it.

        Without a name it is the time. Raises OSError, and `wire.invalid_params` for a name that
        is taken.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check()
        place = self._made(name, started_ms)
        with suppress(OSError):  # a recording is worth more than the room that an old one takes
            self._forget(keep, but=place.name)
        return place

    def listed(self) -> Recordings:
        """Return what there is, oldest first. Raises OSError."""
        found = sorted(self._kept(), key=lambda one: (one.modified_ms, one.name))
        return Recordings(directory=str(self.directory), recordings=found)

    def discard(self, place: Place) -> None:
        """Remove a recording that could not begin."""
        with suppress(OSError):
            self._remove(place.path)

    def _check(self) -> None:
        found = os.lstat(self.directory)
        private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if not private or found.st_mode & 0o022:
            raise PermissionError(errno.EPERM, "others can write to it")

    def _made(self, name: str | None, started_ms: int) -> Place:
        stem = name or datetime.fromtimestamp(started_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
        others = () if name else (f"{stem}-{n}" for n in range(2, _MOST_OF_A_SECOND))
        for one in (stem, *others):
            path = self.directory / f"{one}{SUFFIX}"
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
                return Place(one, path)
        raise LiveHandleError(
            "wire.invalid_params",
            f"There is a recording {stem} already: give another name.",
            param="name",
            expected="a name that no recording has",
        )

    def _kept(self) -> Iterator[KeptRecording]:
        paths: list[Path] = []
        with suppress(FileNotFoundError):  # there was none yet
            paths = [path for path in self.directory.iterdir() if path.suffix == SUFFIX]
        for path in paths:
            files = [found for file in _FILES if (found := _regular(path / file)) is not None]
            if files:
                yield KeptRecording(
                    name=path.name.removesuffix(SUFFIX),
                    bytes=sum(file.st_size for file in files),
                    modified_ms=max(file.st_mtime_ns for file in files) // 1_000_000,
                )

    def _forget(self, keep: int, *, but: str) -> None:
        old = [one for one in self.listed().recordings if one.name != but]
        for one in old[: max(0, len(old) - (keep - 1))]:
            self._remove(self.directory / f"{one.name}{SUFFIX}")

    def _remove(self, path: Path) -> None:
        """Remove what is ours in it, and the directory where nothing else is."""
        for file in _FILES:
            (path / file).unlink(missing_ok=True)
        path.rmdir()


def _regular(path: Path) -> os.stat_result | None:
    with suppress(OSError):
        found = os.lstat(path)
        if stat.S_ISREG(found.st_mode):
            return found
    return None
