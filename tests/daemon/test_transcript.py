"""The transcript: turns, interruptions, words that come late."""

import json
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from livehandle_proto.transcripts import ToolUse, TranscriptTurn
from livehandled.redaction import REDACTED, Redaction
from livehandled.transcript import SavedTranscript, Transcript, tool_use
from livehandled.voice.playback import Playback, cut_to_words

LIMIT = 65_536


def with_turns(*users: str, kept: int = 50) -> Transcript:
    transcript = Transcript(kept)
    for user in users:
        transcript.user_said(user)
        transcript.end_turn()
    return transcript


def test_n1_chunks_concatenate_verbatim() -> None:
    transcript = Transcript()
    for chunk in ("Hello ", "there", ", all"):
        transcript.user_said(chunk)
    for chunk in ("Hi!", " How can", "  I help?\n"):
        transcript.model_said(chunk)
    turn = TranscriptTurn(turn_number=0, user="Hello there, all", model="Hi! How can  I help?\n")
    assert transcript.current == turn
    assert transcript.end_turn() == turn
    assert transcript.current is None


def test_n1_turns_are_numbered_from_0() -> None:
    assert [turn.turn_number for turn in with_turns("a", "b", "c").window(9)] == [0, 1, 2]


@pytest.mark.parametrize("chunks", [(), ("",), (" ", "\n")])
def test_n1_an_empty_turn_is_none_and_uses_no_number(chunks: tuple[str, ...]) -> None:
    transcript = Transcript()
    for chunk in chunks:
        transcript.user_said(chunk)
    transcript.model_began()
    assert transcript.end_turn() is None
    assert transcript.window(9) == []
    transcript.user_said("a")
    turn = transcript.end_turn()
    assert turn == TranscriptTurn(turn_number=0, user="a")


def test_n1_a_turn_of_tool_calls_alone_counts() -> None:
    transcript = Transcript()
    transcript.tool_called("book", {"people": 4}, {"ok": True})
    use = ToolUse(name="book", args='{"people":4}', result='{"ok":true}')
    assert transcript.end_turn() == TranscriptTurn(turn_number=0, tool_calls=[use])


def test_n2_50_turns_are_kept_and_numbering_continues() -> None:
    transcript = with_turns(*(str(i) for i in range(60)))
    assert [turn.turn_number for turn in transcript.window(100)] == list(range(10, 60))


def test_n2_a_shorter_ring_evicts_the_oldest() -> None:
    transcript = with_turns("a", "b", "c", kept=2)
    assert [(turn.turn_number, turn.user) for turn in transcript.window(9)] == [(1, "b"), (2, "c")]


@pytest.mark.parametrize(
    ("n", "users"), [(2, ["b", "c"]), (3, ["a", "b", "c"]), (9, ["a", "b", "c"]), (0, []), (-1, [])]
)
def test_n2_a_window_is_the_last_turns(n: int, users: list[str]) -> None:
    assert [turn.user for turn in with_turns("a", "b", "c").window(n)] == users


@pytest.mark.parametrize(
    ("heard", "model"),
    [
        (17, "Your table is"),
        (13, "Your table is"),
        (0, ""),
        (-3, ""),
        (999, "Your table is booked for Friday at eight."),
        (None, "Your table is booked for Friday at eight."),
    ],
)
def test_n3_an_interruption_cuts_the_model_to_the_words_heard(
    heard: int | None, model: str
) -> None:
    transcript = Transcript()
    transcript.user_said("A table, please.")
    transcript.model_said("Your table is booked for Friday at eight.")
    transcript.interrupted(heard)
    expected = TranscriptTurn(turn_number=0, user="A table, please.", model=model, interrupted=True)
    assert transcript.current == expected
    assert transcript.end_turn() == expected


def test_n3_tools_of_an_interrupted_turn_stay() -> None:
    transcript = Transcript()
    transcript.tool_called("book", {}, None)
    transcript.model_said("Done")
    transcript.interrupted(0)
    turn = transcript.end_turn()
    assert turn is not None
    assert (turn.model, len(turn.tool_calls), turn.interrupted) == ("", 1, True)


