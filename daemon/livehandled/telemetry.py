"""The session's counters, counted inline and never dependent on who listens (H1, Z4)."""

from livehandle_proto.topics import Usage

# Base64 carries three bytes in four characters.
_BYTES_PER_CHAR = 0.75


class Telemetry:
    """Counts since the daemon started. Names are those of the Rust runtime (H1).

    There, `out` is what the model says and the user hears; `in` is the microphone.
    """

    def __init__(self, *, started: float) -> None:
        self._started = started
        self.audio_chunks_in = 0
        self.audio_bytes_in = 0
        self.audio_chunks_out = 0
        self.audio_bytes_out = 0.0
        self.text_turns_in = 0
        self.video_frames_in = 0
        self.tool_calls = 0
        self.interruptions = 0
        self.turn_count = 0
        self.errors = 0
        self._usage = Usage()

    def audio_in(self, size: int) -> None:
        """Count one microphone chunk of `size` bytes."""
        self.audio_chunks_in += 1
        self.audio_bytes_in += size

    def audio_out(self, base64_chars: int) -> None:
        """Count one chunk of the model's speech by the length of its base64."""
        self.audio_chunks_out += 1
        self.audio_bytes_out += base64_chars * _BYTES_PER_CHAR

    def usage(self, usage: Usage) -> None:
        """Take the latest token report; a field it leaves out keeps its last value (H11)."""
        latest = {f: getattr(self._usage, f) for f in usage.__struct_fields__}
        latest |= {f: v for f in usage.__struct_fields__ if (v := getattr(usage, f)) is not None}
        self._usage = Usage(**latest)

    def snapshot(self, now: float, *, media_dropped: int) -> dict[str, object]:
        """Return every counter by name. `now` is monotonic seconds."""
        uptime = max(now - self._started, 0.0)
        kilobits = self.audio_bytes_out * 8 / 1000
        return {
            "uptime_secs": int(uptime),
            "audio_chunks_in": self.audio_chunks_in,
            "audio_kbytes_in": self.audio_bytes_in // 1024,
            "audio_chunks_out": self.audio_chunks_out,
            "audio_kbytes_out": int(self.audio_bytes_out) // 1024,
            "audio_throughput_kbps": round(kilobits / uptime, 1) if uptime else 0.0,
            "text_turns_in": self.text_turns_in,
            "video_frames_in": self.video_frames_in,
            "media_frames_dropped": media_dropped,
            "tool_calls": self.tool_calls,
            "interruptions": self.interruptions,
            "turn_count": self.turn_count,
            "errors": self.errors,
            "total_token_count": self._usage.total_token_count or 0,
            "prompt_token_count": self._usage.prompt_token_count or 0,
            "response_token_count": self._usage.response_token_count or 0,
            "cached_content_token_count": self._usage.cached_content_token_count or 0,
            "thoughts_token_count": self._usage.thoughts_token_count or 0,
        }
