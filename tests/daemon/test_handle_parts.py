"""LiveHandle's extractors, state, telemetry and events, and what fails within it (A, H, M, Q)."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from livehandle_proto.extractors import ExtractorRun, ExtractorSpec
from livehandled import handle as handle_module
from livehandled.handle import LiveHandle
from livehandled.telemetry import Telemetry
from support.rigs import HandleRig, handle, refused
from support.service import TURN_COMPLETE, Call, Json, converse, running, saying, text

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("no_key_in_the_log", "short_patience"),
]

ORDER: Json = {"kind": "regex", "patterns": {"item": r"a (\w+)"}}
NAME: Json = {"kind": "regex", "patterns": {"name": r"I am (\w+)"}}
ORDERS = '{"Order": {"kind": "regex", "patterns": {"item": "a (\\\\w+)"}}}'


def names(live: LiveHandle) -> list[str]:
    return [one.spec.name for one in live.extractors().registered()]


async def answering(call: Call) -> None:
    """Answer every typed turn."""
    await call.set_up()
    while True:
        if "clientContent" in await call.hear():
            await call.say(text("Coming up."))
            await call.say(TURN_COMPLETE)


# Extractors.


async def test_q1_a23_an_extractor_of_the_configuration_fills_the_state() -> None:
    async with handle(answering, extraction__extractors=ORDERS) as rig:
        assert names(rig.handle) == ["Order"]
        assert rig.handle.extracted("Order") is None
        await rig.handle.send_text("I take a latte")
        await rig.told.until("live.extraction", 2)
        told = rig.told.data("live.extraction")
        assert [(one["name"], one["value"]) for one in told] == [
            ("Order", {"item": "latte"}),
            ("Order.item", "latte"),
        ]
        assert rig.handle.extracted("Order") == {"item": "latte"}
        assert rig.handle.state().get("item") == "latte"


async def test_a23_what_is_derived_is_found_where_nothing_was_extracted() -> None:
    async with handle() as rig:
        rig.handle.state().set_derived("Order", 5)
        assert rig.handle.extracted("Order") == 5


async def test_extractors_of_connect_hold_for_its_session() -> None:
    async with handle(extraction__extractors=ORDERS) as rig:
        await rig.handle.connect({"extraction": {"extractors": {"Name": NAME}}})
        assert names(rig.handle) == ["Name"]
        await rig.handle.disconnect()
        await rig.handle.connect()
        assert names(rig.handle) == ["Order"]


BAD: list[tuple[Json, str]] = [
    ({"Order": 5}, "Order"),
    ({"Order": {"kind": "regexp"}}, "Order.kind"),
    ({"Order": {"kind": "regex"}}, "Order.patterns"),
    ({"Order": ORDER | {"windw": 3}}, "Order.windw"),
    ({"Order": {"kind": "regex", "patterns": {"item": "("}}}, "Order.patterns.item"),
    ({"Name": NAME, "Order": {"kind": "regex", "patterns": {"item": "("}}}, "Order.patterns.item"),
    ({"Order": {"kind": "client"}}, "Order.kind"),
    ({"no name": NAME}, "no name"),
]


@pytest.mark.parametrize(("extractors", "param"), BAD)
async def test_a_table_of_extractors_that_cannot_be_changes_nothing(
    extractors: Json, param: str
) -> None:
    async with handle(extraction__extractors=ORDERS) as rig:
        with refused("config.invalid") as caught:
            rig.handle.connect({"extraction": {"extractors": extractors}})
        assert caught.value.data["param"] == f"extraction.extractors.{param}"
        assert names(rig.handle) == ["Order"]
        assert rig.handle.phase() == "disconnected"
        assert rig.service.requests == []
        await rig.handle.send_text("hi")  # still the first use


async def test_a_name_that_a_client_has_taken_changes_nothing() -> None:
    async def look(_run: ExtractorRun) -> object:
        return None

    async with handle(extraction__extractors=ORDERS) as rig:
        rig.handle.extractors().register(ExtractorSpec(name="Mine", kind="client"), look, "me")
        with refused("extraction.name_taken"):
            rig.handle.connect({"extraction": {"extractors": {"Name": NAME, "Mine": ORDER}}})
        assert sorted(names(rig.handle)) == ["Mine", "Order"]
        assert rig.service.requests == []
        await rig.handle.connect()


async def test_a_bad_table_of_the_configuration_refuses_the_start() -> None:
    async with running() as service:
        rig = HandleRig(service, extraction__extractors='{"Order": {"kind": "client"}}')
        with refused("config.invalid"):
            await rig.handle.__aenter__()


async def test_q_a_program_extracts_by_a_function_of_its_own() -> None:
    async def look(run: ExtractorRun) -> object:
        return {"turns": len(run.window)}

    async with handle(answering) as rig:
        rig.handle.extractors().register(ExtractorSpec(name="Count", kind="client"), look, "me")
        await rig.handle.send_text("hi")
        await rig.told.until("live.extraction", 2)
        assert rig.handle.extracted("Count") == {"turns": 1}


async def test_q6_an_extractor_that_raises_is_told_and_the_conversation_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def look(_run: ExtractorRun) -> object:
        raise ZeroDivisionError

    async with handle(answering) as rig:
        rig.handle.extractors().register(ExtractorSpec(name="Bad", kind="client"), look, "me")
        await rig.handle.send_text("hi")
        await rig.told.until("live.extraction_error")
        await rig.handle.send_text("go on")
        await rig.told.until("live.turn_complete", 2)
    assert any(record.levelno == logging.ERROR for record in caplog.records)


async def test_a11_an_extractor_that_is_stuck_holds_no_end_up() -> None:
    async def look(_run: ExtractorRun) -> object:
        begun.set()
        await anyio.sleep_forever()
        return None

    begun = anyio.Event()
    with anyio.fail_after(5):
        async with handle(answering) as rig:
            rig.handle.extractors().register(ExtractorSpec(name="Slow", kind="client"), look, "me")
            await rig.handle.send_text("hi")
            await begun.wait()
            with anyio.fail_after(2):
                await rig.handle.disconnect()
    assert rig.told.data("live.extraction_error") == []


# State.


async def test_m6_every_write_of_the_state_is_an_event() -> None:
    async with handle() as rig:
        for value in (1, 1, None):
            rig.handle.state().set("app:k", value)
        rig.handle.state().remove("app:k")
        told = rig.told.data("state.changed")
        assert [(one["value"], one["removed"]) for one in told] == [
            (1, False),
            (1, False),
            (None, False),
            (None, True),
        ]
        assert [one["sequence"] for one in told] == [1, 2, 3, 4]


async def test_l_m_a_new_session_keeps_what_is_the_apps_and_the_users() -> None:
    async with handle() as rig:
        await rig.handle.connect()
        for key in ("app:k", "user:k", "temp:k", "k"):
            rig.handle.state().set(key, 1)
        await rig.handle.disconnect()
        assert rig.handle.state().get("temp:k") == 1
        await rig.handle.connect()
        kept = [key for key in rig.handle.state().as_dict() if not key.startswith("session:")]
        assert kept == ["app:k", "user:k"]
        assert rig.handle.state().get("session:phase") == "active"  # Z10


# Telemetry.


async def test_h16_z4_metrics_are_told_at_their_interval_with_or_without_a_session() -> None:
    async with handle(metrics__interval_ms="5") as rig:
        await rig.told.until("live.telemetry", 2)
        await rig.handle.connect()
        before = rig.told.topics.count("live.telemetry")
        await rig.told.until("live.telemetry", before + 2)
        [*_, last] = rig.told.data("live.telemetry")
        telemetry = last["telemetry"]
        assert isinstance(telemetry, dict)
        assert telemetry.keys() == rig.handle.telemetry().keys()


async def test_without_an_interval_metrics_are_told_to_those_who_ask() -> None:
    async with handle(saying(TURN_COMPLETE)) as rig:
        await rig.handle.connect()
        await rig.told.until("live.turn_complete")
        assert "live.telemetry" not in rig.told.topics
        assert rig.handle.telemetry()["turn_count"] == 1


async def test_h16_what_a_turn_cost_is_told_before_its_end() -> None:
    usage: Json = {"usageMetadata": {"promptTokenCount": 20, "responseTokenCount": 40}}
    async with handle(saying(text("Hi") | usage, TURN_COMPLETE)) as rig:
        await rig.handle.connect()
        await rig.told.until("live.turn_complete")
        [cost] = rig.told.data("live.turn_metrics")
        assert (cost["prompt_tokens"], cost["response_tokens"]) == (20, 40)


# Waiting.


async def test_a20_the_resumption_handle_is_the_newest_and_told_to_nobody_else() -> None:
    update: Json = {"sessionResumptionUpdate": {"newHandle": "rh-42", "resumable": True}}
    async with handle(saying(update)) as rig:
        assert rig.handle.session().resume_handle() is None
        await rig.handle.connect()
        await rig.told.until("session.resume_update")
        assert rig.handle.session().resume_handle() == "rh-42"
        assert rig.handle.session().describe().resumable
        shown = str((rig.handle.session().describe(), rig.handle.state().as_dict()))
        assert "rh-42" not in shown
        assert b"rh-42" not in b"".join(rig.told.lines())


async def test_a22_a_phase_is_waited_for_even_where_it_lasts_a_moment() -> None:
    async with handle(saying(text("Hi"), TURN_COMPLETE), session__connect="manual") as rig:
        session = rig.handle.session()
        speaking = session.wait_for_phase("model_speaking")
        assert await session.wait_for_phase("disconnected") == "disconnected"
        rig.handle.connect().close()  # type: ignore[attr-defined]  # a coroutine: nobody waits
        assert await speaking == "model_speaking"
        await session.wait_for_phase("active")


async def test_done_waits_as_long_as_it_is_told() -> None:
    async with handle() as rig:
        await rig.handle.connect()
        for milliseconds in (0, 1):
            with refused("session.timeout"):
                await rig.handle.done(milliseconds)
        await rig.handle.disconnect()
        assert (await rig.handle.done(0)).reason == "disconnected"


# Faults.


async def test_a_fault_in_what_waits_for_a_time_takes_the_handles_owner_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_given: object, **_named: object) -> dict[str, object]:
        raise ZeroDivisionError("a fault of this program")

    monkeypatch.setattr(Telemetry, "snapshot", broken)
    async with running() as service:
        rig = HandleRig(service, metrics__interval_ms="1")
        with pytest.raises(ExceptionGroup) as caught, anyio.fail_after(5):
            await held_open(rig.handle)
        assert caught.group_contains(ZeroDivisionError)
        assert rig.handle.phase() == "disconnected"


async def held_open(live: LiveHandle) -> None:
    async with live:
        await live.connect()
        await anyio.sleep_forever()


@asynccontextmanager
async def left() -> AsyncIterator[LiveHandle]:
    async with running(converse) as service:
        rig = HandleRig(service)
        async with rig.handle:
            await rig.handle.connect()
        yield rig.handle
        assert len(service.requests) == 1


async def test_outside_its_with_a_handle_opens_nothing_and_still_tells() -> None:
    async with left() as live:
        for opening in (live.connect, lambda: live.send_text("hi"), live.user_speech_started):
            with refused("session.not_connected"):
                opening()
        await live.disconnect()
        assert (await live.done()).reason == "stopped"
        assert live.phase() == "disconnected"
        assert live.telemetry()["turn_count"] == 0
    async with running() as service:
        rig = HandleRig(service)  # never entered
        with refused("session.not_connected"):
            rig.handle.send_text("hi")
        assert rig.handle.phase() == "disconnected"


async def test_a11_a_part_that_does_not_close_holds_the_end_up_for_a_moment_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert handle_module._LEAVE_S == 2.0
    monkeypatch.setattr(handle_module, "_LEAVE_S", 0.3)
    async with running() as service:
        rig = HandleRig(service)
        with anyio.fail_after(5):
            async with rig.handle:
                await rig.handle.connect()
                monkeypatch.setattr(rig.handle._models, "aclose", anyio.sleep_forever)


async def test_leaving_while_the_session_opens_ends_it() -> None:
    async with running(Call.hear_all) as service:
        rig = HandleRig(service)
        with anyio.fail_after(5):
            async with rig.handle:
                rig.handle.send_text("hi")
                await rig.heard(1)
        assert (await rig.handle.done()).reason == "stopped"


# Events.


async def test_i2_i4_events_are_those_from_now_on_in_order() -> None:
    async with handle(answering) as rig:
        await rig.handle.connect()
        with rig.handle.events() as events, rig.handle.subscribe("session.text_delta") as raw:
            await rig.handle.send_text("hi")
            topics = []
            async for event in events:
                topics.append(event.topic)
                if event.topic == "live.turn_complete":
                    break
            assert (await anext(raw)).topic == "session.text_delta"
        live = [topic for topic in topics if topic.startswith("live.")]
        assert live == [
            "live.text_delta",
            "live.text_complete",
            "live.turn_metrics",
            "live.turn_complete",
        ]
        with refused("events.unknown_topic"):
            rig.handle.events("live.nothing")


async def test_the_callers_own_error_leaves_the_handle_as_it_is() -> None:
    async def spoil() -> None:
        async with handle() as rig:
            await rig.handle.send_text("hi")
            raise KeyError("mine")

    with pytest.raises(KeyError):
        await spoil()


async def test_z1_done_waits_for_the_session_there_was_when_it_was_called() -> None:
    async with handle() as rig:
        await rig.handle.connect()
        waiting = rig.handle.done()
        await rig.handle.disconnect()
        await rig.handle.connect()
        assert (await waiting).reason == "disconnected"


async def test_what_is_no_phase_is_refused_with_the_one_that_is_meant() -> None:
    async with handle() as rig:
        with refused("wire.invalid_params") as caught:
            rig.handle.session().wait_for_phase("actve")  # type: ignore[arg-type]  # what is tested
        assert caught.value.data["did_you_mean"] == "active"


async def test_what_would_close_the_session_is_refused_here() -> None:
    async with handle() as rig:
        with refused("wire.invalid_params"):
            rig.handle.queue_context(text="x", role="system")
        with refused("wire.invalid_params"):
            rig.handle.queue_context([{"role": "user", "parts": [{"text": ""}]}])
        with refused("wire.invalid_params"):
            rig.handle.send_text("a\ud800")


async def test_a_reader_in_another_task_ends_with_the_handle() -> None:
    told: list[str] = []

    async def read(live: LiveHandle) -> None:
        with live.events("session.disconnected") as events:
            told.extend([event.topic async for event in events])

    async with anyio.create_task_group() as tasks, handle() as rig:
        await rig.handle.connect()
        tasks.start_soon(read, rig.handle)
        await anyio.wait_all_tasks_blocked()
    assert told == ["session.disconnected"]


async def test_r6_a_prompt_that_finds_no_room_leaves_its_context_unsent_too() -> None:
    async with handle(limits__outbox_frames="1") as rig:
        with refused("session.queue_full"):
            rig.handle.queue_context(text="x", prompt=True)
        assert rig.handle.writer_state().pending_context == 0
        await rig.handle.send_text("hi")  # there was room for one
