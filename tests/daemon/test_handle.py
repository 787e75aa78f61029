"""LiveHandle against a real server: every send, every way to begin and to end (A, B)."""

import base64
from collections.abc import Callable
from http import HTTPStatus

import anyio
import pytest

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandled.handle import LiveHandle
from livehandled.session.conversation import Conversation
from support.rigs import (
    HandleRig,
    handle,
    refused,
    sent_text,
)
from support.service import (
    KEY,
    PATH,
    SETUP_COMPLETE,
    TURN_COMPLETE,
    Call,
    closing,
    converse,
    one_by_one,
    running,
    saying,
    text,
)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("no_key_in_the_log", "short_patience"),
]

AUDIO = "AQIDBA=="
REFUSED = "API key not valid."
"""After this no other connection is opened."""
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0 not much of a picture").decode()


# Connecting.


async def test_connect_opens_a_session_and_shows_it() -> None:
    async with handle(session__connect="manual", session__model="some-model") as rig:
        assert rig.handle.phase() == "disconnected"
        opening = rig.handle.connect({})
        assert rig.handle.phase() == "connecting"
        session = await opening
        assert session == rig.handle.session().describe()
        assert (session.session_id, session.phase) == ("s-1", "active")
        assert (session.backend, session.model) == ("gemini", "some-model")
        assert session.connection is not None
        assert session.connection.url == rig.service.url.replace("http", "ws", 1) + PATH
        assert rig.service.requests[0].headers["x-goog-api-key"] == KEY
        [setup] = await rig.heard(1)
        assert setup["setup"]["model"] == "models/some-model"  # type: ignore[index]  # the setup


async def test_what_connect_changes_holds_for_its_session() -> None:
    async with handle(session__connect="manual") as rig:
        await rig.handle.connect({"session": {"model": "another"}})
        assert rig.handle.session().describe().model == "another"
        shown = rig.handle.config()["session"]["model"]
        assert shown == {"value": "another", "source": "connect"}
        await rig.handle.disconnect()
        assert rig.handle.session().describe().model == "another"  # the last session's
        await rig.handle.connect({})
        assert rig.handle.session().describe().model == "gemini-3.8-live"


async def test_a_second_connect_is_refused_while_a_session_is_open_or_about_to_be() -> None:
    async with handle(session__connect="manual") as rig:
        opening = rig.handle.connect({})
        for _ in range(2):
            with refused("session.already_connected"):
                rig.handle.connect({})
            await opening if rig.handle.phase() == "connecting" else None
        assert len(rig.service.requests) == 1


async def test_a_connect_while_the_next_attempt_is_waited_for_makes_it_at_once() -> None:
    quota = closing(1011, "You exceeded your current quota")
    async with handle(one_by_one(quota, converse)) as rig:
        await rig.handle.connect({})
        await rig.told.until("session.reconnecting")
        with refused("session.already_connected"):
            rig.handle.connect({"session": {"voice": "Puck"}})
        await rig.handle.connect()
        await rig.told.until("session.resumed")


async def test_a_connect_before_the_last_session_has_ended_is_told_to_wait() -> None:
    async with handle() as rig:
        await rig.handle.connect({})
        ending = rig.handle.disconnect()
        with pytest.raises(LiveHandleError, match="still ending") as caught:
            rig.handle.connect({})
        assert caught.value.name == "session.already_connected"
        await ending
        await rig.handle.connect({})


@pytest.mark.parametrize(
    "config",
    [
        {"session": {"modell": "x"}},
        {"session": {"model": 5}},
        {"limits": {"outbox_frames": 5}},
        {"x": 1},
    ],
)
async def test_a_configuration_that_cannot_be_is_refused_before_anything_happens(
    config: dict[str, object],
) -> None:
    async with handle() as rig:
        with refused("config.invalid"):
            rig.handle.connect(config)
        assert rig.handle.phase() == "disconnected"
        assert rig.service.requests == []
        await rig.handle.send_text("hi")  # and costs nothing
        assert rig.handle.session().describe().model == "gemini-3.8-live"


