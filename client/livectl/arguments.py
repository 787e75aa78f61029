"""The command line: from its words to options and the code that carries them out."""

import argparse
import re
from collections.abc import Callable, Sequence
from importlib import import_module

from livectl.table import COMMANDS, PARTS
from livectl.usage import usage
from livehandle_proto import __version__
from livehandle_proto.command_words import options_first
from livehandle_proto.suggest import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself would be a tenth of the start
    from typing import Any, NoReturn

Run = Callable[[argparse.Namespace], int]

WIDTH = 88
"""Of the help, in columns; to ask the terminal would import what no command needs."""


class Parser(argparse.ArgumentParser):
    """Raises `client.usage` for wrong usage, with the nearest option to one there is not.

    `more` is asked for what stands below the arguments in the help.
    """

    def __init__(
        self,
        prog: str,
        description: str,
        *,
        usage: str | None = None,
        more: Callable[[], str] | None = None,
    ) -> None:
        self.arguments: list[argparse.Action] = []
        """What it takes, in order; argparse itself tells nobody."""
        self._more = more
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            formatter_class=_help_formatter,
            allow_abbrev=False,
        )

    @property
    def options(self) -> list[str]:
        """Every option's name."""
        return [action.option_strings[-1] for action in self.arguments if action.option_strings]

    @property
    def with_value(self) -> set[str]:
        """The options that take the next word."""
        takes = [one for one in self.arguments if one.option_strings and one.nargs != 0]
        return {action.option_strings[-1] for action in takes}

    def add_argument(self, *names: str, **given: "Any") -> argparse.Action:
        """Add an argument, and keep it."""
        action = super().add_argument(*names, **given)
        self.arguments.append(action)
        return action

    def format_help(self) -> str:
        """Return the help, with what is to be said only in it."""
        if self._more is not None:
            self.epilog = "\n\n".join(filter(None, (self.epilog, self._more())))
        self._more = None
        return super().format_help()

    def error(self, message: str) -> "NoReturn":
        """Raise `client.usage` for what argparse has to say."""
        message = message.replace("arguments: -- ", "arguments: ")  # that one is ours
        hint = f"see {self.prog} --help"
        unknown = re.search(r"unrecognized arguments: (--[^\s=]+)", message)
        if unknown:
            near = nearest(unknown[1], self.options)
            message = f"there is no option {unknown[1]} here"
            hint = f"did you mean {near}?" if near else hint
        choice = re.search(r"(argument .*): invalid choice: '(.*)' \(choose from (.*)\)", message)
        if choice:
            known = re.findall(r"[\w.-]+", choice[3])
            near = nearest(choice[2], known)
            message = f"{choice[1]} is {', '.join(known)}, not {choice[2]!r}"
            hint = f"did you mean {near}?" if near else hint
        raise usage(f"{message[0].upper()}{message[1:]}: {hint}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line; `run` among them carries the command out.

    Raises `client.usage` where they are none. Prints and exits 0 for `--help` and `--version`.
    """
    before, rest = _at_command(arguments)
    options = argparse.Namespace(socket=None, instance=None, json=False, quiet=False)
    parser = top_parser()
    parser.parse_args(before, options)
    if not rest:
        parser.error("no command is given")
    # Only the command that is named gets a parser: all of them would be a sixth of the start.
    command, options.run = parser_of(rest[0])
    command.parse_args(options_first(rest[1:], command.with_value), options)
    return options


def parser_of(name: str) -> tuple[Parser, Run]:
    """Return a command's parser and its code. Raises `client.usage` where there is none."""
    if name not in COMMANDS:
        from livectl.methods import method_command

        return method_command(name)
    command = COMMANDS[name]
    parser = Parser(f"livectl {name}", command.meaning, more=lambda: _described(name))
    add_common(parser)
    if command.add_options is not None:
        _imported(command.add_options)(parser)
    return parser, lambda options: _imported(command.run)(options)


def top_parser() -> Parser:
    """Return the parser of what stands before the command."""
    parser = Parser(
        "livectl",
        "Talk to the session that livehandled holds.",
        usage="livectl [OPTION ...] COMMAND ...",
        more=_commands,
    )
    parser.add_argument("--version", action="version", version=f"livectl {__version__}")
    add_common(parser)
    return parser


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes."""
    # No default here: what stands before the command must survive the command's own parser.
    silent = argparse.SUPPRESS
    parser.add_argument("--socket", metavar="PATH", default=silent, help="the daemon's socket")
    parser.add_argument("--instance", metavar="NAME", default=silent, help="the daemon's name")
    parser.add_argument(
        "--json", action="store_true", default=silent, help="print one JSON object a line"
    )
    parser.add_argument(
        "--quiet", action="store_true", default=silent, help="print data and errors alone, no notes"
    )


def _at_command(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the options before the command, and the rest from the command on."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 2 if arguments[at] in {"--socket", "--instance"} else 1
    return arguments[:at], arguments[at:]


def _commands() -> str:
    from textwrap import fill

    from livectl.exits import EXIT_CODES
    from livectl.methods import method_names

    listed = "\n\n".join(
        f"commands {part}:\n"
        + "\n".join(f"  {name:<12} {COMMANDS[name].meaning}" for name in names)
        for part, names in PARTS.items()
    )
    codes = ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    return f"""{listed}

commands that are methods of the socket (`livectl help methods` says what each does):
{method_names()}

`livectl COMMAND --help` says what a command takes. Options may stand before or after it.
{fill(f"Exit codes: {codes}.", WIDTH)}"""


def _described(name: str) -> str:
    """Return what the description says of the method that a command is for."""
    from livectl.methods import method_help

    return method_help(name)


def _help_formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=WIDTH)


def _imported(where: str) -> "Callable[[Any], Any]":
    """Return a function whose module is imported when it is needed."""
    module, _, function = where.partition(":")
    found: Callable[[Any], Any] = getattr(import_module(module), function)
    return found
