"""A daemon that goes and comes back while a command is under way."""

import time
from argparse import Namespace
from collections.abc import Callable

from livectl.commands import open_connection
from livehandle.connection import Connection
from livehandle_proto.errors import LiveHandleError

AWAY_S = 30.0
"""How long a daemon may be away: one that starts again takes a few seconds."""

_RETRY_S = 0.25


def reopened(
    options: Namespace,
    note: Callable[[str], None],
    meanwhile: Callable[[], None] = lambda: None,
) -> Connection | None:
    """Return a connection to the daemon that is back, or None if it stays away.

    `note` is told what goes on; `meanwhile` is called again and again.
    """
    note("the daemon is gone: waiting until it is back")
    deadline = time.monotonic() + AWAY_S
    while time.monotonic() < deadline:
        meanwhile()
        try:
            connection = open_connection(options)
        except LiveHandleError:
            time.sleep(_RETRY_S)
        else:
            note("the daemon is back")
            return connection
    return None
