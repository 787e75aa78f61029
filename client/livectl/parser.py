"""The parser of a command: what it takes, its help, and what it says to wrong usage."""

import argparse
import re
from collections.abc import Callable

from livectl.usage import usage
from livehandle_proto.suggest import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself would be a tenth of the start
    from typing import Any, NoReturn

Run = Callable[[argparse.Namespace], int]

_COMMON = {"--help", "--socket", "--instance", "--json", "--quiet"}

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
        missing = re.fullmatch(r"the following arguments are required: (.*)", message)
        if missing:
            message = f"{missing[1]} {'are' if ',' in missing[1] else 'is'} missing"
        own = [one for one in self.options if one not in _COMMON]
        extra = re.fullmatch(r"unrecognized arguments: (.*)", message)
        if extra and own and all(one.option_strings for one in self.arguments):
            message = f"there is no place for {extra[1]!r}"
            hint = f"it takes {', '.join(own)}"
        raise usage(f"{message[0].upper()}{message[1:]}: {hint}")


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


def _help_formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=WIDTH)
