"""livectl against a daemon with its emulator, all as processes."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import DaemonProcess, running_daemon
from support.livectl import Done, Running, livectl
from support.speech import RATE, speech_like
from support.waves import chunk, form, riff

SPEECH = speech_like(0.8)
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\xff\xd9"
TEXT_MODEL = ("session.model=gemini-2.0-flash-live-001", "session.modality=text")
LONG = "a sentence that is long enough to be spoken for quite some time " * 3


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    with running_daemon("--emulator") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def listener() -> Iterator[DaemonProcess]:
    """A daemon that several tests speak to, one after another."""
    with running_daemon("--emulator") as daemon:
        yield daemon


def error_of(done: Done) -> str:
    """Return the name of the error, which is one line on stderr."""
    assert done.err.count("\n") == 1, done.err
    found = re.fullmatch(r"livectl: .* \[([a-z_.]+)\]\n", done.err)
    assert found is not None, done.err
    return found[1]


def wav(pcm: bytes, claimed: int | None = None) -> bytes:
    return riff(form(RATE, 1, 2), chunk(b"data", pcm, claimed))


def test_a_session_from_its_first_word_to_its_end(daemon: DaemonProcess) -> None:
    def run(*words: str) -> Done:
        return livectl(daemon.path, *words)

    assert run("phase") == (0, "disconnected\n", "")
    assert run("send-text", "Hello", "--follow") == (0, "You typed: Hello\n", "")
    assert run("phase", "--json") == (0, '{"phase": "active"}\n', "")
    code, out, err = run("session")
    assert (code, err) == (0, "")
    assert re.search(r"^turns +1$", out, re.MULTILINE)
    assert re.search(r"^connection\.url +ws://127", out, re.MULTILINE)
    assert json.loads(run("status", "--json").out)["session"]["turns"] == 1
    assert re.search(r"^text_turns_in +1$", run("telemetry").out, re.MULTILINE)
    assert error_of(run("connect")) == "session.already_connected"
    assert error_of(run("done", "--timeout", "0.01")) == "session.timeout"
    assert run("disconnect") == (0, "", "")
    assert run("disconnect", "--json") == (0, "", "")
    assert run("done", "--json") == (0, '{"reason": "disconnected"}\n', "")
    assert error_of(run("send-text", "Hello?")) == "session.not_connected"
    assert json.loads(run("--json", "connect", "session.instruction=Be brief.").out)["session_id"]


def test_a_reply_in_text_is_followed_as_text_and_as_events(daemon: DaemonProcess) -> None:
    assert livectl(daemon.path, "connect", *TEXT_MODEL).code == 0
    done = livectl(daemon.path, "send-text", "-", "--follow", stdin="Grüß dich\n".encode())
    assert done == (0, "You typed: Grüß dich\n", "")
    done = livectl(daemon.path, "send-text", "Again", "--follow", "--json")
    told = [json.loads(line) for line in done.out.splitlines()]
    deltas = [event["data"]["text"] for event in told if event["topic"] == "live.text_delta"]
    assert "".join(deltas) == "You typed: Again"
    assert told[-1]["topic"] == "live.turn_complete"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.wav", wav(SPEECH)),
        ("-", wav(SPEECH)),
        ("-", wav(SPEECH, 0xFFFFFFFF)),
        ("-", SPEECH),
        ("-", SPEECH + b"\0"),
    ],
    ids=["file", "pipe", "unknown length", "raw", "odd byte"],
)
def test_speech_is_answered_by_speech(
    name: str, data: bytes, listener: DaemonProcess, tmp_path: Path
) -> None:
    if name != "-":
        (tmp_path / name).write_bytes(data)
        name = str(tmp_path / name)
    done = livectl(
        listener.path, *("send-audio", name, "--speed", "0", "--tail", "1", "--follow"), stdin=data
    )
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"\[0\.\d s of speech\]\n", done.out)


def test_a_picture_is_sent(daemon: DaemonProcess, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    assert livectl(daemon.path, "send-video", str(tmp_path / "a.jpg")) == (0, "", "")
    assert livectl(daemon.path, "send-video", "-", stdin=JPEG) == (0, "", "")
    assert json.loads(livectl(daemon.path, "telemetry", "--json").out)["video_frames_in"] == 2


def test_a_call_that_another_client_carries_out_is_followed_to_its_reply(
    daemon: DaemonProcess,
) -> None:
    with daemon.client() as tool:
        tool.result("tools.register", declarations=[{"name": "get_time"}])
        running = Running(daemon.path, "send-text", "call get_time", "--follow")
        call = tool.event_of("tool.call")
        tool.result("tools.respond", call_id=call["data"]["call_id"], result="noon")
        assert running.end() == (0, "get_time answered noon.\n", "")


def test_any_method_can_be_called_in_any_form(daemon: DaemonProcess) -> None:
    def call(*words: str, stdin: bytes = b"") -> object:
        done = livectl(daemon.path, "call", *words, stdin=stdin)
        assert (done.code, done.err) == (0, "")
        return json.loads(done.out)

    for words in (["client=test", "max_line_bytes=70000"], ['{"client": "test"}'], ['["test"]']):
        hello = call("daemon.hello", *words)
        assert isinstance(hello, dict)
        assert hello["name"] == "livehandled"
        assert (hello["limits"]["your_max_line_bytes"] == 70000) == (len(words) == 2)
    assert call("daemon.ping", "-", stdin=b"{}\n") is None
    assert call("phase", "--json") == {"phase": "disconnected"}
    session = call("connect", "config.session.model=gemini-2.5-live", "config.voice.vad=off")
    assert isinstance(session, dict)
    assert session["model"] == "gemini-2.5-live"


def test_errors_have_their_exit_codes(daemon: DaemonProcess, tmp_path: Path) -> None:
    """Protocol section 7; 4 and 130 have tests of their own."""

    def fails(code: int, name: str, *words: str, stdin: bytes = b"") -> None:
        done = livectl(daemon.path, *words, stdin=stdin)
        assert (done.code, done.out, error_of(done)) == (code, "", name)

    (tmp_path / "a.txt").write_text("no sound, no picture")
    fails(1, "text.empty", "send-text", " ")
    fails(1, "wire.method_not_found", "call", "phas")
    fails(1, "wire.invalid_params", "call", "send_text", "txt=Hi")
    fails(1, "events.unknown_topic", "events", "live.nothing")
    fails(1, "events.bad_cursor", "events", "--since", "yesterday")
    fails(1, "config.invalid", "connect", "session.modle=x")
    fails(3, "client.usage", "phase", "--jsn")
    fails(3, "client.usage", "connect", "model")
    fails(3, "client.usage", "send-audio", str(tmp_path / "a.txt"))
    fails(3, "client.usage", "send-audio", str(tmp_path / "nothing"))
    fails(3, "client.usage", "send-audio", "-")
    fails(3, "client.usage", "send-video", str(tmp_path / "a.txt"))
    fails(5, "upstream.model_not_found", "connect", "session.model=gemini-of-old")
    fails(1, "session.not_connected", "send-text", "Hi")  # after a failed connect


def test_without_a_key_the_exit_code_is_4() -> None:
    with running_daemon() as daemon:
        done = livectl(daemon.path, "send-text", "Hi", "--follow")
        assert (done.code, error_of(done)) == (4, "auth.missing_key")
        done = livectl(daemon.path, "send-audio", "-", "--json", stdin=bytes(640))
    error = json.loads(done.err)["error"]
    assert (done.code, done.out, error["data"]["name"]) == (4, "", "auth.missing_key")


def test_ctrl_c_ends_what_waits(daemon: DaemonProcess) -> None:
    assert livectl(daemon.path, "connect").code == 0
    asking = [Running(daemon.path, *words) for words in (["events"], ["done"])]
    reading = [Running(daemon.path, *words, "-") for words in (["send-text"], ["send-audio"])]
    clients = 0
    while clients < 3:  # the one that asks is one of them
        clients = len(json.loads(livectl(daemon.path, "status", "--json").out)["clients"])
    for running in asking:
        assert running.signal(signal.SIGINT) == (130, "", "")
    for running in reading:
        # What reads has nothing to tell that it has begun to: it may still be starting.
        assert running.signal(signal.SIGINT).code in {130, -signal.SIGINT, 1}


def test_ctrl_c_ends_audio_that_is_paced(daemon: DaemonProcess, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(SPEECH * 30))
    running = Running(daemon.path, "send-audio", str(tmp_path / "a.wav"), "--follow", "--json")
    running.read_until('"live.vad_start"')
    code, _, err = running.signal(signal.SIGINT)
    assert (code, err) == (130, "")


def test_a_reply_that_is_cut_off_says_so(daemon: DaemonProcess) -> None:
    running = Running(daemon.path, "send-text", LONG, "--follow")
    running.read_until("You typed: ")
    assert livectl(daemon.path, "send-text", "Stop", "--follow").out == "You typed: Stop\n"
    code, out, err = running.end()
    assert (code, err) == (0, "")
    assert out.endswith(" [interrupted]\n")


def test_what_follows_ends_with_ctrl_c_and_with_the_session(daemon: DaemonProcess) -> None:
    running = Running(daemon.path, "send-text", LONG, "--follow")
    running.read_until("You typed: ")
    code, _, err = running.signal(signal.SIGINT)
    assert (code, err) == (130, "")
    running = Running(daemon.path, "send-text", LONG, "--follow")
    running.read_until("You typed: ")
    assert livectl(daemon.path, "disconnect").code == 0
    done = running.end()
    assert (done.code, error_of(done)) == (1, "session.ended")
    assert done.out.endswith("\n")


def test_a_daemon_that_is_killed_is_not_reachable(daemon: DaemonProcess) -> None:
    running = Running(daemon.path, "send-text", LONG, "--follow")
    running.read_until("You typed: ")
    daemon.process.kill()
    done = running.end()
    assert (done.code, error_of(done)) == (2, "daemon.unreachable")
    assert livectl(daemon.path, "phase").code == 2


def test_events_are_seen_live_and_again(daemon: DaemonProcess) -> None:
    watching = Running(daemon.path, "events", "--snapshot", "--json")
    watching.read_until("\n")
    cursor = json.loads(livectl(daemon.path, "call", "events").out)["cursor"]
    assert livectl(daemon.path, "send-text", "Hi", "--follow").code == 0
    again = Running(daemon.path, "events", "live.*", "--since", cursor)
    again.read_until(" complete\n")
    assert livectl(daemon.path, "call", "daemon.shutdown").code == 0
    assert again.end().code == 0
    code, out, err = watching.end()
    assert (code, err) == (0, "")
    topics = [json.loads(line)["topic"] for line in out.splitlines()]
    assert topics.index("live.connected") < topics.index("live.turn_complete")
    assert topics.index("daemon.stopping") < topics.index("daemon.bye") == len(topics) - 1


def test_a_reader_like_head_ends_the_events(daemon: DaemonProcess) -> None:
    watching = Running(daemon.path, "events", "--snapshot")
    watching.read_until("\n")
    assert watching.process.stdout is not None
    watching.process.stdout.close()
    watching.process.stdout = None
    assert livectl(daemon.path, "send-text", "Hi", "--follow").code == 0
    done = watching.end()
    assert (done.code, done.err) == (0, "")


def test_faults_reach_the_built_in_emulator(daemon: DaemonProcess) -> None:
    def run(*words: str) -> Done:
        return livectl(daemon.path, *words)

    assert run("fault", "fragment", "5", "--at", "upgrade") == (0, "", "")
    assert run("fault", "garbage", "--at", "usage", "--times", "0") == (0, "", "")
    assert run("faults").out == "fragment --at upgrade --bytes 5\ngarbage --at usage --times 0\n"
    assert run("faults", "--clear") == (0, "", "")
    assert run("fault", "fragment", "5", "--at", "upgrade") == (0, "", "")
    assert run("send-text", "Hello", "--follow") == (0, "You typed: Hello\n", "")
    assert run("faults") == (0, "", "")
    assert run("fault", "delay-pong", "5s") == (0, "", "")


def test_without_the_emulator_there_are_no_faults() -> None:
    with running_daemon() as daemon:
        for words in (("fault", "abort"), ("faults",)):
            done = livectl(daemon.path, *words)
            assert (done.code, error_of(done)) == (5, "upstream.unsupported")
