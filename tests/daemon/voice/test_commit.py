"""Turn commit, statement by statement (G1 to G9), and what holds for any edges."""

from hypothesis import given
from hypothesis import strategies as st

from livehandled.voice.commit import PRESETS, CommitConfig, CommitSignal, TurnCommit

START = CommitSignal.ACTIVITY_START
END = CommitSignal.ACTIVITY_END
INTERRUPTION = CommitSignal.INTERRUPTION_START

SIX_HUNDRED = CommitConfig(eot_hold_ms=600, min_interruption_ms=600)

# What happens when: edges, milliseconds, whether the model speaks, what is committed.
Moment = tuple[list[bool], float, bool, list[CommitSignal]]


def follow(config: CommitConfig, moments: list[Moment]) -> TurnCommit:
    commit = TurnCommit(config)
    for edges, now_ms, model_speaking, expected in moments:
        signals = commit.advance(edges, now_ms, model_speaking=model_speaking)
        assert signals == expected, now_ms
    return commit


def test_g1_the_presets_are_named() -> None:
    assert dict(PRESETS) == {
        "immediate": CommitConfig(eot_hold_ms=0, min_interruption_ms=0),
        "responsive": CommitConfig(eot_hold_ms=400, min_interruption_ms=600),
        "conversational": CommitConfig(eot_hold_ms=800, min_interruption_ms=1400),
    }


def test_g2_immediate_commits_in_the_same_call() -> None:
    commit = follow(
        PRESETS["immediate"], [([True], 0, False, [START]), ([False], 100, False, [END])]
    )
    assert not commit.active
    follow(PRESETS["immediate"], [([True], 0, True, [INTERRUPTION])])


def test_g3_a_pause_is_bridged() -> None:
    follow(
        SIX_HUNDRED,
        [
            ([True], 0, False, [START]),
            ([False], 100, False, []),
            ([True], 400, False, []),
            ([], 450, False, []),
            ([False], 500, False, []),
            ([], 1099, False, []),
            ([], 1100, False, [END]),
        ],
    )


def test_g3_an_activity_is_active_in_a_pause() -> None:
    commit = follow(SIX_HUNDRED, [([True], 0, False, [START]), ([False], 100, False, [])])
    assert commit.active
    assert not commit.pending


def test_g4_a_backchannel_never_interrupts() -> None:
    commit = follow(
        SIX_HUNDRED,
        [
            ([True], 0, True, []),
            ([False], 200, True, []),
            ([], 700, True, []),
            ([], 100_000, True, []),
        ],
    )
    assert not commit.active
    assert not commit.pending


def test_g5_long_speech_interrupts() -> None:
    follow(
        SIX_HUNDRED,
        [
            ([True], 0, True, []),
            ([], 700, True, [INTERRUPTION]),
            ([False], 800, False, []),
            ([], 1500, False, [END]),
        ],
    )


def test_g5_an_interruption_that_waits_is_pending() -> None:
    commit = follow(SIX_HUNDRED, [([True], 0, True, [])])
    assert (commit.pending, commit.active) == (True, False)
    assert commit.advance([], 700, model_speaking=True) == [INTERRUPTION]
    assert (commit.pending, commit.active) == (False, True)


def test_g6_a_free_floor_never_waits() -> None:
    follow(CommitConfig(400, 10_000), [([True], 0, False, [START])])


def test_g6_g7_a_hold_expires_at_its_very_millisecond() -> None:
    follow(
        CommitConfig(400, 10_000),
        [
            ([True], 0, False, [START]),
            ([False], 100, False, []),
            ([], 499, False, []),
            ([], 500, False, [END]),
        ],
    )


def test_g7_start_and_end_in_one_call_start_at_once_and_end_in_time() -> None:
    follow(SIX_HUNDRED, [([True, False], 0, False, [START]), ([], 700, False, [END])])


def test_g7_what_has_expired_comes_before_the_edges_of_the_call() -> None:
    follow(
        SIX_HUNDRED,
        [
            ([True, False], 0, False, [START]),
            ([True], 600, False, [END, START]),
        ],
    )
    follow(SIX_HUNDRED, [([True], 0, True, []), ([False], 600, True, [INTERRUPTION])])


