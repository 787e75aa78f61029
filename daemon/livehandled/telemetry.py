"""The session's counters, counted inline and never dependent on who listens (H, Z4)."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from livehandle_proto.topics import TurnMetrics, Usage
from livehandled.latency import EndOfSpeech, Latency, ResponseTimer, SavedLatency, Source


class SavedTelemetry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the telemetry outlives the daemon. Names are those of `Telemetry.snapshot`."""

    audio_chunks_in: int
    audio_bytes_in: int
    audio_chunks_out: int
    audio_chars_out: int
    """Of base64."""
    text_turns_in: int
    video_frames_in: int
    media_frames_dropped: int
    tool_calls: int
    interruptions: int
    turn_count: int
    turns_ms: int
    """How long the turns took that `turns_timed` counts."""
    turns_timed: int
    errors: int
    stalls: int
    usage: Usage
    tokens_by_modality: dict[str, dict[str, int]]
    response_latency: SavedLatency
    response_latency_by_source: dict[Source, SavedLatency]


class Telemetry:
    """Counts since the daemon started, or since the run whose totals it goes on from.

    Names are those of the Rust runtime (H1). Uptime and throughput are this daemon's alone.

    There, `out` is what the model says and the user hears; `in` is the microphone.
    Every `now` is monotonic seconds.
    """

    def __init__(self, *, started: float) -> None:
        self._started = started
        self.audio_chunks_in = 0
        self.audio_bytes_in = 0
        self.audio_chunks_out = 0
        self._audio_chars_out = 0
        self._audio_chars_before = 0
        self._dropped_before = 0
        self.text_turns_in = 0
        self.video_frames_in = 0
        self.tool_calls = 0
        self.interruptions = 0
        self.turn_count = 0
        self.errors = 0
        self.stalls = 0
        """Silences amid a reply."""
        self._usage = Usage()
        self._turn_usage = Usage()
        self._tokens: dict[str, dict[str, int]] = {}
        self._latency = Latency()
        self._by_source: dict[Source, Latency] = {}
        self._timer = ResponseTimer()
        self._turn_latency: int | None = None
        self._turn_began: float | None = None
        self._turn_ms = 0
        self._turns_timed = 0
        self.restored: SavedTelemetry | None = None
        """The totals that it goes on from."""

    def session_opened(self) -> None:
        """Forget what a session left unfinished: a wait, a turn and its tokens."""
        self._timer = ResponseTimer()
        self._turn_usage = Usage()
        self._turn_latency = None
        self._turn_began = None

    def audio_in(self, size: int) -> None:
        """Count one microphone chunk of `size` bytes."""
        self.audio_chunks_in += 1
        self.audio_bytes_in += size

    def audio_out(self, base64_chars: int) -> None:
        """Count one chunk of the model's speech by the length of its base64."""
        self.audio_chunks_out += 1
        self._audio_chars_out += base64_chars

    def text_sent(self, now: float) -> None:
        """Start the wait for the answer to a text; to be called before it is sent (B1)."""
        self._timer.text_sent(now)

    def speech_started(self, now: float) -> None:
        """Note that the user began to speak, whoever heard it."""
        self._timer.speech_started()
        if self._turn_began is None:
            self._turn_began = now

    def speech_ended(self, now: float, source: EndOfSpeech) -> None:
        """Start the wait for the answer, unless another source did for the same speech (Z13)."""
        self._timer.speech_ended(now, source)

    def responded(self, now: float, kind: Literal["audio", "text"]) -> int | None:
        """Note a piece of the model's answer; return the latency in ms if it is the first (H5)."""
        measured = self._timer.responded(now, kind)
        if measured is None:
            return None
        ms, source = measured
        self._latency.record(ms)
        self._by_source.setdefault(source, Latency()).record(ms)
        self._turn_latency = ms
        return ms

    def generation_complete(self) -> None:
        """Note that the model has said all of its answer."""
        self._timer.answer_ended()

    def interrupted(self) -> None:
        """Count an interruption of the model."""
        self.interruptions += 1
        self._timer.answer_ended()

    def usage(self, usage: Usage) -> None:
        """Take the latest token report; a field it leaves out keeps its last value (H11)."""
        self._usage = _latest(self._usage, usage)
        self._turn_usage = _latest(self._turn_usage, usage)

    def turn_complete(self, now: float, turn: int) -> TurnMetrics:
        """Count a turn, its tokens by modality (H10) and how long it took (H12).

        Return what it cost (H16): `turn` is its number in the session, and a figure that nobody
        reported or measured is None.
        """
        self.turn_count += 1
        self._timer.turn_ended()
        usage = self._turn_usage
        self._add_tokens("prompt", usage.prompt_tokens_by_modality)
        self._add_tokens("response", usage.response_tokens_by_modality)
        metrics = TurnMetrics(
            turn=turn,
            latency_ms=self._turn_latency,
            prompt_tokens=usage.prompt_token_count,
            response_tokens=usage.response_token_count,
        )
        if self._turn_began is not None:
            self._turn_ms += max(round((now - self._turn_began) * 1000), 0)
            self._turns_timed += 1
        self._turn_began = now
        self._turn_usage = Usage()
        self._turn_latency = None
        return metrics

    def display(self) -> str:
        """Return the response latency as one line for people (H3, H6)."""
        return self._latency.display()

    def export(self, *, media_dropped: int) -> SavedTelemetry:
        """Return the totals to be saved. A turn or a wait that goes on is not among them."""
        return SavedTelemetry(
            audio_chunks_in=self.audio_chunks_in,
            audio_bytes_in=self.audio_bytes_in,
            audio_chunks_out=self.audio_chunks_out,
            audio_chars_out=self._audio_chars_out,
            text_turns_in=self.text_turns_in,
            video_frames_in=self.video_frames_in,
            media_frames_dropped=self._dropped_before + media_dropped,
            tool_calls=self.tool_calls,
            interruptions=self.interruptions,
            turn_count=self.turn_count,
            turns_ms=self._turn_ms,
            turns_timed=self._turns_timed,
            errors=self.errors,
            stalls=self.stalls,
            usage=self._usage,
            tokens_by_modality={name: dict(tokens) for name, tokens in self._tokens.items()},
            response_latency=self._latency.export(),
            response_latency_by_source={
                source: figures.export() for source, figures in self._by_source.items()
            },
        )

    def restore(self, saved: SavedTelemetry) -> None:
        """Go on from the totals of an earlier run, before anything is counted."""
        self.restored = saved
        self.audio_chunks_in = saved.audio_chunks_in
        self.audio_bytes_in = saved.audio_bytes_in
        self.audio_chunks_out = saved.audio_chunks_out
        self._audio_chars_out = self._audio_chars_before = saved.audio_chars_out
        self.text_turns_in = saved.text_turns_in
        self.video_frames_in = saved.video_frames_in
        self._dropped_before = saved.media_frames_dropped
        self.tool_calls = saved.tool_calls
        self.interruptions = saved.interruptions
        self.turn_count = saved.turn_count
        self._turn_ms = saved.turns_ms
        self._turns_timed = saved.turns_timed
        self.errors = saved.errors
        self.stalls = saved.stalls
        self._usage = saved.usage
        self._tokens = {name: dict(tokens) for name, tokens in saved.tokens_by_modality.items()}
        self._latency.restore(saved.response_latency)
        for source, figures in saved.response_latency_by_source.items():
            self._by_source.setdefault(source, Latency()).restore(figures)

    def snapshot(self, now: float, *, media_dropped: int) -> dict[str, object]:
        """Return every counter by name."""
        uptime = max(now - self._started, 0.0)
        bytes_out = self._audio_chars_out * 3 // 4
        kilobits = (self._audio_chars_out - self._audio_chars_before) * 6 / 1000
        return {
            "uptime_secs": int(uptime),
            "audio_chunks_in": self.audio_chunks_in,
            "audio_kbytes_in": self.audio_bytes_in // 1024,
            "audio_chunks_out": self.audio_chunks_out,
            "audio_kbytes_out": bytes_out // 1024,
            "audio_throughput_kbps": round(kilobits / uptime, 1) if uptime else 0.0,
            "text_turns_in": self.text_turns_in,
            "video_frames_in": self.video_frames_in,
            "media_frames_dropped": self._dropped_before + media_dropped,
            "tool_calls": self.tool_calls,
            "interruptions": self.interruptions,
            "turn_count": self.turn_count,
            "avg_turn_duration_ms": (
                round(self._turn_ms / self._turns_timed) if self._turns_timed else 0
            ),
            "errors": self.errors,
            "stalls": self.stalls,
            **self._response_figures(),
            **self._token_figures(),
        }

    def _response_figures(self) -> dict[str, object]:
        latency = self._latency
        return {
            "last_response_latency_ms": latency.last_ms,
            "avg_response_latency_ms": latency.mean_ms,
            "min_response_latency_ms": latency.min_ms,
            "max_response_latency_ms": latency.max_ms,
            "response_count": latency.count,
            "response_latency": latency.snapshot(),
            "response_latency_by_source": {
                source: figures.snapshot() for source, figures in self._by_source.items()
            },
        }

    def _token_figures(self) -> dict[str, object]:
        return {
            "total_token_count": self._usage.total_token_count or 0,
            "prompt_token_count": self._usage.prompt_token_count or 0,
            "response_token_count": self._usage.response_token_count or 0,
            "cached_content_token_count": self._usage.cached_content_token_count or 0,
            "thoughts_token_count": self._usage.thoughts_token_count or 0,
            "tokens_by_modality": {name: dict(tokens) for name, tokens in self._tokens.items()},
        }

    def _add_tokens(
        self, side: Literal["prompt", "response"], by_modality: Mapping[str, int] | None
    ) -> None:
        for modality, count in (by_modality or {}).items():
            tokens = self._tokens.setdefault(modality, {"prompt": 0, "response": 0})
            tokens[side] += count


def _latest(known: Usage, report: Usage) -> Usage:
    fields = report.__struct_fields__
    return Usage(**{f: getattr(known if getattr(report, f) is None else report, f) for f in fields})
