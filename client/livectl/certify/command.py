"""`livectl certify`: a client, of whatever language, is put to the test."""

import json
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from livectl.certify.checks import Outcome, Results
from livectl.certify.conversation import Conversation
from livectl.certify.server import FIRST_S, Server, end, listen, start
from livectl.usage import usage

_MARKS = {"passed": "PASS", "failed": "FAIL", "not reached": "----"}


def run(options: Namespace) -> int:
    """Hold the conversation with one client, and print what came of each check."""
    with tempfile.TemporaryDirectory(prefix="livehandle-") as directory:
        path = options.socket or f"{directory}/certify.sock"
        conversation = _converse(path, options.command, quiet=options.quiet)
    name = options.language or conversation.client.removeprefix("certify ") or "the client"
    results = conversation.results
    print(as_json(name, results) if options.json else report(name, results))
    return 0 if results.all_passed() else 1


def report(name: str, results: Results) -> str:
    """Return the report for people: a line for each check, and what was wrong."""
    lines = [line for outcome in results.outcomes() for line in _lines(outcome)]
    verdicts = [outcome.verdict for outcome in results.outcomes()]
    passed, failed = verdicts.count("passed"), verdicts.count("failed")
    counted = f"{passed} of {len(verdicts)} checks passed"
    if failed:
        counted += f", {failed} failed"
    if missing := len(verdicts) - passed - failed:
        counted += f", {missing} not reached"
    return "\n".join([*lines, f"{name}: {counted}."])


def as_json(name: str, results: Results) -> str:
    """Return the report as one JSON object."""
    checks = [
        {"name": check.name, "verdict": verdict, "expected": check.expected}
        | ({"got": got} if got else {})
        | {"section": check.section, "step": check.step}
        for check, verdict, got in results.outcomes()
    ]
    told = {"language": name, "passed": results.all_passed(), "checks": checks}
    return json.dumps(told, ensure_ascii=False)


def _converse(path: str, command: Sequence[str], *, quiet: bool) -> Conversation:
    try:
        listener = listen(path)
    except OSError as error:
        why = f"{error.strerror or error}: give --socket a path where nothing is yet"
        raise usage(f"Cannot listen at {path}: {why}.") from error
    with listener, _removed(path):
        conversation = Conversation(FIRST_S if command else None, time.monotonic())
        server = Server(listener, conversation)
        if not command:
            if not quiet:
                _tell_where(path)
            conversation.results.left_out("end.exit")
            server.serve(None)
            return conversation
        try:
            process = start(command, path)
        except OSError as error:
            raise usage(f"Cannot run {command[0]}: {error.strerror}.") from error
        try:
            server.serve(process)
        finally:
            end(process)
    return conversation


@contextmanager
def _removed(path: str) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            Path(path).unlink()


def _tell_where(path: str) -> None:
    told = f"LIVEHANDLE_SOCKET={path} your-client"
    print(f"livectl certify: waiting for a client; start it with\n  {told}", file=sys.stderr)


def _lines(outcome: Outcome) -> list[str]:
    check, verdict, got = outcome
    lines = [f"{_MARKS[verdict]} {check.name:<18} {check.expected}"]
    if got:
        where = "throughout" if check.step == "all" else f"step {check.step}"
        lines.append(f"     got:  {got}")
        lines.append(f"     see:  protocol section {check.section}; client/README.md, {where}")
    return lines
