"""The lines of a wire file: `livehandle_proto.wire_file` says what stands in them. Sans-I/O."""

import msgspec

from livehandle_proto import wire_file
from livehandled.recording.items import Closed, Frame, Opened
from livehandled.recording.scrub import Json, Scrubber

_encode = msgspec.json.Encoder().encode


class Lines:
    """Makes lines of what happens, in order."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._connections = 0

    def header(
        self, *, version: str, name: str, started_ms: int, redacted: bool, audio: str
    ) -> bytes:
        """Return the first line."""
        head: Json = {
            wire_file.HEAD: wire_file.VERSION,
            "version": version,
            "name": name,
            "started_ms": started_ms,
            "redacted": redacted,
            "audio": audio,
        }
        return _encode(head) + b"\n"

    def opened(self, item: Opened) -> bytes:
        """Return the line of a connection."""
        self._connections += 1
        connection = item.connection
        self._scrubber.know(connection.secrets, connection.handles)
        more: Json = {
            "connection": self._connections,
            "session": connection.session,
            "generation": connection.generation,
            "model": connection.model,
            "backend": connection.backend,
            "url": connection.url,
        }
        return _line(item.at, "open", more | ({"before": True} if item.before else {}))

    def frame(self, item: Frame) -> bytes:
        """Return the lines of a message."""
        before: Json = {"before": True} if item.before else {}
        said = self._scrubber.message(item.data, item.direction)
        return b"".join(_line(item.at, item.direction, before | one) for one in said)

    def closed(self, item: Closed) -> bytes:
        """Return the lines of the end of a connection, and of what was still to be said on it."""
        more: Json = {"by": item.by}
        if item.code is not None:
            more |= {"code": item.code, "reason": self._scrubber.text(item.reason or "")}
        return self._rest(item.at) + _line(item.at, "close", more)

    def dropped(self, at: float, count: int) -> bytes:
        """Return the line that stands for those that are missing."""
        return _line(at, "dropped", {"count": count})

    def end(self, at: float, reason: str) -> bytes:
        """Return the last lines."""
        return self._rest(at) + _line(at, "end", {"reason": reason})

    def _rest(self, at: float) -> bytes:
        return b"".join(_line(at, "in", one) for one in self._scrubber.rest())


def _line(at: float, what: str, more: Json) -> bytes:
    return _encode({"ms": round(at * 1000, 3), "what": what} | more) + b"\n"
