"""The thread that writes: what stands in the files, however it ends."""

import os
import wave
from collections.abc import Sequence
from pathlib import Path

import pybase64
import pytest

from livehandle_proto.wire_file import Line, read
from livehandled.recording.inbox import Inbox
from livehandled.recording.items import Cut, Frame, Item, ModelAudio, UserAudio
from livehandled.recording.lines import Lines
from livehandled.recording.scrub import Scrubber
from livehandled.recording.wave_head import HEAD_BYTES
from livehandled.recording.writer import Outcome, Writer

BYTES = bytes([1, 0]) * 2400
SPEECH = ModelAudio(0.5, pybase64.b64encode(BYTES).decode(), "audio/pcm;rate=24000")


class Rig:
    """A writer with files of its own, whose time is two seconds."""

    def __init__(self, directory: Path, *, max_bytes: int = 10**6, now: float = 2.0) -> None:
        self.wire_path, self.audio_path = directory / "wire.jsonl", directory / "audio.wav"
        flags = os.O_WRONLY | os.O_CREAT
        lines = Lines(Scrubber())
        self.inbox = Inbox()
        self.writer = Writer(
            self.inbox,
            lines=lines,
            header=lines.header(
                version="1", name="n", started_ms=1, redacted=False, audio="recorded"
            ),
            wire=os.open(self.wire_path, flags, 0o600),
            audio=os.open(self.audio_path, flags, 0o600),
            max_bytes=max_bytes,
            now=lambda: now,
        )

    def write(self, *items: Item) -> Outcome:
        for item in items:
            self.inbox.put(item)
        self.inbox.close()
        return self.writer.run()

    def lines(self) -> Sequence[Line]:
        return list(read(self.wire_path.read_bytes().splitlines(keepends=True))[1])

    def seconds(self) -> float:
        with wave.open(str(self.audio_path)) as sound:
            assert len(sound.readframes(sound.getnframes())) == 4 * sound.getnframes()
            return float(sound.getnframes() / sound.getframerate())


def test_what_was_put_is_in_both_files(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    outcome = rig.write(
        Frame(0.1, "out", b'{"setup":{}}'),
        UserAudio(0.3, bytes(3200)),
        SPEECH,
        Cut(0.55),
        ModelAudio(0.9, "no base64!", ""),
    )
    assert outcome == Outcome("stopped")
    assert [line["what"] for line in rig.lines()] == ["out", "end"]
    assert rig.seconds() == 2.0
    assert (rig.writer.frames, rig.writer.lost) == (1, 0)
    assert rig.writer.wire_bytes == rig.wire_path.stat().st_size
    assert rig.writer.audio_bytes == rig.audio_path.stat().st_size
    sound = rig.audio_path.read_bytes()[HEAD_BYTES:]
    assert sound[4 * 12_000 :][:8] == bytes([0, 0, 1, 0] * 2)
    assert sound[4 * 13_200 :][:8] == bytes(8)  # cut


def test_a_recording_that_is_full_ends_there_and_says_so(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_bytes=2000)
    frames = [Frame(n / 10, "in", b'{"a": "%s"}' % (b"x" * 100)) for n in range(30)]
    assert rig.write(*frames) == Outcome("full")
    assert rig.lines()[-1]["reason"] == "full"
    assert rig.wire_path.stat().st_size + rig.audio_path.stat().st_size < 2100
    assert rig.seconds() == 0


def test_sound_is_cut_at_the_bound_too(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_bytes=50_000)
    assert rig.write(SPEECH) == Outcome("full")
    assert 0.4 < rig.seconds() < 0.55
    assert 49_000 < rig.audio_path.stat().st_size <= 50_000


def test_a_disk_that_fails_is_told_in_its_own_words_and_the_sound_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path)
    real, room = os.write, 100_000

    def write(file: int, data: bytes) -> int:
        nonlocal room
        room -= len(data)
        if room < 0:
            raise OSError(28, "No space left on device")
        return real(file, data)

    monkeypatch.setattr("livehandled.recording.writer.os.write", write)
    outcome = rig.write(Frame(0.0, "in", b"{}"), SPEECH)
    assert outcome == Outcome("failed", "No space left on device")
    assert rig.seconds() == 1
    assert [line["what"] for line in rig.lines()] == ["in"]
    rig.inbox.put(Cut(1.0))
    assert rig.inbox.take(0.0) == []


def test_what_was_dropped_is_said_where_it_is_missing(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.inbox._max_items = 1
    rig.write(Frame(0.0, "in", b"{}"), Frame(0.1, "in", b"{}"), Frame(0.2, "in", b"{}"))
    assert [(line["what"], line.get("count")) for line in rig.lines()] == [
        *(("in", None), ("dropped", 2), ("end", None)),
    ]


def test_a_long_silence_is_written_piece_by_piece(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_bytes=10**8, now=150.0)
    assert rig.write(SPEECH) == Outcome("stopped")
    assert rig.seconds() == 150.0


def test_what_a_killed_writer_leaves_can_be_read(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.writer._begin()
    rig.inbox.put(Frame(0.0, "in", b"{}"))
    rig.inbox.put(SPEECH)
    rig.writer._step(rig.inbox.take(0.0))
    whole = rig.wire_path.read_bytes()
    rig.wire_path.write_bytes(whole + b'{"ms": 1000, "wh')
    assert [line["what"] for line in rig.lines()] == ["in"]
    with wave.open(str(rig.audio_path)) as sound:
        assert len(sound.readframes(10**6)) == 4 * 24_000
