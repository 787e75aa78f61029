"""`man`: the manual pages, made of the command table, the description and the catalogue."""

import argparse
from collections.abc import Callable, Mapping

from livectl.arguments import parser_of, top_parser
from livectl.description import dashed, methods
from livectl.exits import EXIT_CODES
from livectl.help import roff
from livectl.help.command import DAEMON_ENVIRONMENT, ENVIRONMENT
from livectl.methods import by_command, example_line
from livectl.parser import Parser
from livectl.table import COMMANDS, PARTS
from livectl.usage import usage
from livehandle_proto import __version__
from livehandle_proto.errors import ERRORS
from livehandle_proto.remedies import REMEDIES
from livehandle_proto.suggest import nearest

_COMMON = {"--help", "--socket", "--instance", "--json", "--quiet", "--version"}

_DAEMON_OPTIONS: Mapping[str, str] = {
    "--socket PATH": "Where to listen.",
    "--instance NAME": "Listen where this instance does; by default `default`.",
    "--config FILE": "The configuration file, by default `~/.config/livehandle/config.toml`.",
    "--set SECTION.KEY=VALUE": "A value of the configuration; may be repeated.",
    "--model ID": "The same as `--set session.model=ID`.",
    "--emulator": "Converse with the built-in emulator, without a key or a network.",
    "--check": "Say whether the configuration is right, and end.",
    "--log-format FORMAT": "The same as `--set log.format=FORMAT`: text or json.",
    "--openrpc": "Print the description of the socket as an OpenRPC document, and end.",
    "--version": "Print the version, and end.",
}

_FILES: Mapping[str, str] = {
    "$XDG_RUNTIME_DIR/livehandle/default.sock": "The socket of the instance `default`.",
    "~/.config/livehandle/config.toml": "The daemon's configuration.",
    "~/.local/state/livehandle/": "What a restart goes on from, and the history of `chat`.",
}


def man(options: argparse.Namespace) -> int:
    """Print a page. Raises `client.usage` where there is no such."""
    page = PAGES.get(options.page)
    if page is None:
        near = nearest(options.page, PAGES)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(PAGES)}"
        raise usage(f"There is no page {options.page!r}: {hint}")
    print(page(), end="")
    return 0


def _livectl() -> str:
    commands = "".join(
        roff.part(f"Commands {part}") + "".join(_command(name) for name in names)
        for part, names in PARTS.items()
    )
    own = [name for name in by_command() if name not in COMMANDS]
    return roff.page(
        [
            roff.title("livectl", 1, __version__, "talk to the session that livehandled holds"),
            roff.heading("synopsis"),
            roff.paragraph("`livectl` [OPTION ...] COMMAND [ARGUMENT ...]"),
            roff.heading("description"),
            roff.paragraph(
                "Each command is one conversation with the daemon at its socket. Data goes to "
                "standard output, notes and errors to standard error. Options may stand before or "
                "after the command."
            ),
            roff.heading("options"),
            roff.items(_arguments(top_parser())),
            roff.heading("commands"),
            commands,
            roff.heading("methods"),
            roff.paragraph(
                "Every method of the socket is a command. What it needs stands in order, the rest "
                "are options. Where JSON is taken, `-` reads it from standard input and `@FILE` "
                "from a file; so do they bytes that travel as base64."
            ),
            *(_command(name) for name in own),
            roff.heading("exit status"),
            roff.items((str(code), meaning) for code, meaning in EXIT_CODES.items()),
            roff.heading("environment"),
            roff.items(ENVIRONMENT.items()),
            roff.heading("files"),
            roff.items(_FILES.items()),
            roff.heading("examples"),
            roff.literal(
                'livectl ask "What time is it?"\n'
                "livectl watch live.* --since 8f82b6cc:52\n"
                "livectl state.set app:theme dark\n"
                "livectl wait phase active --timeout 10 && livectl send-audio hello.wav --follow"
            ),
            _see_also("livehandled(8)", "livehandle-errors(7)"),
        ]
    )


