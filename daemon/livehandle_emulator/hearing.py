"""What the emulator hears: one stream of audio becomes utterances (wire 2.1.4, 4.7)."""

from typing import NamedTuple

from livehandled.gemini.setup import AutomaticActivityDetection
from livehandled.voice.vad import Edge, EnergyVad, VadConfig

MAX_UTTERANCE_S = 60.0
"""Of a longer utterance the rest is heard, and not kept to be spoken back."""

_FRAME_MS = 30
_TAIL_FRAMES = 4  # of the silence that ends an utterance, kept so that it does not end abruptly
_DEFAULT_PADDING_MS = 300
_LONGEST_PADDING_MS = 5_000  # that is honoured, as is the next
_LONGEST_SILENCE_MS = 60_000
_ONSET_S = 0.12  # more than it takes to be sure of speech, and less than would be noticed
_UNMARKED_S = 30.0  # of audio before the mark, where all input is part of a turn
_SILENCE_MS = {"HIGH": 500, "LOW": 1000}  # by how readily speech is taken to have ended
_HEARD_AT = VadConfig()  # whose shares of zero crossings are those of speech at its rate
_THRESHOLDS_DB = {"HIGH": (9.0, 6.0), "LOW": (15.0, 10.0)}  # start and stop, over the floor


class Utterance(NamedTuple):
    """Audio that is one turn of the user's."""

    pcm: bytes
    rate: int
    """Of the samples, in Hz."""
    speech_s: float
    """Seconds of it that are speech, from the first onset to the last quiet."""

    @property
    def duration_s(self) -> float:
        """Seconds of audio, padding and pauses included."""
        return len(self.pcm) / 2 / self.rate


class Started(NamedTuple):
    """Speech, or an activity that the client marks, has begun."""

    at_s: float
    """Where, in seconds of audio since the connection was opened."""


class Ended(NamedTuple):
    """It has ended."""

    at_s: float
    utterance: Utterance


class Ear:
    """Hears one stream at a time; the time is that of the audio, never a clock's.

    With automatic detection its own VAD finds utterances. Without, the client's marks do, and
    the VAD only counts how much of an utterance is speech.
    """

    def __init__(
        self,
        detection: AutomaticActivityDetection | None,
        *,
        all_input: bool = False,
        default_sensitivity: str = "HIGH",
    ) -> None:
        """Read the detection of a setup.

        `all_input` makes audio outside the marks part of the next utterance. The default
        sensitivity, HIGH or LOW, is the backend's.
        """
        detection = detection or AutomaticActivityDetection()
        start = _sensitivity(detection.start_of_speech_sensitivity) or default_sensitivity
        end = _sensitivity(detection.end_of_speech_sensitivity) or default_sensitivity
        silence_ms = min(_LONGEST_SILENCE_MS, _or(detection.silence_duration_ms, _SILENCE_MS[end]))
        self.detects = not detection.disabled
        self._all_input = all_input
        self._thresholds_db = _THRESHOLDS_DB[start]
        self._hangover_frames = max(1, round(silence_ms / _FRAME_MS))
        padding_ms = _or(detection.prefix_padding_ms, _DEFAULT_PADDING_MS)
        self._padding_ms = min(_LONGEST_PADDING_MS, padding_ms)
        self._marked = False
        self._stream = self._new_stream(16_000, 0.0)

    @property
    def _lead_s(self) -> float:
        """Seconds of audio before an utterance that it may need."""
        if self.detects:
            return self._padding_ms / 1000 + _ONSET_S
        return _UNMARKED_S if self._all_input else 0.0

    @property
    def speaking(self) -> bool:
        """Whether an activity of the user's is under way."""
        return self._stream.vad.speaking if self.detects else self._marked

    def hear(self, pcm: bytes, rate: int) -> list[Started | Ended]:
        """Hear more audio and return what began and ended in it.

        Another rate begins another stream: speech under way ends there.
        """
        heard: list[Started | Ended] = []
        if rate != self._stream.rate:
            heard += self.end_stream()
            self._stream = self._new_stream(rate, self._stream.end_s)
        second = 2 * rate
        for first in range(0, len(pcm), second):
            edges = self._stream.hear(pcm[first : first + second])
            if self.detects:
                heard += [self._happened(edge) for edge in edges]
            if not self.speaking:
                self._stream.forget(self._lead_s)
        return heard

    def end_stream(self) -> list[Started | Ended]:
        """Take what was heard as all there is (wire 2.3, audioStreamEnd)."""
        if not self.detects:
            return []
        heard = [self._happened(edge) for edge in self._stream.finish()]
        self._stream = self._new_stream(self._stream.rate, self._stream.end_s)
        return heard

    def mark_start(self) -> list[Started | Ended]:
        """Begin an utterance where the client says so; one that is under way goes on."""
        if self._marked:
            return []
        self._marked = True
        if not self._all_input:
            self._stream.begin()
        return [Started(self._stream.end_s)]

    def mark_end(self) -> list[Started | Ended]:
        """End the utterance under way, if any, where the client says so."""
        if not self._marked:
            return []
        self._marked = False
        at_s = self._stream.end_s
        self._stream.finish()
        utterance = self._stream.everything_kept()
        self._stream = self._new_stream(self._stream.rate, at_s)
        return [Ended(at_s, utterance)]

    def _happened(self, edge: Edge) -> Started | Ended:
        if edge.speaking:
            return Started(self._stream.onset_s)
        return Ended(self._stream.after_s(edge.frame), self._stream.last_speech())

    def _new_stream(self, rate: int, begins_s: float) -> "_Stream":
        start_db, stop_db = self._thresholds_db
        # The same sound crosses zero in fewer of its samples, the more there are of them.
        low, high = (share * _HEARD_AT.sample_rate / rate for share in _HEARD_AT.speech_zcr_range)
        config = VadConfig(
            sample_rate=rate,
            speech_zcr_range=(low, high),
            frame_duration_ms=_FRAME_MS,
            start_threshold_db=start_db,
            stop_threshold_db=stop_db,
            hangover_frames=self._hangover_frames,
        )
        return _Stream(config, self._padding_ms, begins_s)


