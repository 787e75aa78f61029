"""A reply that is followed on the terminal until its turn is complete."""

import json
import sys

from livectl.watch import Subscription
from livehandle.connection import Connection, Event
from livehandle_proto.errors import LiveHandleError

_SILENCE_S = 60.0
_TOPICS = ["live.*", "session.tool_call"]
_REPLYING = {"model_speaking", "tool_call_pending", "tool_call_executing"}
# What a terminal would obey instead of showing: the words are the model's.
_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\ufffd")


class Reply:
    """Prints a reply as it comes, and knows when it is over.

    Create it before the turn is sent. After `speech` a reply that the same speech cuts off is
    not the last one.
    """

    def __init__(self, connection: Connection, *, as_json: bool, speech: bool = False) -> None:
        self._json = as_json
        self._speech = speech
        self._others_turn = -1 if speech else _turn_under_way(connection)
        self._events = Subscription(connection, "events", {"topics": _TOPICS})
        self._expected = True
        self._cut = False
        self._line_open = False

    def listen(self, seconds: float) -> bool:
        """Take the next event if it comes in time; whether one came."""
        event = self._events.next(seconds)
        if event is not None:
            self._take(event)
        return event is not None

    def finish(self) -> None:
        """Go on until the reply is over.

        Raises `session.ended` if the session is, `session.timeout` if nothing happens for a
        minute.
        """
        while self._expected:
            if not self.listen(_SILENCE_S):
                raise LiveHandleError(
                    "session.timeout",
                    f"Nothing came for {_SILENCE_S:.0f} s: ask livectl phase, or send it again.",
                )

    def _take(self, event: Event) -> None:
        if self._json:
            print(json.dumps(event.params, ensure_ascii=False), flush=True)
        elif self._others_turn < 0:
            self._show(event)
        if event.topic in {"live.vad_start", "live.input_transcript"}:
            self._expected = True
        elif event.topic == "live.interrupted":
            self._cut = self._speech
        elif event.topic == "live.turn_complete":
            self._turn_ended(event)
        elif event.topic == "live.disconnected":
            why = event.data.get("message") or event.data.get("reason")
            raise LiveHandleError("session.ended", f"The session ended before the reply: {why}.")

    def _turn_ended(self, event: Event) -> None:
        if event.data.get("turn") == self._others_turn:
            self._others_turn = -1
        elif self._cut:
            self._cut = False
        else:
            self._expected = False

    def _show(self, event: Event) -> None:
        if event.topic in {"live.text_delta", "live.output_transcript"}:
            print(str(event.data.get("text", "")).translate(_CONTROLS), end="", flush=True)
            self._line_open = True
        elif event.topic == "live.interrupted":
            self._end_line(" [interrupted]")
        elif event.topic == "live.turn_complete":
            self._end_line("")
        elif event.topic == "session.tool_call":
            calls = json.dumps(event.data.get("function_calls"), ensure_ascii=False)
            print(f"livectl: answer with send_tool_response: {calls}", file=sys.stderr)

    def _end_line(self, text: str) -> None:
        if self._line_open:
            print(text, flush=True)
        self._line_open = False


def _turn_under_way(connection: Connection) -> int:
    """Return the number of the turn that the model is in, which is no reply to us; or -1."""
    session = connection.call("session")
    if isinstance(session, dict) and session.get("phase") in _REPLYING:
        turn = session.get("current_turn")
        return turn if isinstance(turn, int) else -1
    return -1
