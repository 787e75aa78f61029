"""`livectl service`, with a systemctl that only takes notes."""

import json
import os
from argparse import Namespace
from pathlib import Path

import pytest

from livectl.__main__ import main
from livectl.service import command
from livectl.service.units import Place
from livehandle_proto.errors import LiveHandleError
from support.scripted_daemon import result, scripted_daemon

COMMAND = "/opt/lh/bin/livehandled"
TOOLS = ("systemctl", "systemd-sysusers", "systemd-tmpfiles")
SCRIPT = """#!/bin/sh
test "$1" = --version && { echo "systemd 254 (254.1)"; exit; }
case "$*" in *show*) printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\n'
  printf 'UnitFileState=enabled\\nNRestarts=2\\nStatusText=Session active\\n'; exit;; esac
echo "${0##*/} $*" >> "$CALLS"
test -z "$FAILS" || { echo "Unit is bad." >&2; exit 1; }
"""


class Machine:
    """A machine in a folder, on which systemd runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "run/systemd/system").mkdir(parents=True)
        (root / "bin").mkdir()
        for tool in TOOLS:
            (root / "bin" / tool).write_text(SCRIPT)
            (root / "bin" / tool).chmod(0o755)

    def change(
        self, what: str, *, system: bool = True, instance: str | None = None, **flags: bool
    ) -> int:
        options = {"json": False, "quiet": False, "dry_run": False, **flags}
        environ = {"XDG_CONFIG_HOME": str(self.root / "config")}
        place = Place(system=system, instance=instance, environ=environ, root=self.root)
        return command.change(Namespace(what=what, **options), place, COMMAND)

    def calls(self) -> list[str]:
        """Return what was run since it was last asked for."""
        calls = self.root / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return [line.replace(str(self.root), "") for line in lines]

    def files(self) -> list[str]:
        """Return the files below etc and config."""
        found = [p for part in ("etc", "config") for p in (self.root / part).rglob("*")]
        return sorted(str(p.relative_to(self.root)) for p in found if p.is_file())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("FAILS", raising=False)
    return made


SYSTEM = [
    "etc/systemd/system/livehandled.service",
    "etc/systemd/system/livehandled.service.d/since-254.conf",
    "etc/systemd/system/livehandled.socket",
    "etc/sysusers.d/livehandle.conf",
    "etc/tmpfiles.d/livehandle.conf",
]


def test_a_system_service_is_installed_and_started(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.change("install") == 0
    assert machine.files() == sorted(SYSTEM)
    assert machine.calls() == [
        "systemd-sysusers /etc/sysusers.d/livehandle.conf",
        "systemd-tmpfiles --create /etc/tmpfiles.d/livehandle.conf",
        "systemctl daemon-reload",
        "systemctl try-restart livehandled.service",
        "systemctl enable --now livehandled.socket livehandled.service",
    ]
    told = capsys.readouterr().out
    assert "/etc/livehandle/gemini-api-key, mode 0600" in told
    assert "usermod --append --groups livehandle NAME" in told
    assert "export LIVEHANDLE_SOCKET=/run/livehandle/default.sock" in told
    for name in SYSTEM:
        assert (machine.root / name).stat().st_mode & 0o777 == 0o644


def test_what_is_installed_twice_is_written_twice(machine: Machine) -> None:
    machine.change("install")
    (machine.root / SYSTEM[0]).write_text("of an older version")
    assert machine.change("install") == 0
    assert COMMAND in (machine.root / SYSTEM[0]).read_text()


def test_a_users_service_is_installed_by_the_users_manager(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.change("install", system=False, instance="kitchen") == 0
    folder = "config/systemd/user/livehandled@.service"
    assert machine.files()[0] == folder
    assert machine.calls() == [
        "systemctl --user daemon-reload",
        "systemctl --user try-restart livehandled@kitchen.service",
        "systemctl --user enable --now livehandled@kitchen.socket livehandled@kitchen.service",
    ]
    told = capsys.readouterr().out
    assert "loginctl enable-linger" in told
    assert "livectl service status --instance kitchen; journalctl --user" in told


@pytest.mark.parametrize("what", ["install", "uninstall"])
def test_a_dry_run_tells_and_changes_nothing(
    what: str, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    if what == "uninstall":
        machine.change("install", quiet=True)
        machine.calls()
    before = machine.files()
    assert machine.change(what, dry_run=True) == 0
    dry = capsys.readouterr().out
    assert (machine.files(), machine.calls()) == (before, [])
    assert machine.change(what) == 0
    assert capsys.readouterr().out.startswith(dry)
    told = [line.split(None, 1) for line in dry.splitlines()]
    assert machine.calls() == [t.replace(str(machine.root), "") for k, t in told if k == "run"]


def test_uninstall_leaves_nothing_behind(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.change("install")
    machine.calls()
    assert machine.change("uninstall") == 0
    assert machine.files() == []
    assert not (machine.root / SYSTEM[1]).parent.exists()
    assert machine.calls() == [
        "systemctl disable --now livehandled.socket livehandled.service",
        "systemctl clean --what=runtime livehandled.service",
        "systemctl daemon-reload",
    ]
    assert "stays in /var/lib/livehandle" in capsys.readouterr().out


def test_uninstall_leaves_what_other_instances_and_the_administrator_need(
    machine: Machine,
) -> None:
    for instance in ("default", "a", "b"):
        machine.change("install", instance=instance)
    wants = machine.root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir()
    for instance in ("a", "b"):
        (wants / f"livehandled@{instance}.service").symlink_to("../livehandled@.service")
    override = machine.root / "etc/systemd/system/livehandled.service.d/override.conf"
    override.touch()
    with_all = machine.files()

    assert machine.change("uninstall") == 0
    assert override.exists()
    machine.change("uninstall", instance="a")
    gone = {*with_all} - {*machine.files()}
    assert gone == {*SYSTEM[:3]}
    assert not any("clean" in call for call in machine.calls())

    (wants / "livehandled@a.service").unlink()
    machine.change("uninstall", instance="b")
    (wants / "livehandled@b.service").unlink()
    assert machine.files() == [str(override.relative_to(machine.root))]
    assert any("clean" in call for call in machine.calls())


def test_where_systemd_does_not_run_the_files_alone_are_written(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.root / "run/systemd/system").rmdir()
    assert machine.change("install") == 0
    assert machine.files() == sorted(SYSTEM)
    assert machine.calls() == []
    assert (
        "systemctl enable --now livehandled.socket livehandled.service" in capsys.readouterr().out
    )
    assert machine.change("uninstall") == 0
    assert machine.files() == []


def test_what_systemd_refuses_is_told_in_its_words(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAILS", "1")
    assert machine.change("install") == 1
    said = capsys.readouterr().err
    assert said.startswith("livectl: `systemd-sysusers ")
    assert said.endswith("failed: Unit is bad.\n")


def test_json_has_the_text_of_every_file(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.change("install", json=True, dry_run=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert COMMAND in told["write"][str(machine.root / SYSTEM[0])]
    assert told["after"][-1][:3] == ["systemctl", "enable", "--now"]


def test_the_command_line_leads_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["service", "install", "--dry-run", "--instance", "kitchen"]) == 0
    out = capsys.readouterr().out
    assert f"write   {tmp_path}/systemd/user/livehandled@.service\n" in out
    assert not list(tmp_path.iterdir())
    assert main(["service", "uninstall", "--dry-run"]) == 0
    assert capsys.readouterr().out == "livehandled.service is not installed.\n"
    assert main(["service", "instal"]) == 3
    assert "did you mean install?" in capsys.readouterr().err


def test_what_is_not_ours_to_write_asks_for_sudo(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, *_args: object, **_flags: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_text", refused)
    with pytest.raises(LiveHandleError, match="run it with sudo"):
        machine.change("install")


def test_status_shows_units_socket_and_daemon(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"pid": 7, "uptime_ms": 61_000, "session": {"phase": "active"}}
    with scripted_daemon({"daemon.status": result(answer)}) as daemon:
        words = ["--socket", str(daemon.path), "service", "status"]
        assert main(words) == 0
        told = capsys.readouterr().out
        assert "active (running), enabled, started again 2 times: Session active" in told
        assert "pid 7, up for 61 s, session active" in told
        assert main([*words, "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
    assert shown["units"]["livehandled.service"]["NRestarts"] == "2"
    assert (shown["daemon"]["pid"], shown["error"]) == (7, None)


def test_status_without_a_daemon_is_exit_code_2(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--socket", "/nonexistent/s", "service", "status", "--system"]) == 2
    assert "No daemon answers at /nonexistent/s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "fares"),
    [
        ("exit 1", "not known: systemd does not answer"),
        ("echo LoadState=not-found", "not installed"),
    ],
)
def test_status_says_where_there_are_no_units(
    script: str, fares: str, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.root / "bin/systemctl").write_text(f"#!/bin/sh\n{script}\n")
    main(["--socket", "/nonexistent/s", "service", "status"])
    assert f"livehandled.service  {fares}\n" in capsys.readouterr().out
