"""`livectl recording`."""

import json
import struct
import wave
from pathlib import Path

import pytest

from livectl.__main__ import main
from support.scripted_daemon import result, scripted_daemon

HEADER = (
    '{"livehandle_recording": 1, "name": "call", "started_ms": 1767225600000, "redacted": true}'
)
LINE = '{"ms": 1500, "what": "in", "frame": {"goAway": {"timeLeft": "3s"}}}'
HEAD = (
    b"RIFF"
    + struct.pack("<I", 2**32 - 9)
    + b"WAVE"
    + b"fmt "
    + struct.pack("<IHHIIHH", 16, 1, 2, 24_000, 96_000, 4, 16)
    + b"data"
    + struct.pack("<I", 2**32 - 45)
)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    directory = tmp_path / "call.recording"
    directory.mkdir()
    (directory / "wire.jsonl").write_text(f"{HEADER}\n{LINE}\n")
    (directory / "audio.wav").write_bytes(HEAD + bytes(400))
    return directory


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.parametrize("file", ["", "wire.jsonl"])
def test_show_prints_what_happened(
    recording: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    assert said(capsys, "recording", "show", str(recording / file)) == (
        0,
        (
            "call, begun 2026-01-01 00:00:00 UTC, texts are redacted\n"
            "     1.500  <- go away, 3s left\n"
        ),
        "",
    )


def test_show_with_json_is_an_object_a_line(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = said(capsys, "recording", "show", str(recording), "--json")
    header, line = map(json.loads, out.splitlines())
    assert header["name"] == "call"
    assert line == {"ms": 1500, "direction": "<-", "what": "go away, 3s left"}


def test_a_recording_is_found_by_its_name(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = {
        "directory": str(recording.parent),
        "recordings": [{"name": "call", "bytes": 1, "modified_ms": 1}],
    }
    with scripted_daemon({"recording.list": result(listed)}) as daemon:
        socket = ("--socket", str(daemon.path))
        code, out, _ = said(capsys, *socket, "recording", "show", "call", "--quiet")
        assert (code, out) == (0, "     1.500  <- go away, 3s left\n")
        code, _, err = said(capsys, *socket, "recording", "show", "cal")
        assert (code, err) == (
            3,
            "livectl: There is no recording 'cal': did you mean call? [client.usage]\n",
        )


@pytest.mark.parametrize(
    ("running", "words"), [(None, "No recording runs.\n"), ({"name": "call"}, "name  call\n")]
)
def test_without_an_action_it_shows_the_one_that_runs(
    capsys: pytest.CaptureFixture[str], running: object, words: str
) -> None:
    with scripted_daemon({"recording": result(running)}) as daemon:
        assert said(capsys, "--socket", str(daemon.path), "recording") == (0, words, "")


def test_the_sound_of_a_killed_daemon_is_exported_with_its_true_size(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.wav"
    code, told, _ = said(capsys, "recording", "export", str(recording), str(out))
    assert (code, told) == (0, f"{out} is written.\n")
    assert int.from_bytes(out.read_bytes()[4:8], "little") == out.stat().st_size - 8
    with wave.open(str(out)) as sound:
        assert sound.getnframes() == 100
    assert out.stat().st_mode & 0o777 == 0o600


def test_the_wire_is_exported_as_it_is(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    words = ("recording", "export", "--jsonl", str(recording), str(out), "--json")
    assert said(capsys, *words)[:2] == (0, f'{{"file": "{out}"}}\n')
    assert out.read_bytes() == (recording / "wire.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["show"], "Name the recording"),
        (["show", "{r}", "x"], "show takes one recording."),
        (["show", "{r}/audio.wav"], "has no header of a recording"),
        (["export", "{r}"], "Name the file to write"),
        (["export", "{r}", "x", "--wav", "--jsonl"], "give one of them"),
        (["export", "{r}", "{r}/audio.wav"], "exists: give another name"),
        (["export", "{r}", "{r}/none/x"], "Cannot write"),
        (["show", "{r}/.."], "it was not recorded"),
    ],
)
def test_wrong_usage_is_one_sentence(
    recording: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    code, _, err = said(capsys, "recording", *(word.format(r=recording) for word in words))
    assert code == 3
    assert complaint in err
    assert err.count("\n") == 1
