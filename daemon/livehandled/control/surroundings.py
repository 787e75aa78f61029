"""What of the daemon the methods need beside the handle."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from livehandle_proto.faults import Fault
from livehandle_proto.methods import Reloaded
from livehandled.config.schema import Config
from livehandled.control.claims import Claims
from livehandled.control.peer import Peer


class EmulatorFaults(Protocol):
    """The faults of the built-in emulator."""

    def add(self, fault: Fault, /) -> None:
        """Let it happen, or wait for its moment."""

    def clear(self) -> None:
        """End them all."""

    def waiting(self) -> list[Fault]:
        """Return those that wait."""
        ...


class Surroundings(NamedTuple):
    """What the service has, and the methods tell of or act on."""

    socket: str
    config: Callable[[], Config]
    config_file: str
    started: float
    """Monotonic seconds."""
    clock: Callable[[], float]
    claims: Claims
    peers: Callable[[], Iterable[Peer]]
    """Every client that is connected, in the order in which they came."""
    shut_down: Callable[[], None]
    reload: Callable[[], Reloaded]
    """Raises `config.invalid`."""
    faults: EmulatorFaults | None = None
    """Where the built-in emulator runs."""
