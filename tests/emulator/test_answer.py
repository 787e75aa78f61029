"""What is said to what was given."""

import pytest

from livehandle_emulator.answer import Answer, Call, Echo, Prompt, Result, Say, answer_to, words_of
from livehandle_emulator.hearing import Utterance
from livehandle_emulator.scenario import CannedReply

SPOKEN = Utterance(bytes(32_000), 16_000, 0.84)


def answer(prompt: Prompt, *canned: CannedReply, functions: tuple[str, ...] = ("f",)) -> Answer:
    return answer_to(prompt, functions=functions, instruction="", video_frames=0, canned=canned)


def typed(text: str) -> Prompt:
    prompt = Prompt(asked=True)
    prompt.texts.append(text)
    return prompt


@pytest.mark.parametrize(
    ("text", "segments", "calls"),
    [
        ("hello", [Say("You typed: hello")], []),
        ("  hello\nyou ", [Say("You typed: hello\nyou")], []),
        ("call f", [], [Call("f", {})]),
        ("Call f {}", [], [Call("f", {})]),
        (' call  f  {"a": {"b": [1]}} ', [], [Call("f", {"a": {"b": [1]}})]),
        ("call f\ncall f", [], [Call("f", {})] * 2),
        ("call f\nthanks", [Say("You typed: thanks")], [Call("f", {})]),
        ("call me maybe", [Say("You typed: call me maybe")], []),
        ("recall f", [Say("You typed: recall f")], []),
        ("call g", [Say("There is no function g. Declared: f.")], []),
        ("instruction", [Say("I have no instruction.")], []),
        ("", [Say("You typed nothing new.")], []),
        (" ", [Say("You typed nothing new.")], []),
    ],
)
def test_typed_turns(text: str, segments: list[Say], calls: list[Call]) -> None:
    assert answer(typed(text)) == Answer(list(segments), calls)


@pytest.mark.parametrize("args", ["{", '{"a": }', "{} {}"])
def test_arguments_that_are_not_json_are_told(args: str) -> None:
    segments, calls = answer(typed(f"call f {args}"))
    assert calls == []
    assert isinstance(segments[0], Say)
    assert segments[0].text.startswith("The arguments of f are not JSON: ")


def test_a_long_text_is_repeated_in_part() -> None:
    (segment,), _ = answer(typed("x" * 5_000))
    assert isinstance(segment, Say)
    assert len(segment.text) < 250


@pytest.mark.parametrize(
    "text", ["call " + "g" * 5_000, "call f {" + "x" * 5_000, "call g\n" * 5_000, "instruction"]
)
def test_whatever_was_typed_little_is_said_of_it(text: str) -> None:
    segments, _ = answer_to(
        typed(text), functions=["f" * 100] * 20, instruction="x" * 5_000, video_frames=0, canned=()
    )
    assert 0 < len(segments) <= 20
    assert all(isinstance(said, Say) and len(said.text) < 250 for said in segments)


@pytest.mark.parametrize("response", [{"output": "x" * 5_000}, {"error": ["x"] * 5_000}])
def test_a_long_result_is_reported_in_part(response: dict[str, object]) -> None:
    prompt = Prompt()
    prompt.results.append(Result("f", response))
    (segment,), _ = answer(prompt)
    assert isinstance(segment, Say)
    assert segment.text.endswith("…")
    assert 150 < len(segment.text) < 250


def test_a_canned_reply_is_said_whole_but_for_what_was_typed() -> None:
    (whole,), _ = answer(typed("x" * 5_000), CannedReply(match="x", say="y " * 2_000))
    assert whole == Say("y " * 2_000)
    (part,), _ = answer(typed("x" * 5_000), CannedReply(match="(x+)", say=r"It was \1"))
    assert isinstance(part, Say)
    assert part.text.startswith("It was xxx")
    assert len(part.text) < 250


def test_speech_is_spoken_back() -> None:
    prompt = Prompt()
    prompt.utterances.append(SPOKEN)
    assert answer(prompt).segments == [Echo(SPOKEN)]
    assert words_of(SPOKEN) == "[0.8 s of speech]"


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ({"output": "sunny"}, "f answered sunny."),
        ({"output": {"t": 1}}, 'f answered {"t": 1}.'),
        ({"error": "no such city"}, "f failed: no such city."),
        ({"temp": 21, "ünï": "ok"}, 'f answered {"temp": 21, "ünï": "ok"}.'),
        ({}, "f answered {}."),
    ],
)
def test_results_are_reported(response: dict[str, object], words: str) -> None:
    prompt = Prompt()
    prompt.results.append(Result("f", response))
    assert answer(prompt).segments == [Say(words)]


CANNED = [
    CannedReply(
        match=r"weather in (\w+)", say=r"\1 it is.", call="f", args={"where": [r"in \1", 1]}
    ),
    CannedReply(match="s of speech", say="I heard you."),
    CannedReply(match="weather", say="Where?"),
    CannedReply(match="missing", call="g", args={"a": {"b": "c"}}),
]


def test_a_canned_reply_is_filled_in_from_the_words() -> None:
    assert answer(typed("The WEATHER in Oslo?"), *CANNED) == Answer(
        [Say("Oslo it is.")], [Call("f", {"where": ["in Oslo", 1]})]
    )


def test_the_first_canned_reply_that_matches_is_given() -> None:
    assert answer(typed("weather"), *CANNED).segments == [Say("Where?")]
    assert answer(typed("else"), *CANNED).segments == [Say("You typed: else")]


def test_speech_can_be_answered_by_a_canned_reply() -> None:
    prompt = Prompt()
    prompt.utterances.append(SPOKEN)
    assert answer(prompt, *CANNED).segments == [Say("I heard you.")]


def test_a_canned_call_of_an_undeclared_function_is_told() -> None:
    segments = answer(typed("missing"), *CANNED).segments
    assert segments == [Say("There is no function g. Declared: f.")]


@pytest.mark.parametrize(("frames", "words"), [(1, "1 video frame."), (2, "2 video frames.")])
def test_video_frames_are_mentioned(frames: int, words: str) -> None:
    given = answer_to(
        typed("x"), functions=(), instruction="", video_frames=frames, canned=()
    ).segments
    assert given[-1] == Say(f"I saw {words}")


def test_the_order_is_words_attachments_speech_results() -> None:
    prompt = typed("hello")
    prompt.attachments.append("image/png")
    prompt.utterances.append(SPOKEN)
    prompt.results.append(Result("f", {"output": 1}))
    assert answer(prompt).segments == [
        Say("You typed: hello"),
        Say("You attached image/png."),
        Echo(SPOKEN),
        Say("f answered 1."),
    ]


@pytest.mark.parametrize(
    ("prompt", "speaking", "wanted"),
    [
        (Prompt(), False, False),
        (Prompt(asked=True), True, True),
        (Prompt(asked=True), False, True),
    ],
)
def test_when_an_answer_is_wanted(prompt: Prompt, speaking: bool, wanted: bool) -> None:
    assert prompt.wants_answer(speaking=speaking) is wanted


def test_speech_and_results_want_an_answer_once_the_user_is_silent() -> None:
    prompt = Prompt()
    prompt.results.append(Result("f", {}))
    assert not prompt.wants_answer(speaking=True)
    assert prompt.wants_answer(speaking=False)


def test_a_prompt_keeps_the_newest_of_what_it_is_given() -> None:
    prompt = Prompt(asked=True)
    prompt.texts.extend(f"line {i}" for i in range(1_000))
    segments = answer(prompt).segments
    assert len(segments) == 20
    assert segments[-1] == Say("You typed: line 999")
