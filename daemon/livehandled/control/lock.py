"""One daemon a socket: the lock is taken before the socket is touched (protocol section 1)."""

import fcntl
import os
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
        lock file cannot be made.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise LiveHandleError(
                "config.invalid",
                f"{self.path} cannot be locked ({error.strerror}): give another --socket.",
                param="socket",
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the lock."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
