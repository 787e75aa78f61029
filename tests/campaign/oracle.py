"""What a subscription must have got of what was published."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from livehandle_proto.topics import TOPICS
from livehandled.hub import Event, Hub

LOGS = ("live.text_delta", "live.text_complete", "session.text_delta")
STREAM = "live.audio"
STATE = "state.changed"
PLAYED = (*LOGS, STREAM, STATE)
"""The topics that are published."""

Json = dict[str, Any]


class Race:
    """One subscription, as its client saw it."""

    def __init__(self, name: str, topics: frozenset[str], start: int, *, fresh: bool) -> None:
        self.name = name
        self.topics = topics
        self.start = start
        self.fresh = fresh
        """Whether it follows on nothing."""
        self.events: list[Json] = []
        self.end = ""
        self.whole_to = 0
        """Up to this number it must have got all: it had read everything when it ended itself."""
        self.ended_at = 0
        """The last number when it heard of its end."""

    @property
    def cursor(self) -> str | None:
        """The place of the last event that came."""
        return self.events[-1]["cursor"] if self.events else None


class Published:
    """All that was published, by topic."""

    def __init__(self, hub: Hub, ring: int) -> None:
        self._ring = ring
        self._numbers: dict[str, list[int]] = {topic: [] for topic in PLAYED}
        self._keys: list[str] = []
        self._logs: list[int] = []
        hub.attach(self._take, PLAYED)

    def __len__(self) -> int:
        return sum(map(len, self._numbers.values()))

    def _take(self, event: Event) -> None:
        self._numbers[event.topic].append(event.seq)
        if event.delivery == "log":
            self._logs.append(event.seq)
        elif event.topic == STATE:
            self._keys.append(event.key)

    def between(self, topics: frozenset[str], after: int, last: int) -> list[int]:
        """Return the numbers of the topics' events, in order."""
        found: list[int] = []
        for topic in topics:
            numbers = self._numbers[topic]
            found += numbers[bisect_right(numbers, after) : bisect_right(numbers, last)]
        return sorted(found)

    def states(self, after: int, last: int) -> dict[str, int]:
        """Return the number of each key's latest state."""
        numbers = self._numbers[STATE]
        places = range(bisect_right(numbers, after), bisect_right(numbers, last))
        return {self._keys[place]: numbers[place] for place in places}

    def forgotten(self, last: int) -> int:
        """Return the number of the newest event that the ring had lost when `last` was made."""
        count = bisect_right(self._logs, last)
        return self._logs[count - self._ring - 1] if count > self._ring else 0


def wrong(race: Race, published: Published) -> Iterator[str]:
    """Return what is wrong with what a subscription got."""
    told: dict[str, list[Json]] = {"log": [], "state": [], "stream": []}
    notices: list[Json] = []
    for event in race.events:
        if event["topic"].startswith("events."):
            notices.append(event)
        else:
            told[TOPICS[event["topic"]].delivery].append(event)
            if event["topic"] not in race.topics:
                yield f"a topic that it has not: {event}"[:300]
    yield from _wrong_log(race, published, [event["seq"] for event in told["log"]], notices)
    yield from _wrong_state(race, published, told["state"])
    yield from _wrong_stream(race, published, [event["seq"] for event in told["stream"]], notices)


def _wrong_log(
    race: Race, published: Published, got: list[int], notices: list[Json]
) -> Iterator[str]:
    there = published.between(race.topics & set(LOGS), race.start, race.ended_at)
    if got != there[: len(got)]:
        yield f"from {race.start} came {got[:30]}… and not {there[:30]}…"
    elif race.end == "unsubscribed" and race.whole_to:
        before = published.between(race.topics & set(LOGS), race.start, race.whole_to)
        if len(got) < len(before):
            yield f"{before[len(got) :][:30]} were lost"
    elif race.end == "lagged":
        (lagged,) = [n["data"] for n in notices if n["topic"] == "events.lagged"]
        kept = published.between(race.topics & set(LOGS), race.start, lagged["last_seq"])
        if got != kept or lagged["missed"] < 1:
            yield f"{lagged} after {got[-1:]}, of {len(there) - len(kept)} missed"


def _wrong_state(race: Race, published: Published, got: list[Json]) -> Iterator[str]:
    numbers = [event["seq"] for event in got]
    if numbers != sorted(set(numbers)):
        yield f"states out of order: {numbers[:30]}"
    if not set(numbers) <= set(published.between(frozenset({STATE}), race.start, race.ended_at)):
        yield "states that nobody published"
    if race.end == "unsubscribed" and STATE in race.topics and race.whole_to:
        last = {f"{STATE} {event['data']['key']}": event["seq"] for event in got}
        for key, number in published.states(race.start, race.whole_to).items():
            if last.get(key, 0) < number:
                yield f"{key} stands at {last.get(key)} and not at {number}"


def _wrong_stream(
    race: Race, published: Published, got: list[int], notices: list[Json]
) -> Iterator[str]:
    there = published.between(race.topics & {STREAM}, race.start, race.ended_at)
    if got != sorted(set(got)) or not set(got) <= set(there):
        yield f"sound out of order or twice: {got[:30]}"
    gaps = [n["data"] for n in notices if n["topic"] == "events.dropped"]
    dropped = sum(gap["count"] for gap in gaps)
    if len(got) + dropped > len(there):
        yield f"{len(got)} sounds and {dropped} dropped ones of {len(there)}"
    for gap in gaps:
        inside = [number for number in there if gap["from"] <= number <= gap["to"]]
        missing = [number for number in inside if number not in got]
        if gap["count"] > len(missing):
            yield f"{gap} while {len(missing)} are missing"
    if race.end == "unsubscribed" and race.fresh and race.whole_to:
        before = published.between(race.topics & {STREAM}, race.start, race.whole_to)
        if len(got) + dropped < len(before):
            yield f"{len(got)} sounds and {dropped} dropped ones of {len(before)}"
