"""Who is asking: the key, where it is found, and how it stays out of sight (wire 1.2).

Credentials that have to be fetched are in `livehandled.session.access`: here nothing waits.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Session

KEY_HEADER = "x-goog-api-key"

EMULATOR_KEY = "emulator"
"""What the emulator is given as a key. It is no secret: any key will do there."""

MASK = "***"
"""Stands where a secret stood."""

TOKEN_PREFIX = "auth_tokens/"  # noqa: S105 - how every ephemeral token begins

_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""The first wins, as in the official SDK (wire 1.4)."""

_MAX_FILE_BYTES = 4096
_SENDABLE = re.compile(r"[!-~]+")
_CUT_CHARS = 8
"""A shorter beginning of a secret at the end of a text is left: it tells nothing."""


class Credentials(Protocol):
    """As whom the service is asked."""

    @property
    def origin(self) -> str:
        """Where they were found."""

    @property
    def fingerprint(self) -> str:
        """What tells one identity from another and tells nothing of it: 16 hexadecimal digits."""

    @property
    def is_token(self) -> bool:
        """Whether it is an ephemeral token, which is taken at a path of its own alone."""

    def secrets(self) -> tuple[str, ...]:
        """Return what `mask` has to hide by now."""

    async def authorise(self, *, reuse: bool = False) -> Mapping[str, str]:
        """Return the headers of one request: ask for them anew for every connection.

        With `reuse` a token that still holds will do. Raises `auth.rejected`, `auth.missing_key`,
        `upstream.unreachable`, or what a refusal over HTTP means.
        """


class Key:
    """An API key or an ephemeral token, and where it was found. Its repr does not show it."""

    __slots__ = ("_origin", "_text")

    def __init__(self, text: str, origin: str) -> None:
        self._text = text
        self._origin = origin

    def __repr__(self) -> str:
        return f"Key({MASK}, origin={self.origin!r})"

    @property
    def origin(self) -> str:
        """Where it was found."""
        return self._origin

    @property
    def is_token(self) -> bool:
        """Whether it is an ephemeral token, which is taken at a path of its own alone."""
        return self._text.startswith(TOKEN_PREFIX)

    @property
    def fingerprint(self) -> str:
        """What tells it from another: see `Credentials`."""
        return fingerprint(self._text)

    def headers(self) -> dict[str, str]:
        """Return the headers that carry it."""
        if self.is_token:
            return {"Authorization": f"Token {self._text}"}
        return {KEY_HEADER: self._text}

    def secrets(self) -> tuple[str, ...]:
        """Return what `mask` has to hide: nothing for the emulator."""
        return () if self._text == EMULATOR_KEY else (self._text,)

    async def authorise(self, *, reuse: bool = False) -> Mapping[str, str]:  # noqa: ARG002 - it is always the same
        """Return the headers of one request."""
        return self.headers()


def fingerprint(*identity: str) -> str:
    """Return what tells one identity from another, and nothing of it."""
    return sha256("\0".join(identity).encode(errors="backslashreplace")).hexdigest()[:16]


def find_key(session: Session, environ: Mapping[str, str]) -> Key | None:
    """Find the key for a session, None if there is none.

    First the environment, then systemd's credentials directory, then `session.key_file`.
    Raises `auth.missing_key` if the one found cannot be used. Reads files: once for each
    session is enough.
    """
    if session.backend == "emulator":
        return Key(EMULATOR_KEY, "emulator")
    for variable in _VARIABLES:
        if key := environ.get(variable, "").strip():
            return _checked(key, f"env {variable}")
    for path in _systemd_files(environ):
        # systemd itself keeps others out, and its files may be readable to a group.
        if key := _key_in(path, private=False):
            return _checked(key, f"file {path}")
    if session.key_file:
        path = Path(os.path.expanduser(session.key_file))  # noqa: PTH111 - Path's own raises for a user that is none
        if key := _key_in(path, private=True):
            return _checked(key, f"file {path}")
        raise missing(f"Put an API key into {path}: session.key_file names it and it has none.")
    return None


def mask(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret in it masked.

    Also hides a secret spelled for a URL, and the beginning of one at the end of the text:
    a close reason is cut at 123 bytes.
    """
    return mask_spelled(text, spelled(secrets))


def spelled(secrets: Iterable[str]) -> list[tuple[str, str]]:
    """Return each secret with its spelling for a URL, the longest first, for `mask_spelled`."""
    longest_first = sorted(filter(None, secrets), key=len, reverse=True)
    return [(secret, quote(secret, safe="")) for secret in longest_first]


def mask_spelled(text: str, secrets: Iterable[tuple[str, str]]) -> str:
    """Do what `mask` does, for those who mask many texts with the same secrets."""
    for secret, in_url in secrets:
        text = text.replace(secret, MASK).replace(in_url, MASK)
        if secret[:_CUT_CHARS] not in text:
            continue
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
        raise _unreadable(path, error) from error
    except ValueError:  # a path with a NUL in it
        return ""
    try:
        mode = os.fstat(opened).st_mode
        if not stat.S_ISREG(mode):
            raise missing(f"Name a plain file for the API key: {path} is none.")
        if private and mode & 0o077:
            raise missing(f"Run chmod 600 {path}: others can reach the API key in it.")
        return os.read(opened, _MAX_FILE_BYTES).decode("latin-1").strip()
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(opened)


def _unreadable(path: Path, error: OSError) -> LiveHandleError:
    return missing(f"Make the key file {path} readable: {error.strerror}.")


def _checked(key: str, origin: str) -> Key:
    if not _SENDABLE.fullmatch(key):
        raise missing(f"Copy the API key again ({origin}): it holds what no key has.")
    return Key(key, origin)


def missing(message: str) -> LiveHandleError:
    """Return the error of credentials that are not there."""
    return LiveHandleError("auth.missing_key", message)
