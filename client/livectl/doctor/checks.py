"""What `doctor` looks at: each check returns one finding."""

import os
import shutil
import socket as sockets
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from livehandle_proto import API_LEVEL, __version__
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import socket_file

State = Literal["ok", "note", "wrong"]
"""`note` is what most do without, and some miss."""

Settings = Mapping[str, object]
"""The configuration, by section and key with a dot between them."""

_KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
_UNITS = ("livehandled.service", "livehandled.socket")
_REACH_S = 5.0


class Finding:
    """What one check found."""

    def __init__(self, name: str, state: State, found: str, remedy: str = "") -> None:
        self.name = name
        self.state = state
        self.found = found
        self.remedy = remedy
        """What to do; empty where nothing is to be done."""

    def to_json(self) -> dict[str, str]:
        """Return it as an object."""
        return {key: value for key, value in vars(self).items() if value}


def socket(
    flag: str | None, instance: str | None, environ: Mapping[str, str]
) -> tuple[str | None, Finding]:
    """Look for the socket and who may use it; return its path as well, None if it cannot be."""
    try:
        path = socket_file(flag, instance, environ)
    except LiveHandleError as error:
        return None, Finding("socket", "wrong", error.message, "Give another path or instance.")
    start = "Start livehandled, or without a key: livehandled --emulator."
    try:
        status = os.stat(path)  # noqa: PTH116 - it is text, and stays so
    except FileNotFoundError:
        if _is_bound(path):
            why = f"{path} was removed, and a daemon still listens at it."
            again = "Stop that daemon with SIGTERM and start it again: the session goes on."
            return path, Finding("socket", "wrong", why, again)
        return path, Finding("socket", "wrong", f"{path} is not there.", start)
    except OSError as error:
        why = f"{path} cannot be reached: {error.strerror}."
        return path, Finding("socket", "wrong", why, "Ask its owner for access.")
    if not stat.S_ISSOCK(status.st_mode):
        return path, Finding("socket", "wrong", f"{path} is no socket.", "Give another --socket.")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        shown = f"{path} is open to others, with mode {mode:04o}."
        return path, Finding("socket", "note", shown, "If you did not mean it: control.mode.")
    return path, Finding("socket", "ok", f"{path}, for its owner alone.")


def daemon(status: Mapping[str, object]) -> Finding:
    """Say who answers."""
    clients = status.get("clients")
    count = len(clients) if isinstance(clients, list) else 0
    up_s = int(number(status.get("uptime_ms")) / 1000)
    who = f"{status.get('name')} with pid {status.get('pid')}, up for {up_s} s"
    return Finding("daemon", "ok", f"{who}, {count} connected.")


def versions(hello: Mapping[str, object]) -> Finding:
    """Compare the daemon with this program."""
    version, oldest = hello.get("version"), number(hello.get("api_compatible"))
    both = f"livehandled {version}, API level {hello.get('api_level')}; livectl {__version__}"
    if oldest > API_LEVEL:
        return Finding("versions", "wrong", f"{both}.", "Install a newer livectl.")
    if version != __version__:
        why = "Start the daemon again, so that both are of one version."
        return Finding("versions", "wrong", f"{both}.", why)
    return Finding("versions", "ok", f"{both}.")


def key(config: Settings, status: Mapping[str, object]) -> Finding:
    """Look for the daemon's key, where the daemon looks. It is never read out."""
    if config.get("session.backend") == "emulator":
        return Finding("key", "ok", "The emulator needs none.")
    try:
        environ = _environment_of(status.get("pid"))
    except OSError:
        why = "The daemon's environment is another user's: whether it has a key is not known."
        return Finding("key", "note", why)
    for name in _KEYS:
        if environ.get(name, "").strip():
            return Finding("key", "ok", f"The daemon has one, in {name}.")
    found = next(filter(_has_text, _key_files(config, environ)), None)
    if found is not None:
        return Finding("key", "ok", f"The daemon has one, in {found}.")
    if config.get("session.backend") == "vertex":
        why = "The daemon has none, and asks with application-default credentials."
        return Finding("key", "note", why, "If there are none: gcloud auth application-default.")
    remedy = "Start the daemon with GEMINI_API_KEY set, or with --emulator."
    return Finding("key", "wrong", "The daemon has no API key.", remedy)


def key_here(environ: Mapping[str, str]) -> Finding:
    """Without a daemon, say whether one that is started from here has a key."""
    for name in _KEYS:
        if environ.get(name, "").strip():
            return Finding("key", "ok", f"{name} is set here, for a daemon started from here.")
    remedy = "Set GEMINI_API_KEY where the daemon is started, or start it with --emulator."
    return Finding("key", "note", "No key is set here.", remedy)


def endpoint(config: Settings, session: Mapping[str, object]) -> Finding:
    """Open a connection to the service, or to what stands between; nothing is sent."""
    url = str(table(session.get("connection")).get("url") or _service(config))
    if not url:
        return Finding("endpoint", "ok", "The emulator is inside the daemon.")
    proxy = str(config.get("session.proxy") or "")
    parts = urlsplit(proxy if "://" in proxy else url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme in {"wss", "https"} else 80)
    try:
        sockets.create_connection((host, port), _REACH_S).close()
    except OSError as error:
        why = error.strerror or str(error)
        remedy = "Check the network, a proxy (session.proxy) and session.base_url."
        return Finding("endpoint", "wrong", f"{host}:{port} is not reached: {why}.", remedy)
    return Finding("endpoint", "ok", f"{host}:{port} is reached.")


