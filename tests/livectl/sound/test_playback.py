"""The model's speech on its way to a speaker, by tables: what is heard, and when it has drained."""

import base64
import math
from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livectl.sound.playback import VOICE_RATE, Playback, rate_of
from support.waves import rms, share_of, tone

RATE = 1000
"""Of the speaker in most tests: a sample is a millisecond."""

ROUNDING = 1e-6


def sound(samples: int, value: int = 1) -> bytes:
    return array("h", [value] * samples).tobytes()


# A step is what happens, an argument, and what is then to be seen. `pull` plays 100 ms that are
# heard 50 ms after they are pulled; its result is what is heard, in samples. `drained` is asked
# at a time in milliseconds.
Step = tuple[str, int, object]

TURNS: dict[str, Sequence[Step]] = {
    "nothing to play, nothing drained": [("pull", 0, 0), ("end", 0, None), ("drained", 500, False)],
    "drained when the last sample has been heard, once": [
        ("take", 250, True),
        ("pull", 0, 100),
        ("pull", 100, 100),
        ("end", 0, None),
        ("pull", 200, 50),
        ("drained", 200, False),
        ("drained", 299, False),  # 200 + 50 of latency + 50 of samples
        ("drained", 300, True),
        ("drained", 301, False),
    ],
    "not drained while more of the turn may come": [
        ("take", 100, True),
        ("pull", 0, 100),
        ("drained", 10_000, False),
        ("take", 100, True),
        ("pull", 10_000, 100),
        ("drained", 20_000, False),
        ("end", 0, None),
        ("drained", 20_000, True),
    ],
    "drained at once where the turn ends after it was heard": [
        ("take", 100, True),
        ("pull", 0, 100),
        ("drained", 150, False),
        ("end", 0, None),
        ("drained", 150, True),
    ],
    "one drain for a turn whose successor has begun": [
        ("take", 100, True),
        ("end", 0, None),
        ("take", 100, True),
        ("pull", 0, 100),
        ("drained", 1_000, False),
        ("pull", 1_000, 100),
        ("drained", 5_000, False),
        ("end", 0, None),
        ("drained", 5_000, True),
    ],
    "a turn without audio does not drain": [
        ("take", 100, True),
        ("end", 0, None),
        ("pull", 0, 100),
        ("drained", 150, True),
        ("end", 0, None),
        ("drained", 500, False),
    ],
    "cut off: nothing more is heard, and nothing has drained": [
        ("take", 500, True),
        ("pull", 0, 100),
        ("interrupted", 50, None),
        ("pull", 100, 0),
        ("end", 0, None),
        ("drained", 1_000, False),
    ],
    "what follows an interruption is played and drains": [
        ("take", 500, True),
        ("pull", 0, 100),
        ("interrupted", 50, None),
        ("end", 0, None),
        ("take", 50, True),
        ("pull", 1_000, 50),
        ("end", 0, None),
        ("drained", 1_099, False),
        ("drained", 1_100, True),
    ],
    "speech over a turn silences it; the interruption drops it": [
        ("take", 500, True),
        ("pull", 0, 100),
        ("speech", 50, None),
        ("pull", 100, 0),
        ("interrupted", 150, None),
        ("silence", 200, None),
        ("pull", 900, 0),
    ],
    "after a cough the turn goes on where it was, and drains": [
        ("take", 150, True),
        ("pull", 0, 100),
        ("speech", 50, None),
        ("pull", 100, 0),
        ("end", 0, None),
        ("silence", 200, None),
        ("pull", 500, 0),  # heard at 550
        ("drained", 599, False),
        ("pull", 600, 50),
        ("drained", 699, False),
        ("drained", 700, True),
    ],
    "speech that begins again keeps it silent": [
        ("take", 500, True),
        ("pull", 0, 100),
        ("speech", 50, None),
        ("silence", 100, None),
        ("speech", 200, None),
        ("pull", 700, 0),
        ("silence", 800, None),
        ("pull", 1_200, 100),
    ],
    "speech before the turn does not silence it": [
        ("speech", 0, None),
        ("take", 100, True),
        ("pull", 10, 100),
    ],
    "speech after the turn's end drops what is left: nobody else will say so": [
        ("take", 500, True),
        ("end", 0, None),
        ("pull", 0, 100),
        ("speech", 50, None),
        ("silence", 60, None),
        ("pull", 900, 0),
        ("drained", 2_000, False),
    ],
    "speech over the last samples in the device is a barge-in too": [
        ("take", 100, True),
        ("end", 0, None),
        ("pull", 0, 100),
        ("speech", 149, None),
        ("drained", 1_000, False),
    ],
    "speech after the last sample is none": [
        ("take", 100, True),
        ("end", 0, None),
        ("pull", 0, 100),
        ("speech", 150, None),
        ("drained", 151, True),
    ],
    "a gap in the middle is silence, not the end": [
        ("take", 50, True),
        ("pull", 0, 50),
        ("pull", 100, 0),
        ("take", 50, True),
        ("end", 0, None),
        ("pull", 200, 50),
        ("drained", 299, False),
        ("drained", 300, True),
    ],
    "five minutes at most": [
        ("take", 299_900, True),
        ("take", 101, False),
        ("take", 100, True),
        ("pull", 0, 100),
        ("take", 1, True),
    ],
}


