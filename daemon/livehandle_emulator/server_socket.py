"""The server's end of a WebSocket, which can be made to behave badly below the messages."""

import socket
import struct
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import anyio
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

from livehandle_emulator.exchange import Exchange, Json, Request
from livehandle_proto.faults import Fault

_POST = b"POST "
_PONG = b"\x8a"
"""How a pong begins: the last frame of its message, and its opcode."""
_OF_MESSAGES = {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}
_PIECES_PER_S = 20
_RESETS = struct.pack("ii", 1, 0)
"""Of SO_LINGER: closing resets at once."""


class Socket(ServerConnection):
    """A connection that answers a POST itself: the library reads nothing but GET."""

    upgrade_faults: list[Fault] = []
    """What happens once it is open."""
    on_pongs: Callable[[list[bytes]], None] | None = None
    """Takes the pongs that are due for pings behind messages taken before; None: they are sent."""
    pong_s: float | None = None
    """How late pongs are sent, seconds; None: at once."""
    _first = b""
    _exchange: Exchange | None = None
    _posts: bool | None = None
    _silent = False
    _holds_back = False
    _deaf = False
    _keeps_alive = False
    _unheard = b""
    _came = 0
    _taken = 0
    _swallowed = 0
    """The last message that has had no effect."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what the library gives."""
        super().__init__(*args, **kwargs)
        self._unplaced: deque[bytes] = deque()
        self._unsaid: list[bytes] = []
        """Pongs of the time in which nothing was written."""
        self._pongs: deque[tuple[int, bytes]] = deque()
        """Those that wait until so many messages have been taken, and are then sent."""

    def answer(self, request: Request, *, local: bool) -> Json:
        """Answer a POST; `local` tells whether it comes from this machine."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Take the first bytes to see what is spoken here, and then hand everything on."""
        if self._deaf:  # what was under way when reading stopped
            self._unheard += data
            return
        if self._posts is None:
            self._first = data = self._first + data
            if len(data) < len(_POST) and _POST.startswith(data):
                return
            self._posts = data.startswith(_POST)
            if self._posts:
                self._exchange = Exchange(lambda request: self.answer(request, local=self._local()))
        if self._exchange is None:
            super().data_received(data)
        elif answer := self._exchange.receive(data):
            self.transport.write(answer)
            self.transport.close()  # a request that never ends is ended by open_timeout

    def send_data(self) -> None:
        """Write what the library has for the client, unless that waits."""
        pongs = [data for data in self.protocol.writes if data.startswith(_PONG)]
        if pongs:
            self.protocol.writes = [one for one in self.protocol.writes if one not in pongs]
            self._unplaced.extend(pongs)
        if not (self._silent or self._holds_back):
            super().send_data()

    def process_event(self, event: Event) -> None:
        """Take one event.

        The library answers a ping when it reads it. Here the pong waits until the messages before
        the ping have had their effect, for that is what it tells the client.
        """
        super().process_event(event)
        if not isinstance(event, Frame):
            return
        if event.opcode is Opcode.PING and self._unplaced:
            self._pongs.append((self._came, self._unplaced.popleft()))
            self._tell_pongs(self._due_pongs())
        elif event.opcode in _OF_MESSAGES and event.fin:
            self._came += 1

    def took(self, *, swallowed: bool = False) -> list[bytes]:
        """Note that the next message that came is taken, or never will be.

        Return the pongs that say so: they come before what is answered.
        """
        self._taken += 1
        if swallowed:
            self._swallowed = self._taken
        return self._due_pongs()

    def answer_ping(self, pong: bytes) -> None:
        """Write a pong, late if they are to be."""
        if self.pong_s is None:
            self._write_late(pong)
        else:
            self.loop.call_later(self.pong_s, self._write_late, pong)

    def _tell_pongs(self, pongs: list[bytes]) -> None:
        if self.on_pongs is not None:
            self.on_pongs(pongs)
            return
        for pong in pongs:
            self.answer_ping(pong)

    def _due_pongs(self) -> list[bytes]:
        due = []
        while self._pongs and self._pongs[0][0] <= self._taken:
            place, pong = self._pongs.popleft()
            if place != self._swallowed:  # nothing is said of what was not taken
                due.append(pong)
        return due

    @property
    def silent(self) -> bool:
        """Whether nothing is written, not even a pong."""
        return self._silent

    def silence(self, *, deaf: bool = False) -> None:
        """Write nothing from now on; `deaf`: read nothing either. The TCP connection stays."""
        self._silent = True
        if deaf:
            self._deaf = True
            self.transport.pause_reading()
        if self.keepalive_task is not None:  # its time would run out
            self._keeps_alive = True
            self.keepalive_task.cancel()
            self.keepalive_task = None

    def speak(self) -> None:
        """Write and read again, from where it stopped."""
        if not self._silent:
            return
        self._silent = False
        if self._keeps_alive:
            self.start_keepalive()
        if self._deaf:
            self._deaf = False
            unheard, self._unheard = self._unheard, b""
            if unheard:
                self.data_received(unheard)
            self.transport.resume_reading()
        self._catch_up()

    def reset(self) -> None:
        """End the TCP connection by a reset: the client sees 1006."""
        bare = self.transport.get_extra_info("socket")
        if bare is not None:
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
        self.transport.abort()

    async def send_slowly(self, frame: bytes, *, text: bool, bytes_per_s: int) -> None:
        """Send one message in pieces of a frame. Raises `ConnectionClosed`."""
        self.send_data()
        self._holds_back = True  # else a pong would stand in the middle of the frame
        try:
            await self.send(frame, text=text)
            await self._write_slowly(bytes_per_s)
        finally:
            self._holds_back = False
        self._catch_up()

    async def _write_slowly(self, bytes_per_s: int) -> None:
        writes = self.protocol.writes
        size = max(1, bytes_per_s // _PIECES_PER_S)
        while writes and writes[0] and not self._silent and not self.transport.is_closing():
            self.transport.write(writes[0][:size])
            writes[0] = writes[0][size:]
            if not writes[0]:
                del writes[0]
            await anyio.sleep(size / bytes_per_s)

    def _catch_up(self) -> None:
        """Write what was held back."""
        self.send_data()
        unsaid, self._unsaid = self._unsaid, []
        for pong in unsaid:
            self._write_late(pong)

    def _write_late(self, pong: bytes) -> None:
        over = self.transport.is_closing() or self.protocol.state is not State.OPEN
        if self._silent or self._holds_back:
            self._unsaid.append(pong)
        elif not over:
            self.transport.write(pong)

    def _local(self) -> bool:
        peer = self.transport.get_extra_info("peername")
        return bool(peer) and ip_address(peer[0]).is_loopback
