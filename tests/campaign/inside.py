"""A whole daemon in the loop of its test, its hub taken hold of as it is made."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import anyio

from livehandled import service
from livehandled.config import loader
from livehandled.hub import Hub

INSTANCE = "f00dcafe"
"""Of every such daemon, so that what they answer can be compared."""

_START_S = 10.0


class Inside(NamedTuple):
    """Where the daemon listens, and its hub."""

    path: Path
    hub: Hub


@asynccontextmanager
async def daemon(
    path: Path, values: Mapping[str, str], environ: Mapping[str, str] | None = None
) -> AsyncIterator[Inside]:
    """Run a daemon at a path, with these values of the configuration, and end it as it is."""
    loaded = loader.load(Path("/dev/null"), {}, {"resumption.store": "false", **values})
    hubs: list[Hub] = []

    class KnownHub(Hub):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.instance = INSTANCE
            hubs.append(self)

    async with anyio.create_task_group() as tasks:
        with patch.object(service, "Hub", KnownHub), anyio.fail_after(_START_S):
            tasks.start_soon(
                service.run,
                service.Service(
                    loaded, lambda: loaded, Path("/dev/null"), path, dict(environ or {})
                ),
            )
            # The socket is bound before the hub is made.
            while not hubs:
                await anyio.lowlevel.checkpoint()
        yield Inside(path, hubs[0])
        tasks.cancel_scope.cancel()
