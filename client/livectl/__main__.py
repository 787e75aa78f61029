"""The command `livectl`."""

import os
import sys
from collections.abc import Sequence

from livectl.arguments import parse
from livehandle_proto.errors import LiveHandleError

EXIT_DAEMON = 1
EXIT_UNREACHABLE = 2
EXIT_USAGE = 3
EXIT_AUTH = 4
EXIT_UPSTREAM = 5
EXIT_TIMEOUT = 6
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (protocol section 7)."""
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        code: int = options.run(options)
        sys.stdout.flush()
    except LiveHandleError as error:
        return _failed(error, as_json="--json" in (arguments or sys.argv[1:]))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. The interpreter must not try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def exit_code(error_name: str) -> int:
    """Return the exit code that an error's name stands for."""
    if error_name == "daemon.unreachable":
        return EXIT_UNREACHABLE
    if error_name in {"usage", "config.invalid"}:
        return EXIT_USAGE
    if error_name.startswith("auth."):
        return EXIT_AUTH
    if error_name.startswith("upstream."):
        return EXIT_UPSTREAM
    return EXIT_TIMEOUT if error_name == "session.timeout" else EXIT_DAEMON


def _failed(error: LiveHandleError, *, as_json: bool) -> int:
    if as_json:
        import json

        print(json.dumps({"error": error.to_json()}), file=sys.stderr)
    else:
        print(f"livectl: {error.message} [{error.name}]", file=sys.stderr)
    return exit_code(error.name)


if __name__ == "__main__":
    sys.exit(main())
