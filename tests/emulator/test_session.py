"""One connection from its first frame to its close, without I/O."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livehandle_emulator.scenario import Lifetime, Scenario, Timing
from support.live_session import (
    CURRENT,
    GEMINI,
    HALF_CASCADE,
    TEXT,
    Client,
    Json,
    closing_of,
    connected,
    kinds,
    text_of,
)


def test_the_setup_is_answered_with_a_session_id() -> None:
    assert Client().set_up() == [{"setupComplete": {"sessionId": "s1"}}]


@pytest.mark.parametrize(
    "message",
    [
        {"clientContent": {"turnComplete": True}},
        {"realtimeInput": {"text": "a"}},
        {"toolResponse": {}},
        {"contextUpdate": {}},
    ],
)
def test_nothing_else_may_come_first(message: Json) -> None:
    assert closing_of(Client().send(message)) == (
        1007,
        "setup must be the first message and only the first",
    )


def test_after_a_close_nothing_more_comes() -> None:
    client = Client()
    assert closing_of(client.send({"bogus": 1})) is not None
    assert client.set_up() == []
    assert client.session.deadline is None
    assert client.wait(1_000.0) == []


def test_what_was_due_comes_before_the_close() -> None:
    client = connected()
    client.typed("hello")
    client.now += 1_000.0
    came = client.send({"bogus": 1})
    assert kinds(came)[-2:] == ["turnComplete", "close"]


@pytest.mark.parametrize(("key", "keys", "code"), [(None, None, 1008), ("wrong", ["right"], 1007)])
def test_bad_credentials_end_the_session_at_its_first_frame(
    key: str | None, keys: list[str] | None, code: int
) -> None:
    client = Client(key=key, scenario=Scenario(keys=keys))
    assert client.wait(60.0) == []
    closing = closing_of(client.set_up())
    assert closing is not None
    assert closing[0] == code


AFFECTIVE: Json = {"generationConfig": {"enableAffectiveDialog": True}}


def test_affective_dialogue_is_the_end_of_a_3_8_session_at_the_first_send() -> None:
    client = connected(model=CURRENT, **AFFECTIVE)
    assert closing_of(client.typed("x")) == (1007, "Request contains an invalid argument.")


def test_affective_dialogue_leaves_a_3_1_setup_without_any_answer() -> None:
    client = Client()
    assert client.set_up(model="models/gemini-3.1-flash-live-preview", **AFFECTIVE) == []
    assert client.typed("x") == []
    assert client.wait(1_000.0) == []


def test_affective_dialogue_is_taken_by_2_5() -> None:
    client = connected(**AFFECTIVE)
    assert client.typed("x") == []


FRAMES: list[Json] = [
    {"clientContent": {"turns": [{"parts": [{"text": "hello"}]}], "turnComplete": True}},
    {"clientContent": {"turns": [{"parts": [{"text": "call f"}]}], "turnComplete": True}},
    {"clientContent": {"turns": [{"parts": [{"text": "note"}]}]}},
    {"realtimeInput": {"text": "typed"}},
    {"realtimeInput": {"audioStreamEnd": True}},
    {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "/9j/"}}},
    {"toolResponse": {"functionResponses": [{"id": "function-call-s1-1", "response": {}}]}},
    {"contextUpdate": {"tools": {"tools": []}}},
]
WAITS = [0.0, 0.05, 0.3, 10.0]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(FRAMES), st.sampled_from(WAITS)), max_size=12))
def test_whatever_is_sent_every_turn_that_begins_ends_once(
    script: list[tuple[Json, float]],
) -> None:
    client = connected(tools=[{"functionDeclarations": [{"name": "f"}]}])
    came: list[Json] = []
    for frame, pause in script:
        came += client.send(frame) + client.wait(pause)
    came += client.send(FRAMES[0]) + client.settle()
    order = kinds(came)
    assert "close" not in order
    ends = order.count("turnComplete")
    assert ends == order.count("generationComplete") + order.count("interrupted") - late(order)
    assert order[-1] == "turnComplete"
    assert client.session.deadline is None


def late(order: list[str]) -> int:
    """Return how many turns were interrupted after they had been generated."""
    return sum(pair == ("generationComplete", "interrupted") for pair in pairwise(order))


@settings(max_examples=50)
@given(st.binary(max_size=60), st.booleans())
def test_no_frame_raises(frame: bytes, after_setup: bool) -> None:
    client = connected() if after_setup else Client()
    client.send_frame(frame)


def test_the_model_and_the_version_are_told_where_the_model_is_not_found() -> None:
    client = Client(path=GEMINI.replace("v1beta", "v7"))
    closing = closing_of(client.send({"setup": {"model": "models/gemini-pro"}}))
    assert closing is not None
    assert closing[1].startswith("models/gemini-pro is not found for API version v7,")


def test_both_spellings_all_the_way_down() -> None:
    client = Client()
    setup = {
        "model": HALF_CASCADE,
        "generation_config": {"response_modalities": ["TEXT"]},
        "realtime_input_config": {"automatic_activity_detection": {"disabled": True}},
    }
    assert kinds(client.send({"setup": setup})) == ["setupComplete"]
    frame = json.dumps({"realtime_input": {"activity_start": {}}}).encode()
    assert closing_of(client.send_frame(frame)) is None


@pytest.mark.parametrize(
    "text",
    ['call a {"x": "\\ud800"}', 'call a {"x": ' + "[" * 5000],
    ids=["half a surrogate pair", "deep"],
)
def test_arguments_that_are_no_json_are_told_in_words(text: str) -> None:
    client = connected(generationConfig=TEXT)
    client.typed(text)
    assert "are not JSON" in text_of(client.settle())


def test_what_is_nested_deeper_than_can_be_read_is_an_invalid_argument() -> None:
    levels = 10_000  # Python 3.13 reads more of them than 3.11
    deep = '{"type": "OBJECT", "properties": {"a": ' * levels + "{}" + "}}" * levels
    declaration = f'{{"functionDeclarations": [{{"name": "a", "parameters": {deep}}}]}}'
    frame = f'{{"setup": {{"model": "{HALF_CASCADE}", "tools": [{declaration}]}}}}'
    client = Client()
    closing = closing_of(client.send_frame(frame.encode()))
    assert closing is not None
    assert closing[0] == 1007
    assert client.wait(1) == []


# How long it lives (wire 4.3).


def living(**rules: int) -> Client:
    timing = Timing(reply_delay_ms=100, stream_speed=10.0)
    return Client(scenario=Scenario(timing=timing, lifetime=Lifetime(**rules)))


def test_a_connection_is_told_to_go_and_ends_when_it_does_not() -> None:
    client = connected(living(connection_ms=600_000, go_away_ms=60_000))
    assert client.wait(539.0) == []
    assert client.wait(1.0) == [{"goAway": {"timeLeft": "60s"}}]
    assert client.wait(59.0) == []
    closing = closing_of(client.wait(1.0))
    assert closing is not None
    assert closing[0] == 1008
    assert "GoAway" in closing[1]
    assert client.session.deadline is None
    assert client.typed("too late") == []


def test_a_connection_lives_from_when_it_was_opened() -> None:
    client = living(connection_ms=10_000, go_away_ms=0)
    assert client.wait(0.0) == []
    client.wait(9.0)
    assert client.set_up() == [{"setupComplete": {"sessionId": "s1"}}]
    closing = closing_of(client.wait(1.0))
    assert closing == (1011, "Deadline expired before operation could complete.")


def test_a_reply_is_cut_off_where_the_connection_ends() -> None:
    client = connected(living(connection_ms=150, go_away_ms=0))
    client.typed("a sentence that takes a while to say")
    came = client.wait(1_000.0)
    assert kinds(came) == ["audio", "close"]


def test_input_of_any_kind_keeps_a_connection_from_idling() -> None:
    client = connected(living(idle_ms=180_000))
    client.wait(170.0)
    client.send({"realtimeInput": {"audioStreamEnd": True}})
    client.wait(170.0)
    assert client.session.deadline is not None
    assert closing_of(client.wait(10.0)) == (1008, "The operation was aborted.")


def test_a_setup_that_is_never_answered_is_ended_by_the_connection() -> None:
    client = living(connection_ms=10_000, go_away_ms=5_000)
    client.set_up(model="models/gemini-3.1-flash-live-preview", **AFFECTIVE)
    assert kinds(client.wait(1_000.0)) == ["close"]


def test_a_go_away_may_come_at_any_time() -> None:
    client = connected()
    assert client.session.go_away(None, client.now) != []
    assert client.session.deadline is None
    client.session.go_away(5.0, client.now)
    closing = closing_of(client.wait(5.0))
    assert closing is not None
    assert closing[0] == 1008
    assert client.session.go_away(5.0, client.now) == []


def test_after_the_socket_has_ended_nothing_more_comes() -> None:
    client = connected(living(connection_ms=10_000))
    client.typed("hello")
    client.session.gone(client.now)
    client.session.gone(client.now)
    assert client.session.deadline is None
    assert client.wait(1_000.0) == []
