"""Every method of the socket as a command: its arguments and its help come of the description."""

import base64
from argparse import Namespace
from collections.abc import Mapping
from shlex import quote
from textwrap import fill, indent

from livectl.assignments import as_json_value, value
from livectl.commands import ANSWER_S, open_connection, show
from livectl.description import Method, Param, as_word, dashed, methods
from livectl.options import seconds
from livectl.parser import WIDTH, Parser, Run, add_common
from livectl.results import as_json
from livectl.table import COMMANDS
from livectl.usage import read_bytes, read_text, usage
from livectl.views import VIEWS
from livehandle_proto.suggest import nearest

METHOD_OF = {
    "watch": "events",
    "status": "daemon.status",
    "fault": "daemon.fault",
    "faults": "daemon.faults",
}
"""The method behind a command of another name."""

_OF_ITS_CONNECTION: Mapping[str, str] = {
    "release": "claimed the role: Ctrl-C in its terminal releases it",
    "tools.respond": "registered the tool: see `livectl tools.register --exec`",
    "tools.unregister": "registered the tools: Ctrl-C in its terminal ends them",
    "extractors.respond": "registered the extractor, as a program may",
    "unsubscribe": "subscribed: Ctrl-C ends a livectl watch",
}
"""Methods that a command of its own cannot use, and what does the same."""

_METAVARS = {"string": "TEXT", "integer": "N", "boolean": "true|false"}

_EXEC = (
    "a shell command that carries the calls out: arguments as JSON on its input, the result as "
    "JSON or text on its output, $1 the function's name; failing, its output is the error"
)

_SHOWN_CHARS = 300


def method_command(name: str) -> tuple[Parser, Run]:
    """Return the parser and the code of the command that calls a method.

    Raises `client.usage` with the nearest command where there is no such method.
    """
    method = by_command().get(name)
    if method is None:
        raise _no_command(name)
    parser = Parser(f"livectl {name}", method.summary, more=lambda: method_help(name))
    add_common(parser)
    for param in method.params:
        _add(parser, param)
    if any(param.name == "timeout_ms" for param in method.params):
        parser.add_argument(
            "--timeout", type=seconds, metavar="SECONDS", help="the same, in seconds"
        )
    if method.name == "tools.register":
        parser.add_argument("--exec", metavar="COMMAND", help=_EXEC)
    return parser, lambda options: _run(method, options)


def by_command() -> dict[str, Method]:
    """Return the methods by the names of their commands."""
    return {method.command: method for method in methods().values()}


def all_commands() -> list[str]:
    """Return the name of every command there is."""
    return [*COMMANDS, *(name for name in by_command() if name not in COMMANDS)]


def method_names() -> str:
    """Return the methods that are commands of their own as lines of names."""
    names = " ".join(name for name in by_command() if name not in COMMANDS)
    return indent(fill(names, WIDTH - 2, break_on_hyphens=False), "  ")


def method_help(command: str) -> str:
    """Return what the description says of the method behind a command; nothing where none is."""
    method = by_command().get(METHOD_OF.get(command, command).replace("_", "-"))
    if method is None:
        return ""
    parts = [f"method: {method.signature}"]
    if method.name in _OF_ITS_CONNECTION:
        whose = f"Only from the connection that {_OF_ITS_CONNECTION[method.name]}."
        parts.insert(0, fill(whose, WIDTH))
    if method.params:
        parts[-1] += "\n" + indent(method.description, "  ")
    if method.errors:
        names = fill(" ".join(method.errors), WIDTH - 2, break_on_hyphens=False)
        parts.append(f"errors (`livectl help errors NAME` explains one):\n{indent(names, '  ')}")
    for given, result in method.examples[:1]:
        parts.append(f"example:\n  $ {example_line(method, given)}")
        if result is not None:
            parts[-1] += f"\n  {_cut(as_json(result))}"
    return "\n\n".join(parts)


def example_line(method: Method, given: Mapping[str, object]) -> str:
    """Return the command line that makes a call."""
    if method.command in COMMANDS:  # which takes something else
        pairs = [quote(_cut(f"{key}={as_word(value)}")) for key, value in given.items()]
        return " ".join(["livectl call", method.name, *pairs])
    words = ["livectl", method.command]
    for param in method.params:
        if param.name not in given:
            continue
        word = quote(_cut(as_word(given[param.name])))
        if param.required:
            words.append(word)
        elif given[param.name] is True and param.default is False:
            words.append(param.option)
        else:
            words += [param.option, word]
    return " ".join(words)


