"""The daemon's log: its lines in each form, its bound, and what never gets into it."""

import io
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livehandled import log
from livehandled.config.schema import Log

SECRET = "marked-key-0123456789abcdef"
WORDS = "marked words that somebody said"


class Lines:
    """A log of its own, and what was written to it."""

    def __init__(self, *, form: str = "text", journal: bool = False) -> None:
        self.now = 0.0
        self._stream = io.StringIO()
        self.handler = log.Handler(self._stream, journal=journal, clock=lambda: self.now)
        self.handler.configure(Log(format="json" if form == "json" else "text"))
        self.logger = logging.Logger("livehandled.part")  # noqa: LOG001 - nobody else's
        self.logger.addHandler(self.handler)

    @property
    def written(self) -> list[str]:
        text = self._stream.getvalue()
        self._stream.truncate(0)
        self._stream.seek(0)
        return text.splitlines()


def raising(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as raised:
        return raised


# The forms.


def test_a_line_has_the_time_the_level_the_part_the_sentence_and_the_ids_in_order() -> None:
    lines = Lines()
    told = log.ids(request="7", cause="two words", client="c1", gen=2, turn=0, session="s")
    lines.logger.info("it is %s", "so", extra=told)
    (line,) = lines.written
    time, level, rest = line.split(maxsplit=2)
    assert (len(time), time[-1], level) == (24, "Z", "info")
    assert rest == (
        'livehandled.part: it is so session=s turn=0 gen=2 client=c1 request=7 cause="two words"'
    )


@pytest.mark.parametrize(
    ("level", "priority"),
    [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2)],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_for_journald_a_line_begins_with_its_priority_and_a_sentence_has_no_time(
    level: str, priority: int, form: str
) -> None:
    lines = Lines(form=form, journal=True)
    getattr(lines.logger, level)("so", extra=log.ids(turn=1))
    (line,) = lines.written
    begin = f"<{priority}>" + ("{" if form == "json" else "livehandled.part: so turn=1")
    assert line.startswith(begin)


def test_as_json_a_line_is_an_object_with_the_ids_as_fields() -> None:
    lines = Lines(form="json")
    lines.logger.warning("it is %s", "so\n", extra=log.ids(session="s", turn=0, why="a b"))
    (line,) = lines.written
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "warning",
        "logger": "livehandled.part",
        "message": "it is so\n",
        "session": "s",
        "turn": 0,
        "why": "a b",
    }


def test_what_is_none_is_no_id_and_a_line_without_ids_is_a_sentence() -> None:
    assert log.ids(session=None, turn=0, why=None) == {"ids": {"turn": 0}}
    lines = Lines(journal=True)
    lines.logger.info("so")
    assert lines.written == ["<6>livehandled.part: so"]


