"""Methods as commands."""

import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from livectl.__main__ import main
from livectl.arguments import parse, parser_of
from livectl.description import Method, methods
from livectl.methods import (
    METHOD_OF,
    all_commands,
    by_command,
    example_line,
    method_help,
    params_of,
)
from livectl.table import COMMANDS
from support.scripted_daemon import ScriptedDaemon, event, failure, result, scripted_daemon

OWN = [method for method in methods().values() if method.command not in COMMANDS]


def run(daemon: ScriptedDaemon, *words: str) -> int:
    return main(["--socket", str(daemon.path), *words])


def test_every_method_is_a_command() -> None:
    assert {method.command for method in methods().values()} <= set(all_commands())
    assert len(set(all_commands())) == len(all_commands())
    assert set(METHOD_OF.values()) <= methods().keys()


@pytest.mark.parametrize(
    ("line", "method", "params"),
    [
        ("state.get app:a", "state.get", {"key": "app:a"}),
        ("state.set app:a 5", "state.set", {"key": "app:a", "value": 5}),
        ("state.set app:a five", "state.set", {"key": "app:a", "value": "five"}),
        ("state.set app:a '\"5\"'", "state.set", {"key": "app:a", "value": "5"}),
        ("state.set app:a @FILE", "state.set", {"key": "app:a", "value": {"from": "file"}}),
        ("state.set app:a -", "state.set", {"key": "app:a", "value": {"from": "stdin"}}),
        ("state.keys", "state.keys", {}),
        ("state.keys --prefix app:", "state.keys", {"prefix": "app:"}),
        ("state.mutations-since 7", "state.mutations_since", {"cursor": 7}),
        ("done", "done", {}),
        ("done --timeout-ms 1500", "done", {"timeout_ms": 1500}),
        ("done --timeout 1.5", "done", {"timeout_ms": 1500}),
        ("claim mic", "claim", {"role": "mic"}),
        ("claim mic --force", "claim", {"role": "mic", "force": True}),
        ("daemon.fault abort --pings false", "daemon.fault", {"do": "abort", "pings": False}),
        ("queue-context --text Hi --prompt", "queue_context", {"text": "Hi", "prompt": True}),
        ("queue-context --text -", "queue_context", {"text": '{"from": "stdin"}'}),
        ("queue-context --turns '[]'", "queue_context", {"turns": []}),
        ("tools.respond c1 --result 5", "tools.respond", {"call_id": "c1", "result": 5}),
        ("writer.send-text Hi", "writer.send_text", {"text": "Hi"}),
        ("writer.send-audio AAA=", "writer.send_audio", {"data": "AAA="}),
        ("writer.send-audio @FILE", "writer.send_audio", {"data": "eyJmcm9tIjogImZpbGUifQ=="}),
        ("session.send-video -", "session.send_video", {"data": "eyJmcm9tIjogInN0ZGluIn0="}),
        (
            "session.send-client-content [] true",
            "session.send_client_content",
            {"turns": [], "turn_complete": True},
        ),
        ("transcript --turns 3", "transcript", {"turns": 3}),
        ("user-speech-started", "user_speech_started", {}),
    ],
)  # fmt: skip
def test_a_command_calls_its_method(
    line: str,
    method: str,
    params: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text('{"from": "file"}')
    (tmp_path / "stdin").write_text('{"from": "stdin"}')
    words = shlex.split(line.replace("FILE", str(tmp_path / "file")))
    script = {method: result(None, event("daemon.bye"))}
    with scripted_daemon(script) as daemon, (tmp_path / "stdin").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert run(daemon, *words) == 0
    assert daemon.sent(method) == [params]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("state.get", "KEY is missing: see"),
        ("call", "METHOD is missing: see"),
        ("state.set app:x -", "Standard input is empty, and value is JSON or text."),
        ("state.set app:x @/dev/null", "/dev/null is empty, and value is JSON or text."),
        ("state.set app:x '{\"a\":1'", "begins as JSON and is none"),
        ("queue-context rain", "There is no place for 'rain': it takes --turns, --text, --role, "),
        ("state.keys app:", "There is no place for 'app:': it takes --prefix"),
        ('connect {"model":1}', "Give settings such as: livectl connect session.model="),
        ("connect gemini", "Give settings such as: livectl connect session.model="),
        ("state.get a b", "Unrecognized arguments: b"),
        ("state.mutations-since now", "cursor is a whole number, not 'now'."),
        ("writer.send-client-content [] yes", "turn_complete is true or false, not 'yes'."),
        ("queue-context --turns hello", "turns are not JSON"),
        ("connect --config {}", "There is no option --config here"),
        ("done --timeout 1 --timeout-ms 1000", "--timeout and --timeout-ms are the same"),
        ("done --timeout soon", "'soon' is not a length of time in seconds"),
        ("tools.register --declarations @/nonexistent", "Cannot read /nonexistent"),
        ("state.keys --prefx a", "did you mean --prefix?"),
    ],
)
def test_wrong_words_are_told_before_anything_is_called(
    line: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    with scripted_daemon({}) as daemon:
        assert run(daemon, *shlex.split(line)) == 3
    assert daemon.requests == []
    assert why.lower() in capsys.readouterr().err.lower()


@pytest.mark.parametrize(
    ("answer", "people", "in_json"),
    [
        ({"a": {"b": 1}, "c": "x"}, "a.b  1\nc    x\n", '{"a": {"b": 1}, "c": "x"}\n'),
        ({}, "", "{}\n"),
        (None, "null\n", "null\n"),
        ("latte", '"latte"\n', '"latte"\n'),
        ([1, 2], "[1, 2]\n", "[1, 2]\n"),
    ],
)
def test_a_result_is_rows_for_people_and_one_line_of_json(
    answer: object, people: str, in_json: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_daemon({"extracted": result(answer)}) as daemon:
        assert run(daemon, "extracted", "order") == 0
        assert capsys.readouterr().out == people
        assert run(daemon, "extracted", "order", "--json") == 0
    assert capsys.readouterr().out == in_json


def test_a_method_without_a_result_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_daemon({"state.set": result(None)}) as daemon:
        assert run(daemon, "state.set", "a", "1", "--json") == 0
    assert capsys.readouterr().out == ""


def test_what_the_daemon_answers_is_its_own_error() -> None:
    with scripted_daemon({"done": failure("session.timeout", "Not yet.")}) as daemon:
        assert run(daemon, "done", "--timeout", "0") == 6


@pytest.mark.parametrize("method", OWN, ids=lambda method: str(method.name))
def test_the_example_in_the_help_makes_the_example_call(method: Method) -> None:
    for given, _ in method.examples:
        line = example_line(method, given)
        assert f"$ {line}\n" in method_help(method.command) + "\n"
        if "…" in line:
            continue  # it is cut, to be looked at alone
        words = shlex.split(line)
        assert words[:2] == ["livectl", method.command]
        assert params_of(method, parse(words[1:])) == given


@pytest.mark.parametrize("command", ["send-text", "connect", "send-audio"])
def test_a_command_with_arguments_of_its_own_gives_the_call_as_an_example(command: str) -> None:
    method = by_command()[command]
    given, _ = method.examples[0]
    line = example_line(method, given)
    assert line.startswith(f"livectl call {method.name}")
    assert line in method_help(command)


@pytest.mark.parametrize("command", all_commands())
def test_the_help_names_the_errors_of_the_method(command: str) -> None:
    told = parser_of(command)[0].format_help()
    method = by_command().get(METHOD_OF.get(command, command).replace("_", "-"))
    if method is not None:
        assert f"method: {method.signature}\n" in told + "\n"
        assert set(method.errors) <= set(told.split())
    assert max(len(row) for row in told.splitlines() if not row.startswith("  {")) <= 320


# What a command of its own spells differently from the method it is for.
SPELT: dict[str, dict[str, Any]] = {
    "connect": {"config": "config"},
    "events": {"topics": "topics", "since": "since", "snapshot": "snapshot"},
    "subscribe": {"topics": "topics", "since": "since", "snapshot": "snapshot"},
    "metrics": {},
    "phase": {},
    "state": {},
    "recording": {},
    "send-text": {"text": "text"},
    "send-audio": {"data": "file"},
    "send-video": {"data": "file"},
}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name in by_command()])
def test_a_command_that_stands_for_its_method_takes_all_its_parameters(command: str) -> None:
    known = {argument.dest for argument in parser_of(command)[0].arguments}
    spelt = SPELT[command]
    assert spelt.keys() == {param.name for param in by_command()[command].params}
    assert set(spelt.values()) <= known


def test_an_example_of_json_is_quoted_for_the_shell() -> None:
    method = methods()["state.set"]
    line = example_line(method, {"key": "app:a", "value": {"b": "it's"}})
    assert json.loads(shlex.split(line)[-1]) == {"b": "it's"}
