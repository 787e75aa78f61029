"""The unit files, as they are written for an installation."""

import sys
from pathlib import Path

import pytest

from livectl.service import units
from livectl.service.units import Place, daemon_command, files
from livehandle_proto.errors import LiveHandleError

COMMAND = "/opt/lh/bin/livehandled"


def place(root: Path, *, system: bool = True, instance: str | None = None) -> Place:
    environ = {"XDG_CONFIG_HOME": str(root / "config")}
    return Place(system=system, instance=instance, environ=environ, root=root)


def names(found: dict[Path, str], root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in found]


@pytest.mark.parametrize(
    ("system", "instance", "systemd", "written"),
    [
        (
            True,
            None,
            252,
            [
                "etc/systemd/system/livehandled.service",
                "etc/systemd/system/livehandled.socket",
                "etc/sysusers.d/livehandle.conf",
                "etc/tmpfiles.d/livehandle.conf",
            ],
        ),
        (
            False,
            "kitchen",
            254,
            [
                "config/systemd/user/livehandled@.service",
                "config/systemd/user/livehandled@.socket",
                "config/systemd/user/livehandled@.service.d/since-254.conf",
            ],
        ),
        (
            False,
            "default",
            253,
            ["config/systemd/user/livehandled.service", "config/systemd/user/livehandled.socket"],
        ),
    ],
)
def test_what_the_installed_systemd_understands_is_written(
    system: bool, instance: str | None, systemd: int, written: list[str], tmp_path: Path
) -> None:
    found = files(place(tmp_path, system=system, instance=instance), COMMAND, systemd)
    assert names(found, tmp_path) == written


@pytest.mark.parametrize("system", [True, False])
@pytest.mark.parametrize("instance", ["default", "kitchen"])
def test_every_command_is_this_installations(system: bool, instance: str, tmp_path: Path) -> None:
    found = files(place(tmp_path, system=system, instance=instance), COMMAND, 254)
    assert not any("/usr/bin/livehandled" in text for text in found.values())
    service, _, drop_in = list(found.values())[:3]
    assert f"\nExecStart={COMMAND}\n" in service
    assert f"\nExecReload={COMMAND} --check\n" in service
    assert f"\nExecReload=\nExecReload={COMMAND} --check\n" in drop_in


def test_a_wheel_carries_the_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "livectl"
    (package / "service").mkdir(parents=True)
    monkeypatch.setattr(units, "__file__", str(package / "service/units.py"))
    assert units._source() == tmp_path.parent / "systemd"  # a source tree's
    (package / "data/systemd").mkdir(parents=True)
    assert units._source() == package / "data/systemd"


@pytest.mark.parametrize(
    ("system", "instance", "socket"),
    [(True, None, "/run/livehandle/default.sock"), (True, "a.b", "/run/livehandle/a.b.sock")],
)
def test_the_units_listen_where_the_place_says(
    system: bool, instance: str | None, socket: str, tmp_path: Path
) -> None:
    where = place(tmp_path, system=system, instance=instance)
    assert where.socket == socket
    text = files(where, COMMAND, 252)[where.units / f"{where.template}.socket"]
    name = where.unit.partition("@")[2]
    assert f"\nListenStream={socket}\n" in text.replace("%i", name)


def test_an_instance_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LiveHandleError, match="instance name"):
        place(tmp_path, instance="../x")


def test_the_daemon_is_the_one_beside_this_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "bin $ 100%/python"
    monkeypatch.setattr(sys, "executable", str(python))
    quoted = f'"{tmp_path}/bin $$ 100%%/'
    assert daemon_command(system=False) == f'{quoted}python" -P -m livehandled'
    python.parent.mkdir()
    daemon = python.with_name("livehandled")
    daemon.touch(0o755)
    assert daemon_command(system=False) == f'{quoted}livehandled"'


def test_the_daemon_of_the_debian_package_is_the_one_of_its_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    daemon, link = tmp_path / "livehandled", tmp_path / "usr-bin-livehandled"
    daemon.touch(0o755)
    monkeypatch.setattr(units, "_PACKAGED", str(link))
    assert daemon_command(system=False) == str(daemon)
    link.symlink_to(daemon)
    assert daemon_command(system=False) == str(link)


@pytest.mark.parametrize("hidden", ["/home/ann/venv", "/root/v", "/run/user/0/v"])
def test_what_the_systems_service_cannot_see_is_refused(
    hidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    monkeypatch.setattr(units, "__file__", "/usr/lib/python3/dist-packages/livectl/x.py")
    monkeypatch.setattr(sys, "prefix", "/usr")
    daemon_command(system=True)
    monkeypatch.setattr(sys, "prefix", hidden)
    with pytest.raises(LiveHandleError, match=f"do not see {hidden}") as refused:
        daemon_command(system=True)
    assert refused.value.name == "client.usage"
    daemon_command(system=False)


def test_what_a_package_has_put_in_place_is_left_to_it(tmp_path: Path) -> None:
    where = place(tmp_path)
    packaged = tmp_path / "usr/lib/systemd/system/livehandled.service"
    assert not where.is_packaged("/usr/bin/livehandled")
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    assert where.is_packaged("/usr/bin/livehandled")
    assert not where.is_packaged(COMMAND)