@pytest.mark.parametrize(
    "late", [[" booked for Friday"], [" book", "ed", " for Friday"], ["n't booked", ""]]
)
def test_n3_model_words_that_come_late_do_not_lengthen_the_cut(late: list[str]) -> None:
    transcript = Transcript()
    transcript.model_said("Your table is so well")
    transcript.interrupted(17)
    for chunk in late:
        transcript.model_said(chunk)
    turn = transcript.end_turn()
    assert turn is not None
    assert turn.model == "Your table is so"


def test_n3_late_words_that_were_heard_are_taken_up_to_the_cut() -> None:
    transcript = Transcript()
    transcript.model_said("Your tab")
    transcript.interrupted(17)
    for chunk in ("le", " is ", "booked", " for Friday"):
        transcript.model_said(chunk)
    turn = transcript.end_turn()
    assert turn is not None
    assert turn.model == "Your table is"


def test_n3_a_cut_may_be_told_when_the_words_have_come_and_then_the_least_counts() -> None:
    transcript = Transcript()
    transcript.model_began()
    transcript.interrupted(None)
    transcript.model_said("Your table is booked")
    transcript.interrupted(17)
    transcript.interrupted(999)
    transcript.interrupted(None)
    turn = transcript.end_turn()
    assert turn is not None
    assert turn.model == "Your table is"


def test_an_interruption_before_the_model_began_leaves_no_mark() -> None:
    transcript = Transcript()
    transcript.user_said("Table")
    transcript.interrupted(0)
    transcript.user_said(" for four")
    transcript.model_said("Sure")
    assert transcript.end_turn() == TranscriptTurn(
        turn_number=0, user="Table for four", model="Sure"
    )


def test_n4_late_words_are_a_tail_of_the_turn_that_is_answered() -> None:
    transcript = Transcript()
    transcript.user_said("Table for four")
    transcript.model_began()
    transcript.user_said(" tomorrow.")
    transcript.model_said("Certainly.")
    turn = transcript.end_turn()
    assert turn is not None
    assert (turn.user, turn.model) == ("Table for four tomorrow.", "Certainly.")
    assert transcript.current is None


def test_n4_all_of_the_words_may_come_only_with_the_reply() -> None:
    transcript = Transcript()
    transcript.model_said("Certainly.")
    transcript.user_said("Table for four")
    transcript.interrupted(999)
    turn = transcript.end_turn()
    assert turn is not None
    assert (turn.user, turn.model) == ("Table for four", "Certainly.")


@pytest.mark.parametrize(
    "begin",
    [
        lambda t: t.model_began(),
        lambda t: t.model_said("Certainly, a table"),
    ],
    ids=["audio", "words"],
)
def test_n4_words_after_an_interruption_open_the_next_turn(
    begin: Callable[[Transcript], None],
) -> None:
    transcript = Transcript()
    transcript.user_said("Table for four")
    begin(transcript)
    transcript.interrupted(9)
    transcript.user_said("No,")
    transcript.user_said(" for five")
    first = transcript.end_turn()
    assert first is not None
    assert (first.user, first.interrupted) == ("Table for four", True)
    assert transcript.current == TranscriptTurn(turn_number=1, user="No, for five")
    transcript.model_said("For five.")
    assert transcript.end_turn() == TranscriptTurn(
        turn_number=1, user="No, for five", model="For five."
    )


def test_n5_a_barge_in_over_an_unheard_reply_gives_nothing() -> None:
    transcript = Transcript()
    transcript.model_said("Welcome to the restaurant")
    transcript.interrupted(0)
    transcript.user_said("A table for four")
    assert transcript.end_turn() is None
    assert transcript.current == TranscriptTurn(turn_number=0, user="A table for four")
    assert transcript.end_turn() == TranscriptTurn(turn_number=0, user="A table for four")


def test_b1_a_typed_turn_joins_the_users_side_on_a_line_of_its_own() -> None:
    transcript = Transcript()
    transcript.user_said("I said ")
    transcript.user_typed("and typed")
    assert transcript.current == TranscriptTurn(turn_number=0, user="I said \nand typed")


def test_b1_n4_what_is_typed_over_a_reply_opens_the_next_turn() -> None:
    transcript = Transcript()
    transcript.user_typed("Table for four")
    transcript.model_said("Certainly, for four")
    transcript.user_typed("No, five")
    transcript.interrupted(10)
    transcript.user_typed("!")
    first = transcript.end_turn()
    assert first is not None
    assert (first.user, first.model) == ("Table for four", "Certainly,")
    assert transcript.current == TranscriptTurn(turn_number=1, user="No, five\n!")


