"""The programs that every client ships, in each language, ready to be run."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from support.toolchains import VARIABLE

CLIENT = Path(__file__).parents[2] / "client"

_BUILD_S = 240.0  # Rust, the first time


class NotReadyError(Exception):
    """Why the programs of a language cannot be run here."""


def insisted() -> bool:
    """Whether what is not ready is a failure: so it is where everything is installed."""
    return bool(os.environ.get(VARIABLE))


class Language(NamedTuple):
    """A language, what it needs, and how its programs are run."""

    name: str
    tools: tuple[str, ...]
    """The commands that must be installed."""
    compiles: bool
    """Which takes longer than all other tests: they run it only where all must be there."""
    source: str
    """Where a program's source is, below client/; `*` stands for the program."""
    command: Callable[[str, Path], list[str]]
    """What runs a program; built first, into a directory, where that is needed."""

    def program(self, name: str, directory: Path) -> list[str]:
        """Return the command that runs `hello` or `certify`. Raises `NotReadyError`."""
        for tool in self.tools:
            if shutil.which(tool) is None:
                raise NotReadyError(f"{tool} is not installed: .ci/run installs it")
        if not self.file(name).exists():
            raise NotReadyError(f"client/{self.source.replace('*', name)} is not there")
        if self.compiles and not insisted():
            raise NotReadyError(f"{self.name} compiles: set {VARIABLE}=1")
        return self.command(name, directory)

    def file(self, program: str) -> Path:
        """Return the source of a program."""
        return CLIENT / self.source.replace("*", program)

    def lines(self, program: str) -> int:
        """Return how many lines of a program are neither empty nor comments."""
        source = self.file(program).read_text()
        stripped = (line.strip() for line in source.splitlines())
        return sum(1 for line in stripped if line and not line.startswith(("#", "//", '"""')))


def _python(name: str, _: Path) -> list[str]:
    return [sys.executable, str(CLIENT / f"livehandle/examples/{name}.py")]


def _typescript(name: str, _: Path) -> list[str]:
    folder = CLIENT / "typescript"
    if not (folder / "node_modules").is_dir():
        raise NotReadyError("npm ci was not run in client/typescript: .ci/run does")
    built = folder / f"build/examples/{name}.js"
    sources = [*folder.glob("src/**/*.ts"), *folder.glob("examples/*.ts")]
    newest = max(source.stat().st_mtime for source in sources)
    with (folder / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # one test builds, the others wait for it
        if not built.exists() or built.stat().st_mtime < newest:
            _build(["npm", "run", "--silent", "pretest"], folder)
    return ["node", str(built)]


def _go(name: str, directory: Path) -> list[str]:
    binary = directory / f"go-{name}"
    _build(["go", "build", "-o", str(binary), f"./examples/{name}"], CLIENT / "go")
    return [str(binary)]


def _rust(name: str, _: Path) -> list[str]:
    folder = CLIENT / "rust"
    _build(["cargo", "build", "--quiet", "--offline", "--example", name], folder)
    target = Path(os.environ.get("CARGO_TARGET_DIR", folder / "target"))
    return [str(target / f"debug/examples/{name}")]


def _shell(name: str, _: Path) -> list[str]:
    return ["bash", str(CLIENT / f"shell/examples/{name}.sh")]


def _build(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_BUILD_S, check=False
    )
    if done.returncode:
        raise NotReadyError(f"{' '.join(command)} failed in {folder.name}: {done.stderr[-800:]}")


LANGUAGES = (
    Language("Python", (), False, "livehandle/examples/*.py", _python),
    Language("TypeScript", ("node", "npm"), True, "typescript/examples/*.ts", _typescript),
    Language("Go", ("go",), True, "go/examples/*/main.go", _go),
    Language("Rust", ("cargo",), True, "rust/examples/*.rs", _rust),
    Language("bash", ("bash", "jq", "socat"), False, "shell/examples/*.sh", _shell),
)
