"""The wheel: the same bytes wherever it is built, and nothing in it that is not for users."""

import os
import subprocess
import time
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from support.toolchains import need
from support.versions import ROOT, copy, environment_of, wheel


def built_elsewhere(folder: Path, *, umask: int, days_ago: int) -> Path:
    """Build the wheel of a copy whose files came there with a umask, days ago."""
    source = copy(folder)
    then = time.time() - days_ago * 86_400
    for path in source.rglob("*"):
        path.chmod((0o777 if path.is_dir() or os.access(path, os.X_OK) else 0o666) & ~umask)
        os.utime(path, (then, then))
    return wheel(source, umask)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need((), compiles=True)
    return built_elsewhere(tmp_path_factory.mktemp("a") / "a", umask=0o022, days_ago=0)


def test_it_is_the_same_byte_for_byte_from_another_place_time_and_umask(
    built: Path, tmp_path: Path
) -> None:
    other = built_elsewhere(tmp_path / "b", umask=0o077, days_ago=400)
    assert built.name == other.name
    assert built.read_bytes() == other.read_bytes()


def test_it_holds_the_five_packages_and_the_units_and_nothing_of_how_it_is_packaged(
    built: Path,
) -> None:
    with ZipFile(built) as files:
        names = files.namelist()
    packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {
        "livehandle_proto", "livehandled", "livehandle_emulator", "livehandle", "livectl",
    }  # fmt: skip
    units = {name for name in names if name.startswith("livectl/data/systemd/")}
    shipped = {
        f"livectl/data/systemd/{path.relative_to(ROOT / 'systemd')}"
        for pattern in ("system/*", "user/*", "*.d/*", "since-*.conf")
        for path in (ROOT / "systemd").glob(pattern)
    }
    assert units == shipped


def test_its_livectl_has_the_units_and_names_the_daemon_beside_it(
    built: Path, tmp_path: Path
) -> None:
    programs = environment_of(built, tmp_path / "venv")
    said = subprocess.run(
        [programs / "livectl", "service", "install", "--dry-run", "--json"],
        capture_output=True, text=True, check=True,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert f"ExecStart={programs}/livehandled" in said.stdout


def test_what_is_locked_for_packages_is_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "systemd/requirements.txt").read_text()
    locked = [
        Requirement(line.rstrip(" \\"))
        for line in lock.splitlines()
        if line and not line.startswith((" ", "#"))
    ]
    for wanted in map(Requirement, project["dependencies"]):
        versions = [str(one.specifier) for one in locked if one.name == wanted.name]
        assert versions, wanted
        assert all(wanted.specifier.contains(version.lstrip("=")) for version in versions), wanted
