"""Application default credentials: OAuth tokens of an account of Google Cloud (wire 1.2).

google-auth is an extra, and its import takes a twentieth of a second: it waits for the first
connection, in the thread that fetches the token.
"""

import json
import os
import warnings
from collections import deque
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import fingerprint, mask, missing
from livehandled.session.fetching import in_thread, passwords, proxies, unreachable

if TYPE_CHECKING:
    from google.auth.credentials import Credentials as OAuth

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_SERVICE = "Google's token service"
_KEPT_TOKENS = 3
"""So many are masked: those of the connections whose ends may still be told."""


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
        self.fingerprint = _fingerprint_of(self._path, self._quota_project)
        """Of the account and the project that is billed, not of the key that proves it."""
        self.origin = f"file {self._path}" if self._path else "the machine's own account"
        """Where they were found."""
        self._proxy = proxy
        self._timeout_s = timeout_s
        self._account: OAuth | None = None
        self._fetching = Lock()
        self._tokens: deque[str] = deque(maxlen=_KEPT_TOKENS)

    def secrets(self) -> tuple[str, ...]:
        """Return the newest tokens, and the proxy's password."""
        return (*self._tokens, *passwords(self._proxy))

    async def authorise(self, *, reuse: bool = False) -> Mapping[str, str]:
        """Return the headers that carry a fresh token, with the project that is billed."""
        work = partial(self._fetch, reuse=reuse)
        token, project = await in_thread(work, self._timeout_s, _SERVICE)
        headers = {"Authorization": f"Bearer {token}"}
        return {**headers, "x-goog-user-project": project} if project else headers

    def _fetch(self, *, reuse: bool) -> tuple[str, str | None]:
        """Return a token and the project that is billed. Blocks."""
        from google.auth import exceptions
        from google.auth.transport import requests

        with self._fetching:
            request = requests.Request()
            routes = proxies(self._proxy, "")
            if routes is not None:
                request.session.trust_env = False
                request.session.proxies = routes
            try:
                account = (self._account if reuse else None) or self._found()
                if not (reuse and account.valid):
                    account.refresh(partial(request, timeout=self._timeout_s))
            except exceptions.TransportError as error:
                raise unreachable(_SERVICE, self._said(error)) from error
            except exceptions.RefreshError as error:
                if error.retryable:
                    raise unreachable(_SERVICE, self._said(error)) from error
                raise self._rejected(error) from error
            # A ValueError is a key in the file that is none; of what else a file can hold, the
            # library raises whatever its parts raise.
            except Exception as error:
                raise self._rejected(error) from error
            finally:
                request.session.close()
            self._account = account
            token = str(account.token)
            if token not in self._tokens:
                self._tokens.append(token)
            return token, getattr(account, "quota_project_id", None)

    def _found(self) -> "OAuth":
        import google.auth
        from google.auth.credentials import with_scopes_if_required

        with warnings.catch_warnings():
            # That the kinds of file are many, and that a user's own have no quota project.
            warnings.simplefilter("ignore")
            if self._path is None:
                account, _ = google.auth.default(quota_project_id=self._quota_project)
            else:
                account, _ = google.auth.load_credentials_from_file(
                    str(self._path), quota_project_id=self._quota_project
                )
        scoped: OAuth = with_scopes_if_required(account, [_SCOPE])
        return scoped

    def _rejected(self, error: Exception) -> LiveHandleError:
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

        if isinstance(error, DefaultCredentialsError) or not isinstance(error, GoogleAuthError):
            return missing(
                "Run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS "
                f"to a file with credentials ({self.origin} has none that can be used)."
            )
        return LiveHandleError(
            "auth.rejected",
            f"Renew the application default credentials ({self.origin}): the token service did "
            f'not accept them, saying "{self._said(error)}".',
        )

    def _said(self, error: Exception) -> str:
        """Return what the token service said: its first words, which hold no token."""
        said = str(error.args[0] if error.args else error)[:200]
        return mask(said, self.secrets())


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
    directory = Path(home) if home else Path("~/.config/gcloud").expanduser()
    path = directory / "application_default_credentials.json"
    return path if path.is_file() else None


def _fingerprint_of(path: Path | None, quota_project: str | None) -> str:
    if path is None:
        return fingerprint("machine", quota_project or "")
    try:
        account = json.loads(path.read_bytes())
    except OSError as error:
        raise missing(f"Make {path} readable: {os.strerror(error.errno or 0)}.") from error
    except (ValueError, RecursionError):
        account = None
    if not isinstance(account, dict):
        raise missing(f"Put credentials into {path}: what it holds is no JSON object.")
    names = ("type", "client_email", "account", "audience", "refresh_token", "quota_project_id")
    identity = (str(account.get(name, "")) for name in names)
    return fingerprint(*identity, quota_project or "")
