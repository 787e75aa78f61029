"""The microphone: edges, marks and frames in the order of the wire (B6, B9, B11, Z3)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.voice.commit import PRESETS, CommitConfig, CommitSignal, TurnCommit
from livehandled.voice.detector import Edge, VadState
from livehandled.voice.microphone import Audio, Committed, Heard, Microphone, Step
from livehandled.voice.vad import EnergyVad
from support.speech import RATE, noise, silence, speech_like

FRAME_MS = 10
FRAME = 320  # bytes
LOUD, QUIET = b"\x01" * FRAME, bytes(FRAME)

RESPONSIVE = PRESETS["responsive"]
IMMEDIATE = PRESETS["immediate"]

BEGAN, ENDED = Heard(speaking=True), Heard(speaking=False)
OPEN, CLOSE = Committed(speaking=True), Committed(speaking=False)


class Ear:
    """A detector of frames of 10 ms, which are loud if their first byte is not zero."""

    backend = "ear"
    sample_rate = RATE
    frame_duration_ms = FRAME_MS
    frame_size = FRAME // 2

    def __init__(self, hangover: int = 1) -> None:
        self._hangover = hangover
        self.reset()

    def reset(self) -> None:
        self.speaking = False
        self.frames_processed = 0
        self.last_probability: float | None = None
        self._rest = b""
        self._quiet = 0

    @property
    def state(self) -> VadState:
        return VadState.SPEECH if self.speaking else VadState.SILENCE

    def push(self, pcm: bytes) -> list[Edge]:
        self._rest += pcm
        edges = []
        while len(self._rest) >= FRAME:
            loud = self._rest[0] != 0
            self._rest = self._rest[FRAME:]
            self._quiet = 0 if loud else self._quiet + 1
            if loud != self.speaking and (loud or self._quiet == self._hangover):
                self.speaking = loud
                edges.append(Edge(loud, self.frames_processed))
            self.frames_processed += 1
        return edges


class StuckEar(Ear):
    """It hears speech in anything."""

    def push(self, pcm: bytes) -> list[Edge]:
        del pcm
        return super().push(LOUD)


class Rig:
    """A microphone, and chunks named a, b, c, ..., one after another."""

    def __init__(
        self,
        config: CommitConfig | None = None,
        *,
        pre_roll_ms: int = 0,
        ear: Ear | None = None,
    ) -> None:
        commit = TurnCommit(config) if config is not None else None
        self.microphone = Microphone(ear or Ear(), commit, pre_roll_ms=pre_roll_ms)
        self.now = 100.0
        self._names = iter("abcdefghijklmnopqrstuvwxyz")

    def push(self, pcm: bytes, *, model_speaking: bool = False) -> list[Step]:
        self.now += len(pcm) / 2 / RATE
        name = next(self._names)
        return self.microphone.push(name, pcm, self.now, model_speaking=model_speaking)

    def patience(self) -> float | None:
        """Return how long the microphone may be without a chunk."""
        deadline = self.microphone.deadline
        return None if deadline is None else deadline - self.now

    def last_transition_at(self) -> float | None:
        return self.microphone.last_transition_at


def audio(names: str) -> list[Step]:
    return [Audio(name) for name in names]


# Server authority, and none


def test_b6_b11_z3_raw_edges_stand_around_the_frame_and_make_no_marks() -> None:
    rig = Rig(pre_roll_ms=500)
    assert rig.push(QUIET) == audio("a")
    assert rig.push(LOUD) == [BEGAN, Audio("b")]
    assert rig.push(LOUD) == audio("c")
    assert rig.push(QUIET) == [Audio("d"), ENDED]


def test_b6_speech_within_one_chunk_begins_before_and_ends_after_its_frame() -> None:
    assert Rig().push(QUIET + LOUD + QUIET) == [BEGAN, Audio("a"), ENDED]
    assert Rig(IMMEDIATE).push(QUIET + LOUD + QUIET) == [BEGAN, OPEN, Audio("a"), ENDED, CLOSE]


def test_b6_many_edges_in_one_chunk_keep_their_order() -> None:
    words = (LOUD * 100 + QUIET * 150) * 4  # ten seconds
    assert Rig().push(words) == [*[BEGAN, ENDED] * 3, BEGAN, Audio("a"), ENDED]


@pytest.mark.parametrize("config", [None, IMMEDIATE])
def test_without_a_detector_audio_passes_straight_through(config: CommitConfig | None) -> None:
    commit = TurnCommit(config) if config is not None else None
    microphone = Microphone(None, commit, pre_roll_ms=500)
    for now in range(3):
        assert microphone.push("a", LOUD, now, model_speaking=True) == audio("a")
        assert microphone.activity_opened() == []
    assert microphone.deadline is None
    assert microphone.last_transition_at is None
    microphone.activity_closed()
    assert microphone.push("b", LOUD, 4.0, model_speaking=True) == audio("b")


def test_without_authority_activities_opened_by_hand_change_nothing() -> None:
    rig = Rig(pre_roll_ms=500)
    assert rig.microphone.activity_opened() == []
    rig.microphone.activity_closed()
    assert rig.push(QUIET) == audio("a")


# Client authority: order


def test_b6_z3_marks_stand_around_the_frame_one_for_each_committed_edge() -> None:
    rig = Rig(IMMEDIATE)
    assert rig.push(QUIET) == audio("a")
    assert rig.push(LOUD) == [BEGAN, OPEN, Audio("b")]
    assert rig.push(LOUD) == audio("c")
    assert rig.push(QUIET) == [Audio("d"), ENDED, CLOSE]
    assert rig.push(QUIET) == audio("e")


def test_b12_z3_a_commit_policy_holds_marks_back() -> None:
    """In Rust, a raw edge writes a mark of its own."""
    rig = Rig(RESPONSIVE)
    assert rig.push(LOUD) == [BEGAN, OPEN, Audio("a")]
    assert rig.push(QUIET) == [Audio("b"), ENDED]
    assert rig.push(LOUD) == [BEGAN, Audio("c")]
    assert rig.push(QUIET) == [Audio("d"), ENDED]
    assert rig.push(QUIET * 39) == audio("e")
    assert rig.push(QUIET) == [Audio("f"), CLOSE]


def test_an_activity_that_ends_and_one_that_starts_in_one_chunk_are_one() -> None:
    """A frame cannot be cut: between them there is no audio to tell them apart."""
    rig = Rig(IMMEDIATE)
    assert rig.push(LOUD) == [BEGAN, OPEN, Audio("a")]
    assert rig.push(QUIET + LOUD) == [ENDED, BEGAN, Audio("b")]
    words = QUIET + LOUD + QUIET
    assert rig.push(words) == [ENDED, BEGAN, Audio("c"), ENDED, CLOSE]
    assert rig.push(words * 2) == [BEGAN, ENDED, BEGAN, OPEN, Audio("d"), ENDED, CLOSE]


def test_g4_g7_edges_count_at_their_own_time_within_a_long_chunk() -> None:
    rig = Rig(RESPONSIVE)
    backchannel = LOUD * 20 + QUIET * 100
    assert rig.push(backchannel, model_speaking=True) == [BEGAN, Audio("a"), ENDED]
    speech = LOUD * 60 + QUIET * 41
    opened = [BEGAN, OPEN, Audio("b"), ENDED, CLOSE]
    assert rig.push(speech, model_speaking=True) == opened


def test_g5_speech_over_the_model_is_an_interruption() -> None:
    rig = Rig(IMMEDIATE)
    assert rig.push(LOUD, model_speaking=True) == [BEGAN, OPEN, Audio("a")]
    rig = Rig(RESPONSIVE)
    assert rig.push(LOUD, model_speaking=True) == [BEGAN]
    assert rig.push(LOUD * 60, model_speaking=True) == [OPEN, *audio("ab")]


def test_g8_g9_the_floor_is_the_models_at_the_chunk_where_speech_starts() -> None:
    rig = Rig(RESPONSIVE)
    assert rig.push(QUIET, model_speaking=True) == audio("a")
    assert rig.push(LOUD, model_speaking=False) == [BEGAN, OPEN, Audio("b")]
    rig = Rig(RESPONSIVE)
    assert rig.push(LOUD, model_speaking=True) == [BEGAN]
    assert rig.push(LOUD * 59, model_speaking=False) == []
    assert rig.push(LOUD, model_speaking=False) == [OPEN, *audio("abc")]


def test_b9_the_clock_is_the_audios_and_does_not_drift() -> None:
    """A chunk of 15 samples, floored to whole milliseconds, would count for nothing."""
    rig = Rig(RESPONSIVE)
    rig.push(LOUD)
    assert rig.push(QUIET) == [Audio("b"), ENDED]
    chunks = RATE * 400 // 1000 // 16
    steps: list[Step] = []
    for _ in range(chunks):
        assert CLOSE not in steps
        # Wall time stands still.
        steps = rig.microphone.push("x", bytes(32), rig.now, model_speaking=False)
    assert steps == [Audio("x"), CLOSE]
    odd = Rig(RESPONSIVE)
    odd.push(LOUD)
    odd.push(QUIET)
    for _ in range(RATE * 400 // 1000 // 15):
        steps = odd.microphone.push("x", bytes(30), rig.now, model_speaking=False)
        assert steps == audio("x")
    assert odd.push(bytes(30)) == [Audio("c"), CLOSE]


def test_f2_the_last_transition_is_when_an_edge_was_heard() -> None:
    rig = Rig(RESPONSIVE)
    assert rig.last_transition_at() is None
    rig.push(QUIET)
    assert rig.last_transition_at() is None
    rig.push(LOUD)
    began = rig.now
    rig.push(LOUD)
    assert rig.last_transition_at() == began
    rig.push(QUIET)
    assert rig.last_transition_at() == rig.now
    rig.push(LOUD)
    rig.microphone.fell_silent(rig.now + 1.0)
    assert rig.last_transition_at() == rig.now + 1.0


# Client authority: pre-roll


def test_outside_an_activity_audio_is_sent_late_by_the_pre_roll() -> None:
    rig = Rig(IMMEDIATE, pre_roll_ms=30)
    sent = [rig.push(QUIET) for _ in range(5)]
    assert sent == [[], [], [], audio("a"), audio("b")]


def test_the_pre_roll_is_at_least_what_was_asked_for_whatever_the_chunks() -> None:
    rig = Rig(IMMEDIATE, pre_roll_ms=30)
    assert rig.push(QUIET * 2) == []
    assert rig.push(QUIET * 2) == []
    assert rig.push(QUIET * 2) == audio("a")
    assert rig.push(LOUD) == [BEGAN, OPEN, *audio("bcd")]


def test_pre_roll_follows_the_mark_then_audio_is_live_then_the_line_fills_again() -> None:
    rig = Rig(IMMEDIATE, pre_roll_ms=20)
    assert [rig.push(QUIET) for _ in range(3)] == [[], [], audio("a")]
    assert rig.push(LOUD) == [BEGAN, OPEN, *audio("bcd")]
    assert rig.push(LOUD) == audio("e")
    assert rig.push(QUIET) == [Audio("f"), ENDED, CLOSE]
    assert [rig.push(QUIET) for _ in range(3)] == [[], [], audio("g")]


def test_a_held_interruption_keeps_its_audio_until_it_is_committed() -> None:
    rig = Rig(CommitConfig(0, 30), pre_roll_ms=20)
    assert [rig.push(QUIET) for _ in range(2)] == [[], []]
    assert rig.push(LOUD, model_speaking=True) == [BEGAN]
    assert [rig.push(LOUD, model_speaking=True) for _ in range(2)] == [[], []]
    assert rig.push(LOUD, model_speaking=True) == [OPEN, *audio("abcdef")]


def test_g4_a_dismissed_interruption_goes_out_but_for_the_pre_roll() -> None:
    rig = Rig(RESPONSIVE, pre_roll_ms=20)
    assert [rig.push(QUIET) for _ in range(2)] == [[], []]
    assert rig.push(LOUD, model_speaking=True) == [BEGAN]
    assert rig.push(LOUD, model_speaking=True) == []
    assert rig.push(QUIET, model_speaking=True) == [*audio("abc"), ENDED]
    assert rig.push(QUIET, model_speaking=True) == audio("d")


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30), st.booleans()), max_size=60))
def test_the_line_is_bounded_by_pre_roll_and_interruption(
    script: list[tuple[bool, int, bool]],
) -> None:
    pre_roll_ms, held_ms, longest_ms = 50, 100, 300
    commit = TurnCommit(CommitConfig(40, held_ms))
    microphone = Microphone(Ear(), commit, pre_roll_ms=pre_roll_ms)
    waiting_ms = 0
    for at, (loud, frames, model_speaking) in enumerate(script):
        pcm = (LOUD if loud else QUIET) * frames
        steps = microphone.push(
            str(frames * FRAME_MS), pcm, float(at), model_speaking=model_speaking
        )
        waiting_ms += frames * FRAME_MS
        waiting_ms -= sum(int(step.data) for step in steps if isinstance(step, Audio))
        assert waiting_ms < pre_roll_ms + longest_ms + (
            held_ms + longest_ms if commit.pending else 0
        )


# A microphone that falls silent


def test_a_microphone_falls_silent_a_second_after_the_end_of_the_last_chunk() -> None:
    rig = Rig()
    assert rig.patience() is None
    rig.push(QUIET)
    assert rig.patience() is None
    rig.push(LOUD)
    assert rig.patience() == pytest.approx(1.01)
    rig.push(LOUD)
    assert rig.patience() == pytest.approx(1.01)
    rig.push(QUIET)
    assert rig.patience() is None


def test_a_microphone_falls_silent_in_a_pause_too() -> None:
    rig = Rig(RESPONSIVE)
    rig.push(LOUD)
    assert rig.push(QUIET) == [Audio("b"), ENDED]
    assert rig.patience() == pytest.approx(1.01)
    assert rig.microphone.fell_silent(rig.now + 1.0) == [CLOSE]
    assert rig.patience() is None


@pytest.mark.parametrize("hangover", [1, 8, 1000])
def test_silence_ends_speech_and_activity_and_sends_nothing(hangover: int) -> None:
    rig = Rig(RESPONSIVE, ear=Ear(hangover))
    rig.push(LOUD + LOUD[:20])
    assert rig.microphone.fell_silent(rig.now + 1.0) == [ENDED, CLOSE]
    assert rig.patience() is None
    assert rig.push(LOUD + LOUD) == [BEGAN, OPEN, Audio("b")]


def test_silence_ends_speech_where_the_service_has_authority() -> None:
    rig = Rig()
    rig.push(LOUD)
    assert rig.microphone.fell_silent(rig.now + 1.0) == [ENDED]


def test_silence_ends_the_activity_even_of_a_detector_that_is_stuck() -> None:
    rig = Rig(RESPONSIVE, ear=StuckEar())
    rig.push(LOUD)
    assert rig.microphone.fell_silent(rig.now + 1.0) == [CLOSE]
    assert rig.patience() is None


def test_silence_dismisses_a_held_interruption_and_drops_its_audio() -> None:
    """The silence the detector needs must not make the interruption long enough."""
    rig = Rig(RESPONSIVE, pre_roll_ms=500, ear=Ear(hangover=8))
    rig.push(QUIET)
    assert rig.push(LOUD * 59, model_speaking=True) == [BEGAN]
    assert rig.microphone.fell_silent(rig.now + 1.0) == [ENDED]
    assert rig.push(LOUD) == [BEGAN, OPEN, Audio("c")]


def test_what_waits_in_the_line_is_stale_after_a_second() -> None:
    rig = Rig(RESPONSIVE, pre_roll_ms=500)
    assert rig.push(QUIET) == []
    assert rig.patience() == pytest.approx(1.01)
    assert rig.microphone.fell_silent(rig.now + 1.0) == []
    assert rig.patience() is None
    assert rig.push(LOUD) == [BEGAN, OPEN, Audio("b")]


def test_the_clock_goes_on_in_silence_as_the_detector_does() -> None:
    rig = Rig(RESPONSIVE, ear=Ear(hangover=30))
    rig.push(LOUD)
    rig.microphone.fell_silent(rig.now + 1.0)
    assert rig.push(LOUD, model_speaking=True) == [BEGAN]
    assert rig.push(LOUD * 59, model_speaking=True) == []
    assert rig.push(LOUD, model_speaking=True) == [OPEN, *audio("bcd")]


# Activities opened and closed by hand


def test_an_activity_opened_by_hand_gets_its_pre_roll_and_is_live() -> None:
    rig = Rig(RESPONSIVE, pre_roll_ms=20)
    rig.push(QUIET)
    rig.push(QUIET)
    assert rig.microphone.activity_opened() == audio("ab")
    assert rig.microphone.activity_opened() == []
    assert rig.push(QUIET) == audio("c")
    rig.microphone.activity_closed()
    assert [rig.push(QUIET) for _ in range(3)] == [[], [], audio("d")]


def test_z3_speech_in_an_activity_opened_by_hand_starts_no_second_one() -> None:
    rig = Rig(IMMEDIATE)
    rig.microphone.activity_opened()
    assert rig.push(LOUD) == [BEGAN, Audio("a")]
    assert rig.push(QUIET) == [Audio("b"), ENDED, CLOSE]


def test_z3_speech_in_an_activity_closed_by_hand_ends_no_second_time() -> None:
    rig = Rig(IMMEDIATE)
    assert rig.push(LOUD) == [BEGAN, OPEN, Audio("a")]
    rig.microphone.activity_closed()
    assert rig.push(LOUD) == audio("b")
    assert rig.push(QUIET) == [Audio("c"), ENDED]


def test_an_interruption_opened_by_hand_waits_no_longer() -> None:
    rig = Rig(RESPONSIVE)
    assert rig.push(LOUD, model_speaking=True) == [BEGAN]
    assert rig.microphone.activity_opened() == audio("a")
    assert rig.patience() == pytest.approx(1.01)
    assert rig.push(LOUD * 100, model_speaking=True) == audio("b")


def test_an_activity_opened_by_hand_may_wait_for_its_microphone() -> None:
    rig = Rig(RESPONSIVE)
    rig.push(QUIET)
    rig.microphone.activity_opened()
    assert rig.patience() is None
    rig.push(QUIET)
    assert rig.patience() == pytest.approx(1.01)
    assert rig.microphone.fell_silent(rig.now + 1.0) == [CLOSE]


# What holds for any audio, however it is cut

tens = st.integers(0, 30).map(lambda n: n * FRAME_MS)
configs = st.builds(CommitConfig, tens, tens)
runs = st.lists(st.tuples(st.booleans(), st.integers(1, 25)), min_size=1, max_size=10)
cuts = st.lists(st.integers(60, 2000), min_size=1, max_size=8)


def sound(script: Iterable[tuple[bool, int]]) -> bytes:
    return b"".join((LOUD if loud else QUIET) * frames for loud, frames in script)


def pieces(pcm: bytes, samples: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where chunks begin and end, in bytes; their sizes come round again."""
    first, turn = 0, 0
    while first < len(pcm):
        last = min(len(pcm), first + 2 * samples[turn % len(samples)])
        yield first, last
        first, turn = last, turn + 1


