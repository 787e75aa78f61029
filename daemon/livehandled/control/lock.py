"""One daemon a socket: the lock is taken before the socket is touched (protocol section 1)."""

import errno
import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from livehandle_proto.errors import LiveHandleError


class InstanceLock:
    """An exclusive `flock` on `<socket>.lock`, which holds the daemon's pid.

    The kernel releases it with the process, however that ends, so a lock file without a
    holder is no obstacle. The file stays: to unlink it would let two daemons lock two files
    of one name.
    """

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self.path = socket_path.with_name(socket_path.name + ".lock")
        self._fd = -1

    def __enter__(self) -> Self:
        """Take the lock.

        Raises `daemon.already_running` with the holder's pid, or `config.invalid` where the
        lock file cannot be made or is not ours alone.
        """
        self._fd = self._open()
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            pid = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise LiveHandleError(
                "daemon.already_running",
                f"The daemon with pid {pid or 'unknown'} holds {self._socket_path}: use it, stop "
                "it, or start this one with another --socket or --instance.",
                path=str(self._socket_path),
                pid=int(pid) if pid.isdigit() else None,
            ) from error
        except OSError as error:
            os.close(self._fd)
            raise self._unusable(f"{error.strerror}") from error
        return self

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = os.open(self.path, flags, 0o600)
        except OSError as error:
            linked = error.errno == errno.ELOOP
            why = "it is a symbolic link" if linked else f"{error.strerror}"
            raise self._unusable(why) from error
        found = os.fstat(fd)
        # Another's file could be locked by another, and what has two names may be a precious one.
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
            os.close(fd)
            raise self._unusable("it is no plain file of yours with one name")
        os.fchmod(fd, 0o600)
        return fd

    def _unusable(self, why: str) -> LiveHandleError:
        return LiveHandleError(
            "config.invalid",
            f"{self.path} cannot be locked ({why}): set that right, or give another --socket.",
            param="socket",
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the lock."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
