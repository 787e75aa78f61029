"""Bytes to lines (protocol section 2). Sans-I/O."""

_HTTP_STARTS = (b"GET ", b"POST ", b"PRI ")

HTTP_REFUSAL = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This socket speaks JSON-RPC 2.0, one message a line, not HTTP.\n"
)
"""What a web client is told before the connection closes."""


class LineReader:
    """Cuts a stream of bytes into lines of at most `max_bytes` each, without their ends.

    `http` is set when the stream begins as HTTP does, `overlong` when a line passes the limit.
    After either, no more lines come.
    """

    def __init__(self, max_bytes: int) -> None:
        self.http = False
        self.overlong = False
        self._max_bytes = max_bytes
        self._begun = False
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they come; return the lines they complete, but for blank ones."""
        if not self._begun:
            data = self._begin(data)
        if self.http or self.overlong:
            return []
        last = len(data) - 1
        if not self._buffer and 0 < last <= self._max_bytes and data.find(b"\n") == last:
            line = data[:last]  # most often one line comes, and whole
            return [] if line.isspace() else [line]
        lines: list[bytes] = []
        if self._buffer:
            head, newline, data = data.partition(b"\n")
            self._buffer += head
            if newline:
                lines.append(self.finish())
        *more, rest = data.split(b"\n")
        lines += more
        self._buffer += rest
        return self._bounded(lines)

    def finish(self) -> bytes:
        """Return what came after the last line's end: the final line, or nothing."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _begin(self, data: bytes) -> bytes:
        """Hold back what may yet turn out to be HTTP: no JSON begins with G or P."""
        data = self.finish() + data
        self.http = data.startswith(_HTTP_STARTS)
        self._begun = self.http or not any(start.startswith(data[:5]) for start in _HTTP_STARTS)
        if self._begun:
            return data
        self._buffer += data
        return b""

    def _bounded(self, lines: list[bytes]) -> list[bytes]:
        for i, line in enumerate(lines):
            if len(line) > self._max_bytes:
                self.overlong = True
                lines = lines[:i]
                break
        if self.overlong or len(self._buffer) > self._max_bytes:
            self.overlong = True
            self._buffer.clear()
        return [line for line in lines if line and not line.isspace()]