def activities(
    pcm: bytes, hangover: int, config: CommitConfig, *, model_speaking: bool
) -> Iterator[tuple[int, bool]]:
    """Yield the marks that the policy asks for: where (bytes), and whether it is a start."""
    ear, commit = Ear(hangover), TurnCommit(config)
    for at in range(FRAME, len(pcm) + 1, FRAME):
        edges = [edge.speaking for edge in ear.push(pcm[at - FRAME : at])]
        for signal in commit.advance(edges, at / 32, model_speaking=model_speaking):
            yield at, signal is not CommitSignal.ACTIVITY_END


def around(chunks: Sequence[tuple[int, int]], marks: Iterable[tuple[int, bool]]) -> list[int]:
    """Return marks moved outwards to the edges of their chunks; what then overlaps is one."""
    moved: list[int] = []
    for at, start in marks:
        first, last = next(chunk for chunk in chunks if chunk[0] < at <= chunk[1])
        if start and moved and first < moved[-1]:
            moved.pop()
        else:
            moved.append(first if start else last)
    return moved


@given(runs, cuts, configs, st.integers(1, 4), st.booleans(), st.integers(0, 200))
def test_marks_and_audio_are_the_same_however_the_audio_is_cut(
    script: list[tuple[bool, int]],
    samples: list[int],
    config: CommitConfig,
    hangover: int,
    model_speaking: bool,
    pre_roll_ms: int,
) -> None:
    pcm = sound(script)
    chunks = list(pieces(pcm, samples))
    microphone = Microphone(Ear(hangover), TurnCommit(config), pre_roll_ms=pre_roll_ms)
    marked: list[int] = []  # where the chunk of each mark begins (starts) or ends
    wire: list[int] = []  # how much audio was sent before it
    sent = 0
    for first, last in chunks:
        for step in microphone.push(
            f"{first} {last}", pcm[first:last], 0.0, model_speaking=model_speaking
        ):
            if isinstance(step, Audio):
                assert step.data.startswith(f"{sent} ")
                sent = int(step.data.split()[1])
            elif isinstance(step, Committed):
                assert step.speaking == (len(marked) % 2 == 0)
                marked.append(first if step.speaking else last)
                wire.append(sent)
    marks = activities(pcm, hangover, config, model_speaking=model_speaking)
    assert marked == around(chunks, marks)
    assert wire[1::2] == marked[1::2]
    ends = [0, *wire[1::2]]
    for end, start, heard in zip(ends, wire[::2], marked[::2], strict=False):
        assert start == end or heard - start >= 32 * pre_roll_ms