def test_n4_a_call_answered_between_turns_is_in_the_turn_of_the_words_that_follow() -> None:
    transcript = Transcript()
    transcript.tool_called("book", {}, None)
    transcript.interrupted(0)
    transcript.user_typed("Thanks")
    turn = transcript.end_turn()
    assert turn is not None
    assert (turn.user, len(turn.tool_calls), turn.interrupted) == ("Thanks", 1, False)


def test_b2_the_window_has_a_typed_turn_without_any_speech_recognition() -> None:
    transcript = Transcript()
    transcript.user_typed("I am pescatarian")
    transcript.model_said("Noted.")
    transcript.end_turn()
    assert transcript.window(1)[0].user == "I am pescatarian"


def test_n6_arguments_and_results_are_summarised_to_200_characters() -> None:
    transcript = Transcript()
    transcript.tool_called("t" * 999, {"text": "é" * 500}, [*range(10_000)])
    transcript.tool_called("short", {"a": "x" * 192}, "x" * 198)
    long, short = transcript.window_with_current(1)[0].tool_calls
    assert len(long.name) == len(long.args) == len(long.result) == 200
    assert long.args == '{"text":"' + "é" * 190 + "…"
    assert long.result.startswith("[0,1,2,3,")
    assert short.args == '{"a":"' + "x" * 192 + '"}'
    assert short.result == '"' + "x" * 198 + '"'


def test_n6_what_lies_beyond_the_summary_is_not_even_encoded() -> None:
    class Loud:
        def __str__(self) -> str:
            raise AssertionError("encoded")

    transcript = Transcript()
    transcript.tool_called("t", {}, [0] * 200 + [Loud()])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=9), values),
    max_leaves=8,
)


@given(JSON)
def test_n6_a_summary_is_the_json_of_the_value_or_its_beginning(value: object) -> None:
    transcript = Transcript()
    transcript.tool_called("t", {}, value)
    current = transcript.current
    assert current is not None
    whole = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    result = current.tool_calls[0].result
    assert result == (whole if len(whole) <= 200 else whole[:199] + "…")


def test_n6_the_format_has_a_line_a_side_and_a_blank_line_between_turns() -> None:
    transcript = Transcript()
    transcript.user_said(" A table for four.")
    transcript.tool_called("book", {"people": 4}, {"ok": True})
    transcript.tool_called("tell", {}, None)
    transcript.model_said("Booked. ")
    transcript.end_turn()
    transcript.user_said("Thanks.")
    transcript.end_turn()
    transcript.model_said("Goodbye.")
    assert Transcript.format(transcript.window_with_current(2)) == (
        "User: A table for four.\n"
        '[Tool: book({"people":4}) → {"ok":true}]\n'
        "[Tool: tell({}) → null]\n"
        "Assistant: Booked.\n"
        "\n"
        "User: Thanks.\n"
        "\n"
        "Assistant: Goodbye."
    )
    assert Transcript.format([]) == ""


def test_n7_the_last_fragment_does_not_stand_for_the_whole_turn() -> None:
    transcript = Transcript()
    fragments = [f"word {i} " for i in range(200)]
    for fragment in fragments:
        transcript.user_said(fragment)
        transcript.model_said(fragment.upper())
    turn = transcript.end_turn()
    assert turn is not None
    assert turn.user == "".join(fragments)
    assert turn.model == "".join(fragments).upper()


def test_n8_the_window_with_the_current_turn_includes_the_unfinished_one() -> None:
    transcript = with_turns("a", "b", "c")
    assert [turn.user for turn in transcript.window_with_current(2)] == ["b", "c"]
    transcript.user_said("d")
    assert [turn.user for turn in transcript.window_with_current(2)] == ["b", "c", "d"]
    assert [turn.user for turn in transcript.window_with_current(0)] == ["d"]
    assert [turn.user for turn in transcript.window(2)] == ["b", "c"]


def test_clear_forgets_everything_and_counts_from_0_again() -> None:
    transcript = with_turns("a", "b")
    transcript.model_said("m")
    transcript.interrupted(1)
    transcript.user_said("c")
    transcript.clear()
    assert transcript.window_with_current(9) == []
    assert transcript.end_turn() is None
    transcript.user_said("d")
    assert transcript.end_turn() == TranscriptTurn(turn_number=0, user="d")


