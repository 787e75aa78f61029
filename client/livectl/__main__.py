"""The command `livectl`."""

import io
import os
import sys
from collections.abc import Sequence
from itertools import takewhile

from livectl.exits import EXIT_DAEMON, EXIT_INTERRUPTED, exit_code
from livehandle_proto.errors import LiveHandleError

_FOR_A_TERMINAL = {
    "call connect": "run livectl connect",
    "claim it with force": "take it with livectl talk --force",
    "the catalogue lists": "livectl help methods lists",
}
"""What the daemon tells any client to do, and how it is done on a command line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (protocol section 7)."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(given)
    except LiveHandleError as error:
        return _failed(error, as_json="--json" in takewhile("--".__ne__, given))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OSError as error:  # what else touches files or sockets has its own words for it
        return _unwritable(error)


def _run(given: Sequence[str]) -> int:
    from livectl.arguments import parse  # here, so that Ctrl-C is heeded while it is imported

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a letter is no reason to stop.
        sys.stdout.reconfigure(errors="replace")
    options = parse(given)
    code: int = options.run(options)
    print(end="", flush=True)
    return code


def _failed(error: LiveHandleError, *, as_json: bool) -> int:
    if as_json:
        import json

        print(json.dumps({"error": error.to_json()}), file=sys.stderr)
    else:
        message = error.message
        for of_the_socket, of_ours in _FOR_A_TERMINAL.items():
            message = message.replace(of_the_socket, of_ours)
        print(f"livectl: {message} [{error.name}]", file=sys.stderr)
    return exit_code(error.name)


def _unwritable(error: OSError) -> int:
    # The interpreter must not try again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 0  # whoever read our output has seen enough
    print(f"livectl: Reading or writing failed: {error.strerror}.", file=sys.stderr)
    return EXIT_DAEMON


if __name__ == "__main__":
    sys.exit(main())
