"""An emulator that stays, and daemons that come and go at one path."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from livehandled.store import Snapshot, Store, snapshot_path
from support.daemon import DaemonProcess, private_directory
from support.emulator import running_emulator
from support.wire import Message

KEY = "x" * 30
TIMING = "timing = { reply_delay_ms = 30, stream_speed = 1e6, playback_speed = 1e6 }\n"
"""Fast, but no faster than a service knows what it was sent."""

_PATIENCE_S = 20.0


class House:
    """One path for daemons, and the emulator that they talk to."""

    def __init__(self, directory: Path, url: str, journal: Path) -> None:
        self.path = directory / "s"
        self.daemons: list[DaemonProcess] = []
        self.store = Store(
            directory / ".local/state/livehandle" / snapshot_path(self.path, {}).name
        )
        """Where the daemons keep their session."""
        self.url = url
        """Of the emulator."""
        self._journal = journal

    def start(
        self,
        *values: str,
        key: str = KEY,
        environ: Mapping[str, str] | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "livehandled"),
    ) -> DaemonProcess:
        """Start a daemon with these values of the configuration."""
        given = (f"session.base_url={self.url}", *values)
        flags = [word for value in given for word in ("--set", value)]
        environ = {"GEMINI_API_KEY": key, **(environ or {})}
        daemon = DaemonProcess(self.path, *flags, environ=environ, command=command)
        self.daemons.append(daemon)
        daemon.wait_for("listening on")
        return daemon

    def until_kept(self, wanted: Callable[[Snapshot], bool]) -> Snapshot:
        """Wait until what is on disk is as wanted: a kill needs that, and a stop does not."""
        deadline = time.monotonic() + _PATIENCE_S
        while (found := self.store.load()) is None or not wanted(found):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)  # a file tells nobody that it is there
        return found

    @property
    def snapshots(self) -> list[Path]:
        """What the daemons have left in their home."""
        return sorted(self.path.parent.rglob("*.snapshot*"))

    def ask(self, what: str, body: object = None) -> Any:
        """Ask the emulator."""
        where = f"{self.url.replace('ws', 'http', 1)}/emulator/{what}"
        data = json.dumps(body or {}).encode()
        with urlopen(Request(where, data, {"Content-Type": "application/json"})) as answer:  # noqa: S310 - our own
            return json.load(answer)

    @property
    def sessions(self) -> list[Message]:
        """The sessions that the emulator holds, oldest first."""
        sessions: list[Message] = self.ask("sessions")["sessions"]
        return sessions

    def journal(self) -> list[Message]:
        """Return what the emulator has noted."""
        return [json.loads(line) for line in self._journal.read_text().splitlines()]

    def words(self, session: int = -1) -> list[str]:
        """Return what the user has said in a session, as its model remembers it."""
        history = self.sessions[session]["history"]
        return [entry["text"] for entry in history if entry["role"] == "user"]


@contextmanager
def house(scenario: str = TIMING) -> Iterator[House]:
    """Run an emulator; stop every daemon at the end. None may have left a traceback."""
    with private_directory() as directory:
        journal = directory / "journal.jsonl"
        flags = ("--journal", str(journal))
        with (
            running_emulator(directory, scenario=scenario, flags=flags) as emulator,
            house_before(emulator.url, journal) as made,
        ):
            yield made


@contextmanager
def house_before(url: str, journal: Path | None = None) -> Iterator[House]:
    """Give a house whose emulator runs already; stop every daemon at the end."""
    with private_directory() as directory:
        made = House(directory, url, journal or directory / "journal.jsonl")
        try:
            yield made
        finally:
            for daemon in made.daemons:
                daemon.close()
