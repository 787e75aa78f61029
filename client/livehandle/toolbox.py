"""Functions of the model that a client carries out, over all its connections, sans-I/O."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from livehandle.calls import Begin, Call
from livehandle_proto.errors import LiveHandleError

_LOG = logging.getLogger("livehandle")
_OVER = {"tools.call_expired", "tools.unknown_call"}

Handler = Callable[..., object]
"""Carries out a function: takes its arguments by name, returns JSON or raises."""


class ToolCall(NamedTuple):
    """A call of the model."""

    id: str
    handler: Handler
    args: Mapping[str, object]


class Registration:
    """A function, and under which token the daemon knows that it is ours."""

    def __init__(
        self,
        handler: Handler,
        *,
        name: str | None,
        description: str | None,
        parameters: Mapping[str, object] | None,
        timeout_ms: int | None,
    ) -> None:
        self.handler = handler
        self.name = name or str(getattr(handler, "__name__", ""))
        self.token: str | None = None
        declaration: dict[str, object] = {"name": self.name}
        if text := description or handler.__doc__:
            declaration["description"] = text
        if parameters is not None:
            declaration["parameters"] = parameters
        self.params: dict[str, object] = {"declarations": [declaration]}
        """What to register it with."""
        if timeout_ms is not None:
            self.params["timeout_ms"] = timeout_ms


class Toolbox:
    """All functions of a client, and the calls of them that are not done with.

    `carry_out` is given each call, and `cancel` the id of one that is not wanted any more. The
    answer goes to `respond`; where there is none, `give_up` is told.
    """

    def __init__(
        self,
        begin: Begin,
        carry_out: Callable[[ToolCall], None],
        cancel: Callable[[str], None],
    ) -> None:
        self.registrations: list[Registration] = []
        self._begin = begin
        self._carry_out = carry_out
        self._cancel = cancel
        self._running: set[str] = set()
        self._unconfirmed: dict[str, Mapping[str, object]] = {}
        self._up = False

    def register(self, registration: Registration) -> Call:
        """Carry a function out from now on, on this connection and all after it."""
        return self._begin(
            "tools.register", registration.params, partial(self._registered, registration)
        )

    def unregister(self, name: str) -> Call:
        """Carry a function out no more. Raises `tools.unknown_registration` if we do not."""
        for registration in self.registrations:
            if registration.name == name:
                self.registrations.remove(registration)
                return self._begin("tools.unregister", {"registration": registration.token}, None)
        names = ", ".join(each.name for each in self.registrations) or "none"
        raise LiveHandleError(
            "tools.unknown_registration",
            f"This client does not carry out {name}: it has registered {names}.",
        )

    def connected(self) -> None:
        """Take over on a new connection what we carried out on the last one."""
        self._up = True
        for registration in self.registrations:
            params = {"registration": registration.token}
            self._begin("tools.register", params, partial(self._presented, registration))
        for call_id in self._unconfirmed:
            self._send(call_id)

    def lost(self) -> None:
        """Note that the connection is gone. What runs goes on, and is answered on the next."""
        self._up = False

    def takes(self, topic: str, data: Mapping[str, object]) -> bool:
        """Return whether an event is about a function of ours, and see to it."""
        call_id = str(data.get("call_id"))
        if topic == "tool.cancel" and call_id in self._running:
            self._cancel(call_id)
            return True
        token = data.get("registration")
        ours = [each for each in self.registrations if each.token == token]
        if topic != "tool.call" or not ours:
            return False
        if call_id not in self._running:  # else it is asked again after a loss
            self._running.add(call_id)
            args = data.get("args")
            self._carry_out(
                ToolCall(call_id, ours[0].handler, args if isinstance(args, dict) else {})
            )
        return True

    def respond(self, call_id: str, result: object = None, error: Exception | None = None) -> None:
        """Answer a call. It is said again after a loss, until the daemon has confirmed it."""
        outcome = {"result": result} if error is None else {"error": _told(error)}
        self._unconfirmed[call_id] = outcome
        if self._up:
            self._send(call_id)

    def give_up(self, call_id: str) -> None:
        """Note that a call will not be answered."""
        self._running.discard(call_id)

    def _registered(self, registration: Registration, call: Call) -> None:
        try:
            answer = call.fields()
        except LiveHandleError as error:
            if registration in self.registrations:
                self.registrations.remove(registration)
                _LOG.warning("The function %s is lost: %s", registration.name, error.message)
            return
        registration.token = str(answer.get("registration"))
        # The latest of a name is the only one, here as there.
        others = [each for each in self.registrations if each.name != registration.name]
        self.registrations = [*others, registration]

    def _presented(self, registration: Registration, call: Call) -> None:
        if registration not in self.registrations:
            return  # it was unregistered, or replaced, meanwhile
        if call.failed_with("tools.unknown_registration"):
            self.register(registration)
        else:
            self._registered(registration, call)

    def _send(self, call_id: str) -> None:
        params = {"call_id": call_id, **self._unconfirmed[call_id]}
        then = partial(self._confirmed, call_id)
        try:
            self._begin("tools.respond", params, then)
        except (TypeError, ValueError, RecursionError) as error:
            self._unconfirmed[call_id] = {"error": f"The function returned no JSON: {error}"}
            self._begin("tools.respond", {"call_id": call_id, **self._unconfirmed[call_id]}, then)

    def _confirmed(self, call_id: str, call: Call) -> None:
        outcome = self._unconfirmed[call_id]
        try:
            call.result()
        except LiveHandleError as error:
            if error.name not in _OVER and "result" in outcome:
                self.respond(call_id, error=error)  # so that the model does not wait
                return
            _LOG.info("An answer to the call %s was not taken: %s", call_id, error.message)
        del self._unconfirmed[call_id]
        self._running.discard(call_id)


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
