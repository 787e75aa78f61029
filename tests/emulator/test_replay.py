"""The service's side of a recording: in what order it comes, and when."""

import json
from collections.abc import Sequence

import pytest

from livehandle_emulator.closing import Close
from livehandle_emulator.replay import Lost, Recorded, Replay, connections
from livehandle_proto.wire_file import Line, NoRecordingError

SETUP = {"setup": {"model": "models/m"}}
COMPLETE: dict[str, object] = {"setupComplete": {}}
MARK: dict[str, object] = {"realtimeInput": {"activityStart": {}}}


def typed(text: str) -> dict[str, object]:
    turn = {"role": "user", "parts": [{"text": text}]}
    return {"clientContent": {"turns": [turn], "turnComplete": True}}


def sound(chars: int) -> dict[str, object]:
    return {"realtimeInput": {"audio": {"mimeType": "audio/pcm", "data": "A" * chars}}}


def says(text: str) -> dict[str, object]:
    return {"serverContent": {"outputTranscription": {"text": text}}}


def line(ms: float, what: str, frame: object = None, **more: object) -> Line:
    return {"ms": ms, "what": what, **({} if frame is None else {"frame": frame}), **more}


def recorded(*lines: Line) -> Recorded:
    opening = (line(0, "open"), line(10, "out", SETUP), line(30, "in", COMPLETE))
    [one] = connections([*opening, *lines])
    return one


class Client:
    """A client whose time is in its hands, of milliseconds."""

    def __init__(self, one: Recorded, *, speed: float) -> None:
        self.replay = Replay(one, speed=speed)
        self.ms = 1000.0

    def send(self, message: object) -> list[object]:
        return read(self.replay.receive(json.dumps(message).encode(), self.ms / 1000))

    def wait(self, ms: float) -> list[object]:
        self.ms += ms
        return read(self.replay.advance(self.ms / 1000))


def read(out: Sequence[bytes | Close | Lost]) -> list[object]:
    return [json.loads(one) if isinstance(one, bytes) else one for one in out]


CALL = {"toolCall": {"functionCalls": [{"id": "1", "name": "f"}]}}
ANSWER = {"toolResponse": {"functionResponses": [{"id": "1", "name": "f", "response": {}}]}}
TALK = (
    *(line(100, "out", typed("one")), line(150, "in", says("1")), line(250, "in", CALL)),
    *(line(300, "out", ANSWER), line(310, "in", says("2")), line(400, "out", MARK)),
    *(line(410, "in", says("3")), line(420, "close", by="service", code=1011, reason="over")),
)


def test_a_reply_waits_for_what_the_client_said_before_it() -> None:
    client = Client(recorded(*TALK), speed=0)
    assert client.send(SETUP) == [COMPLETE]
    assert client.wait(10_000) == []
    assert client.send(typed("another")) == [says("1"), CALL]
    assert client.send(MARK) == []
    assert client.send(ANSWER) == [says("2"), says("3"), Close(1011, "over")]
    assert client.replay.deadline is None


@pytest.mark.parametrize(("speed", "scale"), [(1.0, 1.0), (2.0, 0.5), (0.25, 4.0)])
def test_a_reply_comes_as_long_after_what_it_answers_as_it_did(speed: float, scale: float) -> None:
    client = Client(recorded(*TALK), speed=speed)
    assert client.send(SETUP) == []
    assert client.wait(19 * scale) == []
    assert client.wait(2 * scale) == [COMPLETE]
    client.wait(60_000)
    assert client.send(typed("one")) == []
    assert client.wait(51 * scale) == [says("1")]
    assert client.wait(98 * scale) == []
    assert client.wait(2 * scale) == [CALL]


def test_without_time_the_sound_is_waited_for() -> None:
    spoken = recorded(
        line(40, "out", sound(100)), line(50, "out", sound(100)), line(60, "in", says("heard"))
    )
    client = Client(spoken, speed=0)
    assert client.send(SETUP) == [COMPLETE]
    assert client.send(sound(150)) == []
    assert client.send(sound(50)) == [says("heard")]
    client = Client(spoken, speed=1.0)
    client.send(SETUP)
    assert client.wait(100) == [COMPLETE, says("heard")]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"setup": {"model": "models/other"}}, "The recording is of models/m: set session.model"),
        (typed("first"), "setup must be the first message"),
        ({"nonsense": 1}, "setup must be the first message"),
    ],
)
def test_a_client_that_begins_otherwise_is_refused(message: object, words: str) -> None:
    client = Client(recorded(), speed=0)
    [refusal] = client.send(message)
    assert isinstance(refusal, Close)
    assert refusal.reason.startswith(words)
    assert client.replay.deadline is None


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ({"by": "service", "code": 1008, "reason": "no"}, [Close(1008, "no")]),
        ({"by": "network"}, [Lost()]),
        ({"by": "daemon"}, []),
    ],
)
def test_the_end_is_the_service_s_own_alone(end: dict[str, object], told: list[object]) -> None:
    client = Client(recorded(line(50, "close", **end)), speed=0)
    assert client.send(SETUP) == [COMPLETE, *told]


def test_what_was_no_json_comes_as_it_was() -> None:
    replay = Replay(recorded(line(40, "in", text="}{ no JSON")), speed=0)
    assert replay.receive(json.dumps(SETUP).encode(), 1.0)[1] == b"}{ no JSON"


def test_connections_come_one_by_one_and_those_without_a_setup_not_at_all() -> None:
    lines = [line(0, "open"), line(1, "out", SETUP), line(2, "close", by="daemon")]
    again = {"setup": {"model": "models/n", "sessionResumption": {"handle": "handle-1"}}}
    lines += [line(3, "open"), line(4, "open"), line(5, "out", again), line(6, "dropped", count=2)]
    assert [one.model for one in connections(lines)] == ["models/m", "models/n"]


def test_a_connection_that_was_recorded_from_its_middle_cannot_be_played() -> None:
    lines = [line(0, "open"), line(1, "in", COMPLETE), line(2, "out", typed("one"))]
    assert connections(lines) == []


def test_what_the_recording_waits_for_can_be_told() -> None:
    client = Client(recorded(*TALK), speed=0)
    assert client.replay.waits_for == "1 x setup"
    client.send(SETUP)
    assert client.replay.waits_for == "1 x turn"
    client.send(typed("one"))
    client.send(ANSWER)
    assert client.replay.waits_for == "1 x mark"
    client.send(MARK)
    assert client.replay.waits_for == ""
    spoken = Client(recorded(line(40, "out", sound(9)), line(60, "in", says("heard"))), speed=0)
    spoken.send(SETUP)
    assert spoken.replay.waits_for == "sound"
    refused = Client(recorded(), speed=0)
    refused.send(MARK)
    assert refused.replay.waits_for == ""


def test_a_message_before_any_connection_is_no_recording() -> None:
    with pytest.raises(NoRecordingError, match="before the first connection"):
        connections([line(0, "in", COMPLETE)])
