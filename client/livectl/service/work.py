"""What is to be done to install or uninstall a service: first told, then done."""

from pathlib import Path

from livectl.service import systemd
from livectl.service.units import Place, files
from livectl.usage import usage


class Work:
    """Commands, then files, then commands."""

    def __init__(self) -> None:
        self.before: list[list[str]] = []
        self.write: dict[Path, str] = {}
        self.remove: list[Path] = []
        self.after: list[list[str]] = []

    def lines(self) -> list[str]:
        """Return it in order, a line each."""
        return [
            *(f"run     {' '.join(command)}" for command in self.before),
            *(f"write   {path}" for path in self.write),
            *(f"remove  {path}" for path in self.remove),
            *(f"run     {' '.join(command)}" for command in self.after),
        ]

    def to_json(self) -> dict[str, object]:
        """Return it as an object, with the text of each file."""
        return {
            "before": self.before,
            "write": {str(path): text for path, text in self.write.items()},
            "remove": [str(path) for path in self.remove],
            "after": self.after,
        }

    def do(self) -> None:
        """Do it. Raises `client.usage` for what is root's to change, and `systemd.Failed`."""
        try:
            for path, text in self.write.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                path.chmod(0o644)  # no secret is in it, and the manager has to read it
            for command in self.before:
                systemd.run(command)
            for path in self.remove:
                path.unlink()
                _remove_if_empty(path.parent)
        except PermissionError as error:
            raise usage(f"{error.filename} is not yours to change: run it with sudo") from error
        for command in self.after:
            systemd.run(command)


def installation(place: Place, command: str) -> Work:
    """Return what puts the units in place and starts them.

    `command` starts the daemon, as `ExecStart=` takes it. What a package of the system has put
    in place is only started.
    """
    work = Work()
    if not place.is_packaged(command):
        work.write = files(place, command, systemd.version())
    if not systemd.runs(place.root):
        return work
    if place.system and work.write:
        users, folders = map(str, place.shared_files)
        work.after += [["systemd-sysusers", users], ["systemd-tmpfiles", "--create", folders]]
    service, socket = place.services
    systemctl = place.systemctl
    work.after.append([*systemctl, "daemon-reload"])
    # One that runs is started anew: its program may be another.
    work.after.append([*systemctl, "try-restart", service])
    work.after.append([*systemctl, "enable", "--now", socket, service])
    return work


def removal(place: Place) -> Work:
    """Return what stops the units and takes them away; what the daemon keeps stays."""
    work = Work()
    service, socket = place.services
    if not place.others():
        work.remove += [path for path in place.own_files if path.exists()]
    last = not place.units_but(work.remove)
    if last:
        work.remove += [path for path in place.shared_files if path.exists()]
    if not systemd.runs(place.root):
        return work
    state = systemd.properties(place.systemctl, service, ["LoadState"])
    if state.get("LoadState") != "loaded":
        return work
    work.before.append([*place.systemctl, "disable", "--now", socket, service])
    if last:
        work.before.append([*place.systemctl, "clean", "--what=runtime", service])
    work.after.append([*place.systemctl, "daemon-reload"])
    return work


def _remove_if_empty(folder: Path) -> None:
    """Remove a unit's folder of drop-ins, unless it holds what somebody else put there."""
    if folder.name.endswith(".service.d") and not any(folder.iterdir()):
        folder.rmdir()
