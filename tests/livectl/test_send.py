"""The commands that send."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from livectl import send
from livectl.__main__ import main
from livectl.sound.audio import CHUNK_BYTES
from support.scripted_daemon import (
    HANG_UP,
    ScriptedDaemon,
    event,
    failure,
    in_turn,
    lines,
    result,
    scripted_daemon,
)
from support.waves import encoded, tone, wave

IDLE = {"phase": "active", "current_turn": None}
REPLY = (
    event("live.output_transcript", 1, text="Hello."),
    event("live.turn_complete", 2, turn=0),
)


def run(daemon: ScriptedDaemon, *words: str) -> int:
    return main(["--socket", str(daemon.path), *words])


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


def pcm(daemon: ScriptedDaemon) -> list[bytes]:
    """Return the chunks of audio that were sent."""
    return [base64.b64decode(params["data"]) for params in daemon.sent("send_audio")]


class Clock:
    """Time that passes only while one waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sent: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("typed", "given", "sent"),
    [
        ("Hello", b"", "Hello"),
        ("-", b"Hello\n", "Hello"),
        ("-", "é\nb\n\n".encode(), "é\nb\n"),
        ("", b"", ""),
    ],
)
def test_a_text_is_typed_or_read(
    typed: str, given: bytes, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin(monkeypatch, given)
    with scripted_daemon({"send_text": result(None)}) as daemon:
        assert run(daemon, "send-text", typed) == 0
    assert daemon.sent("send_text") == [{"text": sent}]


def test_what_is_no_text_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"\xff")
    with scripted_daemon({}) as daemon:
        assert run(daemon, "send-text", "-") == 3


def test_a_followed_text_subscribes_before_it_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    script = {
        "session": result(IDLE),
        "events": result({}),
        "send_text": result(None, *REPLY),
    }
    with scripted_daemon(script) as daemon:
        assert run(daemon, "send-text", "Hi", "--follow") == 0
    assert [r["method"] for r in daemon.requests] == ["session", "events", "send_text"]
    assert capsys.readouterr().out == "Hello.\n"


def test_a_picture_is_sent_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = b"\xff\xd8\xff\xe0 and more"
    (tmp_path / "a.jpg").write_bytes(picture)
    stdin(monkeypatch, picture)
    with scripted_daemon({"send_video": result(None)}) as daemon:
        assert run(daemon, "send-video", str(tmp_path / "a.jpg")) == 0
        assert run(daemon, "send-video", "-") == 0
    assert daemon.sent("send_video") == [{"data": base64.b64encode(picture).decode()}] * 2