async def test_without_a_key_connect_and_every_send_say_what_to_do() -> None:
    async with handle(environ={}) as rig:
        for attempt in (
            lambda: rig.handle.connect({}),
            lambda: rig.handle.send_text("hi"),
            lambda: rig.handle.send_audio(AUDIO),
        ):
            with refused("auth.missing_key"):
                attempt()
        assert rig.handle.phase() == "disconnected"
        assert rig.service.requests == []


async def test_without_a_key_a_session_at_the_start_refuses_the_start() -> None:
    async with running() as service:
        rig = HandleRig(service, environ={}, session__connect="start")
        with refused("auth.missing_key"):
            await rig.handle.__aenter__()
        async with anyio.create_task_group():  # nothing is left open
            pass


@pytest.mark.parametrize(
    ("status", "words", "name"),
    [
        (HTTPStatus.UNAUTHORIZED, f"The key {KEY} is wrong", "auth.rejected"),
        (HTTPStatus.NOT_FOUND, "no such path", "upstream.rejected"),
        (HTTPStatus.TOO_MANY_REQUESTS, "slow down", "upstream.quota"),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "oops", "upstream.unreachable"),
    ],
)
async def test_a6_a_refused_upgrade_fails_connect_in_the_services_words_and_is_not_retried(
    status: HTTPStatus, words: str, name: str
) -> None:
    async with handle(refuse=status, words=words) as rig:
        with refused(name) as caught:
            await rig.handle.connect({})
        assert words.replace(KEY, "***") in caught.value.message
        ended = await rig.handle.done()
        assert ended == v.Ended(reason="failed", message=caught.value.message)
        assert len(rig.service.requests) == 1
        assert rig.error_names() == [name]


@pytest.mark.parametrize(
    ("code", "reason", "name"),
    [
        (1007, "Unknown name \"x\" at 'setup'", "upstream.rejected"),
        (1008, "models/x is not found for API version v1beta", "upstream.model_not_found"),
        (1011, "Internal error encountered.", "session.setup_failed"),
    ],
)
async def test_a6_a_refused_setup_fails_connect_in_the_services_words_and_is_not_retried(
    code: int, reason: str, name: str
) -> None:
    async with handle(closing(code, reason, set_up=False)) as rig:
        with refused(name) as caught:
            await rig.handle.connect({})
        assert caught.value.data["close_code"] == code
        assert caught.value.data["close_reason"] == reason
        session = rig.handle.session().describe()
        assert session.last_close == v.Close(code=code, reason=reason)
        assert session.connection is not None
        assert session.connection.state == "failed"
        assert len(rig.service.requests) == 1


async def test_a6_a_silent_service_fails_connect_in_time() -> None:
    async with handle(Call.hear_all, session__setup_timeout_ms="100") as rig:
        with refused("session.timeout"):
            await rig.handle.connect({})
        assert len(rig.service.requests) == 1


# When a session is opened.


async def test_the_first_send_opens_the_session_and_sends_keep_their_order() -> None:
    gate = anyio.Event()

    async def script(call: Call) -> None:
        await call.hear()
        await gate.wait()
        await call.say(SETUP_COMPLETE)
        await call.hear_all()

    async with handle(script) as rig:
        assert rig.handle.phase() == "disconnected"
        first = rig.handle.send_text("one")
        assert rig.handle.phase() == "connecting"
        assert rig.handle.session().describe().current_turn == 0
        second = rig.handle.send_text("two")
        assert not first.done
        assert not second.done
        await rig.heard(1)
        gate.set()
        await second
        await first
        assert rig.handle.send_text("three").done
        heard = await rig.heard(4)
        assert heard[1:] == [sent_text("one"), sent_text("two"), sent_text("three")]
        assert len(rig.service.requests) == 1


async def test_a_greeting_is_the_first_turn_and_counts_as_one() -> None:
    async with handle(session__greeting="Say hello.") as rig:
        await rig.handle.send_text("one")
        heard = await rig.heard(3)
        assert heard[1:] == [sent_text("Say hello."), sent_text("one")]
        assert rig.handle.telemetry()["text_turns_in"] == 2


