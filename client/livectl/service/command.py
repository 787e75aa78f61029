"""`service`: systemd keeps the daemon, for this user or for the whole machine."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator

from livectl.exits import EXIT_DAEMON
from livectl.results import as_json, table
from livectl.service import systemd
from livectl.service.status import status
from livectl.service.units import Place, daemon_command
from livectl.service.work import installation, removal


def run(options: Namespace) -> int:
    """Do what is asked for; return the exit code."""
    place = Place(system=options.system, instance=options.instance, environ=os.environ)
    if options.what == "status":
        return status(options, place)
    command = daemon_command(system=place.system) if options.what == "install" else ""
    return change(options, place, command)


def change(options: Namespace, place: Place, command: str) -> int:
    """Install or uninstall at a place, telling what is done and what to do next."""
    installs = options.what == "install"
    work = installation(place, command) if installs else removal(place)
    lines = work.lines()
    if options.json:
        print(as_json(work.to_json()))
    elif not options.quiet:
        print("\n".join(lines or [f"{place.services[0]} is not installed."]))
    if options.dry_run or not lines:
        return 0
    try:
        work.do()
    except systemd.Failed as error:
        print(f"livectl: {error}", file=sys.stderr)
        return EXIT_DAEMON
    if not options.json and not options.quiet:
        print("\n" + table(list(_next(place) if installs else _left(place))))
    return 0


def _next(place: Place) -> Iterator[tuple[str, str]]:
    """Yield what is left to do, and how."""
    systemctl, log = " ".join(place.systemctl), "journalctl" + (" --user" * (not place.system))
    if not systemd.runs(place.root):
        yield "to start it", f"{systemctl} enable --now {' '.join(reversed(place.services))}"
    key = place.config / "gemini-api-key"
    yield "the key", f"write it to {key}, mode 0600, then: {systemctl} restart {place.unit}"
    yield "to configure", f"{place.config / 'config.toml'}, then: {systemctl} reload {place.unit}"
    if place.system:
        yield "who may", "usermod --append --groups livehandle NAME, which counts from a new login"
        yield "to use it", f"export LIVEHANDLE_SOCKET={place.socket}"
    else:
        yield "without login", "loginctl enable-linger"
    yield "how it fares", f"{_again(place, 'status')}; {log} -u {place.unit}"


def _left(place: Place) -> Iterator[tuple[str, str]]:
    """Yield what was not taken away."""
    yield "configuration", f"stays in {place.config}"
    yield "state", "stays in " + ("/var/lib/livehandle" if place.system else "~/.local/state")
    if place.system:
        yield "user", "livehandle stays, as the owner of the state"


def _again(place: Place, what: str) -> str:
    name = place.unit.partition("@")[2]
    flags = (" --system" * place.system) + (f" --instance {name}" if name else "")
    return f"livectl service {what}{flags}"
