"""Who is at the other end, by the kernel's word (SO_PEERCRED)."""

import grp
import os
import pwd
import socket
import struct
from collections.abc import Collection
from typing import NamedTuple

_UCRED = struct.Struct("=iII")  # struct ucred: pid, uid, gid


class Credentials(NamedTuple):
    """The peer's process, user and group when it connected."""

    pid: int
    uid: int
    gid: int


def credentials_of(connection: socket.socket) -> Credentials:
    """Return who connected."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Credentials(*_UCRED.unpack(packed))


def admitted(who: Credentials, *, uids: Collection[int], group: str) -> bool:
    """Return whether the peer may speak: our own user, root, a listed uid, or the group."""
    if who.uid in {os.geteuid(), 0} or who.uid in uids:
        return True
    return bool(group) and _in_group(who, group)


def _in_group(who: Credentials, group: str) -> bool:
    try:
        gid = grp.getgrnam(group).gr_gid
        if who.gid == gid:
            return True
        return gid in os.getgrouplist(pwd.getpwuid(who.uid).pw_name, who.gid)
    except KeyError:  # no such group, or a user without a name and so without further groups
        return False