async def test_a_greeting_opens_a_turn() -> None:
    async with handle(session__greeting="Say hello.") as rig:
        await rig.handle.connect({})
        assert rig.handle.session().describe().current_turn == 0


async def test_a_session_at_the_start_is_opened_at_the_start() -> None:
    async with handle(session__connect="start") as rig:
        assert rig.handle.phase() == "connecting"
        await rig.told.until("session.connected")
        await rig.handle.disconnect()
        with refused("session.not_connected"):
            rig.handle.send_text("hi")


async def test_by_hand_only_connect_opens_a_session() -> None:
    async with handle(session__connect="manual") as rig:
        with refused("session.not_connected"):
            rig.handle.send_text("hi")
        assert rig.service.requests == []
        await rig.handle.connect({})
        await rig.handle.send_text("hi")
        assert (await rig.heard(2))[1] == sent_text("hi")


async def rejected(call: Call) -> None:
    """Answer one turn, end the connection, and take the key no more."""
    await call.set_up()
    await call.hear()
    await call.say(text("One"))
    await call.say(TURN_COMPLETE)
    await call.websocket.close(1012)


@pytest.mark.parametrize(
    ("between", "config", "turns"),
    [
        (False, None, 1),
        (True, None, 0),
        (False, {"session": {"voice": "Puck"}}, 0),
    ],
    ids=["goes on", "disconnected", "another configuration"],
)
async def test_a_session_that_ended_for_its_key_goes_on_with_the_next_connect(
    between: bool, config: dict[str, object] | None, turns: int
) -> None:
    no_more = closing(1007, REFUSED, set_up=False)
    async with handle(one_by_one(rejected, no_more, no_more, converse)) as rig:
        await rig.handle.send_text("hi")
        assert (await rig.handle.done()).reason == "closed"
        with refused("session.not_connected"):
            rig.handle.send_text("lost")
        with refused("auth.rejected"):
            await rig.handle.connect()
        if between:
            await rig.handle.disconnect()
        shown = await rig.handle.connect(config)
        assert (shown.turns, shown.reconnects) == (turns, turns)
        assert len(rig.handle.transcript().turns) == turns


SENDS: dict[str, Callable[[LiveHandle], object]] = {
    "send_text": lambda h: h.send_text("hi"),
    "send_audio": lambda h: h.send_audio(AUDIO),
    "send_video": lambda h: h.send_video(JPEG),
    "send_tool_response": lambda h: h.send_tool_response(
        [ToolAnswer(id="c1", name="f", response={})]
    ),
}


@pytest.mark.parametrize("send", SENDS)
@pytest.mark.parametrize("end", ["failed", "closed", "disconnected", "disconnecting"])
async def test_after_the_end_sends_are_refused_until_connect(send: str, end: str) -> None:
    ends = {"failed": closing(1007, "no", set_up=False), "closed": closing(1008, REFUSED)}
    async with handle(ends.get(end, converse)) as rig:
        opened = rig.handle.send_text("first")
        if end == "failed":
            with refused("upstream.rejected"):
                await opened
        else:
            await opened
        if end in ends:
            await rig.handle.done()
        ending = rig.handle.disconnect() if end not in ends else None
        if ending is not None and end == "disconnected":
            await ending
        for _ in range(2):
            with refused("session.not_connected"):
                SENDS[send](rig.handle)
        if ending is not None and end == "disconnecting":
            await ending
        assert len(rig.service.requests) == 1


async def test_after_the_end_connect_opens_another_session() -> None:
    async with handle() as rig:
        await rig.handle.send_text("one")
        await rig.handle.disconnect()
        assert rig.handle.session().describe().turns == 1  # the open one ended with the session
        await rig.handle.connect({})
        assert rig.handle.session().describe().turns == 0
        await rig.handle.send_text("two")
        second = rig.service.calls[1]
        await second.until(lambda c: len(c.heard) == 2)
        assert second.heard[1] == sent_text("two")
        assert len(rig.service.requests) == 2
        assert rig.told.phases() == [
            *("connecting", "setup_sent", "active", "disconnecting", "disconnected"),
            *("connecting", "setup_sent", "active"),
        ]


