"""What `doctor` looks at."""

import os
import socket as sockets
from collections.abc import Mapping
from pathlib import Path

import pytest

from livectl.doctor import checks
from livehandle_proto import __version__

SERVICE = {"session.backend": "gemini", "session.base_url": "", "session.key_file": ""}


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


def test_a_socket_of_ones_own_is_well(folder: Path) -> None:
    path = folder / "s"
    with sockets.socket(sockets.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        found = checks.socket(str(path), None, {})
        assert (found[0], found[1].state, found[1].remedy) == (str(path), "ok", "")
        path.chmod(0o666)
        _, open_to_all = checks.socket(str(path), None, {})
    assert open_to_all.state == "note"
    assert "0666" in open_to_all.found
    assert "control.mode" in open_to_all.remedy


@pytest.mark.parametrize(
    ("flag", "instance", "why"),
    [
        ("absent", None, "is not there"),
        ("file", None, "is no socket"),
        ("file/below", None, "cannot be reached: Not a directory"),
        ("x" * 200, None, "bytes long"),
        (None, "a/b", "is not usable"),
    ],
)
def test_a_socket_that_cannot_be_is_wrong_and_has_a_remedy(
    flag: str | None, instance: str | None, why: str, folder: Path
) -> None:
    (folder / "file").touch()
    _, found = checks.socket(flag and str(folder / flag), instance, {})
    assert found.state == "wrong"
    assert why in found.found
    assert found.remedy


@pytest.mark.parametrize(
    ("hello", "state"),
    [
        ({"version": __version__, "api_level": 1, "api_compatible": 1}, "ok"),
        ({"version": "0.0.1", "api_level": 1, "api_compatible": 1}, "wrong"),
        ({"version": __version__, "api_level": 9, "api_compatible": 9}, "wrong"),
        ({}, "wrong"),
    ],
)
def test_daemon_and_livectl_are_of_one_version(hello: dict[str, object], state: str) -> None:
    assert checks.versions(hello).state == state


def environ_of(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    monkeypatch.setattr(checks, "_environment_of", lambda _pid: environ)


def test_the_daemons_key_is_found_where_the_daemon_looks_and_never_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gemini-api-key", "own"):
        (folder / name).write_text("secret")
    (folder / "empty").touch()
    cases: list[tuple[dict[str, str], dict[str, object], str, str]] = [
        ({"GEMINI_API_KEY": "secret"}, {}, "ok", "GEMINI_API_KEY"),
        ({"GOOGLE_API_KEY": "secret", "GEMINI_API_KEY": "x"}, {}, "ok", "GOOGLE_API_KEY"),
        ({"GEMINI_API_KEY": " "}, {}, "wrong", "has no API key"),
        ({"CREDENTIALS_DIRECTORY": str(folder)}, {}, "ok", "gemini-api-key"),
        ({"CREDENTIALS_DIRECTORY": "/nonexistent"}, {}, "wrong", "has no API key"),
        ({}, {"session.key_file": str(folder / "own")}, "ok", "own"),
        ({}, {"session.key_file": str(folder / "empty")}, "wrong", "has no API key"),
        ({}, {"session.backend": "emulator"}, "ok", "needs none"),
        ({}, {"session.backend": "vertex"}, "note", "application-default"),
    ]
    for environ, config, state, told in cases:
        environ_of(monkeypatch, environ)
        found = checks.key(SERVICE | config, {"pid": 1})
        assert (found.state, told in found.found) == (state, True), (environ, config)
        assert "secret" not in found.found + found.remedy


def test_a_real_environment_is_read_by_the_process_id() -> None:
    own = checks._environment_of(os.getpid())
    assert own["PATH"] == os.environ["PATH"]


def test_whether_another_users_daemon_has_a_key_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_pid: object) -> dict[str, str]:
        raise PermissionError

    monkeypatch.setattr(checks, "_environment_of", refused)
    assert checks.key(SERVICE, {"pid": 1}).state == "note"


@pytest.mark.parametrize(("environ", "state"), [({"GEMINI_API_KEY": "secret"}, "ok"), ({}, "note")])
def test_without_a_daemon_the_key_here_is_told(environ: dict[str, str], state: str) -> None:
    found = checks.key_here(environ)
    assert found.state == state
    assert "secret" not in found.found


@pytest.mark.parametrize("by", ["session", "base_url", "proxy"])
def test_the_service_is_reached_or_not(by: str) -> None:
    with sockets.create_server(("127.0.0.1", 0)) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}/ws"
        config = dict(SERVICE)
        session: dict[str, object] = {}
        if by == "session":
            session = {"connection": {"url": url}}
        else:
            config[f"session.{by}"] = url
        assert checks.endpoint(config, session).state == "ok"
    gone = checks.endpoint(config, session)
    assert gone.state == "wrong"
    assert "Connection refused" in gone.found
    assert gone.remedy


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({"session.backend": "emulator"}, ""),
        ({"session.backend": "gemini"}, "wss://generativelanguage.googleapis.com"),
        ({"session.backend": "vertex"}, "wss://aiplatform.googleapis.com"),
        (
            {"session.backend": "vertex", "session.location": "europe-west4"},
            "wss://europe-west4-aiplatform.googleapis.com",
        ),
        (
            {"session.backend": "vertex", "session.location": "eu"},
            "wss://aiplatform.eu.rep.googleapis.com",
        ),
    ],
)
def test_each_backend_has_its_service(config: dict[str, object], url: str) -> None:
    assert checks._service(config) == url


