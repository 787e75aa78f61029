"""`events` and `subscribe`: what happens, one line each."""

import sys
from argparse import Namespace
from collections.abc import Mapping

from livectl.commands import as_json, open_connection, plain, rows, table
from livehandle.connection import Connection, Event


def events(options: Namespace) -> int:
    """Print the semantic events, or those that are named, until interrupted."""
    return _watch(options, "events")


def subscribe(options: Namespace) -> int:
    """Print the raw session events, or those that are named, until interrupted."""
    return _watch(options, "subscribe")


class Subscription:
    """The events of one subscription, which goes on where it was after it fell behind."""

    def __init__(self, connection: Connection, method: str, given: Mapping[str, object]) -> None:
        self.answer: dict[str, object] = {}
        """What the daemon answered to the subscription."""
        self._connection = connection
        self._method = method
        self._given = given
        self._subscribe(given)

    def next(self, timeout: float | None = None) -> Event | None:
        """Return the next event, or None if none comes within `timeout` seconds."""
        event = self._connection.next_event(timeout)
        if event is None:
            return None
        if event.topic == "events.lagged":
            self._resume()
        elif event.cursor:
            self._cursor = event.cursor
        return event

    def _resume(self) -> None:
        topics = {key: value for key, value in self._given.items() if key == "topics"}
        self._subscribe({**topics, "since": self._cursor})
        if self.answer.get("reset"):
            print("livectl: too slow: events after", self._cursor, "are lost", file=sys.stderr)

    def _subscribe(self, given: Mapping[str, object]) -> None:
        answer = self._connection.call(self._method, **given)
        self.answer = answer if isinstance(answer, dict) else {}
        self._cursor = str(self.answer.get("cursor", ""))


def line(event: Event) -> str:
    """Return an event as one line for people."""
    data = dict(event.data)
    if isinstance(data.get("data"), str) and event.topic.endswith((".audio", "_data", ".media")):
        data["data"] = f"({len(str(data['data'])) * 3 // 4} bytes)"
    if data.keys() <= {"text", "is_final"} and "text" in data:
        told = as_json(data["text"])
    else:
        told = " ".join(f"{key}={plain(value)}" for key, value in data.items())
    return f"{event.cursor:<16} {event.topic:<28} {told}".rstrip()


def _watch(options: Namespace, method: str) -> int:
    given: dict[str, object] = {}
    if options.topics:
        given["topics"] = options.topics
    if options.since:
        given["since"] = options.since
    if options.snapshot:
        given["snapshot"] = True
    with open_connection(options) as connection:
        subscription = Subscription(connection, method, given)
        _begin(subscription.answer, in_json=options.json)
        while True:
            event = subscription.next()
            if event is None:
                continue
            text = as_json(event.params) if options.json else line(event)
            print(text, flush=True)
            if event.topic == "daemon.bye":
                return 0


def _begin(answer: Mapping[str, object], *, in_json: bool) -> None:
    """Print what a subscription began with, where it is more than its name."""
    if "snapshot" not in answer and "reset" not in answer:
        return
    print(as_json(answer) if in_json else table(rows(answer)), flush=True)