def test_a_turn_that_never_ends_keeps_the_latest_64_ki_characters_of_a_side() -> None:
    transcript = Transcript()
    for i in range(5_000):
        transcript.user_said(f"word {i:05} and so on. ")
    transcript.model_said("a" * LIMIT)
    turn = transcript.end_turn()
    assert turn is not None
    assert len(turn.user) == LIMIT + 1
    assert turn.user.startswith("…")
    assert turn.user.endswith("word 04999 and so on. ")
    assert turn.model == "a" * LIMIT


KEPT_OF_THE_FIRST = "…" + "b" * (LIMIT - 40_005)


@pytest.mark.parametrize(
    ("heard", "model"),
    [
        (10_000, ""),
        (39_999, ""),
        (40_000, KEPT_OF_THE_FIRST),
        (80_000, KEPT_OF_THE_FIRST),
        (80_003, KEPT_OF_THE_FIRST + " " + "a" * 40_000),
        (80_005, KEPT_OF_THE_FIRST + " " + "a" * 40_000 + " end"),
    ],
)
def test_a_cut_counts_from_the_beginning_even_where_that_was_dropped(
    heard: int, model: str
) -> None:
    transcript = Transcript()
    transcript.user_said("Go on.")
    for chunk in ("b" * 40_000, " " + "a" * 40_000, " end"):
        transcript.model_said(chunk)
    transcript.interrupted(heard)
    turn = transcript.end_turn()
    assert turn is not None
    assert turn.model == model


def test_the_words_heard_are_not_dropped_for_words_that_were_not() -> None:
    transcript = Transcript()
    transcript.model_said("Your table is booked")
    transcript.interrupted(13)
    for _ in range(10):
        transcript.model_said("x" * LIMIT)
    turn = transcript.end_turn()
    assert turn is not None
    assert turn.model == "Your table is"


def test_of_many_tool_calls_the_last_100_are_kept() -> None:
    transcript = Transcript()
    for i in range(150):
        transcript.tool_called(str(i), {}, None)
    turn = transcript.end_turn()
    assert turn is not None
    assert [use.name for use in turn.tool_calls] == [str(i) for i in range(50, 150)]


class Reply(NamedTuple):
    """The transcript and the playback of one reply, as a router feeds them."""

    transcript: Transcript
    playback: Playback

    def audio(self, seconds: float, now: float) -> None:
        self.transcript.model_began()
        self.playback.audio(seconds, now)

    def words(self, text: str) -> None:
        self.transcript.model_said(text)
        self.playback.words(text)

    def end(self) -> TranscriptTurn | None:
        if self.playback.cut is not None:
            self.transcript.interrupted(self.playback.cut)
        self.playback.turn_ended()
        return self.transcript.end_turn()


def reply() -> Reply:
    return Reply(Transcript(), Playback())


SENTENCE = "Your table for four is booked for Friday at eight."


def test_o5_what_was_heard_of_a_sentence_in_one_and_a_half_of_four_seconds() -> None:
    it = reply()
    it.transcript.user_said("A table for four, please.")
    it.audio(4.0, 0.0)
    it.words(SENTENCE)
    it.transcript.interrupted(it.playback.interrupted(1.5, reported=True))
    assert it.end() == TranscriptTurn(
        turn_number=0,
        user="A table for four, please.",
        model="Your table for four is",
        interrupted=True,
    )


@pytest.mark.parametrize("before", range(len(SENTENCE) + 1))
def test_o5_it_is_the_same_however_much_of_it_was_transcribed_before(before: int) -> None:
    it = reply()
    it.audio(4.0, 0.0)
    it.words(SENTENCE[:before])
    it.transcript.interrupted(it.playback.interrupted(1.5, reported=True))
    it.words(SENTENCE[before:])
    turn = it.end()
    assert turn is not None
    assert turn.model == "Your table for four is"


def test_o3_n3_a_text_reply_is_not_cut_at_an_interruption() -> None:
    it = reply()
    it.transcript.model_said("Your table")
    it.transcript.interrupted(it.playback.interrupted(1.5, reported=True))
    it.transcript.model_said(" is booked")
    assert it.end() == TranscriptTurn(turn_number=0, model="Your table is booked", interrupted=True)


