"""`chat`: a typed conversation, line by line, at a terminal or from a pipe."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livectl.ask import exchange
from livectl.commands import open_connection
from livectl.usage import standard_input, usage
from livehandle_proto.errors import LiveHandleError

PROMPT = "you> "
_KEPT_LINES = 1000


def chat(options: Namespace) -> int:
    """Converse until the input ends."""
    with open_connection(options) as connection:
        connection.call("daemon.ping")  # nobody wants to type before learning that there is none
    if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        _at_terminal(options)
    else:
        for words in _piped():
            exchange(options, words)
    return 0


def _at_terminal(options: Namespace) -> None:
    if not options.quiet:
        print("livectl: Ctrl-C cuts a reply off, Ctrl-D ends.", file=sys.stderr)
    with _history():
        while (words := _typed()) is not None:
            if words:
                _answered(options, words)


def _typed() -> str | None:
    """Return the next line, empty where Ctrl-C has thrown it away; None at the end."""
    try:
        return input(PROMPT).strip()
    except KeyboardInterrupt:
        print()
        return ""
    except EOFError:
        print()
        return None
    except UnicodeDecodeError:
        print("livectl: That was no text in this terminal's encoding.", file=sys.stderr)
        return ""


def _answered(options: Namespace, words: str) -> None:
    """Print the answer; say what went wrong and go on, unless the daemon has gone."""
    try:
        exchange(options, words)
    except KeyboardInterrupt:
        # The model goes on until it hears of the next turn; its words are no longer shown.
        print(" [cut off]")
    except LiveHandleError as error:
        if error.name == "daemon.unreachable":
            raise
        print(f"livectl: {error.message} [{error.name}]", file=sys.stderr)


def _piped() -> Iterator[str]:
    for line in standard_input():
        try:
            words = line.decode().strip()
        except UnicodeDecodeError as error:
            raise usage(f"Standard input is not UTF-8 text: {error.reason}.") from error
        if words:
            yield words


@contextmanager
def _history() -> Iterator[None]:
    """Give the lines of former conversations, and keep those of this one (for this user alone)."""
    import readline  # it takes over the terminal as soon as it is imported

    file = history_file()
    readline.set_history_length(_KEPT_LINES)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        readline.read_history_file(file)
    except OSError as error:
        print(f"livectl: No history is kept: {error.strerror}: {file}.", file=sys.stderr)
        yield
        return
    try:
        yield
    finally:
        readline.write_history_file(file)


def history_file() -> Path:
    """Return where the lines typed are kept."""
    from platformdirs import user_state_path

    return user_state_path("livehandle", appauthor=False) / "chat_history"
