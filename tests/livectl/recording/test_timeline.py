"""A wire file for people."""

import pytest

from livectl.recording.timeline import timeline
from livehandle_proto.wire_file import Line

SETUP = {"setup": {"sessionResumption": {"handle": "handle-2"}}}
TURNS = {"turns": [{"parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]}
CALL = {"functionCalls": [{"name": "f", "args": {"x": 1}}]}
ANSWER = {"functionResponses": [{"name": "f", "response": {"ok": True}}]}


def blob(kind: str, seconds: float, rate: int) -> dict[str, str]:
    return {"mimeType": kind, "data": "A" * round(seconds * rate * 2 * 4 / 3)}


def parts(*given: object) -> dict[str, object]:
    return {"serverContent": {"modelTurn": {"parts": list(given)}}}


def told(*lines: Line) -> list[str]:
    return [str(moment).lstrip() for moment in timeline(lines)]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ({"setup": {}}, ["setup"]),
        (SETUP, ["setup, resumes with handle-2"]),
        ({"clientContent": TURNS}, ["user: a", "model: b"]),
        ({"realtimeInput": {"text": "hi\nthere"}}, ["user: hi there"]),
        ({"realtimeInput": {"video": {}}}, ["picture"]),
        ({"realtimeInput": {"activityStart": {}}}, ["speech begins"]),
        ({"realtimeInput": {"activityEnd": {}}}, ["speech ends"]),
        ({"toolResponse": ANSWER}, ['answer of f: {"ok": true}']),
        ({"contextUpdate": {}}, ["instruction or tools changed"]),
        ({"setup": [], "realtimeInput": 3, "clientContent": "x"}, ["setup"]),
    ],
)
def test_what_went_to_the_service(frame: object, words: list[str]) -> None:
    line: Line = {"ms": 1500, "what": "out", "frame": frame}
    assert told(line) == [f"1.500  -> {one}" for one in words]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ({"setupComplete": {}}, ["setup complete"]),
        ({"serverContent": {"inputTranscription": {"text": "a"}}}, ["heard: a"]),
        ({"serverContent": {"outputTranscription": {"text": "a"}}}, ["says: a"]),
        ({"serverContent": {"interrupted": True}}, ["interrupted"]),
        (
            {"serverContent": {"generationComplete": True, "turnComplete": True}},
            ["generation complete", "turn complete"],
        ),
        (
            parts(
                {"text": "a"},
                {"text": "b", "thought": True},
                {"inlineData": blob("image/jpeg", 0, 1)},
            ),
            ["writes: a", "thinks: b", "media image/jpeg"],
        ),
        (parts({"inlineData": blob("audio/pcm;rate=24000", 0.5, 24_000)}), ["sound 0.50 s"]),
        ({"toolCall": CALL}, ['calls f {"x": 1}']),
        ({"toolCallCancellation": {"ids": ["1"]}}, ["calls cancelled"]),
        ({"goAway": {"timeLeft": "3s"}}, ["go away, 3s left"]),
        ({"sessionResumptionUpdate": {"newHandle": "handle-1"}}, ["can be resumed with handle-1"]),
        ({"sessionResumptionUpdate": {"resumable": False}}, []),
        ({"error": {"code": 3}}, ['error: {"code": 3}']),
        ({"serverContent": {"modelTurn": {"parts": "x"}}}, []),
    ],
)
def test_what_came_from_the_service(frame: object, words: list[str]) -> None:
    assert told({"ms": 20, "what": "in", "frame": frame}) == [f"0.020  <- {one}" for one in words]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"what": "open", "connection": 2, "model": "m", "backend": "b"}, "connection 2 to m (b)"),
        (
            {"what": "open", "connection": 1, "model": "m", "backend": "b", "before": True},
            "connection 1 to m (b), open already",
        ),
        ({"what": "close", "by": "daemon"}, "closed by the daemon"),
        (
            {"what": "close", "by": "service", "code": 1011, "reason": "over"},
            "closed by the service, 1011 over",
        ),
        ({"what": "dropped", "count": 3}, "3 lines are missing here"),
        ({"what": "end", "reason": "full"}, "the recording ends: full"),
        ({"what": "tomorrow"}, "tomorrow"),
    ],
)
def test_what_is_neither(line: Line, words: str) -> None:
    assert told({"ms": 0, **line}) == [f"0.000  -- {words}"]


def test_what_is_no_json_and_what_is_long_stands_on_one_line() -> None:
    assert told({"ms": 0, "what": "in", "text": "}{\x1b[0m"}) == ["0.000  <- no JSON: }{ [0m"]
    [line] = told({"ms": 0, "what": "out", "frame": {"realtimeInput": {"text": "x" * 999}}})
    assert line.endswith("x…")
    assert len(line) < 230


def test_sound_in_a_row_is_one_line_of_each_side() -> None:
    user = {"realtimeInput": {"audio": blob("audio/pcm;rate=16000", 0.25, 16_000)}}
    model = parts({"inlineData": blob("audio/pcm;rate=24000", 1.0, 24_000)})
    lines: list[Line] = [
        {"ms": 0, "what": "out", "frame": user},
        {"ms": 100, "what": "in", "frame": model},
        {"ms": 250, "what": "out", "frame": user},
        {"ms": 300, "what": "in", "frame": {"serverContent": {"interrupted": True}}},
        {"ms": 400, "what": "out", "frame": user},
    ]
    assert told(*lines) == [
        *("0.000  -> sound 0.50 s", "0.100  <- sound 1.00 s", "0.300  <- interrupted"),
        "0.400  -> sound 0.25 s",
    ]
