"""Each fault at each moment, each in a conversation of its own; and what became of it."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Literal, NamedTuple, TypeAlias, get_args

from campaign.checker import Json, outcome, problems
from campaign.rig import HangError, RefusedError, Rig, running_rig
from support.speech import silence, speech_like

Moment = Literal[
    "first setup",
    "setup of a reconnect",
    "idle",
    "model speaking",
    "user speaking",
    "tool pending",
    "draining",
]
MOMENTS: Sequence[Moment] = get_args(Moment)
_SETUPS = {"first setup", "setup of a reconnect"}

SCENARIO = "timing = { reply_delay_ms = 50, stream_speed = 8.0, playback_speed = 4.0 }\n"
SETTINGS: Mapping[str, object] = {
    "session.setup_timeout_ms": 2000,
    "session.connect_timeout_ms": 2000,
}

_BOUND_S = 150.0
_STEP_S = 20.0
_NOTICE_S = 0.5
"""How long a client that has a result waits for the news that nobody wants it any more."""
_LONG = "please repeat these words after me, all of them, slowly and one after the other"
_TOO_LONG = 64 * 2**20 + 1
"""Bytes that the daemon does not take in one message."""

_Fault: TypeAlias = Mapping[str, object]

_ABORT: _Fault = {"do": "abort"}
_INSTEAD: _Fault = {"at": "setup_complete", "when": "instead"}
_BEFORE: _Fault = {"at": "setup_complete", "when": "before"}
_BEFORE_SETUP: _Fault = {"at": "setup", "when": "before"}
_UPGRADE: _Fault = {"at": "upgrade"}


class Row(NamedTuple):
    """A fault, and how it comes at a setup."""

    name: str
    fault: _Fault
    at_setup: _Fault | None = _INSTEAD
    """Its moment at a setup; None where it has none."""
    aborts: bool = False
    """Whether it needs the connection to be aborted to show."""
    armed: bool = False
    """Whether it waits for a message, and so has to be there before the moment."""


def _close(code: int, reason: str = "", note: str = "") -> Row:
    return Row(f"close {code}{note}", {"do": "close", "code": code, "reason": reason})


ROWS: Sequence[Row] = (
    _close(1000),
    _close(1001),
    Row("abort (1006)", _ABORT),
    _close(1007, "Request contains an invalid argument."),
    _close(
        1008,
        "Connection aborted because the client failed to close the connection after receiving a "
        "GoAway signal",
        " GoAway ignored",
    ),
    _close(1008, "Operation is not implemented, or supported, or enabled.", " not implemented"),
    _close(1011, "Internal error encountered."),
    _close(1012, "Service restart"),
    Row("go-away, 10 s left", {"do": "go_away", "time_left_ms": 10_000}, _BEFORE),
    Row("go-away, no time told", {"do": "go_away"}, _BEFORE),
    Row("go-away, 0 s left", {"do": "go_away", "time_left_ms": 0}, _BEFORE),
    Row("stall, 1.5 s", {"do": "stall", "for_ms": 1500}, _BEFORE_SETUP),
    Row("stall for good, no pongs", {"do": "stall", "pings": False}, _BEFORE_SETUP),
    Row("half-open for good", {"do": "half_open"}, _BEFORE_SETUP),
    Row("refuse 503", {"do": "refuse"}, {}, aborts=True),
    Row("refuse 429", {"do": "quota", "at": "upgrade"}, {}, aborts=True),
    Row("quota (1011)", {"do": "quota"}),
    Row("forget all handles", {"do": "forget"}, _UPGRADE, aborts=True),
    Row("garbage", {"do": "garbage"}, _BEFORE),
    Row("oversize", {"do": "oversize", "bytes": _TOO_LONG}),
    Row("slow, 40 kB/s", {"do": "slow", "bytes_per_s": 40_000}, _UPGRADE),
    Row("fragments of 50 bytes", {"do": "fragment", "bytes": 50}, _UPGRADE),
    Row("pongs 3 s late", {"do": "delay_pong", "by_ms": 3000}, _UPGRADE),
    Row("no setupComplete", {"do": "drop_message", "at": "setup_complete"}, {}, armed=True),
    Row("no turnComplete", {"do": "drop_message", "at": "turn_complete"}, None, armed=True),
)
_ONLY_AT_SETUP = {"no setupComplete"}
_NEEDS_A_REPLY = {"no turnComplete"}


class Cell(NamedTuple):
    """What became of one conversation."""

    row: Row
    moment: Moment
    outcome: str
    problems: Sequence[str]
    seconds: float


def applies(row: Row, moment: Moment) -> bool:
    """Return whether a fault can come at a moment."""
    if moment in _SETUPS:
        return row.at_setup is not None
    return row.name not in _ONLY_AT_SETUP and not (row.name in _NEEDS_A_REPLY and moment == "idle")


def run_cell(row: Row, moment: Moment) -> Cell:
    """Hold a conversation in which the fault comes at the moment."""
    began = time.monotonic()
    wrong: list[str] = []
    told = "?"
    try:
        with running_rig(SCENARIO, SETTINGS) as rig:
            failed = _converse(rig, row, moment)
            told = failed or outcome(rig.client.events)
            wrong += [*problems(rig.log()), *rig.complaints()]
    except (AssertionError, RefusedError, OSError) as error:  # of the processes, too
        wrong.append(f"{type(error).__name__}: {error}")
    return Cell(row, moment, told, wrong, time.monotonic() - began)


def _converse(rig: Rig, row: Row, moment: Moment) -> str:
    """Hold the conversation; return the error of a session that could not be set up."""
    if moment == "first setup":
        return _first_setup(rig, row)
    rig.greet()
    _MOMENTS[moment](rig, row)
    rig.settle(_BOUND_S)
    return ""


def run(rows: Iterable[Row], moments: Iterable[Moment], *, jobs: int) -> list[Cell]:
    """Run every cell there is, so many at a time."""
    wanted = [(row, moment) for moment in moments for row in rows if applies(row, moment)]
    wanted.sort(key=lambda cell: not _lasts(cell[0]))  # the long ones first
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda cell: run_cell(*cell), wanted))


def table(cells: Sequence[Cell]) -> str:
    """Return the cells as a table in Markdown, and below it what is wrong."""
    moments = [moment for moment in MOMENTS if any(cell.moment == moment for cell in cells)]
    found = {(cell.row.name, cell.moment): cell for cell in cells}
    lines = [f"| fault | {' | '.join(moments)} |", "|---" * (len(moments) + 1) + "|"]
    for row in ROWS:
        if any(cell.row.name == row.name for cell in cells):
            shown = [_shown(found.get((row.name, moment))) for moment in moments]
            lines.append(f"| {row.name} | {' | '.join(shown)} |")
    wrong = [cell for cell in cells if cell.problems]
    lines += ["", f"{len(cells)} cells, {len(wrong)} with a problem."]
    for cell in wrong:
        lines += [f"- {cell.row.name}, {cell.moment}: {problem}" for problem in cell.problems]
    return "\n".join(lines)


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    return f"{'**WRONG** ' if cell.problems else ''}{cell.outcome}"


def _lasts(row: Row) -> bool:
    return "for good" in row.name or "429" in row.name or "quota" in row.name


# The moments.


def _strike(rig: Rig, row: Row) -> None:
    """Let it happen now, and go on as if nothing had happened."""
    if row.armed:
        return
    rig.fault(**row.fault)
    if row.aborts:
        rig.fault(**_ABORT)


def _arm(rig: Rig, row: Row) -> None:
    if row.armed:
        rig.fault(**row.fault)


def _first_setup(rig: Rig, row: Row) -> str:
    rig.fault(**{**row.fault, **(row.at_setup or {})})
    try:
        rig.client.call("connect")
    except RefusedError as refused:
        rig.client.topic("session.disconnected")
        return f"failed: {refused.name}"
    rig.text("hello")
    rig.context()
    rig.settle(_BOUND_S)
    return ""


def _reconnect_setup(rig: Rig, row: Row) -> None:
    rig.fault(**{**row.fault, **(row.at_setup or {})})
    rig.fault(**_ABORT)
    _go_on(rig)


def _idle(rig: Rig, row: Row) -> None:
    _strike(rig, row)
    _go_on(rig)


def _model_speaking(rig: Rig, row: Row) -> None:
    _arm(rig, row)
    _let_speak(rig)
    _strike(rig, row)
    _go_on(rig)


def _user_speaking(rig: Rig, row: Row) -> None:
    _arm(rig, row)
    since = len(rig.client.events)
    speaking = threading.Thread(target=rig.speak, args=(speech_like(1.6) + silence(1.2),))
    speaking.start()
    try:
        rig.client.topic("live.vad_start", since=since, within_s=_STEP_S)
        _strike(rig, row)
    finally:
        speaking.join()
    _go_on(rig)


def _tool_pending(rig: Rig, row: Row) -> None:
    _arm(rig, row)
    rig.text("please:\ncall wait")
    call = rig.client.topic("session.tool_call", within_s=_STEP_S)["function_calls"][0]
    since = len(rig.client.events)
    _strike(rig, row)
    with suppress(HangError):  # it was not noticed: the result goes out as ever
        rig.client.topic("session.tool_call_cancelled", since=since, within_s=_NOTICE_S)
    rig.result(call)
    _go_on(rig)


def _draining(rig: Rig, row: Row) -> None:
    _arm(rig, row)
    _let_speak(rig)
    rig.fault(do="go_away", time_left_ms=20_000)
    rig.client.topic("session.go_away", within_s=_STEP_S)
    _strike(rig, row)
    _go_on(rig)


_MOMENTS: Mapping[Moment, Callable[[Rig, Row], None]] = {
    "setup of a reconnect": _reconnect_setup,
    "idle": _idle,
    "model speaking": _model_speaking,
    "user speaking": _user_speaking,
    "tool pending": _tool_pending,
    "draining": _draining,
}


def _let_speak(rig: Rig) -> None:
    since = len(rig.client.events)

    def speaks(event: Json) -> bool:
        return bool(
            event["topic"] == "live.audio" or event["data"].get("phase") == "model_speaking"
        )

    rig.text(_LONG)
    rig.client.until(speaks, "the model's voice", within_s=_STEP_S, since=since)


def _go_on(rig: Rig) -> None:
    """Say what has to arrive although the connection may just be gone."""
    rig.context()
    rig.text("and then?")
