"""What may come back of what a client wrote, by sections 2 and 7 of the protocol.

Lines are read here a second time, by the standard library's JSON and msgspec both. Where the two
agree what a line is, its answer is known but for what the method says; where they do not, it may
be taken for a request or refused.
"""

import json
from collections import Counter
from typing import Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct

from livehandle_proto.envelope import MAX_BATCH, MAX_ID_BYTES
from livehandle_proto.errors import ERRORS
from livehandle_proto.methods import METHODS, MIN_LINE_BYTES
from livehandle_proto.topics import OWN_TOPICS, TOPICS
from livehandled.control.lines import HTTP_REFUSAL

ENDLESS = frozenset({"done", "session.wait_for_phase", "connect", "recording.list"})
"""Methods whose answers may be long in coming, or not come at all."""

_UNREADABLE = frozenset({"wire.parse_error", "wire.invalid_request"})
_NO_SUCH_METHOD = frozenset({"wire.method_not_found", "wire.too_many_pending", "daemon.stopping"})
_BEFORE_THE_METHOD = frozenset({*_UNREADABLE, "wire.method_not_found", "wire.too_long"})
_OF_METHODS = {
    name: frozenset(method.errors) - _BEFORE_THE_METHOD - {"wire.internal"}
    for name, method in METHODS.items()
}
_STARTS = (b"GET ", b"POST ", b"PRI ")
_UNREAD = object()

T = TypeVar("T")


class Want(NamedTuple):
    """The answer to a request."""

    id: str
    """As JSON text."""
    method: str
    errors: frozenset[str]
    """What it may fail with."""
    line: bytes = b""
    """The request."""


class Batch(NamedTuple):
    """The answers to a batch, and the methods of its notifications, which it waits for too."""

    wants: list[Want]
    silent: list[str]


class Wants:
    """What must come of a connection's lines, and what may."""

    def __init__(self) -> None:
        self.single: list[Want] = []
        self.batches: list[Batch] = []
        self.doubtful: list[bytes] = []
        """Lines that may be answered or not, by any id in them or null."""
        self.silent: list[str] = []
        """The methods of notifications, each of which may be told to have failed."""
        self.end: Literal["", "http", "overlong"] = ""


class _IdOnly(Struct):
    id: Raw = Raw()


class _Answer(Struct, forbid_unknown_fields=True):
    jsonrpc: Literal["2.0"]
    id: Raw
    result: Raw = Raw()
    error: "_Error | None" = None


class _ErrorData(Struct):
    name: str
    retryable: bool


class _Error(Struct, forbid_unknown_fields=True):
    code: int
    message: str
    data: _ErrorData


class _Event(Struct, forbid_unknown_fields=True):
    jsonrpc: Literal["2.0"]
    method: Literal["event"]
    params: "_EventParams"


class _EventParams(Struct, forbid_unknown_fields=True):
    seq: int
    cursor: str
    ts_ms: int
    topic: str
    data: Raw
    subscription: str | None = None


_ids = msgspec.json.Decoder(_IdOnly)
_raws = msgspec.json.Decoder(list[Raw])
_answers = msgspec.json.Decoder(_Answer)
_events = msgspec.json.Decoder(_Event)
_results = {name: msgspec.json.Decoder(method.result) for name, method in METHODS.items()}


def wants(data: bytes, line_bytes: int) -> Wants:
    """Return what must come of what a client wrote."""
    found = Wants()
    if data.startswith(_STARTS):
        found.end = "http"
        return found
    for line in data.split(b"\n"):
        if len(line) > line_bytes:
            found.end = "overlong"
            break
        if line and not line.isspace():
            _want(found, line)
    return found


def _want(found: Wants, line: bytes) -> None:
    if not _is_batch(line):
        _want_one(found, line)
        return
    mine, theirs = _read(line), _decoded(_raws, line)
    if isinstance(mine, list) and theirs is not None and 0 < len(mine) <= MAX_BATCH:
        members = Wants()
        for member in theirs:
            _want_one(members, bytes(member))
        if members.doubtful:
            found.doubtful.append(line)
        elif members.single:
            found.batches.append(Batch(members.single, members.silent))
        found.silent += members.silent
    elif (mine is _UNREAD) == (theirs is None):
        found.single.append(Want("null", "", _UNREADABLE))
    else:
        found.doubtful.append(line)


