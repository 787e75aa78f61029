"""The state on its way out to a file and back, and its end."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from livectl.__main__ import main
from support.daemon import DaemonProcess, running_daemon


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[DaemonProcess]:
    with running_daemon("--emulator") as daemon:
        monkeypatch.setenv("LIVEHANDLE_SOCKET", str(daemon.path))
        yield daemon


def test_it_is_shown_as_it_is(daemon: DaemonProcess, capsys: pytest.CaptureFixture[str]) -> None:
    with daemon.client() as client:
        client.result("state.set", key="app:theme", value="dark")
    assert main(["state", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["app:theme"] == "dark"


def test_what_is_exported_can_be_imported(
    daemon: DaemonProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.json"
    large = ["é" * 1000] * 100
    with daemon.client() as client:
        client.result("connect")
        client.result("state.set", key="app:theme", value="dark")
        client.result("state.set", key="user:list", value=large)
        assert main(["state", "export", str(file)]) == 0
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert list(tmp_path.iterdir()) == [file]
        client.result("disconnect")
        assert main(["state", "forget"]) == 0
        assert client.result("state.get", key="app:theme")["present"] is False
        capsys.readouterr()
        assert main(["state", "import", str(file)]) == 0
        assert capsys.readouterr().out == "2 keys are put back.\n"
        assert client.result("state.get", key="app:theme")["value"] == "dark"
        client.max_line = 2**20
        client.result("daemon.hello", max_line_bytes=2**20)
        assert client.result("state.get", key="user:list")["value"] == large


def test_it_goes_by_pipes_too(daemon: DaemonProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["state", "export"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["livehandle_state"], told["exported_ms"] > 0) == (1, True)


def test_a_mask_is_not_put_back_for_a_value(
    daemon: DaemonProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.json"
    values = {"app:pin": "[redacted]", "app:a": 1}
    file.write_text(json.dumps({"livehandle_state": 1, "state": values}))
    assert main(["state", "import", str(file)]) == 0
    assert capsys.readouterr().out == "1 keys are put back.\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "it is no JSON"),
        ("[]", "is no file of livectl state export."),
        ('{"livehandle_state": 1, "state": []}', "is no file of livectl state export."),
        ('{"livehandle_state": 2, "state": {}}', "is of version 2, and this livectl reads 1"),
    ],
)
def test_another_file_is_refused(
    text: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.json"
    file.write_text(text)
    assert main(["state", "import", str(file)]) == 3
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["import"], "Give the file that livectl state export has written"),
        (["import", "/nowhere"], "Cannot read /nowhere"),
        (["forget", "x"], "state forget takes no file"),
        (["exprot"], "did you mean export?"),
    ],
)
def test_what_is_wrong_is_said(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["state", *words]) == 3
    assert why in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told(
    daemon: DaemonProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["state", "export", "/nowhere/kept.json"]) == 3
    assert "Cannot write /nowhere/kept.json: No such file" in capsys.readouterr().err


def test_a_key_that_is_refused_tells_how_far_it_got(
    daemon: DaemonProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.json"
    values = {"app:a": 1, "x" * 100_000: 2}
    file.write_text(json.dumps({"livehandle_state": 1, "state": values}))
    assert main(["state", "import", str(file)]) == 1
    told = capsys.readouterr().err
    assert "1 of 2 keys are put back" in told
    assert "state.bad_key" in told
