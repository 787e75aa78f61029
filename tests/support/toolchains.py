"""Other languages' tools: what needs one is skipped without it, unless all must be there."""

import os
import shutil
from collections.abc import Iterable

import pytest

VARIABLE = "REQUIRE_TOOLCHAINS"
"""Set where nothing may be skipped."""


def need(
    commands: Iterable[str], *, found: bool = True, install: str = "", compiles: bool = False
) -> None:
    """Skip the test where a command, or what is to be `found` beside it, is missing.

    What `compiles` takes longer than all else, and runs only where nothing may be skipped.
    """
    missing = [command for command in commands if shutil.which(command) is None]
    reason = f"{', '.join(missing)} not found" if missing else "" if found else f"run {install}"
    if os.environ.get(VARIABLE):
        if reason:
            pytest.fail(f"{VARIABLE} is set, and {reason}")
    elif reason or compiles:
        pytest.skip(reason or f"it compiles: set {VARIABLE}=1")
