"""Generated inputs against daemons in this loop: whole, byte at a time, and in random pieces.

Without a session each input goes to two daemons, which have been told the same since they began:
to one of them whole, to the other in pieces. What they answer must be the same. With a session
what is sent goes to a service, and what it says comes between.
"""

import asyncio
import json
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import NamedTuple
from unittest.mock import patch

import anyio
from websockets.exceptions import ConnectionClosed

from campaign.inputs import LINE_BYTES, Input, Maker
from campaign.inside import Inside, daemon
from campaign.judge import ENDLESS, Verdict, wants
from livehandle_proto.methods import METHODS
from livehandled import journal
from livehandled.control import peer
from support.daemon import private_directory
from support.service import Call, Json, running, text, tool_call

LINES = 25
"""Lines of one connection."""

_DEADLINE_S = 20.0
_EVERY_BYTE = 16
"""One connection in so many writes byte at a time."""
_TIDY = 100
"""Connections between two times that the shared states are emptied."""
LIMITS = {
    "limits.max_line_bytes": str(LINE_BYTES),
    "limits.ring_events": "64",
    "limits.client_buffer_bytes": "65536",
    "tools.grace_ms": "0",
}
# Times and numbers that two daemons do not share, and what they name by chance.
_OWN = re.compile(
    rb'"((?:[a-z_]*_ms(?:_ago)?|uptime_secs|seq)":[0-9.e+-]+'
    rb'|(?:registration|connection|holder|cursor|directory)":"[^"]*"|exposition":"(?:[^"\\]|\\.)*")'
)
_SENDS = ENDLESS | {
    name
    for name in METHODS
    if name.startswith(("writer.", "session.", "send_", "user_", "tools.", "playback", "flush"))
    or name in {"disconnect", "queue_context", "update_instruction"}
}
"""Methods whose answers may have to wait for the session."""
_HANGING = (
    *(b'"timeout_ms":0', b"session.wait_for_phase", b"recording.list"),
    b"x" * LINE_BYTES,
)
"""What has calls that may be answered before or after we have left, or been refused."""
_SAID: Sequence[Json] = (
    text("Hel", "lo"),
    {"serverContent": {"outputTranscription": {"text": "Hello"}}},
    {"serverContent": {"modelTurn": {"parts": [{"inlineData": {
        "mimeType": "audio/pcm;rate=24000", "data": "AAAA" * 400}}]}}},
    tool_call("c1", "c2"),
    {"serverContent": {"interrupted": True}},
    {"serverContent": {"generationComplete": True}},
    {"serverContent": {"turnComplete": True}},
    {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
)  # fmt: skip


class Result(NamedTuple):
    """What came of it."""

    inputs: int
    seconds: float
    answered: Counter[str]
    """By method, the requests beyond doubt that were answered."""
    problems: Sequence[str]


class _Wire(asyncio.Protocol):
    """A client's end: keeps what comes."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.received = bytearray()
        self.closed = False
        self.news = asyncio.Event()
        """Set when the last request is answered, and when the daemon closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        tail = max(0, len(self.received) - 20)
        self.received += data
        if self.received.find(b'"id":"last"', tail) >= 0:
            self.news.set()

    def eof_received(self) -> None:
        self.closed = True
        self.news.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed = True
        self.news.set()


class _Fuzz:
    """One run over all inputs."""

    def __init__(self, seed: str) -> None:
        self.problems: list[str] = []
        self.answered: Counter[str] = Counter()
        self._seed = seed
        self._live = False

    async def idle(self, connections: int, tell: Callable[[str], None]) -> None:
        """Write to daemons without a session, two by two."""
        async with AsyncExitStack() as stack:
            directory = stack.enter_context(private_directory())
            values = {**LIMITS, "session.connect": "manual"}
            daemons = [
                await stack.enter_async_context(daemon(directory / name, values))
                for name in ("whole", "split", "whole too", "bytes", "gone")
            ]
            await self._each(connections, tell, daemons, lambda n: self._twice(n, daemons))

    async def live(self, connections: int, tell: Callable[[str], None]) -> None:
        """Write to a daemon whose session is alive as often as not."""
        self._live = True
        async with AsyncExitStack() as stack:
            directory = stack.enter_context(private_directory())
            service = await stack.enter_async_context(running(converse))
            values = {**LIMITS, "session.base_url": service.url, "voice.vad": "energy"}
            environ = {"GEMINI_API_KEY": "x" * 30}
            one = await stack.enter_async_context(daemon(directory / "s", values, environ))

            async def once(number: int) -> None:
                del service.calls[:-1], service.requests[:]
                given = self._input(number)
                how = ("whole", "pieces", "bytes")[number % _EVERY_BYTE % 3]
                if how == "bytes" and number % _EVERY_BYTE:
                    how = "pieces"
                received = await self._converse(number, given, one, how)
                self._judge(number, given, received)

            await self._each(connections, tell, [one], once)

    async def _each(
        self,
        connections: int,
        tell: Callable[[str], None],
        daemons: Sequence[Inside],
        once: Callable[[int], Awaitable[None]],
    ) -> None:
        for number in range(connections):
            if number % _TIDY == 0:
                await _tidy(daemons)
            await once(number)
            if number % 1000 == 999:
                tell(f"{(number + 1) * LINES} inputs")

    async def _twice(self, number: int, daemons: Sequence[Inside]) -> None:
        given = self._input(number)
        if given.ending == "vanish":
            received = await self._converse(number, given, daemons[4], "pieces")
            self._judge(number, given, received)
            return
        in_bytes = number % _EVERY_BYTE == 0
        whole, split = daemons[2:4] if in_bytes else daemons[:2]
        first = await self._converse(number, given, whole, "whole")
        second = await self._converse(number, given, split, "bytes" if in_bytes else "pieces")
        self._judge(number, given, first)
        one, other = _told(first), _told(second)
        if one != other and not any(what in given.data for what in _HANGING):
            self._wrong(number, f"whole {one - other}, in pieces {other - one}"[:1500])

    def _input(self, number: int) -> Input:
        return Maker(f"{self._seed} {number}").input(LINES)

    async def _converse(self, number: int, given: Input, to: Inside, how: str) -> bytes:
        """Write an input; return what came of it."""
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_unix_connection(_Wire, str(to.path))
        for piece in self._pieces(number, given.data, how):
            if not wire.transport.is_closing():
                wire.transport.write(piece)
            if how != "whole":
                await _turns(2)  # one to read it
        if given.ending == "vanish":
            await _turns(number % 3)
            wire.transport.abort()
            await _turns(3)
            return bytes(wire.received)
        if given.ending == "half-close" and not wire.transport.is_closing():
            wire.transport.write_eof()
        try:
            async with asyncio.timeout(_DEADLINE_S):
                await wire.news.wait()
        except TimeoutError:
            self._wrong(number, "the last request is not answered")
        await _turns(20)  # what began before it and takes a wait
        wire.transport.abort()
        await _turns(3)
        return bytes(wire.received)

    def _pieces(self, number: int, data: bytes, how: str) -> Iterator[bytes]:
        dice = random.Random(number)  # noqa: S311 - no secret
        at = 0
        while at < len(data):
            size = {"whole": len(data), "bytes": 1}.get(how) or dice.choice((1, 3, 100, 1000))
            yield data[at : at + size]
            at += size

    def _judge(self, number: int, given: Input, received: bytes) -> None:
        wanted = wants(given.data, LINE_BYTES)
        verdict = Verdict(wanted, long_lines=b"max_line" in given.data)
        if given.ending == "vanish":
            received = received[: received.rfind(b"\n") + 1]  # it left in the middle of a line
        verdict.take(received)
        if given.ending != "vanish":
            # Calls that wait when a client is refused are not answered.
            verdict.whole(but=_SENDS if self._live or wanted.end else ENDLESS)
        self.answered += verdict.answered
        for problem in verdict.problems:
            self._wrong(number, problem)

    def _wrong(self, number: int, what: str) -> None:
        self.problems.append(f"connection {number} of seed {self._seed!r}: {what}")


async def _tidy(daemons: Sequence[Inside]) -> None:
    """Empty the shared states: each may come to 4 MiB, which would hide what does not end."""
    for one in daemons:
        async with await anyio.connect_unix(one.path) as stream:
            for prefix in ("", "app:", "user:"):
                params = {"prefix": prefix}
                request = {"jsonrpc": "2.0", "method": "state.clear_prefix", "params": params}
                await stream.send(json.dumps({**request, "id": 1}).encode() + b"\n")
                await stream.receive()


def run(seed: int, count: int, mode: str, tell: Callable[[str], None] = lambda _: None) -> Result:
    """Write so many inputs, `idle` or `live`; `tell` is told how far it is."""
    fuzz = _Fuzz(f"{mode} {seed}")
    begun = time.monotonic()
    connections = max(1, count // LINES)
    # A client that has gone is missed at once, and leaves the next one nothing of its own.
    # Its journal is full as soon as the ring is, that memory may be seen to stay as it is.
    with (
        _faults(fuzz.problems),
        patch.object(peer, "_HANG_UP_POLL_S", 0),
        patch.object(journal, "RING_ENTRIES", 64),
    ):
        run_mode = fuzz.live if mode == "live" else fuzz.idle
        anyio.run(run_mode, connections, tell)
    return Result(
        inputs=connections * LINES,
        seconds=time.monotonic() - begun,
        answered=fuzz.answered,
        problems=fuzz.problems,
    )


def summary(result: Result) -> str:
    """Return what was written and what came of it."""
    pace = result.inputs / result.seconds
    told = (
        f"{result.inputs} inputs in {result.seconds:.0f} s ({pace:.0f} a second), "
        f"{sum(result.answered.values())} requests answered, "
        f"{len(result.problems)} problems"
    )
    return "\n".join([told, *(f"PROBLEM {problem}" for problem in result.problems[:50])])


async def converse(call: Call) -> None:
    """Take the setup and, of what is sent, every fifth message for a question."""
    await call.websocket.recv()
    await call.say({"setupComplete": {"sessionId": "s-1"}})
    heard = 0
    try:
        while True:
            await call.websocket.recv()
            heard += 1
            if heard % 5 == 0:
                await call.say(_SAID[heard // 5 % len(_SAID)])
    except ConnectionClosed:
        return


@contextmanager
def _faults(problems: list[str]) -> Iterator[None]:
    """Note what the daemon logs as a fault of its own."""

    class Faults(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            problems.append(f"logged: {self.format(record)}")

    handler = Faults(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _told(received: bytes) -> Counter[bytes]:
    """Return the lines that came, in any order, without what is a daemon's own."""
    lines = _OWN.sub(b"", received).split(b"\n")
    # Of a state the latest is told, however many there were. Who else is connected is not the
    # same either: a client that has gone may not have been missed yet.
    own = (b'"clients":', b'"topic":"state.changed"', b'"reason":"left"')
    return Counter(line for line in lines if not any(what in line for what in own))


async def _turns(count: int) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)
