"""Application default credentials: OAuth tokens of an account of Google Cloud (wire 1.2).

google-auth is an extra, and its import takes a twentieth of a second: it waits for the first
connection, in the thread that fetches the token.
"""

import json
import os
import re
import stat
import warnings
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import fingerprint, mask, missing
from livehandled.session.fetching import Fetching, Sockets, passwords, unreachable

if TYPE_CHECKING:
    from google.auth.credentials import Credentials as OAuth

    from livehandled.session.token_transport import TokenTransport

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SERVICE = "Google's token service"
_KEPT_TOKENS = 3
"""So many are masked: those of the connections whose ends may still be told."""
_SENDABLE = re.compile("[!-~]+")
_SENT_SECRETS = ("refresh_token", "client_secret")
"""What of a file travels to the token service, which may repeat it."""
_SECRET_CHARS = 8
"""What is shorter is no secret of Google's, and may be part of any word."""
_IDENTITY = ("type", "client_email", "account", "audience", "refresh_token", "quota_project_id")


class ApplicationDefault:
    """Application default credentials: the account of a file, or of the machine.

    Raises `auth.missing_key` without the package for them, or for a file that is none.
    """

    def __init__(
        self, environ: Mapping[str, str], *, proxy: str = "", timeout_s: float = 10.0
    ) -> None:
        if not _installed():
            raise missing(
                "Run pip install 'livehandle[vertex]' for application default credentials, or "
                "set session.credentials to key."
            )
        self._path = _file_of(environ)
        self._quota_project = environ.get("GOOGLE_CLOUD_QUOTA_PROJECT") or None
        account = None if self._path is None else _account_in(self._path)
        self.fingerprint = _fingerprint_of(account, self._quota_project)
        """Of the account and the project that is billed, not of the key that proves it."""
        self.origin = f"file {_shown(self._path)}" if self._path else "the machine's own account"
        """Where they were found."""
        self._proxy = proxy
        self._timeout_s = timeout_s
        self._account: OAuth | None = None
        self._fetching = Fetching(timeout_s, _SERVICE)
        self._sent = _sent_secrets(account or {})
        self._tokens: deque[str] = deque(maxlen=_KEPT_TOKENS)

    @property
    def is_token(self) -> bool:
        """Not an ephemeral one."""
        return False

    def secrets(self) -> tuple[str, ...]:
        """Return what of the file is sent, the newest tokens, and the proxy's password."""
        return (*self._sent, *self._tokens, *passwords(self._proxy))

    async def authorise(self, *, reuse: bool = False) -> Mapping[str, str]:
        """Return the headers that carry a fresh token, with the project that is billed."""
        token, project = await self._fetching.run(partial(self._fetch, reuse))
        headers = {"Authorization": f"Bearer {token}"}
        return {**headers, "x-goog-user-project": project} if project else headers

    def _fetch(self, reuse: bool, sockets: Sockets) -> tuple[str, str | None]:
        """Return a token and the project that is billed. Blocks."""
        from livehandled.session.token_transport import TokenTransport

        request = TokenTransport(sockets, proxy=self._proxy, timeout_s=self._timeout_s)
        with closing(request):
            try:
                account = (self._account if reuse else None) or self._found(request)
                if not (reuse and account.valid):
                    account.refresh(request)
            except LiveHandleError:
                raise
            # A nonsensical file or answer makes the library raise nearly anything that Python has.
            except Exception as error:
                raise self._failed(error, request) from error
        token, project = account.token, getattr(account, "quota_project_id", None)
        if not _is_sendable(token):
            raise unreachable(_SERVICE, _NO_TOKEN)
        if project and not _is_sendable(project):
            raise missing(
                "Correct GOOGLE_CLOUD_QUOTA_PROJECT, or quota_project_id in the credentials "
                f"({self.origin}): it is the id of no project."
            )
        self._account = account
        if token not in self._tokens:
            self._tokens.append(token)
        return token, project

    def _found(self, request: "TokenTransport") -> "OAuth":
        import google.auth
        from google.auth.credentials import with_scopes_if_required

        with warnings.catch_warnings():
            # That the kinds of file are many, and that a user's own have no quota project.
            warnings.simplefilter("ignore")
            if self._path is None:
                account, _ = google.auth.default(
                    request=request, quota_project_id=self._quota_project
                )
            else:
                found = _account_in(self._path)
                self._sent = _sent_secrets(found)
                account, _ = google.auth.load_credentials_from_dict(
                    found, request=request, quota_project_id=self._quota_project
                )
        scoped: OAuth = with_scopes_if_required(account, [_SCOPE])
        return scoped

    def _failed(self, error: Exception, request: "TokenTransport") -> LiveHandleError:
        from google.auth import exceptions as e

        of_library = isinstance(error, e.GoogleAuthError)
        if isinstance(error, e.DefaultCredentialsError) or not (request.asked or of_library):
            return self._unusable(_missing_fields(error))
        if not isinstance(error, e.GoogleAuthError):
            return unreachable(_SERVICE, _NO_TOKEN)
        said = self._said(error)
        if not request.asked:
            return self._unusable(said)
        lost = isinstance(error, e.TransportError) or isinstance(error.__cause__, e.TransportError)
        # The library takes no refusal of a user's own account for one that passes.
        if lost or error.retryable or _passes(request.status):
            return unreachable(_SERVICE, said)
        return LiveHandleError(
            "auth.rejected",
            f"Renew the application default credentials ({self.origin}): the token service did "
            f'not accept them, saying "{said}".',
        )

    def _unusable(self, why: str) -> LiveHandleError:
        return missing(
            "Run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS "
            f"to a file with credentials ({self.origin} has none that can be used"
            f"{': ' if why else ''}{why})."
        )

    def _said(self, error: Exception) -> str:
        """Return what the token service said: its first words, without what it was sent."""
        said = mask(str(error.args[0] if error.args else error), self.secrets())
        return said[:200].rstrip(".").encode(errors="backslashreplace").decode()


