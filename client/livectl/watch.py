"""Events on a terminal: `events`, `subscribe`, and a reply that is followed to its end."""

import json
import sys
from argparse import Namespace

from livectl.assignments import usage
from livectl.commands import open_connection
from livehandle.connection import Connection, Event
from livehandle_proto.errors import LiveHandleError


def events(options: Namespace) -> int:
    """Print the semantic events, or those that are named, until interrupted."""
    return _watch(options, "events")


def subscribe(options: Namespace) -> int:
    """Print the raw session events, or those that are named, until interrupted."""
    return _watch(options, "subscribe")


def follow(connection: Connection, *, as_json: bool) -> int:
    """Print the reply as it comes, until its turn is complete or cannot be.

    The connection must have been subscribed to by `follow_from_now` before the turn was sent.
    """
    text_open = False
    while True:
        event = connection.next_event()
        if event is None:
            continue
        if as_json:
            print(json.dumps(event.params, ensure_ascii=False), flush=True)
        elif event.topic in {"live.text_delta", "live.output_transcript"}:
            print(event.data.get("text", ""), end="", flush=True)
            text_open = True
        elif event.topic == "live.interrupted":
            print(" [interrupted]", end="", flush=True)
            text_open = True
        if event.topic == "live.turn_complete":
            if text_open and not as_json:
                print()
            return 0
        _raise_if_over(event)


def follow_from_now(connection: Connection) -> None:
    """Subscribe to what `follow` prints."""
    connection.call("events")


def line(event: Event) -> str:
    """Return an event as one line for people."""
    data = dict(event.data)
    if isinstance(data.get("data"), str) and event.topic.endswith((".audio", "_data", ".media")):
        data["data"] = f"({len(str(data['data'])) * 3 // 4} bytes)"
    if data.keys() == {"text", "is_final"} or data.keys() == {"text"}:
        told = json.dumps(data["text"], ensure_ascii=False)
    else:
        told = " ".join(f"{k}={_short(v)}" for k, v in data.items())
    return f"{event.cursor:<16} {event.topic:<28} {told}".rstrip()


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _watch(options: Namespace, method: str) -> int:
    given: dict[str, object] = {}
    if options.topics:
        given["topics"] = options.topics
    if options.since:
        given["since"] = options.since
    if options.snapshot:
        given["snapshot"] = True
    with open_connection(options) as connection:
        subscribed = connection.call(method, **given)
        if isinstance(subscribed, dict) and ("snapshot" in subscribed or "reset" in subscribed):
            print(json.dumps(subscribed, ensure_ascii=False), flush=True)
        for event in connection.events():
            text = json.dumps(event.params, ensure_ascii=False) if options.json else line(event)
            print(text, flush=True)
            if event.topic == "daemon.bye":
                return 0
            if event.topic == "events.lagged":
                print(f"livectl: too slow; go on with --since {event.cursor}", file=sys.stderr)
                return 1
    return 0


def _raise_if_over(event: Event) -> None:
    if event.topic == "live.disconnected":
        why = event.data.get("message") or event.data.get("reason")
        raise LiveHandleError("session.ended", f"The session ended before the reply: {why}.")
    if event.topic == "events.lagged":
        raise usage(f"Too slow to follow; go on with livectl events --since {event.cursor}.")
