"""Who is at the other end, by the kernel's word (SO_PEERCRED, SO_PEERGROUPS)."""

import grp
import os
import pwd
import socket
import struct
from collections.abc import Collection
from typing import NamedTuple

from livehandle_proto.errors import LiveHandleError

_UCRED = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_SO_PEERGROUPS = 59  # since Linux 4.13; the socket module does not name it
_MOST_BYTES = 1024
"""That `getsockopt` gives: 256 groups."""


class Credentials(NamedTuple):
    """The peer's process, user and group when it connected."""

    pid: int
    uid: int
    gid: int


def credentials_of(connection: socket.socket) -> Credentials:
    """Return who connected, or, of a connection we made, who listens."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Credentials(*_UCRED.unpack(packed))


def group_id(group: str) -> int | None:
    """Return the number of `control.group`, None where it is empty.

    Raises `config.invalid` if this machine has no such group.
    """
    if not group:
        return None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise LiveHandleError(
            "config.invalid",
            f"control.group names no group of this machine: {group!r}.",
            param="control.group",
        ) from error


def groups_of_user(uid: int) -> Collection[int]:
    """Return the groups that the machine's user database puts a user in."""
    try:
        user = pwd.getpwuid(uid)
    except KeyError:  # a user without a name, and so without groups
        return ()
    return os.getgrouplist(user.pw_name, user.pw_gid)


def admitted(
    connection: socket.socket, who: Credentials, *, uids: Collection[int], gid: int | None
) -> bool:
    """Return whether the peer may speak: our own user, root, a listed uid, or the group."""
    if who.uid in {os.geteuid(), 0} or who.uid in uids:
        return True
    return gid is not None and (who.gid == gid or gid in _further_groups(connection, who.uid))


def _further_groups(connection: socket.socket, uid: int) -> Collection[int]:
    """Return the supplementary groups of the process, as it was when it connected."""
    try:
        packed = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    except OSError:  # it has more groups than fit, or the kernel is older
        return groups_of_user(uid)
    return memoryview(packed).cast("I").tolist()
