"""The command line of livectl."""

import argparse

import pytest

from livectl.arguments import parse, top_parser
from livectl.exits import EXIT_CODES
from livectl.methods import all_commands
from livehandle_proto import __version__
from livehandle_proto.errors import LiveHandleError


def options(line: str) -> argparse.Namespace:
    return parse(line.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("phase", {"socket": None, "instance": None, "json": False}),
        ("--socket a phase", {"socket": "a", "instance": None}),
        ("phase --socket a", {"socket": "a"}),
        ("--socket=a phase", {"socket": "a"}),
        ("--socket phase status", {"socket": "phase"}),
        ("--instance demo phase --json", {"instance": "demo", "json": True}),
        ("--json phase", {"json": True}),
        ("phase", {"quiet": False}),
        ("--quiet phase", {"quiet": True}),
        ("phase --quiet", {"quiet": True}),
        ("send-text phase", {"text": "phase", "follow": False}),
        ("send-text - --follow", {"text": "-", "follow": True}),
        ("send-text -- -5", {"text": "-5"}),
        ("send-text -5", {"text": "-5"}),
        ("send-text -hello --follow", {"text": "-hello", "follow": True}),
        ("send-text --follow -- --hello", {"text": "--hello", "follow": True}),
        ("send-text --json Hi --follow", {"text": "Hi", "follow": True, "json": True}),
        ("send-audio a.wav", {"file": "a.wav", "speed": 1.0, "tail": 1.5, "follow": False}),
        ("send-audio - --speed 0 --tail 0.2", {"file": "-", "speed": 0.0, "tail": 0.2}),
        ("events", {"topics": [], "since": None, "snapshot": False}),
        ("events live.* --since k:1 --snapshot", {"topics": ["live.*"], "since": "k:1"}),
        (
            "watch live.* --topics state.*,tool.*",
            {"topics": ["live.*"], "listed": "state.*,tool.*"},
        ),
        ("subscribe session.raw", {"topics": ["session.raw"]}),
        ("connect session.model=x a=1", {"config": ["session.model=x", "a=1"]}),
        ("connect --json session.model=x", {"config": ["session.model=x"], "json": True}),
        ("done --timeout 1.5", {"timeout": 1.5}),
        ("done", {"timeout": None}),
        ("call m --json a=1 --socket s b=2", {"method": "m", "params": ["a=1", "b=2"]}),
        ("call m a=-1 -", {"params": ["a=-1", "-"]}),
        ("events live.a --json live.b", {"topics": ["live.a", "live.b"], "json": True}),
        ("call daemon.ping", {"method": "daemon.ping", "params": []}),
        ("call send-text text=Hi", {"method": "send-text", "params": ["text=Hi"]}),
        ("ask what time is it", {"text": ["what", "time", "is", "it"]}),
        ("ask --json - ", {"text": ["-"], "json": True}),
        ("wait phase active --timeout 2", {"what": "phase", "names": ["active"], "timeout": 2.0}),
        ("wait turn", {"what": "turn", "names": [], "timeout": None, "since": None}),
        ("wait event live.* --since k:1", {"what": "event", "names": ["live.*"], "since": "k:1"}),
        ("help", {"subject": None, "name": None}),
        ("help errors wire.closed", {"subject": "errors", "name": "wire.closed"}),
        ("man livectl", {"page": "livectl"}),
        ("completions zsh", {"shell": "zsh"}),
        ("demo --output a.wav", {"output": "a.wav"}),
        ("fault abort", {"do": "abort", "values": [], "at": None}),
        ("fault close 1011 gone --at tool_call", {"values": ["1011", "gone"], "at": "tool_call"}),
        ("fault --time-left-ms 5000 go-away", {"do": "go-away", "time_left_ms": "5000"}),
        ("fault stall --for-ms -5s", {"do": "stall", "values": [], "for_ms": "-5s"}),
        ("fault stall -5s --at audio", {"values": ["-5s"], "at": "audio"}),
        ("faults --clear", {"clear": True}),
    ],
)
def test_a_line_is_options(line: str, expected: dict[str, object]) -> None:
    given = vars(options(line))
    assert {name: given[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "No command is given: see livectl --help"),
        ("--json", "No command is given"),
        ("phse", "There is no command 'phse': did you mean phase?"),
        ("send_text Hi", "did you mean send-text?"),
        ("Events", "did you mean events?"),
        ("state.gte app:a", "There is no command 'state.gte': did you mean state.get?"),
        ("clam mic", "did you mean claim?"),
        ("tools", "there are tools.register, tools.unregister, tools.list, tools.respond"),
        ("wait fhase", "Argument WHAT is phase, turn, event, not 'fhase': did you mean phase?"),
        ("wait dance", "Argument WHAT is phase, turn, event, not 'dance': see livectl wait --help"),
        ("claim mic --forse", "did you mean --force?"),
        ("dance", "There is no command 'dance': livectl --help lists"),
        ("--sock a phase", "There is no option --sock here: see livectl --help"),
        ("--sokcet a phase", "did you mean --socket?"),
        ("--sockets=a phase", "There is no option --sockets here: did you mean --socket?"),
        ("phase --jsn", "There is no option --jsn here: did you mean --json?"),
        ("send-text Hi --folow", "did you mean --follow?"),
        ("phase --follow", "There is no option --follow here: see livectl phase --help"),
        ("--socket", "expected one argument"),
        ("phase --socket", "expected one argument"),
        ("phase now", "Unrecognized arguments: now: see livectl phase --help"),
        ("phase -x", "Unrecognized arguments: -x"),
        ("send-text", "TEXT"),
        ("send-text Hello there", "Unrecognized arguments: there"),
        ("send-audio a --speed fast", "'fast' is not a number from 0 to 1000"),
        ("send-audio a --speed -1", "--speed"),
        ("send-audio a --tail nan", "'nan' is not a length of time in seconds"),
        ("fault", "WHAT"),
        ("fault close --cod 1", "There is no option --cod here: did you mean --code?"),
        ("fault --code", "Argument --code: expected one argument"),
        ("fault stall --for-ms", "Argument --for-ms: expected one argument"),
        ("fault stall --for-ms --at audio", "Argument --for-ms: expected one argument"),
        ("fault --at audio", "WHAT is missing: see livectl fault --help"),
        ("done --timeout=-1", "'-1' is not a length of time in seconds"),
        ("done --timeout -1s", "'-1s' is not a length of time in seconds"),
    ],
)
def test_wrong_usage_says_what_is_wrong_and_what_was_meant(
    line: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LiveHandleError) as refused:
        options(line)
    assert refused.value.name == "client.usage"
    assert why in refused.value.message
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")


@pytest.mark.parametrize("line", ["--help", *(f"{name} --help" for name in all_commands())])
def test_help_is_data(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        options(line)
    assert exited.value.code == 0
    assert "usage: livectl" in capsys.readouterr().out


def test_the_help_lists_every_command_and_exit_code() -> None:
    told = top_parser().format_help()
    assert set(all_commands()) <= set(told.split())
    assert {str(code) for code in EXIT_CODES} <= set(told.split())
    assert max(map(len, told.splitlines())) <= 100


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        options("--version")
    assert exited.value.code == 0
    assert capsys.readouterr().out == f"livectl {__version__}\n"
