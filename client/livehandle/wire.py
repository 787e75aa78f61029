"""What a client says and hears, over all its connections, sans-I/O: under both clients.

A client moves bytes between a socket and its `Wire`, and connects again when the socket is lost.
"""

import json
from collections.abc import Callable, Mapping

from livehandle.connection import closed, no_daemon_says
from livehandle.feeds import Feeds, TypedEvent, own_event
from livehandle.toolbox import Toolbox, ToolCall
from livehandle_proto.errors import LiveHandleError

MAX_LINE_BYTES = 16 * 2**20
"""How long a line the daemon is told that it may send."""

AWAY_S = 10.0
"""Seconds that a call waits for a daemon that is away: longer than one takes to start again."""

_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 2.0


def anew(error: LiveHandleError) -> LiveHandleError:
    """Return an error to raise in another place: with each raise one gathers a traceback."""
    return LiveHandleError(error.name, error.message, **error.data)


def over() -> LiveHandleError:
    """Return the error of a client that its program has closed."""
    return LiveHandleError("daemon.unreachable", "This client is closed: open another one.")


class Backoff:
    """How long to wait before each attempt to connect: not at all, then 50 ms, doubling to 2 s."""

    def __init__(self) -> None:
        self.attempts = 0
        self._delay_s = 0.0

    def next_s(self) -> float:
        """Count an attempt; return the seconds to wait before it."""
        self.attempts += 1
        delay_s = self._delay_s
        self._delay_s = min(max(delay_s * 2, _FIRST_DELAY_S), _LONGEST_DELAY_S)
        return delay_s


class Call:
    """A call that was sent. `then` is told of its answer before all that came after it."""

    __slots__ = ("_answer", "_error", "done", "id", "then")

    def __init__(self, request_id: int, then: "Callable[[Call], None] | None") -> None:
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


class Wire:
    """The client's side of the protocol.

    `carry_out` is given the model's calls of functions that were registered, `cancel` the ids of
    those that are not wanted any more. `wake` is called when anything may have changed.
    """

    def __init__(
        self,
        client: str,
        path: str,
        *,
        carry_out: Callable[[ToolCall], None],
        cancel: Callable[[str], None],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.outbox = bytearray()
        """What is to be written to the socket."""
        self.backoff = Backoff()
        self.ready = False
        """Whether the daemon has answered on this connection, so that calls can be made."""
        self.hello: Mapping[str, object] = {}
        """What `daemon.hello` answered last."""
        self.feeds = Feeds(self.begin)
        self.tools = Toolbox(self.begin, carry_out, cancel)
        self._client = client
        self._path = path
        self._wake = wake
        self._refusal: LiveHandleError | None = None
        self._rest = bytearray()
        self._last_id = 0
        self._pending: dict[int, Call] = {}

    @property
    def may_read(self) -> bool:
        """Whether to read from the socket.

        Not while a subscription is full, so that the daemon's own rules for slow readers apply;
        but that holds up no answer, no call of the model for us and no other subscription.
        """
        return bool(self._pending or self.tools.registrations) or not self.feeds.hold_up

    def connected(self) -> None:
        """Begin a connection: say who we are, and take up what stood on the last one."""
        hello = {"client": self._client, "max_line_bytes": MAX_LINE_BYTES}
        self.begin("daemon.hello", hello, self._greeted)
        self.tools.connected()
        self.feeds.connected()

    def lost(self, error: LiveHandleError | None = None) -> LiveHandleError:
        """End a connection. Return why: what the daemon said before, else `error`."""
        why = self._refusal or error or closed(self._path)
        was_ready, self.ready, self._refusal = self.ready, False, None
        self.outbox.clear()
        self._rest.clear()
        self.tools.lost()
        self.feeds.lost()
        pending, self._pending = self._pending, {}
        for call in pending.values():
            call.lost(why)
        if was_ready:
            self.feeds.tell_all(own_event("client.disconnected", {"error": why.to_json()}))
        self._wake()
        return why

    def received(self, data: bytes) -> None:
        """Take what was read. Raises `daemon.unreachable` for what no daemon says."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._rest += rest
        for line in lines:
            self._take(line)
        self._wake()

    def begin(
        self,
        method: str,
        params: Mapping[str, object],
        then: Callable[[Call], None] | None = None,
    ) -> Call:
        """Send a call. Raises TypeError or ValueError where the parameters are no JSON."""
        request_id = self._last_id + 1
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        self.outbox += json.dumps(request, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        self._last_id = request_id
        call = self._pending[request_id] = Call(request_id, then)
        self._wake()
        return call

    def forget(self, call: Call) -> None:
        """Wait for an answer no longer, unless it is told to more than who made the call."""
        if call.then is None:
            self._pending.pop(call.id, None)

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise no_daemon_says(self._path)
        request_id, params = message.get("id"), message.get("params")
        if message.get("method") == "event" and isinstance(params, dict):
            self._event(TypedEvent(params), len(line))
        elif type(request_id) is int:
            if call := self._pending.pop(request_id, None):
                call.answered(message)
        elif isinstance(error := message.get("error"), dict):
            # It concerns the connection as a whole, which ends with it.
            self._refusal = LiveHandleError.from_json(error)

    def _event(self, event: TypedEvent[str, Mapping[str, object]], size: int) -> None:
        if event.subscription is not None:
            self.feeds.received(event, size)
        elif not self.tools.takes(event.topic, event.data):
            self.feeds.tell_all(event, size)

    def _greeted(self, call: Call) -> None:
        self.hello = call.fields()
        attempt, self.backoff = self.backoff.attempts, Backoff()
        self.ready = True
        self.feeds.tell_all(own_event("client.connected", {"attempt": attempt}))
