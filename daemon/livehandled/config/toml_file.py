"""A TOML file with the line of everything in it.

`tomllib` says where the syntax is broken but not where a value stood. A TOML document is a
row of statements (a header, or a key with its value), each of which is a document by itself
and none of whose beginnings is one, so the lines are found by reading it statement by statement.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from livehandle_proto.errors import LiveHandleError

_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class TomlFile(NamedTuple):
    """What a file says, and where."""

    tree: Mapping[str, object]
    lines: Mapping[tuple[str, ...], int]
    """The line, from 1, on which a path into the tree is first set."""


def read(path: Path) -> TomlFile:
    """Read a TOML file.

    Raises `config.invalid` if it cannot be read or is not TOML, and FileNotFoundError.
    """
    try:
        if path.is_fifo():  # it would keep us waiting
            raise _refused(path, None, "it is a named pipe", "a plain file")
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _refused(path, None, f"it cannot be read ({reason})", "a readable file") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _refused(path, line, "it is not UTF-8 text", "UTF-8 text") from error
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.search(str(error))
        reason = _POSITION.sub("", str(error))
        line = int(found[1]) if found and found[1] else text.rstrip().count("\n") + 1
        raise _refused(path, line, f"it is not TOML ({reason})", "TOML") from error
    return TomlFile(tree, _lines(text))


def _refused(path: Path, line: int | None, reason: str, expected: str) -> LiveHandleError:
    where = f"{path} line {line}" if line else str(path)
    return LiveHandleError(
        "config.invalid",
        f"Correct the configuration file {where}: {reason}.",
        file=str(path),
        line=line,
        expected=expected,
    )


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the first line of every path in a text that is known to be TOML."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    statement, first = "", 1
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        statement += line + "\n"
        try:
            tree = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # a string or an array goes on in the next line
        paths = list(_paths(tree, ()))
        if statement.lstrip().startswith("["):
            table = max(paths, key=len)
        else:
            paths = [table + path for path in paths]
        for path in paths:
            lines.setdefault(path, first)
        statement, first = "", number + 1
    return lines


def _paths(tree: object, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(tree, list) and len(tree) == 1:
        tree = tree[0]  # `[[name]]`: what follows it is inside
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield (*at, name)
            yield from _paths(inner, (*at, name))
