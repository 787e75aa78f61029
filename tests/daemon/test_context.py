"""Context that waits, and the prompt after it (section E, D1 to D4, Z12)."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto.errors import LiveHandleError
from livehandled import context as module
from livehandled.context import PendingContext, SavedContext
from livehandled.gemini import frames
from livehandled.gemini.content import Content, FunctionCall, Part, text_content
from livehandled.gemini.models import traits_of
from livehandled.session.outbox import Message


class Wire:
    """What has been sent; it refuses where `full`."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.full = False

    def put(self, *messages: Message) -> None:
        if self.full:
            raise LiveHandleError("session.queue_full", "Full.")
        self.messages += messages

    @property
    def frames(self) -> list[bytes]:
        return [message.frame for message in self.messages]

    @property
    def contents(self) -> list[Any]:
        # Proto JSON leaves a false out.
        read = [json.loads(frame)["clientContent"] for frame in self.frames]
        return [{"turnComplete": False} | content for content in read]


def turn(text: str) -> Content:
    return text_content(text, "model")


def sent(*texts: str, complete: bool = False) -> dict[str, object]:
    turns = [{"parts": [{"text": text}], "role": "model"} for text in texts]
    return ({"turns": turns} if turns else {}) | {"turnComplete": complete}


@pytest.fixture
def context() -> PendingContext:
    return PendingContext()


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_e1_two_turns_wait_and_are_drained_once(context: PendingContext, wire: Wire) -> None:
    assert not context
    context.extend([turn("a")])
    context.extend([turn("b")])
    assert context
    context.prompt(wire.put)
    assert wire.contents == [sent("a", "b")]
    assert not context
    context.prompt(wire.put)
    assert len(wire.frames) == 1


def test_e1_three_turns_at_once_are_three(context: PendingContext) -> None:
    context.extend([turn("a"), turn("b"), turn("c")])
    assert context.turns == (turn("a"), turn("b"), turn("c"))


def test_e1_an_armed_prompt_alone_waits_too_and_is_sent_once(
    context: PendingContext, wire: Wire
) -> None:
    context.prompt_armed = True
    assert context
    context.prompt(wire.put)
    context.prompt(wire.put)
    assert wire.contents == [sent(complete=True)]
    assert not context


@pytest.mark.parametrize(
    "message",
    [
        Message(frames.audio("AQI="), "media"),
        Message(frames.text_turn("hi", traits_of("m", "gemini")), "text"),
        Message(frames.video("/9j/"), "media"),
    ],
    ids=["audio", "text", "video"],
)
def test_e2_two_turns_go_as_one_frame_before_what_the_user_sends(
    context: PendingContext, wire: Wire, message: Message
) -> None:
    context.extend([turn("a"), turn("b")])
    context.flush(wire.put)
    wire.put(message)
    turns = (turn("a"), turn("b"))
    frame = frames.client_content(turns, turn_complete=False)
    assert wire.messages == [Message(frame, "context", turns), message]
    assert context.turns == ()


def test_e3_where_nothing_waits_nothing_is_sent(context: PendingContext, wire: Wire) -> None:
    context.flush(wire.put)
    assert wire.frames == []


def test_e4_the_prompt_stays_armed_when_the_context_goes(
    context: PendingContext, wire: Wire
) -> None:
    context.extend([turn("a")])
    context.prompt_armed = True
    context.flush(wire.put)
    assert wire.contents == [sent("a")]
    assert context.prompt_armed
    context.prompt(wire.put)
    assert wire.contents[1:] == [sent(complete=True)]


def test_d1_the_context_goes_then_the_prompt(context: PendingContext, wire: Wire) -> None:
    context.extend([turn("a")])
    context.prompt_armed = True
    context.prompt(wire.put)
    assert wire.contents == [sent("a"), sent(complete=True)]
    assert [message.kind for message in wire.messages] == ["context", "text"]
    assert not context


def test_d2_without_an_armed_prompt_only_the_context_goes(
    context: PendingContext, wire: Wire
) -> None:
    context.extend([turn("a")])
    context.prompt(wire.put)
    assert wire.contents == [sent("a")]


def test_d3_with_nothing_waiting_nothing_is_written(context: PendingContext, wire: Wire) -> None:
    context.prompt(wire.put)
    assert wire.frames == []


def test_a_prompt_that_was_disarmed_is_not_sent_and_the_context_is(
    context: PendingContext, wire: Wire
) -> None:
    context.extend([turn("a")])
    context.prompt_armed = True
    context.prompt_armed = False
    context.prompt(wire.put)
    assert wire.contents == [sent("a")]


def test_e7_z12_context_that_could_not_be_sent_waits_on_in_front(
    context: PendingContext, wire: Wire
) -> None:
    context.extend([turn("a")])
    wire.full = True
    with pytest.raises(LiveHandleError, match="Full"):
        context.flush(wire.put)
    context.extend([turn("b")])
    wire.full = False
    context.flush(wire.put)
    assert wire.contents == [sent("a", "b")]


def test_z12_a_prompt_that_could_not_be_sent_stays_armed(
    context: PendingContext, wire: Wire
) -> None:
    context.extend([turn("a")])
    context.prompt_armed = True
    wire.full = True
    with pytest.raises(LiveHandleError):
        context.prompt(wire.put)
    assert context.prompt_armed
    wire.full = False
    context.prompt(wire.put)
    assert wire.contents == [sent("a"), sent(complete=True)]


def test_clear_forgets_all(context: PendingContext, wire: Wire) -> None:
    context.extend([turn("a")])
    context.prompt_armed = True
    context.clear()
    assert not context
    context.prompt(wire.put)
    assert wire.frames == []


