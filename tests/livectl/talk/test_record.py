"""The model's voice as a WAV file."""

import base64
import io
import json
import math
from array import array
from pathlib import Path

import pytest

from livectl.__main__ import main
from livectl.sound.wave_file import read_format, read_mono
from livectl.talk.record import Recorder
from livehandle.connection import Event
from support.scripted_daemon import event, result, scripted_daemon

RATE = 24_000
VOICE = array("h", (round(9000 * math.sin(n / 9)) for n in range(RATE))).tobytes()


def audio(pcm: bytes) -> dict[str, object]:
    return {"data": base64.b64encode(pcm).decode(), "mime_type": "audio/pcm;rate=24000"}


def told(topic: str, **data: object) -> Event:
    return Event({"topic": topic, "data": data})


def samples(file: io.BytesIO) -> tuple[int, bytes]:
    """Return the bytes that the head claims, and what there is."""
    file.seek(12)
    form = read_format(file)
    assert (form.rate, form.channels, form.width) == (RATE, 1, 2)
    values = [round(v) for piece in read_mono(file, form) for v in piece]
    return form.data_bytes, array("h", values).tobytes()


def test_it_writes_what_a_speaker_would_have_played() -> None:
    file = io.BytesIO()
    recorder = Recorder(file)
    recorder.take(told("live.audio", **audio(VOICE)), 5.0)
    for n in range(40):
        recorder.tick(5.0 + n / 100)
    recorder.take(told("live.interrupted"), 5.4)
    recorder.take(told("live.turn_complete"), 5.4)
    assert recorder.turn_over(5.4)
    for n in range(60):
        recorder.tick(5.4 + n / 100)
    recorder.take(told("live.audio", **audio(VOICE[:4800])), 6.0)
    recorder.tick(6.1)
    assert not recorder.turn_over(6.05), "the second is still heard"
    recorder.close()
    claimed, written = samples(file)
    cut = len(written) - 4800
    assert 0.3 * 2 * RATE < cut < 0.5 * 2 * RATE, "of the first what was heard, and no pause"
    assert written == VOICE[:cut] + VOICE[:4800]
    assert claimed == len(written)
    assert recorder.seconds == len(written) / 2 / RATE


def test_a_recording_that_was_cut_short_can_be_read() -> None:
    file = io.BytesIO()
    recorder = Recorder(file)
    recorder.take(told("live.audio", **audio(VOICE[:960])), 5.0)
    recorder.tick(5.0)
    assert samples(file) == (2**32 - 37, VOICE[:960])


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def test_a_pipe_can_be_recorded_to() -> None:
    file = Pipe()
    recorder = Recorder(file)
    recorder.close()
    assert samples(file) == (2**32 - 37, b"")


REPLY = (
    event("live.audio", 1, **audio(VOICE[:9600])),
    event("live.turn_complete", 2, turn=0, user="", model="", interrupted=False),
)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], "0.2 s of speech in {}\n"),
        (["--quiet"], ""),
        (["--json"], None),
    ],
)
def test_a_turn_is_recorded(
    words: list[str], shown: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.wav"
    subscribed = result({"subscription": "e1", "cursor": "k3f9:0"}, *REPLY)
    with scripted_daemon({"events": subscribed}) as daemon:
        assert main(["--socket", str(daemon.path), "record", str(path), "--turn", *words]) == 0
    assert samples(io.BytesIO(path.read_bytes())) == (9600, VOICE[:9600])
    out = capsys.readouterr().out
    if shown is None:
        assert json.loads(out) == {"file": str(path), "seconds": 0.2}
    else:
        assert out == shown.format(path)


def test_a_dash_stands_for_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    subscribed = result({"subscription": "e1", "cursor": "k3f9:0"}, *REPLY)
    with scripted_daemon({"events": subscribed}) as daemon:
        assert main(["--socket", str(daemon.path), "record", "-", "--turn"]) == 0
    told = capfdbinary.readouterr()
    assert samples(io.BytesIO(told.out)) == (2**32 - 37, VOICE[:9600])
    assert told.err == b"0.2 s of speech in standard output\n"
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_is_given_no_wav(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    subscribed = result({"subscription": "e1", "cursor": "k3f9:0"})
    with scripted_daemon({"events": subscribed}) as daemon:
        assert main(["--socket", str(daemon.path), "record", "-"]) == 3
    assert "A terminal shows no WAV" in capsys.readouterr().err


def test_it_stops_after_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    subscribed = result({"subscription": "e1", "cursor": "k3f9:0"})
    with scripted_daemon({"events": subscribed}) as daemon:
        assert main(["--socket", str(daemon.path), "record", str(path), "--seconds", "0.05"]) == 0
    assert samples(io.BytesIO(path.read_bytes())) == (2**32 - 1, b"")


def test_a_file_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subscribed = result({"subscription": "e1", "cursor": "k3f9:0"})
    with scripted_daemon({"events": subscribed}) as daemon:
        assert main(["--socket", str(daemon.path), "record", str(tmp_path)]) == 3
    assert "Cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("length", ["0", "-1", "nan", "long", "1e9"])
def test_a_length_that_is_none_is_refused(length: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "a.wav", "--seconds", length]) == 3
    assert "is not a length of time in seconds" in capsys.readouterr().err
