"""Subscriptions that begin and end while events come: nothing lost, nothing early, nothing twice.

Clients of one daemon subscribe, unsubscribe, stop reading, vanish and resume by cursor, all at
random, while each of them publishes. What every subscription got is held against what was
published.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio

from campaign.inside import Inside, daemon
from campaign.oracle import PLAYED, STATE, STREAM, Json, Published, Race, wrong
from livehandle_proto.states import StateChange
from livehandle_proto.topics import Audio, Text
from livehandled.hub import Hub
from support.daemon import private_directory

RING = 200
"""Events of the log class that the daemon keeps."""

_CLIENTS = 4
_DEADLINE_S = 20.0
_KEYS = ("app:a", "app:b", "app:c")


class Result(NamedTuple):
    """What came of it."""

    races: int
    """Subscriptions that began and ended."""
    ends: Counter[str]
    """How they began and ended."""
    events: int
    published: int
    problems: Sequence[str]


class _Client(asyncio.Protocol):
    """A connection. What comes is sorted by subscription."""

    transport: asyncio.Transport

    def __init__(self, hub: Hub, problems: list[str]) -> None:
        self.races: dict[str, Race] = {}
        self.heard = 0
        """Events that have come."""
        self._hub = hub
        self._problems = problems
        self._buffer = b""
        self._ids = 0
        self._pending: dict[int, Callable[[Json], None]] = {}
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "method" in message:
                self._event(message["params"])
            else:
                self._pending.pop(message["id"])(message)
        self._news.set()

    def call(self, method: str, then: Callable[[Json], None], **params: object) -> None:
        self._ids += 1
        self._pending[self._ids] = then
        message = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}
        self.transport.write(json.dumps(message).encode() + b"\n")

    async def drained(self) -> None:
        """Read until everything is answered, and nothing waits any more.

        A long replay goes on behind the answers that were there before it.
        """
        self.transport.resume_reading()
        async with asyncio.timeout(_DEADLINE_S):
            heard = -1
            while heard != self.heard:
                heard = self.heard
                self.call("daemon.ping", lambda _: None)
                while self._pending:
                    self._news.clear()
                    await self._news.wait()

    def _event(self, event: Json) -> None:
        self.heard += 1
        race = self.races.get(event.get("subscription", ""))
        if race is None:
            self._problems.append(f"an event before its subscription's answer: {event}")
        elif race.end in {"unsubscribed", "lagged"}:
            self._problems.append(f"an event of {race.name} after its end: {event}"[:400])
        else:
            race.events.append(event)
            if event["topic"] == "events.lagged":
                race.end, race.ended_at = "lagged", self._hub.last_seq


class _Player:
    """One after the other, connections that do what the dice say."""

    def __init__(self, it: Inside, seed: str, published: Published, problems: list[str]) -> None:
        self.ends: Counter[str] = Counter()
        self.events = 0
        self._races = 0
        self._it = it
        self._dice = random.Random(seed)  # noqa: S311 - no secret
        self._published = published
        self._problems = problems
        self._left: list[Race] = []
        """Races that ended before their time, to be resumed."""

    async def play(self, races: int) -> None:
        while self._races < races:
            await self._connection()

    async def _connection(self) -> None:
        loop = asyncio.get_running_loop()
        make = partial(_Client, self._it.hub, self._problems)
        _, client = await loop.create_unix_connection(make, str(self._it.path))
        steps = (self._subscribe, self._subscribe, self._unsubscribe, self._publish, self._publish)
        for _ in range(self._dice.randint(3, 16)):
            self._dice.choice((*steps, self._burst, self._pause, self._resume))(client)
            for _ in range(self._dice.choice((0, 0, 1, 2, 5))):
                await asyncio.sleep(0)
        if self._dice.random() < 0.4:
            self._vanish(client)
            client.transport.abort()
            await asyncio.sleep(0)
        else:
            await client.drained()
            for race in client.races.values():
                if not race.end:
                    race.whole_to = self._it.hub.last_seq
                    self._end(client, race)
            await client.drained()
            client.transport.abort()
        for race in client.races.values():
            self._judge(race)

    def _subscribe(self, client: _Client) -> None:
        topics = frozenset(self._dice.sample(PLAYED, self._dice.randint(1, len(PLAYED))))
        if self._left and self._dice.random() < 0.7:
            old = self._left.pop()
            topics, since = old.topics, old.cursor
        else:
            place = self._dice.randint(0, self._it.hub.last_seq + 1)
            since = self._dice.choice((None, None, f"{self._it.hub.instance}:{place}", "other:1"))
        params = {"topics": sorted(topics), "snapshot": self._dice.random() < 0.1}
        params |= {} if since is None else {"since": since}
        then = partial(self._begun, client, topics, since, self._it.hub.last_seq)
        client.call(self._dice.choice(("events", "subscribe")), then, **params)

    def _begun(
        self,
        client: _Client,
        topics: frozenset[str],
        since: str | None,
        asked_at: int,
        answer: Json,
    ) -> None:
        if "error" in answer:
            assert answer["error"]["data"]["name"] == "events.too_many", answer
            return
        result = answer["result"]
        start = int(result["cursor"].partition(":")[2])
        fresh = since is None or bool(result.get("reset"))
        race = Race(result["subscription"], topics, start, fresh=fresh)
        if race.name in client.races:
            self._problems.append(f"a second subscription {race.name}")
        client.races[race.name] = race
        self._judge_start(since, start, asked_at, result)

    def _judge_start(self, since: str | None, start: int, asked_at: int, result: Json) -> None:
        """Hold where a subscription begins against where it was asked to begin."""
        reset, snapshot = result.get("reset", False), result.get("snapshot")
        if reset:
            self.ends["reset"] += 1
        instance, _, number = (since or "").partition(":")
        if since is None:
            right = not reset and start >= asked_at
        elif instance != self._it.hub.instance:
            right = reset and start >= asked_at
        elif reset:
            # It was asked for once at the earliest, and answered now at the latest.
            here = self._it.hub.last_seq
            lost = self._published.forgotten(here) > int(number) or int(number) > asked_at
            right = start >= asked_at and lost and snapshot is not None
        else:
            self.ends["replay"] += 1
            right = start == int(number) >= self._published.forgotten(asked_at)
        if not right:
            self._problems.append(f"since {since}, asked at {asked_at}: {str(result)[:200]}")

    def _unsubscribe(self, client: _Client) -> None:
        there = [race for race in client.races.values() if not race.end]
        if there:
            self._end(client, self._dice.choice(there))

    def _end(self, client: _Client, race: Race) -> None:
        client.call("unsubscribe", partial(self._ended, race), subscription=race.name)

    def _ended(self, race: Race, answer: Json) -> None:
        if "error" in answer:
            # It was asked for twice, or fell behind meanwhile.
            if not race.end:
                self._problems.append(f"{race.name}: {answer['error']['message']}")
        elif not race.end:
            race.end, race.ended_at = "unsubscribed", self._it.hub.last_seq

    def _publish(self, _client: _Client, size: int = 10) -> None:
        hub = self._it.hub
        for _ in range(self._dice.randint(1, 8)):
            topic = self._dice.choice(PLAYED)
            if topic == STATE:
                key = self._dice.choice(_KEYS)
                change = StateChange(
                    key=key, value="v" * size, removed=False, sequence=1, origin="set"
                )
                hub.publish(topic, change, key=key)
            elif topic == STREAM:
                hub.publish(topic, Audio(data="A" * size, mime_type="audio/pcm"))
            else:
                hub.publish(topic, Text(text="t" * size))

    def _burst(self, client: _Client) -> None:
        """Publish more than a client that does not read can have waiting."""
        for _ in range(self._dice.choice((1, 3, 40))):
            self._publish(client, 4000)

    def _pause(self, client: _Client) -> None:
        if client.transport.is_reading():
            client.transport.pause_reading()

    def _resume(self, client: _Client) -> None:
        client.transport.resume_reading()

    def _vanish(self, client: _Client) -> None:
        for race in client.races.values():
            if not race.end:
                race.end, race.ended_at = "vanished", self._it.hub.last_seq
            if race.cursor is not None and race.end != "unsubscribed":
                self._left.append(race)
        del self._left[:-3]

    def _judge(self, race: Race) -> None:
        self.ends[race.end] += 1
        self._races += 1
        self.events += len(race.events)
        found = wrong(race, self._published)
        self._problems += [f"{race.name} {race.end}: {what}" for what in found]


def run(seed: int, races: int) -> Result:
    """Let so many subscriptions begin and end."""
    return anyio.run(_run, seed, races)


async def _run(seed: int, races: int) -> Result:
    values = {
        "session.connect": "manual",
        "limits.ring_events": str(RING),
        "limits.client_buffer_bytes": "65536",
    }
    problems: list[str] = []
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(private_directory())
        it = await stack.enter_async_context(daemon(Path(directory) / "s", values))
        published = Published(it.hub, RING)
        players = [_Player(it, f"{seed} {i}", published, problems) for i in range(_CLIENTS)]
        async with anyio.create_task_group() as tasks:
            for player in players:
                tasks.start_soon(player.play, -(-races // _CLIENTS))
    ends = sum((player.ends for player in players), Counter[str]())
    return Result(
        races=sum(ends[how] for how in ("unsubscribed", "lagged", "vanished")),
        ends=ends,
        events=sum(player.events for player in players),
        published=len(published),
        problems=problems,
    )


def summary(result: Result) -> str:
    """Return how many there were, and what was wrong."""
    ends = ", ".join(f"{count} {how}" for how, count in sorted(result.ends.items()))
    told = (
        f"{result.races} subscriptions, of them and their answers {ends}; {result.published} "
        f"events published, {result.events} received, {len(result.problems)} problems"
    )
    return "\n".join([told, *(f"PROBLEM {problem}" for problem in result.problems[:50])])
