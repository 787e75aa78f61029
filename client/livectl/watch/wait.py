"""`wait`: nothing until a phase, a turn's end or an event has come."""

import sys
import time
from argparse import Namespace

from livectl.commands import note_at_terminal, open_connection
from livectl.results import as_json
from livectl.usage import usage
from livectl.watch.command import Subscription
from livectl.watch.feed import Feed
from livehandle.connection import Connection, Event
from livehandle_proto.errors import LiveHandleError

_TURN = ["live.turn_complete"]


def wait(options: Namespace) -> int:
    """Wait, and print what came. Raises `session.timeout` after `--timeout` seconds."""
    names = options.names
    if options.what == "phase":
        if len(names) != 1:
            raise usage("Give one phase to wait for, such as: livectl wait phase active")
        _phase(options, names[0].replace("-", "_"))
    elif options.what == "turn":
        if names:
            raise usage(f"A turn has no name, and {names[0]!r} is given: livectl wait turn")
        _event(options, _TURN)
    elif not names:
        raise usage("Give the event to wait for, such as: livectl wait event live.connected")
    else:
        _event(options, names)
    return 0


def _phase(options: Namespace, phase: str) -> None:
    if options.since is not None:
        raise usage("A phase is waited for from now on: leave --since out.")
    given: dict[str, object] = {"phase": phase}
    if options.timeout is not None:
        given["timeout_ms"] = round(options.timeout * 1000)
    with open_connection(options) as connection:
        note_at_terminal(options, f"waiting for the phase {phase}")
        result = connection.call("session.wait_for_phase", **given)
    print(as_json(result) if options.json else phase)


def _event(options: Namespace, topics: list[str]) -> None:
    given: dict[str, object] = {"topics": topics}
    if options.since is not None:
        given["since"] = options.since
    with open_connection(options) as connection:
        note_at_terminal(options, f"waiting for {' or '.join(topics)}")
        event = _next(connection, given, options)
    if options.json:
        print(as_json(event.params))
    else:
        feed = Feed(sys.stdout, every=True)
        feed.show(event)
        feed.finish()


def _next(connection: Connection, given: dict[str, object], options: Namespace) -> Event:
    """Return the first event of the subscription, past what is the connection's own."""
    seconds = options.timeout
    deadline = None if seconds is None else time.monotonic() + seconds
    subscription = Subscription(connection, "events", given, quiet=options.quiet)
    while True:
        left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        event = subscription.next(left)
        if event is None:
            raise LiveHandleError(
                "session.timeout",
                f"No {' or '.join(options.names) or _TURN[0]} came within {seconds:g} s: wait "
                "longer, or see what happens with livectl watch.",
            )
        if event.subscription is not None and event.topic != "events.lagged":
            return event
