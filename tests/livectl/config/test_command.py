"""The configuration as livectl shows, checks and edits it."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from livectl.__main__ import main
from support.daemon import DaemonProcess, running_daemon

WRONG = '[session]\nvoise = "Puck"\n'
RIGHT = '[session]\nvoice = "Puck"\n'


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no daemon, no configuration and no editor but those of the test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LIVEHANDLE_SOCKET", str(tmp_path / "none.sock"))
    monkeypatch.delenv("LIVEHANDLE_CONFIG", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("")
    return path


@pytest.fixture
def daemon(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DaemonProcess]:
    with running_daemon("--emulator", "--config", str(file)) as daemon:
        monkeypatch.setenv("LIVEHANDLE_SOCKET", str(daemon.path))
        yield daemon


def edits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, code: int = 0) -> None:
    """Have an editor that writes a text."""
    editor = tmp_path / "an editor"
    editor.write_text(f"#!/bin/sh\ncat >\"$2\" <<'END'\n{text}END\nexit {code}\n")
    editor.chmod(0o700)
    monkeypatch.setenv("EDITOR", f"'{editor}' --wait")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("session.model", ['session.model  "gemini-3.8-live"  default']),
        (
            "context",
            [
                'context.delivery     "immediate"  default',
                "context.compression  true         default",
            ],
        ),
    ],
)  # fmt: skip
def test_a_value_is_shown_with_its_source(
    daemon: DaemonProcess, name: str, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show", name]) == 0
    assert capsys.readouterr().out.splitlines() == shown


def test_all_of_it_is_shown_and_as_json(
    daemon: DaemonProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["session.backend"] == {"value": "emulator", "source": "flag --set"}
    assert main(["config", "show"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(told)


def test_what_there_is_not_is_refused_with_what_was_meant(
    daemon: DaemonProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show", "session.modle"]) == 3
    assert "did you mean session.model?" in capsys.readouterr().err
    assert main(["config", "show", "qqqqqq"]) == 3
    assert "livectl config show lists all" in capsys.readouterr().err


def test_the_path_is_that_of_the_daemon_that_runs_else_that_of_the_rule(
    tmp_path: Path,
    file: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    assert main(["config", "path", "--json"]) == 0
    user = tmp_path / "home/livehandle/config.toml"
    assert json.loads(capsys.readouterr().out) == {"path": str(user), "exists": False}
    request.getfixturevalue("daemon")
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{file}\n"


def test_a_file_is_checked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file} is in order.\n"
    file.write_text(WRONG)
    assert main(["config", "check", str(file)]) != 0
    told = capsys.readouterr().err
    assert told.count("config.invalid") == 1
    assert "did you mean session.voice?" in told
    assert f"{file}:2" in told


def test_what_is_edited_is_put_in_place_and_read_by_the_daemon(
    daemon: DaemonProcess,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edits(monkeypatch, tmp_path, RIGHT)
    assert main(["config", "edit"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{file} is saved.",
        "next session  session.voice",
    ]
    assert file.read_text() == RIGHT
    assert main(["config", "edit"]) == 0
    assert capsys.readouterr().out == "Nothing has changed.\n"
    assert list(tmp_path.glob("*.edit")) == []


def test_a_new_file_is_the_owners_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edits(monkeypatch, tmp_path, RIGHT)
    assert main(["config", "edit"]) == 0
    assert capsys.readouterr().out.endswith("No daemon runs: the next one reads it.\n")
    path = tmp_path / "home/livehandle/config.toml"
    assert path.read_text() == RIGHT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_wrong_changes_nothing_and_stays_as_a_draft(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edits(monkeypatch, tmp_path, WRONG)
    assert main(["config", "edit", str(file)]) != 0
    told = capsys.readouterr().err
    assert "did you mean session.voice?" in told
    assert f"{file} is as it was: your draft is {file}.edit." in told
    assert file.read_text() == ""
    assert Path(f"{file}.edit").read_text() == WRONG
    edits(monkeypatch, tmp_path, RIGHT)
    assert main(["config", "edit", str(file)]) == 0
    assert "the draft that was left" in capsys.readouterr().err
    assert file.read_text() == RIGHT


@pytest.mark.parametrize(
    ("editor", "why"),
    [
        ("no-such-editor", "Set $EDITOR to an editor"),
        ("'", "Set $EDITOR"),
        ("false", "ended with 1"),
    ],
)
def test_an_editor_that_fails_changes_nothing(
    file: Path,
    editor: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("EDITOR", editor)
    assert main(["config", "edit", str(file)]) == 3
    assert why in capsys.readouterr().err
    assert file.read_text() == ""


def test_a_place_that_cannot_be_written_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "edit", "/proc/config.toml"]) == 3
    assert "Cannot write /proc/config.toml.edit" in capsys.readouterr().err


def test_a_link_stays_a_link(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    edits(monkeypatch, tmp_path, RIGHT)
    assert main(["config", "edit", str(link)]) == 0
    assert link.is_symlink()
    assert file.read_text() == RIGHT


def test_a_draft_that_was_left_does_not_undo_what_has_changed_since(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edits(monkeypatch, tmp_path, WRONG)
    assert main(["config", "edit", str(file)]) != 0
    os.utime(f"{file}.edit", (1, 1))
    file.write_text(RIGHT)
    assert main(["config", "edit", str(file)]) == 3
    assert f"{file} has changed since your draft" in capsys.readouterr().err
    assert file.read_text() == RIGHT
