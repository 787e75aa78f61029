"""The calls that a reply waits for: those that clients carry out."""

from livehandle.connection import Connection, Event

ANSWER_S = 10.0
"""A model that is told what a function answered may have nothing to say of it."""


class Calls:
    """What a model that does not wait for its calls has still to tell: the turn ends before."""

    def __init__(self) -> None:
        self._open: set[object] = set()
        self._answered = False

    @property
    def awaited(self) -> bool:
        """Whether another turn may follow, about a call that is open or was answered."""
        return bool(self._open) or self._answered

    @property
    def answered(self) -> bool:
        """Whether the model was told all answers, and has said nothing since."""
        return self._answered and not self._open

    def spoken(self) -> None:
        """Note that the model says something: what it was told is told."""
        self._answered = False

    def take(self, event: Event, connection: Connection) -> list[dict[str, object]]:
        """Take an event of a reply. Returns the calls that no client carries out."""
        match event.topic:
            case "session.tool_call":
                return self._called(event, connection)
            case "live.tool_cancelled":
                ids = event.data.get("ids")
                self._open.difference_update(ids if isinstance(ids, list) else ())
            case "live.tool_execution" if event.data.get("call_id") in self._open:
                self._open.discard(event.data["call_id"])
                self._answered = True
        return []

    def _called(self, event: Event, connection: Connection) -> list[dict[str, object]]:
        given = event.data.get("function_calls")
        calls = (
            [call for call in given if isinstance(call, dict)] if isinstance(given, list) else []
        )
        registered = _registered(connection)
        self._open.update(call.get("id") for call in calls if call.get("name") in registered)
        return [call for call in calls if call.get("name") not in registered]


def _registered(connection: Connection) -> set[object]:
    """Return the names of the functions that clients carry out."""
    answer = connection.call("tools.list")
    tools = answer.get("tools") if isinstance(answer, dict) else None
    return {
        tool.get("name")
        for tool in (tools if isinstance(tools, list) else ())
        if isinstance(tool, dict) and (tool.get("connection") or tool.get("timeout_ms")) is not None
    }
