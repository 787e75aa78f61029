"""The commands that call one method and print its result."""

import os
import sys
from argparse import Namespace

from livectl.assignments import params, tree
from livectl.greeting import Greeted
from livectl.results import as_json, rows, table
from livectl.usage import usage
from livehandle.connection import Connection
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import refuse_two_names

SYSTEM_SOCKETS = "/run/livehandle"
"""Where the daemons of the system's units listen."""

ANSWER_S = 30.0
"""For an answer that the daemon gives at once."""

HELLO_S = 5.0
"""For the first answer of all: what is silent then is no daemon, or hangs."""


def open_connection(
    options: Namespace, *, answer_timeout: float | None = None, greets: bool = True
) -> Connection:
    """Connect to the daemon that the command line names, and greet it.

    Without a bound for answers: what opens a session, or waits for its end, is bounded by the
    daemon, and by whoever presses Ctrl-C. Whoever is to say `daemon.hello` itself `greets` not.
    """
    try:
        refuse_two_names(options.socket, options.instance, os.environ)
        connection = Greeted.open(options.socket, options.instance, answer_timeout=HELLO_S)
    except LiveHandleError as error:
        if error.name == "config.invalid":  # the command line's own fault, not the daemon's word
            raise usage(error.message) from error
        if error.name == "daemon.unreachable" and _may_mean_the_system(options):
            hint = f"{error.message[:-1]}; the system's daemons listen in {SYSTEM_SOCKETS}, for "
            hint += f"members of the group livehandle: give --socket {SYSTEM_SOCKETS}/default.sock."
            raise LiveHandleError(error.name, hint, **error.data) from error
        raise
    try:
        if greets:
            connection.greet(options.client)
    except BaseException:
        connection.close()
        raise
    connection.answer_timeout = answer_timeout
    return connection


def _may_mean_the_system(options: Namespace) -> bool:
    """Return whether no socket is named, and there are those of the system's service."""
    named = options.socket or os.environ.get("LIVEHANDLE_SOCKET")
    return not named and os.path.isdir(SYSTEM_SOCKETS)  # noqa: PTH112 - the import of pathlib


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
    from livectl.views import VIEWS  # more than a phase needs

    result = _ask(options, "daemon.status")
    if options.json or not isinstance(result, dict):
        return show(options, result)
    print(VIEWS["daemon.status"](result, options))
    return 0


def metrics(options: Namespace) -> int:
    """Print the metrics as the text that Prometheus reads."""
    result = _ask(options, "metrics")
    if options.json:
        print(as_json(result))
    elif isinstance(result, dict):
        print(result.get("exposition"), end="")
    return 0


def connect(options: Namespace) -> int:
    """Open a session and print it."""
    if any("=" not in word or word.startswith("{") for word in options.config):
        raise usage("Give settings such as: livectl connect session.model=gemini-3.8-live")
    return show(options, _call(options, "connect", {"config": tree(options.config)}))


def call(options: Namespace) -> int:
    """Call any method and print its result as JSON."""
    method = options.method.replace("-", "_")
    result = _call(options, method, params(options.params))
    print(as_json(result, indent=None if options.json else 2))
    return 0


def note_at_terminal(options: Namespace, words: str) -> None:
    """Tell people what is under way, where nothing else may be seen for long."""
    if sys.stderr.isatty() and not options.quiet:
        print(f"livectl: {words}", file=sys.stderr, flush=True)


def show(options: Namespace, result: object) -> int:
    """Print a result; null is nothing to print."""
    if result is not None and (options.json or not isinstance(result, dict)):
        print(as_json(result))
    elif listed := rows(result) if isinstance(result, dict) else []:
        print(table(listed))
    return 0


def _ask(options: Namespace, method: str) -> object:
    """Call what the daemon answers from what it knows."""
    with open_connection(options, answer_timeout=ANSWER_S) as connection:
        return connection.call(method)


def _call(options: Namespace, method: str, given: object) -> object:
    with open_connection(options, greets=method != "daemon.hello") as connection:
        return connection.wait(connection.send(method, given))
