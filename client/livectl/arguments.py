"""The command line: from its words to options and the code that carries them out."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module

from livectl.parser import WIDTH, Parser, Run, add_common
from livectl.table import COMMANDS, PARTS
from livehandle_proto import __version__
from livehandle_proto.command_words import options_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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
    options.client = f"livectl {rest[0]}"
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


def _imported(where: str) -> "Callable[[Any], Any]":
    """Return a function whose module is imported when it is needed."""
    module, _, function = where.partition(":")
    found: Callable[[Any], Any] = getattr(import_module(module), function)
    return found
