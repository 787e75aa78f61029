"""The commands that send: `send-text`, `send-audio`, `send-video`."""

import base64
import sys
import time
from argparse import Namespace
from collections import deque
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TextIO

from livectl.commands import open_connection
from livectl.screen import columns
from livectl.sound import audio as sound
from livectl.usage import read_bytes, read_text, usage
from livectl.watch.follow import Reply
from livehandle.connection import Connection

# Answers that may be under way: pacing does not wait for each.
_WINDOW = 50

_JPEG_START = b"\xff\xd8\xff"


def text(options: Namespace) -> int:
    """Send a typed turn; with `--follow` print the reply."""
    words = read_text() if options.text == "-" else options.text
    with open_connection(options) as connection:
        reply = None
        if options.follow:
            reply = Reply(connection, in_json=options.json, quiet=options.quiet)
        connection.call("send_text", text=words)
        if reply is not None:
            reply.finish()
    return 0


def audio(options: Namespace) -> int:
    """Send speech at the pace of its samples, then silence; with `--follow` print the replies."""
    source = sound.open_source(options.file)
    total = None if source.seconds is None else source.seconds + options.tail
    progress = Progress(sys.stderr, total, quiet=options.quiet)
    with open_connection(options) as connection:
        reply = None
        if options.follow:
            reply = Reply(
                connection,
                in_json=options.json,
                speech=True,
                quiet=options.quiet,
                clear=progress.close,
            )
        uplink = Uplink(connection, reply, progress)
        chunks = chain(source.chunks, sound.silence(options.tail))
        uplink.send(chunks, options.speed, live=source.seconds is None)
        if reply is not None:
            reply.finish()
    return 0


def video(options: Namespace) -> int:
    """Send one picture."""
    shown = "standard input" if options.file == "-" else options.file
    try:
        picture = read_bytes() if options.file == "-" else Path(options.file).read_bytes()
    except OSError as error:
        raise usage(f"Cannot read {shown}: {error.strerror}.") from error
    if not picture.startswith(_JPEG_START):
        raise usage(f"{shown} is no JPEG picture: convert it, for example with ffmpeg.")
    with open_connection(options) as connection:
        connection.call("send_video", data=base64.b64encode(picture).decode())
    return 0


class Progress:
    """A bar on a terminal: how much of the audio has been sent, and how loud it is."""

    _WIDTH = 30

    def __init__(self, out: TextIO, seconds: float | None, *, quiet: bool = False) -> None:
        self._out = out
        self._seconds = seconds
        self._shows = out.isatty() and not quiet
        self._shown = False

    def show(self, sent_s: float, chunk: bytes) -> None:
        """Draw the bar anew."""
        if not self._shows:
            return
        self._shown = True
        level = f"{sound.level(chunk):4.0f} dB"
        room = columns(self._out) - 1
        row = f"{sent_s:7.1f} s {level} "
        if self._seconds:
            row = f" {sent_s:5.1f}/{self._seconds:.1f} s {level} "
            width = max(min(self._WIDTH, room - len(row) - 2), 0)
            filled = min(round(sent_s / self._seconds * width), width)
            row = f"[{'#' * filled}{'-' * (width - filled)}]{row}"
        if len(row) <= room:
            self._out.write(f"\r{row}")
            self._out.flush()

    def close(self) -> None:
        """Leave the bar behind, and draw no other."""
        if self._shown:
            self._out.write("\n")
            self._out.flush()
        self._shows = self._shown = False


class Uplink:
    """Sends audio on a schedule that does not drift, and listens to the reply meanwhile."""

    def __init__(self, connection: Connection, reply: Reply | None, progress: Progress) -> None:
        self._connection = connection
        self._reply = reply
        self._progress = progress
        self._pending: deque[int] = deque()

    def send(self, chunks: Iterable[bytes], speed: float, *, live: bool) -> None:
        """Send every chunk. Raises what the daemon says of one.

        The first chunk may have to wait for the session. A recording goes on from then; a
        `live` source has gone on meanwhile, so its backlog is sent at once.
        """
        begun = time.monotonic()
        try:
            for number, chunk in enumerate(chunks):
                self._listen_until(begun + sound.due(number, speed))
                self._send(chunk)
                if number == 0:
                    self._settle(0)
                    begun = begun if live else time.monotonic()
                if number % 5 == 0:
                    self._progress.show((number + 1) * sound.CHUNK_MS / 1000, chunk)
            self._settle(0)
        finally:
            self._progress.close()

    def _send(self, chunk: bytes) -> None:
        data = base64.b64encode(chunk).decode()
        self._pending.append(self._connection.send("send_audio", {"data": data}))
        self._settle(_WINDOW)

    def _settle(self, most: int) -> None:
        while len(self._pending) > most:
            self._connection.wait(self._pending.popleft())

    def _listen_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            if self._reply is None:
                self._connection.next_event(left)  # none was asked for: this only waits
            else:
                self._reply.listen(left)
