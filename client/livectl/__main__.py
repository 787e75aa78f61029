"""The command `livectl`."""

import io
import json
import os
import sys
from collections.abc import Sequence

from livectl.arguments import EXIT_USAGE, parse
from livehandle_proto.errors import LiveHandleError

EXIT_DAEMON = 1
EXIT_UNREACHABLE = 2
EXIT_AUTH = 4
EXIT_UPSTREAM = 5
EXIT_TIMEOUT = 6
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (protocol section 7)."""
    given = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a letter is no reason to stop.
        sys.stdout.reconfigure(errors="replace")
    try:
        options = parse(given)
        code: int = options.run(options)
        sys.stdout.flush()
    except LiveHandleError as error:
        return _failed(error, as_json="--json" in given)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. The interpreter must not try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def exit_code(error_name: str) -> int:
    """Return the exit code that an error's name stands for."""
    area = error_name.partition(".")[0]
    by_name = {
        "usage": EXIT_USAGE,
        "daemon.unreachable": EXIT_UNREACHABLE,
        "session.timeout": EXIT_TIMEOUT,
    }
    by_area = {"auth": EXIT_AUTH, "upstream": EXIT_UPSTREAM}
    return by_name.get(error_name) or by_area.get(area, EXIT_DAEMON)


def _failed(error: LiveHandleError, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": error.to_json()}), file=sys.stderr)
    else:
        print(f"livectl: {error.message} [{error.name}]", file=sys.stderr)
    return exit_code(error.name)


if __name__ == "__main__":
    sys.exit(main())