def test_the_emulator_is_always_reached() -> None:
    assert checks.endpoint({"session.backend": "emulator"}, {}).state == "ok"


@pytest.mark.parametrize(
    ("connection", "state"),
    [
        (None, "ok"),
        ({"state": "ready"}, "ok"),
        ({"state": "reconnecting", "cause": "gone"}, "note"),
        ({"state": "failed", "cause": "no such model"}, "wrong"),
    ],
)
def test_a_session_that_failed_is_wrong(connection: object, state: str) -> None:
    assert checks.session({"phase": "active", "connection": connection}).state == state


MIC, SPEAKER = {"inputs": 1, "outputs": 0}, {"inputs": 0, "outputs": 2}


@pytest.mark.parametrize(
    ("devices", "state"), [([MIC, SPEAKER], "ok"), ([SPEAKER], "note"), ([], "note")]
)
def test_a_microphone_and_a_speaker_are_wanted(
    devices: list[dict[str, object]], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livectl.sound.devices.listed", lambda: devices)
    assert checks.audio().state == state


def test_a_sound_library_that_fails_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[dict[str, object]]:
        raise RuntimeError("no host API")

    monkeypatch.setattr("livectl.sound.devices.listed", fail)
    found = checks.audio()
    assert (found.state, "no host API" in found.found) == ("note", True)


@pytest.mark.parametrize(
    ("installed", "answers", "state", "told"),
    [
        ([], "", "note", "No unit is installed"),
        (["livehandled.service"], "active", "ok", "livehandled.service is active"),
        (["livehandled.service", "livehandled.socket"], "inactive", "note", "is inactive"),
        (["livehandled.service"], "failed", "wrong", "is failed"),
    ],
)
def test_the_units_fare_as_systemd_says(
    installed: list[str],
    answers: str,
    state: str,
    told: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    units = folder / "systemd/user"
    units.mkdir(parents=True)
    for unit in installed:
        (units / unit).touch()
    systemctl = folder / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho {answers}\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    found = checks.systemd({"XDG_CONFIG_HOME": str(folder)})
    assert (found.state, told in found.found) == (state, True), found.found
    assert bool(found.remedy) is (state != "ok")


def test_without_systemd_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert checks.systemd({}).state == "note"


def test_settings_are_values_by_section_and_key() -> None:
    shown = {"session": {"model": {"value": "m", "source": "default"}}}
    assert checks.settings(shown) == {"session.model": "m"}
    assert checks.settings(None) == {}


@pytest.mark.parametrize(
    ("store", "failure", "state", "told"),
    [
        (True, None, "ok", "is kept"),
        (False, None, "ok", "Nothing is kept"),
        (True, "It cannot be written.", "wrong", "It cannot be written."),
    ],
)
def test_whether_a_restart_goes_on_with_the_session(
    store: bool, failure: str | None, state: str, told: str
) -> None:
    found = checks.snapshot({"resumption.store": store}, {"snapshot_failure": failure})
    assert (found.state, told in found.found) == (state, True)
    assert bool(found.remedy) == (state == "wrong")


def test_a_socket_that_was_removed_under_a_daemon_is_told_from_none(folder: Path) -> None:
    path = folder / "s"
    with sockets.socket(sockets.AF_UNIX) as listener:
        listener.bind(str(path))
        path.unlink()
        _, removed = checks.socket(str(path), None, {})
    _, absent = checks.socket(str(path), None, {})
    assert ("was removed" in removed.found, "SIGTERM" in removed.remedy) == (True, True)
    assert "is not there" in absent.found


@pytest.mark.parametrize("cause", ["Check the key: it said no", "Check the key: it said no."])
def test_why_a_session_failed_is_told_as_one_sentence(cause: str) -> None:
    found = checks.session({"connection": {"state": "failed", "cause": cause}})
    assert found.found == "It failed: Check the key: it said no."
    assert "livectl connect" in found.remedy
