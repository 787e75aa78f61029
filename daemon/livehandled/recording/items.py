"""What the loop hands to the thread that writes a recording: what happened, and when.

Times are seconds of the recording, from its start on.
"""

from typing import Literal, NamedTuple

from livehandled.session.wiretap import Connected

Direction = Literal["in", "out"]
"""From the service, or to it."""


class Opened(NamedTuple):
    """A connection. What its `secrets` and `handles` have is never written."""

    at: float
    connection: Connected
    before: bool = False
    """It was open when the recording began."""


class Frame(NamedTuple):
    """A message on the wire, as it was."""

    at: float
    direction: Direction
    data: bytes
    before: bool = False


class Closed(NamedTuple):
    """The end of a connection."""

    at: float
    by: Literal["service", "daemon", "network"]
    code: int | None = None
    reason: str | None = None


class UserAudio(NamedTuple):
    """Sound of the microphone, 16-bit mono PCM at 16 kHz; its last sample was heard at `at`."""

    at: float
    pcm: bytes


class ModelAudio(NamedTuple):
    """Speech of the model that came: 16-bit mono PCM as base64, and its MIME type."""

    at: float
    data: str
    mime_type: str


class Cut(NamedTuple):
    """The speaker threw away what it had not played."""

    at: float


Item = Opened | Frame | Closed | UserAudio | ModelAudio | Cut


def size_of(item: Item) -> int:
    """Return the bytes that an item keeps while it waits, about."""
    match item:
        case Frame() | ModelAudio():
            return 200 + len(item.data)
        case UserAudio():
            return 200 + len(item.pcm)
        case _:
            return 500
