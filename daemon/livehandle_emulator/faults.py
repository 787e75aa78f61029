"""The faults that wait for their moment, and which of them happen, without I/O."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.faults import CLIENT_KINDS, ClientKind, Fault, ServerKind, check
from livehandled.gemini.client import ClientMessage, RealtimeInput
from livehandled.gemini.codec import FrameError, decode_client
from livehandled.gemini.names import UnknownNameError
from livehandled.gemini.server import ServerContent, ServerMessage


class Decision(NamedTuple):
    """What becomes of one message."""

    before: list[Fault]
    """What happens first."""
    instead: list[Fault]
    """What happens in its place; only where it is swallowed."""
    swallowed: bool
    after: list[Fault]
    """What happens then."""


_ENDING = {"close", "quota", "abort"}

UNDISTURBED = Decision([], [], False, [])


class Connection(NamedTuple):
    """A connection that faults can happen to now."""

    number: int
    strike: Callable[[Fault], None]
    """Lets a fault happen to it."""
    recover: Callable[[], None]
    """Ends what lasts, such as a stall."""


class _Waiting:
    """A fault, and how often it still happens."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._skip = fault.skip
        self._times = fault.times

    def left(self) -> Fault:
        return msgspec.structs.replace(self.fault, skip=self._skip, times=self._times)

    def happens(self) -> bool:
        """Whether it happens at this moment of its own."""
        if self._skip:
            self._skip -= 1
            return False
        return True

    def spent(self) -> bool:
        """Count it as happened; return whether that was the last time."""
        if self.fault.times == 0:
            return False
        self._times -= 1
        return self._times == 0


class Faults:
    """The faults of one emulator, and the connections they happen to."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.forget: Callable[[], None] = lambda: None
        """Makes every resumption handle unknown."""
        self._waiting = [_Waiting(fault) for fault in faults]
        self._open: dict[int, Connection] = {}

    def add(self, fault: Fault) -> None:
        """Let a fault wait for its moment, or if that is now, happen.

        Raises `config.invalid` for one that is no whole, and `session.not_connected` where it
        should happen now and there is no connection to happen to.
        """
        check(fault)
        if fault.moment != "now":
            self._waiting.append(_Waiting(fault))
            return
        if fault.do == "forget":
            self.forget()
            return
        struck = [one for one in self._open.values() if fault.connection in (None, one.number)]
        if not struck:
            raise LiveHandleError(
                "session.not_connected",
                "Open a connection to the emulator first, or give the fault a moment in at.",
            )
        for one in struck:
            one.strike(fault)

    def clear(self) -> None:
        """Forget the faults that wait, and end those that last."""
        self._waiting.clear()
        for one in self._open.values():
            one.recover()

    def waiting(self) -> list[Fault]:
        """Return the faults that wait, with `skip` and `times` as far as they are left."""
        return [waiting.left() for waiting in self._waiting]

    def open(self, connection: Connection) -> None:
        """Take note of a connection that can be struck."""
        self._open[connection.number] = connection

    def shut(self, number: int) -> None:
        """Strike a connection no more."""
        self._open.pop(number, None)

    def on_upgrade(self, connection: int) -> list[Fault]:
        """Return what happens at an upgrade that would become the nth connection."""
        return list(self._struck({"upgrade"}, connection))

    def on_received(self, frame: bytes, connection: int) -> Decision:
        """Return what happens at a frame of the client.

        The frame is read only where a fault waits for one; what cannot be read is of no kind.
        What ends the connection before a message leaves the message unread.
        """
        if not any(waiting.fault.at in CLIENT_KINDS for waiting in self._waiting):
            return UNDISTURBED
        try:
            kinds = client_kinds(decode_client(frame))
        except (FrameError, UnknownNameError, RecursionError):
            return UNDISTURBED
        decision = self._decide(kinds, connection)
        ends = any(fault.do in _ENDING and not fault.after_ms for fault in decision.before)
        return decision._replace(swallowed=True) if ends else decision

    def on_sending(self, message: ServerMessage, connection: int) -> Decision:
        """Return what happens at a message to the client."""
        return self._decide(server_kinds(message), connection) if self._waiting else UNDISTURBED

    def _decide(self, kinds: set[str], connection: int) -> Decision:
        struck = list(self._struck(kinds, connection))
        if not struck:
            return UNDISTURBED
        dropped = any(fault.do == "drop_message" for fault in struck)
        by_when: dict[str, list[Fault]] = {"before": [], "instead": [], "after": []}
        for fault in struck:
            if fault.do != "drop_message":
                by_when[fault.when].append(fault)
        swallowed = dropped or bool(by_when["instead"])
        return Decision(by_when["before"], by_when["instead"], swallowed, by_when["after"])

    def _struck(self, kinds: set[str], connection: int) -> Iterator[Fault]:
        for waiting in list(self._waiting):
            fault = waiting.fault
            if fault.moment not in kinds or fault.connection not in (None, connection):
                continue
            if waiting.happens():
                if waiting.spent():
                    self._waiting.remove(waiting)
                yield fault


def client_kinds(message: ClientMessage) -> set[str]:
    """Return what a message of the client carries."""
    kinds: dict[ClientKind, object] = {
        "setup": message.setup,
        "client_content": message.client_content,
        "tool_response": message.tool_response,
        "context_update": message.context_update,
    }
    live = message.realtime_input or RealtimeInput()
    chunks = [chunk.mime_type.startswith("audio/") for chunk in live.media_chunks or ()]
    kinds |= {
        "audio": live.audio or any(chunks),
        "video": live.video or not all(chunks),
        "text": live.text,
        "activity_start": live.activity_start,
        "activity_end": live.activity_end,
    }
    return _present(kinds)


def server_kinds(message: ServerMessage) -> set[str]:
    """Return what a message of the service carries."""
    content = message.server_content or ServerContent()
    kinds: dict[ServerKind, object] = {
        "setup_complete": message.setup_complete,
        "model_turn": content.model_turn,
        "input_transcription": content.input_transcription,
        "output_transcription": content.output_transcription,
        "generation_complete": content.generation_complete,
        "turn_complete": content.turn_complete,
        "interrupted": content.interrupted,
        "tool_call": message.tool_call,
        "tool_call_cancellation": message.tool_call_cancellation,
        "resumption_update": message.session_resumption_update,
        "go_away": message.go_away,
        "usage": message.usage_metadata,
    }
    return _present(kinds)


def _present(kinds: dict[ClientKind, object] | dict[ServerKind, object]) -> set[str]:
    # Presence counts, not truth: an empty struct is a message all the same.
    return {kind for kind, value in kinds.items() if value is not None and value is not False}
