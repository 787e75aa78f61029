"""The configuration in force, and what becomes of it when its sources are read again."""

import logging
from collections.abc import Callable

from livehandle_proto.methods import Reloaded
from livehandled.config.keys import KEYS
from livehandled.config.layers import PER_SESSION
from livehandled.config.loader import Loaded, value_of, with_pinned
from livehandled.config.schema import Config

_log = logging.getLogger(__name__)

AT_ONCE = frozenset(
    {
        "control.uids",
        "control.max_clients",
        "control.max_clients_per_uid",
        "control.mic_idle_ms",
        "limits.max_line_bytes",
        "limits.pending_calls",
        "limits.subscriptions",
        "limits.turn_requests",
        "limits.turn_ms",
        "limits.client_buffer_bytes",
        "metrics.interval_ms",
        "log.level",
        "recording.directory",
        "recording.max_bytes",
        "recording.keep",
        "recording.redacted_audio",
    }
)
"""Keys that count from the moment they are read; those of a connection for the next clients."""

AT_RESTART = frozenset({"session.backend", "session.connect", "resumption.store"})
"""Keys of the sections of a session that nevertheless count from the next start only.

Where the backend changes, so do all keys of `session`.
"""


class Running:
    """The configuration in force. `read` reads all its sources, and raises `config.invalid`.

    `on_change` is called with a new one; the daemon's parts take from it what is theirs.
    """

    def __init__(self, loaded: Loaded, read: Callable[[], Loaded]) -> None:
        self.loaded = loaded
        self.on_change: Callable[[Loaded], None] = _nothing
        self._read = read

    @property
    def config(self) -> Config:
        """The values."""
        return self.loaded.config

    def reload(self) -> Reloaded:
        """Read the sources again. Raises `config.invalid`, and then nothing has changed.

        What counts from the next start only keeps its value, and is told again the next time.
        """
        read = self._read()
        changed = [name for name in KEYS if value_of(read, name) != value_of(self.loaded, name)]
        # With another backend goes another model, place and key: one without the other is refused.
        moments = {name: _moment(name) for name in changed}
        if "session.backend" in changed:
            moments |= {name: "restart" for name in changed if name.startswith("session.")}
        at_restart = [name for name in changed if moments[name] == "restart"]
        self.loaded = with_pinned(read, self.loaded, at_restart)
        self.on_change(self.loaded)
        told = Reloaded(
            applied=[name for name in changed if moments[name] == "once"],
            at_connect=[name for name in changed if moments[name] == "connect"],
            at_restart=at_restart,
        )
        _log.info(
            "configuration read again: at once %s, at the next session %s, at the next start %s",
            *map(_words, (told.applied, told.at_connect, told.at_restart)),
        )
        return told


def _moment(name: str) -> str:
    if name in AT_ONCE:
        return "once"
    section = name.partition(".")[0]
    return "connect" if section in PER_SESSION and name not in AT_RESTART else "restart"


def _words(names: list[str]) -> str:
    return ", ".join(names) or "nothing"


def _nothing(_loaded: Loaded) -> None:
    """Nobody is told yet."""
