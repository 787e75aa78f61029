"""The demo's outcome: what it says of each part. The whole of it: end_to_end/test_demo.py."""

import io
import wave
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest

from livectl import demo as module
from livectl.demo import demo
from livectl.screen import Screen
from livectl.stage import Missed, Stage
from livehandle import Connection, LiveHandleError
from support.scripted_daemon import result, scripted_daemon

Part = Callable[[Stage, Path], None]


def fine(_stage: Stage, _output: Path) -> None:
    """Go as it should."""


def raising(error: Exception) -> Part:
    def part(_stage: Stage, _output: Path) -> None:
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
    monkeypatch.setattr("livectl.demo.signal.signal", lambda *_: None)


def run(monkeypatch: pytest.MonkeyPatch, *parts: tuple[str, Part]) -> int:
    monkeypatch.setattr(module, "_PARTS", parts)
    return demo(Namespace(output="/nowhere/reply.wav", json=False))


def test_a_demo_that_went_well_says_where_the_reply_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, ("One", fine), ("Two", fine)) == 0
    told = capsys.readouterr().out
    assert "livehandled 1.2.3 is ready" in told
    assert "\nOne\n" in told
    assert "\nTwo\n" in told
    assert "aplay /nowhere/reply.wav" in told


def test_each_step_that_did_not_happen_is_named_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = LiveHandleError("session.ended", "It is over.")
    parts = (
        ("One", raising(Missed("no live.audio within 5 s"))),
        ("Two", fine),
        ("Three", raising(refused)),
        ("Four", fine),
    )
    assert run(monkeypatch, *parts) == 1
    told, _, failed = capsys.readouterr().out.partition("\nFailed\n")
    assert "\nFour\n" in told
    assert failed == "  One: no live.audio within 5 s\n  Three: It is over. [session.ended]\n"


def test_a_daemon_that_died_ends_it_with_its_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = LiveHandleError("daemon.unreachable", "It is gone.")
    assert run(monkeypatch, ("One", raising(gone)), ("Two", fine)) == 1
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


def test_a_reply_that_cannot_be_written_is_missed(tmp_path: Path) -> None:
    with pytest.raises(Missed, match="could not be written"):
        module._write(tmp_path / "nowhere" / "reply.wav", b"")


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
