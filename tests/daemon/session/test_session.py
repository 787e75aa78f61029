"""One session over several connections: what ends with one, and what goes on with the next."""

import json
from collections.abc import Sequence
from typing import Literal

import pytest

from livehandle_proto import topics as t
from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.values import FunctionCall
from livehandled.gemini.closing import meaning_of_close
from livehandled.gemini.content import text_content
from livehandled.session.handles import Kept
from livehandled.session.outbox import Message
from livehandled.session.resumption import TakenUp, Way, late_result
from livehandled.session.session import close_of
from support.parts import (
    CHUNK,
    GENERATED,
    INTERRUPTED,
    SPEECH_BEGAN,
    TURN_COMPLETE,
    Json,
    Parts,
    calls,
    heard,
    loud,
    quiet,
    said,
    speech,
    text,
)

BROKEN = meaning_of_close(1006, "", False)
LATE = (
    'text The connection was lost while the function f was running with {"n":1}. '
    'It has returned: {"a":1}'
)
LEGACY = "gemini-3.1-flash-live-preview"
WITH_BLOCKING: Json = {"tools": [{"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}]}


def handle(name: str = "rh-1") -> Json:
    return {"sessionResumptionUpdate": {"newHandle": name, "resumable": True}}


def answer(call_id: str = "c1", scheduling: Literal["SILENT"] | None = None) -> ToolAnswer:
    return ToolAnswer(id=call_id, name="f", response={"a": 1}, scheduling=scheduling)


def unknown() -> "pytest.RaisesExc[LiveHandleError]":
    return pytest.RaisesExc(LiveHandleError, check=lambda e: e.name == "tools.unknown_call")


def turns(parts: Parts) -> list[tuple[int, str | None]]:
    """Return the turns that ended, with their reasons."""
    data = parts.data("session.turn_complete")
    return [(turn.turn, turn.reason) for turn in data if isinstance(turn, t.TurnComplete)]


def resumed(parts: Parts) -> t.Resumed:
    """Return what was told of the newest connection."""
    told = parts.data("session.resumed")[-1]
    assert isinstance(told, t.Resumed)
    return told


def again(parts: Parts, error: LiveHandleError | None = BROKEN, gap_s: float = 0.0) -> list[str]:
    """Lose the connection, go on with another, and return what that one is sent."""
    parts.lose(error)
    parts.now += gap_s
    parts.resume()
    return parts.write()


# What ends with a connection.


def test_a_reply_that_was_under_way_ends_its_turn_as_reconnected() -> None:
    parts = Parts()
    parts.writer.send_text("Hi")
    parts.write()
    parts.hear(text("Hel"))
    parts.forget()
    parts.lose(BROKEN)
    assert turns(parts) == [(0, "reconnected")]
    assert parts.told("session") == [
        "session.text_complete",
        "session.turn_complete",
        "session.phase_changed",
    ]
    shown = parts.underlying.describe()
    assert (shown.phase, shown.turns, shown.current_turn) == ("disconnected", 1, None)
    assert [turn.model for turn in parts.transcript.window(9)] == ["Hel"]
    assert shown.last_close == v.Close(code=1006, reason="")


def test_a_typed_turn_without_an_answer_stays_open_and_is_answered_after() -> None:
    parts = Parts()
    parts.writer.send_text("Hi")
    parts.write()
    parts.forget()
    parts.lose(BROKEN)
    assert turns(parts) == []
    assert parts.underlying.describe().current_turn == 0
    parts.resume()
    assert parts.write() == ["text Hi"]
    parts.hear(text("Hello."), TURN_COMPLETE)
    assert turns(parts) == [(0, None)]
    [turn] = parts.transcript.window(9)
    assert (turn.user, turn.model) == ("Hi", "Hello.")


def test_the_users_context_that_is_sent_again_is_not_told_as_a_finished_turn_too() -> None:
    parts = Parts()
    parts.hear(handle())
    user: Json = {"role": "user", "parts": [{"text": "u"}]}
    parts.writer.send_client_content([user], turn_complete=False)
    assert parts.write() == ["context u"]
    assert again(parts) == ["context u"]
    assert parts.transcript.window(9) == []


def test_speech_that_the_service_heard_and_no_reply_to_ends_with_the_connection() -> None:
    parts = Parts()
    parts.hear(SPEECH_BEGAN, heard("Hi"))
    parts.lose(BROKEN)
    assert turns(parts) == [(0, "reconnected")]
    assert not parts.voice.state.user_speaking
    assert parts.told("live.vad") == ["live.vad_start", "live.vad_end"]
    parts.resume()
    assert parts.session.conversation.phase == "active"


def test_speech_that_is_heard_here_goes_on_over_the_gap() -> None:
    parts = Parts()
    parts.mic(*loud("ab"))
    parts.lose(BROKEN)
    assert parts.voice.state.user_speaking
    parts.mic(*loud("c"))
    parts.resume()
    phases = [parts.session.conversation.phase]
    parts.mic(*quiet("d"))
    phases.append(parts.session.conversation.phase)
    assert phases == ["user_speaking", "active"]
    assert parts.told("live.vad") == ["live.vad_start", "live.vad_end"]


def test_nothing_is_told_of_a_turn_where_none_was_open() -> None:
    parts = Parts()
    parts.hear(text("Hi"), TURN_COMPLETE)
    parts.forget()
    parts.lose()
    assert parts.told("session", "live") == ["session.phase_changed"]


def test_open_calls_are_cancelled_for_the_clients() -> None:
    parts = Parts()
    parts.hear(calls("c1", "c2"))
    parts.forget()
    parts.lose(BROKEN)
    assert parts.data("session.tool_call_cancelled") == [t.CallIds(ids=["c1", "c2"])]
    assert parts.told("live.tool_cancelled") == ["live.tool_cancelled"]
    assert parts.session.conversation.open_calls == {}


# Calls that were lost.


@pytest.mark.parametrize("moment", ["in the gap", "after it"])
def test_the_late_result_of_a_lost_call_is_told_as_text_once(moment: str) -> None:
    parts = Parts()
    parts.hear(calls("c1"))
    parts.lose(BROKEN)
    if moment == "after it":
        parts.resume()
    parts.writer.send_tool_response([answer()])
    assert parts.told("live.tool_execution") == ["live.tool_execution"]
    if moment == "in the gap":
        parts.resume()
    assert parts.write() == [LATE]
    with unknown():
        parts.writer.send_tool_response([answer()])
    assert parts.write() == []


def test_a_silent_late_result_asks_for_no_reply() -> None:
    parts = Parts()
    parts.hear(calls("c1"))
    parts.lose(BROKEN)
    parts.resume()
    parts.writer.send_tool_response([answer(scheduling="SILENT")])
    assert parts.write() == [LATE.replace("text", "context", 1)]


def test_a_call_that_is_open_is_answered_and_a_lost_one_told_in_the_same_breath() -> None:
    parts = Parts()
    parts.hear(calls("c1"))
    parts.lose(BROKEN)
    parts.resume()
    parts.hear(calls("c2"))
    parts.writer.send_tool_response([answer("c1"), answer("c2")])
    assert parts.write() == ["tool c2", LATE]


def test_a_call_that_the_service_cancels_later_is_not_waited_for() -> None:
    parts = Parts()
    parts.hear(calls("c1"))
    parts.lose(BROKEN)
    parts.resume()
    parts.hear({"toolCallCancellation": {"ids": ["c1"]}})
    with unknown():
        parts.writer.send_tool_response([answer()])


@pytest.mark.parametrize("written", [False, True])
def test_an_answer_that_may_not_have_arrived_is_told_as_text(written: bool) -> None:
    parts = Parts()
    parts.hear(calls("c1"))
    parts.writer.send_tool_response([answer()])
    if written:
        assert parts.write() == ["tool c1"]
    assert again(parts) == [LATE]
    current = parts.transcript.current
    assert current is not None
    assert [use.name for use in current.tool_calls] == ["f"]  # once
    assert parts.told("live.tool_execution") == ["live.tool_execution"]
    with unknown():
        parts.writer.send_tool_response([answer()])


def test_answers_that_may_not_have_arrived_are_told_in_their_order() -> None:
    parts = Parts()
    parts.hear(calls("c1"))
    parts.writer.send_tool_response([answer()])
    parts.write()
    parts.hear({"toolCall": {"functionCalls": [{"id": "c2", "name": "g", "args": {}}]}})
    parts.writer.send_tool_response([ToolAnswer(id="c2", name="g", response={"a": 2})])
    first, second = again(parts)
    assert first == LATE
    assert "the function g" in second


def test_an_answer_that_a_handle_covers_is_not_told_again() -> None:
    parts = Parts()
    parts.hear(calls("c1"))
    parts.writer.send_tool_response([answer()])
    parts.write()
    parts.hear(speech(0.1), TURN_COMPLETE, handle())
    assert again(parts) == []


def test_what_came_of_a_call_is_told_in_words() -> None:
    call = FunctionCall(id="c", name="weather", args={"city": "Zürich"})
    result = ToolAnswer(id="c", name="weather", response="mild")
    assert late_result(call, result) == (
        "The connection was lost while the function weather was running with "
        '{"city":"Zürich"}. It has returned: "mild"'
    )


# What is sent again.


def test_what_was_not_covered_goes_again_and_before_what_came_in_the_gap() -> None:
    parts = Parts()
    parts.hear(handle())
    parts.writer.send_text("one")
    parts.queue("context")
    parts.context.flush(parts.session.put)
    parts.write()
    parts.writer.send_text("two")
    parts.lose(BROKEN)
    parts.writer.send_text("three")
    assert parts.resume().restored == "handle"
    assert parts.write() == ["context context", "text one", "text two", "text three"]


def test_what_a_handle_covers_is_not_sent_again() -> None:
    parts = Parts()
    parts.queue("a")
    parts.writer.send_text("one")
    parts.write()
    parts.hear(text("Hi"), TURN_COMPLETE, handle())
    assert again(parts) == []
    assert resumed(parts).restored == "handle"


def two_texts_in_a_turn_that_is_over(model: str = "gemini-3.8-live") -> Parts:
    """Return a session in which the second came before the reply to the first began."""
    parts = Parts(model=model)
    parts.hear(handle())
    parts.writer.send_text("one")
    parts.write()
    parts.writer.send_text("two")
    parts.hear(INTERRUPTED, TURN_COMPLETE)
    return parts


def test_a_reply_that_is_owed_is_asked_for_and_the_text_told_and_not_sent_again() -> None:
    parts = two_texts_in_a_turn_that_is_over()
    for _ in range(2):  # as long as nothing has come of it
        assert again(parts) == ["context one\ntwo", "prompt"]
    parts.hear(text("Yes?"), TURN_COMPLETE)
    assert again(parts) == ["context one\ntwo|Yes?"]


def test_a_reply_that_is_owed_is_not_asked_for_beside_a_text_that_asks_for_one() -> None:
    parts = two_texts_in_a_turn_that_is_over()
    parts.lose(BROKEN)
    parts.writer.send_text("three")
    parts.resume()
    assert parts.write() == ["context one\ntwo", "text three"]


def test_a_reply_is_asked_for_behind_the_context_that_was_given_before() -> None:
    parts = two_texts_in_a_turn_that_is_over()
    parts.queue("Ann calls.")
    parts.context.flush(parts.session.put)
    assert again(parts) == ["context one\ntwo", "context Ann calls.", "prompt"]


def test_a_model_that_takes_no_turns_later_is_asked_in_its_own_way() -> None:
    parts = two_texts_in_a_turn_that_is_over(LEGACY)
    parts.lose(BROKEN)
    parts.resume()
    _history, asks = [m.frame for m in iter(lambda: parts.outbox.take(parts.now), None)]
    assert json.loads(asks) == {"realtimeInput": {"text": " "}}


def test_what_the_policy_fresh_forgets_is_not_owed_but_what_was_not_heard_is_sent() -> None:
    parts = Parts(policy="fresh")
    parts.writer.send_text("one")
    parts.write()
    parts.hear(text("Hi"), TURN_COMPLETE)
    parts.writer.send_text("two")
    parts.outbox.take(parts.now)
    assert again(parts) == []
    parts = Parts(policy="fresh")
    parts.writer.send_text("one")
    parts.write()
    assert again(parts) == ["text one"]


def test_turns_after_the_newest_handle_are_told_as_history() -> None:
    parts = Parts()
    for words in ("one", "two", "three"):
        parts.writer.send_text(words)
        parts.write()
        parts.hear(text(words.upper()))
        if words != "three":
            parts.hear(TURN_COMPLETE)
        if words == "one":
            parts.hear(handle())
    assert again(parts) == ["context two|TWO|three|THREE"]


@pytest.mark.parametrize(
    ("before", "after", "covers"),
    [
        ([], [], True),
        (["text"], [], False),  # it waits for its reply
        (["text", "reply"], ["end"], False),  # it came in the middle
        (["text", "reply", "end"], [], True),
        (["text", "reply", "text", "end"], [], False),  # the second may have come too late
        (["text", "reply", "end", "context"], [], False),
        (["reply", "context", "end"], [], True),
        (["call"], ["end"], False),
        (["call", "answer", "end"], [], True),
    ],
)
def test_a_handle_is_kept_where_nobody_can_doubt_what_it_covers(
    before: Sequence[str], after: Sequence[str], covers: bool
) -> None:
    parts = Parts()
    parts.hear(handle("old"))

    def play(step: str) -> None:
        match step:
            case "text":
                parts.writer.send_text("one")
            case "context":
                parts.queue("context")
                parts.context.flush(parts.session.put)
            case "answer":
                parts.writer.send_tool_response([answer()])
            case "call":
                parts.hear(calls("c1"))
            case _:
                parts.hear({"reply": text("Hi"), "end": TURN_COMPLETE}[step])
        parts.write()

    for step in before:
        play(step)
    parts.hear(handle("new"))
    for step in after:
        play(step)
    kept = parts.session.resumption.handles.kept
    assert kept is not None
    assert kept.handle == ("new" if covers else "old")
    assert set(parts.session.resumption.handles.known) == {"new", "old"} - (
        {"old"} if covers else set()
    )


def test_where_the_service_tells_how_far_it_has_come_its_handle_is_kept() -> None:
    parts = Parts()
    parts.queue("context")
    parts.context.flush(parts.session.put)
    parts.write()
    update = handle("new")["sessionResumptionUpdate"]
    assert isinstance(update, dict)
    for index, kept in (("0", None), ("1", "new")):
        parts.hear({"sessionResumptionUpdate": update | {"lastConsumedClientMessageIndex": index}})
        found = parts.session.resumption.handles.kept
        assert (found and found.handle) == kept


def test_a_handle_older_than_what_is_kept_of_the_talk_is_not_used() -> None:
    parts = Parts()
    parts.hear(handle())
    for number in range(51):
        parts.hear(heard(str(number)), text("Hm"), TURN_COMPLETE)
    parts.lose(BROKEN)
    assert parts.resume().restored == "reseeded"
    assert resumed(parts).reason == "more was said since the handle came than is kept"
    parts.lose(BROKEN)
    assert parts.resume().restored == "reseeded"  # it is the handle of another session now


def test_a_text_that_may_not_have_the_next_reply_is_not_taken_for_answered_by_it() -> None:
    def answered(*before: str) -> bool:
        parts = Parts()
        for step in before:
            match step:
                case "text":
                    parts.writer.send_text("before")
                    parts.write_unread()
                case "call":
                    parts.hear(calls("c1"), TURN_COMPLETE)
                case _:
                    parts.writer.send_audio(bytes(CHUNK))
                    parts.now += 1.9
        parts.writer.send_text("one")
        parts.write_unread()
        parts.hear(text("Hi"))
        return parts.session.resumption.ledger.settled

    assert answered()
    for before in ("text", "call", "sound"):
        assert not answered(before), before


def test_context_of_any_length_is_told_with_a_handle() -> None:
    parts = Parts()
    parts.hear(handle())
    parts.queue("y" * 60_000)
    parts.context.flush(parts.session.put)
    parts.write()
    [told] = again(parts)
    assert resumed(parts).restored == "handle"
    assert told.count("y") == 60_000


def test_of_a_turn_too_long_to_be_told_anew_its_end_is() -> None:
    parts = Parts(policy="reseed")
    parts.hear(heard("Go on."), text("y" * 60_000), TURN_COMPLETE)
    [told] = again(parts)
    assert resumed(parts).restored == "reseeded"
    assert told.count("y") == 47_999


def test_what_the_user_said_aloud_beside_a_typed_text_is_told_too() -> None:
    parts = Parts()
    parts.hear(handle(), heard("My number is 42."))
    parts.writer.send_text("one")
    parts.write()
    for _ in range(2):
        assert again(parts) == ["context My number is 42.", "text one"]


def test_a_text_that_is_given_up_leaves_no_turn_open() -> None:
    parts = Parts()
    parts.writer.send_text("poison")
    for times in (1, 2):
        parts.write_unread()
        assert parts.session.suspect() is (times == 2)
        parts.lose(BROKEN)
        parts.resume()
    assert not parts.session.conversation.turn_open
    assert turns(parts) == [(0, "reconnected")]
    assert parts.data("session.error") != []


@pytest.mark.parametrize("policy", ["handle", "reseed"])
def test_a_text_that_is_given_up_is_not_told_by_the_history_either(policy: str) -> None:
    parts = Parts(policy=policy)  # type: ignore[arg-type]  # one of the three
    parts.hear(heard("Hi"), text("Hello."), TURN_COMPLETE, handle())
    parts.hear(heard("My number is 42."))
    parts.writer.send_text("poison")
    for _ in (1, 2):
        parts.write_unread()
        parts.session.suspect()
        parts.lose(BROKEN)
        parts.resume()
    told = str(parts.write())
    assert "poison" not in told
    assert "My number is 42." in told


def test_a_turn_that_was_being_cut_off_when_the_connection_broke_opens_no_other() -> None:
    parts = Parts()
    parts.hear(text("Hi"), INTERRUPTED)
    parts.lose(BROKEN)
    parts.resume()
    parts.hear(text("Hi"), TURN_COMPLETE)
    assert not parts.session.conversation.turn_open


def test_a_model_whose_history_must_not_end_with_its_own_words_is_told_that_it_goes_on() -> None:
    parts = Parts(model="gemini-2.5-flash-live")
    parts.hear(handle(), heard("Hi"), text("Hello."), TURN_COMPLETE)
    [told] = again(parts)
    assert told.startswith("context Hi|Hello.|(The connection was renewed.")


def test_a_model_that_takes_no_turns_later_begins_anew_where_its_handle_does_not_cover_all() -> (
    None
):
    parts = Parts(model=LEGACY)
    parts.hear(handle())
    parts.hear(heard("one"), said("two"), TURN_COMPLETE)
    assert again(parts) == ["text one|two"]
    assert resumed(parts).restored == "reseeded"
    parts.hear(heard("three"), said("four"), TURN_COMPLETE, handle("another"))
    assert again(parts) == []
    assert resumed(parts).restored == "handle"


def test_marks_and_instructions_of_a_lost_connection_are_not_sent_by_the_next() -> None:
    parts = Parts(authority="client")
    parts.lose(BROKEN)
    parts.writer.signal_activity_start()
    parts.writer.signal_activity_end()
    parts.writer.update_instruction("Be brief.")
    parts.lose(BROKEN)  # as one that was set up and is gone at once
    parts.resume()
    assert parts.write() == []
    assert parts.session.instruction == "Be brief."


def test_z3_an_activity_that_goes_on_begins_anew_behind_what_is_sent_again() -> None:
    parts = Parts(authority="client")
    parts.writer.send_text("one")
    parts.mic(*loud("a"))
    assert parts.write() == ["text one", "start", "audio a"]
    parts.lose(BROKEN)
    parts.resume()
    parts.mic(*loud("b"), *quiet("c"))
    assert parts.write() == ["text one", "start", "audio b", "audio c", "end"]


def test_z3_an_activity_that_ended_in_the_gap_is_not_marked() -> None:
    parts = Parts(authority="client", media_s=0.01)
    parts.mic(*loud("a"))
    parts.write()
    parts.lose(BROKEN)
    parts.mic(*quiet("b"))
    parts.resume()
    assert not parts.voice.state.activity_open
    assert "start" not in parts.write()


# How it is taken up.


@pytest.mark.parametrize("model", ["gemini-3.8-live", "gemini-2.5-flash-live"])
def test_without_a_handle_the_history_is_told(model: str) -> None:
    parts = Parts(model=model)
    parts.queue("Ann calls.")
    parts.writer.send_text("Hi")
    parts.write()
    parts.hear(text("Hello."), TURN_COMPLETE)
    [seed] = again(parts)
    assert seed.split("|")[:3] == [
        ("text" if model == "gemini-3.8-live" else "context") + " Ann calls.",
        "Hi",
        "Hello.",
    ]
    assert resumed(parts).restored == "reseeded"
    assert resumed(parts).reason == "the service has given no handle yet"


def test_what_was_told_of_a_history_is_told_again_the_next_time() -> None:
    parts = Parts(policy="reseed")
    parts.queue("Ann calls.")
    parts.writer.send_text("Hi")
    parts.write()
    parts.hear(text("Hello."), TURN_COMPLETE)
    first = again(parts)
    assert again(parts) == first


@pytest.mark.parametrize(
    ("policy", "restored", "reason"),
    [
        ("handle", "handle", None),
        ("reseed", "reseeded", "resumption.policy is reseed"),
        ("fresh", "fresh", "resumption.policy is fresh"),
    ],
)
def test_the_policy_decides_how(policy: str, restored: str, reason: str | None) -> None:
    parts = Parts(policy=policy)  # type: ignore[arg-type]  # one of the three
    parts.hear(heard("Hi"), text("Hello."), TURN_COMPLETE, handle())
    sent = again(parts)
    assert (resumed(parts).restored, resumed(parts).reason) == (restored, reason)
    assert sent == (["text Hi|Hello."] if policy == "reseed" else [])


def test_a_session_in_which_nothing_was_said_begins_afresh_and_is_greeted_again() -> None:
    parts = Parts(greeting="Say hello.")
    assert again(parts) == ["text Say hello."]
    assert resumed(parts).restored == "fresh"


def test_a_greeting_that_waits_is_not_doubled() -> None:
    parts = Parts(policy="fresh", greeting="Say hello.")
    parts.writer.send_text("one")
    parts.write()
    assert again(parts) == ["text one"]


@pytest.mark.parametrize("policy", ["handle", "reseed"])
def test_a_session_that_goes_on_is_not_greeted_again(policy: str) -> None:
    parts = Parts(policy=policy, greeting="Say hello.")  # type: ignore[arg-type]  # of the three
    parts.hear(text("Hello."), TURN_COMPLETE, handle())
    assert "Say hello." not in "".join(again(parts))


def test_a_handle_too_old_is_not_used() -> None:
    parts = Parts()
    parts.hear(text("Hello."), TURN_COMPLETE, handle())
    parts.lose(BROKEN)
    parts.now += 2 * 3600 + 1
    assert parts.resume().restored == "reseeded"
    assert resumed(parts).reason == "the handle is older than 2 hours"


def test_the_validity_of_a_handle_counts_from_the_end_of_its_connection() -> None:
    parts = Parts()
    parts.hear(text("Hello."), TURN_COMPLETE, handle())
    parts.now += 2 * 3600 + 1
    parts.lose(BROKEN)
    assert parts.resume().restored == "handle"


# What is told of it.


def test_a_resume_tells_the_gap_and_what_was_lost_in_it() -> None:
    parts = Parts(media_s=1.0)
    parts.hear(text("Hello."), TURN_COMPLETE, handle())
    parts.lose(BROKEN)
    parts.session.reconnecting(1, 0.5, "why")
    assert parts.data("session.reconnecting") == [
        t.Reconnecting(attempt=1, delay_ms=500, cause="why")
    ]
    parts.writer.send_audio(b"\x00a\x00\x00")
    parts.writer.send_audio(b"\x00b\x00\x00")
    parts.now += 1.5
    parts.writer.send_audio(b"\x00c\x00\x00")
    parts.resume()
    assert resumed(parts) == t.Resumed(restored="handle", reason=None, gap_ms=1500, lost=2)
    assert parts.told("live.res", "live.rec") == ["live.reconnecting", "live.resumed"]
    assert parts.write() == ["audio c"]
    assert parts.underlying.describe().reconnects == 1


def test_media_that_was_lost_before_the_gap_is_not_counted_in_it() -> None:
    parts = Parts(media_s=1.0)
    parts.writer.send_audio(b"\x00a\x00\x00")
    parts.now += 2.0
    parts.write()
    assert parts.outbox.dropped == 1
    again(parts)
    assert resumed(parts).lost == 0


def test_the_session_keeps_its_id_and_is_connected_once() -> None:
    parts = Parts()
    again(parts)
    assert parts.underlying.describe().session_id == "s-1"
    assert parts.told("session.connected") == []
    assert parts.told("session.resumed") == ["session.resumed"]


def test_the_state_of_the_connection_is_shown() -> None:
    parts = Parts(set_up=False)

    def state() -> tuple[str, int] | None:
        shown = parts.underlying.describe().connection
        return None if shown is None else (shown.state, shown.generation)

    seen = [state()]
    parts.session.handshaking()
    seen.append(state())
    parts.open()  # another, for the setup by hand
    parts.session.begin()
    seen.append(state())
    parts.lose(BROKEN)
    seen.append(state())
    parts.session.connecting()
    seen.append(state())
    parts.session.refused(BROKEN)
    parts.session.reconnecting(1, 1.0, "why")
    seen.append(state())
    parts.session.end()
    seen.append(state())
    assert seen == [
        ("connecting", 0),
        ("handshaking", 0),
        ("ready", 1),
        ("reconnecting", 1),
        ("connecting", 1),
        ("reconnecting", 1),
        ("failed", 1),
    ]


def test_a_text_that_another_took_the_reply_from_is_owed_nothing() -> None:
    parts = Parts()
    parts.hear(handle())
    parts.writer.send_text("A question.")
    parts.write_unread()
    parts.writer.send_text("Never mind.")
    parts.write_unread()
    parts.hear(INTERRUPTED, TURN_COMPLETE, text("All right."))
    assert again(parts) == ["context A question.\nNever mind.|All right."]


def test_from_the_loss_until_the_next_setup_it_shows_what_is_tried_and_why() -> None:
    parts = Parts()

    def shown() -> tuple[int | None, int | None, str | None]:
        connection = parts.underlying.describe().connection
        assert connection is not None
        return connection.attempt, connection.retry_in_ms, connection.cause

    seen = [shown()]
    parts.lose(BROKEN)
    parts.session.reconnecting(3, 1.5, "why")
    parts.now += 1.0
    seen.append(shown())
    parts.now += 1.0
    seen.append(shown())
    parts.resume()
    seen.append(shown())
    assert seen == [(None, None, None), (3, 500, "why"), (3, 0, "why"), (None, None, None)]


@pytest.mark.anyio
@pytest.mark.parametrize("reason", ["disconnected", "stopped"])
async def test_after_a_session_that_was_stopped_there_is_no_connection(
    reason: str,
) -> None:
    parts = Parts()
    parts.session.stop("disconnected")
    parts.session.end(v.Ended(reason=reason))  # type: ignore[arg-type]  # one of Ended's
    assert parts.underlying.describe().connection is None


@pytest.mark.anyio
@pytest.mark.parametrize("moment", ["lost", "refused"])
async def test_a_stop_between_two_connections_is_no_fault(moment: str) -> None:
    parts = Parts()
    parts.lose(BROKEN)
    if moment == "refused":
        parts.session.connecting()
        parts.session.refused(BROKEN)
    parts.forget()
    parts.session.stop("disconnected")
    assert parts.session.scope.cancel_called
    parts.session.end(v.Ended(reason="disconnected"))
    assert parts.told("session.phase", "session.disc") == ["session.disconnected"]


# What is sent in the gap.


def test_sends_in_the_gap_are_taken_and_bounded() -> None:
    parts = Parts(limit=2)
    parts.lose(BROKEN)
    parts.writer.send_text("one")
    parts.writer.send_text("two")
    with pytest.RaisesExc(LiveHandleError, check=lambda e: e.name == "session.queue_full"):
        parts.writer.send_text("three")
    parts.resume()
    assert parts.write() == ["text one", "text two"]


def test_an_instruction_of_the_gap_is_in_the_next_setup_and_not_said_again() -> None:
    parts = Parts()
    parts.lose(BROKEN)
    parts.writer.update_instruction("Be brief.")
    parts.resume()
    assert parts.session.instruction == "Be brief."
    assert parts.write() == []


def test_an_instruction_that_came_while_the_setup_was_under_way_keeps_its_place() -> None:
    parts = Parts()
    parts.hear(handle())
    parts.lose(BROKEN)
    parts.writer.send_text("one")
    parts.session.connecting()
    way = parts.session.resumption.way(first=False)
    parts.session.handshaking()
    parts.writer.update_instruction("Be brief.")
    parts.writer.send_text("two")
    parts.session.begin_as(way)
    assert parts.write() == ["text one", "instruction", "text two"]


def test_an_instruction_for_which_there_is_no_room_is_not_the_sessions() -> None:
    parts = Parts(limit=1)
    parts.fill()
    with pytest.raises(LiveHandleError):
        parts.writer.update_instruction("Be brief.")
    assert parts.session.instruction is None


# What the service says a second time.


def after_a_spoken_turn() -> Parts:
    parts = Parts()
    parts.hear(heard("Hi "), heard("there"), said("Hel"), said("lo."), TURN_COMPLETE, handle())
    parts.lose()
    parts.resume()
    parts.forget()
    return parts


def transcripts(parts: Parts) -> list[str]:
    data = [event.data for event in parts.heard if event.topic.startswith("session.")]
    return [one.text for one in data if isinstance(one, t.TranscriptDelta)]


def test_deltas_that_are_repeated_are_not_doubled() -> None:
    parts = after_a_spoken_turn()
    parts.hear(heard("Hi "), heard("there"), said("Hello."))
    assert transcripts(parts) == []
    parts.hear(said(" And more"))
    assert transcripts(parts) == [" And more"]


@pytest.mark.parametrize(
    "ends",
    [[TURN_COMPLETE], [INTERRUPTED], [speech(0.1)], [heard("Hi you")], [heard("else")]],
)
def test_what_only_looked_like_a_repeat_is_told(ends: Sequence[Json]) -> None:
    parts = after_a_spoken_turn()
    parts.hear(heard("Hi "))
    assert transcripts(parts) == []
    assert parts.looks_of_session > 0
    parts.hear(*ends)
    assert transcripts(parts)[0] == "Hi "


def test_what_the_user_is_heard_to_say_again_is_no_repeat() -> None:
    parts = after_a_spoken_turn()
    parts.hear(heard("Hi "), SPEECH_BEGAN)
    assert transcripts(parts) == ["Hi "]
    parts.hear(heard("Hi "), heard("there"))
    assert transcripts(parts) == ["Hi ", "Hi ", "there"]


def test_a_reply_that_begins_like_the_last_one_is_no_repeat() -> None:
    parts = after_a_spoken_turn()
    parts.hear(speech(0.1), said("Hello."), said(" Again"))
    assert transcripts(parts) == ["Hello.", " Again"]


def test_what_may_be_a_repeat_is_not_held_for_long() -> None:
    parts = after_a_spoken_turn()
    deadlines = [parts.session.deadline]
    parts.hear(heard("Hi "))
    deadlines.append(parts.session.deadline)
    parts.session.due(parts.now + 4.9)
    assert transcripts(parts) == []
    parts.session.due(parts.now + 5.0)
    assert transcripts(parts) == ["Hi "]
    deadlines.append(parts.session.deadline)
    assert deadlines == [None, parts.now + 5.0, None]


def test_what_was_held_is_told_before_the_connection_is_gone() -> None:
    parts = after_a_spoken_turn()
    parts.hear(heard("Hi "))
    parts.lose(BROKEN)
    assert transcripts(parts) == ["Hi "]


# Audio during a call.


@pytest.mark.parametrize(
    ("policy", "sent", "dropped"),
    [
        ("drop", ["tool c1", "audio c"], 2),
        ("buffer", ["tool c1", "audio a", "audio b", "audio c"], 0),
    ],
)
def test_audio_during_a_blocking_call_is_dropped_or_buffered_and_that_is_told(
    policy: str, sent: list[str], dropped: int
) -> None:
    model = {"drop": "gemini-2.5-flash-native-audio", "buffer": LEGACY}[policy]
    parts = Parts(model=model, setup=WITH_BLOCKING)
    parts.hear(calls("c1"))
    parts.mic(*loud("ab"))
    assert parts.sent() == []
    parts.writer.send_tool_response([answer()])
    parts.mic(*loud("c"))
    assert parts.sent() == sent
    assert parts.outbox.dropped == dropped
    held: list[t.AudioHeld] = [
        e for e in parts.data("session.audio_held") if isinstance(e, t.AudioHeld)
    ]
    assert [(e.policy, e.held, e.frames) for e in held] == [(policy, True, 0), (policy, False, 2)]


@pytest.mark.parametrize(
    ("model", "behavior"),
    [("gemini-3.8-live", "BLOCKING"), ("gemini-2.5-flash-native-audio", "NON_BLOCKING")],
)
def test_audio_passes_where_nothing_would_come_of_it(model: str, behavior: str) -> None:
    setup: Json = {"tools": [{"functionDeclarations": [{"name": "f", "behavior": behavior}]}]}
    parts = Parts(model=model, setup=setup)
    parts.hear(calls("c1"))
    parts.mic(*loud("a"))
    assert parts.sent() == ["audio a"]
    assert parts.told("session.audio_held") == []


@pytest.mark.parametrize("end", ["cancelled", "lost"])
def test_audio_passes_again_when_the_call_is_over_without_an_answer(end: str) -> None:
    parts = Parts(model=LEGACY, setup=WITH_BLOCKING)
    parts.hear(calls("c1"))
    parts.mic(*loud("a"))
    if end == "cancelled":
        parts.hear({"toolCallCancellation": {"ids": ["c1"]}})
    else:
        parts.lose(BROKEN)
        parts.resume()
    parts.mic(*loud("b"))
    assert parts.sent() == ["audio a", "audio b"]
    assert len(parts.told("session.audio_held")) == 2


# What stands against a rotation.


@pytest.mark.parametrize("cause", ["context", "instruction", "nothing"])
def test_a_reply_that_context_cuts_off_leaves_no_turn_open(cause: str) -> None:
    parts = Parts(model="gemini-2.5-flash-live")
    parts.hear(text("Hi"))
    if cause == "context":
        parts.queue("Ann calls.")
        parts.context.flush(parts.session.put)
    elif cause == "instruction":
        parts.writer.update_instruction("Be brief.")
    parts.write()
    parts.hear(INTERRUPTED, TURN_COMPLETE)
    assert parts.session.conversation.turn_open is (cause == "nothing")


def test_a_boundary_is_where_nobody_speaks_nothing_is_asked_and_nothing_on_its_way() -> None:
    parts = Parts()
    seen: list[bool] = []

    def look() -> None:
        seen.append(parts.session.quiet().boundary)

    look()
    parts.writer.send_text("Hi")
    look()  # it waits
    parts.outbox.take(parts.now)
    look()  # the turn is open
    parts.hear(text("Hello."), TURN_COMPLETE)
    look()
    parts.hear(calls("c1"), TURN_COMPLETE)
    look()
    parts.writer.send_tool_response([answer()])
    parts.write()
    look()
    parts.hear(SPEECH_BEGAN)
    look()
    assert seen == [True, False, False, True, False, True, False]


def test_what_is_written_and_may_not_have_been_read_stands_against_it() -> None:
    parts = Parts()
    parts.session.put(Message(b"{}", "context", [text_content("a", "model")]))
    message = parts.outbox.take(parts.now)
    assert message is not None
    parts.session.resumption.ledger.wrote(message, 1)
    assert not parts.session.quiet().boundary
    parts.session.resumption.ledger.read(1, parts.now)
    assert parts.session.quiet().boundary


def test_the_instants_of_the_last_turn_and_the_newest_handle_are_known() -> None:
    parts = Parts()
    parts.hear(text("Hi"))
    parts.now = 200.0
    parts.hear(TURN_COMPLETE)
    parts.now = 201.0
    parts.hear(handle())
    quiet_ = parts.session.quiet()
    assert (quiet_.turn_ended_at, quiet_.handle_at, quiet_.wants_handle) == (200.0, 201.0, True)
    assert not Parts(policy="reseed").session.quiet().wants_handle


def test_a_reply_whose_words_trail_behind_it_is_complete() -> None:
    parts = Parts()
    parts.hear(speech(1), GENERATED, said("Hello."))
    assert not parts.session.conversation.generating


# Of an earlier daemon.


def test_a_session_that_is_taken_up_goes_on_where_it_was() -> None:
    kept = Kept(
        handle="rh-1",
        model="gemini-3.8-live",
        backend="gemini",
        fingerprint=Parts().session.plan.credentials.fingerprint,
        at_ms=0,
    )
    before = TakenUp(
        session_id="s-0",
        turns=7,
        reconnects=2,
        covered_turns=0,
        instruction="Be brief.",
        handle=kept,
        unsent=[Message(json.dumps({"contextUpdate": {}}).encode(), "text")],
        lost_at_ms=98_000,
    )
    parts = Parts(taken_up=before, set_up=False)
    assert not parts.session.first
    way = parts.session.resumption.way(first=parts.session.first)
    assert (way.restored, way.handle) == ("handle", "rh-1")
    parts.session.handshaking()
    parts.session.begin_as(way)
    assert resumed(parts).gap_ms == 2000
    shown = parts.underlying.describe()
    assert (shown.session_id, shown.turns, shown.reconnects) == ("s-0", 7, 3)
    assert parts.session.instruction == "Be brief."
    assert parts.write() == ["instruction"]


# Closes.


def test_a_close_is_taken_from_the_error_that_tells_of_it() -> None:
    assert close_of(meaning_of_close(1011, "why", False)) == v.Close(code=1011, reason="why")
    assert close_of(LiveHandleError("session.timeout", "Late.")) == v.Close()


def test_no_error_shows_a_resumption_handle() -> None:
    parts = Parts()
    parts.hear(handle("secret-handle-0123456789"))
    error = LiveHandleError(
        "upstream.rejected",
        "It closed, saying secret-handle-0123456789.",
        close_code=1007,
        close_reason="Invalid session handle: secret-handle-01",
    )
    shown = parts.session.discreet(error)
    assert "secret-handle" not in str(shown.to_json())
    assert shown.data["close_code"] == 1007
    assert "secret" not in repr(Way("handle", handle="secret"))


def test_speech_that_begins_between_two_connections_is_marked_once() -> None:
    parts = Parts(authority="client")
    parts.lose(BROKEN)
    parts.mic(*loud("ab"))
    parts.session.go_on()
    sent = parts.sent()
    assert sent.count("start") == 1
    assert sent[0] == "start"