def session(shown: Mapping[str, object]) -> Finding:
    """Say where the session stands."""
    connection = table(shown.get("connection"))
    where = f"{shown.get('phase')}, {shown.get('turns')} turns, model {shown.get('model')}"
    cause = connection.get("cause")
    if connection.get("state") == "failed":
        return Finding(
            "session", "wrong", f"It failed: {_ended(cause)}", "Correct it, then: livectl connect"
        )
    if cause:
        return Finding("session", "note", f"It is connected anew, for: {_ended(cause)}")
    return Finding("session", "ok", f"{where}.")


def snapshot(config: Settings, status: Mapping[str, object]) -> Finding:
    """Say whether a restart of the daemon would go on with the session."""
    if failure := status.get("snapshot_failure"):
        remedy = "Make room there, or give it to the daemon's user: it is tried again by itself."
        return Finding("snapshot", "wrong", str(failure), remedy)
    if config.get("resumption.store") is False:
        return Finding("snapshot", "ok", "Nothing is kept for a restart, as resumption.store says.")
    return Finding("snapshot", "ok", "The session is kept for a restart.")


def audio() -> Finding:
    """Look for a microphone and a speaker, which `talk` needs."""
    from livectl.sound.devices import listed  # PortAudio takes its time

    try:
        devices = listed()
    except LiveHandleError as error:
        return Finding("audio", "note", error.message)
    except Exception as error:  # noqa: BLE001 - PortAudio's own, of an optional library
        return Finding("audio", "note", f"PortAudio fails: {error}.", "Start the sound server.")
    ins = sum(number(one.get("inputs")) > 0 for one in devices)
    outs = sum(number(one.get("outputs")) > 0 for one in devices)
    found = f"{ins} to hear with and {outs} to speak through."
    if ins and outs:
        return Finding("audio", "ok", found)
    return Finding("audio", "note", found, "Start a sound server, or pipe the sound into talk.")


def systemd(environ: Mapping[str, str]) -> Finding:
    """Look for the units, and how they fare."""
    if shutil.which("systemctl") is None:
        return Finding("systemd", "note", "There is no systemd here: start livehandled yourself.")
    units = [unit for unit in _UNITS if any((d / unit).exists() for d in _unit_folders(environ))]
    if not units:
        remedy = "To have it started: livectl service install"
        return Finding("systemd", "note", "No unit is installed.", remedy)
    states = {unit: _unit_state(unit) for unit in units}
    shown = ", ".join(f"{unit} is {state}" for unit, state in states.items())
    if "failed" in states.values():
        return Finding("systemd", "wrong", f"{shown}.", "journalctl --user -u livehandled")
    if "active" not in states.values():
        remedy = f"systemctl --user enable --now {units[-1]}"
        return Finding("systemd", "note", f"{shown}.", remedy)
    return Finding("systemd", "ok", f"{shown}.")


def settings(shown: object) -> Settings:
    """Return the values of `session.config`, without where they come from."""
    return {
        f"{section}.{name}": table(value).get("value")
        for section, keys in table(shown).items()
        for name, value in table(keys).items()
    }


def table(value: object) -> Mapping[str, object]:
    """Return an object of JSON; empty for what is none."""
    return value if isinstance(value, dict) else {}


def number(value: object) -> float:
    """Return a number of JSON; 0 for what is none."""
    return value if isinstance(value, int | float) else 0


def _is_bound(path: str) -> bool:
    """Return whether a process has a socket at a path, be there such a file or not."""
    try:
        lines = Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    return any(line.endswith(f" {path}") for line in lines)


def _ended(cause: object) -> str:
    """Return a cause as the end of a sentence: the service's own words have a full stop or none."""
    return f"{str(cause).removesuffix('.')}."


def _environment_of(pid: object) -> dict[str, str]:
    """Return another process's environment. Raises `OSError` where it is not for us."""
    text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return dict(pair.partition("=")[::2] for pair in text.split("\0") if pair)


def _key_files(config: Settings, environ: Mapping[str, str]) -> list[Path]:
    folder, named = environ.get("CREDENTIALS_DIRECTORY"), config.get("session.key_file")
    spellings = [word for name in _KEYS for word in (name, name.lower().replace("_", "-"))]
    files = [Path(folder, spelling) for spelling in spellings] if folder else []
    return [*files, Path(str(named)).expanduser()] if named else files


def _has_text(file: Path) -> bool:
    try:
        return file.is_file() and file.stat().st_size > 0
    except OSError:
        return False


def _service(config: Settings) -> str:
    if base := config.get("session.base_url"):
        return str(base)
    backend, location = config.get("session.backend"), config.get("session.location")
    if backend == "emulator":
        return ""
    if backend != "vertex":
        return "wss://generativelanguage.googleapis.com"
    if location in {"us", "eu"}:
        return f"wss://aiplatform.{location}.rep.googleapis.com"
    region = f"{location}-" if location and location != "global" else ""
    return f"wss://{region}aiplatform.googleapis.com"


def _unit_folders(environ: Mapping[str, str]) -> list[Path]:
    own = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '')}/.config"
    folders = (f"{own}/systemd/user", "/etc/systemd/user", "/usr/lib/systemd/user")
    return [Path(folder) for folder in folders]


def _unit_state(unit: str) -> str:
    """Return what the user's manager says of a unit."""
    command = ["systemctl", "--user", "is-active", unit]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_REACH_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "not known"
    return done.stdout.strip() or "not known"
