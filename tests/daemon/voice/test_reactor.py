"""The voice reactor: what each event changes, and what the rules want done (section C, Z3, Z9)."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.voice.reactor import (
    DEFAULT_RULES,
    ActivityMarked,
    CancelDeferredPrompt,
    Effect,
    Interrupted,
    PlaybackBegan,
    PlaybackDrained,
    PlaybackOverdue,
    Policy,
    PromptModel,
    Reaction,
    Rule,
    SendContext,
    SignalUserActivityEnd,
    SignalUserActivityStart,
    UserSpeechEnded,
    UserSpeechStarted,
    VoiceEvent,
    VoiceState,
    prompt_on_playback_drained,
    step,
    user_speech_activity,
)

START, END = SignalUserActivityStart(), SignalUserActivityEnd()
CANCEL, PROMPT = CancelDeferredPrompt(), PromptModel()


def after(
    *events: VoiceEvent, rules: Sequence[Rule] = DEFAULT_RULES
) -> tuple[VoiceState, list[list[Effect]]]:
    """Return the state after the events, and the effects of each."""
    state, effects = VoiceState(), []
    for now, event in enumerate(events):
        state, reactions = step(state, event, float(now), rules)
        effects.append([reaction.effect for reaction in reactions])
    return state, effects


def test_c1_at_the_start_nothing_is_so() -> None:
    assert VoiceState() == VoiceState(
        user_speaking=False,
        playback_active=False,
        prompt_pending=False,
        prompt_epoch=0,
        last_barge_in_at=None,
        last_playback_drained_at=None,
        activity_open=False,
    )


def test_c2_the_default_rules_are_two_in_order() -> None:
    assert list(DEFAULT_RULES) == [prompt_on_playback_drained, user_speech_activity]


def test_c2_the_state_is_updated_before_the_rules_run_in_their_order() -> None:
    seen: list[VoiceState] = []

    def first(state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
        seen.append(state)
        return [Reaction("first", SendContext(())), Reaction("first again", CANCEL)]

    def second(state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
        return [Reaction("second", PROMPT)]

    _, reactions = step(VoiceState(), UserSpeechStarted(False), 7.0, [first, second])
    assert [reaction.source for reaction in reactions] == ["first", "first again", "second"]
    assert seen[0].user_speaking
    assert seen[0].last_barge_in_at == 7.0


def test_c3_an_armed_prompt_goes_out_when_playback_drains() -> None:
    _, reactions = step(VoiceState(), PlaybackDrained(True), 1.0, DEFAULT_RULES)
    assert reactions == [Reaction("prompt_on_playback_drained", PROMPT, Policy("blocking"))]


def test_c4_without_an_armed_prompt_a_drain_does_nothing() -> None:
    assert after(PlaybackDrained(False))[1] == [[]]


def test_c5_speech_cancels_the_prompt_seen_at_the_drain_then_marks_itself() -> None:
    state, effects = after(PlaybackDrained(True), UserSpeechStarted(False))
    assert effects == [[PROMPT], [CANCEL, START]]
    assert state.user_speaking
    assert not state.prompt_pending
    assert state.prompt_epoch == 1


def test_c6_the_end_of_speech_is_marked_alone_where_nothing_waits() -> None:
    state, effects = after(UserSpeechStarted(False), UserSpeechEnded(False))
    assert effects[1] == [END]
    assert not state.user_speaking


def test_c6_z3_the_end_of_speech_that_never_began_is_not_marked() -> None:
    assert after(UserSpeechEnded(False))[1] == [[]]


def test_c7_a_prompt_waits_for_the_end_of_speech() -> None:
    events = (UserSpeechStarted(False), PlaybackDrained(True), UserSpeechEnded(True))
    state, effects = after(*events[:2])
    assert effects[1] == []
    assert state.user_speaking
    assert state.prompt_pending
    assert after(*events)[1][2] == [END, PROMPT]


def test_c8_a_prompt_that_is_gone_at_the_next_drain_stays_gone() -> None:
    state, effects = after(PlaybackDrained(True), UserSpeechStarted(False), PlaybackDrained(False))
    assert effects[2] == []
    assert state.user_speaking
    assert not state.prompt_pending
    assert state.prompt_epoch == 1


@pytest.mark.parametrize(
    ("events", "epoch"),
    [
        ([UserSpeechStarted(False)], 0),
        ([PlaybackDrained(True)], 0),
        ([PlaybackDrained(True), UserSpeechStarted(False)], 1),
        ([UserSpeechStarted(True)], 1),  # armed since the last event, and cancelled by this one
        ([PlaybackDrained(True), UserSpeechStarted(True)], 1),
        ([PlaybackDrained(True), UserSpeechStarted(False), UserSpeechStarted(False)], 1),
        ([PlaybackDrained(True), UserSpeechStarted(False), UserSpeechStarted(True)], 2),
        ([UserSpeechEnded(True), UserSpeechStarted(False)], 1),
        ([PlaybackOverdue(True), UserSpeechStarted(False)], 1),
        ([Interrupted(False)], 0),
        ([Interrupted(True)], 1),
        ([UserSpeechEnded(True), Interrupted(False)], 1),
        ([UserSpeechStarted(True), Interrupted(False)], 1),  # by one speech
        ([Interrupted(True), UserSpeechStarted(False)], 1),
        ([UserSpeechStarted(True), UserSpeechEnded(False), Interrupted(False)], 1),
    ],
)
def test_c9_the_epoch_counts_the_prompts_that_speech_overtook(
    events: list[VoiceEvent], epoch: int
) -> None:
    assert after(*events)[0].prompt_epoch == epoch


def test_c10_speech_and_drain_leave_their_times() -> None:
    state, _ = step(VoiceState(playback_active=True), UserSpeechStarted(False), 5.5, DEFAULT_RULES)
    assert not state.playback_active
    assert state.last_barge_in_at == 5.5
    state, _ = step(state, PlaybackDrained(False), 6.5, DEFAULT_RULES)
    assert (state.last_barge_in_at, state.last_playback_drained_at) == (5.5, 6.5)


@pytest.mark.parametrize("speech", [(), (UserSpeechStarted(True), UserSpeechEnded(False))])
def test_c10_z9_an_interruption_ends_playback_and_the_prompt_and_is_no_edge_of_speech(
    speech: tuple[VoiceEvent, ...],
) -> None:
    events = (*speech, PlaybackBegan(), Interrupted(True))
    state, effects = after(*events)
    assert effects[-1] == [CANCEL]
    assert not state.playback_active
    assert not state.prompt_pending
    assert not state.user_speaking
    assert state.last_barge_in_at == len(events) - 1


def test_c7_c9_an_interruption_by_speech_that_was_told_leaves_the_prompt_armed_since() -> None:
    events = (UserSpeechStarted(True), PlaybackDrained(True), PlaybackBegan(), Interrupted(True))
    state, effects = after(*events)
    assert effects[-1] == []
    assert (state.user_speaking, state.playback_active) == (True, False)
    assert (state.prompt_epoch, state.last_barge_in_at) == (1, 0.0)
    assert after(*events, UserSpeechEnded(True))[1][-1] == [END, PROMPT]


@pytest.mark.parametrize(
    ("active", "given_", "pending"),
    [(False, True, True), (False, False, False), (True, True, False), (True, False, False)],
)
def test_c11_the_end_of_speech_finds_a_prompt_pending_unless_playback_is_active(
    active: bool, given_: bool, pending: bool
) -> None:
    before = VoiceState(user_speaking=True, playback_active=active)
    state, reactions = step(before, UserSpeechEnded(given_), 1.0, DEFAULT_RULES)
    assert state.prompt_pending is pending
    assert (PROMPT in [reaction.effect for reaction in reactions]) is pending


def test_c13_z9_playback_is_active_from_the_first_audio_to_the_drain() -> None:
    assert after(PlaybackBegan())[0].playback_active
    assert not after(PlaybackBegan(), PlaybackDrained(False))[0].playback_active


def test_z9_speech_ends_playback() -> None:
    assert not after(PlaybackBegan(), UserSpeechStarted(False))[0].playback_active


def test_z9_a_speaker_that_is_overdue_counts_as_drained_but_has_not_reported() -> None:
    state, effects = after(PlaybackBegan(), PlaybackOverdue(True))
    assert effects == [[], [PROMPT]]
    assert not state.playback_active
    assert state.last_playback_drained_at is None


def test_z9_a_speaker_that_is_overdue_does_not_prompt_over_speech() -> None:
    state, effects = after(UserSpeechStarted(False), PlaybackBegan(), PlaybackOverdue(True))
    assert effects[1:] == [[], []]
    assert state.prompt_pending


def test_c15_z3_speech_told_twice_cancels_twice_and_is_marked_once() -> None:
    assert after(UserSpeechStarted(False), UserSpeechStarted(False))[1] == [
        [CANCEL, START],
        [CANCEL],
    ]


def test_z3_speech_that_is_not_to_be_marked_is_not() -> None:
    events = (UserSpeechStarted(False, marked=False), UserSpeechEnded(False, marked=False))
    state, effects = after(*events)
    assert effects == [[CANCEL], []]
    assert not state.activity_open


def test_z3_an_unmarked_edge_leaves_an_open_activity_alone() -> None:
    events = (
        UserSpeechStarted(False),
        UserSpeechEnded(False, marked=False),
        UserSpeechEnded(False),
    )
    assert after(*events)[1] == [[CANCEL, START], [], [END]]


def test_z3_a_mark_by_hand_and_one_by_speech_are_one() -> None:
    events = (
        ActivityMarked(start=True),
        UserSpeechStarted(False),
        ActivityMarked(start=False),
        UserSpeechEnded(False),
    )
    assert after(*events)[1] == [[START], [CANCEL], [END], []]


def test_a_mark_by_hand_is_no_speech() -> None:
    state, _ = after(ActivityMarked(start=True))
    assert state == VoiceState(activity_open=True)


def always(*effects: Effect, source: str = "mine") -> Rule:
    reactions = [Reaction(source, effect) for effect in effects]
    return lambda _state, _event: reactions


def test_z3_a_mark_that_several_rules_want_is_written_once() -> None:
    shared = Reaction("mine", START)
    rules: list[Rule] = [lambda _s, _e: [shared], lambda _s, _e: [shared], *DEFAULT_RULES]
    _, reactions = step(VoiceState(), UserSpeechStarted(False), 0.0, rules)
    assert [reaction.effect for reaction in reactions] == [START, CANCEL]


def test_z3_a_rule_cannot_mark_what_is_no_edge() -> None:
    rules = [always(START, END), *DEFAULT_RULES]
    assert after(PlaybackBegan(), PlaybackDrained(False), rules=rules)[1] == [[], []]


def test_z3_a_mark_that_no_rule_wants_has_not_been_written() -> None:
    # Else an end would follow a start that never was.
    state, effects = after(UserSpeechStarted(False), rules=[always(CANCEL)])
    assert (effects, state.activity_open) == ([[CANCEL]], False)

    def ends_alone(state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
        return [Reaction("mine", END)] if isinstance(event, UserSpeechEnded) else []

    assert after(UserSpeechStarted(False), UserSpeechEnded(False), rules=[ends_alone])[1] == [
        [],
        [],
    ]


def test_z3_an_end_that_no_rule_wants_leaves_the_activity_open() -> None:
    def starts_alone(state: VoiceState, event: VoiceEvent) -> Sequence[Reaction]:
        return [Reaction("mine", START)] if isinstance(event, UserSpeechStarted) else []

    events = (UserSpeechStarted(False), UserSpeechEnded(False), UserSpeechStarted(False))
    state, effects = after(*events, rules=[starts_alone])
    assert effects == [[START], [], []]
    assert state.activity_open


EVENTS: st.SearchStrategy[VoiceEvent] = st.one_of(
    st.just(PlaybackBegan()),
    st.builds(PlaybackDrained, st.booleans()),
    st.builds(PlaybackOverdue, st.booleans()),
    st.builds(UserSpeechStarted, st.booleans(), st.booleans()),
    st.builds(UserSpeechEnded, st.booleans(), st.booleans()),
    st.builds(Interrupted, st.booleans()),
    st.builds(ActivityMarked, start=st.booleans()),
)
TIMED = st.lists(st.tuples(EVENTS, st.floats(0, 1e6)), max_size=40)


@st.composite
def marking_rules(draw: st.DrawFn) -> Rule:
    """A rule that wants marks and other things now and then."""
    wanted: list[Effect] = [START, END, CANCEL]
    script = draw(st.lists(st.lists(st.sampled_from(wanted), max_size=3), max_size=9))
    answers = iter(script)
    return lambda _state, _event: [Reaction("random", effect) for effect in next(answers, [])]


def marks_of(reactions: Iterable[Reaction]) -> list[Effect]:
    return [r.effect for r in reactions if r.effect in (START, END)]


@given(
    events=TIMED,
    before=st.lists(marking_rules(), max_size=2),
    behind=st.lists(marking_rules(), max_size=2),
    default=st.booleans(),
)
def test_whatever_happens_marks_alternate_and_nobody_prompts_over_speech(
    events: list[tuple[VoiceEvent, float]], before: list[Rule], behind: list[Rule], default: bool
) -> None:
    rules = [*before, *(DEFAULT_RULES if default else ()), *behind]
    state, written = VoiceState(), []
    for event, now in events:
        last, (state, reactions) = state, step(state, event, now, rules)
        marks = marks_of(reactions)
        assert len(marks) <= 1
        written += marks
        assert state.activity_open is (bool(written) and written[-1] == START)
        if state.user_speaking:
            assert PROMPT not in [reaction.effect for reaction in reactions]
        assert state.prompt_epoch - last.prompt_epoch in (0, 1)
        if isinstance(event, UserSpeechStarted | Interrupted | PlaybackDrained | PlaybackOverdue):
            assert not state.playback_active
    assert written[0::2] == [START] * len(written[0::2])
    assert written[1::2] == [END] * len(written[1::2])


@given(TIMED)
def test_with_the_default_rules_an_activity_is_open_as_the_last_marked_edge_says(
    events: list[tuple[VoiceEvent, float]],
) -> None:
    state, is_open = VoiceState(), False
    for event, now in events:
        state, _ = step(state, event, now, DEFAULT_RULES)
        match event:
            case UserSpeechStarted(marked=True) | ActivityMarked(start=True):
                is_open = True
            case UserSpeechEnded(marked=True) | ActivityMarked(start=False):
                is_open = False
            case _:
                pass
        assert state.activity_open is is_open


@given(TIMED)
def test_a_prompt_is_sent_only_where_the_event_says_it_is_armed(
    events: list[tuple[VoiceEvent, float]],
) -> None:
    state = VoiceState()
    for event, now in events:
        state, reactions = step(state, event, now, DEFAULT_RULES)
        prompts = [reaction.effect for reaction in reactions].count(PROMPT)
        may = isinstance(event, PlaybackDrained | PlaybackOverdue | UserSpeechEnded)
        assert prompts <= (may and getattr(event, "prompt_pending", False))
