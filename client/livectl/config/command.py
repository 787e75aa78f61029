"""`config`: the daemon's configuration, seen, checked and edited."""

import os
import shlex
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livectl.commands import ANSWER_S, open_connection
from livectl.results import as_json, table
from livectl.usage import usage
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import config_file
from livehandle_proto.suggest import nearest

_NEW = """# The configuration of livehandled. `livectl config show` lists all keys and their values.
# [session]
# model = "gemini-3.8-live"
"""
_MOMENTS = {"applied": "at once", "at_connect": "next session", "at_restart": "next start"}


def run(options: Namespace) -> int:
    """Do what is asked for; return the exit code."""
    return _WHAT[options.what](options)


def _show(options: Namespace) -> int:
    with open_connection(options, answer_timeout=ANSWER_S) as connection:
        told = connection.call("session.config")
    found = _named(_entries(told), options.name)
    if options.json:
        print(as_json({name: dict(entry) for name, entry in found.items()}))
        return 0
    width = max(map(len, found))
    values = {name: as_json(entry.get("value")) for name, entry in found.items()}
    widest = max(map(len, values.values()))
    for name, entry in found.items():
        print(f"{name:<{width}}  {values[name]:<{min(widest, 32)}}  {entry.get('source')}")
    return 0


def _entries(told: object) -> dict[str, Mapping[str, object]]:
    """Return the values and sources by the whole names of their keys."""
    tree = told if isinstance(told, dict) else {}
    return {
        f"{section}.{key}": entry
        for section, keys in tree.items()
        for key, entry in (keys.items() if isinstance(keys, dict) else ())
        if isinstance(entry, dict)
    }


def _named(
    entries: Mapping[str, Mapping[str, object]], name: str | None
) -> Mapping[str, Mapping[str, object]]:
    """Return those of a section, or one; all without a name. Raises `client.usage`."""
    if name is None:
        return entries
    found = {key: one for key, one in entries.items() if key == name or key.startswith(f"{name}.")}
    if not found:
        near = nearest(name, [*entries, *{key.partition(".")[0] for key in entries}])
        hint = f"did you mean {near}?" if near else "livectl config show lists all"
        raise usage(f"There is no section or key {name!r}: {hint}")
    return found


def _path(options: Namespace) -> int:
    path = _file(options)
    print(as_json({"path": str(path), "exists": path.exists()}) if options.json else path)
    return 0


def _check(options: Namespace) -> int:
    path = _file(options)
    wrong = _wrong(path)
    if wrong is not None:
        raise wrong
    if options.json:
        print(as_json({"path": str(path), "ok": True}))
    elif not options.quiet:
        print(f"{path} is in order.")
    return 0


def _edit(options: Namespace) -> int:
    path = _file(options).resolve()  # the file itself, and not a link to it
    draft = path.with_name(f"{path.name}.edit")
    before = _begun(path, draft)
    while True:
        _open_editor(draft)
        wrong = _wrong(draft)
        if wrong is None:
            break
        print(f"livectl: {wrong.message}", file=sys.stderr)
        if not _again():
            raise LiveHandleError("config.invalid", f"{path} is as it was: your draft is {draft}.")
    if draft.read_text() == before:
        draft.unlink()
        _note(options, "Nothing has changed.")
        return 0
    draft.replace(path)
    _note(options, f"{path} is saved.")
    return _reload(options)


def _begun(path: Path, draft: Path) -> str:
    """Write the draft of a file; return what the file says. A draft that was left goes on."""
    try:
        text, mode = path.read_text(), path.stat().st_mode & 0o777
    except FileNotFoundError:
        text, mode = _NEW, 0o600
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"Cannot read {path}: {error}.") from error
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.touch(mode, exist_ok=False)
        draft.write_text(text)
    except FileExistsError:
        _check_draft(path, draft)
        print(f"livectl: this is the draft that was left in {draft}.", file=sys.stderr)
    except OSError as error:
        raise usage(f"Cannot write {draft}: {error.strerror}.") from error
    return text


def _check_draft(path: Path, draft: Path) -> None:
    """Raise `client.usage` where the file has changed since: one would undo the other."""
    if path.exists() and path.stat().st_mtime > draft.stat().st_mtime:
        raise usage(f"{path} has changed since your draft {draft}: look at both, and remove it.")


def _open_editor(path: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        done = subprocess.run([*shlex.split(editor), str(path)], check=False)
    except (OSError, ValueError) as error:
        raise usage(f"Set $EDITOR to an editor: {editor!r} cannot be run ({error}).") from error
    if done.returncode:
        raise usage(f"The editor ended with {done.returncode}: your draft is {path}.")


def _again() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Edit it again? [Y/n] ").strip().lower() not in {"n", "no"}


def _reload(options: Namespace) -> int:
    """Have the daemon read its configuration again, if there is one, and tell what that means."""
    told = _asked(options, "daemon.reload")
    if told is None:
        _note(options, "No daemon runs: the next one reads it.")
    elif options.json:
        print(as_json(told))
    else:
        rows = [(_MOMENTS[when], ", ".join(map(str, names))) for when, names in told.items()]
        _note(options, table([row for row in rows if row[1]]) or "The daemon had it already.")
    return 0


def _file(options: Namespace) -> Path:
    """Return the file that is named, else that of the daemon that runs, else the user's."""
    if options.name is not None:
        return Path(options.name).absolute()
    status = _asked(options, "daemon.status") or {}
    return Path(str(status.get("config_file") or config_file(None, os.environ)))


def _asked(options: Namespace, method: str) -> dict[str, Any] | None:
    """Return what the daemon answers, None where none runs."""
    try:
        with open_connection(options, answer_timeout=ANSWER_S) as connection:
            told = connection.call(method)
    except LiveHandleError as error:
        if error.name != "daemon.unreachable":
            raise
        return None
    return told if isinstance(told, dict) else {}


def _wrong(path: Path) -> LiveHandleError | None:
    """Have livehandled read a file; return what is wrong with it."""
    command = [sys.executable, "-m", "livehandled", "--check", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.returncode:
        return None
    said = done.stderr.strip().removeprefix("livehandled: ").removesuffix(" [config.invalid]")
    return LiveHandleError("config.invalid", said or "livehandled cannot be run.")


def _note(options: Namespace, text: str) -> None:
    if not options.quiet and not options.json:
        print(text)


_WHAT = {"show": _show, "check": _check, "path": _path, "edit": _edit}
