"""The commands that send: `send-text`, `send-audio`, `send-video`."""

import base64
import sys
import time
from argparse import Namespace
from itertools import chain
from pathlib import Path
from typing import TextIO

from livectl import audio as sound
from livectl.assignments import usage
from livectl.commands import open_connection
from livectl.watch import follow, follow_from_now
from livehandle.connection import Connection

# Answers that may be under way: pacing does not wait for each.
_WINDOW = 50


def text(options: Namespace) -> int:
    """Send a typed turn; with `--follow` print the reply."""
    words = sys.stdin.read() if options.text == "-" else options.text
    with open_connection(options) as connection:
        if options.follow:
            follow_from_now(connection)
        connection.call("send_text", text=words)
        return follow(connection, as_json=options.json) if options.follow else 0


def audio(options: Namespace) -> int:
    """Send speech at the pace of its samples, then silence; with `--follow` print the reply."""
    source = sound.open_source(options.file)
    with open_connection(options) as connection:
        if options.follow:
            follow_from_now(connection)
        total = None if source.seconds is None else source.seconds + options.tail
        progress = Progress(sys.stderr, total)
        chunks = chain(source.chunks, sound.silence(options.tail))
        stream_audio(connection, chunks, options.speed, progress)
        return follow(connection, as_json=options.json) if options.follow else 0


def video(options: Namespace) -> int:
    """Send one picture."""
    try:
        picture = (
            sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
        )
    except OSError as error:
        raise usage(f"Cannot read {options.file}: {error.strerror}.") from error
    with open_connection(options) as connection:
        connection.call("send_video", data=base64.b64encode(picture).decode())
    return 0


class Progress:
    """A bar on a terminal: how much of the audio has been sent, and how loud it is."""

    _WIDTH = 30

    def __init__(self, out: TextIO, seconds: float | None) -> None:
        self._out = out
        self._seconds = seconds
        self._shown = out.isatty()

    def show(self, sent_s: float, level_db: float) -> None:
        """Draw the bar anew."""
        if not self._shown:
            return
        if self._seconds:
            filled = min(round(sent_s / self._seconds * self._WIDTH), self._WIDTH)
            bar = "#" * filled + "-" * (self._WIDTH - filled)
            self._out.write(f"\r[{bar}] {sent_s:5.1f}/{self._seconds:.1f} s {level_db:4.0f} dB ")
        else:
            self._out.write(f"\r{sent_s:7.1f} s {level_db:4.0f} dB ")
        self._out.flush()

    def close(self) -> None:
        """Leave the bar behind."""
        if self._shown:
            self._out.write("\n")


def stream_audio(
    connection: Connection, chunks: "chain[bytes]", speed: float, progress: Progress
) -> None:
    """Send chunks on a schedule that does not drift. Raises what the daemon says of one."""
    pending: list[int] = []
    begun = time.monotonic()
    try:
        for number, chunk in enumerate(chunks):
            wait = begun + sound.due(number, speed) - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            data = base64.b64encode(chunk).decode()
            pending.append(connection.send("send_audio", {"data": data}))
            if len(pending) > _WINDOW or number == 0:
                connection.wait(pending.pop(0))
            if number % 5 == 0:
                progress.show((number + 1) * sound.CHUNK_MS / 1000, sound.level(chunk))
        for request in pending:
            connection.wait(request)
    finally:
        progress.close()
