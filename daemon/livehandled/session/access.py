"""As whom a session asks the service, and what that decides on the way there (wire 1.2)."""

from collections.abc import Mapping

import msgspec

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Session
from livehandled.gemini.auth import Credentials, Key, find_key, missing
from livehandled.gemini.endpoints import endpoint
from livehandled.session.adc import ApplicationDefault


def credentials(
    session: Session, environ: Mapping[str, str], emulator_url: str = ""
) -> Credentials:
    """Find the credentials of a session.

    Vertex AI gets application default credentials where a project is configured, as from the
    official SDK, or where there is no key; everything else gets a key. Reads files, and waits
    for nothing. Raises `auth.missing_key`, and `config.invalid` for what does not fit together.
    """
    kind, vertex = session.credentials, session.backend == "vertex"
    timeout_s = session.connect_timeout_ms / 1000
    if session.backend != "emulator" and (
        kind == "adc" or (kind == "" and vertex and session.project)
    ):
        return ApplicationDefault(environ, proxy=session.proxy, timeout_s=timeout_s)
    key = find_key(session, environ)
    if key is None and vertex and kind == "":
        return ApplicationDefault(environ, proxy=session.proxy, timeout_s=timeout_s)
    if key is None:
        by_systemd = _NO_KEY_SYSTEMD if environ.get("CREDENTIALS_DIRECTORY") else _NO_KEY
        raise missing(_NO_KEY_VERTEX if vertex else by_systemd)
    if kind != "token" or key.is_token or session.backend == "emulator":
        return key
    if vertex:
        raise LiveHandleError(
            "config.invalid",
            "Set session.credentials to key or adc: Vertex AI has no ephemeral tokens.",
            param="session.credentials",
            expected='"key" or "adc"',
        )
    # With it comes http.client, 11 ms and 1 MB that few need.
    from livehandled.session.minted import Minted, mint_url

    return Minted(
        key, mint_url(endpoint(session, emulator_url)), proxy=session.proxy, timeout_s=timeout_s
    )


_NO_KEY = (
    "Set GEMINI_API_KEY to a key from Google AI Studio, or start the daemon with --emulator to "
    "try it without a key."
)
_NO_KEY_SYSTEMD = (
    "Write a key from Google AI Studio into the file gemini-api-key, mode 0600, in /etc/livehandle "
    "(of a user's service in ~/.config/livehandle), and start the service again."
)
_NO_KEY_VERTEX = (
    "Set GOOGLE_API_KEY to an express key for Vertex AI, or session.credentials to adc for "
    "application default credentials."
)


def routed(session: Session, found: Credentials) -> Session:
    """Return the session with what its credentials decide on its way to the service (wire 1.2).

    A key for Vertex AI is an express key: the project is its own, and there is no region. An
    ephemeral token fixes the version. Raises `config.invalid` where the two do not fit.
    """
    change = msgspec.structs.replace
    if session.backend == "vertex":
        if isinstance(found, Key):
            return change(session, project="", location="")
        if not session.project and not session.base_url and "/" not in session.model:
            raise LiveHandleError(
                "config.invalid",
                "Set session.project or GOOGLE_CLOUD_PROJECT: Vertex AI needs a project with "
                "application default credentials.",
                param="session.project",
                expected="the id of a Google Cloud project",
            )
    if found.is_token:
        endpoint(session, constrained=True)  # the version, and the base URL
        return change(session, api_version="v1alpha")
    return session
