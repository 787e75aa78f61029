"""One connection in use: one task reads, one writes, one watches the time, until it is over."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from websockets.exceptions import ConnectionClosed

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.codec import Decoded, FrameError, decode_server
from livehandled.session.connection import Socket, close_error
from livehandled.session.ledger import Ledger
from livehandled.session.outbox import Outbox
from livehandled.session.plan import Plan
from livehandled.session.rotation import Quiet, Rotation

SILENT_S = 75.0
"""A connection is dead when nothing at all has come for so long, pongs to our pings included:
they were seen 30 s late on connections that lived (wire 6, 4)."""

STALLED_S = 30.0
"""A reply has stalled when nothing more of it has come for so long, though it is not complete."""

UNWRITTEN_S = 30.0
"""A service that has not read for so long will not read any more."""

_MOST_AT_ONCE = 65_536
"""Bytes of media that are written in one go."""

_MOST_DIGITS = 16
_ASKS = b"read "
"""How our own pings begin; the rest is a number of the ledger's."""


class Link:
    """A connection between its setup and its end.

    `take` is given each message; `quiet` tells what stands against a rotation, and `replying`
    whether a reply is under way.
    """

    def __init__(
        self,
        socket: Socket,
        plan: Plan,
        *,
        outbox: Outbox,
        ledger: Ledger,
        rotation: Rotation,
        clock: Callable[[], float],
        take: Callable[[bytes, Decoded], None],
        tell: Callable[[LiveHandleError], None],
        quiet: Callable[[], Quiet],
        replying: Callable[[], bool],
    ) -> None:
        self.rotation = rotation
        self.lost: LiveHandleError | None = None
        """Why the connection is over; None where this side ended it."""
        self._socket = socket
        self._plan = plan
        self._outbox = outbox
        self._ledger = ledger
        self._clock = clock
        self._take = take
        self._tell = tell
        self._quiet = quiet
        self._replying = replying
        self._stopping = False
        self._more = anyio.Event()
        self._waits = False
        """Whether the writer waits for more, so that nothing can be overtaken."""
        self._woken = False
        self._loop = asyncio.get_running_loop()
        self._look = anyio.Event()
        self._heard_at = clock()
        self._index = 0
        """Of the last frame that was written; the setup's is taken for 0."""
        self._pongs: deque[tuple[int, int]] = deque()
        """Those that wait for the messages that came before them: how many, and the number of
        the ledger's up to which all was read."""
        socket.on_pong = self._ponged

    async def run(self) -> None:
        """Converse until the connection is lost, is to be given up, or `stop` has been heard."""
        async with anyio.create_task_group() as tasks:
            over = tasks.cancel_scope.cancel
            tasks.start_soon(self._until_over, self._read, over)
            tasks.start_soon(self._until_over, self._write, over)
            tasks.start_soon(self._until_over, self._watch, over)

    def wake(self) -> None:
        """Note that there is something to write: it is, at the end of this turn of the loop."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._write_soon)

    def look(self) -> None:
        """Note that what stands against a rotation may have changed."""
        if self.rotation.draining:
            self._look.set()

    def stop(self) -> None:
        """End once everything that waits has been written."""
        self._stopping = True
        self._more.set()

    async def _until_over(
        self, part: Callable[[], Awaitable[None]], over: Callable[[], None]
    ) -> None:
        await part()
        over()

    async def _read(self) -> None:
        while True:
            self._acknowledge()
            try:
                # As long as the service is silent: the watch notices a dead connection.
                frame = await self._socket.next()
            except ConnectionClosed as closed:
                self._lose(close_error(closed, self._plan, during_setup=False))
                return
            self._heard_at = self._clock()
            try:
                decoded = decode_server(frame)
            except FrameError as error:
                self._tell(LiveHandleError("upstream.bad_message", f"Not a message: {error}."))
                continue
            self._take(frame, decoded)
            self.look()

    async def _write(self) -> None:
        try:
            while not (self._stopping and not len(self._outbox)):
                await self._write_next()
        except ConnectionClosed as closed:
            self._lose(close_error(closed, self._plan, during_setup=False))
        except TimeoutError:
            self._lose(_dead(f"the service has read nothing for {UNWRITTEN_S:g} s"))

    def _write_soon(self) -> None:
        """Write media without the writer's task, and wake it where that is not all."""
        self._woken = False
        if self._waits:
            self._write_media()
            if len(self._outbox):
                self._more.set()

    def _write_media(self) -> None:
        """Write media that comes next, as much as there is room for, all of it in one go."""
        while self._socket.writable:
            media = self._outbox.take_media(self._clock(), most_bytes=_MOST_AT_ONCE)
            if not media:
                return
            self._index += len(media)
            self._socket.write(media)

    async def _write_next(self) -> None:
        """Write media that waits and a message, or wait for more."""
        self._write_media()
        message = self._outbox.take(self._clock())
        if message is not None:
            # Whatever becomes of it now: it may have been sent.
            self._index += 1
            self._ledger.wrote(message, self._index)
            with anyio.fail_after(UNWRITTEN_S):
                if message.traced:
                    await self._socket.send_asking(message.frame, _ASKS + b"%d" % self._ledger.last)
                else:
                    await self._socket.say(message.frame)
        elif not self._stopping:
            self._waits = True
            try:
                # As long as nobody has anything to say but media.
                await self._more.wait()
            finally:
                self._waits = False
            self._more = anyio.Event()

    def _ponged(self, payload: bytes, came: int) -> None:
        """Note a pong and its place: it counts once what came before it has been taken."""
        number = payload.removeprefix(_ASKS)
        # Else it answers a ping of the library's, or nothing.
        if payload.startswith(_ASKS) and number.isdigit() and len(number) < _MOST_DIGITS:
            self._pongs.append((came, min(int(number), self._ledger.last)))
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Note what was read, by the pongs behind the messages that were taken."""
        while self._pongs and self._pongs[0][0] <= self._socket.taken:
            self._ledger.read(self._pongs.popleft()[1], self._clock())
            self.look()

    async def _watch(self) -> None:
        while True:
            now = self._clock()
            quiet = self._quiet()
            if self.rotation.due(quiet, now):
                return
            if now - self._socket.heard_at >= SILENT_S:
                self._lose(_dead(f"nothing came for {SILENT_S:g} s"))
                return
            if self._replying() and now - self._heard_at >= STALLED_S:
                self._lose(_dead(f"the reply has stood still for {STALLED_S:g} s"))
                return
            self._look = anyio.Event()
            with anyio.move_on_after(max(0.0, self._deadline(quiet, now) - now)):
                await self._look.wait()

    def _deadline(self, quiet: Quiet, now: float) -> float:
        rotation = self.rotation.deadline(quiet, now)
        waits = [self._socket.heard_at + SILENT_S, now + STALLED_S]
        if self._replying():
            waits.append(self._heard_at + STALLED_S)
        return min(waits if rotation is None else [*waits, rotation])

    def _lose(self, error: LiveHandleError) -> None:
        if self.lost is None:
            self.lost = error


def _dead(why: str) -> LiveHandleError:
    return LiveHandleError(
        "upstream.unreachable", f"The connection is given up: {why}. Check the network."
    )