@pytest.mark.parametrize("steps", TURNS.values(), ids=TURNS.keys())
def test_what_is_heard_and_when_it_has_drained(steps: Sequence[Step]) -> None:
    playback = Playback(RATE)
    for number, (what, value, seen) in enumerate(steps):
        now = value / 1000
        result: object = None
        match what:
            case "take":
                result = playback.take(sound(value), RATE)
            case "pull":
                result = len(playback.pull(100, now + 0.05)) // 2
            case "end":
                playback.turn_complete()
            case "interrupted":
                playback.interrupted()
            case "speech":
                playback.speech_began(now + ROUNDING)
            case "silence":
                playback.speech_ended(now)
            case "drained":
                result = playback.drained(now + ROUNDING)
        assert result == seen, f"step {number}: {what} {value}"


def test_events_of_the_daemon_are_carried_out() -> None:
    def audio(pcm: bytes) -> dict[str, object]:
        return {"data": base64.b64encode(pcm).decode(), "mime_type": "audio/pcm;rate=8000"}

    playback = Playback(8000)
    assert playback.event("live.audio", audio(sound(100)), 0.0)
    assert playback.pull(50, 0.0) == playback.last == sound(50)
    playback.event("live.vad_start", {}, 0.01)
    assert playback.pull(50, 0.1) == playback.last == b""
    playback.event("live.vad_end", {}, 0.2)
    assert playback.pull(50, 1.0) == sound(50)
    playback.event("live.turn_complete", {"turn": 0}, 1.0)
    assert playback.drained(2.0)
    playback.event("live.audio", audio(sound(100)), 3.0)
    playback.event("live.interrupted", {}, 3.0)
    playback.event("live.text_delta", {"text": "no concern of a speaker's"}, 3.0)
    assert playback.pull(50, 3.0) == b""
    playback.take(sound(300 * 8000), 8000)
    assert not playback.event("live.audio", audio(sound(1)), 4.0)


@pytest.mark.parametrize(
    ("mime_type", "rate"),
    [
        ("audio/pcm;rate=24000", 24_000),
        ("audio/pcm; Rate=16000", 16_000),
        ("audio/pcm;channels=1;rate=48000", 48_000),
        ("audio/pcm", VOICE_RATE),
        ("", VOICE_RATE),
        ("audio/pcm;rate=", VOICE_RATE),
        ("audio/pcm;rate=-8000", VOICE_RATE),
        ("audio/pcm;rate=0", VOICE_RATE),
        ("audio/pcm;rate=9999999", VOICE_RATE),
        ("audio/pcm;rate=fast", VOICE_RATE),
    ],
)
def test_the_rate_is_that_of_the_mime_type(mime_type: str, rate: int) -> None:
    assert rate_of(mime_type) == rate


def test_another_rate_is_converted_whole() -> None:
    playback = Playback(16_000)
    wave = array("h", (round(32767 * s) for s in tone(440, 24_000, 0.3))).tobytes()
    for start in range(0, len(wave), 1920):
        playback.take(wave[start : start + 1920], 24_000)
    heard = b""
    while piece := playback.pull(320, len(heard) / 32_000):
        heard += piece
    assert len(heard) < 2 * 16_000 * 0.3
    assert not playback.drained(10.0)
    playback.turn_complete()
    assert not playback.drained(10.0), "the last samples are still in the filter"
    while piece := playback.pull(320, len(heard) / 32_000):
        heard += piece
    assert playback.drained(10.0)
    assert len(heard) == 2 * 16_000 * 0.3
    samples = [s / 32768 for s in array("h", heard)]
    assert share_of(samples, 440, 16_000) > 0.99
    assert rms(samples) == pytest.approx(0.5 / math.sqrt(2), rel=0.02)


def test_an_interruption_drops_what_is_in_the_filter() -> None:
    playback = Playback(16_000)
    playback.take(sound(2400, 9000), 24_000)
    playback.pull(160, 0.0)
    playback.interrupted()
    playback.turn_complete()
    assert playback.pull(160, 1.0) == b""
    assert not playback.playing(1.0)


def test_the_rate_may_change_in_the_middle() -> None:
    playback = Playback(16_000)
    playback.take(sound(1600), 16_000)
    playback.take(sound(2400), 24_000)
    playback.take(sound(800), 8_000)
    playback.turn_complete()
    assert len(playback.pull(100_000, 0.0)) == 2 * 4800


@given(st.lists(st.tuples(st.sampled_from(["take", "pull"]), st.integers(0, 400)), max_size=24))
def test_every_sample_is_heard_in_order_however_it_is_cut(steps: list[tuple[str, int]]) -> None:
    total = sum(count for what, count in steps if what == "take")
    samples = array("h", range(total)).tobytes()
    playback, heard, at = Playback(RATE), b"", 0
    for what, count in steps:
        if what == "take":
            playback.take(samples[at : at + 2 * count], RATE)
            at += 2 * count
        else:
            heard += playback.pull(count, 0.0)
    assert heard + playback.pull(100_000, 0.0) == samples
