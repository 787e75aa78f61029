"""`talk` by a virtual microphone and a virtual speaker, through PortAudio: what comes out of it."""

import ctypes.util
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.daemon import DaemonProcess, environment, private_directory, running_daemon
from support.heard import reply_of, share_heard
from support.livectl import Running, livectl
from support.sound_server import TOOLS, SoundServer, sound_server
from support.speech import speech_like
from support.toolchains import need

SPEECH = speech_like(0.7)
LONG = "a sentence that is long enough to be spoken for quite some time " * 2


@pytest.fixture
def server() -> Iterator[SoundServer]:
    need(TOOLS)
    installed = find_spec("sounddevice") and ctypes.util.find_library("portaudio")
    need((), found=bool(installed), install="apt install libportaudio2 libasound2-plugins")
    with private_directory() as directory, sound_server(directory) as server:
        yield server


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    with running_daemon("--emulator") as daemon:
        yield daemon


@contextmanager
def running(socket: Path, server: SoundServer) -> Iterator[Running]:
    talk = Running(socket, "talk", environ=server.environ)
    try:
        yield talk
    finally:
        talk.process.kill()
        talk.process.communicate()


def test_a_conversation_is_heard_whole_and_stops_when_it_is_spoken_over(
    server: SoundServer, daemon: DaemonProcess
) -> None:
    with daemon.client() as listener, running(daemon.path, server) as talk:
        ear = server.speaker
        listener.result("events", topics=["live.*", "live.audio", "daemon.claim_changed"])
        listener.event(lambda event: event["data"].get("role") == "speaker")

        listener.result("send_text", text="Hello, can you hear me?")
        reply = reply_of(listener)
        begin = ear.speech(0, 0.5)
        end = ear.silence(begin, 0.4)
        assert share_heard(reply, ear.data[begin:end]) > 0.95, "whole, and in order"

        listener.result("send_text", text=LONG)
        begin = ear.speech(end, 0.5)
        server.say(SPEECH)
        reply = reply_of(listener)
        end = ear.silence(begin, 0.4)
        cut = ear.data[begin:end]
        assert len(cut) < 0.5 * len(reply), "most of it was queued"
        assert share_heard(reply[: len(cut)], cut) > 0.9, "its beginning"

        reply = reply_of(listener)
        begin = ear.speech(end, 0.5)
        end = ear.silence(begin, 0.4)
        assert end - begin < len(reply) + 12_000, "and nothing else"
        assert share_heard(reply, ear.data[begin:end]) > 0.95, "the speech, spoken back"

        assert listener.result("voice_state")["last_playback_drained_ms_ago"] is not None
        code, out, err = talk.signal(signal.SIGINT)
        assert (code, err) == (0, "")
        assert out.splitlines()[0] == "  you  Hello, can you hear me?"
        assert out.splitlines()[3].endswith(" [interrupted]")
        assert listener.result("claims") == {"mic": None, "speaker": None}


def test_the_devices_of_the_machine_are_listed(server: SoundServer, daemon: DaemonProcess) -> None:
    done = livectl(daemon.path, "talk", "--list-devices", "--json", environ=server.environ)
    listed = [json.loads(line) for line in done.out.splitlines()]
    (default,) = [one for one in listed if one["default"] == ["input", "output"]]
    assert default["name"] == "default"


def test_the_pipe_of_the_readme_is_a_conversation(
    server: SoundServer, daemon: DaemonProcess
) -> None:
    need(["arecord", "aplay"])
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (pipe,) = re.findall(r"^arecord .*\n .*$", readme, re.MULTILINE)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    given = {**server.environ, "PATH": path, "LIVEHANDLE_SOCKET": str(daemon.path)}
    del given["PULSE_LATENCY_MSEC"]  # with it aplay, which has half a second of its own, waits
    with daemon.client() as listener:
        listener.result("events", topics=["live.*", "live.audio", "daemon.claim_changed"])
        talk = subprocess.Popen(
            ["bash", "-c", pipe],
            env=environment(daemon.path.parent, given),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            listener.event(lambda event: event["data"].get("role") == "speaker")
            server.say(SPEECH)
            reply = reply_of(listener)
            begin = server.speaker.speech(0, 0.5)
            end = server.speaker.silence(begin, 0.4)
            assert share_heard(reply, server.speaker.data[begin:end]) > 0.9
        finally:
            os.killpg(talk.pid, signal.SIGTERM)
            talk.wait(20)