def _add(parser: Parser, param: Param) -> None:
    dest = f"param_{param.name}"
    if param.required:
        parser.add_argument(dest, metavar=dashed(param.name).upper(), help=param.words)
    elif param.kind == "boolean" and param.default is False:
        told = param.meaning or f"make {param.name} true; by default it is false"
        parser.add_argument(param.option, dest=dest, action="store_const", const="true", help=told)
    else:
        metavar = _METAVARS.get(param.kind, "JSON")
        parser.add_argument(param.option, dest=dest, metavar=metavar, help=param.words)


def _run(method: Method, options: Namespace) -> int:
    """Call the method and print its result."""
    given = params_of(method, options)
    # What takes nothing is answered at once; all else may wait for the session, or for its end.
    bound = None if method.params else ANSWER_S
    greets = method.name != "daemon.hello"
    with open_connection(options, answer_timeout=bound, greets=greets) as connection:
        result = connection.wait(connection.send(method.name, given))
        if _ends_with_its_connection(method, given):
            from livectl.held import hold

            _show(method, options, result)
            print(end="", flush=True)
            return hold(connection, options, given, result)
    return _show(method, options, result)


def _ends_with_its_connection(method: Method, given: Mapping[str, object]) -> bool:
    """Whether what a call sets up is there only as long as its connection."""
    if method.name == "extractors.register":
        return given.get("kind") == "client"
    return method.name in {"claim", "tools.register"}


def _show(method: Method, options: Namespace, result: object) -> int:
    """Print a result, for people in the method's own words where it has some."""
    if method.name in VIEWS and isinstance(result, dict) and not options.json:
        if told := VIEWS[method.name](result, options):
            print(told)
        return 0
    if result is None and method.result != {"type": "null"}:
        print("null")
        return 0
    return show(options, result)


def params_of(method: Method, options: Namespace) -> dict[str, object]:
    """Return the parameters that a command line gives. Raises `client.usage` for wrong ones."""
    words = {param: getattr(options, f"param_{param.name}", None) for param in method.params}
    encoded = method.description.startswith("Base64")
    given = {
        param.name: _bytes(word) if encoded else _value(param, word)
        for param, word in words.items()
        if word is not None
    }
    if getattr(options, "timeout", None) is not None:
        if "timeout_ms" in given:
            raise usage("--timeout and --timeout-ms are the same: give one of them.")
        given["timeout_ms"] = round(options.timeout * 1000)
    return given


def _value(param: Param, word: str) -> object:
    """Return the value that a word means. Raises `client.usage` where it cannot be one."""
    if param.kind == "string":
        return read_text() if word == "-" else word
    if param.kind == "boolean":
        if word not in {"true", "false"}:
            raise usage(f"{param.name} is true or false, not {word!r}.")
        return word == "true"
    if param.kind == "integer":
        try:
            return int(word)
        except ValueError:
            raise usage(f"{param.name} is a whole number, not {word!r}.") from None
    text = _text(word)
    if text != word and not text.strip():
        read = "Standard input" if word == "-" else word[1:]
        raise usage(f"{read} is empty, and {param.name} is JSON or text.")
    return value(text) if param.kind == "any" else as_json_value(text, param.name)


def _text(word: str) -> str:
    """Return what `-` reads, what `@file` holds, or the word itself."""
    if word == "-":
        return read_text()
    if not word.startswith("@"):
        return word
    try:
        return _file(word[1:]).decode()
    except UnicodeDecodeError as error:
        raise usage(f"{word[1:]} is not UTF-8 text: {error.reason}.") from error


def _bytes(word: str) -> str:
    """Return base64: of standard input, of a file, or as it was given."""
    if word != "-" and not word.startswith("@"):
        return word
    return base64.b64encode(read_bytes() if word == "-" else _file(word[1:])).decode()


def _file(name: str) -> bytes:
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - pathlib is not needed for one file
            return file.read()
    except OSError as error:
        raise usage(f"Cannot read {name}: {error.strerror}.") from error


def _no_command(name: str) -> Exception:
    known = all_commands()
    near = nearest(name, known)
    inside = [command for command in known if command.startswith(f"{name}.")]
    hint = "livectl --help lists the commands"
    if near:
        hint = f"did you mean {near}?"
    elif inside:
        hint = f"there are {', '.join(inside)}"
    return usage(f"There is no command {name!r}: {hint}")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
