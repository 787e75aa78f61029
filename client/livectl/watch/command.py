"""`watch`, `events` and `subscribe`: what happens, one line each."""

import sys
from argparse import Namespace
from collections.abc import Mapping

from livectl.commands import note_at_terminal, open_connection
from livectl.reopening import reopened
from livectl.results import as_json, rows, table
from livectl.watch.feed import Feed
from livehandle.connection import Connection, Event
from livehandle_proto.errors import LiveHandleError


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
        self._subscribe(_after(self._given, self.cursor))

    def _subscribe(self, given: Mapping[str, object]) -> None:
        answer = self._connection.call(self._method, **given)
        self.answer = answer if isinstance(answer, dict) else {}
        if self.answer.get("reset") and not self._quiet:
            lost = f"what came after {given.get('since')} is lost; going on from here"
            print(f"livectl: {lost}", file=sys.stderr)
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
    connection = open_connection(options)
    while True:
        with connection:
            subscription = Subscription(connection, method, given, quiet=options.quiet)
            note_at_terminal(options, "watching until Ctrl-C")
            _begin(subscription.answer, options)
            try:
                _print(subscription, feed, in_json=options.json)
            except KeyboardInterrupt:
                feed.finish()
                if sys.stderr.isatty() and not options.quiet:
                    print(f"\nlivectl: go on with --since {subscription.cursor}", file=sys.stderr)
                raise
            except LiveHandleError as error:
                if error.name != "daemon.unreachable":
                    raise
            else:
                return 0
            finally:
                feed.finish()
        given = _after(given, subscription.cursor)
        connection = _back(options, subscription.cursor)


def _after(given: Mapping[str, object], cursor: str) -> dict[str, object]:
    """Return what a subscription is asked for to go on after an event."""
    topics = {"topics": given["topics"]} if "topics" in given else {}
    return {**topics, "since": cursor}


def _print(subscription: Subscription, feed: Feed, *, in_json: bool) -> None:
    """Print the events to the daemon's last one."""
    while True:
        event = subscription.next()
        if event is None:
            continue
        if in_json:
            print(as_json(event.params), flush=True)
        else:
            feed.show(event)
        if event.topic == "daemon.bye":
            return


def _begin(answer: Mapping[str, object], options: Namespace) -> None:
    """Print what a subscription began with, where it is more than its name."""
    if options.json:
        if "snapshot" in answer or "reset" in answer:
            print(as_json(answer), flush=True)
    elif options.snapshot and "snapshot" in answer:
        print(table(rows(answer)), flush=True)


def _back(options: Namespace, cursor: str) -> Connection:
    """Connect to the daemon once more. Raises how to go on later if it stays away."""

    def note(words: str) -> None:
        if not options.quiet:
            print(f"livectl: {words}", file=sys.stderr)

    connection = reopened(options, note)
    if connection is None:
        message = f"The daemon is gone: start it, then go on with --since {cursor}"
        raise LiveHandleError("daemon.unreachable", message)
    return connection
