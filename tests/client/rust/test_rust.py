"""The Rust client: its sources by Rust's own tools, its programs against a real daemon."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from generator.__main__ import generated
from support.daemon import running_daemon
from support.following import outlives_its_daemon
from support.toolchains import need

RUST = Path(__file__).parents[3] / "client/rust"
FETCH = "`cargo fetch --locked` in client/rust"
SAID = 'tool: get_weather Oslo\nget_weather answered {"temperature": 7}.\n'
_S = 580.0

pytestmark = pytest.mark.timeout(600)  # with an empty target directory it compiles for minutes


def said(command: list[str], environ: Mapping[str, str], text: str | None = None) -> str:
    """Run a command that has to succeed and return what it wrote."""
    done = subprocess.run(
        command, cwd=RUST, env=environ, input=text, capture_output=True, text=True, timeout=_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cargo(*arguments: str) -> str:
    """Run cargo without the network. What it makes is in `$CARGO_TARGET_DIR`, or ignored by git."""
    need(["cargo"], compiles=True)
    environ = os.environ | {"CARGO_NET_OFFLINE": "true", "CARGO_TERM_COLOR": "never"}
    metadata = ["cargo", "metadata", "--locked", "--format-version=1"]
    fetched = subprocess.run(metadata, cwd=RUST, env=environ, capture_output=True, timeout=_S)
    need([], found=fetched.returncode == 0, install=FETCH)
    return said(["cargo", *arguments], environ)


def program(name: str) -> str:
    """Build one of the examples."""
    cargo("build", "--locked", "--quiet", "--all-features", "--examples")
    return str(Path(os.environ.get("CARGO_TARGET_DIR", RUST / "target")) / "debug/examples" / name)


def test_the_generated_half_is_as_rustfmt_has_it() -> None:
    need(["rustfmt"])
    text = generated()[RUST / "src/api.rs"]
    assert said(["rustfmt", "--edition=2021"], os.environ, text) == text


def test_fmt_and_clippy_have_no_complaint() -> None:
    need(["cargo-fmt", "cargo-clippy"])
    assert cargo("fmt", "--check") == ""
    cargo("clippy", "--locked", "--all-features", "--all-targets", "--", "--deny=warnings")


@pytest.mark.parametrize("features", [[], ["--all-features"]], ids=["blocking", "async"])
def test_the_tests_in_rust_pass(features: list[str]) -> None:
    assert "test result: ok" in cargo("test", "--locked", *features)


def test_crates_come_from_the_registry_alone() -> None:
    lock = (RUST / "Cargo.lock").read_text()
    sources = set(re.findall(r'^source = "(.*)"$', lock, re.MULTILINE))
    assert sources == {"registry+https://github.com/rust-lang/crates.io-index"}


@pytest.mark.parametrize("name", ["hello.rs", "hello_async.rs"])
def test_the_readme_shows_the_small_program_as_it_is(name: str) -> None:
    blocks = re.findall(r"```rust\n(.*?)```", (RUST / "README.md").read_text(), re.DOTALL)
    assert (RUST / "examples" / name).read_text() in blocks


@pytest.mark.parametrize("name", ["hello", "hello_async"])
def test_the_small_program_talks_to_a_daemon(name: str) -> None:
    command = [program(name)]
    with running_daemon("--emulator") as daemon:
        environ = os.environ | {"LIVEHANDLE_SOCKET": str(daemon.path)}
        assert said(command, environ) == SAID
        daemon.stop()
        alone = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=_S)
    assert (alone.returncode, alone.stdout) == (1, "")
    assert "No daemon answers at " in alone.stderr


def test_the_asynchronous_client_is_certified() -> None:
    command = [sys.executable, "-m", "livectl", "certify", "--language", "rust", "--"]
    assert "rust: " in said([*command, program("certify_async")], os.environ)


def test_a_program_goes_on_when_the_daemon_is_killed_and_started_again() -> None:
    outlives_its_daemon(program("follow"))
