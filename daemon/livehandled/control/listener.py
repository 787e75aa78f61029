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
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError as error:
        raise _unusable(directory, error) from error
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
    when its group is right: it never has a wider mode than configured. Raises `config.invalid`
    where that cannot be.
    """
    group_id = _group_id(group) if group else -1
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        os.chown(path, -1, group_id, follow_symlinks=False)
        path.chmod(mode)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _unusable(path, error) from error
    return listener


def inherited(environ: MutableMapping[str, str], pid: int) -> tuple[socket.socket, Path] | None:
    """Return the socket that systemd passed to this process and its path, or None.

    It is sd_listen_fds: the variables are taken out of the environment. Raises `config.invalid`
    if systemd passed anything but one listening Unix stream socket with a path.
    """
    if environ.get("LISTEN_PID") != str(pid):
        return None
    count = environ.pop("LISTEN_FDS", "")
    for name in ("LISTEN_PID", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    if count != "1":
        raise _bad_inheritance(f"{count or 'no'} sockets")
    try:
        listener = socket.socket(fileno=_FIRST_INHERITED_FD)
        listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise _bad_inheritance("no socket") from error
    stream = listener.family == socket.AF_UNIX and listener.type == socket.SOCK_STREAM
    path = listener.getsockname()
    if not (stream and listening and isinstance(path, str) and path):
        listener.close()
        raise _bad_inheritance("something else")
    listener.set_inheritable(False)
    listener.setblocking(False)
    return listener, Path(path)


def _bad_inheritance(what: str) -> LiveHandleError:
    return LiveHandleError(
        "config.invalid",
        f"The service manager passed {what}: give the unit one ListenStream= with a path.",
    )


def _unusable(path: Path, error: OSError) -> LiveHandleError:
    return LiveHandleError(
        "config.invalid",
        f"{path} cannot be used for the socket ({error.strerror}): give another --socket, or "
        "see to its permissions and control.group.",
        param="socket",
    )


def _remove_stale(path: Path) -> None:
    try:
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(path, error) from error
    raise LiveHandleError(
        "config.invalid",
        f"{path} exists and is no socket: move it away, or give another --socket.",
        param="socket",
    )


def _group_id(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise LiveHandleError(
            "config.invalid",
            f"control.group names no group of this machine: {group!r}.",
            param="control.group",
        ) from error
