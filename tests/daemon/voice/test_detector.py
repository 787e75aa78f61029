"""How frames become edges, whatever judges them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livehandled.voice.detector import Edge, FrameDetector, VadConfig, VadState

FRAME = 4  # bytes


class Judge(FrameDetector):
    """Takes a frame for speech if its first byte is not zero."""

    backend = "judge"

    def _like_speech(self, frame: bytes) -> bool:
        self._probability = float(frame[0] != 0)
        return frame[0] != 0


def judge(min_speech_frames: int, hangover_frames: int) -> Judge:
    return Judge(
        VadConfig(
            sample_rate=100,
            frame_duration_ms=20,
            min_speech_frames=min_speech_frames,
            hangover_frames=hangover_frames,
        )
    )


def heard(frames: list[bool]) -> bytes:
    return b"".join(bytes([frame]) * FRAME for frame in frames)


def last_in_a_row(frames: list[bool], upto: int) -> int:
    return next((i for i in range(upto) if frames[upto - 1 - i] != frames[upto - 1]), upto)


FRAMES = st.lists(st.booleans(), max_size=60)
COUNTS = st.integers(1, 4)


@given(FRAMES, COUNTS, COUNTS)
def test_f4_f5_f6_an_edge_needs_as_many_frames_in_a_row_as_are_asked(
    frames: list[bool], least: int, hangover: int
) -> None:
    detector = judge(least, hangover)
    speaking = False
    for index, frame in enumerate(frames):
        run = last_in_a_row(frames, index + 1)
        turns = frame != speaking and run >= (hangover if speaking else least)
        expected = [Edge(frame, index)] if turns else []
        speaking = frame if turns else speaking
        assert detector.push(heard([frame])) == expected
        contrary = frame != speaking
        assert (
            detector.state
            == {
                (False, False): VadState.SILENCE,
                (False, True): VadState.PENDING_SPEECH,
                (True, False): VadState.SPEECH,
                (True, True): VadState.HANGOVER,
            }[speaking, contrary]
        )
        assert detector.speaking is speaking
        assert detector.frames_processed == index + 1


@given(FRAMES, COUNTS, COUNTS, st.lists(st.integers(0, 60 * FRAME), max_size=20))
def test_f9_edges_alternate_and_no_cut_moves_them(
    frames: list[bool], least: int, hangover: int, cuts: list[int]
) -> None:
    audio = heard(frames)
    expected = judge(least, hangover).push(audio)
    assert [edge.speaking for edge in expected] == [i % 2 == 0 for i in range(len(expected))]
    assert all(a.frame < b.frame for a, b in pairwise(expected))
    detector = judge(least, hangover)
    bounds = [0, *sorted(cuts), len(audio)]
    assert [e for a, b in pairwise(bounds) for e in detector.push(audio[a:b])] == expected


def test_f8_a_reset_is_a_new_detector() -> None:
    detector = judge(1, 2)
    detector.push(heard([True, False]) + b"\1")
    detector.reset()
    assert (detector.state, detector.frames_processed) == (VadState.SILENCE, 0)
    assert detector.last_probability is None
    assert detector.push(heard([True])) == [Edge(True, 0)]


def test_a_frame_without_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="sample"):
        Judge(VadConfig(sample_rate=10))
