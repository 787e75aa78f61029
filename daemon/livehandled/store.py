"""What of the daemon is on disk: one snapshot, whole or not at all.

The file is a line of its own, with the version of its form and the CRC-32 of what follows, and
then JSON. It holds a conversation and a resumption handle, so it is nobody's but this user's.
"""

import errno
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from platformdirs import user_state_path

from livehandle_proto.values import FunctionCall
from livehandled.context import SavedContext
from livehandled.migrations import VERSION, migrated
from livehandled.session.handles import Kept
from livehandled.session.history import Told
from livehandled.session.outbox import Message
from livehandled.state import SavedState
from livehandled.telemetry import SavedTelemetry
from livehandled.transcript import SavedTranscript

MAX_BYTES = 256 * 2**20
"""More than all that is bounded in a snapshot can take up."""

_HEAD = b"livehandle snapshot %d %08x\n"
_HEAD_PATTERN = re.compile(rb"livehandle snapshot ([0-9]{1,9}) ([0-9a-f]{8})\n")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session as another run of the daemon can take it up. Its repr shows no content."""

    session_id: str | None
    model: str
    backend: str
    overrides: dict[str, object]
    """The tree of `connect {config}`."""
    instruction: str | None
    """The latest that `update_instruction` gave."""
    handle: Kept | None
    covered_turns: int
    """Turns of the transcript that the handle covers."""
    turns: int
    """Completed."""
    reconnects: int
    state: SavedState
    transcript: SavedTranscript
    telemetry: SavedTelemetry
    context: SavedContext
    calls: list[FunctionCall]
    """Calls of the model that clients may still answer."""
    unsent: list[Message]
    """What must arrive and may not have, in order."""
    owed: bool
    """The model owes a reply beside those that they ask for."""
    told: list[Told]
    """The newest context that the handle covers, which no transcript has."""
    since: list[Told]
    """The context that was told after it."""
    open: bool
    """The session had not been ended on purpose."""
    saved_at_ms: int
    """Wall clock, since 1970."""

    def __repr__(self) -> str:
        return f"Snapshot(session_id={self.session_id!r}, saved_at_ms={self.saved_at_ms}, ***)"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Snapshot)


def encode(snapshot: Snapshot) -> bytes:
    """Return the snapshot as `Store.save` takes it.

    Raises TypeError, ValueError, OverflowError or RecursionError for what is no JSON.
    """
    return _encoder.encode(snapshot)


def snapshot_path(socket_path: Path, environ: Mapping[str, str]) -> Path:
    """Return where the daemon at that socket keeps its snapshot.

    The directory is the one that systemd gives (`$STATE_DIRECTORY`), else the user's own. The
    name is the socket's, and a hash of its path, for sockets of one name may be in two places.
    """
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    # What systemd gives may be a symbolic link to a private place.
    directory = Path(given).resolve() if given else user_state_path("livehandle", appauthor=False)
    path_hash = hashlib.sha256(os.fsencode(socket_path)).hexdigest()[:8]
    return directory / f"{socket_path.stem}-{path_hash}.snapshot"


def recordings_path(socket_path: Path, environ: Mapping[str, str]) -> Path:
    """Return where the daemon at that socket keeps recordings, if nothing else is configured."""
    return snapshot_path(socket_path, environ).with_suffix(".recordings")


class _UnusableError(Exception):
    """Why a file is no snapshot of ours, as it goes on after "for"."""


class Store:
    """The snapshot's file. A process that is killed leaves the old one or the new one there.

    The directory is made where there is none, with mode 0700. One that is a symbolic link, is
    another user's or can be written to by others is not used. There is one daemon for a path,
    by the lock on its socket.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.complaint = ""
        """Why `load` found nothing it could use, in a sentence; empty where it did not fail."""

    def load(self) -> Snapshot | None:
        """Return the snapshot, or None where there is none.

        A file that is damaged, of another version, another user's, or open to others is set
        aside as `<name>.bad`, in the place of the last one, and `complaint` says so.
        """
        self.complaint = ""
        try:
            with _opened(self.path.parent) as directory:
                return self._load(directory)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.complaint = (
                f"{self.path.parent} cannot hold the session's snapshot ({_words(error)}): "
                "the session begins anew; give the directory to this user alone."
            )
            return None

    def save(self, body: bytes) -> None:
        """Put an encoded snapshot in the place of the old one. Blocks until the disk has it.

        Raises OSError; the old one stays then.
        """
        if len(body) > MAX_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        name, temporary = self.path.name, f".{self.path.name}.new"
        with _opened(self.path.parent) as directory:
            with suppress(FileNotFoundError):  # what a killed process left
                os.unlink(temporary, dir_fd=directory)
            try:
                _write(temporary, directory, _HEAD % (VERSION, zlib.crc32(body)), body)
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=directory)
                raise
            os.fsync(directory)

    def remove(self) -> str:
        """Remove what was kept, for one who wants nothing kept.

        Return why something of it may still be there, in a sentence; empty where nothing is.
        """
        name, complaint = self.path.name, ""
        for left in (name, f"{name}.bad", f".{name}.new"):
            path = self.path.with_name(left)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                complaint = f"{path} cannot be removed ({_words(error)}): remove it by hand."
        return complaint

    def _load(self, directory: int) -> Snapshot | None:
        try:
            return _decoded(_read(self.path.name, directory))
        except FileNotFoundError:
            return None
        except (OSError, _UnusableError) as error:
            why = _words(error) if isinstance(error, OSError) else str(error)
        self.complaint = self._set_aside(directory, why)
        return None

    def _set_aside(self, directory: int, why: str) -> str:
        name, bad = self.path.name, f"{self.path.name}.bad"
        try:
            os.rename(name, bad, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError as error:
            return (
                f"{self.path} is no snapshot to go on from ({why}) and cannot be set aside "
                f"({_words(error)}): move it away; the session begins anew."
            )
        return (
            f"{self.path} is no snapshot to go on from ({why}): it is set aside as {bad}, and "
            "the session begins anew."
        )


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a directory in which nobody else can put a file in the place of ours."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(directory)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError(errno.EPERM, "others can write to it")
        yield directory
    finally:
        os.close(directory)


def _read(name: str, directory: int) -> bytes:
    # Without O_NONBLOCK a named pipe would keep us waiting.
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise _UnusableError("it is no file")
        if found.st_uid != os.geteuid():
            raise _UnusableError("it is another user's")
        if found.st_mode & 0o077:
            os.fchmod(file, 0o600)
            raise _UnusableError("others could read it or write to it")
        if found.st_size > MAX_BYTES:
            raise _UnusableError("it is too large")
        with open(file, "rb", closefd=False) as reader:
            return reader.read()
    finally:
        os.close(file)


def _decoded(data: bytes) -> Snapshot:
    head = _HEAD_PATTERN.match(data)
    if head is None:
        raise _UnusableError("it is damaged")
    version = int(head[1])
    if not 1 <= version <= VERSION:
        raise _UnusableError("it is of another version of livehandled")
    body = memoryview(data)[head.end() :]
    if zlib.crc32(body) != int(head[2], 16):
        raise _UnusableError("it is damaged")
    try:
        return _decoder.decode(body if version == VERSION else migrated(bytes(body), version))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _UnusableError("it is not in the form of a snapshot") from error


def _write(name: str, directory: int, *parts: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    file = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        os.fchmod(file, 0o600)  # whatever the umask
        for part in parts:
            left = memoryview(part)
            while left:
                left = left[os.write(file, left) :]
        os.fsync(file)
    finally:
        os.close(file)


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__