@pytest.mark.parametrize("name", ["a.png", "-"])
def test_what_is_no_jpeg_is_wrong_usage(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    stdin(monkeypatch, b"\x89PNG")
    monkeypatch.chdir(tmp_path)
    with scripted_daemon({}) as daemon:
        assert run(daemon, "send-video", name) == 3
    shown = "standard input" if name == "-" else name
    assert capsys.readouterr().err.startswith(f"livectl: {shown} is no JPEG picture")


@pytest.mark.parametrize("command", ["send-video", "send-audio"])
def test_a_file_that_is_not_there_is_wrong_usage(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({}) as daemon:
        assert run(daemon, command, str(tmp_path / "a")) == 3
    assert "No such file or directory. [client.usage]" in capsys.readouterr().err


def test_audio_is_sent_in_chunks_with_a_tail_of_silence(tmp_path: Path) -> None:
    sound = tone(440, 16_000, 0.11)
    (tmp_path / "a.wav").write_bytes(wave(sound, 16_000))
    with scripted_daemon({"send_audio": result(None)}) as daemon:
        words = ("--speed", "0", "--tail", "0.1")
        assert run(daemon, "send-audio", str(tmp_path / "a.wav"), *words) == 0
    speech, tail = pcm(daemon)[:6], pcm(daemon)[6:]
    assert b"".join(speech) == encoded(sound, 2)
    assert tail == [bytes(CHUNK_BYTES)] * 5


@pytest.mark.parametrize("chunks", [1, 49, 50, 51, 130])
def test_every_answer_is_awaited(chunks: int) -> None:
    """An error of the last chunk is told, wherever the window of answers stands."""
    replies = [result(None)] * (chunks - 1) + [failure("session.queue_full", "Slower.")]
    with scripted_daemon({"send_audio": in_turn(*replies)}) as daemon:
        assert run(daemon, *_silence(daemon.path.parent, chunks)) == 1
    assert len(daemon.sent("send_audio")) == chunks


def test_an_error_of_the_first_chunk_ends_it_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({"send_audio": failure("auth.missing_key", "Set a key.")}) as daemon:
        assert run(daemon, *_silence(tmp_path, 500)) == 4
    assert len(daemon.requests) == 1
    assert capsys.readouterr().err == "livectl: Set a key. [auth.missing_key]\n"


def test_a_daemon_that_goes_while_one_waits_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wave(tone(440, 16_000, 5), 16_000))
    replies = in_turn(result(None), lines(HANG_UP))
    with scripted_daemon({"send_audio": replies}) as daemon:
        assert run(daemon, "send-audio", str(tmp_path / "a.wav")) == 2
    assert len(daemon.requests) == 2


def test_the_reply_is_shown_while_the_audio_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = event("live.output_transcript", 1, text="Hel")
    last = event("live.turn_complete", 2, turn=0)
    answers = in_turn(result(None, said), *[result(None)] * 3, result(None, last))
    (tmp_path / "a.wav").write_bytes(wave(tone(440, 16_000, 0.1), 16_000))
    with scripted_daemon({"events": result({}), "send_audio": answers}) as daemon:
        words = ("--tail", "0", "--speed", "4", "--follow")
        assert run(daemon, "send-audio", str(tmp_path / "a.wav"), *words) == 0
    assert len(pcm(daemon)) == 5
    assert capsys.readouterr().out == "Hel\n"


def paced(live: bool, opening_s: float, speed: float) -> list[float]:
    """Return when each of 5 chunks was sent, in seconds after the first, by a clock of ours.

    The first answer takes `opening_s`.
    """
    clock = Clock()

    class Connection:
        def send(self, _method: str, _params: object) -> int:
            clock.sent.append(clock.now)
            return len(clock.sent)

        def wait(self, request: int) -> None:
            clock.wait(opening_s if request == 1 else 0.0)

        def next_event(self, timeout: float) -> None:
            clock.wait(timeout)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(send, "time", SimpleNamespace(monotonic=clock.monotonic))
        make: Callable[..., send.Uplink] = send.Uplink
        uplink = make(Connection(), None, send.Progress(io.StringIO(), None))
        uplink.send([bytes(CHUNK_BYTES)] * 5, speed, live=live)
    return [moment - clock.sent[0] for moment in clock.sent]


@pytest.mark.parametrize(
    ("live", "opening_s", "speed", "expected"),
    [
        (False, 0.0, 1.0, [0, 0.02, 0.04, 0.06, 0.08]),
        (False, 0.0, 2.0, [0, 0.01, 0.02, 0.03, 0.04]),
        (False, 0.0, 0.0, [0, 0, 0, 0, 0]),
        (False, 0.5, 1.0, [0, 0.52, 0.54, 0.56, 0.58]),
        (True, 0.05, 1.0, [0, 0.05, 0.05, 0.06, 0.08]),
    ],
)
def test_chunks_are_paced_by_the_clock_from_the_open_session_on(
    live: bool, opening_s: float, speed: float, expected: list[float]
) -> None:
    assert paced(live, opening_s, speed) == pytest.approx(expected)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (2.0, "\r[###############---------------]   1.0/2.0 s  -96 dB \n"),
        (None, "\r    1.0 s  -96 dB \n"),
    ],
)
def test_a_terminal_sees_how_far_it_is(seconds: float | None, shown: str) -> None:
    out = Terminal()
    progress = send.Progress(out, seconds)
    progress.show(1.0, bytes(CHUNK_BYTES))
    progress.close()
    assert out.getvalue() == shown


@pytest.mark.parametrize(
    ("columns", "seconds", "shown"),
    [
        (40, 2.0, "\r[########--------]   1.0/2.0 s  -96 dB "),
        (26, 2.0, "\r[#-]   1.0/2.0 s  -96 dB "),
        (23, 2.0, ""),
        (20, None, "\r    1.0 s  -96 dB "),
        (18, None, ""),
    ],
)
def test_a_bar_fits_a_narrow_terminal(
    columns: int, seconds: float | None, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "columns", lambda _out: columns)
    out = Terminal()
    send.Progress(out, seconds).show(1.0, bytes(CHUNK_BYTES))
    assert out.getvalue() == shown
    assert len(out.getvalue().strip("\r")) < columns


def test_a_bar_that_was_closed_is_not_drawn_again() -> None:
    out = Terminal()
    progress = send.Progress(out, 2.0)
    progress.close()
    progress.show(1.0, bytes(CHUNK_BYTES))
    progress.close()
    assert out.getvalue() == ""


def test_what_is_no_terminal_sees_no_bar() -> None:
    out = io.StringIO()
    progress = send.Progress(out, 2.0)
    progress.show(1.0, bytes(CHUNK_BYTES))
    progress.close()
    assert out.getvalue() == ""


def _silence(directory: Path, chunks: int) -> list[str]:
    """Return the words that send a file of silence, that many chunks of it."""
    path = directory / "silent.wav"
    path.write_bytes(wave([0.0] * 320 * chunks, 16_000))
    return ["send-audio", str(path), "--speed", "0", "--tail", "0"]
