"""`recording`: what a recording holds, and copies of its files."""

import os
import shutil
import struct
from argparse import Namespace
from typing import BinaryIO

from livectl.commands import ANSWER_S, open_connection, show
from livectl.recording.timeline import Moment, timeline
from livectl.results import as_json
from livectl.usage import usage
from livehandle_proto.wire_file import AUDIO, SUFFIX, WIRE, Line, NoRecordingError, read

_WAVE_HEAD = 44
_MOST = 2**32 - 1


def run(options: Namespace) -> int:
    """Show the recording that runs, or show or export one that is on disk."""
    if options.action is None:
        with open_connection(options, answer_timeout=ANSWER_S) as connection:
            running = connection.call("recording")
        if running is None:
            print("null" if options.json else "No recording runs.")
            return 0
        return show(options, running)
    if options.name is None:
        raise usage(f"Name the recording: livectl recording {options.action} NAME.")
    return _show(options) if options.action == "show" else _export(options)


def _show(options: Namespace) -> int:
    if options.out is not None:
        raise usage("show takes one recording.")
    path = _path(options, WIRE)
    with _opened(path) as file:
        try:
            header, lines = read(file)
            if not options.quiet:
                print(as_json(header) if options.json else _title(header))
            for moment in timeline(lines):
                print(_as_object(moment) if options.json else str(moment))
        except NoRecordingError as error:
            raise usage(f"{path} {error}: name a recording.") from error
    return 0


def _export(options: Namespace) -> int:
    if options.out is None:
        raise usage("Name the file to write: livectl recording export NAME OUT.")
    if options.wav and options.jsonl:
        raise usage("--wav and --jsonl are two copies: give one of them.")
    path = _path(options, WIRE if options.jsonl else AUDIO)
    with _opened(path) as file:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with open(os.open(options.out, flags, 0o600), "wb") as out:  # noqa: PTH123 - a descriptor
                if options.jsonl:
                    shutil.copyfileobj(file, out)
                else:
                    _copy_sound(file, out)
        except FileExistsError as error:
            raise usage(f"{options.out} exists: give another name.") from error
        except OSError as error:
            raise usage(f"Cannot write {options.out}: {error.strerror}.") from error
    if not options.quiet:
        print(as_json({"file": options.out}) if options.json else f"{options.out} is written.")
    return 0


def _copy_sound(file: BinaryIO, out: BinaryIO) -> None:
    """Copy a WAV file with its true size: a daemon that was killed could not write it."""
    size = os.fstat(file.fileno()).st_size - _WAVE_HEAD
    head = bytearray(file.read(_WAVE_HEAD))
    if len(head) == _WAVE_HEAD:
        struct.pack_into("<I", head, 4, min(size + _WAVE_HEAD - 8, _MOST))
        struct.pack_into("<I", head, _WAVE_HEAD - 4, min(size, _MOST))
    out.write(head)
    shutil.copyfileobj(file, out)


def _path(options: Namespace, wanted: str) -> str:
    """Return the file of a recording that is meant: by its path, or by its name."""
    given = options.name
    if os.path.isdir(given):  # noqa: PTH112 - pathlib is not needed for one path
        return f"{given}/{wanted}"
    if os.path.isfile(given):  # noqa: PTH113
        return str(given)
    with open_connection(options, answer_timeout=ANSWER_S) as connection:
        listed = connection.call("recording.list")
    found = listed if isinstance(listed, dict) else {}
    names = [str(one.get("name")) for one in found.get("recordings", ())]
    if given not in names:
        from livehandle_proto.suggest import nearest

        near = nearest(given, names)
        hint = f"did you mean {near}?" if near else "livectl recording.list shows those there are."
        raise usage(f"There is no recording {given!r}: {hint}")
    return f"{found['directory']}/{given}{SUFFIX}/{wanted}"


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")  # noqa: PTH123 - pathlib is not needed for one file
    except FileNotFoundError as error:
        raise usage(f"There is no {path}: it was not recorded.") from error
    except OSError as error:
        raise usage(f"Cannot read {path}: {error.strerror}.") from error


def _title(header: Line) -> str:
    import time

    started = header.get("started_ms")
    at = started / 1000 if isinstance(started, int) else 0
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    masked = ", texts are redacted" if header.get("redacted") else ""
    return f"{header.get('name')}, begun {when}{masked}"


def _as_object(moment: Moment) -> str:
    told = {"ms": moment.ms, "direction": moment.direction, "what": moment.what}
    if moment.seconds:
        told["seconds"] = round(moment.seconds, 3)
    return as_json(told)