acts = st.one_of(
    st.tuples(st.booleans(), st.integers(1, 3000), st.booleans()),
    st.sampled_from(["open", "close", "silent"]),
)


@given(st.lists(acts, max_size=40), configs, st.integers(0, 200))
def test_z3_audio_is_sent_once_in_order_and_marks_take_turns_whatever_happens(
    script: list[tuple[bool, int, bool] | str], config: CommitConfig, pre_roll_ms: int
) -> None:
    microphone = Microphone(Ear(), TurnCommit(config), pre_roll_ms=pre_roll_ms)
    waiting: list[str] = []
    active = False
    for at, act in enumerate(script):
        steps: list[Step] = []
        if act == "open":
            steps = microphone.activity_opened()
            assert all(isinstance(step, Audio) for step in steps)
            active = True
        elif act == "close":
            microphone.activity_closed()
            active = False
        elif act == "silent":
            steps = microphone.fell_silent(float(at))
            assert not any(isinstance(step, Audio) for step in steps)
            assert microphone.deadline is None
            waiting.clear()
        elif not isinstance(act, str):
            loud, samples, model_speaking = act
            waiting.append(str(at))
            pcm = (b"\x01\x01" if loud else bytes(2)) * samples
            steps = microphone.push(str(at), pcm, float(at), model_speaking=model_speaking)
        for step in steps:
            if isinstance(step, Audio):
                assert step.data == waiting.pop(0)
            elif isinstance(step, Committed):
                assert step.speaking != active
                active = step.speaking
        assert not (active and waiting)
        assert not (act == "silent" and active)


