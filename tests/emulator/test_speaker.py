"""The sending half of the turn machine by itself; with the rest in test_conversation."""

import pytest

from livehandle_emulator.answer import Answer, Call, Result, Say
from livehandle_emulator.calls import Calls
from livehandle_emulator.history import History
from livehandle_emulator.models import Model
from livehandle_emulator.progress import Progress
from livehandle_emulator.reply import Voice
from livehandle_emulator.scenario import Timing
from livehandle_emulator.speaker import Speaker
from livehandle_emulator.usage import Ledger
from livehandled.gemini.setup import FunctionDeclaration, Tool


@pytest.fixture
def speaker() -> Speaker:
    model = Model("gemini-live-2.5-flash")
    calls = Calls(model, "s1")
    calls.declare([Tool(function_declarations=[FunctionDeclaration(name="f")])])
    timing = Timing(reply_delay_ms=500)
    voice = Voice(False, False, timing)
    return Speaker(model, voice, calls, Ledger(vertex=False), History(), Progress("never"))


def test_at_rest_nothing_is_due_and_nothing_can_be_interrupted(speaker: Speaker) -> None:
    assert not speaker.busy
    assert not speaker.waits
    assert speaker.deadline is None
    assert speaker.due(1e9) == []
    assert speaker.interrupt() == []


def test_the_reply_begins_after_the_delay(speaker: Speaker) -> None:
    speaker.begin(Answer([Say("hi")], []), 10.0)
    assert speaker.busy
    assert speaker.deadline == 10.5
    assert speaker.due(10.4) == []
    assert len(speaker.due(10.5)) == 1


def test_a_reply_ends_by_itself(speaker: Speaker) -> None:
    speaker.begin(Answer([Say("hi")], []), 10.0)
    messages = speaker.due(20.0)
    assert messages[-1].usage_metadata is not None
    assert not speaker.busy


def test_a_result_that_no_turn_waits_for_changes_nothing(speaker: Speaker) -> None:
    speaker.resume("x", Result("f", {}), 1.0)
    speaker.begin(Answer([], [Call("f", {})]), 10.0)
    speaker.due(11.0)
    speaker.resume("x", Result("f", {}), 12.0)
    assert speaker.waits
    assert speaker.deadline is None


def test_of_many_long_results_little_is_said(speaker: Speaker) -> None:
    speaker.begin(Answer([], [Call("f", {})] * 100), 10.0)
    (message,) = speaker.due(11.0)
    assert message.tool_call is not None
    for call in message.tool_call.function_calls:
        speaker.resume(str(call.id), Result("f", {"output": "x" * 1_000}), 12.0)
    told = [message.server_content for message in speaker.due(1e9)]
    words = [part.text or "" for c in told if c and c.model_turn for part in c.model_turn.parts]
    assert 0 < len("".join(words)) < 5_000
    assert not speaker.busy
