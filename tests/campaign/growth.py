"""Generated inputs against daemons in processes of their own: whether their memory grows.

One has no session; the other has one with a service that answers, lives and dies with the calls.
What they answer is not looked at here: `fuzz` does, with daemons in its own process, whose memory
tells nothing.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import anyio

from bench.figures import resident_mib
from campaign.fuzz import LIMITS, LINES, converse
from campaign.inputs import Input, Maker
from support.daemon import DaemonProcess, running_daemon
from support.service import Service, running

_DEADLINE_S = 20.0
_WARM = 0.25
"""Share of the inputs after which the daemons hold as much as they ever will."""
_WARM_INPUTS = 50_000
"""Fewer do not show whether memory grows: the allocator's steps are more than that."""
_MOST_GROWTH_MIB = 2.0
_TIDY = 100
"""Connections between two times that the shared states are emptied."""


class Growth(NamedTuple):
    """A daemon's resident memory, MiB."""

    name: str
    warm_mib: float
    end_mib: float
    problems: Sequence[str]


def run(seed: int, count: int, tell: Callable[[str], None] = lambda _: None) -> Sequence[Growth]:
    """Write so many inputs to each; `tell` is told how far it is."""
    return anyio.run(_run, seed, max(1, count // LINES), tell)


async def _run(seed: int, connections: int, tell: Callable[[str], None]) -> Sequence[Growth]:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(running(converse))
        manual = [*_set(LIMITS), *_set({"session.connect": "manual"})]
        live = [*_set(LIMITS), *_set({"session.base_url": service.url, "voice.vad": "energy"})]
        key = {"GEMINI_API_KEY": "x" * 30}
        daemons = {
            "no session": stack.enter_context(running_daemon(*manual)),
            "a session": stack.enter_context(running_daemon(*live, environ=key)),
        }
        return [
            await _grow(name, daemon, service, f"{name} {seed}", connections, tell)
            for name, daemon in daemons.items()
        ]


async def _grow(
    name: str,
    daemon: DaemonProcess,
    service: Service,
    seed: str,
    connections: int,
    tell: Callable[[str], None],
) -> Growth:
    warm = 0.0
    for number in range(connections):
        if number % _TIDY == 0:
            await _tidy(daemon.path)
        if number == int(connections * _WARM):
            warm = _resident(daemon)
        del service.calls[:-1], service.requests[:]
        await _pour(daemon.path, Maker(f"{seed} {number}").input(LINES))
        if number % 4000 == 3999:
            tell(f"{name}: {(number + 1) * LINES} inputs, {_resident(daemon):.1f} MiB")
    await _tidy(daemon.path)
    end = _resident(daemon)
    problems = [f"{name}: logged {line.strip()}" for line in daemon.log if "ERROR" in line]
    if connections * LINES * _WARM > _WARM_INPUTS and end > warm + _MOST_GROWTH_MIB:
        problems.append(f"{name}: memory grew from {warm:.1f} to {end:.1f} MiB")
    return Growth(name, warm, end, problems)


async def _pour(path: Path, given: Input) -> None:
    """Write an input and read what comes of it, until its last request is answered."""
    reader, writer = await asyncio.open_unix_connection(path, limit=2**26)
    try:
        async with asyncio.timeout(_DEADLINE_S):
            writer.write(given.data)
            if given.ending == "vanish":
                return
            if given.ending == "half-close":
                writer.write_eof()
            while line := await reader.readline():
                if b'"id":"last"' in line:
                    return
    except ConnectionError:
        return  # refused, with input unread
    finally:
        writer.transport.abort()


async def _tidy(path: Path) -> None:
    """Empty the shared state: it may come to 4 MiB, which would hide what does not end."""
    reader, writer = await asyncio.open_unix_connection(path)
    for prefix in ("", "app:", "user:"):
        request = {"jsonrpc": "2.0", "method": "state.clear_prefix", "params": {"prefix": prefix}}
        writer.write(json.dumps({**request, "id": 1}).encode() + b"\n")
        await reader.readline()
    writer.transport.abort()


def _set(values: dict[str, str]) -> list[str]:
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def _resident(daemon: DaemonProcess) -> float:
    return resident_mib(daemon.process.pid)


def summary(grown: Growth) -> str:
    """Return how much it was."""
    told = (
        f"memory of a daemon with {grown.name}: {grown.warm_mib:.1f} MiB after a quarter of the "
        f"inputs, {grown.end_mib:.1f} MiB at the end"
    )
    return "\n".join([told, *(f"PROBLEM {problem}" for problem in grown.problems)])
