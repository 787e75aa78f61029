"""What was heard of the model's speech: a clock of the speaker, and words to its seconds (O).

Time is in seconds, from any monotonic clock. Nobody plays audio here: the clock assumes that
what is queued is played at once and without gaps, until the speaker reports otherwise. The
history that the service keeps for itself is not changed by a cut (O6).
"""

from unicodedata import category

_PCM_RATE = 24_000  # Hz, where the service does not say (wire 3.2)
_PLAUSIBLE_RATES = range(4_000, 384_001)
_BYTES_PER_SAMPLE = 2

_ASSUMED_RATE = 16.0  # characters a second, until it has been measured (O2)
_CALIBRATED_AFTER = 2.0  # seconds of speech
_SHORTEST_SAMPLE = 0.5  # seconds: a shorter turn tells more of its pauses than of its rate
_ROUNDING = 1e-6  # characters: 2 s of samples may add up to a hair less than 2.0


class PlaybackClock:
    """Seconds of audio that have been played, over all turns (O1)."""

    def __init__(self) -> None:
        self._used = False
        self._played = 0.0  # at `_since`
        self._pending = 0.0  # queued and not played at `_since`
        self._since = 0.0

    @property
    def total(self) -> float:
        """Seconds that have been played or are to be played."""
        return self._played + self._pending

    def queued(self, seconds: float, now: float) -> None:
        """Note that audio was handed to the speaker, behind what it still plays."""
        if seconds > 0.0:
            self._advance(now)
            self._used = True
            self._pending += seconds

    def flush(self, now: float) -> None:
        """Note that the speaker throws away what it has not played."""
        self._advance(now)
        self._pending = 0.0

    def drained(self, now: float) -> None:
        """Note the speaker's report that it has played all that was queued."""
        self._played += self._pending
        self._pending = 0.0
        self._since = max(now, self._since)

    def heard(self, now: float) -> float | None:
        """Return the seconds played so far; None if nothing was ever queued."""
        return self._played + self._played_since(now) if self._used else None

    def end(self, now: float) -> float | None:
        """Return when all that is queued will have been played; None if nothing plays."""
        end = self._since + self._pending
        return end if end > now else None

    def _advance(self, now: float) -> None:
        played = self._played_since(now)
        self._played += played
        self._pending -= played
        self._since = max(now, self._since)

    def _played_since(self, now: float) -> float:
        return min(max(now - self._since, 0.0), self._pending)


class Playback:
    """The clock, and how many characters of a turn's transcript were heard (O2, O3).

    The model's rate of speech is measured over the turns that were heard out.
    """

    def __init__(self) -> None:
        self.clock = PlaybackClock()
        self._measured_chars = 0
        self._measured_seconds = 0.0
        self._begin_turn()

    def _begin_turn(self) -> None:
        self._began = 0.0  # the clock's second at which this turn's audio begins
        self._received = 0.0  # seconds of this turn's audio
        self._chars = 0  # of this turn's output transcription
        self._heard: float | None = None  # seconds heard, once the turn was interrupted

    @property
    def rate(self) -> float:
        """The model's speech in characters a second: 16 until 2 s have been measured."""
        if self._measured_seconds < _CALIBRATED_AFTER:
            return _ASSUMED_RATE
        return self._measured_chars / self._measured_seconds

    @property
    def cut(self) -> int | None:
        """Characters heard of this turn, if it was interrupted; else, or if no cut is due, None.

        No cut is due to a turn without audio or without output transcription (O3). As that may
        come after the interruption, ask again when it has.
        """
        if self._heard is None or not self._received or not self._chars:
            return None
        return int(self._heard * self.rate + _ROUNDING)

    def audio(self, seconds: float, now: float) -> None:
        """Note speech of this turn, handed to the speaker behind what it still plays."""
        total = self.clock.total  # less than at the last call if the speaker was flushed
        self._began = min(self._began, total) if self._received else total
        self._received += max(seconds, 0.0)
        self.clock.queued(seconds, now)

    def words(self, text: str) -> None:
        """Note output transcription of this turn."""
        self._chars += len(text)

    def drained(self, now: float) -> None:
        """Note the speaker's report that it has played all that was queued."""
        self.clock.drained(now)

    def end(self, now: float) -> float | None:
        """Return when all that is queued will have been played; None if nothing plays."""
        return self.clock.end(now)

    def interrupted(self, now: float, *, reported: bool) -> int | None:
        """Note that the user cut this turn off; return how many characters of it were heard.

        The speaker is flushed. If nobody reports playback, all that was received counts as
        heard (O3). None means: do not cut. A second call for the same turn changes nothing.
        """
        if self._heard is None and (self._received or self._chars):
            self._heard = self._heard_of_turn(now) if reported else self._received
        self.clock.flush(now)
        return self.cut

    def turn_ended(self) -> None:
        """Note the end of the turn. The next audio and words belong to the next one.

        A turn of at least 0.5 s that was transcribed and not interrupted measures the rate (O2).
        """
        if self._heard is None and self._chars and self._received >= _SHORTEST_SAMPLE:
            self._measured_chars += self._chars
            self._measured_seconds += self._received
        self._begin_turn()

    def _heard_of_turn(self, now: float) -> float:
        heard = self.clock.heard(now) or 0.0
        return min(max(heard - self._began, 0.0), self._received)


def seconds_of(base64_length: int, mime_type: str) -> float:
    """Return the duration of 16-bit mono PCM of so many base64 characters.

    The rate is that of a MIME type such as `audio/pcm;rate=24000`; a missing or impossible one
    counts as 24,000 Hz. Padding may make it one sample too long.
    """
    return base64_length * 3 / 4 / _BYTES_PER_SAMPLE / rate_of(mime_type)


def rate_of(mime_type: str) -> int:
    """Return the rate of a MIME type in Hz; 24,000 where it has none that can be."""
    for parameter in mime_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "rate":
            try:
                rate = int(value)
            except ValueError:
                break
            return rate if rate in _PLAUSIBLE_RATES else _PCM_RATE
    return _PCM_RATE


def cut_to_words(text: str, chars: int) -> str:
    """Return the whole words among the first so many characters (code points) of a text (O4).

    Spaces separate words; Chinese and Japanese, written without, may be cut at any character.
    """
    if chars >= len(text):
        return text
    end = max(chars, 0)
    while end and not _word_ends(text[end - 1], text[end]):
        end -= 1
    return text[:end].rstrip()


def _word_ends(before: str, after: str) -> bool:
    if after.isspace():
        return True
    if category(after).startswith("M"):  # a mark that belongs to the character before it
        return False
    return _needs_no_spaces(before) or _needs_no_spaces(after)


def _needs_no_spaces(character: str) -> bool:
    """Return whether a character is a Han ideograph or kana."""
    return "\u3040" <= character <= "\u30ff" or (
        "\u3400" <= character <= "\u9fff" or "\U00020000" <= character <= "\U0003ffff"
    )
