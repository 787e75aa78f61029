"""The lines of a wire file."""

import json

from livehandle_proto.wire_file import VERSION, read
from livehandled.recording.items import Closed, Frame, Opened
from livehandled.recording.lines import Lines
from livehandled.recording.scrub import Scrubber
from livehandled.redaction import REDACTED, Redaction
from livehandled.session.wiretap import Connected

CONNECTED = Connected("s-1", 2, "m", "gemini", "wss://x", ("the-key",), ("the-handle",))
OPENED = Opened(0.5, CONNECTED, before=True)


def header(lines: Lines) -> bytes:
    return lines.header(version="1.2", name="n", started_ms=7, redacted=False, audio="recorded")


def test_a_file_of_all_lines_can_be_read_and_shows_no_secret() -> None:
    lines = Lines(Scrubber())
    text = header(lines) + lines.opened(OPENED)
    text += lines.frame(Frame(0.5, "out", b'{"setup":{"model":"m"}}', before=True))
    text += lines.frame(Frame(0.7501234, "in", b"no the-handle"))
    text += lines.dropped(0.8, 3) + lines.closed(Closed(0.9, "service", 1011, "bad the-key"))
    text += lines.opened(OPENED._replace(at=1.0, before=False)) + lines.closed(
        Closed(1.5, "daemon")
    )
    text += lines.end(2.0, "stopped")
    head, rest = read(text.splitlines(keepends=True))
    assert head["livehandle_recording"] == VERSION
    assert head["started_ms"] == 7
    connection = {"session": "s-1", "generation": 2, "model": "m", "backend": "gemini"}
    assert list(rest) == [
        {
            "ms": 500,
            "what": "open",
            "connection": 1,
            **connection,
            "url": "wss://x",
            "before": True,
        },
        {"ms": 500, "what": "out", "before": True, "frame": {"setup": {"model": "m"}}},
        {"ms": 750.123, "what": "in", "text": "no handle-1"},
        {"ms": 800, "what": "dropped", "count": 3},
        {"ms": 900, "what": "close", "by": "service", "code": 1011, "reason": "bad ***"},
        {"ms": 1000, "what": "open", "connection": 2, **connection, "url": "wss://x"},
        {"ms": 1500, "what": "close", "by": "daemon"},
        {"ms": 2000, "what": "end", "reason": "stopped"},
    ]


def test_what_was_held_back_comes_before_the_end_of_its_connection() -> None:
    lines = Lines(Scrubber(Redaction({"card": r"\d{4}"})))
    piece = {"serverContent": {"outputTranscription": {"text": "12"}}}
    held = lines.frame(Frame(1.0, "in", json.dumps(piece).encode()))
    assert b'"text":""' in held
    rest, closed = lines.closed(Closed(2.0, "network")).splitlines()
    masked = {"serverContent": {"outputTranscription": {"text": REDACTED}}}
    assert json.loads(rest) == {"ms": 2000, "what": "in", "frame": masked}
    assert json.loads(closed)["by"] == "network"
