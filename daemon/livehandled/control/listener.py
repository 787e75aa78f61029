"""The listening socket: bound by us or inherited, never wider than configured (section 1)."""

import errno
import os
import socket
import stat
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from livehandle_proto.errors import LiveHandleError
from livehandled.control.credentials import credentials_of, group_id

_FIRST_INHERITED_FD = 3
_BACKLOG = 128


def make_directory(directory: Path) -> None:
    """Make the socket's directory, and what is missing above it, 0700 whatever the umask.

    Raises `config.invalid` where it is a symbolic link or belongs to another user, or others
    may write to it and so could put their own socket in the place of ours.
    """
    missing = [each for each in (directory, *directory.parents) if not os.path.lexists(each)]
    try:
        for each in reversed(missing):
            with suppress(FileExistsError):  # another daemon made it this moment
                each.mkdir(mode=0o700)
                each.chmod(0o700)
        found = directory.lstat()
    except OSError as error:
        raise _unusable(directory, error) from error
    if why := _unsafe(directory, found):
        message = f"{directory} is not safe for a socket, {why}."
        raise LiveHandleError("config.invalid", message, param="socket")


def _unsafe(directory: Path, found: os.stat_result) -> str:
    """Return what is wrong with the directory, and what to do."""
    if stat.S_ISLNK(found.st_mode):
        there = os.path.realpath(directory)
        return f"it is a symbolic link, which may lead elsewhere later: give a --socket in {there}"
    if not stat.S_ISDIR(found.st_mode):
        return "it is no directory: give another --socket"
    if found.st_uid not in {os.geteuid(), 0}:
        return f"it belongs to user {found.st_uid}: give a --socket in a directory of yours"
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        return f"others can write to it: run chmod go-w {directory}, or give another --socket"
    return ""


def bind(path: Path, *, mode: int, group: str) -> socket.socket:
    """Return a listening socket at `path`, whose lock the caller holds.

    The file is born 0600, by the mode of the descriptor and whatever the umask, and is widened
    when its group is right: it never has a wider mode than configured. Raises `config.invalid`
    where that cannot be, and `daemon.already_running` where a process listens there.
    """
    gid = group_id(group)
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        try:
            os.chown(path, -1, -1 if gid is None else gid, follow_symlinks=False)
            path.chmod(mode)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError:
            path.unlink(missing_ok=True)  # it is ours: this bind made it
            raise
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
        mode = path.lstat().st_mode
        if stat.S_ISSOCK(mode):
            _require_dead(path)
            path.unlink()
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(path, error) from error
    kind = "is a symbolic link" if stat.S_ISLNK(mode) else "exists"
    raise LiveHandleError(
        "config.invalid",
        f"{path} {kind} and is no socket: move it away, or give another --socket.",
        param="socket",
    )


def _require_dead(path: Path) -> None:
    """Raise `daemon.already_running` if a process listens at `path`.

    It does not hold our lock: it is another program, the service manager, or a daemon whose lock
    file was removed.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except OSError as error:
            # EAGAIN: its backlog is full. EPROTOTYPE: it is no stream socket.
            if error.errno not in {errno.EAGAIN, errno.EPROTOTYPE}:
                return
        pid = credentials_of(probe).pid or None
    raise LiveHandleError(
        "daemon.already_running",
        f"Process {pid or 'unknown'} listens on {path}: use it, stop it, or give another --socket "
        "or --instance.",
        path=str(path),
        pid=pid,
    )