@pytest.mark.parametrize("what", ["a\nb", "a\r\x1b[31m", "a\u2028b", "a\u202eb", "\ud800", "\x85"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_is_logged_begins_another_line_or_acts_on_a_terminal(
    what: str, form: str
) -> None:
    lines = Lines(form=form)
    lines.logger.info("it is %s", what, extra=log.ids(name=what))
    (line,) = lines.written
    assert line.isprintable()


@pytest.mark.parametrize("value", ["", "a b", 'a"b', "a=b", "a\\b", "ä", 5, 1.5])
def test_a_value_with_a_blank_or_a_quote_in_it_is_quoted_as_json(value: object) -> None:
    lines = Lines(journal=True)
    lines.logger.info("so", extra=log.ids(why=value))
    _, _, told = lines.written[0].partition("why=")
    assert (json.loads(told) if told.startswith('"') else told) == str(value)


# Where it goes.


@contextmanager
def kept_root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        yield root
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_it_is_installed_once_with_its_level(capsys: pytest.CaptureFixture[str]) -> None:
    with kept_root() as root:
        log.install(Log(level="debug"), {}, clock=lambda: 0.0)
        last = log.install(Log(level="warning"), {}, clock=lambda: 0.0)
        assert [h for h in root.handlers if isinstance(h, log.Handler)] == [last]
        logging.getLogger("livehandled.x").info("not told")
        logging.getLogger("livehandled.x").warning("told")
        log.know(lambda: ["told-secret"])
        logging.getLogger("livehandled.x").warning("told-secret")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("livehandled.x: told")
    assert second.endswith("livehandled.x: ***")


def test_stderr_is_the_journals_where_the_manager_says_so(tmp_path: Path) -> None:
    with (tmp_path / "f").open("w") as stream:
        found = os.fstat(stream.fileno())
        own = f"{found.st_dev}:{found.st_ino}"
        assert log.is_journal(stream, {"JOURNAL_STREAM": own})
        assert not log.is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:1"})
        assert not log.is_journal(stream, {})
    assert not log.is_journal(stream, {"JOURNAL_STREAM": own})  # closed
    assert not log.is_journal(io.StringIO(), {"JOURNAL_STREAM": own})


# What never gets into it.


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_secret_that_is_or_was_known_is_masked_wherever_it_stands(form: str) -> None:
    lines = Lines(form=form)
    known = [SECRET, 'quoted"secret\\1']
    lines.handler.know(lambda: known)
    lines.logger.warning("it is %s", SECRET, extra=log.ids(why=f"for {known[1]}"))
    known.clear()
    lines.logger.warning("again %s", SECRET)
    for line in lines.written:
        assert "***" in line
        assert SECRET not in line
        assert "quoted" not in line


def test_of_handles_that_were_known_the_newest_are_masked_and_whatever_is_known_still() -> None:
    lines = Lines()
    handles = [f"{number:04}-handle" for number in range(100)]
    known = [SECRET]
    lines.handler.know(lambda: known)
    for handle in handles:
        known[1:] = [handle]
        lines.logger.debug("so")
    lines.written.clear()
    lines.logger.debug(" ".join([SECRET, *handles]))
    told = lines.written[-1].split(": ")[1].split()
    assert told == ["***", *handles[:67], *33 * ["***"]]


def test_what_is_known_already_is_spelled_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines()
    lines.handler.know(lambda: [SECRET])
    lines.logger.info("so")
    monkeypatch.setattr(log, "spelled", None)  # whoever calls it fails
    lines.logger.info("it is %s", SECRET)
    assert lines.written[-1].endswith("it is ***")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_tells_where_and_of_which_kind_and_not_what_it_said(form: str) -> None:
    lines = Lines(form=form)
    group = ExceptionGroup(WORDS, [raising(ValueError(WORDS)), raising(OSError(WORDS))])
    group.__cause__ = raising(KeyError(WORDS))
    lines.logger.error("it failed", exc_info=raising(group))
    text = "\n".join(lines.written)
    assert WORDS not in text
    assert text.count("test_log.py:") == 4
    for kind in ("Traceback", "ExceptionGroup", "KeyError", "ValueError", "OSError"):
        assert kind in text


def test_what_ends_the_process_is_logged_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    with kept_root():
        log.install(Log(), {}, clock=lambda: 0.0)
        error = raising(ValueError(WORDS))
        log.crashed(ValueError, error, error.__traceback__)
    said = capsys.readouterr().err
    assert "critical livehandled.log: the daemon failed" in said
    assert "test_log.py" in said
    assert WORDS not in said


def test_a_record_that_cannot_be_written_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.logger.info("%d", WORDS)
    assert lines.written == ["livehandled.part: a line of the log could not be written"]
    assert WORDS not in capsys.readouterr().err


# Its bound.


def flood(lines: Lines, count: int) -> None:
    for number in range(count):
        lines.logger.info("client %d came", number)


def test_of_lines_of_one_kind_a_hundred_a_minute_are_written_and_the_others_counted() -> None:
    lines = Lines(journal=True)
    flood(lines, log.MOST_ALIKE + 50)
    lines.logger.info("another kind")
    lines.logger.warning("client %d came", 0)  # of another level
    written = lines.written
    assert len(written) == log.MOST_ALIKE + 2
    lines.now = 60.0
    flood(lines, 1)
    assert lines.written == [
        "<6>livehandled.part: 50 more lines were left out: client %d came left_out=50",
        "<6>livehandled.part: client 0 came",
    ]


def test_the_rest_is_told_at_the_end_and_by_any_later_line() -> None:
    lines = Lines(journal=True)
    flood(lines, log.MOST_ALIKE + 1)
    assert len(lines.written) == log.MOST_ALIKE
    lines.now = 61.0
    lines.logger.info("another kind")
    assert len(lines.written) == 2
    flood(lines, log.MOST_ALIKE + 2)
    assert len(lines.written) == log.MOST_ALIKE
    lines.handler.close()
    assert [line.partition(": ")[2] for line in lines.written] == [
        "2 more lines were left out: client %d came left_out=2"
    ]


def test_what_is_for_debugging_is_not_bounded() -> None:
    lines = Lines()
    for _ in range(log.MOST_ALIKE + 10):
        lines.logger.debug("so")
    assert len(lines.written) == log.MOST_ALIKE + 10


def test_a_record_is_a_sentence_with_its_ids() -> None:
    record = logging.LogRecord("n", logging.INFO, "", 0, "so", (), None)
    record.ids = {"turn": 1}
    assert log.line(record) == "so turn=1"
