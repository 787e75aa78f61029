"""Recordings of the conversation: what is asked for, what is written, and where."""

from typing import Annotated, Literal

from msgspec import Meta

from livehandle_proto.values import Params, Value

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?![\s\S])"
"""A recording's name is a part of a directory's."""


class RecordingStart(Params, frozen=True):
    """What to record: the wire to the model's service, the sound, or both; and under which name.

    Without a name it is the time, as in `20260301-081500`, in UTC.
    """

    name: Annotated[str, Meta(pattern=NAME)] | None = None
    wire: bool = True
    audio: bool = True


class Recording(Value, frozen=True, kw_only=True, omit_defaults=False):
    """A recording, and how much there is of it."""

    name: str
    wire: str | None
    """The file of the wire, JSON lines; null where it is not recorded."""
    audio: str | None
    """The file of the sound, stereo WAV, the user left and the model right."""
    redacted: bool
    """Whether texts in it are masked as the configuration says."""
    started_ms: int
    """Wall clock, since 1970."""
    duration_ms: int
    frames: int
    """Of the wire, both directions."""
    wire_bytes: int
    audio_bytes: int
    dropped: int
    """Frames and pieces of sound that came faster than the disk took them."""


class KeptRecording(Value, frozen=True, kw_only=True):
    """A recording on disk."""

    name: str
    bytes: int
    """Of its files."""
    modified_ms: int
    """When it was written last: wall clock, since 1970."""


class Recordings(Value, frozen=True, kw_only=True):
    """The recordings that are kept, oldest first, and the directory they are in."""

    directory: str
    recordings: list[KeptRecording]


RecordingReason = Literal["started", "stopped", "full", "failed", "stopping"]
"""Why a recording began or ended: it was asked for, it reached `recording.max_bytes`, it could not
be written, or the daemon stops."""


class RecordingChange(Value, frozen=True, kw_only=True):
    """A recording that began or ended."""

    reason: RecordingReason
    recording: Recording
    message: str | None = None
    """Why it could not be written, and what to do."""
