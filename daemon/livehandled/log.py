"""The daemon's log: one line on stderr for each thing that matters.

A line is a sentence, and behind it ids that grep, in this order: `session=` as the service calls
it, `turn=` in it, `gen=` (the number of the connection to the service), `client=` (a connection to
this daemon), `request=` of that client; then what else is to be known. No line holds a key, a token
or a resumption handle, nor, unless `log.transcripts` is on, what anybody said: not even a traceback
does, which tells where and of which kind.
"""

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from livehandled.config.schema import Log
from livehandled.gemini.auth import mask_spelled, spelled

MOST_ALIKE = 100
"""Lines of one kind that are written in a minute; of the others the number is."""
_WINDOW_S = 60.0
_MOST_PAST = 32
"""Secrets that are masked though nobody knows them any longer: a session has a new handle with
nearly every turn."""

# sd-daemon(3): the syslog priority at the beginning of a line.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
_PLAIN = re.compile(r"[^\s\"'=\\]+")

Id = str | int | None


def ids(
    *,
    session: Id = None,
    turn: Id = None,
    gen: Id = None,
    client: Id = None,
    request: Id = None,
    **more: object,
) -> Mapping[str, object]:
    """Return the `extra` of a logging call: the ids of a line, and what else is to be known.

    What is None is left out.
    """
    told = {"session": session, "turn": turn, "gen": gen, "client": client, "request": request}
    return {"ids": {name: one for name, one in (told | more).items() if one is not None}}


class Handler(logging.StreamHandler[TextIO]):
    """Writes the lines, as the configuration has it, and takes out every secret it knows of.

    `journal` is whether each line begins with its priority, as journald reads it. `clock` is
    monotonic seconds.
    """

    def __init__(self, stream: TextIO, *, journal: bool, clock: Callable[[], float]) -> None:
        super().__init__(stream)
        self._journal = journal
        self._limit = _Limit(clock)
        self._providers: list[Callable[[], Iterable[str]]] = []
        self._secrets: dict[str, None] = {}
        """Known now or before, the newest last."""
        self._spelled: list[tuple[str, str]] = []

    def configure(self, log: Log) -> None:
        """Write lines in another form."""
        if log.format == "json":
            self.setFormatter(_JsonFormatter())
        else:
            self.setFormatter(_TextFormatter(timed=not self._journal))

    def know(self, secrets: Callable[[], Iterable[str]]) -> None:
        """Mask from now on what this returns, and the newest of what it has returned before."""
        self._providers.append(secrets)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless there were too many like it."""
        for left_out in self._limit.overdue():
            super().emit(left_out)
        if self._limit.lets_pass(record):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Say that a record could not be written; what it holds is not shown unmasked."""
        with suppress(OSError, ValueError):  # stderr itself may be gone
            self.stream.write(f"{record.name}: a line of the log could not be written\n")

    def close(self) -> None:
        """Write how many lines were left out."""
        for left_out in self._limit.overdue(at_end=True):
            super().emit(left_out)
        super().close()

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as it is written: lines without a secret."""
        text = mask_spelled(super().format(record), self._known())
        if not self._journal:
            return text
        priority = next((p for level, p in _PRIORITIES.items() if record.levelno <= level), 2)
        return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))

    def _known(self) -> list[tuple[str, str]]:
        known = {secret: None for provider in self._providers for secret in provider()}
        if not known.keys() <= self._secrets.keys():
            self._secrets |= known
            past = [secret for secret in self._secrets if secret not in known]
            for secret in past[:-_MOST_PAST]:
                del self._secrets[secret]
            forms = {form for one in self._secrets for form in (one, json.dumps(one)[1:-1])}
            self._spelled = spelled(forms)
        return self._spelled


def install(log: Log, environ: Mapping[str, str], *, clock: Callable[[], float]) -> Handler:
    """Have everything logged on stderr, and by nobody else; return who writes it."""
    handler = Handler(sys.stderr, journal=is_journal(sys.stderr, environ), clock=clock)
    handler.configure(log)
    root = logging.getLogger()
    for other in tuple(root.handlers):
        if isinstance(other, Handler):  # of an earlier run in this process
            root.removeHandler(other)
            other.close()
    root.addHandler(handler)
    root.setLevel(log.level.upper())
    return handler


def know(secrets: Callable[[], Iterable[str]]) -> None:
    """Have the log mask from now on what this returns; nothing where nobody installed one."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Handler):
            handler.know(secrets)