def _livehandled() -> str:
    return roff.page(
        [
            roff.title("livehandled", 8, __version__, "hold a Gemini Live session"),
            roff.heading("synopsis"),
            roff.paragraph("`livehandled` [OPTION ...]"),
            roff.heading("description"),
            roff.paragraph(
                "The daemon holds one session with a model that speaks, and shares it with every "
                "client of its Unix socket: one JSON-RPC 2.0 message a line. It stays in the "
                "foreground, logs to standard error, and ends at SIGTERM, SIGINT or the method "
                "`daemon.shutdown`. One daemon holds a socket at a time."
            ),
            roff.paragraph(
                "`livectl service install` has systemd keep it, for a user or for the machine: a "
                "socket that systemd listens on is taken over, systemd is told of readiness, "
                "status and reloads, and its watchdog is fed while the session's tasks run."
            ),
            roff.heading("options"),
            roff.items(_DAEMON_OPTIONS.items()),
            roff.heading("configuration"),
            roff.paragraph(
                "Options go before the environment, the environment before the file, the file "
                "before the defaults. `livectl session.config` shows every value and where it "
                "comes from."
            ),
            roff.heading("exit status"),
            roff.items(
                [
                    ("0", "It was asked to end."),
                    ("1", "It could not start, or failed."),
                    ("3", "The command line is wrong."),
                    ("130", "It was interrupted before it had started."),
                ]
            ),
            roff.heading("environment"),
            roff.items({**DAEMON_ENVIRONMENT, **_SHARED}.items()),
            roff.heading("files"),
            roff.items(_FILES.items()),
            _see_also("livectl(1)", "livehandle-errors(7)"),
        ]
    )


_SHARED = {name: ENVIRONMENT[name] for name in ("LIVEHANDLE_SOCKET", "LIVEHANDLE_INSTANCE")}


def _errors() -> str:
    pages = "".join(
        roff.part(name)
        + roff.paragraph(
            f"{kind.meaning} Code {kind.code}; "
            + ("the same request may succeed later." if kind.retryable else "not to be repeated.")
        )
        + roff.paragraph(REMEDIES[name].cause)
        + roff.paragraph(REMEDIES[name].action)
        for name, kind in ERRORS.items()
    )
    return roff.page(
        [
            roff.title("livehandle-errors", 7, __version__, "errors of the control socket"),
            roff.heading("description"),
            roff.paragraph(
                "An error of the socket carries its name in `data.name`. The name is the contract; "
                "the code groups it with others, and the message says what to do in the one case. "
                "Of each error there follow its meaning, what causes it, and what to do."
            ),
            roff.heading("errors"),
            pages,
            _see_also("livectl(1)", "livehandled(8)"),
        ]
    )


def _command(name: str) -> str:
    parser = parser_of(name)[0]
    method = methods().get(name.replace("-", "_"))
    words = [_usage(argument) for argument in parser.arguments if not argument.option_strings]
    told = roff.items([(" ".join([name, *words]), str(parser.description))])
    own = [row for row in _arguments(parser) if row[0].split()[0] not in _COMMON]
    if own:
        told += ".RS\n" + roff.items(own) + ".RE\n"
    if parser.epilog:
        told += ".RS\n" + roff.literal(parser.epilog) + ".RE\n"
    if method is not None and name not in COMMANDS and method.params and method.examples:
        told += ".RS\n" + roff.literal(example_line(method, method.examples[0][0])) + ".RE\n"
    return told


def _arguments(parser: Parser) -> list[tuple[str, str]]:
    return [
        (_usage(one), str(one.help)) for one in parser.arguments if "-h" not in one.option_strings
    ]


def _usage(argument: argparse.Action) -> str:
    """Return an argument as it is written: `--since CURSOR`, `TOPIC ...`."""
    metavar = str(argument.metavar or dashed(argument.dest).upper())
    if argument.option_strings:
        return " ".join([argument.option_strings[-1], *([] if argument.nargs == 0 else [metavar])])
    more = {"*": f"[{metavar} ...]", "+": f"{metavar} ...", "?": f"[{metavar}]"}
    return more.get(str(argument.nargs), metavar)


def _see_also(*pages: str) -> str:
    return roff.heading("see also") + roff.paragraph(", ".join(f"`{page}`" for page in pages))


PAGES: Mapping[str, Callable[[], str]] = {
    "livectl": _livectl,
    "livehandled": _livehandled,
    "livehandle-errors": _errors,
}
"""The text of each page."""