def test_g8_the_floor_counts_when_speech_starts() -> None:
    follow(SIX_HUNDRED, [([], 0, True, []), ([True], 100, False, [START]), ([], 200, True, [])])


def test_g9_a_pending_interruption_is_not_promoted_when_the_model_stops() -> None:
    follow(
        SIX_HUNDRED,
        [
            ([True], 0, True, []),
            ([], 100, False, []),
            ([], 599, False, []),
            ([], 600, False, [INTERRUPTION]),
        ],
    )
    follow(SIX_HUNDRED, [([True], 0, True, []), ([False], 599, False, []), ([], 700, False, [])])


def test_a_repeated_edge_changes_nothing() -> None:
    follow(
        SIX_HUNDRED,
        [
            ([False], 0, False, []),
            ([True], 10, True, []),
            ([True], 400, False, []),
            ([], 610, False, [INTERRUPTION]),
            ([True], 700, False, []),
            ([False], 800, False, []),
            ([False], 1300, False, []),
            ([], 1400, False, [END]),
        ],
    )


def test_an_activity_opened_by_hand_ends_with_speech() -> None:
    commit = TurnCommit(SIX_HUNDRED)
    commit.advance([True], 0, model_speaking=True)
    commit.open()
    assert commit.active
    assert commit.advance([], 700, model_speaking=True) == []
    assert commit.advance([False], 800, model_speaking=True) == []
    assert commit.advance([], 1400, model_speaking=True) == [END]


def test_an_activity_closed_by_hand_ends_no_second_time() -> None:
    commit = TurnCommit(SIX_HUNDRED)
    commit.advance([True, False], 0, model_speaking=False)
    commit.close()
    assert commit.advance([], 600, model_speaking=False) == []
    assert commit.advance([False], 700, model_speaking=False) == []


def test_an_interruption_closed_by_hand_is_dismissed() -> None:
    commit = TurnCommit(SIX_HUNDRED)
    commit.advance([True], 0, model_speaking=True)
    commit.close()
    assert commit.advance([], 600, model_speaking=True) == []


waits = st.integers(min_value=0, max_value=1500)
moments = st.lists(st.tuples(st.lists(st.booleans(), max_size=3), waits, st.booleans()))


@given(st.builds(CommitConfig, waits, waits), moments)
def test_starts_and_ends_take_turns(
    config: CommitConfig, script: list[tuple[list[bool], int, bool]]
) -> None:
    commit = TurnCommit(config)
    now_ms = 0
    active = False
    for edges, later_ms, model_speaking in script:
        now_ms += later_ms
        for signal in commit.advance(edges, now_ms, model_speaking=model_speaking):
            assert (signal is END) == active
            active = not active
        assert commit.active == active
        assert not (commit.active and commit.pending)


@given(waits, st.lists(st.tuples(waits, st.booleans()), max_size=20))
def test_g4_g9_an_interruption_comes_when_it_is_due_and_never_before(
    wait_ms: int, script: list[tuple[int, bool]]
) -> None:
    """Nothing but time promotes it, whoever speaks meanwhile."""
    commit = TurnCommit(CommitConfig(400, wait_ms))
    now_ms = 0
    interrupted = bool(commit.advance([True], 0, model_speaking=True))
    assert interrupted == (wait_ms == 0)
    for later_ms, model_speaking in script:
        now_ms += later_ms
        signals = commit.advance([], now_ms, model_speaking=model_speaking)
        assert signals == ([INTERRUPTION] if now_ms >= wait_ms and not interrupted else [])
        interrupted = interrupted or bool(signals)


@given(waits, st.lists(waits, max_size=20))
def test_g6_g7_an_end_comes_when_it_is_due_and_never_before(
    hold_ms: int, script: list[int]
) -> None:
    commit = TurnCommit(CommitConfig(hold_ms, 0))
    now_ms = 0
    ended = END in commit.advance([True, False], 0, model_speaking=False)
    assert ended == (hold_ms == 0)
    for later_ms in script:
        now_ms += later_ms
        signals = commit.advance([], now_ms, model_speaking=False)
        assert signals == ([END] if now_ms >= hold_ms and not ended else [])
        ended = ended or bool(signals)
