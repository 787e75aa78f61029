"""A reply that is followed on the terminal until its turn is complete."""

import sys
from collections.abc import Callable

from livectl.results import as_json
from livectl.watch.calls import ANSWER_S, Calls
from livectl.watch.command import Subscription
from livehandle.connection import Connection, Event
from livehandle_proto.errors import LiveHandleError

_SILENCE_S = 90.0
"""The daemon gives a dead connection up after 75 s, and goes on with another."""
_TOPICS = ["live.*", "session.tool_call"]
_WORDS = {"live.text_delta", "live.output_transcript"}
_REPLYING = {"model_speaking", "tool_call_pending", "tool_call_executing"}
# What a terminal would obey instead of showing: the words are the model's.
_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\ufffd")


class Reply:
    """Prints a reply as it comes, and knows when it is over.

    Create it before the turn is sent. After `speech` a reply that the same speech cuts off is
    not the last one. `clear` makes room on the terminal before anything is printed. `tell` is
    given the reply's events instead of their being printed.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        in_json: bool,
        speech: bool = False,
        quiet: bool = False,
        clear: Callable[[], None] = lambda: None,
        tell: Callable[[Event], None] | None = None,
    ) -> None:
        self._connection = connection
        self._json = in_json
        self._speech = speech
        self._notes = not in_json and not quiet and tell is None
        self._clear = clear
        self._tell = tell or self._show
        self._others_turn = -1 if speech else _turn_under_way(connection)
        self._events = Subscription(connection, "events", {"topics": _TOPICS}, quiet=quiet)
        self._expected = True
        self._begun = False
        self._speaking = False
        self._cut = False
        self._ended = False
        self._calls = Calls()
        self._line_open = False
        self._error: LiveHandleError | None = None

    def listen(self, seconds: float) -> bool:
        """Take the next event if it comes in time; whether one came."""
        try:
            event = self._events.next(seconds)
            if event is not None:
                self._take(event)
        except LiveHandleError:
            self._end_line("")  # what is told of it begins another
            raise
        return event is not None

    def finish(self) -> None:
        """Go on until the reply is over.

        Raises why the session ended, if it does, why what was sent was given up, or
        `session.timeout` if nothing happens for a minute and a half.
        """
        while self._expected:
            silent = self._ended and self._calls.answered
            if self.listen(ANSWER_S if silent else _SILENCE_S):
                continue
            if silent:
                return
            raise LiveHandleError(
                "session.timeout",
                f"Nothing came for {_SILENCE_S:.0f} s: ask livectl phase, or send it again.",
            )

    def _take(self, event: Event) -> None:
        if self._json:
            self._clear()
            print(as_json(event.params), flush=True)
        elif self._others_turn < 0:
            self._tell(event)
        if self._others_turn < 0:
            self._note(event)
        if event.topic in {"live.vad_start", "live.vad_end"}:
            self._speaking = event.topic == "live.vad_start"
        if event.topic in {"live.vad_start", "live.input_transcript"}:
            self._expected = True
        elif event.topic == "live.interrupted":
            # Before our reply has begun, it is another's turn that ours has cut off.
            self._cut = self._speech or not self._begun
        elif event.topic == "live.turn_complete":
            self._turn_ended(event)
        elif event.topic == "live.error":
            self._error = LiveHandleError.from_json(event.data)
        elif event.topic == "live.disconnected":
            self._end_line("")
            raise self._why(event)

    def _note(self, event: Event) -> None:
        """Note what the reply consists of: words, and calls that clients carry out."""
        if event.topic in _WORDS:
            self._begun = True
            self._ended = False
            self._calls.spoken()
        manual = self._calls.take(event, self._connection)
        if manual and self._notes:
            self._clear()
            told = as_json(manual)
            print(f"livectl: answer with send_tool_response: {told}", file=sys.stderr)

    def _why(self, disconnected: Event) -> LiveHandleError:
        """Return the error that closed the session, else that it has ended."""
        code, error = disconnected.data.get("code"), self._error
        if error is not None and code is not None and error.data.get("close_code") == code:
            return error
        why = disconnected.data.get("message") or disconnected.data.get("reason")
        return LiveHandleError("session.ended", f"The session ended before the reply: {why}.")

    def _turn_ended(self, event: Event) -> None:
        if event.data.get("turn") == self._others_turn:
            self._others_turn = -1
            self._cut = False
        elif self._cut:
            self._cut = False
        elif event.data.get("reason") == "reconnected":
            if self._error is not None and self._error.name == "upstream.rejected":
                raise self._error
            if self._speaking:
                return  # the rest of the speech is still to come
            self._end_line(" [the connection was lost]")
            raise LiveHandleError(
                "upstream.unreachable",
                "The connection was lost in the middle of the reply, which does not go on: send "
                "it again.",
            )
        elif event.data.get("reason") != "disconnected":  # the end of the session is told next
            # A turn that does not wait for what it calls ends first; the next one tells of it.
            self._expected = self._calls.awaited
            self._ended = True

    def _show(self, event: Event) -> None:
        if event.topic in _WORDS:
            self._clear()
            print(str(event.data.get("text", "")).translate(_CONTROLS), end="", flush=True)
            self._line_open = True
        elif event.topic == "live.interrupted":
            self._end_line(" [interrupted]")
        elif event.topic == "live.turn_complete":
            self._end_line("")

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
