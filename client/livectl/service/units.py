"""The unit files: where they come from, where they go, and what is this installation's in them."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from livectl.usage import usage
from livehandle_proto.paths import instance_name, socket_file

_PACKAGED = "/usr/bin/livehandled"
"""The daemon in the units as they are shipped, and of a Debian package."""
_KINDS = ("service", "socket")
_SINCE = 254
"""The version of systemd that knows all of `since-254.conf`."""
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - nothing is put there
"""Folders that the system's service does not see."""


class Place:
    """The units of one instance of the daemon, for the system or for a user.

    `root` stands before every path of the system; it is what a package is built in.
    """

    def __init__(
        self,
        *,
        system: bool,
        instance: str | None,
        environ: Mapping[str, str],
        root: Path = Path("/"),
    ) -> None:
        name = instance_name(instance, environ)
        self.system = system
        self.root = root
        self.template = "livehandled" if name == "default" else "livehandled@"
        self.unit = "livehandled" if name == "default" else f"livehandled@{name}"
        """Without `.service` or `.socket`."""
        if system:
            self.units = root / "etc/systemd/system"
            self.config = Path("/etc/livehandle")
            self.socket = f"/run/livehandle/{name}.sock"
        else:
            own = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '')}/.config"
            self.units = Path(own, "systemd/user")
            self.config = Path(own, "livehandle")
            self.socket = socket_file(None, name, {})

    @property
    def kind(self) -> str:
        """`system` or `user`, as systemd names its folders."""
        return "system" if self.system else "user"

    @property
    def services(self) -> tuple[str, str]:
        """The names of the service and of its socket."""
        return f"{self.unit}.service", f"{self.unit}.socket"

    @property
    def systemctl(self) -> list[str]:
        """The command that reaches the manager of the units."""
        return ["systemctl"] if self.system else ["systemctl", "--user"]

    @property
    def drop_in(self) -> Path:
        """What only a newer systemd understands."""
        return self.units / f"{self.template}.service.d/since-{_SINCE}.conf"

    @property
    def own_files(self) -> list[Path]:
        """The files of this instance, and of those that share its templates."""
        return [*(self.units / f"{self.template}.{kind}" for kind in _KINDS), self.drop_in]

    @property
    def shared_files(self) -> list[Path]:
        """The files of all instances together: for the system's user, and for the sockets."""
        if not self.system:
            return []
        return [self.root / f"etc/{kind}.d/livehandle.conf" for kind in ("sysusers", "tmpfiles")]

    def others(self) -> bool:
        """Return whether other instances are enabled that use the same templates."""
        links = self.units.glob("*.wants/livehandled@*")
        return self.template != self.unit and any(link.stem != self.unit for link in links)

    def units_but(self, removed: Sequence[Path]) -> list[Path]:
        """Return the units of the daemon that stay when some are removed."""
        return [unit for unit in self.units.glob("livehandled*.service") if unit not in removed]

    def is_packaged(self, command: str) -> bool:
        """Return whether a package of the system has put the units of this daemon in place."""
        packaged = self.root / f"usr/lib/systemd/{self.kind}/{self.template}.service"
        return command == _PACKAGED and packaged.exists()


def files(place: Place, command: str, systemd: int) -> dict[Path, str]:
    """Return what is to be written for a version of systemd, by its path.

    `command` starts the daemon, as `ExecStart=` takes it.
    """
    source = _source()
    wanted = {path: source / place.kind / path.name for path in place.own_files[:-1]}
    if systemd >= _SINCE:
        wanted[place.drop_in] = source / place.drop_in.name
    for path in place.shared_files:
        wanted[path] = source / path.parent.name / path.name
    return {
        path: shipped.read_text(encoding="utf-8").replace(_PACKAGED, command)
        for path, shipped in wanted.items()
    }


def daemon_command(*, system: bool) -> str:
    """Return what starts the daemon of this installation, as `ExecStart=` takes it.

    Raises `client.usage` where the system's service could not see it.
    """
    beside = Path(sys.executable).with_name("livehandled")
    if Path(_PACKAGED).is_symlink() and Path(_PACKAGED).resolve() == beside:
        return _PACKAGED  # the Debian package has its own environment, and a link to it
    parts = [str(beside)] if os.access(beside, os.X_OK) else [sys.executable, "-P", "-m"]
    seen_by = [parts[0], os.path.realpath(sys.executable), sys.prefix, __file__]
    hidden = [path for path in seen_by if any(Path(path).is_relative_to(f) for f in _HIDDEN)]
    if system and hidden:
        raise usage(
            f"The system's services do not see {hidden[0]}: install livehandle elsewhere, such as "
            "in a virtual environment /opt/livehandle, and run its livectl"
        )
    return " ".join(map(_quoted, parts)) + ("" if len(parts) == 1 else " livehandled")


def _quoted(word: str) -> str:
    """Return a word so that systemd reads it as it is."""
    word = word.replace("%", "%%").replace("$", "$$")
    if not any(letter in word for letter in " \t\"'\\;"):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _source() -> Path:
    """Return the folder of the units as they are shipped: of the wheel, or of the source."""
    package = Path(__file__).parents[1]
    installed = package / "data/systemd"
    return installed if installed.is_dir() else package.parents[1] / "systemd"
