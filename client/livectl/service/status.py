"""How a service fares: its units, its socket, its daemon."""

from argparse import Namespace
from collections.abc import Mapping

from livectl.commands import ANSWER_S
from livectl.exits import EXIT_UNREACHABLE
from livectl.results import as_json, table
from livectl.service import systemd
from livectl.service.units import Place
from livectl.terminal import safe
from livehandle.connection import Connection
from livehandle_proto.errors import LiveHandleError

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "StatusText")


def status(options: Namespace, place: Place) -> int:
    """Print it; return 2 where no daemon answers."""
    units = {
        unit: systemd.properties(place.systemctl, unit, _PROPERTIES) for unit in place.services
    }
    path = options.socket or place.socket
    daemon, error = _daemon(path)
    if options.json:
        refused = None if error is None else error.to_json()
        print(as_json({"units": units, "socket": path, "daemon": daemon, "error": refused}))
    else:
        rows = [(unit, _fares(found)) for unit, found in units.items()]
        rows += [("socket", path), ("daemon", error.message if error else _answers(daemon))]
        print(safe(table(rows)))
    return EXIT_UNREACHABLE if error else 0


def _daemon(path: str) -> tuple[Mapping[str, object], LiveHandleError | None]:
    try:
        with Connection.open(path, answer_timeout=ANSWER_S) as connection:
            told = connection.call("daemon.status")
    except LiveHandleError as error:
        return {}, error
    return told if isinstance(told, dict) else {}, None


def _answers(daemon: Mapping[str, object]) -> str:
    session = daemon.get("session")
    phase = session.get("phase") if isinstance(session, dict) else None
    up_ms = daemon.get("uptime_ms")
    up_s = up_ms // 1000 if isinstance(up_ms, int) else 0
    return f"pid {daemon.get('pid')}, up for {up_s} s, session {phase}"


def _fares(found: Mapping[str, str]) -> str:
    if not found:
        return "not known: systemd does not answer"
    if found.get("LoadState") == "not-found":
        return "not installed"
    words = f"{found.get('ActiveState')} ({found.get('SubState')}), {found.get('UnitFileState')}"
    restarts = found.get("NRestarts", "0")
    if restarts != "0":
        words += f", started again {restarts} times"
    said = found.get("StatusText")
    return f"{words}: {said}" if said else words
