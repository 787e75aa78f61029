"""Clients that are processes of their own: `python -m campaign.NAME SOCKET …`."""

import os
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]


def child(name: str, *words: object) -> "subprocess.Popen[str]":
    """Start one, its input and its output as pipes."""
    path = ":".join([str(_TESTS), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, "-m", f"campaign.{name}", *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    )
