"""The command line: what there is, and where each command's code is."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from livehandle_proto import __version__
from livehandle_proto.suggest import nearest

Run = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    """Exits 3 for wrong usage (protocol section 7), with the nearest command's name."""

    def error(self, message: str) -> NoReturn:
        if "invalid choice" in message:
            given = message.split("invalid choice: ")[1].split("'")[1]
            near = nearest(given, COMMANDS)
            hint = f"did you mean {near}?" if near else "livectl --help lists the commands."
            message = f"there is no command {given!r}: {hint}"
        self.exit(3, f"livectl: {message}\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line; `run` among them carries the command out."""
    parser = _Parser(
        prog="livectl",
        description="Talk to the session that livehandled holds.",
        epilog="Exit codes: 0 ok, 1 error from the daemon, 2 daemon not reachable, 3 usage, "
        "4 credentials, 5 the model's service, 6 timeout, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"livectl {__version__}")
    _common(parser, argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = next((a for a in arguments if a in COMMANDS), None)
    for name, (help_text, add_arguments, where) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text)
        if name == named or named is None:  # the other commands' arguments are not needed
            _common(command, argparse.SUPPRESS)
            add_arguments(command)
            command.set_defaults(run=_lazily(where))
    defaults = argparse.Namespace(socket=None, instance=None, json=False)
    return parser.parse_args(arguments, defaults)


def _common(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--socket", metavar="PATH", default=default, help="the daemon's socket")
    parser.add_argument("--instance", metavar="NAME", default=default, help="the daemon's name")
    parser.add_argument(
        "--json", action="store_true", default=default, help="print one JSON object a line"
    )


def _lazily(where: str) -> Run:
    """Return a command whose module is imported when it runs."""
    module, _, function = where.partition(":")

    def run(options: argparse.Namespace) -> int:
        code: int = getattr(import_module(module), function)(options)
        return code

    return run


def _no_arguments(_parser: argparse.ArgumentParser) -> None:
    """Take nothing beside what all commands take."""


def _send_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", help="the words, or - to read them")
    _follow(parser)


def _send_audio(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a WAV file of any rate, or - to read WAV or raw 16-bit mono PCM at 16 kHz",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="N",
        help="times real time; 0 for as fast as it goes (default 1)",
    )
    parser.add_argument(
        "--tail",
        type=_seconds,
        default=1.5,
        metavar="SECONDS",
        help="silence sent after the audio, so that its end is heard (default 1.5)",
    )
    _follow(parser)


def _send_video(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a JPEG picture, or - to read one")


def _events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "topics", nargs="*", metavar="TOPIC", help="topics or patterns such as live.*"
    )
    parser.add_argument("--since", metavar="CURSOR", help="first replay what came after it")
    parser.add_argument("--snapshot", action="store_true", help="begin with the state")


def _connect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        nargs="*",
        metavar="KEY=VALUE",
        help="configuration of this session, such as session.model=gemini-3.8-live",
    )


def _done(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="how long to wait")


def _call(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument(
        "params",
        nargs="*",
        metavar="PARAMS",
        help="key=value pairs, or one JSON object or array, or - to read it",
    )


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", metavar="FILE", help="where the reply is written as WAV")


def _follow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--follow", action="store_true", help="print the reply as it comes, until it ends"
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no length of time in seconds")
    return value


def _speed(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1000")
    return value


_Command = tuple[str, Callable[[argparse.ArgumentParser], None], str]

COMMANDS: dict[str, _Command] = {
    "send-text": ("Send a typed turn.", _send_text, "livectl.send:text"),
    "send-audio": ("Send speech in real time.", _send_audio, "livectl.send:audio"),
    "send-video": ("Send a picture.", _send_video, "livectl.send:video"),
    "events": ("Print what happens.", _events, "livectl.watch:events"),
    "subscribe": ("Print the raw session events.", _events, "livectl.watch:subscribe"),
    "phase": ("Print the session's phase.", _no_arguments, "livectl.commands:phase"),
    "session": ("Print what the session is.", _no_arguments, "livectl.commands:session"),
    "status": ("Print what the daemon is.", _no_arguments, "livectl.commands:status"),
    "telemetry": ("Print all counters.", _no_arguments, "livectl.commands:telemetry"),
    "connect": ("Open a session.", _connect, "livectl.commands:connect"),
    "disconnect": ("End the session.", _no_arguments, "livectl.commands:disconnect"),
    "done": ("Wait until the session has ended.", _done, "livectl.commands:done"),
    "call": ("Call any method.", _call, "livectl.commands:call"),
    "demo": ("Hear a conversation, without a key.", _demo, "livectl.demo:demo"),
}
"""Each command's help, its arguments, and `module:function` of its code."""
