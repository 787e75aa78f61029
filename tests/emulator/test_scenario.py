"""Scenario files: what is read, and what is said of those that cannot be."""

from pathlib import Path

import pytest

from livehandle_emulator import scenario as scenario_module
from livehandle_emulator.scenario import CannedReply, Scenario, Timing, load_scenario
from livehandle_proto.errors import LiveHandleError


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
    )


def test_the_documented_defaults_are_the_defaults() -> None:
    assert Timing() == Timing(reply_delay_ms=150, stream_speed=8.0, playback_speed=1.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("modles = []", "unknown key modles; did you mean models?"),
        ("zzz = 1", "unknown key zzz; known are models, keys, timing, reply"),
        ("[timing]\nstream-speed = 1", "unknown key timing.stream-speed; did you mean stream_s"),
        ("[[reply]]\nmatch='a'\nsay='b'\n[[reply]]\nmach='x'", "unknown key reply[1].mach; did"),
        ("models = 'one'", "Expected array | null, got str - at models"),
        ("[timing]\nplayback_speed = 0", "Expected float > 0.0 - at timing.playback_speed"),
        ("[timing]\nreply_delay_ms = -1", "Expected int >= 0 - at timing.reply_delay_ms"),
        ("reply = 3", "Expected array, got int - at reply"),
        ("timing = 3", "Expected object, got int - at timing"),
        ("[[reply]]\nsay = 'x'", "missing required field match - at reply[0]"),
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
