"""What a client is certified for: each check, what is expected, and where that is written."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

Verdict = Literal["passed", "failed", "not reached"]

LINE_BYTES = 1_000_000
"""How long a line the client must be ready to read."""


class Check(NamedTuple):
    """One thing that a client has to do right."""

    name: str
    expected: str
    section: int
    """Of the protocol."""
    step: str
    """Of the conversation, as client/README.md tells it."""


CHECKS = (
    Check("framing.line", "sends JSON objects in UTF-8, each ended by one newline", 2, "all"),
    Check("framing.request", 'says `"jsonrpc": "2.0"`, and gives method and params', 2, "all"),
    Check("ids.legal", "gives its calls ids that are strings or integers", 2, "all"),
    Check("ids.unique", "gives no two calls in flight the same id", 2, "all"),
    Check("calls.known", "calls what the conversation asks for and nothing else", 4, "all"),
    Check("calls.once", "sends nothing a second time", 4, "all"),
    Check("hello.first", "begins with `daemon.hello`", 3, "1"),
    Check("hello.client", "says in `client` who it is", 3, "1"),
    Check("hello.limit", f"raises `max_line_bytes` to {LINE_BYTES:,} or more", 2, "1"),
    Check("ping", "calls `daemon.ping`", 4, "1"),
    Check("errors.name", "sets app:error to the name of the error", 7, "2"),
    Check("answers.order", "takes the answer to a call before that of an earlier one", 2, "3"),
    Check("tools.declared", "registers `add` with the integers a and b", 6, "4"),
    Check("events.topics", "subscribes to live.text_delta and live.turn_complete", 5, "4"),
    Check("text.plain", "gathers the text of a turn and sends it", 5, "4a"),
    Check("text.unicode", "reads UTF-8 and JSON escapes; only `\\n` ends a line", 2, "4a"),
    Check("text.unknown", "passes over unknown fields and unknown topics", 5, "4a"),
    Check("text.bytes", "reads a line that comes byte by byte", 2, "4a"),
    Check("text.together", "reads several lines that come at once", 2, "4a"),
    Check("text.long", "reads, and sends, a line of 900 KB", 2, "4a"),
    Check("loss.returns", "connects again after the connection was lost", 5, "4b"),
    Check("loss.hello", "says hello again, with `max_line_bytes`, before it subscribes", 3, "4b"),
    Check("loss.registration", "presents its `registration` alone", 6, "4b"),
    Check("loss.since", "subscribes with `since`: the cursor of the last event", 5, "4b"),
    Check("loss.text", "throws the partial line away, and goes on where it was", 5, "4b"),
    Check("loss.error", "fails the call in flight with `daemon.unreachable`", 7, "4b"),
    Check("lag.told", "sets app:lagged to `missed`", 5, "4c"),
    Check("lag.since", "subscribes again on the same connection, with `since`", 5, "4c"),
    Check("lag.text", "goes on where it was", 5, "4c"),
    Check("eof.closes", "closes a connection whose other side has ended", 2, "4d"),
    Check("eof.returns", "connects again, with hello and `since`", 5, "4d"),
    Check("reset.registers", "at `tools.unknown_registration` registers anew", 6, "4d"),
    Check("reset.told", "sets app:reset to true", 5, "4d"),
    Check("reset.text", "forgets what it had gathered", 5, "4d"),
    Check("tools.result", "answers two calls with their results", 6, "4e"),
    Check("tools.error", "answers with the error of a handler that fails", 6, "4e"),
    Check("tools.cancelled", "goes on after a call that was cancelled", 6, "4e"),
    Check("tools.once", "answers each call once, and none that was not made", 6, "4e"),
    Check("end.text", "sends the last turn's text as well", 5, "5"),
    Check("end.disconnect", "calls `disconnect`", 4, "5"),
    Check("end.closes", "closes the connection, with no line half sent", 2, "5"),
    Check("end.exit", "exits with code 0", 4, "5"),
)
"""In the order of the conversation."""

_THROUGHOUT = tuple(check.name for check in CHECKS if check.step == "all")


class Outcome(NamedTuple):
    """What came of one check."""

    check: Check
    verdict: Verdict
    got: str
    """What the client did instead; empty where it passed."""


class Results:
    """What came of each check so far: the first failure of one stands."""

    def __init__(self) -> None:
        self._got: dict[str, str | None] = {}

    def passed(self, name: str) -> None:
        """Note that a check was met, unless it has failed before."""
        self._got.setdefault(name, None)

    def failed(self, name: str, got: str) -> None:
        """Note that a check was not met, and what came instead."""
        if self._got.get(name) is None:
            self._got[name] = got

    def judge(self, name: str, right: bool, got: str) -> None:
        """Note whether a check was met."""
        if right:
            self.passed(name)
        else:
            self.failed(name, got)

    def left_out(self, name: str) -> None:
        """Note that a check was not asked for."""
        self._got[name] = ""

    def finish(self) -> None:
        """Pass what holds throughout and was not broken."""
        for name in _THROUGHOUT:
            self.passed(name)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what came of each check that was asked for, in order."""
        for check in CHECKS:
            if check.name not in self._got:
                yield Outcome(check, "not reached", "")
                continue
            got = self._got[check.name]
            if got is None:
                yield Outcome(check, "passed", "")
            elif got:
                yield Outcome(check, "failed", got)

    def all_passed(self) -> bool:
        """Whether every check that was asked for was met."""
        return all(outcome.verdict == "passed" for outcome in self.outcomes())
