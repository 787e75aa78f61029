"""The session under the handle: what it shows, and waiting for its phases."""

import gc

import anyio
import msgspec
import pytest
from anyio.lowlevel import checkpoint

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from support.parts import (
    INTERRUPTED,
    SPEECH_BEGAN,
    SPEECH_OVER,
    TURN_COMPLETE,
    Json,
    Parts,
    calls,
    speech,
)

UPDATE: Json = {"sessionResumptionUpdate": {"newHandle": "rh-42", "resumable": True}}


def timed_out() -> "pytest.RaisesExc[LiveHandleError]":
    return pytest.RaisesExc(LiveHandleError, check=lambda e: e.name == "session.timeout")


def test_a20_the_newest_handle_to_resume_with_is_known() -> None:
    parts = Parts()
    assert parts.underlying.resume_handle() is None
    parts.hear(UPDATE)
    assert parts.underlying.resume_handle() == "rh-42"
    parts.hear({"sessionResumptionUpdate": {"resumable": False}})
    assert parts.underlying.resume_handle() == "rh-42"  # J8
    parts.hear({"sessionResumptionUpdate": {"newHandle": "rh-43", "resumable": True}})
    assert parts.underlying.resume_handle() == "rh-43"
    parts.sessions.current = None
    assert parts.underlying.resume_handle() is None


def test_a20_the_handle_is_in_nothing_else_that_is_told() -> None:
    parts = Parts()
    parts.hear(UPDATE)
    shown = msgspec.json.encode(
        [parts.underlying.describe(), parts.state.as_dict(), parts.snapshot()]
    )
    told = b"".join(msgspec.json.encode(event.data) for event in parts.heard)
    assert parts.told("session.resume_update", "session.raw")
    for text in (shown, told, repr(parts.underlying.describe()).encode()):
        assert b"rh-42" not in text
    assert parts.underlying.describe().resumable


def test_a_session_is_shown_as_it_is_and_where_there_is_none_as_it_would_be() -> None:
    parts = Parts()
    parts.hear(speech(1))
    shown = parts.underlying.describe()
    assert shown.session_id == "s-1"
    assert (shown.phase, shown.turns, shown.current_turn) == ("model_speaking", 0, 0)
    assert shown.connection == v.Connection(state="ready", generation=1, url="ws://127.0.0.1:1/")
    parts.sessions.current = None
    shown = parts.underlying.describe()
    assert shown.session_id is None
    assert shown.connection is None
    assert (shown.phase, shown.turns, shown.current_turn) == ("disconnected", 0, None)
    assert (shown.backend, shown.model) == ("gemini", "gemini-3.8-live")


@pytest.mark.anyio
@pytest.mark.parametrize("timeout_ms", [None, 0, 5000])
async def test_a_phase_that_is_there_is_reached_at_once(timeout_ms: int | None) -> None:
    parts = Parts()
    assert await parts.underlying.wait_for_phase("active", timeout_ms) == "active"
    parts.sessions.current = None
    assert await parts.underlying.wait_for_phase("disconnected", timeout_ms) == "disconnected"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("phase", "messages"),
    [
        ("model_speaking", [speech(1)]),
        ("user_speaking", [SPEECH_BEGAN]),
        ("tool_call_executing", [calls("c1")]),
        # These are over within a message, before anybody can look.
        ("tool_call_pending", [calls("c1")]),
        ("interrupted", [speech(1), INTERRUPTED]),
        ("model_speaking", [speech(1), TURN_COMPLETE]),
        ("user_speaking", [SPEECH_BEGAN, SPEECH_OVER]),
    ],
)
async def test_j12_a_phase_is_reached_if_only_for_a_moment(
    phase: v.Phase, messages: list[Json]
) -> None:
    parts = Parts()
    waiting = parts.underlying.wait_for_phase(phase, 5000)
    parts.hear(*messages)  # between the call and its wait
    assert await waiting == phase
    assert len(parts.router._phase_watchers) == 0


@pytest.mark.anyio
async def test_the_phase_of_a_session_to_come_can_be_waited_for() -> None:
    parts = Parts()
    parts.session.end()
    waiting = parts.underlying.wait_for_phase("active", 5000)
    parts.open()
    parts.session.begin()
    assert await waiting == "active"


@pytest.mark.anyio
@pytest.mark.parametrize("timeout_ms", [0, 10])
async def test_a_phase_that_is_not_reached_in_time_is_told_by_name(timeout_ms: int) -> None:
    parts = Parts()
    with timed_out() as caught:
        await parts.underlying.wait_for_phase("model_speaking", timeout_ms)
    assert caught.value.data["phase"] == "model_speaking"
    assert f"{timeout_ms} ms" in caught.value.message
    assert len(parts.router._phase_watchers) == 0


@pytest.mark.anyio
async def test_waiting_can_be_cancelled_and_leaves_nothing() -> None:
    parts = Parts()

    async def wait() -> None:
        await parts.underlying.wait_for_phase("model_speaking")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await checkpoint()
        assert len(parts.router._phase_watchers) == 1
        tasks.cancel_scope.cancel()
    assert len(parts.router._phase_watchers) == 0


@pytest.mark.anyio
async def test_a_wait_that_never_began_leaves_nothing_either() -> None:
    parts = Parts()
    waiting = parts.underlying.wait_for_phase("model_speaking")
    waiting.close()  # type: ignore[attr-defined]  # as a cancelled task does with what it never ran
    del waiting
    gc.collect()
    assert len(parts.router._phase_watchers) == 0
