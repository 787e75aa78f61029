"""One session against a real server: how it begins, goes on over connections, and ends."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.topics import TOPICS
from livehandled.gemini import frames
from livehandled.gemini.codec import Decoded
from livehandled.gemini.content import text_content
from livehandled.gemini.models import traits_of
from livehandled.session import session as session_module
from livehandled.session import supervisor
from livehandled.session.connection import Socket, open_connection, set_up
from livehandled.session.conversation import Conversation
from livehandled.session.outbox import Message
from livehandled.session.plan import Plan
from support.rigs import (
    SessionRig,
    sent_text,
    session,
)
from support.service import (
    KEY,
    PATH,
    SETUP_COMPLETE,
    TURN_COMPLETE,
    Call,
    Json,
    Script,
    closing,
    converse,
    one_by_one,
    running,
    saying,
    text,
    tool_call,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("no_key_in_the_log", "short_patience"),
]


AUDIO = Message(frames.audio("AQIDBA=="), "media")


def typed(text: str) -> Message:
    turn = [text_content(text, "user")]
    return Message(frames.text_turn(text, traits_of("m", "gemini")), "text", turn)


# Beginning.


async def test_a_session_is_set_up_and_says_so_in_order() -> None:
    async with session() as (service, rig):
        assert rig.session.conversation.phase == "connecting"
        assert rig.describe().session_id is None
        await rig.session.settled()
        assert rig.told.topics[:5] == [
            *["session.phase_changed"] * 3,
            "session.connected",
            "live.connected",
        ]
        assert rig.told.phases() == ["connecting", "setup_sent", "active"]
        assert rig.told.data("session.connected") == [{"session_id": "s-1"}]
        call = await service.call()
        assert call.heard == [{"setup": {"model": "models/m"}}]


async def test_a_session_without_an_id_gets_one() -> None:
    async def script(call: Call) -> None:
        await call.hear()
        await call.say({"setupComplete": {}})
        await call.hear_all()

    async with session(script) as (_, rig):
        await rig.session.settled()
        session_id = rig.describe().session_id
        assert session_id
        assert rig.told.data("session.connected") == [{"session_id": session_id}]


async def test_z5_what_stands_beside_setup_complete_is_told_too() -> None:
    async def script(call: Call) -> None:
        await call.hear()
        update = {"sessionResumptionUpdate": {"newHandle": "rh-42", "resumable": True}}
        await call.say(SETUP_COMPLETE | update)
        await call.hear_all()

    async with session(script, "session.raw", "session.resume_update") as (_, rig):
        await rig.session.settled()
        await rig.told.until("session.resume_update")
        assert rig.told.topics == ["session.raw", "session.resume_update"]
        assert b"rh-42" not in b"".join(rig.told.lines())


async def test_frames_put_before_the_setup_follow_it_in_order() -> None:
    async with session() as (service, rig):
        rig.session.put(typed("one"))
        rig.session.put(AUDIO)
        rig.session.put(typed("two"))
        call = await service.call()
        await call.until(lambda c: len(c.heard) == 4)
        assert [*call.heard[0]] == ["setup"]
        assert call.heard[1:] == [
            json.loads(frame)
            for frame in (
                typed("one").frame,
                AUDIO.frame,
                typed("two").frame,
            )
        ]


async def test_z7_audio_that_waited_too_long_for_the_setup_is_dropped_and_the_text_sent() -> None:
    now = [100.0]
    gate = anyio.Event()

    async def script(call: Call) -> None:
        await call.hear()
        await gate.wait()
        await call.say(SETUP_COMPLETE)
        await call.hear_all()

    async with session(script, clock=lambda: now[0]) as (service, rig):
        rig.session.put(AUDIO)
        rig.session.put(typed("one"))
        now[0] += 5.0
        gate.set()
        call = await service.call()
        await call.until(lambda c: len(c.heard) == 2)
        assert call.heard[1] == sent_text("one")
        assert rig.outbox.dropped == 1


# Reading.


@pytest.mark.parametrize("binary", [False, True])
async def test_messages_come_in_text_and_in_binary_frames(binary: bool) -> None:
    script = saying(text("Hel"), text("lo"), TURN_COMPLETE, binary=binary)
    async with session(script) as (_, rig):
        await rig.told.until("session.turn_complete")
        assert rig.told.data("session.text_delta") == [{"text": "Hel"}, {"text": "lo"}]
        assert rig.told.data("session.text_complete") == [{"text": "Hello"}]
        assert rig.told.data("session.turn_complete") == [{"turn": 0}]
        assert rig.telemetry.turn_count == 1


async def test_frames_of_junk_are_told_and_passed_over() -> None:
    junk: list[bytes | str] = [b"", "junk", b"[]", b"\xff", b'{"serverContent":', b"[" * 5000]
    async with session(saying(*junk, text("Hi"), TURN_COMPLETE)) as (_, rig):
        await rig.told.until("session.turn_complete")
        assert rig.errors() == ["upstream.bad_message"] * len(junk)
        assert rig.told.data("session.text_complete") == [{"text": "Hi"}]
        assert rig.telemetry.errors == len(junk)


async def test_a_field_of_the_wrong_type_costs_that_field_alone() -> None:
    body: Json = {"serverContent": {"turnComplete": "perhaps", "interrupted": True}}
    async with session(saying(body)) as (_, rig):
        await rig.told.until("session.interrupted")
        assert rig.errors() == ["upstream.bad_message"]
        assert "session.turn_complete" not in rig.told.topics


async def test_a_message_nested_deeper_than_it_can_be_told_ends_nothing() -> None:
    bodies = [
        b'{"toolCall":{"functionCalls":[{"id":"c","name":"f","args":{"a":%b}}]}}'
        % (b"[" * depth + b"]" * depth)
        for depth in range(900, 1000)
    ]
    async with session(saying(*bodies, TURN_COMPLETE), *TOPICS) as (_, rig):
        await rig.told.until("session.turn_complete")
        assert all(len(line) < 65_536 for line in rig.told.lines())


async def test_an_error_object_is_told_and_the_session_goes_on() -> None:
    body: Json = {"error": {"code": 500, "message": f"The key {KEY} is slow"}}
    async with session(saying(body, TURN_COMPLETE)) as (_, rig):
        await rig.told.until("session.turn_complete")
        assert rig.errors() == ["upstream.rejected"]
        [error] = rig.told.data("live.error")
        assert 'saying "The key *** is slow"' in str(error["message"])


async def test_frames_above_a_mebibyte_are_read_and_told_in_lines_that_fit() -> None:
    audio = "ABCD" * 500_000
    part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": audio}}
    body: Json = {"serverContent": {"modelTurn": {"parts": [part]}}}
    async with session(saying(body, TURN_COMPLETE)) as (_, rig):
        await rig.told.until("session.turn_complete")
        for topic in ("session.audio_data", "live.audio"):
            pieces = rig.told.data(topic)
            assert "".join(str(piece["data"]) for piece in pieces) == audio
        lines = [
            line
            for line, name in zip(rig.told.lines(), rig.told.topics, strict=True)
            if name != "session.raw"
        ]
        assert max(map(len, lines)) < 65_536


async def test_raw_messages_are_told_on_one_line_before_what_they_mean() -> None:
    script = saying(text("Hi"), {"somethingNew": {"a": [1, 2]}}, TURN_COMPLETE)
    async with session(script) as (_, rig):
        await rig.told.until("session.turn_complete")
        assert rig.told.data("session.raw") == [
            {"message": body}
            for body in (SETUP_COMPLETE, text("Hi"), {"somethingNew": {"a": [1, 2]}}, TURN_COMPLETE)
        ]
        assert all(line.count(b"\n") == 1 for line in rig.told.lines())
        after_setup = rig.told.topics[rig.told.topics.index("session.raw") + 1 :]
        assert after_setup.index("session.raw") < after_setup.index("session.text_delta")


async def test_no_raw_message_is_made_where_nobody_asked() -> None:
    async with session(saying(TURN_COMPLETE), "session.turn_complete") as (_, rig):
        await rig.told.until("session.turn_complete")
        assert rig.told.topics == ["session.turn_complete"]


async def test_a_reply_is_read_while_a_long_send_is_under_way() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        call.websocket.transport.pause_reading()
        await call.say(TURN_COMPLETE)
        await call.websocket.wait_closed()

    async with session(script) as (_, rig):
        await rig.session.settled()
        for _ in range(16):
            rig.session.put(typed("x" * 2**20))
        await rig.told.until("session.turn_complete")
        assert len(rig.outbox) > 0


# Ending.


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (1007, 'Unknown name "x": Cannot find field.', "upstream.rejected"),
        (1008, "API key not valid", "auth.rejected"),
        (1008, f"Quota exceeded for {KEY}", "upstream.quota"),
        (1007, "Thinking is not supported", "upstream.rejected"),
    ],
)
async def test_k8_a_close_that_nothing_would_change_ends_the_session_in_its_own_words(
    code: int, reason: str, error: str
) -> None:
    said = reason.replace(KEY, "***")
    async with session(closing(code, reason)) as (service, rig):
        ended = await rig.session.done()
        assert (ended.reason, ended.code) == ("closed", code)
        assert said in str(ended.message)
        assert rig.errors() == [error]
        assert rig.describe().last_close == v.Close(code=code, reason=said)
        assert rig.told.topics[-2:] == ["session.disconnected", "live.disconnected"]
        assert rig.told.data("session.disconnected") == [msgspec.to_builtins(ended)]
        assert "session.reconnecting" not in rig.told.topics
        assert len(service.calls) == 1
        connection = rig.describe().connection
        assert connection is not None
        assert connection.state == "failed"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1000, ""),
        (1000, "bye"),
        (1001, "going away"),
        (1007, "Request contains an invalid argument."),
        (1008, "The operation was aborted."),
        (1008, "Operation is not implemented, or supported, or enabled."),
        (1011, f"Deadline expired for {KEY}"),
        (1011, "Internal error encountered."),
        (1012, ""),
    ],
)
async def test_k8_any_other_close_is_followed_by_another_connection(code: int, reason: str) -> None:
    said = reason.replace(KEY, "***")
    async with session(one_by_one(closing(code, reason), converse)) as (service, rig):
        await rig.told.until("session.resumed")
        assert rig.describe().last_close == v.Close(code=code, reason=said)
        assert rig.errors() == []
        [told] = rig.told.data("session.reconnecting")
        assert told["attempt"] == 1
        assert told["cause"] == f"closed with code {code}" + (f": {said}" if said else "")
        assert len(service.calls) == 2
        assert rig.told.phases() == [
            *("connecting", "setup_sent", "active", "disconnected"),
            *("connecting", "setup_sent", "active"),
        ]


async def test_a_broken_connection_counts_as_1006() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        call.websocket.transport.abort()

    async with session(one_by_one(script, converse)) as (_, rig):
        await rig.told.until("session.resumed")
        assert rig.describe().last_close == v.Close(code=1006, reason="")
        assert rig.errors() == []


async def test_i11_a_message_before_the_close_is_told_before_the_end_and_both_before_done() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        await call.say(text("Hi"))
        await call.say(TURN_COMPLETE)
        await call.websocket.close(1008, "API key not valid")

    async with session(script) as (_, rig):
        await rig.session.done()
        told = [t for t in rig.told.topics if t in {"session.turn_complete", "session.error"}]
        assert told == ["session.turn_complete", "session.error"]
        assert rig.told.topics[-2:] == ["session.disconnected", "live.disconnected"]


async def test_k4_a_refused_setup_fails_the_session_with_the_services_words_as_last_close() -> None:
    reason = "Unknown name \"x\" at 'setup': Cannot find field."
    async with session(closing(1007, reason, set_up=False)) as (_, rig):
        with pytest.raises(LiveHandleError) as caught:
            await rig.session.settled()
        assert caught.value.name == "upstream.rejected"
        ended = await rig.session.done()
        assert (ended.reason, ended.code) == ("failed", 1007)
        assert ended.message == caught.value.message
        described = rig.describe()
        assert described.last_close == v.Close(code=1007, reason=reason)
        assert described.session_id is None
        assert rig.told.phases() == ["connecting", "setup_sent", "disconnected"]
        assert rig.errors() == ["upstream.rejected"]


async def test_a_failure_without_a_close_has_no_last_close() -> None:
    async with session(Call.hear_all) as (_, rig):
        with pytest.raises(LiveHandleError):
            await rig.session.settled()
        assert rig.describe().last_close is None


async def test_every_waiter_is_told_the_same_failure_each_with_its_own_exception() -> None:
    async with session(closing(1008, "quota", set_up=False)) as (_, rig):
        caught: list[LiveHandleError] = []

        async def wait() -> None:
            with pytest.raises(LiveHandleError) as failure:
                await rig.session.settled()
            caught.append(failure.value)

        async with anyio.create_task_group() as waiters:
            for _ in range(3):
                waiters.start_soon(wait)
        await wait()
        assert {error.name for error in caught} == {"upstream.quota"}
        assert len({id(error) for error in caught}) == 4


async def test_a18_a19_z1_every_waiter_of_done_is_told_and_late_ones_at_once() -> None:
    async with session() as (_, rig):
        ends: list[v.Ended] = []

        async def wait() -> None:
            ends.append(await rig.session.done())

        async with anyio.create_task_group() as waiters:
            for _ in range(3):
                waiters.start_soon(wait)
            await rig.session.settled()
            rig.session.stop("disconnected")
        with anyio.fail_after(0):  # a late one is told although it cannot wait
            await wait()
        assert ends == [v.Ended(reason="disconnected")] * 4


async def test_what_was_put_before_the_stop_is_sent_and_then_the_connection_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_module, "_STOP_GRACE_S", 3600.0)  # it does not take that long
    async with session() as (service, rig):
        await rig.session.settled()
        for number in range(50):
            rig.session.put(typed(f"{number}"))
        rig.session.stop("disconnected")
        assert not rig.session.open
        await rig.session.done()
        call = await service.call()
        await call.until(lambda c: c.closed)
        assert len(call.heard) == 51
        assert call.websocket.close_code == 1000
        assert rig.told.phases()[-2:] == ["disconnecting", "disconnected"]
        assert rig.errors() == []


async def test_a_session_with_nothing_to_say_stops_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_module, "_STOP_GRACE_S", 3600.0)
    async with session() as (service, rig):
        rig.session.put(typed("one"))
        call = await service.call()
        await call.until(lambda c: len(c.heard) == 2)
        rig.session.stop("disconnected")
        await rig.session.done()


async def test_a_stop_is_over_in_time_where_the_service_reads_nothing() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        call.websocket.transport.pause_reading()
        await call.websocket.wait_closed()

    async with session(script) as (_, rig):
        await rig.session.settled()
        for _ in range(16):
            rig.session.put(typed("x" * 2**20))
        rig.session.stop("disconnected")
        rig.session.stop("stopped")  # a second time changes nothing
        with anyio.fail_after(3):
            assert await rig.session.done() == v.Ended(reason="disconnected")
        assert len(rig.outbox) == 0  # nothing is kept for nobody


async def test_a_stop_is_over_in_time_where_the_service_keeps_talking() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        while True:
            await call.say(text("and another thing "))
            await anyio.lowlevel.checkpoint()

    async with session(script, "session.text_delta", "session.phase_changed") as (_, rig):
        await rig.told.until("session.text_delta", 10)
        rig.session.stop("disconnected")
        before = rig.told.topics.count("session.text_delta")
        with anyio.fail_after(3):
            await rig.session.done()
        assert rig.told.topics.count("session.text_delta") == before
        assert rig.told.phases()[-1] == "disconnected"


@pytest.mark.parametrize("moment", ["before it began", "while it connects", "during its setup"])
async def test_a_stop_before_the_setup_ends_the_session_at_once(moment: str) -> None:
    async with session(Call.hear_all) as (service, rig):
        if moment == "while it connects":
            await anyio.lowlevel.checkpoint()
        elif moment == "during its setup":
            call = await service.call()
            await call.until(lambda c: bool(c.heard))
        rig.session.stop("disconnected")
        assert rig.session.conversation.phase == "disconnecting"
        assert await rig.session.done() == v.Ended(reason="disconnected")
        assert rig.told.phases()[-2:] == ["disconnecting", "disconnected"]
        with pytest.raises(LiveHandleError) as caught:
            await rig.session.settled()
        assert caught.value.name == "session.ended"


@pytest.mark.parametrize("step", ["open_connection", "set_up"])
async def test_a_stop_in_the_very_moment_of_a_step_is_no_fault(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rigs: list[SessionRig] = []

    async def set_up_then_stop(
        websocket: Socket, plan: Plan, setup: Mapping[str, object]
    ) -> tuple[bytes, Decoded]:
        answer = await set_up(websocket, plan, setup)
        rigs[0].session.stop("disconnected")
        return answer

    @asynccontextmanager
    async def open_then_stop(plan: Plan) -> AsyncIterator[object]:
        async with open_connection(plan) as websocket:
            rigs[0].session.stop("disconnected")
            yield websocket

    monkeypatch.setattr(supervisor, step, set_up_then_stop if step == "set_up" else open_then_stop)
    async with session() as (_, rig):
        rigs.append(rig)
        assert await rig.session.done() == v.Ended(reason="disconnected")
        assert rig.told.phases()[-2:] == ["disconnecting", "disconnected"]
        assert "session.connected" not in rig.told.topics


async def test_a_session_that_was_set_up_and_has_ended_was_settled() -> None:
    async with session() as (_, rig):
        await rig.session.settled()
        rig.session.stop("disconnected")
        await rig.session.done()
        await rig.session.settled()


async def test_a_cancelled_task_group_ends_the_session_and_answers_its_waiters() -> None:
    ends: list[v.Ended] = []
    async with running() as service, anyio.create_task_group() as waiters:
        rig = SessionRig(service.url)

        async def wait() -> None:
            ends.append(await rig.session.done())

        waiters.start_soon(wait)
        async with anyio.create_task_group() as tasks:
            rig.start(tasks)
            await rig.session.settled()
            tasks.cancel_scope.cancel()
        call = await service.call()
        await call.until(lambda c: c.closed)
    assert ends == [v.Ended(reason="stopped")]
    assert rig.session.conversation.phase == "disconnected"


async def test_a_session_cancelled_before_its_first_step_ends_too() -> None:
    async with running() as service:
        rig = SessionRig(service.url)
        async with anyio.create_task_group() as tasks:
            rig.start(tasks)
            tasks.cancel_scope.cancel()
        with anyio.fail_after(1):
            assert (await rig.session.done()).reason == "stopped"
        assert rig.told.phases() == ["connecting", "disconnected"]


async def run_alone(rig: SessionRig) -> None:
    async with anyio.create_task_group() as tasks:
        rig.start(tasks)
        await anyio.sleep_forever()


async def test_a_fault_in_the_reader_takes_the_task_group_down_and_answers_waiters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_given: object, **_named: object) -> None:
        raise ZeroDivisionError("a fault of this program")

    monkeypatch.setattr(Conversation, "receive", broken)
    async with running(saying(TURN_COMPLETE)) as service:
        rig = SessionRig(service.url)
        with pytest.raises(ExceptionGroup) as caught, anyio.fail_after(5):
            await run_alone(rig)
        assert caught.group_contains(ZeroDivisionError)
        assert (await rig.session.done()).reason == "stopped"


# Describing.


async def test_a_session_describes_itself_at_every_stage() -> None:
    now = [100.0]
    script = saying(text("Hi"))
    async with session(script, *TOPICS, clock=lambda: now[0]) as (service, rig):
        public = service.url.replace("http", "ws", 1) + PATH
        opening = v.Session(
            session_id=None,
            phase="connecting",
            backend="gemini",
            model="m",
            connected_ms=None,
            connection=v.Connection(state="connecting", generation=0, url=public),
            resumable=False,
            reconnects=0,
            current_turn=None,
            turns=0,
            last_close=None,
        )
        assert rig.describe() == opening
        await rig.told.until("session.text_delta")
        now[0] += 1.5
        open_turn = msgspec.structs.replace(
            opening,
            session_id="s-1",
            phase="model_speaking",
            connected_ms=1500,
            current_turn=0,
            connection=v.Connection(state="ready", generation=1, url=public),
        )
        assert rig.describe() == open_turn
        rig.session.stop("disconnected")
        assert rig.describe() == msgspec.structs.replace(open_turn, phase="disconnecting")
        await rig.session.done()
        assert rig.describe() == msgspec.structs.replace(
            open_turn,
            phase="disconnected",
            connected_ms=None,
            connection=None,
            current_turn=None,
            turns=1,
        )
        [ended] = rig.told.data("live.turn_complete")
        assert (ended["reason"], ended["interrupted"]) == ("disconnected", True)


async def test_turns_are_counted_from_0() -> None:
    async with session(saying(TURN_COMPLETE, tool_call("c1"))) as (_, rig):
        await rig.told.until("session.tool_call")
        described = rig.describe()
        assert (described.turns, described.current_turn) == (1, 1)
        assert described.phase == "tool_call_executing"


# Going on with another connection.


def handle(name: str = "rh-1") -> Json:
    return {"sessionResumptionUpdate": {"newHandle": name, "resumable": True}}


def answering(*replies: Json, then: int | None = None, reason: str = "") -> Script:
    """Return a script that takes one turn, replies, and then closes or listens."""

    async def script(call: Call) -> None:
        await call.set_up()
        await call.hear()
        for reply in replies:
            await call.say(reply)
        if then is None:
            await call.hear_all()
        else:
            await call.websocket.close(then, reason)

    return script


def setup_of(call: Call) -> Json:
    setup = call.heard[0]["setup"]
    assert isinstance(setup, dict)
    return setup


RESUMABLE: Json = {"sessionResumption": {}}


async def test_k7_the_next_setup_has_the_newest_handle() -> None:
    script = answering(
        text("Hi"),
        handle("rh-1"),
        TURN_COMPLETE,
        handle("rh-2"),
        {"sessionResumptionUpdate": {"resumable": False}},
        then=1011,
    )
    async with session(one_by_one(script, converse), setup=RESUMABLE) as (service, rig):
        rig.say("one")
        await rig.told.until("session.resumed")
        first, second = service.calls
        assert setup_of(first)["sessionResumption"] == {}
        assert setup_of(second)["sessionResumption"] == {"handle": "rh-2"}
        [told] = rig.told.data("session.resumed")
        assert (told["restored"], told["reason"], told["lost"]) == ("handle", None, 0)
        shown = rig.describe()
        assert (shown.reconnects, shown.session_id) == (1, "s-1")
        assert shown.connection is not None
        assert (shown.connection.state, shown.connection.generation) == ("ready", 2)
        assert b"rh-2" not in b"".join(rig.told.lines())


@pytest.mark.parametrize("reason", ["BidiGenerateContent session not found", "Invalid argument"])
async def test_a_handle_that_is_refused_is_not_tried_again_and_the_history_told(
    reason: str,
) -> None:
    script = one_by_one(
        answering(text("Hello."), TURN_COMPLETE, handle(), then=1011),
        closing(1008, reason, set_up=False),
        converse,
    )
    async with session(script, setup=RESUMABLE) as (service, rig):
        rig.say("Hi")
        await rig.told.until("session.resumed")
        assert [setup_of(call)["sessionResumption"] for call in service.calls] == [
            {},
            {"handle": "rh-1"},
            {},
        ]
        third = service.calls[2]
        await third.until(lambda c: len(c.heard) == 2)
        content = third.heard[1]["clientContent"]
        assert isinstance(content, dict)
        assert [turn["parts"][0]["text"] for turn in content["turns"]][:2] == ["Hi", "Hello."]
        [told] = rig.told.data("session.resumed")
        assert told["restored"] == "reseeded"
        assert "refused" in str(told["reason"])


@pytest.mark.parametrize("how", ["1011", "no answer"])
async def test_a_setup_with_a_handle_that_fails_twice_gives_the_handle_up(how: str) -> None:
    refusing = closing(1011, "Internal error encountered.", set_up=False)
    if how == "no answer":
        refusing = Call.hear_all
    script = one_by_one(
        answering(text("Hello."), TURN_COMPLETE, handle(), then=1011), refusing, refusing, converse
    )
    async with session(script, setup=RESUMABLE) as (service, rig):
        rig.say("Hi")
        await rig.told.until("session.resumed")
        handles = ["handle" in str(setup_of(call)["sessionResumption"]) for call in service.calls]
        assert handles == [False, True, True, False]
        assert [told["restored"] for told in rig.told.data("session.resumed")] == ["reseeded"]
        assert [told["attempt"] for told in rig.told.data("session.reconnecting")] == [1, 2, 3]


@pytest.mark.parametrize(("policy", "restored"), [("reseed", "reseeded"), ("fresh", "fresh")])
async def test_by_policy_no_handle_is_used(policy: str, restored: str) -> None:
    script = answering(text("Hello."), TURN_COMPLETE, handle(), then=1011)
    async with session(
        one_by_one(script, converse),
        setup=RESUMABLE,
        policy=policy,  # type: ignore[arg-type]  # one of the three
    ) as (service, rig):
        rig.say("Hi")
        await rig.told.until("session.resumed")
        assert setup_of(service.calls[1])["sessionResumption"] == {}
        [told] = rig.told.data("session.resumed")
        assert told["restored"] == restored


async def test_what_is_wrong_with_the_configuration_ends_the_retries() -> None:
    script = one_by_one(
        closing(1011), closing(1012, set_up=False), closing(1008, "API key", set_up=False)
    )
    async with session(script) as (service, rig):
        ended = await rig.session.done()
        assert (ended.reason, ended.code) == ("closed", 1008)
        assert rig.errors() == ["auth.rejected"]
        assert len(service.calls) == 3
        assert [told["attempt"] for told in rig.told.data("session.reconnecting")] == [1, 2]


async def test_k3_what_was_not_liked_may_happen_once_and_ends_the_session_the_second_time() -> None:
    async with session(closing(1007, "Request contains an invalid argument.")) as (service, rig):
        ended = await rig.session.done()
        assert (ended.reason, ended.code) == ("closed", 1007)
        assert len(service.calls) == 2
        assert rig.told.topics.count("session.reconnecting") == 1


async def test_k3_what_was_not_liked_after_a_turn_went_well_is_something_else() -> None:
    once = answering(text("Hm."), TURN_COMPLETE, then=1007)
    async with session(one_by_one(once, once, converse)) as (service, rig):
        for number in (1, 2):
            rig.say(f"number {number}")
            await rig.told.until("session.resumed", number)
        assert len(service.calls) == 3
        assert rig.session.open


async def test_a_quota_is_waited_for_long() -> None:
    async with session(closing(1011, "You exceeded your current quota")) as (_, rig):
        await rig.told.until("session.reconnecting")
        [told] = rig.told.data("session.reconnecting")
        assert int(str(told["delay_ms"])) >= 15_000


async def test_k3_an_outage_is_outlasted() -> None:
    script = one_by_one(closing(1011), *[closing(1012, set_up=False)] * 7, converse)
    async with session(script) as (service, rig):
        await rig.told.until("session.resumed")
        attempts = [told["attempt"] for told in rig.told.data("session.reconnecting")]
        assert attempts == list(range(1, 9))
        assert len(service.calls) == 9
        assert rig.errors() == []


async def test_a_first_connection_that_fails_is_told_at_once_and_not_tried_again() -> None:
    async with session(closing(1011, "why", set_up=False)) as (service, rig):
        with pytest.raises(LiveHandleError) as caught:
            await rig.session.settled()
        assert caught.value.name == "session.setup_failed"
        assert await rig.session.done() == v.Ended(
            reason="failed", code=1011, message=str(caught.value)
        )
        assert len(service.calls) == 1
        assert "session.reconnecting" not in rig.told.topics


async def test_a_patient_session_tries_its_first_connection_again() -> None:
    script = one_by_one(closing(1011, "why", set_up=False), converse)
    async with session(script, patient=True) as (service, rig):
        rig.say("one")
        await rig.session.settled()
        assert "session.resumed" not in rig.told.topics  # nothing is to be resumed
        assert rig.told.data("session.connected") == [{"session_id": "s-1"}]
        second = await service.call(1)
        await second.until(lambda c: len(c.heard) == 2)
        assert second.heard[1] == sent_text("one")


async def test_a_patient_session_does_not_wait_for_what_will_not_come() -> None:
    async with session(closing(1008, "API key", set_up=False), patient=True) as (service, rig):
        ended = await rig.session.done()
        assert (ended.reason, ended.code) == ("failed", 1008)
        assert len(service.calls) == 1


async def test_a_failed_write_takes_the_same_path_as_a_failed_read() -> None:
    async def reading_nothing(call: Call) -> None:
        await call.set_up()
        call.websocket.transport.pause_reading()
        await call.websocket.wait_closed()

    async with session(one_by_one(reading_nothing, converse)) as (service, rig):
        await rig.session.settled()
        rig.session.put(typed("x" * 2**24))  # more than fits the buffers: the write waits
        rig.session.put(typed("two"))
        while len(rig.outbox) != 1:  # the first is being written
            await anyio.lowlevel.checkpoint()
        service.calls[0].websocket.transport.abort()
        second = await service.call(1)
        await second.until(lambda c: len(c.heard) == 3)
        assert second.heard[1:] == [json.loads(typed("x" * 2**24).frame), sent_text("two")]


@pytest.mark.parametrize("moment", ["waiting", "connecting", "during the setup", "ready"])
async def test_no_connection_is_opened_after_a_stop(moment: str) -> None:
    first = {
        "waiting": closing(1011, "You exceeded your current quota"),
        "connecting": closing(1011),
        "during the setup": closing(1011),
        "ready": converse,
    }[moment]
    following = converse if moment == "connecting" else Call.hear_all
    async with session(one_by_one(first, following)) as (service, rig):
        if moment == "ready":
            await rig.session.settled()
        else:
            await rig.told.until("session.reconnecting")
        if moment == "connecting":
            while rig.session.state != "connecting":
                await anyio.lowlevel.checkpoint()
        if moment == "during the setup":
            call = await service.call(1)
            await call.until(lambda c: bool(c.heard))
        rig.session.stop("disconnected")
        assert await rig.session.done() == v.Ended(reason="disconnected")
        assert rig.told.topics[-2:] == ["session.disconnected", "live.disconnected"]
        assert len(service.requests) <= 2
        assert rig.errors() == []
        assert rig.describe().connection is None


# Rotation.

GO_AWAY: Json = {"goAway": {"timeLeft": "3600s"}}


async def test_k6_after_a_go_away_the_turn_goes_on_to_its_end_and_its_handle_is_used() -> None:
    gate = anyio.Event()
    closed_first = anyio.Event()

    async def script(call: Call) -> None:
        await call.set_up()
        await call.hear()
        await call.say(text("Hel"))
        await call.say(GO_AWAY)
        await gate.wait()
        await call.say(text("lo."))
        await call.say(TURN_COMPLETE)
        await call.say(handle())
        await call.hear_all()
        closed_first.set()

    async def resumed(call: Call) -> None:
        assert closed_first.is_set()  # the old connection is closed before the new one opens
        await converse(call)

    async with session(one_by_one(script, resumed), setup=RESUMABLE) as (service, rig):
        rig.say("Hi")
        await rig.told.until("session.go_away")
        await rig.told.until("session.text_delta")
        connection = rig.describe().connection
        assert connection is not None
        assert connection.state == "draining"
        assert len(service.calls) == 1
        gate.set()
        await rig.told.until("session.resumed")
        assert setup_of(service.calls[1])["sessionResumption"] == {"handle": "rh-1"}
        assert service.calls[0].websocket.close_code == 1000
        assert rig.told.data("session.turn_complete") == [{"turn": 0}]
        [told] = rig.told.data("session.reconnecting")
        assert told == {"attempt": 1, "delay_ms": 0, "cause": "rotation: go_away"}
        assert rig.describe().last_close is None


async def test_an_attempt_is_made_at_once_for_one_who_does_not_want_to_wait() -> None:
    quota = closing(1011, "You exceeded your current quota")
    async with session(one_by_one(quota, converse)) as (service, rig):
        await rig.told.until("session.reconnecting")
        connection = rig.describe().connection
        assert connection is not None
        assert connection.retry_in_ms is not None
        assert connection.retry_in_ms > 10_000
        rig.session.hurry()
        await rig.told.until("session.resumed")
        rig.session.hurry()  # nothing waits
        assert len(service.calls) == 2


@pytest.mark.parametrize("against", ["a reply", "a call"])
async def test_k6_a_go_away_is_obeyed_in_time_whatever_stands_against_it(against: str) -> None:
    body = text("Hel") if against == "a reply" else tool_call("c1")
    go_away: Json = {"goAway": {"timeLeft": "0.1s"}}
    script = one_by_one(saying(body, go_away), converse)
    async with session(script) as (_, rig):
        await rig.told.until("session.resumed")
        if against == "a reply":
            [told] = rig.told.data("session.turn_complete")
            assert told == {"turn": 0, "reason": "reconnected"}
        else:
            assert rig.told.data("session.tool_call_cancelled") == [{"ids": ["c1"]}]


async def test_a_connection_is_given_up_before_its_ceiling() -> None:
    async with session(converse, ceiling_s=0.05) as (service, rig):
        await rig.told.until("session.resumed")
        assert rig.told.data("session.reconnecting")[0]["cause"] == "rotation: ceiling"
        assert rig.errors() == []
        assert len(service.calls) == 2


async def test_b17_an_instruction_that_a_model_takes_at_a_setup_alone_rotates() -> None:
    async with session(model="gemini-3.1-flash-live-preview") as (service, rig):
        await rig.session.settled()
        rig.session.instruct("Be brief.")
        await rig.told.until("session.resumed")
        said = {"parts": [{"text": "Be brief."}]}
        assert setup_of(service.calls[1])["systemInstruction"] == said


async def test_b17_an_instruction_given_in_the_gap_is_in_the_next_setup() -> None:
    gate = anyio.Event()

    async def waiting(call: Call) -> None:
        await gate.wait()
        await call.websocket.close(1012)

    async with session(one_by_one(closing(1011), waiting, converse)) as (service, rig):
        await service.call(1)
        rig.session.instruct("Be brief.")
        gate.set()
        await rig.told.until("session.resumed")
        assert setup_of(service.calls[-1])["systemInstruction"] == {
            "parts": [{"text": "Be brief."}]
        }


# Tools of clients.

NEW, LEGACY = "gemini-3.8-live", "gemini-3.1-flash-live-preview"


def told(call: Call, number: int) -> list[object]:
    """Return the names that a frame tells the model of, the setup being number 0."""
    body = call.heard[number]
    tools = body["setup"] if number == 0 else body["contextUpdate"]
    while isinstance(tools, dict):
        tools = tools.get("tools", [])
    assert isinstance(tools, list)
    return [one["name"] for tool in tools for one in tool["functionDeclarations"]]


async def test_a_model_that_takes_other_tools_while_it_runs_is_told_at_once() -> None:
    async with session(model=NEW) as (service, rig):
        await rig.session.settled()
        assert rig.session.declare([{"name": "f"}], reconnect=True) == "now"
        assert rig.session.declare([{"name": "f"}], reconnect=False) == "now"  # it knows
        call = await service.call()
        await call.until(lambda c: len(c.heard) == 2)
        assert rig.session.declare([], reconnect=False) == "now"
        await call.until(lambda c: len(c.heard) == 3)
        assert [told(call, number) for number in range(3)] == [[], ["f"], []]
        assert rig.session.reconnects == 0


async def test_of_many_tool_lists_the_last_alone_waits_and_it_needs_no_room() -> None:
    async with session(model=NEW) as (service, rig):
        await rig.session.settled()
        for number in range(64):
            rig.say(str(number))  # without a checkpoint none of it is written
        for name in "abc":
            assert rig.session.declare([{"name": name}], reconnect=False) == "now"
        call = await service.call()
        await call.until(lambda c: len(c.heard) == 66)
        assert told(call, 65) == ["c"]


async def test_another_model_is_told_with_its_next_connection() -> None:
    async with session(model=LEGACY) as (service, rig):
        await rig.session.settled()
        assert rig.session.declare([{"name": "f"}], reconnect=False) == "rotation"
        (await service.call()).websocket.transport.abort()
        await rig.told.until("session.resumed")
        assert [told(call, 0) for call in service.calls] == [[], ["f"]]
        assert rig.session.declare([{"name": "f"}], reconnect=True) == "now"


async def test_it_may_be_told_at_once_with_another_connection() -> None:
    async with session(model=LEGACY) as (service, rig):
        await rig.session.settled()
        assert rig.session.declare([{"name": "f"}], reconnect=True) == "reconnect"
        await rig.told.until("session.resumed")
        assert rig.told.data("session.reconnecting")[0]["cause"] == "rotation: asked"
        assert told(service.calls[1], 0) == ["f"]


@pytest.mark.parametrize("model", [NEW, LEGACY])
async def test_tools_of_the_gap_are_in_the_next_setup(model: str) -> None:
    gate = anyio.Event()

    async def waiting(call: Call) -> None:
        await gate.wait()
        await call.websocket.close(1012)

    async with session(one_by_one(closing(1011), waiting, converse), model=model) as (service, rig):
        await service.call(1)
        assert rig.session.declare([{"name": "f"}], reconnect=True) == "connect"
        gate.set()
        await rig.told.until("session.resumed")
        assert told(service.calls[-1], 0) == ["f"]
        assert rig.session.reconnects == 1


@pytest.mark.parametrize("model", [NEW, LEGACY])
async def test_tools_that_come_while_the_setup_is_under_way_are_told_behind_it(model: str) -> None:
    gate = anyio.Event()

    async def slow(call: Call) -> None:
        await call.hear()
        await gate.wait()
        await call.say(SETUP_COMPLETE)
        await call.hear_all()

    async with session(one_by_one(slow, converse), model=model) as (service, rig):
        call = await service.call()
        await call.until(lambda c: bool(c.heard))
        for number in range(64 if model == NEW else 0):
            rig.say(str(number))  # no room is left
        assert rig.session.declare([{"name": "f"}], reconnect=True) == "connect"
        gate.set()
        if model == NEW:
            await call.until(lambda c: len(c.heard) == 66)
            assert [told(call, 0), told(call, 65)] == [[], ["f"]]
        else:
            await (await service.call(1)).until(lambda c: bool(c.heard))
            assert told(service.calls[1], 0) == ["f"]


async def test_tools_that_were_not_written_yet_are_not_said_behind_the_next_setup() -> None:
    async with session(model=NEW) as (service, rig):
        await rig.session.settled()
        (await service.call()).websocket.transport.abort()
        rig.session.declare([{"name": "f"}], reconnect=False)
        rig.say("hello")
        call = await service.call(1)
        await call.until(lambda c: len(c.heard) > 1)
        assert told(call, 0) == ["f"]
        assert "contextUpdate" not in str(call.heard)


async def test_functions_that_the_service_refuses_end_no_conversation() -> None:
    async def picky(call: Call) -> None:
        setup = await call.hear()
        if "bad" in str(setup):
            await call.websocket.close(1007, "Invalid function.")
            return
        await call.say(SETUP_COMPLETE)
        await call.hear_all()

    async with session(picky, model=LEGACY) as (service, rig):
        await rig.session.settled()
        for number, names in enumerate((["good"], ["good", "bad"])):
            rig.session.declare([{"name": name} for name in names], reconnect=False)
            (await service.call(number)).websocket.transport.abort()
            await rig.told.until("session.resumed", number + 1)
        declared = [told(call, 0) for call in service.calls]
        assert declared == [[], ["good"], ["good", "bad"], ["good"]]
        assert rig.session.ended is None
        [error] = rig.told.data("session.error")
        assert "good, bad" in str(error["message"])


async def test_a_call_of_a_client_s_function_holds_audio_back_as_it_was_declared() -> None:
    function = {"name": "f", "behavior": "NON_BLOCKING"}
    model = "gemini-2.5-flash-native-audio-latest"
    for functions, held in (([], 1), ([function], 0)):
        async with session(saying(tool_call("c1")), model=model) as (_, rig):
            rig.session.declare(functions, reconnect=False)
            await rig.told.until("session.tool_call")
            assert rig.told.topics.count("session.audio_held") == held


# The gap.


async def test_k9_what_is_sent_in_the_gap_arrives_once_in_order_and_stale_audio_does_not() -> None:
    now = [100.0]
    gate = anyio.Event()

    async def slow(call: Call) -> None:
        await gate.wait()
        await converse(call)

    script = one_by_one(closing(1011), slow)
    async with session(script, clock=lambda: now[0]) as (service, rig):
        await rig.told.until("session.reconnecting")
        rig.say("one")
        rig.session.put(AUDIO)
        now[0] += 1.5
        rig.say("two")
        rig.session.put(AUDIO)
        gate.set()
        second = await service.call(1)
        await second.until(lambda c: len(c.heard) == 4)
        assert second.heard[1:] == [sent_text("one"), sent_text("two"), json.loads(AUDIO.frame)]
        [told] = rig.told.data("session.resumed")
        assert (told["gap_ms"], told["lost"]) == (1500, 1)


async def test_a_typed_turn_that_was_written_and_not_answered_is_sent_once_more() -> None:
    async with session(one_by_one(answering(then=1011), converse)) as (service, rig):
        rig.say("one")
        second = await service.call(1)
        await second.until(lambda c: len(c.heard) == 2)
        assert second.heard[1] == sent_text("one")
        assert "session.turn_complete" not in rig.told.topics
        assert rig.describe().current_turn == 0
