"""When handles are issued, and what they cover."""

import json

import pytest

from livehandle_emulator.models import Model
from livehandle_emulator.progress import Cadence, Progress, cadence_of
from livehandle_emulator.reply import turn_complete
from livehandle_emulator.resumption import Past
from livehandle_emulator.scenario import ResumptionRules
from livehandled.gemini.codec import encode
from livehandled.gemini.content import FunctionCall, text_content
from livehandled.gemini.server import ServerContent, ServerMessage, ToolCall, Transcription

SAID = ServerMessage(server_content=ServerContent(model_turn=text_content("a", "model")))
CALLED = ServerMessage(tool_call=ToolCall(function_calls=[FunctionCall(id="1", name="f")]))
SPOKEN = ServerMessage(server_content=ServerContent(output_transcription=Transcription(text="a")))
ENDED = turn_complete(None)
SOON = 1.0


class Rig:
    """Counts what the client sent; a handle is named after what it covers."""

    def __init__(self, cadence: Cadence, *, transparent: bool = False) -> None:
        self.received = 0
        self.progress = Progress(
            cadence,
            cut=lambda: Past(consumed=self.received),
            issue=lambda past: f"h{past.consumed}",
            transparent=transparent,
        )

    def sent(self, *messages: ServerMessage) -> list[object]:
        return told([m for one in messages for m in self.progress.sent(one, 10.0)])

    def later(self) -> list[object]:
        return told(self.progress.due(10.0 + SOON))


def told(messages: list[ServerMessage]) -> list[object]:
    return [json.loads(encode(message))["sessionResumptionUpdate"] for message in messages]


def handle(name: str) -> dict[str, object]:
    return {"newHandle": name, "resumable": True}


def test_a_handle_comes_shortly_after_a_turn_and_covers_what_was_there_at_its_end() -> None:
    rig = Rig("turn")
    rig.received = 1
    assert rig.sent(SAID, ENDED) == []
    assert rig.progress.deadline is not None
    assert rig.progress.due(10.0) == []
    rig.received = 2
    assert rig.later() == [handle("h1")]
    assert rig.later() == []
    assert rig.progress.deadline is None


@pytest.mark.parametrize("first", [SAID, SPOKEN, CALLED])
def test_a_handle_at_the_beginning_of_a_reply_comes_at_once(first: ServerMessage) -> None:
    rig = Rig("reply")
    rig.received = 3
    assert rig.sent(first, SAID) == [handle("h3")]
    rig.received = 4
    assert rig.sent(ENDED) == []
    assert rig.later() == [handle("h4")]


@pytest.mark.parametrize("first", [SAID, SPOKEN, CALLED])
def test_2_5_says_that_there_is_no_handle_while_it_is_busy(first: ServerMessage) -> None:
    rig = Rig("withheld")
    assert rig.sent(first, SAID, ENDED) == [{"resumable": False}]
    assert rig.later() == [handle("h0")]
    assert rig.sent(first) == [{"resumable": False}]


@pytest.mark.parametrize(
    ("cadence", "instead"),
    [("turn", []), ("withheld", []), ("reply", [handle("h1")])],
)
def test_a_handle_that_was_not_sent_yet_gives_way_to_the_next_point_of_progress(
    cadence: Cadence, instead: list[object]
) -> None:
    rig = Rig(cadence)
    rig.sent(SAID, ENDED)
    rig.received = 1
    assert [one for one in rig.sent(SAID) if one != {"resumable": False}] == instead
    assert rig.later() == []


@pytest.mark.parametrize("cadence", ["turn", "reply", "withheld"])
def test_an_interrupted_turn_brings_no_handle(cadence: Cadence) -> None:
    rig = Rig(cadence)
    rig.sent(SAID)
    rig.progress.interrupted()
    assert rig.later() == []
    rig.sent(SAID, ENDED)
    assert rig.later() == [handle("h0")]


def test_nobody_who_did_not_ask_is_given_a_handle() -> None:
    rig = Rig("never")
    assert rig.sent(SAID, ENDED) == []
    assert rig.progress.deadline is None
    assert rig.later() == []


def test_the_index_of_transparent_resumption_is_a_string_in_every_update() -> None:
    rig = Rig("withheld", transparent=True)
    rig.received = 7
    assert rig.sent(SAID, ENDED) == [{"resumable": False, "lastConsumedClientMessageIndex": "7"}]
    assert rig.later() == [handle("h7") | {"lastConsumedClientMessageIndex": "7"}]


def test_the_transcription_kept_is_that_of_one_turn() -> None:
    rig = Rig("turn")
    heard = ServerMessage(server_content=ServerContent(input_transcription=Transcription(text="b")))
    rig.progress.transcribed(heard)
    rig.sent(SPOKEN, SAID, ENDED)
    assert list(rig.progress.deltas) == [heard, SPOKEN]
    rig.sent(SPOKEN)
    assert list(rig.progress.deltas) == [SPOKEN]
    rig.progress.interrupted()
    assert list(rig.progress.deltas) == [SPOKEN]
    rig.progress.transcribed(heard)
    assert list(rig.progress.deltas) == [heard]


@pytest.mark.parametrize(
    ("model", "every", "cadence"),
    [
        ("gemini-3.8-live", None, "reply"),
        ("gemini-3.8-live-extended-thinking", None, "reply"),
        ("gemini-3.1-flash-live-preview", None, "turn"),
        ("gemini-2.5-flash-native-audio-latest", None, "withheld"),
        ("gemini-2.5-flash-native-audio-latest", "reply", "reply"),
        ("gemini-3.8-live", "turn", "turn"),
    ],
)
def test_the_model_tells_when_unless_the_scenario_does(
    model: str, every: str | None, cadence: str
) -> None:
    rules = ResumptionRules(every=every)  # type: ignore[arg-type]  # a table of strings
    assert cadence_of(rules, Model(model)) == cadence
