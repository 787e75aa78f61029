"""`livectl doctor`."""

import json

import pytest

from livectl.__main__ import main
from livectl.doctor import checks
from livectl.doctor.checks import Finding
from livehandle_proto import __version__
from support.scripted_daemon import Reply, ScriptedDaemon, failure, result, scripted_daemon

SESSION = {"phase": "active", "turns": 3, "model": "m"}
SCRIPT: dict[str, Reply] = {
    "daemon.hello": result({"version": __version__, "api_level": 1, "api_compatible": 1}),
    "daemon.status": result({"name": "livehandled", "pid": 7, "clients": [], "session": SESSION}),
    "session.config": result({"session": {"backend": {"value": "emulator", "source": "flag"}}}),
}
NAMES = [
    "socket",
    "versions",
    "daemon",
    "key",
    "endpoint",
    "session",
    "snapshot",
    "audio",
    "systemd",
]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "audio", lambda: Finding("audio", "note", "None.", "Buy one."))
    monkeypatch.setattr(checks, "systemd", lambda _environ: Finding("systemd", "ok", "Fine."))


def run(daemon: ScriptedDaemon, *words: str) -> int:
    daemon.path.chmod(0o600)
    return main(["--socket", str(daemon.path), "doctor", *words])


def test_where_nothing_is_wrong_it_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_daemon(SCRIPT) as daemon:
        assert run(daemon) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if not line.startswith(" ")] == NAMES
    assert {line[:2] for line in lines} == {"ok", "--", "  "}
    assert "              Buy one." in lines


def test_with_json_it_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_daemon(SCRIPT) as daemon:
        assert run(daemon, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert [one["name"] for one in told["checks"]] == NAMES
    assert told["checks"][7] == {
        "name": "audio",
        "state": "note",
        "found": "None.",
        "remedy": "Buy one.",
    }


def test_with_quiet_what_is_well_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_daemon(SCRIPT) as daemon:
        assert run(daemon, "--quiet") == 0
    assert capsys.readouterr().out.split()[:2] == ["--", "audio"]


def test_what_is_wrong_exits_1_and_has_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    older = {**SCRIPT, "daemon.hello": result({"version": "0.0.1", "api_level": 1})}
    with scripted_daemon(older) as daemon:
        assert run(daemon) == 1
        assert "!!  versions" in capsys.readouterr().out
        assert run(daemon, "--json") == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_without_a_daemon_the_rest_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--socket", "/nonexistent/s", "doctor", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["checks"]
    assert [one["name"] for one in told] == ["socket", "key", "audio", "systemd"]


def test_a_daemon_that_fails_is_told_and_the_rest_is_looked_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with scripted_daemon({"daemon.hello": failure("daemon.forbidden", "Not you.")}) as daemon:
        assert run(daemon, "--json") == 1
    told = json.loads(capsys.readouterr().out)["checks"]
    assert [one["name"] for one in told] == ["socket", "daemon", "key", "audio", "systemd"]
    assert told[1]["found"] == "Not you."
