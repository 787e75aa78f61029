"""Scenario files: what is read, and what is said of those that cannot be."""

import re
from pathlib import Path
from typing import get_args

import pytest

from livehandle_emulator import scenario as scenario_module
from livehandle_emulator.scenario import (
    CannedReply,
    Lifetime,
    ResumptionRules,
    Scenario,
    Timing,
    Tools,
    load_scenario,
)
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.faults import Fault, FaultKind, FaultMoment


def load(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "scenario.toml"
    path.write_text(text, encoding="utf-8")
    return load_scenario(path)


def test_every_key_may_be_left_out(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Scenario()


def test_the_documented_example_is_a_scenario(tmp_path: Path) -> None:
    documentation = scenario_module.__doc__ or ""
    example = documentation.split("```")[1].removeprefix("toml\n")
    assert load(tmp_path, example) == Scenario(
        models=["gemini-3.8-live"],
        keys=["my-test-key"],
        timing=Timing(reply_delay_ms=150, stream_speed=8.0, playback_speed=1.0),
        reply=[
            CannedReply(
                match=r"weather in (\w+)",
                say="Let me look.",
                call="get_weather",
                args={"city": r"\1"},
            )
        ],
        resumption=ResumptionRules(every="turn", unknown_calls="ignore"),
        fault=[
            Fault(
                do="close",
                reason="Internal error encountered.",
                at="model_turn",
                when="instead",
                skip=2,
                connection=1,
            )
        ],
    )


def test_the_documented_defaults_are_the_defaults() -> None:
    assert Timing() == Timing(reply_delay_ms=150, stream_speed=8.0, playback_speed=1.0)
    assert Lifetime() == Lifetime(connection_ms=0, go_away_ms=60_000, idle_ms=0)
    assert ResumptionRules() == ResumptionRules(
        handle_valid_ms=7_200_000, forgets="nothing", repeats=False, old_socket="refuse"
    )
    assert Tools() == Tools(audio_during_call="ignore")


def test_the_documentation_has_every_key_fault_and_moment() -> None:
    documentation = scenario_module.__doc__ or ""
    structs = (Scenario, Timing, Lifetime, ResumptionRules, Tools, CannedReply, Fault)
    names = {name for struct in structs for name in struct.__struct_fields__}
    names |= {str(name) for name in (*get_args(FaultKind), *get_args(FaultMoment))} - {"now"}
    assert {name for name in names if not re.search(rf"\b{name}\b", documentation)} == set()


def test_a_fault_has_its_moment(tmp_path: Path) -> None:
    text = "[[fault]]\ndo='refuse'\ntimes=3\n[[fault]]\ndo='slow'\nbytes_per_s=9\nat='upgrade'"
    assert load(tmp_path, text).fault == [
        Fault(do="refuse", times=3),
        Fault(do="slow", bytes_per_s=9, at="upgrade"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("modles = []", "modles: there is no such key; did you mean models?"),
        ("zzz = 1", "zzz: there is no such key; known are models, keys, timing, "),
        ("[timing]\nstream-speed = 1", "timing.stream-speed: there is no such key; did you"),
        (
            "[[reply]]\nmatch='a'\nsay='b'\n[[reply]]\nmach='x'",
            "reply[1].mach: there is no such key; did you mean match?",
        ),
        ("models = 'one'", "models: it must be a list, not text"),
        (
            "[timing]\nplayback_speed = 0",
            "timing.playback_speed: it must be a number of more than 0.0",
        ),
        (
            "[timing]\nreply_delay_ms = -1",
            "timing.reply_delay_ms: it must be a whole number of at least 0",
        ),
        ("reply = 3", "reply: it must be a list, not a whole number"),
        ("timing = 3", "timing: it must be an object, not a whole number"),
        ("[[reply]]\nsay = 'x'", "reply[0].match: it is missing"),
        ("[[reply]]\nmatch = '('\nsay='x'", "reply[0].match is no regular expression"),
        ("[[reply]]\nmatch = 'x'", "reply[0] needs say, call or both"),
        ("[[reply]]\nmatch = 'x'\nsay = 'y'\nargs = {a = 1}", "reply[0].args needs call"),
        ("[[reply]]\nmatch = 'x'\nsay = '\\1'", "reply[0] cannot be filled in: invalid"),
        ("[[reply]]\nmatch = 'x'\nsay = '\\g<who>'", "reply[0] cannot be filled in: unknown"),
        (
            "[[reply]]\nmatch = '(x)'\ncall = 'f'\nargs = { a = [{ b = '\\2' }] }",
            "reply[0] cannot be filled in: invalid",
        ),
        ("keys = [", "at end of document"),
        ("lifetime = { conection_ms = 1 }", "lifetime.conection_ms: there is no such key; did you"),
        ("lifetime = { idle_ms = -1 }", "lifetime.idle_ms: it must be a whole number of at least"),
        ("lifetime = { idle_ms = '1' }", "lifetime.idle_ms: it must be a whole number, not text"),
        (
            "resumption = { every = 'turns' }",
            "resumption.every: it must be one of reply, turn; did you mean turn?",
        ),
        ("tools = { audio_during_call = 'no' }", "must be one of cancel, close, ignore"),
        ("fault = 3", "fault: it must be a list of tables"),
        ("fault = [3]", "fault[0]: it must be an object, not a whole number"),
        ("[[fault]]\nat = 'audio'", "fault[0].do: it is missing"),
        ("[[fault]]\ndo = 'clos'", "did you mean close?"),
        ("[[fault]]\ndo = 'close'", "fault[0].at: a scenario has no now"),
        ("[[fault]]\ndo='close'\nat='audoi'", "fault[0].at: it must be one of activity_end, act"),
        ("[[fault]]\ndo='close'\nat='audoi'", "did you mean audio?"),
        ("[[fault]]\ndo='refuse'\n[[fault]]\ndo='slow'\nat='upgrade'", "fault[1].bytes_per_s: "),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(LiveHandleError) as caught:
        load(tmp_path, text)
    assert caught.value.name == "config.invalid"
    assert problem in caught.value.message
    assert "scenario.toml" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LiveHandleError, match="No such file"):
        load_scenario(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LiveHandleError, match="cannot be used"):
        load_scenario(path)
