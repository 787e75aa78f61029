"""Ephemeral tokens, minted for one connection each (wire 1.2)."""

import base64
import json
import re
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.error import URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    ProxyHandler,
    Request,
    build_opener,
)

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import TOKEN_PREFIX, Key, mask
from livehandled.gemini.closing import meaning_of_http
from livehandled.gemini.endpoints import public
from livehandled.session.fetching import (
    MAX_ANSWER_BYTES,
    Fetching,
    Sockets,
    passwords,
    proxies,
    unreachable,
)

_SCHEMES = {"ws": "http", "wss": "https"}
_TOKEN_LIFE = timedelta(hours=1)
"""Messages stop with their token. By default that is after 30 minutes, below the life of a
connection (wire 1.2)."""
_TOKEN = re.compile(re.escape(TOKEN_PREFIX) + "[!-~]+")
_KEPT_TOKENS = 3
"""So many are masked: those of the connections whose ends may still be told."""


def mint_url(service_url: str) -> str:
    """Return where tokens for a service are minted: beside it."""
    live = urlsplit(service_url)
    path = live.path.partition("/ws/google.")[0] + "/v1alpha/auth_tokens"
    return urlunsplit((_SCHEMES[live.scheme], live.netloc, path, live.query, ""))


class Minted:
    """Ephemeral tokens, each minted with a key for one connection."""

    def __init__(self, key: Key, url: str, *, proxy: str = "", timeout_s: float = 10.0) -> None:
        self._key = key
        self._url = url
        self._proxy = proxy
        self._timeout_s = timeout_s
        self._fetching = Fetching(timeout_s, public(url))
        self._tokens: deque[str] = deque(maxlen=_KEPT_TOKENS)

    @property
    def origin(self) -> str:
        """Where the key was found."""
        return self._key.origin

    @property
    def fingerprint(self) -> str:
        """Of the key: a handle outlives the tokens."""
        return self._key.fingerprint

    @property
    def is_token(self) -> bool:
        """Each of them is."""
        return True

    def secrets(self) -> tuple[str, ...]:
        """Return the key, the newest tokens, and the proxy's password."""
        return (*self._key.secrets(), *self._tokens, *passwords(self._proxy))

    async def authorise(self, *, reuse: bool = False) -> Mapping[str, str]:  # noqa: ARG002 - a token is good for one connection
        """Mint a token, and return the header that carries it."""
        token = await self._fetching.run(self._mint)
        self._tokens.append(token)
        return Key(token, self.origin).headers()

    def _mint(self, sockets: Sockets) -> str:
        """Return a new token. Blocks."""
        until = datetime.now(UTC) + _TOKEN_LIFE
        body = {"uses": 1, "expireTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
        url, basic = _without_user(self._url)
        request = Request(  # noqa: S310 - the base URL is one of http or https
            url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **basic, **self._key.headers()},
        )
        routes = ProxyHandler(proxies(self._proxy, self._url))
        opener = build_opener(routes, _Watched(sockets), _AsItIs())
        try:
            with opener.open(request, timeout=self._timeout_s) as response:
                status, said = response.status, response.read(MAX_ANSWER_BYTES)
        # A ValueError is a host that is no name.
        except (OSError, HTTPException, ValueError) as error:
            why = error.reason if isinstance(error, URLError) else error
            raise self._failed(mask(str(why) or type(error).__name__, self.secrets())) from error
        if not 200 <= status < 300:
            raise meaning_of_http(status, said, self.secrets())
        return self._token_in(said)

    def _token_in(self, said: bytes) -> str:
        try:
            answer = json.loads(said)
        except (ValueError, RecursionError):
            answer = None
        token = answer.get("name") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise self._failed("its answer holds no token")
        return token

    def _failed(self, why: str) -> LiveHandleError:
        return unreachable(public(self._url), why)


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without its user, whom urllib takes for a host, and the header that has it."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    basic = base64.b64encode(unquote(user).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {basic}"}


class _Watched(HTTPSHandler, HTTPHandler):
    """Connects, over sockets that can be shut from outside."""

    def __init__(self, sockets: Sockets) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._sockets.watched(HTTPConnection), req)

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._sockets.watched(HTTPSConnection), req)


class _AsItIs(HTTPErrorProcessor):
    """Hands every answer on: a refusal is read, and a redirect would take the key elsewhere."""

    def http_response(self, _request: Request, response: HTTPResponse) -> HTTPResponse:
        return response

    def https_response(self, _request: Request, response: HTTPResponse) -> HTTPResponse:
        return response
