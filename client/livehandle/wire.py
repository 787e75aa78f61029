"""What a client says and hears, over all its connections, sans-I/O: under both clients.

A client moves bytes between a socket and its `Wire`, and connects again when the socket is lost.
"""

import json
from collections.abc import Callable, Mapping

from livehandle.calls import Call, Then
from livehandle.connection import closed, lines_of, message_of, no_daemon_says
from livehandle.feeds import Feeds, TypedEvent, own_event
from livehandle.toolbox import Toolbox, ToolCall
from livehandle_proto.errors import LiveHandleError

MAX_LINE_BYTES = 16 * 2**20
"""How long a line the daemon is told that it may send."""

AWAY_S = 10.0
"""Seconds that a call waits for a daemon that is away: longer than one takes to start again."""

_DELAYS_S = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)
"""How long to wait before each attempt to connect, and before all that follow."""


def over() -> LiveHandleError:
    """Return the error of a client that its program has closed."""
    return LiveHandleError("daemon.unreachable", "This client is closed: open another one.")


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
        self.attempts = 0
        """To connect, since the daemon answered last."""
        self.ready = False
        """Whether the daemon has answered on this connection, so that calls can be made."""
        self.hello: Mapping[str, object] = {}
        """What `daemon.hello` answered last."""
        self.feeds = Feeds(self.begin)
        self.tools = Toolbox(self.begin, carry_out, cancel)
        self._client = client
        self._path = path
        self._wake = wake
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

    def next_delay_s(self) -> float:
        """Count an attempt to connect; return the seconds to wait before it."""
        self.attempts += 1
        return _DELAYS_S[min(self.attempts, len(_DELAYS_S)) - 1]

    def connected(self) -> None:
        """Begin a connection: say who we are, and take up what stood on the last one."""
        hello = {"client": self._client, "max_line_bytes": MAX_LINE_BYTES}
        self.begin("daemon.hello", hello, self._greeted)
        self.tools.connected()
        self.feeds.connected()

    def lost(self, why: LiveHandleError | None) -> LiveHandleError:
        """Note that there is no connection; return why, by default because the daemon ended it."""
        why = why or closed(self._path)
        was_ready, self.ready = self.ready, False
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
        """Take what was read. Raises what ends the connection.

        That is `daemon.unreachable` for what no daemon says, or what the daemon says of the
        connection as a whole.
        """
        for line in lines_of(self._rest, data):
            self._take(line)
        self._wake()

    def begin(self, method: str, params: Mapping[str, object], then: Then | None = None) -> Call:
        """Send a call. Raises TypeError or ValueError where the parameters are no JSON."""
        request_id = self._last_id + 1
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        # As UTF-8, which half a surrogate pair cannot be: the daemon would not know whose it is.
        line = json.dumps(request, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        self.outbox += line.encode() + b"\n"
        self._last_id = request_id
        call = self._pending[request_id] = Call(request_id, then)
        self._wake()
        return call

    def forget(self, call: Call) -> None:
        """Wait for an answer no longer, unless it is told to more than who made the call."""
        if call.then is None:
            self._pending.pop(call.id, None)

    def _take(self, line: bytes) -> None:
        message = message_of(line, self._path)
        request_id, params = message.get("id"), message.get("params")
        if message.get("method") == "event" and isinstance(params, dict):
            self._event(TypedEvent(params), len(line))
        elif type(request_id) is int:
            if call := self._pending.pop(request_id, None):
                call.answered(message)
        elif isinstance(error := message.get("error"), dict):
            raise LiveHandleError.from_json(error)

    def _event(self, event: TypedEvent[str, Mapping[str, object]], size: int) -> None:
        if event.subscription is not None:
            self.feeds.received(event, size)
        elif not self.tools.takes(event.topic, event.data):
            self.feeds.tell_all(event, size)

    def _greeted(self, call: Call) -> None:
        hello = call.result()
        if not isinstance(hello, dict):
            raise no_daemon_says(self._path)
        self.hello = hello
        attempt, self.attempts = self.attempts, 0
        self.ready = True
        self.feeds.tell_all(own_event("client.connected", {"attempt": attempt}))
