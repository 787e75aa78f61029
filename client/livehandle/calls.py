"""A call of the daemon: what waits for its answer."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from livehandle_proto.errors import LiveHandleError


def anew(error: LiveHandleError) -> LiveHandleError:
    """Return an error to raise in another place: with each raise one gathers a traceback."""
    return LiveHandleError(error.name, error.message, **error.data)


class Call:
    """A call that was sent. `then` is told of its answer before all that came after it."""

    __slots__ = ("_answer", "_error", "done", "id", "then")

    def __init__(self, request_id: int, then: "Then | None") -> None:
        self.id = request_id
        self.done = False
        """Whether it was answered, or lost with its connection."""
        self.then = then
        self._answer: object = None
        self._error: LiveHandleError | None = None

    def result(self) -> object:
        """Return the result of a call that is done. Raises what it was answered instead."""
        if self._error is not None:
            raise self._error
        return self._answer

    def fields(self) -> Mapping[str, object]:
        """Return the result where it is an object. Raises what the daemon answered instead."""
        answer = self.result()
        return answer if isinstance(answer, dict) else {}

    def failed_with(self, name: str) -> bool:
        """Return whether it was answered with an error of that name."""
        return self._error is not None and self._error.name == name

    def answered(self, message: Mapping[str, object]) -> None:
        """Take its answer."""
        error = message.get("error")
        self._answer = message.get("result")
        self._error = LiveHandleError.from_json(error) if isinstance(error, dict) else None
        self.done = True
        if self.then is not None:
            self.then(self)

    def lost(self, why: LiveHandleError) -> None:
        """Note that no answer will come: it may have been carried out, or not."""
        self._error = anew(why)
        self.done = True


Then: TypeAlias = Callable[[Call], None]
"""Is told of a call that was answered."""

Begin: TypeAlias = Callable[[str, Mapping[str, object], Then | None], Call]
"""Sends a call: a method and its parameters."""
