"""`state`: the shared state, shown, taken out to a file, put back, or forgotten."""

import json
import os
import sys
import time
from argparse import Namespace

from livectl.commands import ANSWER_S, open_connection, show
from livectl.results import as_json
from livectl.usage import read_bytes, usage
from livehandle.connection import Connection
from livehandle_proto.errors import LiveHandleError

VERSION = 1
"""Of the form of an exported file."""

_LARGEST_LINE = 2**30
_MASKED = "[redacted]"
"""Stands where the daemon's configuration hides a value."""

_OF_THE_DAEMON = ("session:", "turn:", "derived:")
"""Prefixes of keys that the daemon writes itself: they are exported, and not put back."""


def state(options: Namespace) -> int:
    """Do what is asked for; without that, print the state."""
    if options.what in {None, "forget"} and options.file is not None:
        raise usage(f"state {options.what or ''} takes no file".replace("  ", " "))
    if options.what == "import":
        return _import(options)
    with open_connection(options, answer_timeout=ANSWER_S) as connection:
        connection.call("daemon.hello", max_line_bytes=_LARGEST_LINE)
        if options.what == "export":
            return _export(options, connection.call("state"))
        return show(options, connection.call("state.forget" if options.what else "state"))


def _export(options: Namespace, told: object) -> int:
    exported = {
        "livehandle_state": VERSION,
        "exported_ms": time.time_ns() // 1_000_000,
        "state": told,
    }
    text = json.dumps(exported, ensure_ascii=False, indent=1) + "\n"
    if options.file in {None, "-"}:
        print(text, end="")
        return 0
    try:
        _write(options.file, text)
    except OSError as error:
        raise usage(f"Cannot write {options.file}: {error.strerror}.") from error
    if not options.quiet:
        print(f"{options.file} has {len(told) if isinstance(told, dict) else 0} keys.")
    return 0


def _write(name: str, text: str) -> None:
    """Write a file, whole or not at all, for its owner alone: it holds what people said."""
    temporary = f"{name}.new"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(file, "w", encoding="utf-8") as writer:  # noqa: PTH123 - it is open
        os.fchmod(file, 0o600)
        writer.write(text)
    os.replace(temporary, name)  # noqa: PTH105 - as above


def _import(options: Namespace) -> int:
    values = {
        key: value
        for key, value in _read(options.file).items()
        if not key.startswith(_OF_THE_DAEMON) and value != _MASKED
    }
    with open_connection(options, answer_timeout=ANSWER_S) as connection:
        _put(connection, values)
    if options.json:
        print(as_json({"imported": len(values)}))
    elif not options.quiet:
        print(f"{len(values)} keys are put back.")
    return 0


def _read(name: str | None) -> dict[str, object]:
    """Return the state that a file holds. Raises `client.usage` for what is no such file."""
    if name is None:
        raise usage("Give the file that livectl state export has written, or - to read it.")
    try:
        if name == "-":
            data = read_bytes()
        else:
            with open(name, "rb") as file:  # noqa: PTH123
                data = file.read()
        told = json.loads(data)
    except OSError as error:
        raise usage(f"Cannot read {name}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise usage(f"{name} is no file of livectl state export: it is no JSON.") from error
    version = told.get("livehandle_state") if isinstance(told, dict) else None
    if version is None or not isinstance(told.get("state"), dict):
        raise usage(f"{name} is no file of livectl state export.")
    if version != VERSION:
        raise usage(f"{name} is of version {version}, and this livectl reads {VERSION}: update it.")
    found: dict[str, object] = told["state"]
    return found


def _put(connection: Connection, values: dict[str, object]) -> None:
    for done, (key, value) in enumerate(values.items()):
        try:
            connection.call("state.set", key=key, value=value)
        except LiveHandleError:
            if done:
                print(f"livectl: {done} of {len(values)} keys are put back", file=sys.stderr)
            raise