@given(runs, cuts, st.integers(1, 4))
def test_raw_edges_are_the_same_with_and_without_authority(
    script: list[tuple[bool, int]], samples: list[int], hangover: int
) -> None:
    pcm = sound(script)
    heard = [edge.speaking for edge in Ear(hangover).push(pcm)]
    assert all(one != other for one, other in pairwise(heard))
    for commit in (None, TurnCommit(RESPONSIVE)):
        microphone = Microphone(Ear(hangover), commit, pre_roll_ms=100)
        steps = [
            step
            for first, last in pieces(pcm, samples)
            for step in microphone.push("", pcm[first:last], 0.0, model_speaking=True)
        ]
        assert [step.speaking for step in steps if isinstance(step, Heard)] == heard


# The real detector: the first syllable is not cut

ROOM = noise(1.0, level_dbfs=-60.0)
UTTERANCE = ROOM + speech_like(2.0) + silence(2.0)
ONSET = len(ROOM)
OFFSET = ONSET + len(speech_like(2.0))


def activity_on_the_wire(
    config: CommitConfig, *, pre_roll_ms: int, model_speaking: bool
) -> tuple[int, int]:
    """Return which audio lies between the marks: from byte, to byte of the utterance."""
    microphone = Microphone(EnergyVad(), TurnCommit(config), pre_roll_ms=pre_roll_ms)
    marks: list[int] = []
    sent = 0
    for first, last in pieces(UTTERANCE, [RATE // 50]):
        chunk = UTTERANCE[first:last]
        for step in microphone.push(str(last), chunk, 0.0, model_speaking=model_speaking):
            if isinstance(step, Audio):
                sent = int(step.data)
            elif isinstance(step, Committed):
                marks.append(sent)
    start, end = marks
    return start, end


@pytest.mark.parametrize("model_speaking", [False, True])
@pytest.mark.parametrize("preset", PRESETS)
def test_the_first_syllable_is_not_cut(preset: str, model_speaking: bool) -> None:
    start, end = activity_on_the_wire(
        PRESETS[preset], pre_roll_ms=500, model_speaking=model_speaking
    )
    pre_roll = (ONSET - start) / 32
    assert 400 <= pre_roll <= 520
    assert end >= OFFSET


def test_without_pre_roll_the_first_syllable_is_cut() -> None:
    start, _ = activity_on_the_wire(IMMEDIATE, pre_roll_ms=0, model_speaking=False)
    assert start > ONSET
