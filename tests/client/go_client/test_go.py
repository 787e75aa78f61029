"""The Go client: its sources by Go's own tools, its programs against a real daemon."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from generator.__main__ import generated
from support.daemon import private_directory, running_daemon
from support.following import outlives_its_daemon
from support.toolchains import need

GO = Path(__file__).parents[3] / "client/go"
_S = 170.0

pytestmark = pytest.mark.timeout(180)  # with an empty cache Go compiles for most of a minute


def go(*arguments: str) -> str:
    """Run Go's own tool in the client's folder. What it makes is in Go's cache, not in the tree."""
    environ = os.environ | {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    # Two at once would compile the same: its standard library, where the cache is empty.
    with Path(tempfile.gettempdir(), f"livehandle-go-{os.geteuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return said(["go", *arguments], environ)


def said(command: list[str], environ: Mapping[str, str], text: str | None = None) -> str:
    """Run a command that has to succeed and return what it wrote."""
    done = subprocess.run(
        command, cwd=GO, env=environ, input=text, capture_output=True, text=True, timeout=_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def program(name: str) -> Iterator[Path]:
    """Build one of the examples, outside the tree."""
    need(["go", "gcc"], compiles=True)
    with private_directory() as directory:
        go("build", "-race", "-o", str(directory / name), f"./examples/{name}")
        yield directory / name


def test_the_generated_half_is_as_gofmt_has_it() -> None:
    need(["gofmt"])
    text = generated()[GO / "api.go"]
    assert said(["gofmt"], os.environ, text) == text


def test_gofmt_and_vet_have_no_complaint() -> None:
    need(["go", "gofmt", "gcc"], compiles=True)
    assert said(["gofmt", "-l", "."], os.environ) == ""
    assert go("vet", "-race", "./...") == ""  # by the packages that the tests are built of


def test_the_tests_in_go_pass_under_the_race_detector() -> None:
    need(["go", "gcc"], compiles=True)
    assert "ok" in go("test", "-race", "-count=1", ".")


def test_the_readme_shows_the_small_program_as_it_is() -> None:
    shown = (GO / "README.md").read_text().partition("```go\n")[2].partition("```\n")[0]
    assert shown == (GO / "examples/hello/main.go").read_text()


def test_the_small_program_talks_to_a_daemon() -> None:
    with program("hello") as hello, running_daemon("--emulator") as daemon:
        environ = os.environ | {"LIVEHANDLE_SOCKET": str(daemon.path)}
        called = said([str(hello)], environ)
        assert called == 'tool: get_weather Oslo\nget_weather answered {"temperature": 7}.\n'
        daemon.stop()
        alone = subprocess.run([hello], env=environ, capture_output=True, text=True, timeout=_S)
    assert (alone.returncode, alone.stdout) == (1, "")
    assert alone.stderr.startswith("No daemon answers (dial unix ")


def test_a_program_goes_on_when_the_daemon_is_killed_and_started_again() -> None:
    with program("follow") as follow:
        outlives_its_daemon(str(follow))
