"""Where the service is, and what it calls the model (wire 1.1, 1.3)."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

from livehandle_proto.errors import LiveHandleError
from livehandled.config.schema import Session

_GEMINI = "wss://generativelanguage.googleapis.com"
_GEMINI_PATH = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"
_CONSTRAINED_VERSION = "v1alpha"
_VERTEX_PATH = "/ws/google.cloud.aiplatform.{version}.LlmBidiService/BidiGenerateContent"
_MULTI_REGIONS = frozenset({"us", "eu"})
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def endpoint(session: Session, emulator_url: str = "", *, constrained: bool = False) -> str:
    """Return the WebSocket URL for a session, without any key of ours.

    `emulator_url` is where the daemon's own emulator listens; it is the base for that backend,
    whatever `session.base_url` says. `constrained` is the path that takes ephemeral tokens, which
    is of one version alone. Raises `config.invalid` for a base URL that is none or that is plain
    text beyond this machine, for another version than that, and where there is no emulator.
    """
    vertex = session.backend == "vertex"
    version = _version(session, constrained=constrained)
    path = (_VERTEX_PATH if vertex else _GEMINI_PATH).format(version=version)
    if constrained:
        path += "Constrained"
    if session.backend == "emulator":
        if not emulator_url:
            raise LiveHandleError(
                "config.invalid",
                "Start the daemon with --emulator: this one has no emulator to connect to.",
                param="session.backend",
            )
        return _with_path(_parts(emulator_url), path)
    if session.base_url:
        parts = _parts(session.base_url)
        if (
            parts.scheme == "ws"
            and not session.allow_plaintext
            and not is_loopback(parts.hostname or "")
        ):
            raise LiveHandleError(
                "config.invalid",
                f"Use https for session.base_url, or set session.allow_plaintext: without it "
                f"nothing is sent to {parts.hostname} unencrypted.",
                param="session.base_url",
                expected="https or wss, or a loopback address",
            )
        return _with_path(parts, path)
    return (_vertex_base(session.location) if vertex else _GEMINI) + path


def model_name(session: Session) -> str:
    """Return the model's resource name for `setup.model` (wire 1.3).

    A model that is given with a slash stays as it is, but for a `publishers/` name on Vertex
    AI, which is put into the project if there is one.
    """
    model = session.model
    if session.backend != "vertex":
        return model if "/" in model else f"models/{model}"
    if "/" not in model:
        model = f"publishers/google/models/{model}"
    if session.project and model.startswith("publishers/"):
        return f"projects/{session.project}/locations/{session.location or 'global'}/{model}"
    return model


def public(url: str) -> str:
    """Return a URL without user, password, query and fragment, for logs and `session`."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name: where it leads is not known here
        return False


def version_of(session: Session) -> str:
    """Return the API version of the path for a key, or for an account."""
    return _version(session, constrained=False)


def _version(session: Session, *, constrained: bool) -> str:
    if not constrained:
        return session.api_version or ("v1beta1" if session.backend == "vertex" else "v1beta")
    if session.api_version in {"", _CONSTRAINED_VERSION}:
        return _CONSTRAINED_VERSION
    raise LiveHandleError(
        "config.invalid",
        f"Set session.api_version to {_CONSTRAINED_VERSION}: ephemeral tokens are of no other.",
        param="session.api_version",
        expected=f'"{_CONSTRAINED_VERSION}" or nothing',
    )


def _vertex_base(location: str) -> str:
    if location in {"", "global"}:
        return "wss://aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"wss://aiplatform.{location}.rep.googleapis.com"
    return f"wss://{location}-aiplatform.googleapis.com"


def _parts(base_url: str) -> SplitResult:
    """Return the parts of a base URL, its scheme made `ws` or `wss`."""
    try:
        parts = urlsplit(base_url)
        if parts.scheme in _SCHEMES and parts.hostname and parts.port != 0:
            return parts._replace(scheme=_SCHEMES[parts.scheme])
    except ValueError:
        pass  # a port that is no number, or brackets around what is no IPv6 address
    raise LiveHandleError(
        "config.invalid",
        "Correct session.base_url: it must be a URL such as https://gateway.example/prefix.",
        param="session.base_url",
        expected="a URL of https, wss, http or ws with a host",
    )


def _with_path(parts: SplitResult, path: str) -> str:
    base = parts.path.rstrip("/")
    while "//" in base:
        base = base.replace("//", "/")
    if not base.endswith(path):
        base += path
    return urlunsplit(parts._replace(path=base, fragment=""))
