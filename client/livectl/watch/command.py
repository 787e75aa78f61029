"""`watch`, `events` and `subscribe`: what happens, one line each."""

import sys
from argparse import Namespace
from collections.abc import Mapping

from livectl.commands import as_json, open_connection, rows, table
from livectl.watch.feed import Feed
from livehandle.connection import Connection, Event


def events(options: Namespace) -> int:
    """Print the semantic events, or those that are named, until interrupted."""
    return _watch(options, "events")


def subscribe(options: Namespace) -> int:
    """Print the raw session events, or those that are named, until interrupted."""
    return _watch(options, "subscribe")


class Subscription:
    """The events of one subscription, which goes on where it was after it fell behind."""

    def __init__(
        self,
        connection: Connection,
        method: str,
        given: Mapping[str, object],
        *,
        quiet: bool = False,
    ) -> None:
        self.answer: dict[str, object] = {}
        """What the daemon answered to the subscription."""
        self.cursor = ""
        """Of the last event: what `--since` takes to go on."""
        self._connection = connection
        self._method = method
        self._given = given
        self._quiet = quiet
        self._subscribe(given)

    def next(self, timeout: float | None = None) -> Event | None:
        """Return the next event, or None if none comes within `timeout` seconds."""
        event = self._connection.next_event(timeout)
        if event is None:
            return None
        if event.topic == "events.lagged":
            self._resume()
        elif event.cursor:
            self.cursor = event.cursor
        return event

    def _resume(self) -> None:
        topics = {key: value for key, value in self._given.items() if key == "topics"}
        self._subscribe({**topics, "since": self.cursor})
        if self.answer.get("reset") and not self._quiet:
            print("livectl: too slow: events after", self.cursor, "are lost", file=sys.stderr)

    def _subscribe(self, given: Mapping[str, object]) -> None:
        answer = self._connection.call(self._method, **given)
        self.answer = answer if isinstance(answer, dict) else {}
        self.cursor = str(self.answer.get("cursor", ""))


def topics_of(options: Namespace) -> list[str]:
    """Return the topics and patterns that a command line names."""
    listed = (options.listed or "").split(",")
    return [*options.topics, *filter(None, map(str.strip, listed))]


def _watch(options: Namespace, method: str) -> int:
    topics = topics_of(options)
    given: dict[str, object] = {}
    if topics:
        given["topics"] = topics
    if options.since:
        given["since"] = options.since
    if options.snapshot:
        given["snapshot"] = True
    feed = Feed(sys.stdout, every=any(topic.startswith("state.") for topic in topics))
    with open_connection(options) as connection:
        subscription = Subscription(connection, method, given, quiet=options.quiet)
        _begin(subscription.answer, in_json=options.json)
        try:
            while True:
                event = subscription.next()
                if event is None:
                    continue
                if options.json:
                    print(as_json(event.params), flush=True)
                else:
                    feed.show(event)
                if event.topic == "daemon.bye":
                    return 0
        except KeyboardInterrupt:
            feed.finish()
            if sys.stderr.isatty() and not options.quiet:
                print(f"\nlivectl: go on with --since {subscription.cursor}", file=sys.stderr)
            raise
        finally:
            feed.finish()


def _begin(answer: Mapping[str, object], *, in_json: bool) -> None:
    """Print what a subscription began with, where it is more than its name."""
    if "snapshot" not in answer and "reset" not in answer:
        return
    print(as_json(answer) if in_json else table(rows(answer)), flush=True)