def test_n5_o2_a_reply_that_waits_in_the_speaker_is_unheard() -> None:
    it = reply()
    it.audio(4.0, 0.0)
    it.words(SENTENCE)
    it.end()
    it.audio(4.0, 3.0)
    it.words("Anything else?")
    it.transcript.interrupted(it.playback.interrupted(3.5, reported=True))
    it.transcript.user_said("Stop")
    assert it.end() is None
    assert it.transcript.current == TranscriptTurn(turn_number=1, user="Stop")


class Op(NamedTuple):
    kind: str
    text: str
    heard: int | None


OPS = st.lists(
    st.builds(
        Op,
        st.sampled_from(["user", "typed", "began", "model", "tool", "interrupted", "end"]),
        st.text("ab ", max_size=6),
        st.none() | st.integers(-1, 20),
    ),
    max_size=40,
)


def play(transcript: Transcript, op: Op) -> TranscriptTurn | None:
    match op.kind:
        case "user" | "typed":
            (transcript.user_typed if op.kind == "typed" else transcript.user_said)(op.text)
        case "began":
            transcript.model_began()
        case "model":
            transcript.model_said(op.text)
        case "tool":
            transcript.tool_called(op.text, {}, op.text)
        case "interrupted":
            transcript.interrupted(op.heard)
        case "end":
            return transcript.end_turn()
    return None


@given(OPS, st.integers(1, 5), st.integers(-1, 7))
def test_n1_n2_n8_turns_are_numbered_without_gaps_and_windows_hold_the_last_of_them(
    ops: list[Op], kept: int, n: int
) -> None:
    transcript, finished = Transcript(kept), []
    for op in ops:
        current = transcript.current
        turn = play(transcript, op)
        if op.kind == "end":
            assert turn == current
        if turn is not None:
            finished.append(turn)
        window = finished[-min(n, kept) :] if n > 0 else []
        assert transcript.window(n) == window
        assert transcript.window_with_current(n)[: len(window)] == window
        assert transcript.window_with_current(n)[len(window) :] == (
            [transcript.current] if transcript.current else []
        )
    assert [turn.turn_number for turn in finished] == list(range(len(finished)))


@given(OPS)
def test_n3_the_model_side_is_all_it_said_or_whole_words_of_its_beginning(ops: list[Op]) -> None:
    transcript, said, cuts = Transcript(), "", list[int]()
    began = False
    for op in [*ops, Op("end", "", None)]:
        if op.kind == "model":
            said += op.text
        began |= op.kind in {"began", "model"}
        if op.kind == "interrupted" and began and op.heard is not None:
            cuts.append(op.heard)
        turn = play(transcript, op)
        shown = turn if op.kind == "end" else transcript.current
        if shown is not None:
            assert shown.model == (cut_to_words(said, min(cuts)) if cuts else said)
            assert shown.interrupted or not cuts
        if op.kind == "end":
            said, cuts, began = "", [], False


@given(OPS)
def test_n4_no_word_of_the_user_is_lost_doubled_or_moved_before_another(ops: list[Op]) -> None:
    transcript, told = Transcript(), ""
    spoken = [op for op in ops if op.kind != "typed"]  # what is typed may overtake a late tail
    for op in spoken:
        play(transcript, op)
        if op.kind == "user":
            told += op.text
    for _ in range(2):  # the second for the words that open the next turn
        transcript.end_turn()
    shown = "".join(turn.user for turn in transcript.window(50))
    assert shown.replace(" ", "") == told.replace(" ", "")  # a turn of spaces is none


@given(OPS, st.integers(-1, 20))
def test_n3_an_interruption_told_twice_is_one(ops: list[Op], heard: int) -> None:
    once, twice = Transcript(), Transcript()
    for op in ops:
        play(once, op)
        play(twice, op)
    once.interrupted(heard)
    for _ in range(2):
        twice.interrupted(heard)
    assert once.window_with_current(50) == twice.window_with_current(50)


# What outlives the daemon.


def restarted(transcript: Transcript) -> Transcript:
    """Return the transcript that goes on after it was saved."""
    file = msgspec.json.encode(transcript.export())
    following = Transcript()
    following.restore(msgspec.json.decode(file, type=SavedTranscript))
    return following


