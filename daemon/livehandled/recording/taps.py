"""What listens to the wire and to the sound while a recording runs."""

from collections.abc import Callable
from typing import Literal

from livehandled.recording.inbox import Inbox
from livehandled.recording.items import Closed, Cut, Frame, ModelAudio, Opened, UserAudio
from livehandled.session.wiretap import Connected


class WireTap:
    """Notes what goes over the wire. `now` is the recording's clock."""

    def __init__(self, inbox: Inbox, now: Callable[[], float]) -> None:
        self._inbox = inbox
        self._now = now

    def opened(self, connection: Connected, *, before: bool) -> None:
        """Note a connection."""
        self._inbox.put(Opened(self._now(), connection, before))

    def sent(self, frame: bytes, *, before: bool = False) -> None:
        """Note a message to the service."""
        self._inbox.put(Frame(self._now(), "out", frame, before))

    def came(self, frame: bytes, *, before: bool = False) -> None:
        """Note a message of the service."""
        self._inbox.put(Frame(self._now(), "in", frame, before))

    def closed(
        self, by: Literal["service", "daemon", "network"], code: int | None, reason: str | None
    ) -> None:
        """Note the end of the connection."""
        self._inbox.put(Closed(self._now(), by, code, reason))


class SoundTap:
    """Notes what the user said, and what is heard of the model."""

    def __init__(self, inbox: Inbox, now: Callable[[], float]) -> None:
        self._inbox = inbox
        self._now = now

    def user(self, pcm: bytes) -> None:
        """Note sound of the microphone."""
        self._inbox.put(UserAudio(self._now(), pcm))

    def model(self, data: str, mime_type: str) -> None:
        """Note speech of the model, as base64."""
        self._inbox.put(ModelAudio(self._now(), data, mime_type))

    def cut(self) -> None:
        """Note that the model was interrupted."""
        self._inbox.put(Cut(self._now()))
