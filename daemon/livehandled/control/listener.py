"""The listening socket: bound by us or inherited, never wider than configured (section 1)."""

import grp
import os
import socket
import stat
from collections.abc import MutableMapping
from pathlib import Path

from livehandle_proto.errors import LiveHandleError

_FIRST_INHERITED_FD = 3
_BACKLOG = 128


def make_directory(directory: Path) -> None:
    """Make the socket's directory, 0700, where it does not exist.

    Raises `config.invalid` where it belongs to another user, or others may write to it and so
    could put their own socket in the place of ours.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.stat()
    others_write = bool(found.st_mode & 0o022) and not found.st_mode & stat.S_ISVTX
    if found.st_uid not in {os.geteuid(), 0} or others_write:
        raise LiveHandleError(
            "config.invalid",
            f"{directory} is not safe for a socket: it must be yours and writable by you "
            "alone; give another --socket.",
            param="socket",
        )


def bind(path: Path, *, mode: int, group: str) -> socket.socket:
    """Return a listening socket at `path`, whose lock the caller holds.

    The file is born 0600, by the mode of the descriptor and whatever the umask, and is widened
    when its group is right: it never has a wider mode than configured.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        if group:
            os.chown(path, -1, _group_id(group), follow_symlinks=False)
        path.chmod(mode)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def inherited(environ: MutableMapping[str, str], pid: int) -> socket.socket | None:
    """Return the socket that systemd passed to this process, or None (sd_listen_fds).

    Raises `config.invalid` if it passed anything but one listening Unix stream socket.
    """
    if environ.get("LISTEN_PID") != str(pid):
        return None
    count = environ.pop("LISTEN_FDS", "")
    for name in ("LISTEN_PID", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    if count != "1":
        raise _bad_inheritance(f"{count or 'no'} sockets")
    listener = socket.socket(fileno=_FIRST_INHERITED_FD)
    listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listener.family != socket.AF_UNIX or listener.type != socket.SOCK_STREAM or not listening:
        raise _bad_inheritance("something else")
    listener.set_inheritable(False)
    listener.setblocking(False)
    return listener


def _bad_inheritance(what: str) -> LiveHandleError:
    return LiveHandleError(
        "config.invalid",
        f"The service manager passed {what}: give the unit one ListenStream= with a path.",
    )


def _remove_stale(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise LiveHandleError(
            "config.invalid",
            f"{path} exists and is no socket: move it away, or give another --socket.",
            param="socket",
        )
    path.unlink()


def _group_id(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise LiveHandleError(
            "config.invalid",
            f"control.group names no group of this machine: {group!r}.",
            param="control.group",
        ) from error