def test_finished_turns_and_their_numbers_outlive_a_restart() -> None:
    transcript = with_turns(*(str(i) for i in range(60)))
    following = restarted(transcript)
    assert following.window(99) == transcript.window(99)
    assert following.current is None
    following.user_said("on")
    turn = following.end_turn()
    assert turn == TranscriptTurn(turn_number=60, user="on")
    assert len(following.window(99)) == 50


def test_a_reply_that_a_restart_cuts_off_ends_its_turn_as_interrupted() -> None:
    transcript = with_turns("a")
    transcript.user_said("b")
    transcript.model_said("well,")
    transcript.tool_called("book", {}, 1)
    open_turn = transcript.current
    assert open_turn is not None
    following = restarted(transcript)
    assert following.window(1) == [replace(open_turn, interrupted=True)]
    assert following.current is None
    assert transcript.current == open_turn  # to save it has changed nothing
    following.user_said("c")
    turn = following.end_turn()
    assert turn == TranscriptTurn(turn_number=2, user="c")


def test_words_that_wait_for_their_reply_get_it_after_a_restart() -> None:
    transcript = with_turns("a")
    transcript.user_typed("still to be answered")
    following = restarted(transcript)
    assert following.window(9) == transcript.window(9)
    following.model_said("Here.")
    turn = following.end_turn()
    assert turn == TranscriptTurn(turn_number=1, user="still to be answered", model="Here.")


def test_of_an_interrupted_reply_what_was_heard_is_saved_and_what_cut_it_off_stays_open() -> None:
    transcript = Transcript()
    transcript.user_said("tell me")
    transcript.model_said("once upon a time")
    transcript.interrupted(9)
    transcript.user_said("stop")
    following = restarted(transcript)
    cut = TranscriptTurn(turn_number=0, user="tell me", model="once upon", interrupted=True)
    assert following.window(9) == [cut]
    assert following.current == TranscriptTurn(turn_number=1, user="stop")


def test_a_reply_of_nothing_that_could_be_written_down_leaves_no_turn() -> None:
    transcript = Transcript()
    transcript.model_began()
    assert restarted(transcript).window_with_current(9) == []


def test_restoring_forgets_what_was_there() -> None:
    transcript = with_turns("a", "b")
    transcript.user_said("c")
    transcript.restore(with_turns("d").export())
    assert [turn.user for turn in transcript.window_with_current(9)] == ["d"]


def test_a_side_longer_than_is_kept_is_saved_as_it_is_shown() -> None:
    transcript = Transcript()
    transcript.user_said("x" * (LIMIT + 5))
    following = restarted(transcript)
    assert following.current == transcript.current == restarted(following).current


@given(OPS)
def test_a_restart_loses_doubles_and_moves_no_word(ops: list[Op]) -> None:
    transcript = Transcript()
    for op in ops:
        play(transcript, op)
    following = restarted(transcript)
    for each in (transcript, following):
        each.end_turn()
        each.end_turn()
    assert [(t.turn_number, t.user, t.model, t.tool_calls) for t in following.window(50)] == [
        (t.turn_number, t.user, t.model, t.tool_calls) for t in transcript.window(50)
    ]


# Redaction.

CARD = Redaction({"card": r"\b\d{4}-\d{4}\b"})
NUMBER = "4111-2222"


def test_z15_what_is_read_is_redacted_and_what_the_model_is_told_anew_is_not() -> None:
    script = Transcript(redaction=CARD)
    script.user_said("It is 4111")
    script.user_said("-2222.")
    script.model_said(f"So {NUMBER}.")
    script.tool_called("f", {"a": NUMBER}, {"b": NUMBER})
    turn = script.end_turn()
    assert turn is not None
    assert (turn.user, turn.model) == (f"It is {REDACTED}.", f"So {REDACTED}.")
    assert turn.tool_calls == [
        ToolUse(name="f", args=f'{{"a":"{REDACTED}"}}', result=f'{{"b":"{REDACTED}"}}')
    ]
    assert script.window(1) == script.window_with_current(1) == [turn]
    (said,) = script.said()
    assert (said.user, said.model) == (f"It is {NUMBER}.", f"So {NUMBER}.")
    assert NUMBER not in repr(script.export())


def test_z15_of_a_turn_that_goes_on_what_may_be_a_beginning_is_not_shown_yet() -> None:
    script = Transcript(redaction=CARD)
    script.user_said("It is 4111-22")
    script.model_said("So 41")
    assert script.current is not None
    assert (script.current.user, script.current.model) == ("It is ", "So ")
    script.user_said(" and no more.")
    assert script.current.user == "It is 4111-22 and no more."
    turn = script.end_turn()
    assert turn is not None
    assert turn.model == "So 41"