def _is_batch(line: bytes) -> bool:
    return line.lstrip()[:1] == b"["


def _is_halved(text: object) -> bool:
    """Return whether a text has half of a character that takes two in UTF-16."""
    return isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text)


def _id_of(line: bytes) -> str:
    request = _decoded(_ids, line)
    return "" if request is None else bytes(request.id).decode(errors="replace")


def _likely(line: bytes) -> tuple[bool, bool]:
    """Order doubtful lines by how likely they are answered without an id."""
    return _is_batch(line), b'"jsonrpc"' in line


def _want_one(found: Wants, line: bytes) -> None:
    mine, theirs = _read(line), _decoded(_ids, line)
    if not isinstance(mine, dict) or theirs is None:
        if (mine is _UNREAD) == (theirs is None) or mine is not _UNREAD:
            found.single.append(Want("null", "", _UNREADABLE))
        else:
            found.doubtful.append(line)
        return
    given = bytes(theirs.id).decode()
    readable = given.startswith(tuple('"-0123456789n')) and len(given.encode()) <= MAX_ID_BYTES
    method = mine.get("method")
    twice = line.count(b'"jsonrpc"') > 1 or line.count(b'"method"') > 1
    if twice or _is_halved(method) or _is_halved(mine.get("id")):
        found.doubtful.append(line)  # which of two counts, and whether half a character does
    elif mine.get("jsonrpc") != "2.0" or not isinstance(method, str) or (given and not readable):
        found.single.append(Want(given if readable else "null", "", _UNREADABLE, line))
    elif not given:
        found.silent.append(method)
    elif not isinstance(mine.get("params", {}), dict | list):
        found.single.append(Want(given, "", _UNREADABLE, line))
    else:
        errors = _OF_METHODS.get(method, _NO_SUCH_METHOD)
        found.single.append(Want(given, method, errors, line))