def test_at_most_256_turns_wait_and_those_too_many_leave_the_rest_alone(
    context: PendingContext, wire: Wire
) -> None:
    context.extend([turn(str(i)) for i in range(255)])
    with pytest.raises(LiveHandleError) as caught:
        context.extend([turn("x"), turn("y")])
    assert caught.value.name == "session.queue_full"
    assert len(context.turns) == 255
    context.extend([turn("255")])
    context.flush(wire.put)
    assert len(wire.contents[0]["turns"]) == 256
    context.extend([turn(str(i)) for i in range(256)])


def test_at_most_so_many_bytes_wait(
    context: PendingContext, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", 1000)
    context.extend([turn("a" * 700)])
    with pytest.raises(LiveHandleError) as caught:
        context.extend([turn("b" * 200)])
    assert caught.value.name == "session.queue_full"
    context.flush(wire.put)
    context.extend([turn("b" * 700)])
    context.clear()
    context.extend([turn("c" * 700)])


def test_a_turn_that_cannot_be_written_is_refused_before_it_holds_others_up(
    context: PendingContext, wire: Wire
) -> None:
    call = FunctionCall(name="f", args={"a": object()})
    context.extend([turn("a")])
    for bad in (text_content("\ud800"), Content(parts=[Part(function_call=call)], role="model")):
        with pytest.raises((TypeError, UnicodeEncodeError)):
            context.extend([bad])
    context.flush(wire.put)
    assert wire.contents == [sent("a")]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), st.lists(st.integers(0, 999), max_size=4)),
        st.tuples(st.sampled_from(["flush", "prompt", "arm", "disarm"]), st.just([])),
        st.tuples(st.just("full"), st.just([])),
    ),
    max_size=40,
)


@given(STEPS, st.data())
def test_z12_e4_d4_nothing_is_lost_doubled_or_reordered_however_often_the_way_is_full(
    steps: list[tuple[str, list[int]]], data: st.DataObject
) -> None:
    context, wire = PendingContext(), Wire()
    given_: list[str] = []
    armed, prompts = False, 0
    refusals = data.draw(st.randoms(use_true_random=False))

    def put(*messages: Message) -> None:
        wire.full = refusals.random() < 0.4
        wire.put(*messages)

    def attempt(name: str) -> bool:
        try:
            (context.flush if name == "flush" else context.prompt)(put)
        except LiveHandleError:
            return False
        return True

    for name, numbers in steps:
        match name:
            case "extend":
                given_ += map(str, numbers)
                context.extend([turn(str(n)) for n in numbers])
            case "arm" | "disarm":
                armed = context.prompt_armed = name == "arm"
            case "flush" | "prompt":
                done = attempt(name)
                if done and name == "prompt":
                    prompts += armed
                    armed = False
            case _:
                pass
        contents = wire.contents
        said = [t["parts"][0]["text"] for c in contents for t in c.get("turns", [])]
        waits = [part.text for t in context.turns for part in t.parts]
        assert said + waits == given_
        assert context.prompt_armed is armed
        assert sum(c["turnComplete"] for c in contents) == prompts
        assert all(c.get("turns") or c["turnComplete"] for c in contents)


def test_z12_what_was_sent_to_a_session_that_could_not_be_set_up_waits_in_front(
    context: PendingContext, wire: Wire
) -> None:
    context.session_opens()
    context.extend([turn("a"), turn("b")])
    context.flush(wire.put)
    context.extend([turn("c")])
    context.session_failed()
    assert context.turns == (turn("a"), turn("b"), turn("c"))
    wire.messages.clear()
    context.flush(wire.put)
    assert wire.contents == [sent("a", "b", "c")]


def test_what_was_sent_to_a_session_that_was_set_up_is_not_sent_again(
    context: PendingContext, wire: Wire
) -> None:
    context.session_opens()
    context.extend([turn("a")])
    context.flush(wire.put)
    context.session_set_up()
    context.extend([turn("b")])
    context.flush(wire.put)
    context.session_failed()
    assert context.turns == ()


contents = st.builds(
    Content,
    parts=st.lists(
        st.builds(Part, text=st.text(max_size=9))
        | st.builds(Part, function_call=st.builds(FunctionCall, name=st.text(max_size=9))),
        max_size=3,
    ),
    role=st.sampled_from([None, "user", "model"]),
)


@given(st.lists(contents, max_size=5), st.booleans())
def test_what_waits_goes_on_waiting_after_a_restart(turns: list[Content], armed: bool) -> None:
    context, following = PendingContext(), PendingContext()
    context.extend(turns)
    context.prompt_armed = armed
    file = msgspec.json.encode(context.export())
    following.restore(msgspec.json.decode(file, type=SavedContext))
    assert following.turns == context.turns
    assert following.prompt_armed is armed
    before, after = Wire(), Wire()
    context.prompt(before.put)
    following.prompt(after.put)
    assert after.frames == before.frames


def test_an_export_does_not_change_with_what_waits(context: PendingContext) -> None:
    context.extend([turn("a")])
    saved = context.export()
    context.extend([turn("b")])
    context.restore(saved)
    context.extend([turn("c")])
    assert saved.turns == [turn("a")]
    assert context.turns == (turn("a"), turn("c"))


def test_what_waited_is_restored_even_where_it_is_more_than_may_be_added(
    context: PendingContext, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_TURNS", 1)
    context.session_opens()
    for text in ("a", "b"):
        context.extend([turn(text)])
        context.flush(wire.put)
    context.session_failed()
    following = PendingContext()
    following.restore(context.export())
    assert following.turns == (turn("a"), turn("b"))
    with pytest.raises(LiveHandleError):
        following.extend([turn("c")])
