"""The session's signals, which the daemon keeps in the state under `session:` (section L)."""

from collections.abc import Callable

from livehandle_proto import topics as t
from livehandle_proto.values import ErrorObject, Value
from livehandled.state import State

AUDIO_BUDGET_MS = 15 * 60 * 1000
VIDEO_BUDGET_MS = 2 * 60 * 1000
"""How long the service lets a session last, without video and with it (L7)."""

_MAX_CHARS = 10_000
"""Of the texts kept here, which the service could make any length."""

_LASTING = ("app:", "user:")
PASSING = frozenset(
    f"session:{name}"
    for name in (
        "phase",
        "is_user_speaking",
        "is_model_speaking",
        "disconnected",
        "go_away_received",
        "go_away_time_left_ms",
        "resumable",
        "last_consumed_client_index",
        "connected_at_ms",
        "session_type",
    )
)
"""Keys that tell of a moment, and mean nothing to another daemon."""

_SOUNDS = frozenset({"audio_data", "text_delta", "input_transcription", "output_transcription"})
_TOKEN_COUNTS = (
    "total_token_count",
    "prompt_token_count",
    "response_token_count",
    "cached_content_token_count",
    "thoughts_token_count",
)


class Signals:
    """Follows the session's events, and writes what they say into the state.

    What tells of a happening is written each time; a flag or a gauge where it changes.

    Three keys are live: exact whenever they are read (L7), absent until the session is set up,
    and standing still once it has ended.

    - `session:elapsed_ms`: since the session was set up.
    - `session:remaining_budget_ms`: of 15 minutes, or of 2 once video was sent; never below 0.
    - `session:silence_ms`: since the user or the model last made a sound. It is 0 while the user
      speaks, and else counts from the last edge of the user's speech, transcript, audio, text
      or interruption, or from the end of playback where `plays_until` tells of a later one.

    `clock` and every `now` are monotonic seconds.
    """

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock
        self._had_one = False
        self._counts_go_on = False
        self._connected_at: float | None = None
        self._ended_at: float | None = None
        self._sound_until = 0.0
        self._user_speaking = False
        self._video = False
        self._happenings: dict[str, Callable[[float], None]] = {
            "connected": self._connected,
            "voice_activity_start": lambda now: self.user_spoke(speaking=True, now=now),
            "voice_activity_end": lambda now: self.user_spoke(speaking=False, now=now),
            "interrupted": self._interrupted,
            "disconnected": self._disconnected,
        }
        state.provide("session:elapsed_ms", self._elapsed_ms)
        state.provide("session:remaining_budget_ms", self._remaining_budget_ms)
        state.provide("session:silence_ms", self._silence_ms)

    def opened(self, *, new: bool = True) -> None:
        """Begin a session: of what the last one left, `app:` and `user:` keys outlive it.

        What was written before the first session is for that one. One that is not `new` is an
        earlier daemon's, and its counts go on.
        """
        self._connected_at = self._ended_at = None
        self._user_speaking = self._video = False
        self._counts_go_on = not new
        if self._had_one and new:
            self._state.forget(but=_LASTING)
        self._had_one = True

    def restored(self) -> None:
        """Note that the state is as a session of an earlier daemon's left it."""
        self._had_one = True

    def forget(self) -> None:
        """Be as before the first session."""
        self._connected_at = self._ended_at = None
        self._had_one = self._counts_go_on = False
        self._user_speaking = self._video = False

    def hear(self, name: str, data: Value, now: float) -> None:
        """Take a session event, by its topic without `session.`, and its data."""
        if name in _SOUNDS:
            self._sounded(now)
        if name in self._happenings:
            self._happenings[name](now)
        else:
            self._told(name, data)

    def user_spoke(self, *, speaking: bool, now: float) -> None:
        """Take an edge of the user's speech, heard by the service or here (L2)."""
        self._user_speaking = speaking
        self._gauge("is_user_speaking", speaking)
        self._sounded(now)

    def video_sent(self) -> None:
        """Note that a picture was sent, which makes a session shorter (L7, Z11)."""
        self._video = True
        self._gauge("session_type", "audio_video")

    def plays_until(self, at: float) -> None:
        """Note when what the model has said will have been played (section O)."""
        self._sound_until = at

    def _connected(self, now: float) -> None:
        self._connected_at = now
        self._sound_until = now
        self._put("connected_at_ms", 0)
        if not self._counts_go_on:
            self._put("interrupt_count", 0)
            self._put("error_count", 0)
        self._put("is_user_speaking", self._user_speaking)  # some begin before it is set up
        self._put("is_model_speaking", False)
        self._put("go_away_received", False)
        self._put("resumable", False)
        self._put("session_type", "audio_video" if self._video else "audio_only")

    def _interrupted(self, now: float) -> None:
        self._sound_until = now
        self._count("interrupt_count")

    def _disconnected(self, now: float) -> None:
        self._ended_at = now
        self._user_speaking = False
        self._gauge("is_user_speaking", False)
        self._put("disconnected", True)

    def _told(self, name: str, data: Value) -> None:
        match data:
            case t.PhaseChange():
                self._gauge("is_model_speaking", data.phase == "model_speaking")
                self._gauge("phase", data.phase)  # Z10: the wire's, and nothing else's
            case t.TurnComplete():
                self._state.clear_prefix("turn:")
                self._count("turn_count")
            case t.TranscriptDelta():
                side = name.removesuffix("_transcription")
                # The chunk alone: it must never stand for the turn (N7).
                self._put(f"last_{side}_transcription", data.text[:_MAX_CHARS])
            case t.Usage():
                for field in _TOKEN_COUNTS:
                    self._gauge(field, getattr(data, field))
            case t.GoAway():
                self._put("go_away_received", True)
                self._gauge("go_away_time_left_ms", data.time_left_ms)
            case t.ResumeUpdate():
                self._gauge("resumable", data.resumable)
                index = data.last_consumed_client_message_index
                self._gauge("last_consumed_client_index", index)
            case ErrorObject():
                self._count("error_count")
                self._put("last_error", data.message[:_MAX_CHARS])

    def _sounded(self, now: float) -> None:
        self._sound_until = max(self._sound_until, now)

    def _put(self, name: str, value: object) -> None:
        self._state.keep(f"session:{name}", value)

    def _gauge(self, name: str, value: object) -> None:
        """Write what is new. None is no news."""
        if value is not None and self._state.session.get(name) != value:
            self._put(name, value)

    def _count(self, name: str) -> None:
        """Add one. A client may have written what is no number: then from none."""
        self._put(name, self._state.session.get_as(name, int, 0) + 1)

    def _now(self) -> float:
        return self._clock() if self._ended_at is None else self._ended_at

    def _elapsed_ms(self) -> int | None:
        if self._connected_at is None:
            return None
        return max(0, int((self._now() - self._connected_at) * 1000))

    def _remaining_budget_ms(self) -> int | None:
        elapsed = self._elapsed_ms()
        if elapsed is None:
            return None
        return max(0, (VIDEO_BUDGET_MS if self._video else AUDIO_BUDGET_MS) - elapsed)

    def _silence_ms(self) -> int | None:
        if self._connected_at is None:
            return None
        if self._user_speaking:
            return 0
        return max(0, int((self._now() - self._sound_until) * 1000))
