"""The functions that clients carry out, and the model that is told of them (protocol section 6)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.tools import (
    Declared,
    ToolInfo,
    ToolList,
    ToolsRegister,
    ToolsRegistered,
    ToolsRespond,
    ToolsUnregister,
    ToolsUnregistered,
)
from livehandle_proto.values import FunctionCall
from livehandled.config.schema import Tools as Config
from livehandled.gemini.opening import Function
from livehandled.tools.calls import Calls
from livehandled.tools.declarations import declared
from livehandled.tools.registry import (
    Client,
    Registration,
    Registry,
    Table,
    unknown_registration,
)


class Model(Protocol):
    """The session, as far as functions go."""

    def check(self, functions: Sequence[Function]) -> None:
        """Raise `upstream.unsupported` where the service would not take them."""

    def declare(self, functions: Sequence[Function], *, reconnect: bool) -> Declared:
        """Tell the model of exactly these, beside those of `session.setup`; return when."""

    def configured(self) -> Sequence[Function]:
        """Return the functions of `session.setup`."""

    def told(self) -> Sequence[Function]:
        """Return the functions that the model knows of."""


class Tools:
    """Registrations, and through them the calls of the model.

    `answer` sends answers to the model, all in one frame. `look` is called whenever `deadline` may
    have come nearer. Times are monotonic seconds.
    """

    def __init__(
        self,
        model: Model,
        config: Callable[[], Config],
        *,
        answer: Callable[[Sequence[ToolAnswer]], object],
        clock: Callable[[], float],
        look: Callable[[], None],
    ) -> None:
        self.deadline: float | None = None
        """When `due` is to be called; None if nothing waits."""
        self._model = model
        self._config = config
        self._clock = clock
        self._look = look
        self._registry = Registry()
        self._calls = Calls(answer=answer, clock=clock, max_repeats=lambda: config().max_repeats)

    # What clients say.

    def register(self, params: ToolsRegister, client: Client) -> ToolsRegistered:
        """Have functions carried out by a client, or by the one that comes after it.

        Raises `tools.bad_declaration`, `tools.name_taken`, `tools.unknown_registration` or
        `upstream.unsupported`: then nothing has changed.
        """
        registry = self._registry
        if params.registration is not None:
            registration = registry.by_token(params.registration)
            functions = {
                name: tool.function
                for name, tool in registry.table.items()
                if tool.registration is registration
            }
        else:
            registration = Registration(client, self._config().timeout_ms / 1000)
            functions = {}
        if params.declarations is not None:
            functions = declared(params.declarations)
        elif not functions:
            raise LiveHandleError(
                "wire.invalid_params",
                "Give declarations, or the registration to take over.",
                param="declarations",
            )
        table = registry.with_functions(registration, client, functions)
        self._model.check(_functions(table))
        when = self._model.declare(_functions(table), reconnect=params.reconnect)
        registration.client = client
        if params.timeout_ms is not None:
            registration.timeout_s = params.timeout_ms / 1000
        self._adopt(table)
        return ToolsRegistered(registration=registration.token, declared=when)

    def unregister(self, params: ToolsUnregister, client: Client) -> ToolsUnregistered:
        """End a client's registration, or all it has. Raises `tools.unknown_registration`.

        The model is told at once that calls which wait for it have no answer.
        """
        token = params.registration
        ended = [one for one in self._registry.of(client) if token in (None, one.token)]
        if not ended:
            raise unknown_registration()
        return ToolsUnregistered(declared=self._end(ended, reconnect=params.reconnect))

    def respond(self, params: ToolsRespond, client: Client) -> None:
        """Take a client's answer to a call; see `Calls.respond`."""
        self._calls.respond(params, client)
        self._plan()

    def left(self, client: Client) -> None:
        """Note that a client has gone. It has a while to come back by another connection."""
        for registration in self._registry.of(client):
            registration.client = None
            registration.gone_at = self._clock()
        self._calls.left(client)
        self._plan()

    def of(self, client: Client) -> int:
        """Return how many functions a client carries out."""
        return sum(t.registration.client is client for t in self._registry.table.values())

    def listed(self) -> ToolList:
        """Return all functions, those of the configuration that nobody carries out first."""
        told = {one["name"]: one for one in self._model.told()}
        table = self._registry.table
        shown = [
            ToolInfo(
                name=str(one["name"]),
                description=_text(one.get("description")),
                client=None,
                connection=None,
                timeout_ms=None,
                pending=0,
                declared=told.get(one["name"]) == one,
            )
            for one in self._model.configured()
            if one["name"] not in table
        ]
        for name, (registration, function) in table.items():
            client = registration.client
            info = ToolInfo(
                name=name,
                description=_text(function.get("description")),
                client=None if client is None else client.client,
                connection=None if client is None else client.id,
                timeout_ms=round(registration.timeout_s * 1000),
                pending=self._calls.waiting(name),
                declared=function.items() <= told.get(name, {}).items(),
            )
            shown.append(info)
        return ToolList(tools=shown)

    # What the session says.

    def called(self, calls: Sequence[FunctionCall]) -> None:
        """Note calls that came in one message.

        Those of functions that only the configuration declares are left to `send_tool_response`.
        """
        configured = {one["name"] for one in self._model.configured()}
        self._calls.take(calls, self._registry.table, configured)
        self._plan()

    def cancelled(self, keys: Iterable[str]) -> None:
        """Note that the model wants no answer to some calls."""
        self._calls.cancelled(set(keys))
        self._plan()

    def closed(self, keys: Iterable[str]) -> None:
        """Note that calls were answered."""
        self._calls.closed(set(keys))
        self._plan()

    def connection_lost(self) -> None:
        """Note that no service waits for any call there is."""
        self._calls.connection_lost()
        self._plan()

    def session_over(self) -> None:
        """Note the end of the session."""
        self._calls.session_over()
        self._plan()

    def user_spoke(self) -> None:
        """Note words of the user."""
        self._calls.user_spoke()

    # What time brings.

    def due(self, now: float) -> None:
        """Do what the time has come for."""
        gone = [
            one
            for one in self._registry.registrations()
            if one.client is None and one.gone_at + self._grace_s() <= now
        ]
        if gone:
            self._end(gone)
        self._calls.due(now)
        self._plan()

    # Within.

    def _end(self, ended: Sequence[Registration], *, reconnect: bool = False) -> Declared:
        """End registrations: their calls are answered, and the model is told."""
        table = self._registry.without(ended)
        self._adopt(table)
        return self._model.declare(_functions(table), reconnect=reconnect)

    def _adopt(self, table: Table) -> None:
        self._registry.table = table
        self._calls.adopt(table)
        self._plan()

    def _grace_s(self) -> float:
        return self._config().grace_ms / 1000

    def _plan(self) -> None:
        """Find out when `due` is to be called."""
        graces = [
            one.gone_at + self._grace_s()
            for one in self._registry.registrations()
            if one.client is None
        ]
        calls = self._calls.deadline
        self.deadline = min(graces if calls is None else [*graces, calls], default=None)
        if self.deadline is not None:
            self._look()


def _functions(table: Table) -> list[Function]:
    return [tool.function for tool in table.values()]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
