"""Where a client connected, and as whom (wire 1.1, 1.2)."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from livehandle_emulator.closing import Close, close

_UNREGISTERED = (
    "Method doesn't allow unregistered callers (callers without established identity). "
    "Please use API Key or other form of API consumer identity to call this API."
)
_BAD_KEY = "API key not valid. Please pass a valid API key."

_GEMINI = re.compile(
    r"/ws/google\.ai\.generativelanguage\.(?P<version>v\d\w*)"
    r"\.GenerativeService\.BidiGenerateContent(?P<constrained>Constrained)?"
)
_VERTEX = re.compile(
    r"/ws/google\.cloud\.aiplatform\.(?P<version>v\d\w*)\.LlmBidiService/BidiGenerateContent"
)
_TOKEN_PREFIX = "auth_tokens/"  # noqa: S105 - how every ephemeral token begins


class Endpoint(NamedTuple):
    """One of the service's two front doors, by its path."""

    vertex: bool
    version: str
    """The API version of the path: any is served, and some fields depend on it."""
    constrained: bool = False
    """Whether ephemeral tokens are taken here, and nothing else."""


def endpoint_of(target: str) -> Endpoint | None:
    """Return the endpoint of a request target, None if there is none at that path.

    Doubled slashes count as one: a base URL that ends in a slash makes them.
    """
    path = re.sub("/{2,}", "/", urlsplit("//host" + target).path)
    if match := _GEMINI.fullmatch(path):
        return Endpoint(False, match["version"], match["constrained"] is not None)
    if match := _VERTEX.fullmatch(path):
        return Endpoint(True, match["version"])
    return None


def credential_of(target: str, headers: Mapping[str, str]) -> str | None:
    """Return the key or token of a request, from a header or from the query.

    `headers` must find a name in any case.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    query = parse_qs(urlsplit("//host" + target).query)
    candidates = [
        headers.get("x-goog-api-key", ""),
        given.strip() if scheme.lower() in {"bearer", "token"} else "",
        *query.get("key", ()),
        *query.get("access_token", ()),
    ]
    return next((c for c in candidates if c), None)


def refused_upgrade(endpoint: Endpoint, credential: str | None, keys: list[str] | None) -> bool:
    """Return whether the upgrade itself is refused with HTTP 401: bad credentials on Vertex."""
    return endpoint.vertex and not _known(credential, keys)


def refused_session(
    endpoint: Endpoint, credential: str | None, keys: list[str] | None
) -> Close | None:
    """Return how a connection to the Gemini API ends for its credentials, None if it goes on.

    Of the ways seen (wire 1.2, 4.4) the one after the upgrade is taken: 1008 for no identity,
    which is also what an ephemeral token gets on the plain path and a key on the constrained
    one, and 1007 for a key that is not valid.
    """
    if endpoint.vertex:
        return None  # refused, or not, at the upgrade
    ephemeral = credential is not None and credential.startswith(_TOKEN_PREFIX)
    if credential is None or ephemeral != endpoint.constrained:
        return close(1008, _UNREGISTERED)
    return None if _known(credential, keys) else close(1007, _BAD_KEY)


def _known(credential: str | None, keys: list[str] | None) -> bool:
    return credential is not None and (keys is None or credential in keys)