async def test_a_send_without_a_key_may_be_tried_again_once_there_is_one() -> None:
    environ: dict[str, str] = {}
    async with handle(environ=environ) as rig:
        with refused("auth.missing_key"):
            rig.handle.send_text("hi")
        environ["GEMINI_API_KEY"] = KEY
        await rig.handle.send_text("hi")


async def test_what_could_not_be_sent_does_not_reach_the_next_session() -> None:
    scripts = iter([closing(1011, "no", set_up=False), converse])

    async def script(call: Call) -> None:
        await next(scripts)(call)

    async with handle(script) as rig:
        with refused("session.setup_failed"):
            await rig.handle.send_text("lost")
        await rig.handle.connect({})
        await rig.handle.send_text("new")
        second = rig.service.calls[1]
        await second.until(lambda c: len(c.heard) == 2)
        assert second.heard[1] == sent_text("new")


# Ending.


async def test_a12_disconnect_is_idempotent_and_everyone_is_answered() -> None:
    async with handle() as rig:
        await rig.handle.disconnect()  # nothing to end
        await rig.handle.connect({})
        async with anyio.create_task_group() as clones:
            for _ in range(3):
                clones.start_soon(lambda: _awaiting(rig.handle.disconnect()))
        await rig.handle.disconnect()
        assert await rig.handle.done() == v.Ended(reason="disconnected")
        assert rig.told.topics.count("session.disconnected") == 1


async def _awaiting(wait: object) -> None:
    await wait  # type: ignore[misc]  # a task group starts coroutine functions alone


async def test_disconnect_sends_what_was_sent_before_it() -> None:
    async with handle() as rig:
        await rig.handle.connect({})
        for number in range(100):
            rig.handle.send_text(f"{number}")
        await rig.handle.disconnect()
        call = rig.service.calls[0]
        await call.until(lambda c: c.closed)
        assert call.heard[1:] == [sent_text(f"{number}") for number in range(100)]
        assert call.websocket.close_code == 1000


async def test_a13_disconnect_goes_through_disconnecting_to_one_last_event() -> None:
    async with handle() as rig:
        await rig.handle.connect({})
        await rig.handle.disconnect()
        assert rig.told.phases()[-2:] == ["disconnecting", "disconnected"]
        assert rig.told.topics[-2:] == ["session.disconnected", "live.disconnected"]
        session = rig.handle.session().describe()
        assert session.phase == "disconnected"
        assert (session.connection, session.connected_ms, session.current_turn) == (None,) * 3
        assert session.session_id == "s-1"
        assert session.last_close is None


async def test_a_disconnect_right_after_a_connect_ends_it_before_it_began() -> None:
    async with handle() as rig:
        opening = rig.handle.connect({})
        ending = rig.handle.disconnect()
        assert rig.handle.phase() == "disconnecting"
        await ending
        with refused("session.ended"):
            await opening


async def test_a11_disconnect_is_over_in_time_where_the_service_is_stuck() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        call.websocket.transport.pause_reading()
        await call.websocket.wait_closed()

    async with handle(script) as rig:
        await rig.handle.connect({})
        for _ in range(16):
            rig.handle.send_text("x" * 2**20)
        with anyio.fail_after(2):
            await rig.handle.disconnect()


async def test_z1_everyone_who_waits_for_the_end_is_told_and_who_comes_late_too() -> None:
    gate = anyio.Event()

    async def script(call: Call) -> None:
        await call.set_up()
        await gate.wait()
        await call.websocket.close(1008, REFUSED)

    async with handle(script) as rig:
        with refused("session.not_connected"):
            await rig.handle.done()
        await rig.handle.connect({})
        ends: list[v.Ended] = []

        async def wait() -> None:
            ends.append(await rig.handle.done())

        async with anyio.create_task_group() as waiters:
            for _ in range(5):
                waiters.start_soon(wait)
            await anyio.lowlevel.checkpoint()
            gate.set()
        await wait()
        told = v.Ended(reason="closed", code=1008, message=REFUSED)
        assert ends == [told] * 6