def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what ends the process, in the place of `sys.excepthook`."""
    logging.getLogger(__name__).critical("the daemon failed", exc_info=(kind, error, trace))


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether a stream leads to journald: `$JOURNAL_STREAM` names its device and inode."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # it has no descriptor, or is closed
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def line(record: logging.LogRecord) -> str:
    """Return a record as a sentence with its ids."""
    told = "".join(f" {name}={_word(value)}" for name, value in _ids_of(record).items())
    return _on_one_line(record.getMessage()) + told


class _Limit:
    """Lets so many records of one kind pass in a minute, and counts the others.

    A kind is a text as the program has it, without what is filled in. So whatever a client does
    over and over, it fills neither the disk nor the log of others. What is for debugging passes.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kinds: dict[tuple[str, int, str], list[float]] = {}
        """Of each kind: when its minute ends, how many passed in it, how many did not."""

    def lets_pass(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG:
            return True
        window = self._kinds.setdefault(_kind(record), [self._clock() + _WINDOW_S, 0, 0])
        passes = window[1] < MOST_ALIKE
        window[1 if passes else 2] += 1
        return passes

    def overdue(self, *, at_end: bool = False) -> Iterable[logging.LogRecord]:
        """Return a line for each kind of which lines were left out, once its minute is over."""
        now, told = self._clock(), []
        for kind, (until, _, left_out) in tuple(self._kinds.items()):
            if now < until and not at_end:
                continue
            del self._kinds[kind]
            if left_out:
                name, level, text = kind
                told.append(_left_out(name, level, text, int(left_out)))
        return told


def _kind(record: logging.LogRecord) -> tuple[str, int, str]:
    return record.name, record.levelno, str(record.msg)


def _left_out(name: str, level: int, text: str, count: int) -> logging.LogRecord:
    record = logging.LogRecord(
        name, level, "", 0, "%d more lines were left out: %s", (count, text), None
    )
    record.ids = {"left_out": count}
    return record


class _TextFormatter(logging.Formatter):
    """A sentence with its ids; the time is journald's, where it reads."""

    def __init__(self, *, timed: bool) -> None:
        super().__init__()
        self._timed = timed

    def format(self, record: logging.LogRecord) -> str:
        time = f"{_time(record)} {record.levelname.lower():<7} " if self._timed else ""
        lines = [f"{time}{record.name}: {line(record)}"]
        return "\n".join([*lines, *(f"    {line}" for line in _trace(record))])


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ids_of(record),
        }
        if trace := _trace(record):
            told["traceback"] = trace
        return json.dumps(told, default=str, ensure_ascii=True)


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ids_of(record: logging.LogRecord) -> Mapping[str, object]:
    found = getattr(record, "ids", None)
    return found if isinstance(found, dict) else {}


def _word(value: object) -> str:
    """Return a value that ends where the next blank is, or in quotes."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.isprintable() else json.dumps(text)


def _on_one_line(text: str) -> str:
    """Return a text without what would begin another line, or act on a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _trace(record: logging.LogRecord) -> list[str]:
    """Return where something was raised, and its kind: its words may be what somebody said."""
    if not record.exc_info or record.exc_info[0] is None:
        return []
    return ["Traceback, without what it said:", *_raised(record.exc_info[1])]


def _raised(error: BaseException | None) -> list[str]:
    if error is None:
        return []
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    lines = [*_raised(error.__cause__), *lines, type(error).__name__]
    if isinstance(error, BaseExceptionGroup):
        lines += [f"  {line}" for inner in error.exceptions for line in _raised(inner)]
    return lines
