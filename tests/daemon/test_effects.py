"""The executor, alone and on a voice (section D)."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import LiveHandleError
from livehandled import effects
from livehandled.context import PendingContext
from livehandled.effects import Executor, Pending
from livehandled.gemini import frames
from livehandled.gemini.content import text_content
from livehandled.session.outbox import Message
from livehandled.session.router import Router
from livehandled.session.session import Session
from livehandled.session.voice import Voice
from livehandled.voice.reactor import (
    CancelDeferredPrompt,
    Effect,
    Policy,
    PromptModel,
    Reaction,
    Run,
    SendContext,
    SignalUserActivityEnd,
    SignalUserActivityStart,
    UpdateInstruction,
)

pytestmark = pytest.mark.anyio

START, END = SignalUserActivityStart(), SignalUserActivityEnd()
CONCURRENT = Policy("concurrent")


class Outlet:
    """Notes what it is asked to do; it fails at what it is told to."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails_at: set[str] = set()

    def note(self, what: str) -> None:
        if what in self.fails_at:
            raise LiveHandleError("session.queue_full", f"No room for {what}.")
        self.done.append(what)

    def prompt_model(self) -> None:
        self.note("prompt")

    def cancel_prompt(self) -> None:
        self.note("cancel")

    def mark(self, *, start: bool) -> None:
        self.note("start" if start else "end")

    def update_instruction(self, instruction: str) -> None:
        self.note(instruction)

    def send_context(self, effect: SendContext) -> None:
        self.note(f"context {len(effect.turns)}")


