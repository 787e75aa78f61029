"""The command `livehandled`."""

import argparse
import faulthandler
import importlib.util
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import anyio

from livehandle_proto import __version__
from livehandle_proto.description import FILE
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import config_file, refuse_two_names, socket_path
from livehandled import log
from livehandled.config.loader import Loaded, load

# jsonrpcserver 5.0.9 reads its schema in a way that Python 3.11 and 3.12 warn of.
warnings.filterwarnings("ignore", category=DeprecationWarning, module="jsonrpcserver")

EXIT_FAILED = 1
EXIT_USAGE = 3
EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon; return its exit code."""
    options = _parser().parse_args(arguments)
    if options.openrpc:
        print(FILE.read_text(encoding="utf-8"), end="")
        return 0
    code = 0
    try:
        _run(options)
    except* LiveHandleError as errors:  # from within task groups, errors come as groups
        code = _told(errors)
    except* KeyboardInterrupt:  # before the daemon's own handler is there
        code = EXIT_INTERRUPTED
    return code


def _told(errors: BaseExceptionGroup[LiveHandleError]) -> int:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, LiveHandleError)
    print(f"livehandled: {error.message} [{error.name}]", file=sys.stderr)
    return EXIT_USAGE if error.name == "config.invalid" else EXIT_FAILED


def _run(options: argparse.Namespace) -> None:
    flags = dict(_assignment(text) for text in options.set)
    if options.model:
        flags["session.model"] = options.model
    if options.emulator:
        flags["session.backend"] = "emulator"
    if options.log_format:
        flags["log.format"] = options.log_format
    configuration = Path(config_file(options.config, os.environ))
    named = bool(options.config or os.environ.get("LIVEHANDLE_CONFIG"))
    read = partial(_loaded, configuration if named else None, flags)
    loaded = read()
    if options.check:
        print(f"{configuration} is in order.")
        return
    refuse_two_names(options.socket, options.instance, os.environ)
    path = socket_path(options.socket, options.instance, os.environ)
    log.install(loaded.config.log, os.environ, clock=time.monotonic)
    sys.excepthook = log.crashed
    threading.excepthook = _thread_failed
    # Where it stands is told if a watchdog aborts it, or a library crashes it.
    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)
    # Its import takes most of the start: what can be refused is refused before.
    from livehandled.service import Service, run

    uvloop = importlib.util.find_spec("uvloop") is not None
    anyio.run(
        run,
        Service(loaded, read, configuration, path, os.environ),
        backend_options={"use_uvloop": uvloop},
    )


def _loaded(file: Path | None, flags: Mapping[str, str]) -> Loaded:
    """Return the configuration. Raises `config.invalid`, also for what only a session looks at."""
    loaded = load(file, os.environ, flags)
    if table := loaded.config.extraction.extractors:
        from livehandled.extraction.extractor import check_table

        check_table(table)
    return loaded


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    """Log what ends a thread, in the place of `threading.excepthook`."""
    name = "that has gone" if failure.thread is None else failure.thread.name
    logging.getLogger(log.__name__).error("thread %s failed", name, exc_info=failure.exc_value)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="livehandled",
        description="Hold a Gemini Live session and share it over a Unix socket.",
    )
    parser.add_argument("--socket", metavar="PATH", help="where to listen")
    parser.add_argument("--instance", metavar="NAME", help="listen where this instance does")
    parser.add_argument("--config", metavar="FILE", help="the configuration file")
    parser.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        help="a value of the configuration; may be repeated",
    )
    parser.add_argument("--model", metavar="ID", help="the same as --set session.model=ID")
    parser.add_argument(
        "--emulator",
        action="store_true",
        help="converse with the built-in emulator, without a key or a network",
    )
    parser.add_argument(
        "--check", action="store_true", help="say whether the configuration is right, and exit"
    )
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        help="the same as --set log.format=FORMAT",
    )
    parser.add_argument(
        "--openrpc", action="store_true", help="print the control socket's OpenRPC document"
    )
    parser.add_argument("--version", action="version", version=f"livehandled {__version__}")
    return parser


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise LiveHandleError(
            "config.invalid", f"--set takes SECTION.KEY=VALUE, and {text!r} has no `=`."
        )
    return key, value


if __name__ == "__main__":
    sys.exit(main())
