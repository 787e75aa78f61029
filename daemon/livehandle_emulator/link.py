"""A session and its socket: one task reads, one writes, and faults happen to both."""

import logging
from collections import deque
from collections.abc import Iterator

import anyio
import msgspec
from anyio.abc import TaskGroup
from websockets.exceptions import ConnectionClosed

from livehandle_emulator.closing import Close, close
from livehandle_emulator.faults import Connection, Decision, server_kinds
from livehandle_emulator.server_socket import Socket
from livehandle_emulator.service import Service
from livehandle_emulator.session import Session
from livehandle_proto.faults import Fault
from livehandled.gemini.codec import encode
from livehandled.gemini.server import ServerContent, ServerMessage

MOST_UNSENT = 256
"""Messages for a client that does not read, before it is not read from."""

QUOTA = (
    "RESOURCE_EXHAUSTED: You exceeded your current quota, please check your plan and billing "
    "details."
)
_NO_JSON = b"}{ no JSON"
_SENDING = {"go_away", "garbage", "oversize"}
_CLOSING = {"close", "quota"}

_log = logging.getLogger(__name__)


class _OverError(Exception):
    """The connection has been closed."""


class Link:
    """One connection, from its upgrade to its end."""

    def __init__(
        self, websocket: Socket, session: Session, service: Service, number: int, *, binary: bool
    ) -> None:
        self._websocket = websocket
        self._session = session
        self._service = service
        self._number = number
        self._binary = binary
        self._tasks: TaskGroup = anyio.create_task_group()
        self._unsent: deque[ServerMessage | Close | Fault | bytes] = deque()
        """What is to be sent or to happen, in order; bytes are a pong."""
        self._more = anyio.Event()
        self._room = anyio.Event()
        self._flow = anyio.Event()
        """Not set while nothing is sent."""
        self._flow.set()
        self._bytes_per_s: int | None = None
        self._fragment: int | None = None
        self._gone = False

    async def run(self) -> None:
        """Serve the connection to its end."""
        faults = self._service.faults
        self._unsent.extend(self._websocket.upgrade_faults)
        self._websocket.on_pongs = self._pong  # from here on, in order
        try:
            async with self._tasks as tasks:
                faults.open(Connection(self._number, self._strike, self._recover))
                tasks.start_soon(self.read)
                await self.write()
                tasks.cancel_scope.cancel()
        finally:
            faults.shut(self._number)
            self._session.gone(anyio.current_time())

    async def read(self) -> None:
        """Give every frame to the session until the client goes."""
        try:
            while True:
                frame = await self._websocket.recv(decode=False)
                decision = self._service.faults.on_received(frame, self._number)
                self._unsent.extend(self._session.advance(anyio.current_time()))
                self._pong(self._websocket.took(swallowed=decision.swallowed))
                self._unsent.extend(decision.before)
                if not decision.swallowed:
                    self._unsent.extend(self._session.receive(frame, anyio.current_time()))
                self._unsent.extend([*decision.instead, *decision.after])
                self._more.set()
                while len(self._unsent) > MOST_UNSENT:
                    self._room = anyio.Event()
                    await self._room.wait()  # no deadline: a ping that is not answered ends it
        except ConnectionClosed:
            self._gone = True
            self._more.set()
            self._flow.set()

    async def write(self) -> None:
        """Send what the session has to send, when it is due, until it or the client ends."""
        try:
            while not self._gone:
                self._unsent.extend(self._session.advance(anyio.current_time()))
                self._more = anyio.Event()
                while self._unsent:
                    await self._deliver(self._unsent.popleft())
                self._room.set()
                await self._until_due()
        except ConnectionClosed:
            _log.debug("the client went while it was being answered")
        except _OverError:
            _log.debug("the connection is closed")

    async def _until_due(self) -> None:
        deadline = self._session.deadline
        wait = None if deadline is None else max(0.0, deadline - anyio.current_time())
        with anyio.move_on_after(wait):
            await self._more.wait()

    def _pong(self, pongs: list[bytes]) -> None:
        """Answer pings behind what was said before the message they ask about was taken."""
        if self._flow.is_set():
            self._unsent.extend(pongs)
            self._more.set()
            return
        for pong in pongs:  # a stall holds up messages alone
            self._websocket.answer_ping(pong)

    async def _deliver(self, out: ServerMessage | Close | Fault | bytes) -> None:
        """Send what is due, and let happen what happens at it. Raises `_OverError` at the end."""
        if isinstance(out, Close):
            await self._close(out)
        elif isinstance(out, bytes):
            self._websocket.answer_ping(out)
        elif isinstance(out, Fault):
            await self._carry_out(out)
        else:
            decision = self._service.faults.on_sending(out, self._number)
            for fault in decision.before:
                await self._carry_out(fault)
            await self._send_or_swallow(out, decision)
            for fault in decision.after:
                await self._carry_out(fault)

    async def _send_or_swallow(self, message: ServerMessage, decision: Decision) -> None:
        frame = encode(message)
        if not decision.swallowed:
            await self._send(frame)
            return
        self._note(what="swallowed", kinds=sorted(server_kinds(message)))
        for fault in decision.instead:
            if fault.do == "oversize":
                self._note_fault(fault)
                await self._send(_padded(frame, fault))
            else:
                await self._carry_out(fault)

    async def _carry_out(self, fault: Fault) -> None:
        """Let a fault happen in its place among the messages."""
        if fault.after_ms:
            self._tasks.start_soon(self._strike_later, fault)
        elif fault.do in _CLOSING:
            self._note_fault(fault)
            await self._close(_close_of(fault))
        elif fault.do == "go_away":
            for out in self._going_away(fault):
                await self._deliver(out)
        elif fault.do in _SENDING:
            self._note_fault(fault)
            await self._send(_frame_of(fault))
        else:
            self._apply(fault)

    def _strike(self, fault: Fault) -> None:
        """Let a fault happen now, whatever waits to be sent."""
        if fault.after_ms:
            self._tasks.start_soon(self._strike_later, fault)
        elif fault.do in _CLOSING:
            self._note_fault(fault)
            self._websocket.speak()
            self._tasks.start_soon(self._websocket.close, *_close_of(fault))
        elif fault.do in _SENDING:
            self._unsent.append(fault)
            self._more.set()
        else:
            self._apply(fault)

    def _going_away(self, fault: Fault) -> list[ServerMessage | Close]:
        """Return a go-away; what else is due by now waits behind what is due already."""
        self._note_fault(fault)
        left_s = None if fault.time_left_ms is None else fault.time_left_ms / 1000
        due = self._session.go_away(left_s, anyio.current_time())
        told = [out for out in due if isinstance(out, ServerMessage) and out.go_away is not None]
        self._unsent.extend(out for out in due if out not in told)
        return [*told]

    async def _strike_later(self, fault: Fault) -> None:
        await anyio.sleep(fault.after_ms / 1000)
        self._strike(msgspec.structs.replace(fault, after_ms=0))

    def _apply(self, fault: Fault) -> None:
        """Let happen what neither sends nor closes."""
        self._note_fault(fault)
        match fault.do:
            case "abort":
                self._websocket.reset()
            case "stall":
                self._hold(fault.for_ms)
                if not fault.pings:
                    self._websocket.silence()
            case "half_open":
                self._hold(fault.for_ms)
                self._websocket.silence(deaf=True)
                self._session.unreachable(anyio.current_time())
            case "slow":
                self._bytes_per_s = fault.bytes_per_s
            case "fragment":
                self._fragment = fault.bytes
            case "delay_pong":
                self._websocket.pong_s = None if fault.by_ms is None else fault.by_ms / 1000
            case "forget":
                self._service.faults.forget()
            case _:
                raise AssertionError(f"{fault.do} is not of this kind")

    def _hold(self, for_ms: int) -> None:
        """Send nothing for so long; 0: for good."""
        self._flow.set()  # who waits for that waits for the next one then
        self._flow = anyio.Event()
        if for_ms:
            self._tasks.start_soon(self._flow_again, self._flow, for_ms)

    async def _flow_again(self, flow: anyio.Event, for_ms: int) -> None:
        await anyio.sleep(for_ms / 1000)
        if flow is self._flow:
            flow.set()
            self._websocket.speak()

    def _recover(self) -> None:
        self._flow.set()
        self._bytes_per_s = self._fragment = self._websocket.pong_s = None
        self._websocket.speak()

    async def _send(self, frame: bytes) -> None:
        while not self._flow.is_set():
            await self._flow.wait()  # no deadline: until the stall ends, or the connection
        text = not self._binary
        if self._bytes_per_s is not None:
            await self._websocket.send_slowly(frame, text=text, bytes_per_s=self._bytes_per_s)
        elif self._fragment is not None:
            await self._websocket.send(_pieces(frame, self._fragment), text=text)
        else:
            await self._websocket.send(frame, text=text)

    async def _close(self, end: Close) -> None:
        self._websocket.speak()
        await self._websocket.close(*end)
        raise _OverError

    def _note_fault(self, fault: Fault) -> None:
        self._note(what="fault", do=fault.do, at=fault.at)

    def _note(self, **what: object) -> None:
        self._service.journal({"t": anyio.current_time(), "connection": self._number, **what})


def _close_of(fault: Fault) -> Close:
    return close(fault.code, fault.reason) if fault.do == "close" else close(1011, QUOTA)


def _frame_of(fault: Fault) -> bytes:
    """Return what `garbage` and `oversize` send of their own."""
    if fault.do == "garbage":
        return _NO_JSON
    return _padded(encode(ServerMessage(server_content=ServerContent())), fault)


def _padded(frame: bytes, fault: Fault) -> bytes:
    return frame.ljust(fault.bytes or 0)


def _pieces(frame: bytes, size: int) -> Iterator[bytes]:
    return (frame[first : first + size] for first in range(0, len(frame), size))
