"""Which client carries which function out."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

import msgspec

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.tools import MAX_DECLARED_BYTES, MAX_FUNCTIONS
from livehandle_proto.values import Value
from livehandled.gemini.opening import Function
from livehandled.tools.declarations import bad_declaration


class Client(Protocol):
    """A connection that carries functions out."""

    @property
    def id(self) -> str:
        """Which of the daemon's connections it is."""

    @property
    def client(self) -> str:
        """What it calls itself."""

    def ask(self, topic: str, data: Value) -> Callable[[], bool]:
        """Write an event; return what takes it back, and returns whether it could.

        Raises `wire.result_too_large`.
        """

    def tell(self, topic: str, data: Value) -> None:
        """Write an event."""


class Registration:
    """Functions that one client carries out, and after it who comes with the token."""

    def __init__(self, client: Client, timeout_s: float) -> None:
        self.token = os.urandom(8).hex()
        self.client: Client | None = client
        """None in the time that a client that has gone has to come back."""
        self.timeout_s = timeout_s
        self.gone_at = 0.0
        """When it went, monotonic seconds."""


class Tool(NamedTuple):
    """A function, and who carries it out."""

    registration: Registration
    function: Function


Table = Mapping[str, Tool]
"""Functions by name, in the order of registration. A table is replaced, never changed."""


class Registry:
    """The table there is, and what it would be after a change."""

    def __init__(self) -> None:
        self.table: Table = {}

    def registrations(self) -> Iterator[Registration]:
        """Yield each registration once."""
        yield from dict.fromkeys(tool.registration for tool in self.table.values())

    def of(self, client: Client) -> list[Registration]:
        """Return a client's registrations."""
        return [one for one in self.registrations() if one.client is client]

    def by_token(self, token: str) -> Registration:
        """Return a registration. Raises `tools.unknown_registration`."""
        for one in self.registrations():
            if one.token == token:
                return one
        raise unknown_registration()

    def with_functions(
        self, registration: Registration, client: Client, functions: Mapping[str, Function]
    ) -> Table:
        """Return the table in which a registration has these functions, and no others.

        A function of a client that has gone, or of this one, changes hands. Raises
        `tools.name_taken` for that of another, `tools.bad_declaration` for too much in all.
        """
        for name in functions:
            holder = self.table[name].registration.client if name in self.table else None
            if holder not in (None, client) and self.table[name].registration is not registration:
                raise _taken(name, holder)
        made: dict[str, Tool] = {}
        for name, tool in self.table.items():
            if name in functions:
                made[name] = Tool(registration, functions[name])  # in its old place
            elif tool.registration is not registration:
                made[name] = tool
        for name, function in functions.items():
            made[name] = Tool(registration, function)
        if len(made) > MAX_FUNCTIONS:
            why = f"{MAX_FUNCTIONS} functions are the most a session takes, of all clients together"
            raise bad_declaration("declarations", why)
        size = sum(len(msgspec.json.encode(tool.function)) for tool in made.values())
        if size > MAX_DECLARED_BYTES:
            why = f"all clients' functions together may take {MAX_DECLARED_BYTES} bytes, not {size}"
            raise bad_declaration("declarations", why)
        return made

    def without(self, gone: Iterable[Registration]) -> Table:
        """Return the table without some registrations."""
        ended = set(gone)
        return {n: tool for n, tool in self.table.items() if tool.registration not in ended}


def unknown_registration() -> LiveHandleError:
    """Return the error of a registration that is not there, or not the caller's."""
    return LiveHandleError(
        "tools.unknown_registration",
        "There is no such registration of yours: tools.register with declarations alone makes one.",
        param="registration",
    )


def _taken(name: str, holder: Client | None) -> LiveHandleError:
    assert holder is not None
    return LiveHandleError(
        "tools.name_taken",
        f"Connection {holder.id} ({holder.client!r}) carries {name} out: declare it under "
        "another name, or present its registration.",
        param="declarations",
        holder=holder.id,
    )
