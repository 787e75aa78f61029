"""The model's speech on its way to a speaker: what is queued, cut off, and played to its end.

Sans-I/O: whoever plays pulls samples and says when they will be heard. Time is in monotonic
seconds. One thread at a time.
"""

import base64
import math
import sys
from array import array
from collections import deque
from collections.abc import Mapping

from livectl.sound.resample import Resampler

VOICE_RATE = 24_000
"""Of the model's speech, in Hz, where it does not say (wire 3.2)."""

_PLAUSIBLE_RATES = range(4_000, 384_001)
_MOST_S = 300.0
_RESUMES_AFTER_S = 0.4  # the service hears a short word later than the daemon does
_NEVER = -math.inf


class Playback:
    """16-bit mono PCM of any rates that is to be played at one, and what has become of it.

    A turn has drained when it is complete and its last sample has been heard, once, and never
    when the user cut it off: the daemon knows of that by itself (C10).
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        """Of what `pull` returns, in Hz."""
        self.last = b""
        """What was pulled last."""
        self._queue: deque[tuple[bytes, int]] = deque()
        self._queued_s = 0.0
        self._ready = bytearray()
        self._resampler: tuple[int, Resampler] | None = None
        self._ends_at = _NEVER
        self._turn_complete = False
        self._unreported = False
        self._silent_until = _NEVER

    def event(self, topic: str, data: Mapping[str, object], now: float) -> bool:
        """Do what an event of the daemon asks of a speaker. False if it is speech without room."""
        match topic:
            case "live.audio":
                pcm = base64.b64decode(str(data.get("data", "")))
                return self.take(pcm, rate_of(str(data.get("mime_type", ""))))
            case "live.interrupted":
                self.interrupted()
            case "live.vad_start":
                self.speech_began(now)
            case "live.vad_end":
                self.speech_ended(now)
            case "live.turn_complete":
                self.turn_complete()
        return True

    def take(self, pcm: bytes, rate: int) -> bool:
        """Queue speech. False, and nothing is taken, if five minutes wait already."""
        seconds = len(pcm) / 2 / rate
        if self._queued_s + seconds > _MOST_S:
            return False
        self._queue.append((pcm, rate))
        self._queued_s += seconds
        self._turn_complete = False
        self._unreported = True
        return True

    def pull(self, frames: int, at: float) -> bytes:
        """Return the next samples, at most so many; the first is heard at the time given.

        Fewer are returned where there are no more yet: what is played then is silence.
        """
        self.last = b"" if at < self._silent_until else self._next(frames * 2)
        if self.last:
            self._ends_at = at + len(self.last) / 2 / self.rate
        return self.last

    def turn_complete(self) -> None:
        """Note that no more audio of the turn will come."""
        self._turn_complete = True

    def interrupted(self) -> None:
        """Drop everything: the user cut the model off."""
        self._queue.clear()
        self._queued_s = 0.0
        self._ready.clear()
        self._resampler = None
        self._ends_at = self._silent_until = _NEVER
        self._unreported = False

    def speech_began(self, now: float) -> None:
        """Fall silent, for the user speaks.

        What of the turn is to become is the service's word, or the daemon's (`voice.commit`): it
        is cut off, or goes on when the user has stopped. After the turn's end nobody will say
        so, and it is cut off here.
        """
        if not self.playing(now):
            return
        if self._turn_complete:
            self.interrupted()
        else:
            self._silent_until = math.inf

    def speech_ended(self, now: float) -> None:
        """Go on soon with what `speech_began` has silenced, if it is not cut off by then."""
        if self._silent_until == math.inf:
            self._silent_until = now + _RESUMES_AFTER_S

    def playing(self, now: float) -> bool:
        """Whether there is something that has not been heard."""
        return bool(self._queue or self._ready or self._resampler) or now < self._ends_at

    def drained(self, now: float) -> bool:
        """Whether a turn has been heard to its end since the last time this was so."""
        over = self._unreported and self._turn_complete and not self.playing(now)
        if over:
            self._unreported = False
        return over

    def _next(self, size: int) -> bytes:
        while len(self._ready) < size and self._queue:
            pcm, rate = self._queue.popleft()
            self._queued_s = max(self._queued_s - len(pcm) / 2 / rate, 0.0)
            self._convert(pcm, rate)
        if self._turn_complete and not self._queue:
            self._finish()
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def _convert(self, pcm: bytes, rate: int) -> None:
        if self._resampler is not None and self._resampler[0] != rate:
            self._finish()
        if rate == self.rate:
            self._ready += pcm
            return
        if self._resampler is None:
            self._resampler = rate, Resampler(rate, self.rate)
        self._ready += to_bytes(self._resampler[1].push(samples_of(pcm)))

    def _finish(self) -> None:
        if self._resampler is not None:
            self._ready += to_bytes(self._resampler[1].finish())
            self._resampler = None


def rate_of(mime_type: str) -> int:
    """Return the rate that a type such as `audio/pcm;rate=24000` states, else `VOICE_RATE`."""
    for parameter in mime_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "rate" and value.isdecimal() and int(value) in _PLAUSIBLE_RATES:
            return int(value)
    return VOICE_RATE


def samples_of(pcm: bytes) -> "array[float]":
    """Return the values of 16-bit little-endian PCM."""
    integers = array("h", pcm)
    if sys.byteorder == "big":
        integers.byteswap()
    return array("d", integers)


def to_bytes(samples: "array[int]") -> bytes:
    """Return 16-bit values as little-endian PCM."""
    if sys.byteorder == "big":
        samples = array("h", samples)
        samples.byteswap()
    return samples.tobytes()