async def test_done_during_the_opening_waits_for_its_failure() -> None:
    async with handle(closing(1008, "quota exceeded", set_up=False)) as rig:
        sent = rig.handle.send_text("hi")
        ended = await rig.handle.done()
        assert (ended.reason, ended.code) == ("failed", 1008)
        with refused("upstream.quota"):
            await sent


async def test_leaving_the_handle_stops_its_session() -> None:
    async with running() as service:
        rig = HandleRig(service)
        async with rig.handle:
            await rig.handle.connect({})
            await rig.handle.send_text("last words")
        assert await rig.handle.done() == v.Ended(reason="stopped")
        call = service.calls[0]
        await call.until(lambda c: c.closed)
        assert call.heard[1] == sent_text("last words")


@pytest.mark.parametrize("moment", ["connecting", "active"])
async def test_cancelling_the_handles_owner_ends_everything(moment: str) -> None:
    async with running(converse if moment == "active" else Call.hear_all) as service:
        rig = HandleRig(service)
        with anyio.CancelScope() as scope:
            async with rig.handle:
                if moment == "active":
                    await rig.handle.connect({})
                else:
                    rig.handle.send_text("hi")
                    await rig.heard(1)
                scope.cancel()
                await anyio.sleep_forever()
        assert rig.handle.phase() == "disconnected"
        assert (await rig.handle.done()).reason == "stopped"
        call = service.calls[0]
        await call.until(lambda c: c.closed)


async def test_a_fault_in_the_session_takes_the_handles_owner_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_given: object, **_named: object) -> None:
        raise ZeroDivisionError("a fault of this program")

    monkeypatch.setattr(Conversation, "receive", broken)
    async with running(saying(TURN_COMPLETE)) as service:
        rig = HandleRig(service)
        with pytest.raises(ExceptionGroup) as caught, anyio.fail_after(5):
            await held_open(rig.handle)
        assert caught.group_contains(ZeroDivisionError)
        assert (await rig.handle.done()).reason == "stopped"
        assert rig.handle.phase() == "disconnected"


async def held_open(handle: LiveHandle) -> None:
    async with handle:
        handle.send_text("hi")
        await anyio.sleep_forever()


async def test_a9_all_who_hold_the_handle_share_one_session() -> None:
    async with handle() as rig:
        async with anyio.create_task_group() as clones:
            for number in range(10):
                clones.start_soon(_sending, rig.handle, f"{number}")
        heard = await rig.heard(11)
        assert sorted(map(str, heard[1:])) == sorted(str(sent_text(f"{n}")) for n in range(10))
        assert len(rig.service.requests) == 1


async def _sending(handle: LiveHandle, words: str) -> None:
    await handle.send_text(words)


async def test_the_conversation_is_told_in_order_on_both_streams() -> None:
    async def script(call: Call) -> None:
        await call.set_up()
        await call.hear()
        for body in (text("Hel"), text("lo"), TURN_COMPLETE):
            await call.say(body)
        await call.hear_all()

    async with handle(script) as rig:
        await rig.handle.send_text("hi")
        await rig.told.until("live.turn_complete")
        live = [topic for topic in rig.told.topics if topic.startswith("live.")]
        assert live == [
            "live.connected",
            "live.text_delta",
            "live.text_delta",
            "live.text_complete",
            "live.turn_metrics",
            "live.turn_complete",
        ]
        assert rig.told.data("live.text_complete") == [{"text": "Hello"}]
        telemetry = rig.handle.telemetry()
        assert (telemetry["turn_count"], telemetry["text_turns_in"]) == (1, 1)


async def test_it_is_alive_until_one_of_its_tasks_fails() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    async def live() -> None:
        async with handle() as rig:
            assert rig.handle.alive
            rig.handle._sessions.start(fails)
            try:
                await anyio.sleep_forever()
            finally:
                seen.append(rig.handle.alive)

    seen: list[bool] = []
    with pytest.raises(BaseExceptionGroup) as failed:
        await live()
    assert failed.group_contains(ZeroDivisionError)
    assert seen == [False]
