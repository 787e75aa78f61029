"""A wall clock of its own for a process, which jumps as a test says; the monotonic one goes on."""

import platform
from collections.abc import Mapping
from pathlib import Path

_PLACES = (
    f"/usr/lib/{platform.machine()}-linux-gnu/faketime",
    "/usr/lib/faketime",
    "/usr/lib64/faketime",
    "/usr/local/lib/faketime",
)
_NAME = "libfaketimeMT.so.1"


def library() -> Path | None:
    """Return libfaketime, of the Debian package `faketime`; None where it is not installed."""
    return next((file for place in _PLACES if (file := Path(place, _NAME)).exists()), None)


class FakeTime:
    """A file that says how far a process's wall clock is ahead."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library = library
        self._file = file
        self.jump_to(0)

    def jump_to(self, seconds: int) -> None:
        """Have the clock be so many seconds ahead of the real one, or behind it, from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self._file)  # nobody reads half of it

    @property
    def environ(self) -> Mapping[str, str]:
        """What a process needs that is to have this clock."""
        return {
            **self._common,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
        }

    def ahead(self, seconds: int) -> Mapping[str, str]:
        """Return what a process needs whose clock is so far ahead, and does not jump."""
        return {**self._common, "FAKETIME": f"{seconds:+d}s"}

    @property
    def _common(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",  # else Python compiles all that it imports
        }
