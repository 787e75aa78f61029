"""A model that falls silent in the middle of what it says."""

import pytest

from livehandled.voice.stall import StallDetector

AFTER_S = 3.0


class Rig:
    def __init__(self, after_s: float = AFTER_S) -> None:
        self.looks = 0
        self.detector = StallDetector(lambda: after_s, self._look)

    def hear(self, *events: tuple[str, float, float]) -> float | None:
        for name, now, plays_until in events:
            self.detector.hear(name, now, plays_until)
        return self.detector.deadline

    def _look(self) -> None:
        self.looks += 1


def test_silence_begins_where_what_came_has_been_played() -> None:
    rig = Rig()
    assert rig.hear(("audio_data", 10.0, 14.0)) == 17.0
    assert rig.detector.due(16.9) is None
    assert rig.detector.due(17.2) == 3200


@pytest.mark.parametrize("name", ["text_delta", "media"])
def test_what_is_not_played_counts_from_when_it_came(name: str) -> None:
    assert Rig().hear((name, 10.0, 0.0)) == 13.0


@pytest.mark.parametrize(
    "name", ["generation_complete", "interrupted", "tool_call", "disconnected"]
)
def test_a_model_that_has_a_reason_is_not_waited_for(name: str) -> None:
    assert Rig().hear(("audio_data", 10.0, 11.0), (name, 10.5, 11.0)) is None


def test_words_move_what_is_waited_for() -> None:
    rig = Rig()
    assert rig.hear(("audio_data", 10.0, 11.0), ("output_transcription", 12.0, 11.0)) == 15.0


@pytest.mark.parametrize("stop", ["generation_complete", "interrupted", "tool_call"])
def test_words_that_trail_the_speech_are_not_waited_for(stop: str) -> None:
    rig = Rig()
    words = ("output_transcription", 10.6, 11.0)
    assert rig.hear(("audio_data", 10.0, 11.0), (stop, 10.5, 11.0), words) is None
    assert rig.hear(("audio_data", 12.0, 13.0)) == 16.0


@pytest.mark.parametrize(
    "name", ["usage", "thought", "input_transcription", "voice_activity_start"]
)
def test_the_rest_is_neither_speech_nor_its_end(name: str) -> None:
    rig = Rig()
    assert rig.hear((name, 10.0, 0.0)) is None
    assert rig.hear(("audio_data", 10.0, 11.0), (name, 12.0, 11.0)) == 14.0


def test_a_stall_is_told_once_until_the_model_goes_on() -> None:
    rig = Rig()
    rig.hear(("audio_data", 10.0, 10.0))
    assert rig.detector.due(13.0) == 3000
    assert rig.detector.due(20.0) is None
    rig.hear(("audio_data", 21.0, 21.5))
    assert rig.detector.due(24.5) == 3000


def test_only_a_deadline_that_appears_is_looked_at() -> None:
    rig = Rig()
    rig.hear(("audio_data", 1.0, 2.0), ("audio_data", 1.1, 3.0), ("audio_data", 1.2, 4.0))
    assert rig.looks == 1


def test_without_a_bound_nothing_is_a_stall() -> None:
    rig = Rig(after_s=0.0)
    assert rig.hear(("audio_data", 10.0, 11.0)) is None
    assert rig.looks == 0