def test_z15_of_a_turn_that_was_cut_what_may_be_a_beginning_is_masked() -> None:
    script = Transcript(redaction=CARD)
    script.model_said("So 4111-2222 it is")
    script.interrupted(7)
    assert script.current is not None
    assert script.current.model == "So"
    script = Transcript(redaction=Redaction({"card": r"\d{4} \d{4}"}))
    script.model_said("So 4111 2222 it is")
    script.interrupted(8)
    turn = script.end_turn()
    assert turn is not None
    assert turn.model == f"So {REDACTED}"


def test_z15_of_a_turn_that_its_connection_cut_off_the_end_is_masked_too() -> None:
    script = Transcript(redaction=CARD)
    script.model_said("So 4111-22")
    script.interrupted(None)
    assert script.export().turns[0].model == f"So {REDACTED}"
    turn = script.end_turn()
    assert turn is not None
    assert turn.model == f"So {REDACTED}"


def test_z15_the_end_of_a_clipped_summary_is_masked_where_it_may_be_a_beginning() -> None:
    script = Transcript(redaction=CARD)
    script.tool_called("f", {}, {"a": "x" * 185 + " " + NUMBER})
    turn = script.end_turn()
    assert turn is not None
    (use,) = turn.tool_calls
    assert use.result.endswith(f"x {REDACTED}…")


def test_z15_a_tool_that_was_restored_redacted_is_known_again() -> None:
    use = tool_use("f", {"a": NUMBER}, {})
    script = Transcript(redaction=CARD)
    script.user_said("Hi")
    script.restore(script.export(untold_tools=[use]))
    script.take_back_tools([use])
    assert script.export().tools == []


def test_z15_words_that_wait_for_their_reply_are_kept_redacted() -> None:
    script = Transcript(redaction=CARD)
    script.user_typed(f"It is {NUMBER}")
    script.user_said(" or 4111-2")
    kept = script.export()
    assert kept.notes == {1: f"It is {REDACTED}"}
    assert kept.spoken == f" or {REDACTED}"
    assert kept.user == f"It is {REDACTED} or {REDACTED}"


def test_z15_the_words_of_a_user_who_interrupts_are_masked_over_both_turns() -> None:
    script = Transcript(redaction=CARD)
    script.user_said("It is 4111-")
    script.model_said("Yes")
    script.interrupted(None)
    script.user_said("2222 4111-")
    kept = script.export()
    assert kept.turns[0].user == f"It is {REDACTED}"
    assert (kept.user, kept.spoken) == (f" {REDACTED}",) * 2
    turn = script.end_turn()
    assert turn is not None
    assert turn.user == f"It is {REDACTED}"
    assert script.current is not None
    assert script.current.user == " "
    assert script.export().user == f" {REDACTED}"
    script.model_said("So")
    turn = script.end_turn()
    assert turn is not None
    assert turn.user == " 4111-"


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ({"n": "a\nb"}, f'{{"n":"{REDACTED}"}}'),
        ({"n": ["x", 'a"b']}, f'{{"n":["x","{REDACTED}"]}}'),
        ({"n": "x" * 192 + "\n" * 9}, f'{{"n":"{"x" * 192}\\…'),
        ({"n": "x" * 190 + "a\nb"}, f'{{"n":"{"x" * 190}{REDACTED}…'),
        ({"n": "x\n"}, '{"n":"x\\n"}'),
    ],
)
def test_z15_a_summary_is_redacted_by_what_it_says_and_not_by_how_json_spells_it(
    args: dict[str, object], shown: str
) -> None:
    script = Transcript(redaction=Redaction({"n": r"a\sb|a\"b"}))
    script.tool_called("f", args, {})
    turn = script.end_turn()
    assert turn is not None
    assert turn.tool_calls[0].args == shown


def test_a_turn_that_goes_on_is_looked_at_again_once_there_is_more_of_it() -> None:
    script = Transcript(redaction=CARD)
    script.model_said("one two three")
    first = script.current
    assert script.current is first
    script.interrupted(7)
    assert script.current is not None
    assert (script.current.model, script.current.interrupted) == ("one two", True)
