"""Who is admitted by the configuration and yet kept from the socket by the file system."""

import os
import stat
from collections.abc import Collection
from pathlib import Path

from livehandled.config.schema import Control
from livehandled.control.credentials import group_id, groups_of_user


def obstacle(path: Path, control: Control) -> str:
    """Return in words what keeps one whom `control` admits from the socket at `path`, or nothing.

    It goes by the permission bits alone. Raises OSError where they cannot be seen.
    """
    gid = group_id(control.group)
    if gid is not None and (where := _closed(path, None, {gid})):
        return f"members of control.group {control.group!r} cannot {where}"
    for uid in control.uids:
        if uid not in {os.geteuid(), 0} and (where := _closed(path, uid, groups_of_user(uid))):
            return f"user {uid} of control.uids cannot {where}"
    return ""


def _closed(path: Path, uid: int | None, gids: Collection[int]) -> str:
    for directory in reversed(path.parents):
        found = directory.stat()
        if not _bits(found, uid, gids) & 1:
            return (
                f"enter {directory} (mode {stat.S_IMODE(found.st_mode):04o}): run chmod o+x "
                f"{directory}, or give a --socket where they can"
            )
    found = path.lstat()
    if not _bits(found, uid, gids) & 2:
        return f"write to {path} (mode {stat.S_IMODE(found.st_mode):04o}): widen control.mode"
    return ""


def _bits(found: os.stat_result, uid: int | None, gids: Collection[int]) -> int:
    """Return the three permission bits that the kernel goes by for such a user."""
    if found.st_uid == uid:
        return found.st_mode >> 6
    if found.st_gid in gids:
        return found.st_mode >> 3
    return found.st_mode