class _Stream:
    """Audio of one rate with nothing missing in between, and what of it is kept."""

    def __init__(self, config: VadConfig, padding_ms: int, begins_s: float) -> None:
        self.vad = EnergyVad(config)
        self.rate = config.sample_rate
        self._begins_s = begins_s
        self._frame_bytes = 2 * config.frame_size
        self._padding = 2 * (config.sample_rate * padding_ms // 1000)
        self._kept = bytearray()
        self._dropped = 0  # bytes before those kept
        self._heard = 0  # bytes in all
        self._onset = 0  # the frame where speech began
        self._quiet = 0  # the frame where it ended
        self._speech_frames = 0

    @property
    def end_s(self) -> float:
        """Seconds of audio since the connection was opened."""
        return self._seconds(self._heard)

    @property
    def onset_s(self) -> float:
        """Where speech last began."""
        return self._seconds(self._onset * self._frame_bytes)

    def after_s(self, frame: int) -> float:
        """Where a frame ends, or would if there were as much audio."""
        return min(self.end_s, self._seconds((frame + 1) * self._frame_bytes))

    def hear(self, pcm: bytes) -> list[Edge]:
        room = int(MAX_UTTERANCE_S * self.rate) * 2 - len(self._kept)
        self._kept += pcm[: max(0, room)]
        self._heard += len(pcm)
        edges = self.vad.push(pcm)
        for edge in edges:
            self._note(edge)
        return edges

    def finish(self) -> list[Edge]:
        """Return the edge that silence would bring."""
        if not self.vad.speaking:
            return []
        silent_frames = self.vad.config.hangover_frames + 1
        edges = self.vad.push(bytes(silent_frames * self._frame_bytes))
        for edge in edges:
            self._note(edge)
        return edges

    def begin(self) -> None:
        """Count speech from here on."""
        self._speech_frames = 0
        if self.vad.speaking:
            self._onset = self.vad.frames_processed

    def forget(self, keep_s: float) -> None:
        """Drop all audio but the newest `keep_s` seconds."""
        if self._dropped + len(self._kept) < self._heard:
            # There was too much to keep: what is missing lies between, so none of it is of use.
            self._kept = bytearray(self._heard % 2)
        else:
            excess = len(self._kept) - 2 * int(keep_s * self.rate)
            del self._kept[: max(0, excess - excess % 2)]
        self._dropped = self._heard - len(self._kept)

    def last_speech(self) -> Utterance:
        """Return the speech that ended last, with the padding before it."""
        first = max(self._dropped, self._onset * self._frame_bytes - self._padding)
        tail = min(_TAIL_FRAMES, self.vad.config.hangover_frames)
        last = (self._quiet + tail) * self._frame_bytes
        pcm = bytes(self._kept[first - self._dropped : last - self._dropped])
        return self._utterance(pcm, self._quiet - self._onset)

    def everything_kept(self) -> Utterance:
        """Return all audio that is kept."""
        return self._utterance(bytes(self._kept), self._speech_frames)

    def _utterance(self, pcm: bytes, speech_frames: int) -> Utterance:
        seconds = speech_frames * self._frame_bytes / 2 / self.rate
        return Utterance(pcm, self.rate, seconds)

    def _note(self, edge: Edge) -> None:
        if edge.speaking:
            self._onset = edge.frame - self.vad.config.min_speech_frames + 1
        else:
            self._quiet = edge.frame - self.vad.config.hangover_frames + 1
            self._speech_frames += self._quiet - self._onset

    def _seconds(self, offset: int) -> float:
        return self._begins_s + offset / 2 / self.rate


def _sensitivity(name: str | None) -> str:
    """Return HIGH or LOW of an enum value, and nothing of one that says neither."""
    last = (name or "").upper().rpartition("_")[2]
    return last if last in _THRESHOLDS_DB else ""


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
