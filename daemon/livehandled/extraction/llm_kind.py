"""Extraction by a model: `generateContent` over HTTP.

httpx2 is the client the official SDK itself stands on: it keeps connections, reads proxies and
certificates from the environment as the SDK does, and is written for anyio.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import ExtractorRun, ExtractorSpec
from livehandled.extraction.runner import Look
from livehandled.gemini.auth import mask
from livehandled.gemini.endpoints import public
from livehandled.gemini.generate import (
    DEFAULT_MODEL,
    Service,
    answer,
    refusal,
    refuses_not_to_think,
    request,
)

if TYPE_CHECKING:
    import httpx2

_MAX_ANSWER_BYTES = 2**20
_KEEP_S = 60.0
"""How long a connection is kept for the next turn."""
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")


class ModelClient:
    """Asks models, over connections of its own. Close it with `aclose`.

    `service` says, at each request, where to ask and as whom.
    """

    def __init__(self, service: Callable[[], Service]) -> None:
        self._service = service
        self._client: httpx2.AsyncClient | None = None
        self._thinkers: set[str] = set()

    def __call__(self, spec: ExtractorSpec) -> Look:
        """Return what runs an extractor. Raises `config.invalid` without the package for it."""
        if self._client is None:
            self._client = _client()
        return partial(self._look, self._client, spec)

    async def aclose(self) -> None:
        """End the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _look(
        self, client: httpx2.AsyncClient, spec: ExtractorSpec, run: ExtractorRun
    ) -> object:
        service = self._service()
        model = spec.model or DEFAULT_MODEL
        url = service.url(model)
        think = model in self._thinkers
        body = request(spec.prompt, run.text, spec.schema, think=think)
        status, said = await _post(client, service, url, body)
        if not think and refuses_not_to_think(status, said):
            self._thinkers.add(model)
            body = request(spec.prompt, run.text, spec.schema, think=True)
            status, said = await _post(client, service, url, body)
        if status != 200:
            raise refusal(status, said, service.credentials.secrets())
        return answer(said)


async def _post(
    client: httpx2.AsyncClient, service: Service, url: str, body: bytes
) -> tuple[int, bytes]:
    """Return the status and the body of the answer. Raises `upstream.unreachable`."""
    import httpx2

    headers = {
        "content-type": "application/json",
        **await service.credentials.authorise(reuse=True),
    }
    said = b""
    try:
        async with client.stream("POST", url, content=body, headers=headers) as response:
            async for piece in response.aiter_bytes():
                said += piece
                if len(said) > _MAX_ANSWER_BYTES:
                    break
            else:
                return response.status_code, said
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        why = mask(str(error) or type(error).__name__, service.credentials.secrets())
        raise LiveHandleError(
            "upstream.unreachable",
            f"Cannot ask a model at {public(url)}: {why}. Check the network, a proxy, and "
            "session.base_url.",
        ) from error
    raise LiveHandleError(
        "extraction.failed", "Ask the model for less: its answer is longer than 1 MiB."
    )


def _client() -> httpx2.AsyncClient:
    try:
        import httpx2
    except ImportError as error:
        raise LiveHandleError(
            "config.invalid",
            "Run pip install 'livehandle[llm]': extractors of the kind llm need it.",
            param="kind",
        ) from error
    for name in ("httpx2", "httpcore2"):
        # They log the URL of every request, and its query may hold a gateway's key.
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        return httpx2.AsyncClient(
            timeout=None,  # every run has a deadline, whatever it waits for
            limits=httpx2.Limits(max_connections=64, keepalive_expiry=_KEEP_S),
            mounts=dict.fromkeys(_LOOPBACK),  # never through a proxy
            headers={"user-agent": "livehandle"},
        )
    except (ImportError, ValueError, OSError) as error:
        # SOCKS without its library, what is no URL of a proxy, no file of certificates
        raise LiveHandleError(
            "config.invalid",
            "Correct the proxy and SSL_CERT_FILE in the environment: no HTTP client can be "
            "made of them.",
            param="kind",
        ) from error
