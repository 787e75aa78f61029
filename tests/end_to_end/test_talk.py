"""`talk`, `play` and `record` against a daemon with its emulator, without a sound device."""

import json
import os
import signal
import subprocess
import sys
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from livectl.sound import wave_file
from support.daemon import DaemonProcess, environment, private_directory, running_daemon
from support.heard import Gathered, reply_of, share_heard
from support.livectl import Running
from support.speech import RATE, speech_like
from support.wire import WireClient

SPEECH = speech_like(0.7)
LONG = "a sentence that is long enough to be spoken for quite some time " * 2
TOPICS = ["live.*", "live.audio", "daemon.claim_changed"]
PIPES = ("talk", "--stdin-pcm", "--stdout-pcm")


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    with running_daemon("--emulator") as daemon:
        yield daemon


@pytest.fixture
def listener(daemon: DaemonProcess) -> Iterator[WireClient]:
    with daemon.client() as listener:
        listener.result("events", topics=TOPICS)
        yield listener


class Piped:
    """A livectl with a recorder before and a player behind it, and no sound devices at all."""

    def __init__(self, socket: Path, *words: str, environ: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "livectl", "--socket", str(socket), *words],
            env=environment(socket.parent, environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.out, self.err = Gathered(self.process.stdout), Gathered(self.process.stderr)

    def say(self, pcm: bytes) -> None:
        """Let the recorder write, and end."""
        assert self.process.stdin is not None
        self.process.stdin.write(pcm)
        self.process.stdin.close()

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was shown."""
        code = self.process.wait(20.0)
        self.out.close()
        return code, self.err.close().decode()


@contextmanager
def piped(socket: Path, folder: Path, *words: str) -> Iterator[Piped]:
    """Run a livectl for which PortAudio's binding cannot be imported."""
    (folder / "sounddevice.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    one = Piped(socket, *words, environ={"PYTHONPATH": path})
    try:
        yield one
    finally:
        one.process.kill()
        if one.process.stdin is not None:
            one.process.stdin.close()
        one.end()


def speaker_claimed(listener: WireClient) -> None:
    listener.event(lambda event: event["data"].get("role") == "speaker")


def test_speech_goes_in_and_the_reply_comes_out_whole(
    daemon: DaemonProcess, listener: WireClient, tmp_path: Path
) -> None:
    with piped(daemon.path, tmp_path, *PIPES) as talk:
        talk.say(SPEECH)
        reply = reply_of(listener)
        code, shown = talk.end()
        assert (code, shown.splitlines()) == (
            0, ["  you  [0.7 s of speech]", "model  [0.7 s of speech]"],
        )  # fmt: skip
        heard = talk.out.data
        at = heard.find(reply.strip(b"\0"))
        assert at > 0
        assert not any(heard[:at])
        assert not any(heard[at + len(reply.strip(b"\0")) :])
    assert listener.result("voice_state")["last_playback_drained_ms_ago"] is not None
    assert listener.result("claims") == {"mic": None, "speaker": None}


def audible(pcm: bytes) -> int:
    """Count the samples that are not silent: a busy machine may leave gaps between them."""
    return sum(map(bool, array("h", pcm)))


def test_rates_are_converted(daemon: DaemonProcess, listener: WireClient, tmp_path: Path) -> None:
    rates = ("--rate-in", "8000", "--rate-out", "48000", "--json")
    with piped(daemon.path, tmp_path, *PIPES, *rates) as talk:
        talk.say(speech_like(0.7, rate=8000))
        reply = reply_of(listener)
        code, shown = talk.end()
        assert code == 0
        assert audible(talk.out.data) == pytest.approx(2 * audible(reply), rel=0.05)
        told = [json.loads(line) for line in shown.splitlines()]
        assert told[-1]["topic"] in {"live.turn_complete", "live.turn_metrics", "live.telemetry"}


def test_speech_over_the_reply_stops_it_at_once(
    daemon: DaemonProcess, listener: WireClient, tmp_path: Path
) -> None:
    with piped(daemon.path, tmp_path, *PIPES) as talk:
        speaker_claimed(listener)
        listener.result("send_text", text=LONG)
        begin = talk.out.speech(0, 0.4)
        talk.say(SPEECH)
        reply = reply_of(listener)
        end = talk.out.silence(begin, 0.4)
        cut = talk.out.data[begin:end]
        assert len(cut) < 0.5 * len(reply), "most of it was queued"
        assert share_heard(reply[: len(cut)], cut) > 0.95, "its beginning, whole"
        echo = reply_of(listener)
        code, shown = talk.end()
        assert code == 0
        assert talk.out.data[end:].strip(b"\0") == echo.strip(b"\0"), "and nothing in between"
        assert shown.splitlines()[1].endswith(" [interrupted]")


def test_it_goes_on_when_the_daemon_is_back(tmp_path: Path) -> None:
    with private_directory() as directory:
        path = directory / "s"
        with running_daemon("--emulator", path=path) as first, first.client() as listener:
            listener.result("events", topics=TOPICS)
            with piped(path, tmp_path, *PIPES) as talk:
                speaker_claimed(listener)
                first.stop(signal.SIGKILL)
                talk.err.wait(lambda told: b"the daemon is gone" in told or None)
                with running_daemon("--emulator", path=path) as second:
                    talk.err.wait(lambda told: b"the daemon is back" in told or None)
                    with second.client() as after:
                        after.result("events", topics=TOPICS)
                        talk.say(SPEECH)
                        reply = reply_of(after)
                        code, _ = talk.end()
                        assert code == 0
                        assert share_heard(reply, talk.out.data) == 1.0


def test_who_holds_the_microphone_is_told_and_may_lose_it(
    daemon: DaemonProcess, listener: WireClient, tmp_path: Path
) -> None:
    listener.result("daemon.hello", client="first")
    listener.result("claim", role="mic")
    with piped(daemon.path, tmp_path, *PIPES) as second:
        code, shown = second.end()
        assert code == 1
        assert "first" in shown
        assert shown.endswith("[roles.claimed]\n")
    with piped(daemon.path, tmp_path, *PIPES, "--force") as third:
        speaker_claimed(listener)
        listener.result("claim", role="speaker", force=True)
        code, shown = third.end()
        assert code == 1
        assert "The speaker was taken by first" in shown


def test_a_player_that_leaves_ends_it(daemon: DaemonProcess) -> None:
    words = (sys.executable, "-m", "livectl", "--socket", str(daemon.path), *PIPES)
    with subprocess.Popen(
        words,
        env=environment(daemon.path.parent),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as talk:
        assert talk.stdout is not None
        assert talk.stderr is not None
        assert talk.stdout.read(4800)
        talk.stdout.close()
        assert talk.wait(20.0) == 0
        assert talk.stderr.read() == b""


def test_a_recording_speaks_and_its_reply_is_recorded(
    daemon: DaemonProcess, listener: WireClient, tmp_path: Path
) -> None:
    question, answer = tmp_path / "question.wav", tmp_path / "answer.wav"
    question.write_bytes(wave_file.head(RATE, len(SPEECH)) + SPEECH)
    record = Running(daemon.path, "record", str(answer), "--turn")
    while len(listener.result("daemon.status")["clients"]) < 2:
        pass
    with piped(daemon.path, tmp_path, "play", str(question), "--stdout-pcm", "--quiet") as play:
        reply = reply_of(listener)
        assert play.end()[0] == 0
        assert share_heard(reply, play.out.data) == 1.0
    assert record.end() == (0, f"{len(reply) / 48_000:.1f} s of speech in {answer}\n", "")
    assert answer.read_bytes() == wave_file.head(24_000, len(reply)) + reply


def test_ctrl_c_ends_a_recording_that_can_be_read(
    daemon: DaemonProcess, listener: WireClient, tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    record = Running(daemon.path, "record", str(path))
    while len(listener.result("daemon.status")["clients"]) < 2:
        pass
    listener.result("send_text", text="Hi")
    reply_of(listener)
    code, _, err = record.signal(signal.SIGTERM)
    assert (code, err) == (0, "")
    with path.open("rb") as file:
        assert wave_file.is_wave(file.read(wave_file.HEAD_BYTES))
        form = wave_file.read_format(file)
        assert len(file.read()) == form.data_bytes > 0
