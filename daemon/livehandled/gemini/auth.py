"""The key: where it is found, how it travels, and how it stays out of sight (wire 1.2)."""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Session

KEY_HEADER = "x-goog-api-key"

EMULATOR_KEY = "emulator"
"""What the emulator is given as a key. It is no secret: any key will do there."""

MASK = "***"
"""Stands where a secret stood."""

_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""The first wins, as in the official SDK (wire 1.4)."""

_MAX_FILE_BYTES = 4096
_SENDABLE = re.compile(r"[!-~]+")
_CUT_CHARS = 8
"""A shorter beginning of a secret at the end of a text is left: it tells nothing."""


class Credentials:
    """A key, where it was found, and the headers it makes. Its repr does not show the key."""

    __slots__ = ("_key", "origin")

    def __init__(self, key: str, origin: str) -> None:
        self._key = key
        self.origin = origin

    def __repr__(self) -> str:
        return f"Credentials({MASK}, origin={self.origin!r})"

    def headers(self) -> dict[str, str]:
        """Return the headers of the upgrade request that carry the key."""
        return {KEY_HEADER: self._key}

    def secrets(self) -> tuple[str, ...]:
        """Return what `mask` has to hide: nothing for the emulator."""
        return () if self._key == EMULATOR_KEY else (self._key,)


def credentials(session: Session, environ: Mapping[str, str]) -> Credentials:
    """Find the key for a session.

    First the environment, then systemd's credentials directory, then `session.key_file`.
    Raises `auth.missing_key` if there is none, or if the one found cannot be used. Reads
    files: once for each session is enough.
    """
    if session.backend == "emulator":
        return Credentials(EMULATOR_KEY, "emulator")
    for variable in _VARIABLES:
        if key := environ.get(variable, "").strip():
            return _checked(key, f"env {variable}")
    for path in _systemd_files(environ):
        # systemd itself keeps others out, and its files may be readable to a group.
        if key := _key_in(path, private=False):
            return _checked(key, f"file {path}")
    if session.key_file:
        path = Path(session.key_file).expanduser()
        if key := _key_in(path, private=True):
            return _checked(key, f"file {path}")
        raise _missing(f"Put an API key into {path}: session.key_file names it and it has none.")
    if session.backend == "vertex":
        raise _missing(
            "Set GOOGLE_API_KEY to a key for Vertex AI: application default credentials are "
            "not supported yet."
        )
    raise _missing(
        "Set GEMINI_API_KEY to a key from Google AI Studio, or start the daemon with "
        "--emulator to try it without a key."
    )


def mask(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret in it masked.

    Also hides a secret spelled for a URL, and the beginning of one at the end of the text:
    a close reason is cut at 123 bytes.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK).replace(quote(secret, safe=""), MASK)
        for length in range(len(secret) - 1, _CUT_CHARS - 1, -1):
            if text.endswith(secret[:length]):
                text = text[:-length] + MASK
    return text


def _systemd_files(environ: Mapping[str, str]) -> list[Path]:
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return []
    spellings = [name for v in _VARIABLES for name in (v, v.lower().replace("_", "-"))]
    return [Path(directory) / name for name in spellings]


def _key_in(path: Path, *, private: bool) -> str:
    """Return the key in a file, or nothing if there is no file or nothing in it."""
    try:
        # A FIFO must not hold the daemon up.
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _missing(f"Make the key file {path} readable: {error.strerror}.") from error
    try:
        mode = os.fstat(opened).st_mode
        if not stat.S_ISREG(mode):
            raise _missing(f"Name a plain file for the API key: {path} is none.")
        if private and mode & 0o077:
            raise _missing(f"Run chmod 600 {path}: others can reach the API key in it.")
        return os.read(opened, _MAX_FILE_BYTES).decode("latin-1").strip()
    finally:
        os.close(opened)


def _checked(key: str, origin: str) -> Credentials:
    if not _SENDABLE.fullmatch(key):
        raise _missing(f"Copy the API key again ({origin}): it holds what no key has.")
    return Credentials(key, origin)


def _missing(message: str) -> LiveHandleError:
    return LiveHandleError("auth.missing_key", message)
