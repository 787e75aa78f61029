"""When extractors run, on what, and that the conversation never waits: B2, Q1-Q6, Q8, A23."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Self

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.extractors import Extraction as Extracted
from livehandle_proto.extractors import (
    ExtractionFailure,
    ExtractorRun,
    ExtractorSpec,
    PromotionRule,
)
from livehandle_proto.values import Value
from livehandled.extraction import runner
from livehandled.extraction.extractor import CONFIGURATION, MAX_EXTRACTORS, Extraction, check_table
from livehandled.state import State
from livehandled.transcript import Transcript
from support.loop import settled

pytestmark = pytest.mark.anyio

WAIT_S = 20.0
FIXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
"""A fixture that sets a constant is the same for every example."""


class Rig:
    """Extraction over a real state and transcript, with its events and clients by hand."""

    def __init__(self) -> None:
        self.state = State(now_ms=lambda: 0)
        self.transcript = Transcript()
        self.told: list[tuple[str, Value]] = []
        self.asked: list[ExtractorRun] = []
        self._answers: dict[str, tuple[anyio.Event, list[object]]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self.extraction = Extraction(
            self.state,
            self.transcript,
            publish=lambda topic, data: self.told.append((topic, data)),
            start=self.tasks.start_soon,
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        self.tasks.cancel_scope.cancel()
        await self._stack.aclose()

    async def look(self, run: ExtractorRun) -> object:
        """Wait for `answer`, as a client would."""
        self.asked.append(run)
        event, answer = self._answers[run.run_id] = anyio.Event(), []
        await event.wait()
        if isinstance(answer[0], Exception):
            raise answer[0]
        return answer[0]

    async def answer(self, run: ExtractorRun, value: object) -> None:
        event, answer = self._answers[run.run_id]
        answer.append(value)
        event.set()
        await settled()

    def client(self, name: str, *, owner: str = "c1", **fields: object) -> None:
        spec = ExtractorSpec(name=name, kind="client", **fields)  # type: ignore[arg-type]  # fields of a specification
        self.extraction.register(spec, self.look, owner)

    def regex(self, name: str, pattern: str = "latte|mocha", **fields: object) -> None:
        spec = ExtractorSpec(name=name, kind="regex", patterns={"item": pattern}, **fields)  # type: ignore[arg-type]  # as above
        self.extraction.register(spec, owner=CONFIGURATION)

    def turn(self, user: str = "a latte please", model: str = "Sure.") -> None:
        """Complete a turn."""
        self.transcript.user_said(user)
        self.transcript.model_said(model)
        turn = self.transcript.end_turn()
        assert turn is not None
        self.extraction.turn_completed(turn)

    async def blocked_turn(self, user: str = "a latte please") -> None:
        """Complete a turn, and let what it started run as far as it can."""
        self.turn(user)
        await settled()

    def names(self) -> list[str]:
        """The names of what was told, failures with a mark."""
        shown = []
        for _, data in self.told:
            if isinstance(data, Extracted):
                shown.append(data.name)
            elif isinstance(data, ExtractionFailure):
                shown.append(f"!{data.name}")
        return shown

    def failures(self) -> list[ExtractionFailure]:
        return [data for _, data in self.told if isinstance(data, ExtractionFailure)]


async def test_q1_every_turn_writes_the_object_and_its_field_and_tells_both() -> None:
    async with Rig() as rig:
        rig.client("Order")
        await rig.blocked_turn()
        await rig.answer(rig.asked[0], {"item": "latte"})
        assert rig.state.as_dict() == {"Order": {"item": "latte"}, "item": "latte"}
        assert rig.told == [
            ("live.extraction", Extracted(name="Order", value={"item": "latte"}, turn=0)),
            ("live.extraction", Extracted(name="Order.item", value="latte", turn=0)),
        ]


async def test_q1_patterns_have_written_when_turn_completed_returns() -> None:
    async with Rig() as rig:
        rig.regex("Order")
        rig.turn()
        assert rig.state.as_dict() == {"Order": {"item": "latte"}, "item": "latte"}
        assert rig.names() == ["Order", "Order.item"]


async def test_q6_patterns_that_match_nothing_leave_the_last_result() -> None:
    async with Rig() as rig:
        rig.regex("Order", window=1)
        rig.turn("a mocha")
        rig.turn("nothing")
        assert rig.extraction.latest("Order") == {"item": "mocha"}
        assert rig.names() == ["Order", "Order.item"]


async def test_q2_an_interval_of_2_is_skipped_at_turns_0_and_1_and_runs_at_2() -> None:
    async with Rig() as rig:
        rig.regex("Order", trigger="interval", interval=2)
        ran = []
        for _ in range(7):
            before = len(rig.told)
            rig.turn()
            ran.append(len(rig.told) > before)
        assert ran == [False, False, True, False, True, False, True]


async def test_q3_after_tool_call_sees_the_open_turn_and_its_call() -> None:
    async with Rig() as rig:
        rig.regex("Order", r"brew\((.*?)\)", trigger="after_tool_call")
        rig.turn()
        assert rig.told == []
        rig.transcript.user_said("go")
        rig.transcript.tool_called("brew", {"n": 1}, {"ok": True})
        rig.extraction.tools_answered()
        assert rig.state.get("item") == '{"n":1}'
        assert isinstance(rig.told[0][1], Extracted)
        assert rig.told[0][1].turn == 1


async def test_q3_generation_complete_includes_the_current_turn() -> None:
    async with Rig() as rig:
        rig.client("Order", trigger="generation_complete", window=2)
        for words in ("one", "two", "three"):
            rig.turn(words)
        rig.transcript.user_said("four")
        rig.extraction.generation_completed()
        await settled()
        assert [turn.user for turn in rig.asked[0].window] == ["three", "four"]
        assert rig.asked[0].turn == 3


async def test_q3_a_turn_s_window_holds_3_turns_by_default_and_no_open_one() -> None:
    async with Rig() as rig:
        rig.client("Order")
        for words in ("one", "two", "three"):
            rig.turn(words)
        rig.transcript.user_said("four")
        rig.turn("")
        await settled()
        await rig.answer(rig.asked[0], None)
        assert [turn.user for turn in rig.asked[-1].window] == ["two", "three", "four"]
        assert rig.asked[-1].text.startswith("User: two\nAssistant: Sure.\n\nUser: three\n")
        assert rig.asked[-1].deadline_ms == 10_000


async def test_b2_a_typed_turn_alone_is_in_the_window() -> None:
    async with Rig() as rig:
        rig.client("Diet")
        rig.transcript.user_typed("I am pescatarian")
        turn = rig.transcript.end_turn()
        assert turn is not None
        rig.extraction.turn_completed(turn)
        await settled()
        assert [turn.user for turn in rig.asked[0].window] == ["I am pescatarian"]


async def test_q8_an_empty_window_runs_nothing() -> None:
    async with Rig() as rig:
        rig.regex("A", "", trigger="generation_complete")
        rig.regex("B", "", trigger="after_tool_call")
        rig.extraction.generation_completed()
        rig.extraction.tools_answered()
        assert rig.told == []


async def test_q8_fewer_words_than_min_words_in_the_newest_turn_run_nothing() -> None:
    async with Rig() as rig:
        rig.regex("Order", min_words=3)
        rig.turn("a latte")
        assert rig.told == []
        rig.turn("a latte please")
        assert rig.names() == ["Order", "Order.item"]


async def test_q6_a_failure_is_told_and_the_next_turn_runs_again() -> None:
    async with Rig() as rig:
        rig.client("Order")
        await rig.blocked_turn()
        await rig.answer(rig.asked[0], LiveHandleError("upstream.quota", "Wait."))
        (failure,) = rig.failures()
        assert (failure.name, failure.error.data["name"], failure.turn) == (
            "Order",
            "upstream.quota",
            0,
        )
        assert rig.told[0][0] == "live.extraction_error"
        await rig.blocked_turn()
        await rig.answer(rig.asked[1], {"item": "tea"})
        assert rig.state.get("item") == "tea"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (ZeroDivisionError("secret"), "the daemon's log says how"),
        (object(), "Return JSON"),
        ("x" * 40_000, "Return less"),
    ],
)
async def test_q6_what_a_function_may_do_wrong_is_told_without_its_details(
    value: object, said: str
) -> None:
    async with Rig() as rig:
        rig.client("Order")
        await rig.blocked_turn()
        await rig.answer(rig.asked[0], value)
        (failure,) = rig.failures()
        assert failure.error.data["name"] == "extraction.failed"
        assert said in failure.error.message
        assert "secret" not in failure.error.message


async def test_q6_patterns_that_take_too_long_fail_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig() as rig:
        rig.regex("Order")
        monkeypatch.setattr("livehandled.extraction.regex_kind._SECONDS", -1.0)
        rig.turn()
        assert rig.names() == ["!Order"]


async def test_q6_no_answer_within_the_deadline_is_a_failure() -> None:
    async with Rig() as rig:
        rig.client("Order", timeout_ms=1)
        rig.turn()
        while not rig.told:
            await anyio.lowlevel.checkpoint()
        assert "within 1 ms" in rig.failures()[0].error.message


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let results wait for earlier ones as long as a test may take."""
    monkeypatch.setattr(runner, "_PATIENCE_S", 600.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let results wait for earlier ones hardly at all."""
    monkeypatch.setattr(runner, "_PATIENCE_S", 0.001)


async def told(rig: Rig, names: list[str]) -> None:
    """Wait until this is what was told."""
    with anyio.fail_after(WAIT_S):
        while rig.names() != names:
            await anyio.lowlevel.checkpoint()


@FIXED
@pytest.mark.usefixtures("patient")
@given(st.permutations(["A", "B", "C", "D"]), st.lists(st.booleans(), min_size=4, max_size=4))
def test_q6_results_are_applied_in_registration_order_whatever_comes_first(
    completion: list[str], fails: list[bool]
) -> None:
    failing = {name for name, fail in zip("ABCD", fails, strict=True) if fail}

    async def scene() -> None:
        async with Rig() as rig:
            for name in "ABCD":
                rig.client(name)
            await rig.blocked_turn()
            runs = {run.name: run for run in rig.asked}
            assert list(runs) == ["A", "B", "C", "D"]  # side by side
            for name in completion:
                error = LiveHandleError("extraction.failed", "x")
                await rig.answer(runs[name], error if name in failing else {"item": name})
            names = [name for name in rig.names() if "." not in name]
            assert names == [f"!{name}" if name in failing else name for name in "ABCD"]
            worked = [name for name in "ABCD" if name not in failing]
            assert rig.state.get("item") == (worked[-1] if worked else None)

    anyio.run(scene)


@FIXED
@pytest.mark.usefixtures("patient")
@given(st.lists(st.sampled_from(["turn", "first", "last"]), max_size=25))
def test_q6_a_result_is_overtaken_only_while_it_is_not_there(steps: list[str]) -> None:
    """And of those not there, one under way is overtaken only by what an own next one sets free."""

    async def scene() -> None:
        async with Rig() as rig:
            for name in "ABC":
                rig.client(name)
            waiting: list[ExtractorRun] = []
            answered: list[tuple[int, str]] = []
            order: list[tuple[int, str]] = []
            seen = 0
            for step in steps:
                under_way = {(run.turn, run.name) for run in waiting}
                if step == "turn":
                    await rig.blocked_turn()
                elif waiting:
                    run = waiting.pop(0 if step == "first" else -1)
                    answered.append((run.turn, run.name))
                    await rig.answer(run, 1)
                waiting += rig.asked[seen:]
                seen = len(rig.asked)
                assert len({run.name for run in waiting}) == len(waiting) <= 3
                assert len(rig.extraction._runner._queue) <= 9
                results = [data for _, data in rig.told if isinstance(data, Extracted)]
                for turn, name in [(one.turn, one.name) for one in results][len(order) :]:
                    assert all(t < turn for t, n in order if n == name)
                    order.append((turn, name))
                    passed = {(turn, n) for n in "ABC" if n < name} - set(order)
                    assert not passed & set(answered)
                    newer = any(t > turn and n == name for t, n in answered)
                    assert newer or not passed & under_way

    anyio.run(scene)


@pytest.mark.usefixtures("impatient")
async def test_q6_a_client_that_never_answers_stops_nobody_else_s_results_or_runs() -> None:
    async with Rig() as rig:
        rig.client("Stuck", timeout_ms=600_000)
        rig.client("Order")
        expected: list[str] = []
        for turn in range(3):
            await rig.blocked_turn()
            asked = [run for run in rig.asked if run.name == "Order"]
            assert len(asked) == turn + 1
            await rig.answer(asked[-1], 1)
            expected.append("Order")
            await told(rig, expected)
        assert [run.name for run in rig.asked].count("Stuck") == 1


@pytest.mark.usefixtures("patient")
async def test_q6_the_next_run_begins_while_a_result_waits_and_sets_it_free() -> None:
    async with Rig() as rig:
        rig.client("Stuck", timeout_ms=600_000)
        rig.client("Order")
        await rig.blocked_turn()
        await rig.answer(rig.asked[1], 1)
        assert rig.names() == []
        await rig.blocked_turn()
        assert [run.turn for run in rig.asked if run.name == "Order"] == [0, 1]
        await rig.answer(rig.asked[2], 2)
        assert [data.value for _, data in rig.told if isinstance(data, Extracted)] == [1, 2]


def test_a_result_waits_one_second() -> None:
    assert runner._PATIENCE_S == 1.0


async def test_all_patterns_of_a_trigger_share_one_budget_and_the_rest_fail_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.004
        return now

    monkeypatch.setattr("livehandled.extraction.regex_kind.thread_time", clock)
    async with Rig() as rig:
        names = [f"E{i}" for i in range(20)]
        for name in names:
            rig.regex(name, promote=[PromotionRule(field="no")])
        for _ in range(2):
            rig.told.clear()
            rig.turn("latte", "")
            shown = rig.names()
            found = [name for name in shown if not name.startswith("!")]
            assert 0 < len(found) < 10
            assert shown == names[: len(found)] + [f"!{name}" for name in names[len(found) :]]
            assert {one.error.data["name"] for one in rig.failures()} == {"extraction.failed"}


async def test_q2_q8_a_run_left_out_for_min_words_does_not_begin_the_interval_anew() -> None:
    async with Rig() as rig:
        rig.regex("Order", trigger="interval", interval=2, min_words=3)
        ran = []
        for words in ("a latte please", "latte", "latte", "a latte please", "a latte please"):
            before = len(rig.told)
            rig.turn(words)
            ran.append(len(rig.told) > before)
        assert ran == [False, False, False, True, False]


async def test_a_trigger_during_a_run_is_one_further_run_with_the_newest_window() -> None:
    async with Rig() as rig:
        rig.client("Order", window=1)
        for words in ("one", "two", "three"):
            await rig.blocked_turn(words)
        assert [run.window[0].user for run in rig.asked] == ["one"]
        await rig.answer(rig.asked[0], None)
        assert [run.window[0].user for run in rig.asked] == ["one", "three"]
        assert rig.asked[0].run_id != rig.asked[1].run_id


async def test_patterns_are_applied_at_once_before_what_takes_time_and_was_registered_first() -> (
    None
):
    async with Rig() as rig:
        rig.client("Slow")
        rig.regex("Order")
        rig.turn()
        assert rig.names() == ["Order", "Order.item"]


async def test_an_owner_that_goes_takes_its_extractors_and_their_runs_along_by_name() -> None:
    async with Rig() as rig:
        rig.client("A")
        rig.client("B", owner="c2")
        rig.client("C")
        await rig.blocked_turn()
        await rig.blocked_turn()
        rig.extraction.unregister_all("c1")
        await settled()
        assert [info.spec.name for info in rig.extraction.registered()] == ["B"]
        assert rig.names() == ["!A", "!C"]
        assert "Register the extractor A again" in rig.failures()[0].error.message
        await rig.answer(rig.asked[1], {"item": "tea"})
        assert rig.names() == ["!A", "!C", "B", "B.item"]
        assert [run.name for run in rig.asked] == ["A", "B", "C", "B"]


async def test_q2_a_new_conversation_counts_anew_and_hears_nothing_of_the_last() -> None:
    async with Rig() as rig:
        rig.client("A")
        rig.regex("B", trigger="interval", interval=2)
        for _ in range(4):
            await rig.blocked_turn()
        rig.transcript.clear()
        rig.extraction.restart()
        rig.told.clear()
        for _ in range(3):
            await rig.blocked_turn()
        assert rig.names() == ["B", "B.item"]
        assert [run.turn for run in rig.asked] == [0, 0]


async def test_close_cancels_runs_and_tells_nothing() -> None:
    async with Rig() as rig:
        rig.client("A")
        await rig.blocked_turn()
        rig.extraction.close()
        await settled()
        assert rig.told == []
        assert rig.extraction.registered() == []


async def test_an_owner_may_register_again_after_unregistering_and_nothing_is_mixed_up() -> None:
    async with Rig() as rig:
        rig.client("A")
        await rig.blocked_turn()
        rig.extraction.unregister("A", "c1")
        rig.client("A")
        await rig.blocked_turn()
        await rig.answer(rig.asked[1], {"item": "tea"})
        assert rig.names() == ["!A", "A", "A.item"]


async def test_a_name_is_taken_once_and_given_back_by_its_owner_alone() -> None:
    async with Rig() as rig:
        rig.client("A")
        with pytest.raises(LiveHandleError) as taken:
            rig.regex("A")
        assert taken.value.name == "extraction.name_taken"
        for name, owner in (("A", "c2"), ("B", "c1")):
            with pytest.raises(LiveHandleError) as unknown:
                rig.extraction.unregister(name, owner)
            assert unknown.value.name == "extraction.unknown"
        rig.extraction.unregister("A", "c1")
        rig.regex("A")
        (info,) = rig.extraction.registered()
        assert (info.spec.name, info.owner) == ("A", "configuration")


async def test_there_is_a_most_of_extractors() -> None:
    async with Rig() as rig:
        for i in range(MAX_EXTRACTORS):
            rig.client(f"A{i}")
        with pytest.raises(LiveHandleError) as caught:
            rig.client("B")
        assert caught.value.name == "extraction.too_many"


@pytest.mark.parametrize(
    "spec",
    [
        ExtractorSpec(name="A", kind="client"),
        ExtractorSpec(name="A", kind="llm", prompt="look"),
        ExtractorSpec(name="A", kind="regex"),
        ExtractorSpec(name="A", kind="regex", patterns={"x": "("}),
    ],
)
async def test_what_cannot_run_here_is_refused(spec: ExtractorSpec) -> None:
    async with Rig() as rig:
        with pytest.raises(LiveHandleError) as caught:
            rig.extraction.register(spec)
        assert caught.value.name == "extraction.bad_spec"
        assert rig.extraction.registered() == []


async def test_a23_the_latest_result_is_read_from_the_state_and_its_derived_part() -> None:
    async with Rig() as rig:
        assert rig.extraction.latest("Order") is None
        rig.state.set_derived("Order", {"item": "derived"})
        assert rig.extraction.latest("Order") == {"item": "derived"}
        rig.regex("Order")
        rig.turn()
        assert rig.extraction.latest("Order") == {"item": "latte"}


async def test_q4_rules_reach_the_events_as_promotions() -> None:
    async with Rig() as rig:
        rig.regex("Order", promote=[PromotionRule(field="item", key="app:drink")])
        rig.turn()
        assert [topic for topic, _ in rig.told] == [
            "live.extraction",
            "live.extraction",
            "live.state_promotion",
        ]
        assert rig.state.get("app:drink") == "latte"
        assert not rig.state.contains("item")


async def test_a_model_is_what_the_caller_gave() -> None:
    asked: list[ExtractorSpec] = []

    async def look(run: ExtractorRun) -> object:
        return {"item": run.name}

    def ask_model(spec: ExtractorSpec) -> Callable[[ExtractorRun], Awaitable[object]]:
        asked.append(spec)
        return look

    async with Rig() as rig:
        rig.extraction = Extraction(
            rig.state,
            rig.transcript,
            publish=lambda topic, data: rig.told.append((topic, data)),
            start=rig.tasks.start_soon,
            ask_model=ask_model,
        )
        spec = ExtractorSpec(name="Order", kind="llm", prompt="look")
        rig.extraction.register(spec)
        await rig.blocked_turn()
        assert asked == [spec]
        assert rig.state.get("item") == "Order"


def regex_entry(pattern: str) -> dict[str, object]:
    return {"kind": "regex", "patterns": {"a": pattern}}


@pytest.mark.parametrize(
    ("table", "param"),
    [
        ({"x": {"kind": "nonsense"}}, "x.kind"),
        ({"x": {"kind": "regex", "trigger": "every_turn"}}, "x.patterns"),
        ({"x": regex_entry("(")}, "x.patterns.a"),
        ({"x": {"kind": "client"}}, "x.kind"),
        ({f"x{number}": regex_entry("b") for number in range(MAX_EXTRACTORS + 1)}, ""),
    ],
    ids=["kind", "nothing", "pattern", "client", "many"],
)
async def test_what_a_session_would_refuse_of_the_configuration_is_refused_when_it_is_read(
    table: dict[str, object], param: str
) -> None:
    with pytest.raises(LiveHandleError) as read:
        check_table(table)
    assert read.value.name == "config.invalid"
    assert read.value.data["param"] == f"extraction.extractors.{param}".rstrip(".")
    async with Rig() as rig:
        with pytest.raises(LiveHandleError):
            rig.extraction.configure(table)
    check_table({"x": regex_entry("b")})
