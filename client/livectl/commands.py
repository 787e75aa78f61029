"""The commands that call one method and print its result."""

import json
import sys
from argparse import Namespace
from collections.abc import Mapping

from livectl.assignments import params, tree
from livectl.usage import usage
from livehandle.connection import Connection
from livehandle_proto.errors import LiveHandleError

ANSWER_S = 30.0
"""For an answer that the daemon gives at once."""


def open_connection(options: Namespace, *, answer_timeout: float | None = None) -> Connection:
    """Connect to the daemon that the command line names.

    Without a bound for answers: what opens a session, or waits for its end, is bounded by the
    daemon, and by whoever presses Ctrl-C.
    """
    try:
        return Connection.open(options.socket, options.instance, answer_timeout=answer_timeout)
    except LiveHandleError as error:
        if error.name == "config.invalid":  # the command line's own fault, not the daemon's word
            raise usage(error.message) from error
        raise


def phase(options: Namespace) -> int:
    """Print the phase."""
    result = _ask(options, "phase")
    if options.json:
        print(as_json(result))
    elif isinstance(result, dict):
        print(result.get("phase"))
    return 0


def status(options: Namespace) -> int:
    """Print the daemon's state."""
    return show(options, _ask(options, "daemon.status"))


def connect(options: Namespace) -> int:
    """Open a session and print it."""
    return show(options, _call(options, "connect", {"config": tree(options.config)}))


def call(options: Namespace) -> int:
    """Call any method and print its result as JSON."""
    method = options.method.replace("-", "_")
    result = _call(options, method, params(options.params))
    print(as_json(result, indent=None if options.json else 2))
    return 0


def as_json(value: object, indent: int | None = None) -> str:
    """Return JSON with letters as they are, where standard output can show them all."""
    shows_all = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    return json.dumps(value, ensure_ascii=not shows_all, indent=indent)


def rows(tree: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Return a result as rows of a dotted name and a value, for people."""
    listed: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            listed += rows(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            listed += [(f"{prefix}{name}[{i}]", plain(one)) for i, one in enumerate(value)]
        elif value is not None:
            shown = "shown by --json" if name == "histogram" else plain(value)
            listed.append((prefix + name, shown))
    return listed


def plain(value: object) -> str:
    """Return text as it is where a terminal only shows it, all else as JSON."""
    return value if isinstance(value, str) and value.isprintable() else as_json(value)


def table(listed: list[tuple[str, str]], indent: str = "") -> str:
    """Return rows as aligned lines."""
    width = max((len(name) for name, _ in listed), default=0)
    return "\n".join(f"{indent}{name:<{width}}  {value}" for name, value in listed)


def show(options: Namespace, result: object) -> int:
    """Print a result; null is nothing to print."""
    if result is not None and (options.json or not isinstance(result, dict)):
        print(as_json(result))
    elif result:
        print(table(rows(result)))
    return 0


def _ask(options: Namespace, method: str) -> object:
    """Call what the daemon answers from what it knows."""
    with open_connection(options, answer_timeout=ANSWER_S) as connection:
        return connection.call(method)


def _call(options: Namespace, method: str, given: object) -> object:
    with open_connection(options) as connection:
        return connection.wait(connection.send(method, given))
