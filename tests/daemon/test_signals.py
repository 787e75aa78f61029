"""The session's signals in the state (section L, and what H, N and R say of them)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandle_proto import topics as t
from livehandle_proto.values import Ended, ErrorObject, Phase, Value
from livehandled import state as state_module
from livehandled.signals import AUDIO_BUDGET_MS, VIDEO_BUDGET_MS, Signals
from livehandled.state import State

NOTHING = t.Nothing()
CONNECTED = ("connected", t.SessionStarted(session_id="s"))


class Rig:
    """Signals on a state, with a clock that stands until it is moved."""

    def __init__(self, *, connected: bool = True) -> None:
        self.now = 1_000.0
        self.state = State(now_ms=lambda: 7)
        self.signals = Signals(self.state, lambda: self.now)
        self.signals.opened()
        if connected:
            self.hear(*CONNECTED)

    def hear(self, name: str, data: Value = NOTHING, *, after: float = 0.0) -> None:
        self.now += after
        self.signals.hear(name, data, self.now)

    def phase(self, phase: Phase, previous: Phase = "active") -> None:
        self.hear("phase_changed", t.PhaseChange(phase=phase, previous=previous))

    def read(self, name: str) -> object:
        return self.state.session.get(name, "absent")


def error(message: str) -> ErrorObject:
    return ErrorObject(code=1300, message=message, data={})


def said(text: str) -> t.TranscriptDelta:
    return t.TranscriptDelta(text=text)


def test_l1_connected_sets_the_initial_values() -> None:
    rig = Rig()
    stored = {k: v for k, v in rig.state.as_dict().items() if rig.state.evidence(k).last_sequence}
    assert stored == {
        "session:connected_at_ms": 0,
        "session:interrupt_count": 0,
        "session:error_count": 0,
        "session:is_user_speaking": False,
        "session:is_model_speaking": False,
        "session:go_away_received": False,
        "session:resumable": False,
        "session:session_type": "audio_only",
    }


def test_l2_voice_activity_toggles_is_user_speaking() -> None:
    rig = Rig()
    rig.hear("voice_activity_start")
    assert rig.read("is_user_speaking") is True
    rig.hear("voice_activity_end")
    assert rig.read("is_user_speaking") is False


def test_l2_an_edge_heard_here_counts_like_one_of_the_service() -> None:
    rig = Rig()
    rig.signals.user_spoke(speaking=True, now=rig.now)
    cursor = rig.state.cursor
    rig.hear("voice_activity_start")
    assert rig.read("is_user_speaking") is True
    assert rig.state.cursor == cursor  # the same edge, heard twice
    rig.signals.user_spoke(speaking=False, now=rig.now)
    assert rig.read("is_user_speaking") is False


def test_l2_who_began_to_speak_before_the_session_was_set_up_still_speaks() -> None:
    rig = Rig(connected=False)
    rig.signals.user_spoke(speaking=True, now=rig.now)
    rig.hear(*CONNECTED)
    assert rig.read("is_user_speaking") is True


def test_l2_three_interruptions_count_three() -> None:
    rig = Rig()
    for _ in range(3):
        rig.hear("interrupted")
    assert rig.read("interrupt_count") == 3


def test_l2_an_error_is_counted_and_told() -> None:
    rig = Rig()
    rig.hear("error", error("oops"))
    assert (rig.read("error_count"), rig.read("last_error")) == (1, "oops")
    rig.hear("error", error("oops2"))
    assert (rig.read("error_count"), rig.read("last_error")) == (2, "oops2")


def test_l3_l9_z10_the_phase_is_the_wires() -> None:
    rig = Rig()
    rig.phase("model_speaking")
    assert (rig.read("is_model_speaking"), rig.read("phase")) == (True, "model_speaking")
    rig.phase("active", "model_speaking")
    assert (rig.read("is_model_speaking"), rig.read("phase")) == (False, "active")


def test_l4_go_away_tells_the_time_left() -> None:
    rig = Rig()
    rig.hear("go_away", t.GoAway(time_left_ms=60_000))
    assert (rig.read("go_away_received"), rig.read("go_away_time_left_ms")) == (True, 60_000)


def test_l4_go_away_without_time_is_only_received() -> None:
    rig = Rig()
    rig.hear("go_away", t.GoAway())
    assert (rig.read("go_away_received"), rig.read("go_away_time_left_ms")) == (True, "absent")


def test_l5_a_resume_update_tells_the_flag_and_the_index_but_never_the_handle() -> None:
    rig = Rig()
    rig.hear("resume_update", t.ResumeUpdate(resumable=True))
    assert (rig.read("resumable"), rig.read("last_consumed_client_index")) == (True, "absent")
    update = t.ResumeUpdate(resumable=False, last_consumed_client_message_index=12)
    rig.hear("resume_update", update)
    assert (rig.read("resumable"), rig.read("last_consumed_client_index")) == (False, 12)
    assert [key for key in rig.state.keys() if "handle" in key] == []  # noqa: SIM118


def test_l6_usage_is_kept_field_by_field() -> None:
    rig = Rig()
    usage = t.Usage(
        total_token_count=100,
        prompt_token_count=40,
        response_token_count=50,
        cached_content_token_count=7,
        thoughts_token_count=3,
    )
    rig.hear("usage", usage)
    rig.hear("usage", t.Usage(total_token_count=120))
    assert {k: rig.read(k) for k in rig.state.session.keys() if k.endswith("_count")} == {  # noqa: SIM118
        "interrupt_count": 0,
        "error_count": 0,
        "total_token_count": 120,
        "prompt_token_count": 40,
        "response_token_count": 50,
        "cached_content_token_count": 7,
        "thoughts_token_count": 3,
    }


def test_l6_n7_transcriptions_are_the_last_chunk() -> None:
    rig = Rig()
    for chunk in ("Table for", " four"):
        rig.hear("input_transcription", said(chunk))
        rig.hear("output_transcription", said(chunk.upper()))
    assert rig.read("last_input_transcription") == " four"
    assert rig.read("last_output_transcription") == " FOUR"


def test_l6_disconnected_is_told() -> None:
    rig = Rig()
    rig.hear("voice_activity_start")
    assert rig.read("disconnected") == "absent"
    rig.hear("disconnected", Ended(reason="closed"))
    assert rig.read("disconnected") is True
    assert rig.read("is_user_speaking") is False


def test_l7_times_are_exact_whenever_they_are_read() -> None:
    rig = Rig()
    rig.now += 0.1
    assert rig.read("elapsed_ms") == rig.read("silence_ms") == 100
    assert rig.read("remaining_budget_ms") == AUDIO_BUDGET_MS - 100
    rig.now += 0.123
    assert rig.read("elapsed_ms") == 223


def test_l7_times_are_no_mutations() -> None:
    rig = Rig()
    cursor = rig.state.cursor
    rig.now += 60.0
    assert rig.read("elapsed_ms") == 60_000
    assert rig.state.cursor == cursor


def test_l7_without_a_session_there_are_no_times() -> None:
    rig = Rig(connected=False)
    assert (
        rig.read("elapsed_ms")
        == rig.read("silence_ms")
        == rig.read("remaining_budget_ms")
        == "absent"
    )
    rig.hear("disconnected", Ended(reason="failed"))
    assert rig.read("elapsed_ms") == "absent"


def test_l7_times_stand_still_once_the_session_has_ended() -> None:
    rig = Rig()
    rig.hear("disconnected", Ended(reason="closed"), after=2.0)
    rig.now += 60.0
    assert rig.read("elapsed_ms") == rig.read("silence_ms") == 2_000
    assert rig.read("remaining_budget_ms") == AUDIO_BUDGET_MS - 2_000


def test_l7_the_budget_is_15_minutes_and_with_video_2() -> None:
    assert (AUDIO_BUDGET_MS, VIDEO_BUDGET_MS) == (900_000, 120_000)
    rig = Rig()
    assert rig.read("remaining_budget_ms") == 900_000
    rig.signals.video_sent()
    assert rig.read("remaining_budget_ms") == 120_000
    rig.now += 121.0
    assert rig.read("remaining_budget_ms") == 0


def test_l7_z11_sending_video_makes_it_an_audio_video_session_once() -> None:
    rig = Rig()
    rig.signals.video_sent()
    assert rig.read("session_type") == "audio_video"
    cursor = rig.state.cursor
    rig.signals.video_sent()
    assert rig.state.cursor == cursor


def test_l7_z11_the_picture_that_opens_the_session_counts() -> None:
    rig = Rig(connected=False)
    rig.signals.video_sent()
    rig.hear(*CONNECTED)
    assert rig.read("session_type") == "audio_video"
    assert rig.read("remaining_budget_ms") == 120_000


SOUNDS: list[tuple[str, Value]] = [
    ("audio_data", t.Audio(data="AAAA", mime_type="audio/pcm;rate=24000")),
    ("text_delta", t.Text(text="Hel")),
    ("input_transcription", said("a")),
    ("output_transcription", said("a")),
    ("voice_activity_start", NOTHING),
    ("voice_activity_end", NOTHING),
    ("interrupted", NOTHING),
]


@pytest.mark.parametrize(("name", "data"), SOUNDS, ids=[name for name, _ in SOUNDS])
def test_l7_a_sound_ends_the_silence(name: str, data: Value) -> None:
    rig = Rig()
    rig.hear(name, data, after=5.0)
    assert rig.read("silence_ms") == 0


def test_l7_what_makes_no_sound_leaves_the_silence() -> None:
    rig = Rig()
    rig.now += 5.0
    rig.hear("usage", t.Usage(total_token_count=1))
    rig.hear("turn_complete", t.TurnComplete(turn=0))
    rig.hear("generation_complete")
    rig.phase("active")
    assert rig.read("silence_ms") == 5_000


def test_l7_there_is_no_silence_while_the_user_speaks() -> None:
    rig = Rig()
    rig.hear("voice_activity_start")
    rig.now += 5.0
    assert rig.read("silence_ms") == 0
    rig.hear("voice_activity_end")
    rig.now += 1.0
    assert rig.read("silence_ms") == 1_000


def test_l7_there_is_no_silence_while_the_speaker_plays() -> None:
    rig = Rig()
    rig.signals.plays_until(rig.now + 3.0)
    rig.hear("output_transcription", said("a"), after=1.0)
    rig.now += 1.0
    assert rig.read("silence_ms") == 0
    rig.now += 1.5
    assert rig.read("silence_ms") == 500


def test_l7_an_interruption_ends_what_was_to_be_played() -> None:
    rig = Rig()
    rig.signals.plays_until(rig.now + 3.0)
    rig.hear("interrupted", after=1.0)
    rig.now += 0.5
    assert rig.read("silence_ms") == 500


def test_r1_r2_a_completed_turn_clears_its_scratch_and_is_counted() -> None:
    rig = Rig()
    rig.state.set("turn:scratch", 1)
    rig.state.set("app:scratch", 1)
    rig.state.set("session:turn_count", 5)
    rig.hear("turn_complete", t.TurnComplete(turn=5))
    assert not rig.state.contains("turn:scratch")
    assert rig.state.contains("app:scratch")
    assert rig.read("turn_count") == 6


def test_h14_three_events_reach_the_state() -> None:
    rig = Rig(connected=False)
    rig.hear("voice_activity_start")
    rig.hear("usage", t.Usage(total_token_count=42))
    rig.hear("turn_complete", t.TurnComplete(turn=0))
    assert rig.read("is_user_speaking") is True
    assert rig.read("total_token_count") == 42
    assert rig.read("turn_count") == 1


def test_a_new_session_begins_with_what_outlives_the_last() -> None:
    rig = Rig()
    for key in ("app:theme", "user:name", "temp:x", "bg:job", "Order", "session:mine"):
        rig.state.set(key, 1)
    rig.state.set_derived("mood", "calm")
    rig.signals.video_sent()
    rig.hear("voice_activity_start")
    rig.hear("disconnected", Ended(reason="closed"), after=9.0)
    cursor = rig.state.cursor
    rig.signals.opened()
    assert rig.state.as_dict() == {"app:theme": 1, "user:name": 1}
    assert {m.origin for m in rig.state.mutations_since(cursor)} == {"clear_prefix"}
    rig.hear(*CONNECTED, after=60.0)
    assert rig.read("elapsed_ms") == 0
    assert rig.read("session_type") == "audio_only"
    assert rig.read("is_user_speaking") is False


def test_what_was_written_before_the_first_session_is_for_that_one() -> None:
    state = State(now_ms=lambda: 7)
    signals = Signals(state, lambda: 0.0)
    state.set("name", "Ann")
    signals.opened()
    assert state.get("name") == "Ann"
    signals.opened()
    assert state.get("name") is None


def test_a_count_that_a_client_spoilt_begins_again() -> None:
    rig = Rig()
    rig.state.set("session:interrupt_count", "many")
    rig.hear("interrupted")
    assert rig.read("interrupt_count") == 1


def test_a_state_that_clients_have_filled_does_not_stop_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state_module, "MAX_KEYS", 1)
    rig = Rig()
    rig.hear("error", error("x" * 2_000_000))
    rig.hear("input_transcription", said("é" * 2_000_000))
    assert rig.read("error_count") == 1
    assert rig.read("last_error") == "x" * 10_000
    assert rig.read("last_input_transcription") == "é" * 10_000


events = st.sampled_from(
    [
        CONNECTED,
        *SOUNDS,
        ("disconnected", Ended(reason="closed")),
        ("turn_complete", t.TurnComplete(turn=0)),
        ("error", error("x")),
        ("phase_changed", t.PhaseChange(phase="model_speaking", previous="active")),
        ("raw", t.RawMessage(message={})),
        ("tool_call", t.ToolCalls(function_calls=[])),
    ]
)


@given(st.lists(st.tuples(events, st.floats(0, 100))))
def test_whatever_happens_the_times_agree(
    happenings: list[tuple[tuple[str, Value], float]],
) -> None:
    rig = Rig()
    for (name, data), after in happenings:
        rig.hear(name, data, after=after)
        session = rig.state.session
        elapsed = session.get_as("elapsed_ms", int, -1)
        assert 0 <= session.get_as("silence_ms", int, -1) <= elapsed
        assert session.get_as("remaining_budget_ms", int, -1) == max(0, AUDIO_BUDGET_MS - elapsed)
