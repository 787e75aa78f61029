"""The functions a session declares, and the calls that are not answered yet (wire 2.4)."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from livehandle_emulator.answer import Call
from livehandle_emulator.models import Model
from livehandled.gemini.content import FunctionCall, FunctionResponse
from livehandled.gemini.setup import FunctionDeclaration, Tool

_PREFIX = "function-call-"


class PendingCall(NamedTuple):
    """A call without an answer."""

    id: str
    name: str
    blocking: bool
    """Whether the turn waits for it."""


class Calls:
    """The calls of one session."""

    def __init__(self, model: Model, session_id: str, restored: Iterable[PendingCall] = ()) -> None:
        """`restored` are the calls of an earlier connection that may still be answered."""
        self._model = model
        self._prefix = f"{_PREFIX}{session_id}-"
        self._made = 0
        self._functions: dict[str, FunctionDeclaration] = {}
        self._pending = {call.id: call for call in restored}
        self._unsent: set[str] = set()

    @property
    def functions(self) -> Collection[str]:
        """The names that are declared."""
        return self._functions.keys()

    def declare(self, tools: Sequence[Tool]) -> None:
        """Replace the functions; calls already made stay."""
        declared = [f for tool in tools for f in tool.function_declarations or []]
        self._functions = {function.name: function for function in declared}

    def make(self, calls: Iterable[Call]) -> list[FunctionCall]:
        """Return calls with ids, of declared functions, to be answered."""
        made = []
        for call in calls:
            self._made += 1
            id_ = f"{self._prefix}{self._made}"
            blocks = self._blocks(self._functions[call.name])
            self._pending[id_] = PendingCall(id_, call.name, blocks)
            self._unsent.add(id_)
            made.append(FunctionCall(id=id_, name=call.name, args=call.args))
        return made

    def sent(self, made: Iterable[FunctionCall]) -> None:
        """Note that the client has been told of some calls."""
        self._unsent.difference_update(call.id for call in made)

    @property
    def unanswered(self) -> tuple[PendingCall, ...]:
        """The calls that the client has been told of, and has not answered."""
        return tuple(call for id_, call in self._pending.items() if id_ not in self._unsent)

    def of_another_connection(self, id_: str | None) -> bool:
        """Return whether an id is of the service's, and not of this connection's calls."""
        return bool(id_ and id_.startswith(_PREFIX) and not id_.startswith(self._prefix))

    def blocking(self, made: Iterable[FunctionCall]) -> set[str]:
        """Return the ids of those that hold the turn up."""
        return {call.id for call in made if self._pending[call.id].blocking}

    def answered(self, response: FunctionResponse) -> PendingCall | None:
        """Return the call that a response answers, None if nobody waits for it.

        On Vertex a response may come without an id: it answers the first call of its name.
        """
        id_ = response.id or self._first_of(response.name)
        if id_ is None or id_ not in self._pending:
            return None
        call = self._pending[id_]
        if call.blocking or not response.will_continue:
            del self._pending[id_]
        return call

    def forget(self, ids: Iterable[str]) -> None:
        """Wait no longer for some calls."""
        for id_ in ids:
            self._pending.pop(id_, None)
            self._unsent.discard(id_)

    def _first_of(self, name: str | None) -> str | None:
        return next((id_ for id_, call in self._pending.items() if call.name == name), None)

    def _blocks(self, function: FunctionDeclaration) -> bool:
        behaviour = (function.behavior or "").upper()
        if self._model.always_blocks or behaviour == "BLOCKING":
            return True
        return behaviour != "NON_BLOCKING" and self._model.calls_block
