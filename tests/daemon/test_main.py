"""The command `livehandled`: its flags, and what it says of wrong ones."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from livehandle_proto import __version__
from livehandle_proto.description import FILE
from livehandle_proto.errors import LiveHandleError
from livehandled import __main__ as command
from livehandled import log, service
from livehandled.service import Service
from support.daemon import private_directory


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a socket's path, in an environment without configuration."""
    with private_directory() as directory:
        monkeypatch.setenv("HOME", str(directory))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        for name in ("SOCKET", "INSTANCE", "CONFIG"):
            monkeypatch.delenv(f"LIVEHANDLE_{name}", raising=False)
        yield directory / "s"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Service]:
    """Note what the daemon would be started with."""
    services: list[Service] = []

    async def run(service: Service) -> None:
        services.append(service)

    monkeypatch.setattr(service, "run", run)
    # What a daemon sets for its whole process.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    monkeypatch.setattr(root, "level", root.level)
    return services


def test_flags_reach_the_service(path: Path, started: list[Service]) -> None:
    arguments = [
        "--socket",
        str(path),
        "--set",
        "session.connect=manual",
        "--model",
        "m",
        "--emulator",
    ]
    assert command.main([*arguments, "--set", "control.mode=0660"]) == 0
    (given,) = started
    assert given.socket_path == path
    config = given.loaded.config
    assert (config.session.connect, config.session.model) == ("manual", "m")
    assert (config.session.backend, config.control.mode) == ("emulator", 0o660)


def test_the_log_is_there_before_the_service_and_tells_of_its_end(
    path: Path, started: list[Service]
) -> None:
    assert command.main(["--set", "log.level=warning"]) == 0
    root = logging.getLogger()
    assert any(isinstance(handler, log.Handler) for handler in root.handlers)
    assert root.level == logging.WARNING
    assert sys.excepthook is log.crashed


def test_what_ends_a_thread_is_logged_without_its_words(
    path: Path, started: list[Service], capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError("the-key-that-nobody-may-see")

    assert command.main([]) == 0
    thread = threading.Thread(target=fail, name="recording")
    thread.start()
    thread.join()
    told = capfd.readouterr().err
    assert "thread recording failed" in told
    assert "ValueError" in told
    assert "the-key" not in told


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_form_of_the_log_is_a_flag(path: Path, started: list[Service], form: str) -> None:
    assert command.main(["--log-format", form, "--set", "log.format=text"]) == 0
    assert started[0].loaded.config.log.format == form


def test_the_instance_gives_the_path(path: Path, started: list[Service]) -> None:
    assert command.main(["--instance", "kitchen"]) == 0
    assert started[0].socket_path == path.parent / "livehandle" / "kitchen.sock"


def test_an_instance_that_the_environment_contradicts_is_refused(
    started: list[Service], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVEHANDLE_SOCKET", "/nonexistent/s")
    assert command.main(["--emulator", "--instance", "foo"]) == 3
    assert not started
    assert "name two daemons: unset the variable. [config.invalid]" in capsys.readouterr().err


def test_a_configuration_file_is_read_by_flag_and_by_environment(
    path: Path, started: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = path.with_name("c.toml")
    file.write_text('[session]\nvoice = "Puck"\n')
    assert command.main(["--config", str(file)]) == 0
    monkeypatch.setenv("LIVEHANDLE_CONFIG", str(file))
    assert command.main([]) == 0
    assert [given.loaded.config.session.voice for given in started] == ["Puck"] * 2


def test_the_description_is_printed_whatever_the_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--openrpc", "--config", "/no/such/file"]) == 0
    assert capsys.readouterr().out == FILE.read_text(encoding="utf-8")


def test_the_description_is_printed_without_loading_the_daemon() -> None:
    program = (
        "import sys; from livehandled.__main__ import main; code = main(['--openrpc']);"
        "print([name for name in sys.modules if name == 'livehandled.service'], file=sys.stderr);"
        "sys.exit(code)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert json.loads(ran.stdout)["openrpc"].startswith("1.3.")
    assert ran.stderr == "[]\n"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"livehandled {__version__}\n"


@pytest.mark.parametrize("arguments", [["--no-such-flag"], ["argument"], ["--socket"]])
def test_wrong_usage_is_exit_code_3(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        command.main(arguments)
    assert end.value.code == 3
    assert "livehandled: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--instance", ".."], "instance name '..'"),
        (["--instance", "a/b"], "instance name 'a/b'"),
        (["--instance", "x" * 65], "is not usable"),
        (["--instance", "a\n"], "is not usable"),
        (["--socket", "/run/" + "x" * 103], "108 bytes long and the limit is 107"),
        (["--socket", "/run/" + "é" * 52], "109 bytes long and the limit is 107"),
        (["--set", "session.model"], "has no `=`"),
        (["--set", "session.modle=x"], "session.model"),
        (["--config", "/no/such/file.toml"], "/no/such/file.toml"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    path: Path,
    started: list[Service],
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(arguments) == 3
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("livehandled: ")
    assert error.endswith(" [config.invalid]\n")
    assert error.count("\n") == 1
    assert not started
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (LiveHandleError("config.invalid", "No."), 3, "livehandled: No. [config.invalid]\n"),
        (LiveHandleError("auth.missing_key", "No."), 1, "livehandled: No. [auth.missing_key]\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
@pytest.mark.parametrize("depth", range(3))
def test_an_error_from_within_task_groups_is_told_in_one_line(
    path: Path,
    error: BaseException,
    code: int,
    said: str,
    depth: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raised = error
    for _ in range(depth):
        raised = BaseExceptionGroup("tasks", [raised])

    async def run(_service: Service) -> None:
        raise raised

    monkeypatch.setattr(service, "run", run)
    assert command.main(["--socket", str(path)]) == code
    assert capsys.readouterr().err == said


def test_a_fault_is_not_hidden(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(_service: Service) -> None:
        raise ExceptionGroup("tasks", [LiveHandleError("auth.missing_key", "No."), KeyError("x")])

    monkeypatch.setattr(service, "run", run)
    with pytest.raises(ExceptionGroup) as fault:
        command.main(["--socket", str(path)])
    assert fault.group_contains(KeyError)
    assert not fault.group_contains(LiveHandleError)


def test_an_extractor_that_a_session_would_refuse_is_refused_by_check_and_by_a_reload(
    path: Path, started: list[Service], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("")
    assert command.main(["--config", str(file)]) == 0
    file.write_text("[extraction.extractors.y]\nkind = 'regex'\npatterns = {a = '('}")
    with pytest.raises(LiveHandleError, match="patterns") as refused:
        started[0].read()
    assert refused.value.name == "config.invalid"
    assert command.main(["--config", str(file), "--check"]) == 3
    assert capsys.readouterr().err.endswith("[config.invalid]\n")
    file.write_text("[extraction.extractors.y]\nkind = 'regex'\npatterns = {a = 'b'}")
    assert command.main(["--config", str(file), "--check"]) == 0
