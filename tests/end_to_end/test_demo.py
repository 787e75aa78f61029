"""`livectl demo`, whole: its own daemon, a conversation, a reply to hear, nothing left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import wave
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from support.daemon import environment

_S = 58.0


def demo(directory: Path, *words: str, **environ: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "livectl", "demo", *words],
        env=environment(directory, {"TMPDIR": str(directory), **environ}),
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


Envelope = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def greeting() -> bytes:
    """Return what the demo says first: 16-bit PCM at 16 kHz."""
    recording = Path(str(files("livectl"))) / "data" / "hello.wav"
    with wave.open(str(recording), "rb") as spoken:
        return spoken.readframes(spoken.getnframes())


def envelope(pcm: bytes, rate: int) -> Envelope:
    """Return the loudness of 16-bit PCM, a value each 20 ms."""
    step = rate // 50
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    frames = samples[: len(samples) // step * step].reshape(-1, step)
    loudness: Envelope = np.sqrt(np.mean(frames**2, axis=1))
    return loudness


def likeness(
    one: Envelope,
    other: Envelope,
) -> float:
    """Return the correlation of two envelopes, at the shift at which they are most alike."""
    a, b = one - one.mean(), other - other.mean()
    return float(np.correlate(a, b, "full").max() / np.sqrt((a**2).sum() * (b**2).sum()))


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
    assert likeness(envelope(greeting(), 16_000), envelope(pcm, 24_000)) > 0.95
    assert likeness(envelope(greeting(), 16_000)[::-1], envelope(pcm, 24_000)) < 0.7
    assert [path.name for path in tmp_path.iterdir()] == ["reply.wav"]
    assert daemons(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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


def test_a_demo_whose_output_cannot_be_written_says_so_at_once(tmp_path: Path) -> None:
    with demo(tmp_path, "--output", "nowhere/reply.wav") as process:
        out, err = process.communicate(timeout=_S)
    assert (process.returncode, err) == (1, "")
    assert "nowhere/reply.wav: No such file or directory" in out
    assert list(tmp_path.iterdir()) == []


def test_a_demo_without_a_daemon_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "livehandled"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise SystemExit('it is broken')")
    with demo(tmp_path, PYTHONPATH=os.pathsep.join([str(broken.parent), *sys.path])) as process:
        out, err = process.communicate(timeout=_S)
    assert (process.returncode, err) == (1, "")
    assert "the daemon did not start\nit is broken" in out
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]
