"""A reply that is followed to its end."""

import json

import pytest

from livectl.watch import follow
from livectl.watch.follow import Reply
from livehandle import Connection, LiveHandleError
from support.scripted_daemon import HANG_UP, event, result, scripted_daemon

IDLE = {"phase": "active", "current_turn": None}
SPEAKING = {"phase": "model_speaking", "current_turn": 4}
USER = {"phase": "user_speaking", "current_turn": 4}
TOOLS = [
    {"name": "set_light", "connection": None, "timeout_ms": None},
    {"name": "get_time", "connection": "c2", "timeout_ms": 30_000},
    {"name": "in_grace", "connection": None, "timeout_ms": 30_000},
]


def followed(
    *events: bytes,
    session: dict[str, object] | None = None,
    in_json: bool = False,
    speech: bool = False,
) -> None:
    """Follow a reply to its end; nothing may be left over but an event `left`."""
    script = {
        "session": result(session or IDLE),
        "tools.list": result({"tools": TOOLS}),
        "events": result({"subscription": "e1", "cursor": "k3f9:0"}, *events, event("left")),
    }
    with (
        scripted_daemon(script) as daemon,
        Connection.open(str(daemon.path), answer_timeout=10) as connection,
    ):
        Reply(connection, in_json=in_json, speech=speech).finish()
        rest = connection.next_event(10)
        assert rest is not None
        assert rest.topic == "left"


def said(text: str) -> bytes:
    return event("live.output_transcript", text=text, is_final=False)


def ended(turn: int) -> bytes:
    return event("live.turn_complete", turn=turn)


CUT = event("live.interrupted")
LOST = event("live.turn_complete", turn=0, reason="reconnected")


