"""A typed turn and its answer."""

import json
from pathlib import Path

import pytest

from livectl.__main__ import main
from support.scripted_daemon import Reply, ScriptedDaemon, event, failure, result, scripted_daemon

CALL = {"id": "1", "name": "get_time", "args": {}}
DONE = {"call_id": "1", "name": "get_time", "args": {}, "result": {"output": "noon"}}
REPLY = [
    event("live.output_transcript", 1, text="Good "),
    event("live.output_transcript", 2, text="day."),
    event("live.turn_complete", 3, turn=4, user="Hi", model="Good day.", interrupted=False),
]


def script(*reply: bytes) -> dict[str, Reply]:
    return {
        "session": result({"phase": "active", "current_turn": None}),
        "events": result({"subscription": "e1", "cursor": "k3f9:0"}),
        "tools.list": result({"tools": [{"name": "get_time", "connection": "c1"}]}),
        "send_text": result(None, *reply),
    }


def run(daemon: ScriptedDaemon, *words: str) -> int:
    return main(["--socket", str(daemon.path), "ask", *words])


def test_the_words_are_sent_and_the_answer_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_daemon(script(*REPLY)) as daemon:
        assert run(daemon, "How", "do you do?") == 0
    assert daemon.sent("send_text") == [{"text": "How do you do?"}]
    assert capsys.readouterr() == ("Good day.\n", "")


def test_the_words_may_come_from_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words").write_text("Grüß\ndich\n")
    with scripted_daemon(script(*REPLY)) as daemon, (tmp_path / "words").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert run(daemon, "-") == 0
    assert daemon.sent("send_text") == [{"text": "Grüß\ndich"}]


def test_with_json_the_answer_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_daemon(script(*REPLY)) as daemon:
        assert run(daemon, "--json", "Hi") == 0
    assert json.loads(capsys.readouterr().out) == {
        "text": "Good day.",
        "turn": 4,
        "interrupted": False,
        "tools": [],
    }


def test_with_json_the_functions_that_were_carried_out_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    called = [
        event("session.tool_call", 1, function_calls=[CALL]),
        event("live.turn_complete", 2, turn=0, model="", interrupted=False),
        event("live.tool_execution", 3, **DONE),
        event("live.output_transcript", 4, text="It is noon."),
        event("live.turn_complete", 5, turn=1, model="It is noon.", interrupted=False),
    ]
    with scripted_daemon(script(*called)) as daemon:
        assert run(daemon, "--json", "Hi") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["text"], told["turn"]) == ("It is noon.", 1)
    assert told["tools"] == [{key: DONE[key] for key in ("name", "args", "result")}]


def test_what_the_daemon_refuses_is_its_own_error(capsys: pytest.CaptureFixture[str]) -> None:
    refusing = script() | {"send_text": failure("text.empty", "Send text.")}
    with scripted_daemon(refusing) as daemon:
        assert run(daemon, "--json", "") == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("quiet", "noted"), [([], True), (["--quiet"], False)])
def test_a_call_that_nobody_carries_out_is_noted_unless_quiet(
    quiet: list[str], noted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    other = event("session.tool_call", 1, function_calls=[{**CALL, "name": "set_light"}])
    with scripted_daemon(script(other, *REPLY)) as daemon:
        assert run(daemon, "Hi", *quiet) == 0
    assert ("send_tool_response" in capsys.readouterr().err) is noted
