"""What ends with its connection, and is held until Ctrl-C: a role, tools, an extractor."""

import sys
from argparse import Namespace
from collections.abc import Mapping

from livectl.function import Function
from livectl.results import as_json
from livectl.roles import check_role
from livectl.watch.command import Subscription
from livectl.watch.feed import Feed
from livehandle.connection import Connection, Event

Json = Mapping[str, object]

_TICK_S = 0.02


def hold(connection: Connection, options: Namespace, given: Json, answer: object) -> int:
    """Print what the connection is told, to the daemon's last word.

    With `--exec` the model's calls are carried out. Raises `roles.claimed` where the role was
    taken by force.
    """
    role = str(given.get("role"))
    holder = answer.get(role) if isinstance(answer, dict) else None
    me = holder.get("connection") if isinstance(holder, dict) else None
    if me is not None:
        Subscription(connection, "events", {"topics": ["daemon.claim_changed"]}, quiet=True)
    if not options.quiet:
        print("livectl: held until Ctrl-C", file=sys.stderr, flush=True)
    command = getattr(options, "exec", None)
    function = None if command is None else Function(connection, command)
    feed = Feed(sys.stdout, every=True)
    try:
        while (event := _next(connection, function)).topic != "daemon.bye":
            _print(event, feed, in_json=options.json)
            if function is not None:
                function.take(event)
            if event.topic == "daemon.claim_changed" and me is not None:
                check_role(event.data, me, f"livectl claim {role} --force")
        _print(event, feed, in_json=options.json)
    finally:
        if function is not None:
            function.close()
    return 0


def _next(connection: Connection, function: Function | None) -> Event:
    """Return the next event; meanwhile answer the calls that have been carried out."""
    while True:
        event = connection.next_event(_TICK_S if function and function.busy else None)
        if function is not None:
            function.tick()
        if event is not None:
            return event


def _print(event: Event, feed: Feed, *, in_json: bool) -> None:
    if in_json:
        print(as_json(event.params), flush=True)
    else:
        feed.show(event)
