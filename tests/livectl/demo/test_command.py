"""The demo's outcome: what it says of each part. The whole of it: end_to_end/test_demo.py."""

import io
import wave
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest

from livectl.demo import command as module
from livectl.demo.command import demo
from livectl.demo.stage import Missed, Stage
from livectl.screen import Screen
from livehandle import Connection, LiveHandleError
from support.scripted_daemon import result, scripted_daemon

Part = Callable[[Stage], None]


def fine(_stage: Stage) -> None:
    """Go as it should."""


def raising(error: Exception) -> Part:
    def part(_stage: Stage) -> None:
        raise error

    return part


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that says its name, and no signal handler."""

    @contextmanager
    def private_daemon() -> Iterator[Connection]:
        script = {"daemon.hello": result({"name": "livehandled", "version": "1.2.3"})}
        with scripted_daemon(script) as daemon, Connection.open(str(daemon.path)) as connection:
            try:
                yield connection
            except LiveHandleError as error:
                raise Missed(f"{error}\nits log") from error

    monkeypatch.setattr(module, "private_daemon", private_daemon)
    monkeypatch.setattr("livectl.demo.command.signal.signal", lambda *_: None)


def saying(pcm: bytes) -> Part:
    def part(stage: Stage) -> None:
        stage.kept = pcm

    return part


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "reply.wav"


def run(
    monkeypatch: pytest.MonkeyPatch,
    output: Path | None,
    *parts: tuple[str, Part],
    quiet: bool = False,
) -> int:
    monkeypatch.setattr(module, "_PARTS", parts)
    return demo(Namespace(output=str(output) if output else None, json=False, quiet=quiet))


def test_a_demo_that_went_well_says_where_the_reply_is(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, output, ("One", saying(b"\1\2" * 50)), ("Two", fine)) == 0
    told = capsys.readouterr().out
    assert "livehandled 1.2.3 is ready" in told
    assert "\nOne\n" in told
    assert "\nTwo\n" in told
    assert f"aplay {output}" in told
    with wave.open(str(output), "rb") as reply:
        assert reply.readframes(100) == b"\1\2" * 50


def test_with_quiet_only_the_replys_place_or_what_is_missing_is_told(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, output, ("One", saying(b"\1\2")), quiet=True) == 0
    assert capsys.readouterr() == (f"{output}\n", "")
    assert run(monkeypatch, output, ("One", raising(Missed("no reply"))), quiet=True) == 1
    assert capsys.readouterr() == ("", "livectl: One: no reply\n")


def test_without_a_name_the_reply_has_a_directory_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run(monkeypatch, None, ("One", raising(Missed("no reply")))) == 1
    assert not list(tmp_path.glob("livehandle-*"))  # a demo that failed leaves nothing
    assert run(monkeypatch, None, ("One", fine)) == 0
    (kept,) = tmp_path.glob("livehandle-*")
    assert [path.name for path in kept.iterdir()] == ["reply.wav"]
    assert kept.stat().st_mode & 0o777 == 0o700


def test_a_demo_that_failed_leaves_an_earlier_reply_alone(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output.write_bytes(b"earlier")
    assert run(monkeypatch, output, ("One", raising(Missed("no reply")))) == 1
    assert output.read_bytes() == b"earlier"
    output.unlink()
    assert run(monkeypatch, output, ("One", raising(Missed("no reply")))) == 1
    assert not output.exists()


def test_an_output_that_cannot_be_written_is_told_before_anything_happens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, Path("/nowhere/reply.wav"), ("One", fine)) == 1
    told, _, failed = capsys.readouterr().out.partition("\nFailed\n")
    assert "is ready" not in told
    assert failed.startswith("  the reply cannot be written to /nowhere/reply.wav: No such")


def test_each_step_that_did_not_happen_is_named_and_the_others_go_on(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = LiveHandleError("session.ended", "It is over.")
    parts = (
        ("One", raising(Missed("no live.audio within 5 s"))),
        ("Two", fine),
        ("Three", raising(refused)),
        ("Four", fine),
    )
    assert run(monkeypatch, output, *parts) == 1
    told, _, failed = capsys.readouterr().out.partition("\nFailed\n")
    assert "\nFour\n" in told
    assert failed == "  One: no live.audio within 5 s\n  Three: It is over. [session.ended]\n"


def test_a_daemon_that_died_ends_it_with_its_log(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = LiveHandleError("daemon.unreachable", "It is gone.")
    assert run(monkeypatch, output, ("One", raising(gone)), ("Two", fine)) == 1
    told, _, failed = capsys.readouterr().out.partition("\nFailed\n")
    assert "Two" not in told
    assert failed == "  It is gone.\nits log\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("player", "told"),
    [
        (None, "Listen to it with any player"),
        ('#!/bin/sh\ncp "$1" "$1.played"\n', "Playing it with pw-play"),
        ("#!/bin/sh\nexit 1\n", "pw-play found no way to play it"),
        ("#!/nonexistent\n", "pw-play found no way to play it"),
    ],
)
def test_the_reply_is_played_where_there_is_a_player(
    player: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reply.wav").write_bytes(b"sound")
    if player is not None:
        (tmp_path / "pw-play").write_text(player)
        (tmp_path / "pw-play").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if player else str(tmp_path))
    monkeypatch.setattr("sys.stdout", Terminal())
    out = io.StringIO()
    module._listen(tmp_path / "reply.wav", Screen(out))
    assert told in out.getvalue()
    played = tmp_path / "reply.wav.played"
    assert played.exists() == (told == "Playing it with pw-play")


@pytest.mark.parametrize(("path", "seconds"), [(module._HELLO[0], 4), (module._BARGE_IN[0], 2)])
def test_the_recordings_are_in_the_package_with_words_and_licence(
    path: Path, seconds: float
) -> None:
    with wave.open(str(path), "rb") as recording:
        assert recording.getparams()[:3] == (1, 2, 16_000)
        assert recording.getnframes() / 16_000 < seconds
    origin = (files("livectl") / "data" / "README.md").read_text()
    assert path.name in origin
    assert "CC0" in origin
    assert all(words in " ".join(origin.split()) for _, words in (module._HELLO, module._BARGE_IN))