_NO_TOKEN = "its answer holds no token"  # noqa: S105 - a sentence


def _installed() -> bool:
    try:
        return find_spec("google.auth") is not None and find_spec("requests") is not None
    except ModuleNotFoundError:  # there is no package google at all
        return False


def _file_of(environ: Mapping[str, str]) -> Path | None:
    """Return the file of application default credentials, None if there is none."""
    if named := environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return Path(named)
    home = environ.get("CLOUDSDK_CONFIG")
    try:
        directory = Path(home) if home else Path("~/.config/gcloud").expanduser()
        path = directory / "application_default_credentials.json"
        return path if path.is_file() else None
    except (OSError, RuntimeError):  # a home that is none, or another's
        return None


def _account_in(path: Path) -> dict[str, object]:
    """Return what a file of credentials holds. Raises `auth.missing_key` if that is no account."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a FIFO would hold the daemon up
            raise missing(f"Name a plain file for the credentials: {_shown(path)} is none.")
        account = json.loads(path.read_bytes())
    except OSError as error:
        raise missing(f"Make {_shown(path)} readable: {os.strerror(error.errno or 0)}.") from error
    except (ValueError, RecursionError):
        account = None
    if not isinstance(account, dict):
        raise missing(f"Put credentials into {_shown(path)}: what it holds is no JSON object.")
    return account


def _shown(path: Path) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")


def _fingerprint_of(account: Mapping[str, object] | None, quota_project: str | None) -> str:
    known = ["machine"]
    if account is not None:
        known = [str(account.get(name, "")) for name in _IDENTITY]
    return fingerprint(*known, quota_project or "")


def _sent_secrets(account: Mapping[str, object]) -> tuple[str, ...]:
    """Return the secrets of an account, and of the one that it impersonates another with."""
    source = account.get("source_credentials")
    accounts = (account, source) if isinstance(source, dict) else (account,)
    values = [each.get(name) for each in accounts for name in _SENT_SECRETS]
    return tuple(v for v in values if isinstance(v, str) and len(v) >= _SECRET_CHARS)


def _is_sendable(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _SENDABLE.fullmatch(value) is not None


def _missing_fields(error: Exception) -> str:
    """Return which fields are missing, where that is said: other words may quote a key."""
    found = re.search("missing fields [a-z_, ]+", str(error))
    return found[0] if found else ""


def _passes(status: int | None) -> bool:
    """Return whether a status tells of a state of the service that passes (RFC 9110, 6585)."""
    return status is not None and (status >= 500 or status in (408, 429))
