"""How google-auth asks over HTTP: by requests, as it does by itself, but to an end (wire 1.2).

To be imported for the first connection alone: requests takes a tenth of a second.
"""

from contextlib import closing
from io import BytesIO
from typing import Any

from google.auth.transport.requests import Request
from requests import ConnectionError as NoAnswer
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from livehandled.session.fetching import MAX_ANSWER_BYTES, Sockets, proxies


class TokenTransport(Request):
    """The transport of one fetch. Close it."""

    def __init__(self, sockets: Sockets, *, proxy: str, timeout_s: float) -> None:
        session = Session()
        self._adapter = _Adapter(sockets, timeout_s)
        session.mount("http://", self._adapter)
        session.mount("https://", self._adapter)
        routes = proxies(proxy, "")
        if routes is not None:
            session.trust_env = False
            session.proxies = routes
        super().__init__(session)

    @property
    def asked(self) -> bool:
        """Whether anything went out yet: what fails before is the fault of the file."""
        return self._adapter.asked

    @property
    def status(self) -> int | None:
        """Of the newest answer; None if there was none."""
        return self._adapter.status

    def close(self) -> None:
        """Let the connections go."""
        self.session.close()


class _Adapter(HTTPAdapter):
    """Connects over sockets that can be shut from outside, and reads so much and no more."""

    def __init__(self, sockets: Sockets, timeout_s: float) -> None:
        super().__init__()
        self._sockets = sockets
        self._timeout_s = timeout_s
        self.asked = False
        self.status: int | None = None

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **more)
        pool.ConnectionCls = self._sockets.watched(pool.ConnectionCls)
        return pool

    def send(self, request: PreparedRequest, *args: Any, **more: Any) -> Response:
        self.asked = True
        # Two minutes, where google-auth has no idea of its own.
        more["timeout"] = min(more.get("timeout") or self._timeout_s, self._timeout_s)
        try:
            response = super().send(request, *args, **more)
            with closing(response.raw) as raw:
                said = raw.read(MAX_ANSWER_BYTES, decode_content=True)
        except HTTPError as error:
            raise NoAnswer(error, request=request) from error
        response.raw = BytesIO(said)
        self.status = response.status_code
        return response
