"""`doctor`: what is there, what is wrong, and what to do about it."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping

from livectl.commands import ANSWER_S
from livectl.doctor import checks
from livectl.doctor.checks import Finding
from livectl.exits import EXIT_DAEMON
from livectl.results import as_json
from livectl.terminal import has_colours, painted, safe
from livectl.usage import usage
from livehandle.connection import Connection
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import refuse_two_names

_MARKS: Mapping[str, tuple[str, str]] = {
    "ok": ("ok", "32"),
    "note": ("--", "33"),
    "wrong": ("!!", "31"),
}
"""How each state is marked, and in which colour."""


def doctor(options: Namespace) -> int:
    """Print what was found; return 1 if anything is wrong."""
    findings = []
    for finding in _findings(options):
        findings.append(finding)
        if not options.json:
            _print(finding, quiet=options.quiet)
    wrong = any(finding.state == "wrong" for finding in findings)
    if options.json:
        print(as_json({"ok": not wrong, "checks": [finding.to_json() for finding in findings]}))
    return EXIT_DAEMON if wrong else 0


def _findings(options: Namespace) -> Iterator[Finding]:
    try:
        refuse_two_names(options.socket, options.instance, os.environ)
    except LiveHandleError as error:
        raise usage(error.message) from error
    path, socket = checks.socket(options.socket, options.instance, os.environ)
    yield socket
    if path is not None and socket.state != "wrong":
        try:
            with Connection.open(path, answer_timeout=ANSWER_S) as connection:
                yield from _of_daemon(connection)
        except LiveHandleError as error:
            yield Finding("daemon", "wrong", error.message, "Start livehandled, or see its log.")
            yield checks.key_here(os.environ)
    else:
        yield checks.key_here(os.environ)
    yield checks.audio()
    yield checks.systemd(os.environ)


def _of_daemon(connection: Connection) -> Iterator[Finding]:
    hello = checks.table(connection.call("daemon.hello", client="livectl doctor"))
    yield checks.versions(hello)  # what another version answers to the rest may be an error
    status = checks.table(connection.call("daemon.status"))
    config = checks.settings(connection.call("session.config"))
    yield checks.daemon(status)
    yield checks.key(config, status)
    yield checks.endpoint(config, checks.table(status.get("session")))
    yield checks.session(checks.table(status.get("session")))
    yield checks.snapshot(config, status)


def _print(finding: Finding, *, quiet: bool) -> None:
    if quiet and finding.state == "ok":
        return
    mark, colour = _MARKS[finding.state]
    shown = painted(mark, colour, colours=has_colours(sys.stdout))
    print(f"{shown}  {finding.name:<9} {safe(finding.found)}")
    if finding.remedy:
        print(f"{'':<14}{safe(finding.remedy)}")
    sys.stdout.flush()