def _read(line: bytes) -> object:
    """Return what the standard library makes of a line."""
    try:
        return json.loads(line.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _UNREAD


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _decoded(decoder: "msgspec.json.Decoder[T]", line: bytes) -> "T | None":
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_result(decoder: "msgspec.json.Decoder[T]", text: bytes) -> bool:
    try:
        decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


class Verdict:
    """Holds what has come back against what was wanted."""

    def __init__(self, wanted: Wants, *, long_lines: bool = False) -> None:
        self.problems: list[str] = []
        self.answered: Counter[str] = Counter()
        """By method, how many requests beyond doubt were answered."""
        self._wanted = wanted
        self._most = 2**30 if long_lines else MIN_LINE_BYTES
        count = Counter(want.id for want in wanted.single if want.id != "null")
        self._single = [want for want in wanted.single if count[want.id] < 2]
        self._batches = list(wanted.batches)
        # Of two requests of one id it cannot be told which was answered.
        self._twice = [want.line for want in wanted.single if count[want.id] > 1]
        self._doubtful = [*wanted.doubtful, *self._twice]
        self._nulls: list[bytes] = []
        """Answers without an id, to none of the requests beyond doubt."""
        self._failed = 0
        self._subscribed: set[str] = set()
        self._too_long = 0

    def take(self, received: bytes) -> None:
        """Judge all that came, to the end of the connection or of our interest."""
        if self._wanted.end == "http":
            if not HTTP_REFUSAL.startswith(received):
                self._wrong("another answer to HTTP", received)
            return
        *lines, rest = received.split(b"\n")
        if rest:
            self._wrong("a line without its end", rest)
        for line in lines:
            self._line(line)
        for line in self._nulls:
            if not self._doubtful:
                self._wrong("an answer to nothing", line)
                break
            self._doubtful.remove(min(self._doubtful, key=_likely))
        most = len(self._wanted.silent) + len(self._wanted.doubtful) * MAX_BATCH
        if self._failed > most:
            self._wrong(f"{self._failed} notifications failed, of {most}", b"")

    def whole(self, *, but: frozenset[str]) -> None:
        """Complain of every answer that has not come, `but` for some methods."""
        for batch in [*(Batch([want], []) for want in self._single), *self._batches]:
            if but.isdisjoint([*(want.method for want in batch.wants), *batch.silent]):
                missing = ", ".join(f"{want.method} {want.id[:40]}" for want in batch.wants)
                self.problems.append(f"no answer to {missing[:300]}")
        for line in self._doubtful:
            if b'"jsonrpc"' not in line and line not in self._twice:
                self._wrong("no answer to what is no notification", line)
        if self._wanted.end == "overlong" and not self._too_long:
            self.problems.append("nothing was said of a line too long")

    def _wrong(self, what: str, line: bytes) -> None:
        self.problems.append(f"{what}: {line[:300]!r}")

    def _line(self, line: bytes) -> None:
        if len(line) + 1 >= self._most:
            self._wrong(f"a line of {len(line) + 1} bytes", line)
        if line[:1] == b"[":
            self._batch(line)
        elif (event := _decoded(_events, line)) is not None:
            self._event(event.params, line)
        elif (answer := _decoded(_answers, line)) is not None:
            self._answer(answer, line)
        else:
            self._wrong("neither an answer nor an event", line)

    def _batch(self, line: bytes) -> None:
        members = _decoded(_raws, line)
        answers = [_decoded(_answers, bytes(member)) for member in members or ()]
        given = [bytes(answer.id).decode() for answer in answers if answer is not None]
        if not given or len(given) != len(answers):
            self._wrong("an array of something else than answers", line)
            return
        for batch in self._batches:
            if [want.id for want in batch.wants] == given:
                self._batches.remove(batch)
                for want, answer in zip(batch.wants, answers, strict=True):
                    assert answer is not None
                    self._check(want, answer, line)
                return
        doubtful = [one for one in self._doubtful if _is_batch(one)]
        if doubtful:
            self._doubtful.remove(doubtful[0])
        else:
            self._wrong("an array of answers that nobody asked for", line)

    def _answer(self, answer: _Answer, line: bytes) -> None:
        given = bytes(answer.id).decode()
        if answer.error is not None and answer.error.data.name == "wire.too_long":
            self._too_long += 1
            if given != "null" or self._wanted.end != "overlong" or self._too_long > 1:
                self._wrong("a line was not too long", line)
            return
        mine = [want for want in self._single if want.id == given]
        for want in mine:
            if _allowed(want, answer):
                self._single.remove(want)
                self._check(want, answer, line)
                return
        if given == "null":
            self._nulls.append(line)
            return
        may_be = [one for one in self._doubtful if given.encode() in one and not _is_batch(one)]
        if may_be:
            self._doubtful.remove(max(may_be, key=lambda one: _id_of(one) == given))
            return
        self._wrong(f"not an answer to any of {[want.method for want in mine]}", line)

    def _check(self, want: Want, answer: _Answer, line: bytes) -> None:
        self.answered[want.method] += 1
        if not _allowed(want, answer):
            self._wrong(f"no answer to {want.method or 'a bad request'}", line)
        elif b"Traceback" in line:
            self._wrong("a traceback", line)
        elif answer.error is None and want.method in {"events", "subscribe"}:
            self._subscribed.add(str(json.loads(bytes(answer.result))["subscription"]))

    def _event(self, event: _EventParams, line: bytes) -> None:
        if event.topic not in TOPICS:
            self._wrong("an unknown topic", line)
        elif event.subscription is None:
            self._failed += event.topic == "daemon.notification_failed"
            if event.topic not in OWN_TOPICS:
                self._wrong("an event without a subscription", line)
        elif event.subscription not in self._subscribed and not self._may_subscribe:
            self._wrong("an event before the answer to its subscription", line)

    @property
    def _may_subscribe(self) -> bool:
        """Whether a subscription may be there that no answer names."""
        return bool(self._wanted.silent or self._wanted.doubtful)


def _allowed(want: Want, answer: _Answer) -> bool:
    """Return whether an answer is one that the request may have."""
    error, result = answer.error, bytes(answer.result)
    if error is None:
        decoder = _results.get(want.method)
        return decoder is not None and _is_result(decoder, result)
    kind = ERRORS.get(error.data.name)
    return (
        kind is not None
        and not result
        and error.data.name in want.errors
        and (kind.code, kind.retryable) == (error.code, error.data.retryable)
        and bool(error.message)
    )