@pytest.mark.parametrize(
    ("events", "session", "shown"),
    [
        ([said("Hello "), said("there."), ended(0)], IDLE, "Hello there.\n"),
        ([event("live.text_delta", text="é\n\ta"), ended(0)], IDLE, "é\n\ta\n"),
        ([ended(0)], IDLE, ""),
        ([said("Hel"), CUT, ended(0)], IDLE, "Hel [interrupted]\n"),
        ([said("a\x1b[31m\x07\x9bb"), ended(0)], IDLE, "a\ufffd[31m\ufffd\ufffdb\n"),
        ([said("old"), CUT, ended(4), said("new"), ended(5)], SPEAKING, "new\n"),
        ([said("old"), ended(4), said("new"), ended(5)], SPEAKING, "new\n"),
        ([said("mine"), ended(4)], USER, "mine\n"),
        # The connection was lost while the user was still speaking.
        ([event("live.vad_start"), LOST, said("mine"), ended(1)], IDLE, "mine\n"),
        # Another's turn was taken and not begun: ours has cut it off.
        ([CUT, ended(0), said("mine"), ended(1)], IDLE, "mine\n"),
        ([CUT, ended(4), said("mine"), ended(5)], SPEAKING, "mine\n"),
    ],
)
def test_a_typed_turn_is_followed_to_the_end_of_its_reply(
    events: list[bytes],
    session: dict[str, object],
    shown: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    followed(*events, session=session)
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ([said("One."), ended(0)], "One.\n"),
        ([said("One"), CUT, ended(0), said("Two."), ended(1)], "One [interrupted]\nTwo.\n"),
        ([event("live.vad_start"), said("One."), ended(0)], "One.\n"),
    ],
)
def test_speech_that_cuts_a_reply_off_is_followed_to_its_own(
    events: list[bytes], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    followed(*events, speech=True)
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("again", ["live.vad_start", "live.input_transcript"])
def test_speech_after_a_reply_awaits_another(again: str) -> None:
    script = {
        "events": result({}, said("One."), ended(0), event(again), said("Two."), ended(1)),
    }
    with (
        scripted_daemon(script) as daemon,
        Connection.open(str(daemon.path), answer_timeout=10) as connection,
    ):
        reply = Reply(connection, in_json=False, speech=True)
        assert all(reply.listen(10) for _ in range(3))  # while the speech is still being sent
        reply.finish()
        assert connection.next_event(0) is None


def test_with_json_each_event_is_the_object_that_came(capsys: pytest.CaptureFixture[str]) -> None:
    followed(said("Hi"), ended(0), in_json=True)
    lines = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [row["topic"] for row in lines] == ["live.output_transcript", "live.turn_complete"]


def test_a_call_is_told_beside_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    calls = [{"id": "c1", "name": "set_light", "args": {}}]
    followed(event("session.tool_call", function_calls=calls), said("Done."), ended(0))
    told = capsys.readouterr()
    assert told.out == "Done.\n"
    assert '"id": "c1", "name": "set_light"' in told.err


def called(*names: str) -> bytes:
    calls = [{"id": f"c-{name}", "name": name, "args": {}} for name in names]
    return event("session.tool_call", function_calls=calls)


def executed(name: str) -> bytes:
    return event("live.tool_execution", call_id=f"c-{name}", name=name, args={}, result={})


GONE = event("live.tool_cancelled", ids=["c-get_time"])


@pytest.mark.parametrize(
    "events",
    [
        # The model waits.
        [called("get_time"), executed("get_time"), said("Noon."), ended(0)],
        # It does not: its turn ends first, and the next tells.
        [called("get_time"), ended(0), executed("get_time"), said("Noon."), ended(1)],
        [called("in_grace"), ended(0), executed("in_grace"), said("Noon."), ended(1)],
        [called("get_time"), executed("get_time"), ended(0), said("Noon."), ended(1)],
        [
            called("get_time"),
            ended(0),
            executed("get_time"),
            CUT,
            ended(1),
            said("Noon."),
            ended(2),
        ],
        [
            *(called("get_time", "in_grace"), ended(0), executed("get_time"), said("No")),
            *(ended(1), executed("in_grace"), said("on."), ended(2)),
        ],
        [called("get_time"), GONE, said("Noon."), ended(0)],
        [called("get_time"), executed("set_light"), GONE, said("Noon."), ended(0)],
    ],
)
def test_a_call_that_a_client_carries_out_is_followed_to_what_the_model_says_of_it(
    events: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    followed(*events)
    told = capsys.readouterr()
    assert told.out.replace("\n", "").replace(" [interrupted]", "") == "Noon."
    assert told.err == ""


def test_only_the_calls_that_nobody_carries_out_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turn = [executed("get_time"), said("Done."), ended(0)]
    followed(called("set_light", "get_time"), *turn)
    told = capsys.readouterr()
    assert told.out == "Done.\n"
    assert "set_light" in told.err
    assert "get_time" not in told.err
    followed(called("set_light"), *turn, in_json=True)
    assert capsys.readouterr().err == ""


def test_a_model_that_says_nothing_of_an_answer_has_said_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(follow, "ANSWER_S", 0.01)
    turn = [called("get_time"), said("Wait."), ended(0), executed("get_time")]
    script = {
        "session": result(IDLE),
        "tools.list": result({"tools": TOOLS}),
        "events": result({}, *turn),
    }
    with (
        scripted_daemon(script) as daemon,
        Connection.open(str(daemon.path), answer_timeout=10) as connection,
    ):
        Reply(connection, in_json=False).finish()
    assert capsys.readouterr().out == "Wait.\n"


@pytest.mark.parametrize(
    ("data", "why"),
    [({"reason": "disconnected"}, "disconnected"), ({"reason": "closed", "message": "No."}, "No.")],
)
def test_a_session_that_ends_has_no_reply(data: dict[str, object], why: str) -> None:
    with pytest.raises(LiveHandleError, match=why) as refused:
        followed(event("live.disconnected", 1, **data))
    assert refused.value.name == "session.ended"


@pytest.mark.parametrize(
    ("error", "code", "raised"),
    [
        ({"name": "upstream.quota", "close_code": 1011}, 1011, "upstream.quota"),
        ({"name": "auth.rejected", "close_code": 1008}, 1008, "auth.rejected"),
        ({"name": "upstream.bad_message"}, 1000, "session.ended"),
        ({"name": "upstream.bad_message"}, None, "session.ended"),
        ({"name": "upstream.quota", "close_code": 1011}, 1000, "session.ended"),
    ],
)
def test_the_error_that_closed_the_session_is_the_one_that_is_raised(
    error: dict[str, object],
    code: int | None,
    raised: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = event("live.error", 1, code=1301, message="Wait.", data=error)
    over = event("live.disconnected", 2, reason="closed", code=code, message="Quota.")
    with pytest.raises(LiveHandleError) as refused:
        followed(said("Hel"), told, over)
    assert refused.value.name == raised
    assert capsys.readouterr().out == "Hel\n"  # whoever prints next begins a line


def test_room_is_made_before_anything_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    script = {"session": result(IDLE), "events": result({}, said("Hi"), ended(0))}
    cleared: list[str] = []
    with (
        scripted_daemon(script) as daemon,
        Connection.open(str(daemon.path), answer_timeout=10) as connection,
    ):
        reply = Reply(
            connection, in_json=False, clear=lambda: cleared.append(capsys.readouterr().out)
        )
        reply.finish()
    assert cleared == [""]
    assert capsys.readouterr().out == "Hi\n"


def test_a_model_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_SILENCE_S", 0.01)
    script = {"session": result(IDLE), "events": result({})}
    with (
        scripted_daemon(script) as daemon,
        Connection.open(str(daemon.path), answer_timeout=10) as connection,
        pytest.raises(LiveHandleError) as refused,
    ):
        Reply(connection, in_json=False).finish()
    assert refused.value.name == "session.timeout"


@pytest.mark.parametrize(
    ("name", "spoke", "told"),
    [
        ("upstream.rejected", False, "upstream.rejected"),
        ("upstream.rejected", True, "upstream.rejected"),
        ("daemon.snapshot", True, "upstream.unreachable"),
    ],
)
def test_a_reply_that_is_lost_with_its_connection_is_told_and_why_where_it_is_known(
    name: str, spoke: bool, told: str
) -> None:
    error = event("live.error", code=1300, message="Why.", data={"name": name})
    with pytest.raises(LiveHandleError) as caught:
        followed(*([said("Hel")] if spoke else []), error, LOST)
    assert caught.value.name == told


def test_what_fails_within_a_row_is_told_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LiveHandleError, match="closed the connection"):
        followed(said("Hel"), HANG_UP)
    assert capsys.readouterr().out == "Hel\n"