class Rig:
    """An executor with tasks of its own."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.outlet = Outlet()
        self.told: list[LiveHandleError] = []
        self.heard = anyio.Event()
        self.executor = Executor(self.outlet, start=tasks.start_soon, tell=self.tell)

    def tell(self, error: LiveHandleError) -> None:
        self.told.append(error)
        self.heard.set()

    def carry_out(self, *wanted: Effect | tuple[Effect, Policy]) -> Pending | None:
        pairs = [one if isinstance(one, tuple) else (one, Policy()) for one in wanted]
        return self.executor.carry_out([Reaction("test", *pair) for pair in pairs])

    def run(self, note: str, gate: anyio.Event | None = None) -> Run:
        """Return an action that leaves a note when the gate has opened."""

        async def action() -> None:
            if gate is not None:
                await gate.wait()
            self.outlet.note(note)

        return Run(action)


@asynccontextmanager
async def rigged() -> AsyncIterator[Rig]:
    async with anyio.create_task_group() as tasks:
        yield Rig(tasks)
        tasks.cancel_scope.cancel()


async def waits() -> None:
    await anyio.sleep_forever()


def failing(error: BaseException) -> Run:
    async def action() -> None:
        raise error

    return Run(action)


async def error_of(pending: Awaitable[None] | None) -> Exception:
    assert pending is not None
    with pytest.raises(Exception) as caught:
        await pending
    return caught.value


async def test_d6_start_and_end_write_their_marks_in_order() -> None:
    async with rigged() as rig:
        assert rig.carry_out(START, END) is None
        assert rig.outlet.done == ["start", "end"]


async def test_d8_every_effect_is_done_in_order_before_the_call_returns() -> None:
    async with rigged() as rig:
        first = (CancelDeferredPrompt(), START, UpdateInstruction("be brief"), PromptModel())
        assert rig.carry_out(*first, SendContext([text_content("a")]), END) is None
        assert rig.outlet.done == ["cancel", "start", "be brief", "prompt", "context 1", "end"]


async def test_d8_the_first_error_ends_the_rest_and_is_raised() -> None:
    async with rigged() as rig:
        rig.outlet.fails_at = {"start"}
        with pytest.raises(LiveHandleError, match="No room for start"):
            rig.carry_out(CancelDeferredPrompt(), START, PromptModel(), failing(KeyError()))
        assert rig.outlet.done == ["cancel"]
        rig.carry_out(END)  # an error is of one event, not of the executor
        assert rig.outlet.done == ["cancel", "end"]


async def test_d8_an_action_is_awaited_before_what_comes_after_it() -> None:
    async with rigged() as rig:
        gate = anyio.Event()
        pending = rig.carry_out(START, rig.run("acted", gate), END, rig.run("again"), PromptModel())
        assert pending is not None
        await checkpoint()
        assert rig.outlet.done == ["start"]
        gate.set()
        await pending
        assert rig.outlet.done == ["start", "acted", "end", "again", "prompt"]
        await pending  # and again, at once


async def test_d8_the_error_of_an_action_ends_the_rest_and_is_raised_to_who_awaits() -> None:
    async with rigged() as rig:
        error = ValueError("boom")
        pending = rig.carry_out(START, failing(error), END)
        assert await error_of(pending) is error
        assert await error_of(pending) is error  # to everybody who does
        assert rig.outlet.done == ["start"]
        assert rig.told == []


async def test_d8_an_error_behind_an_action_ends_the_rest() -> None:
    async with rigged() as rig:
        rig.outlet.fails_at = {"end"}
        error = await error_of(rig.carry_out(rig.run("acted"), END, PromptModel()))
        assert str(error) == "No room for end."
        assert rig.outlet.done == ["acted"]


async def test_d8_an_error_that_nobody_awaits_is_told_and_not_lost() -> None:
    async with rigged() as rig:
        pending = rig.carry_out(failing(ValueError("boom")), END)
        await rig.heard.wait()
        assert [e.message for e in rig.told] == ["The reaction 'test' failed: boom"]
        assert rig.told[0].name == "session.reaction"
        assert rig.told[0].data == {"reaction": "test"}
        assert str(await error_of(pending)) == "boom"  # who comes later has it as well
        assert rig.outlet.done == []


async def test_d8_an_action_that_takes_too_long_is_a_timeout() -> None:
    async with rigged() as rig:
        error = await error_of(rig.carry_out((Run(waits), Policy(timeout_s=0.02)), END))
        assert isinstance(error, LiveHandleError)
        assert error.name == "session.timeout"
        assert error.data == {"phase": "active", "elapsed_ms": 20}
        assert error.message == "The action of 'test' was not done within 0.02 s."
        assert rig.outlet.done == []


@pytest.mark.parametrize("timeout_s", [None, 60.0])
async def test_a_timeout_of_the_actions_own_is_not_taken_for_ours(timeout_s: float | None) -> None:
    async with rigged() as rig:
        error = TimeoutError("theirs")
        pending = rig.carry_out((failing(error), Policy(timeout_s=timeout_s)))
        assert await error_of(pending) is error


async def test_d9_a_concurrent_effect_that_fails_is_told_and_the_rest_goes_on() -> None:
    async with rigged() as rig:
        rig.outlet.fails_at = {"start"}
        assert rig.carry_out((START, CONCURRENT), END) is None
        assert rig.outlet.done == ["end"]
        assert [e.message for e in rig.told] == ["The reaction 'test' failed: No room for start."]
        assert rig.told[0].name == "session.queue_full"


async def test_a_concurrent_effect_that_needs_no_wait_keeps_its_place_in_the_order() -> None:
    async with rigged() as rig:
        rig.carry_out((START, CONCURRENT), END, (PromptModel(), CONCURRENT))
        assert rig.outlet.done == ["start", "end", "prompt"]


async def test_d9_a_concurrent_action_that_fails_is_told_within_a_second() -> None:
    async with rigged() as rig:
        assert rig.carry_out((failing(ValueError("boom")), CONCURRENT), END) is None
        assert rig.outlet.done == ["end"]
        with anyio.fail_after(1):
            await rig.heard.wait()
        assert "reaction 'test' failed" in rig.told[0].message


async def test_d9_a_concurrent_action_that_takes_too_long_is_told() -> None:
    async with rigged() as rig:
        assert rig.carry_out((Run(waits), Policy("concurrent", timeout_s=0.01))) is None
        with anyio.fail_after(1):
            await rig.heard.wait()
        assert "reaction 'test' failed" in rig.told[0].message
        assert rig.told[0].name == "session.timeout"


async def test_d9_an_error_without_words_is_told_by_its_kind() -> None:
    async with rigged() as rig:
        rig.carry_out((failing(KeyError()), CONCURRENT))
        await rig.heard.wait()
        assert rig.told[0].message == "The reaction 'test' failed: KeyError"


async def test_concurrent_actions_run_beside_each_other_and_beside_a_blocking_one() -> None:
    async with rigged() as rig:
        gates = [anyio.Event() for _ in range(3)]
        names = ["a", "b", "c"]
        a, b, c = (rig.run(name, gate) for name, gate in zip(names, gates, strict=True))
        pending = rig.carry_out((a, CONCURRENT), (b, CONCURRENT), c)
        assert pending is not None
        for gate, name in zip(reversed(gates), reversed(names), strict=True):
            gate.set()
            while name not in rig.outlet.done:
                await checkpoint()
        await pending
        assert rig.outlet.done == ["c", "b", "a"]


async def test_an_action_that_fails_before_it_can_be_awaited_fails_alike() -> None:
    def action() -> Awaitable[None]:
        raise ValueError("boom")

    async with rigged() as rig:
        assert str(await error_of(rig.carry_out(Run(action)))) == "boom"


async def test_later_events_wait_for_an_action_so_that_marks_keep_their_order() -> None:
    async with rigged() as rig:
        gate = anyio.Event()
        first = rig.carry_out(rig.run("slow", gate), START)
        second = rig.carry_out(rig.run("fast"), END)
        third = rig.carry_out(PromptModel())
        assert first is not None
        assert second is not None
        assert third is not None
        await checkpoint()
        assert rig.outlet.done == []
        gate.set()
        await third
        assert rig.outlet.done == ["slow", "start", "fast", "end", "prompt"]
        assert rig.carry_out(START) is None  # nothing waits any more: at once again
        await first
        await second


async def test_an_error_ends_the_reactions_to_its_own_event_alone() -> None:
    async with rigged() as rig:
        first = rig.carry_out(failing(ValueError("boom")), START)
        second = rig.carry_out(END)
        assert second is not None
        await second
        assert rig.outlet.done == ["end"]
        assert str(await error_of(first)) == "boom"


async def test_an_action_may_report_the_voice_itself_without_waiting_for_itself() -> None:
    async with rigged() as rig:

        async def action() -> None:
            rig.outlet.note("acting")
            inner = rig.carry_out(END)
            if inner is not None:
                await inner  # would never come back

        pending = rig.carry_out(Run(action), START)
        assert pending is not None
        with anyio.fail_after(5):
            await pending
            while len(rig.outlet.done) < 3:
                await checkpoint()
        assert rig.outlet.done == ["acting", "start", "end"]


async def test_only_so_many_events_wait_for_an_action(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "_MAX_WAITING", 3)
    async with rigged() as rig:
        for _ in range(3):
            rig.carry_out(Run(waits))
        with pytest.raises(LiveHandleError) as caught:
            rig.carry_out(START)
        assert caught.value.name == "session.queue_full"
        assert "3 events" in caught.value.message


@pytest.mark.parametrize("started", [False, True])
async def test_who_waits_is_told_when_the_handle_closes(started: bool) -> None:
    errors: list[Exception] = []

    async def wait_for(pending: Pending | None) -> None:
        errors.append(await error_of(pending))

    async with anyio.create_task_group() as waiting, anyio.create_task_group() as tasks:
        rig = Rig(tasks)
        waiting.start_soon(wait_for, rig.carry_out(Run(waits)))
        waiting.start_soon(wait_for, rig.carry_out(START))
        if started:
            await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert [e.name for e in errors if isinstance(e, LiveHandleError)] == ["session.ended"] * 2
    assert rig.told == []


async def test_who_stops_waiting_leaves_the_action_alone() -> None:
    async with rigged() as rig:
        gate = anyio.Event()
        pending = rig.carry_out(rig.run("acted", gate))
        assert pending is not None
        with anyio.move_on_after(0):
            await pending
        gate.set()
        await pending
        assert rig.outlet.done == ["acted"]


@pytest.mark.parametrize("policy", [Policy(), CONCURRENT])
async def test_an_action_that_waits_for_something_cancelled_takes_nobody_with_it(
    policy: Policy,
) -> None:
    async with rigged() as rig:
        theirs = asyncio.ensure_future(asyncio.sleep(60))
        theirs.cancel()

        async def action() -> None:
            await theirs

        pending = rig.carry_out((Run(action), policy))
        if pending is not None:
            error = await error_of(pending)
            assert str(error) == "The action of 'test' was cancelled."
        else:
            await rig.heard.wait()
            assert "reaction 'test' failed" in rig.told[0].message
        rig.carry_out(START)  # the tasks live on
        await checkpoint()
        assert rig.outlet.done == ["start"]


async def test_what_is_no_ordinary_error_ends_the_owner_and_who_waits_is_told() -> None:
    class Fatal(BaseException):
        pass

    errors: list[Exception] = []

    async def wait_for(pending: Pending | None) -> None:
        errors.append(await error_of(pending))

    async with anyio.create_task_group() as waiting:
        with pytest.raises(BaseExceptionGroup) as caught:
            async with anyio.create_task_group() as tasks:
                waiting.start_soon(wait_for, Rig(tasks).carry_out(failing(Fatal())))
        assert caught.group_contains(Fatal)
    assert [type(e) for e in errors] == [LiveHandleError]


WANTS = st.lists(st.sampled_from(["do", "fail", "run", "fail later", "run beside"]), max_size=5)


@given(st.lists(WANTS, max_size=6))
async def test_d8_d9_whatever_rules_want_it_is_done_in_order_up_to_the_first_error(
    script: list[list[str]],
) -> None:
    expected: list[str] = []
    failures = 0
    raised = 0
    async with rigged() as rig:
        pendings: list[Pending] = []
        for event, wants in enumerate(script):
            wanted: list[Effect | tuple[Effect, Policy]] = []
            going = True
            for place, kind in enumerate(wants):
                name = f"{event}.{place}"
                wanted.append(_effect(rig, kind, name))
                if going and kind in {"do", "run"}:
                    expected.append(name)
                going = going and kind not in {"fail", "fail later"}
            failures += not going
            try:
                pending = rig.carry_out(*wanted)
            except LiveHandleError:
                raised += 1
            else:
                pendings += [pending] if pending is not None else []
        for pending in pendings:
            try:
                await pending
            except (LiveHandleError, ValueError):
                raised += 1
        await anyio.wait_all_tasks_blocked()
        blocking = [name for name in rig.outlet.done if not name.startswith("beside")]
        assert blocking == expected
        assert raised == failures


def _effect(rig: Rig, kind: str, name: str) -> Effect | tuple[Effect, Policy]:
    match kind:
        case "do":
            return UpdateInstruction(name)
        case "fail":
            rig.outlet.fails_at.add(name)
            return UpdateInstruction(name)
        case "run":
            return rig.run(name)
        case "fail later":
            return failing(ValueError(name))
        case _:
            return rig.run(f"beside {name}"), CONCURRENT


# On a voice: the frames themselves.


class _Plan:
    takes_marks = True


class SessionStub:
    """What a voice writes to."""

    id = "s"
    plan = _Plan()

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def put(self, *messages: Message) -> None:
        self.messages += messages

    def instruct(self, instruction: str) -> None:
        self.put(Message(frames.instruction(instruction, "note"), "instruction"))

    def tell(self, error: LiveHandleError) -> None:
        raise AssertionError(error)


class RouterStub:
    def text_sent(self) -> None:
        pass

    def activity_ended(self, now: float) -> None:
        pass


def on_a_voice(context: PendingContext, *effects_: Effect) -> list[Message]:
    session = SessionStub()
    never: Callable[..., object] = lambda *_: None  # noqa: E731 - a default for what is not used
    voice = Voice(
        cast(Session, session),
        context=context,
        router=cast(Router, RouterStub()),
        rules=(),
        clock=lambda: 0.0,
        start=never,
        look=lambda: None,
        commits=False,
        soft_turn_s=0.0,
    )
    executor = Executor(voice, start=never, tell=session.tell)
    assert executor.carry_out([Reaction("test", effect) for effect in effects_]) is None
    return session.messages


def waiting_context(*, armed: bool) -> PendingContext:
    context = PendingContext()
    context.extend([text_content("a", "model")])
    context.prompt_armed = armed
    return context


TURNS = (text_content("a", "model"),)
CONTEXT = Message(frames.client_content(TURNS, turn_complete=False), "context", TURNS)
PROMPT = Message(frames.client_content((), turn_complete=True), "text")


async def test_d1_a_prompt_is_the_context_then_an_empty_complete_turn() -> None:
    context = waiting_context(armed=True)
    assert on_a_voice(context, PromptModel()) == [CONTEXT, PROMPT]
    assert json.loads(PROMPT.frame) == {"clientContent": {"turnComplete": True}}
    assert not context


async def test_d2_without_an_armed_prompt_it_is_the_context_alone() -> None:
    assert on_a_voice(waiting_context(armed=False), PromptModel()) == [CONTEXT]


async def test_d3_with_nothing_waiting_it_is_nothing() -> None:
    assert on_a_voice(PendingContext(), PromptModel()) == []


async def test_d4_cancelling_disarms_and_keeps_the_context() -> None:
    context = waiting_context(armed=True)
    assert on_a_voice(context, CancelDeferredPrompt()) == []
    assert not context.prompt_armed
    assert len(context.turns) == 1


async def test_d5_an_instruction_is_one_write() -> None:
    effect = UpdateInstruction("new instruction")
    written = [Message(frames.instruction("new instruction", "note"), "instruction")]
    assert on_a_voice(PendingContext(), effect) == written


async def test_d6_marks_are_activity_start_and_end() -> None:
    marks = (frames.activity_start(), frames.activity_end())
    written = [Message(frame, "mark") for frame in marks]
    assert on_a_voice(PendingContext(), START, END) == written


async def test_d7_context_is_written_unless_there_is_none() -> None:
    assert on_a_voice(PendingContext(), SendContext([])) == []
    assert on_a_voice(PendingContext(), SendContext(TURNS)) == [CONTEXT]


async def test_d10_effects_do_not_take_waiting_context_along() -> None:
    context = waiting_context(armed=True)
    turns = [text_content("b", "model")]
    written = on_a_voice(context, START, SendContext(turns), UpdateInstruction("x"), END)
    assert CONTEXT not in written
    assert len(written) == 4
    assert len(context.turns) == 1
