"""Results in words of their own."""

import json

import pytest

from livectl.__main__ import main
from support.scripted_daemon import result, scripted_daemon

KIOSK = {"connection": "c1", "client": "kiosk\x1b", "pid": 4, "uid": 0}
CLIENT = {**KIOSK, "client": "kiosk", "roles": ["mic", "speaker"], "lag_ms": 12}
TURN = {"turn_number": 0, "user": "Hi", "model": "Ho", "tool_calls": [], "interrupted": False}
STATUS = """\
pid        7
client c1  kiosk, pid 4, holds mic and speaker, 12 ms behind
client c1  without a name, pid 4
"""
SAID = """\
you:   Hi
model: Ho
model: Ho [interrupted]
you:   Time?
  tool: f({}) -> "noon"
"""
CALL = {"name": "f", "args": "{}", "result": '"noon"'}


@pytest.mark.parametrize(
    ("command", "method", "answer", "told"),
    [
        ("claims", "claims", {"mic": None, "speaker": None}, "mic      nobody\nspeaker  nobody\n"),
        ("claims", "claims", {"mic": KIOSK}, "mic  kiosk\ufffd (pid 4)\n"),
        (
            "status",
            "daemon.status",
            {"pid": 7, "clients": [CLIENT, {**CLIENT, "client": "", "roles": [], "lag_ms": 0}]},
            STATUS,
        ),
        ("daemon.status", "daemon.status", {"pid": 7, "clients": []}, "pid  7\n"),
        (
            "transcript",
            "transcript",
            {
                "turns": [TURN, {**TURN, "user": "", "interrupted": True}],
                "current": {"user": "Time?", "model": "", "tool_calls": [CALL]},
            },
            SAID,
        ),
    ],
)
def test_people_are_told_in_words_and_programs_in_json(
    command: str, method: str, answer: object, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({method: result(answer)}) as daemon:
        assert main(["--socket", str(daemon.path), command]) == 0
        assert capsys.readouterr().out == told
        assert main(["--socket", str(daemon.path), command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer


@pytest.mark.parametrize(
    ("words", "note"), [([], "No turn yet: livectl ask TEXT begins one."), (["--quiet"], "")]
)
def test_of_an_empty_transcript_it_is_told_how_to_begin(
    words: list[str], note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({"transcript": result({"turns": [], "current": None})}) as daemon:
        assert main(["--socket", str(daemon.path), "transcript", *words]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert note in told.err
    assert bool(note) == bool(told.err)
