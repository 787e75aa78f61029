"""The project as another version: a copy of what is packaged, and wheels of it in environments."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]

_PACKAGED = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "proto", "daemon", "systemd")
_PACKAGED_CLIENTS = ("client/livehandle", "client/livectl")
_NOT_SOURCE = shutil.ignore_patterns("__pycache__")


def copy(folder: Path, version: str | None = None) -> Path:
    """Copy what a package is built of into a new folder, under another version if one is given."""
    folder.mkdir(parents=True)
    for name in (*_PACKAGED, *_PACKAGED_CLIENTS):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=_NOT_SOURCE)
        else:
            shutil.copy2(ROOT / name, folder / name)
    if version is not None:
        module = folder / "proto/livehandle_proto/__init__.py"
        lines = module.read_text().splitlines(keepends=True)
        [at] = [n for n, line in enumerate(lines) if line.startswith("__version__ = ")]
        lines[at] = f'__version__ = "{version}"\n'
        module.write_text("".join(lines))
    return folder


def wheel(source: Path, umask: int = 0o022) -> Path:
    """Build the wheel of a copy, into its `dist`; return it."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=source,
        check=True,
        capture_output=True,
        umask=umask,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1800000000"},
    )
    [built] = (source / "dist").glob("*.whl")
    return built


def environment_of(built: Path, folder: Path) -> Path:
    """Install a wheel into a new environment; return the folder of its programs.

    What the wheel depends on it takes from this environment.
    """
    venv.create(folder)
    python = folder / "bin/python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check")
    quick = ("--no-deps", "--no-index", "--no-compile")
    subprocess.run([*pip, "install", "--quiet", *quick, str(built)], check=True)
    [own] = folder.glob("lib/python*/site-packages")
    # After its own: what is installed here is found only where the wheel has no such module.
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent
