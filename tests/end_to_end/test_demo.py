"""`livectl demo`, whole: its own daemon, a conversation, a reply to hear, nothing left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import wave
from array import array
from pathlib import Path

import pytest

from livectl.audio import level
from support.daemon import environment

_S = 58.0


def demo(directory: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "livectl", "demo", *words],
        env=environment(directory, {"TMPDIR": str(directory)}),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def daemons(directory: Path) -> list[int]:
    """Return the processes that were started with a socket in the directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:  # ended meanwhile
                continue
            if b"livehandled" in command and os.fsencode(directory) in command:
                found.append(int(entry.name))
    return found


def test_the_demo_holds_its_conversation_and_leaves_a_reply(tmp_path: Path) -> None:
    with demo(tmp_path, "--output", "reply.wav", "--json") as process:
        out, err = process.communicate(timeout=_S)
    assert (process.returncode, err) == (0, ""), out
    told = [json.loads(line) for line in out.splitlines()]

    parts = [line["part"] for line in told if "part" in line]
    assert len(parts) == 7
    assert parts[-1] == "Done"
    said = [(line["kind"], line["text"]) for line in told if "kind" in line]
    kinds = [kind for kind, _ in said]
    assert kinds.index("hears") < kinds.index("user") < kinds.index("model")
    assert ("model", "You typed: And what if I type?") in said
    assert any(kind == "tool" and "set_light" in text for kind, text in said)
    assert kinds.count("stop") == 1
    assert any(re.fullmatch(r"[ ▁▂▃▄▅▆▇█]{20,}", text) for kind, text in said if kind == "mic")
    assert next(line for line in told if "telemetry" in line)["telemetry"]["turn_count"] >= 5

    with wave.open(str(tmp_path / "reply.wav"), "rb") as reply:
        assert reply.getparams()[:3] == (1, 2, 24_000)
        pcm = reply.readframes(reply.getnframes())
    seconds = len(pcm) / 2 / 24_000
    assert 3.0 < seconds < 5.0
    assert -30 < level(pcm) < -6
    assert len(set(array("h", pcm))) > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["reply.wav"]
    assert daemons(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_ended_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "is ready" in line:
                break
        assert len(daemons(tmp_path)) == 1
        process.send_signal(number)
        _, err = process.communicate(timeout=_S)
    assert (process.returncode, err) == (130, "")
    assert list(tmp_path.iterdir()) == []
    assert daemons(tmp_path) == []
