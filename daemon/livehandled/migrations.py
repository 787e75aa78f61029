"""Snapshots of earlier versions, brought to the form of today: a step for each version."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

VERSION = 2
"""Of the form of a snapshot. 2: telemetry counts stalls."""

Tree = dict[str, Any]


def migrated(body: bytes, version: int) -> bytes:
    """Return the body of a snapshot of an earlier version in today's form.

    Raises KeyError, TypeError or `msgspec.DecodeError` where it is none of that version.
    """
    tree: Tree = msgspec.json.decode(body, type=dict[str, Any])
    for number in range(version, VERSION):
        _STEPS[number](tree)
    return msgspec.json.encode(tree)


def _count_stalls(tree: Tree) -> None:
    tree["telemetry"]["stalls"] = 0


_STEPS: Mapping[int, Callable[[Tree], None]] = {1: _count_stalls}
"""What makes of a version the next one, in place."""
