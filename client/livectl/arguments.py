"""The command line: what there is, and where each command's code is."""

import argparse
import re
from collections.abc import Callable, Sequence
from importlib import import_module

from livectl.usage import usage
from livehandle_proto import __version__
from livehandle_proto.command_words import options_first
from livehandle_proto.suggest import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself would be a tenth of the start
    from typing import NoReturn

Run = Callable[[argparse.Namespace], int]

WITH_VALUE = {
    "--socket", "--instance", "--since", "--speed", "--tail", "--timeout", "--output",
    # of `fault`
    "--at", "--when", "--skip", "--times", "--connection", "--after-ms", "--code", "--reason",
    "--time-left-ms", "--for-ms", "--pings", "--status", "--body", "--bytes-per-s", "--bytes",
    "--by-ms",
}  # fmt: skip
"""The options that take the next word, of whatever command."""

_WIDTH = 88  # of the help; to ask the terminal would import what no command needs


class _Parser(argparse.ArgumentParser):
    """Raises `client.usage` for wrong usage, with the nearest option to one there is not."""

    def __init__(self, prog: str, usage: str | None, description: str) -> None:
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            formatter_class=_help_formatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> "NoReturn":
        message = message.replace("arguments: -- ", "arguments: ")  # that one is ours
        hint = f"see {self.prog} --help"
        unknown = re.search(r"unrecognized arguments: (--[^\s=]+)", message)
        if unknown:
            near = nearest(unknown[1], re.findall(r"--[a-z-]+", self.format_help()))
            message = f"there is no option {unknown[1]} here"
            hint = f"did you mean {near}?" if near else hint
        raise usage(f"{message[0].upper()}{message[1:]}: {hint}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line; `run` among them carries the command out.

    Raises `client.usage` where they are none. Prints and exits 0 for `--help` and `--version`.
    """
    before, rest = _at_command(arguments)
    options = argparse.Namespace(socket=None, instance=None, json=False)
    parser = _top()
    parser.parse_args(before, options)
    if not rest:
        parser.error("no command is given")
    name = rest[0]
    if name not in COMMANDS:
        near = nearest(name, COMMANDS)
        hint = f"did you mean {near}?" if near else "livectl --help lists the commands"
        raise usage(f"There is no command {name!r}: {hint}")
    # Only the command that is named gets a parser: all of them would be a sixth of the start.
    help_text, add_arguments, where = COMMANDS[name]
    command = _Parser(f"livectl {name}", None, help_text)
    _common(command)
    add_arguments(command)
    command.parse_args(options_first(rest[1:], WITH_VALUE), options)
    options.run = _lazily(where)
    return options


def _at_command(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the options before the command, and the rest from the command on."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 2 if arguments[at] in WITH_VALUE else 1
    return arguments[:at], arguments[at:]


def _top() -> _Parser:
    parser = _Parser(
        "livectl", "livectl [OPTION ...] COMMAND ...", "Talk to the session that livehandled holds."
    )
    parser.add_argument("--version", action="version", version=f"livectl {__version__}")
    _common(parser)
    listed = "\n".join(f"  {name:<12} {command[0]}" for name, command in COMMANDS.items())
    parser.epilog = f"""commands:
{listed}

`livectl COMMAND --help` says what a command takes. Options may stand before or after it.
Exit codes: 0 ok, 1 error from the daemon, 2 daemon not reachable, 3 usage, 4 credentials,
5 the model's service, 6 timeout, 130 interrupted."""
    return parser


def _help_formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=_WIDTH)


def _common(parser: argparse.ArgumentParser) -> None:
    # No default here: what stands before the command must survive the command's own parser.
    silent = argparse.SUPPRESS
    parser.add_argument("--socket", metavar="PATH", default=silent, help="the daemon's socket")
    parser.add_argument("--instance", metavar="NAME", default=silent, help="the daemon's name")
    parser.add_argument(
        "--json", action="store_true", default=silent, help="print one JSON object a line"
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
        help="times real time; 0 for as fast as it comes (default 1)",
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


def _fault(parser: argparse.ArgumentParser) -> None:
    from livehandle_proto.fault_options import add_options  # no other command needs msgspec

    add_options(parser)


def _faults(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clear", action="store_true", help="end every fault first")


def _follow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--follow", action="store_true", help="print the reply as it comes, until it ends"
    )


def _seconds(text: str) -> float:
    return _number(text, 1e6, "a length of time in seconds")


def _speed(text: str) -> float:
    return _number(text, 1000, "a number from 0 to 1000")


def _number(text: str, most: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
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
    "fault": ("Let the built-in emulator fail.", _fault, "livectl.faults:fault"),
    "faults": ("Print the faults that wait.", _faults, "livectl.faults:faults"),
    "demo": ("Hear a conversation, without a key.", _demo, "livectl.demo:demo"),
}
"""Each command's help, its arguments, and `module:function` of its code."""
