"""`record`: the model's voice as a WAV file."""

import sys
import time
from argparse import Namespace
from typing import IO

from livectl.commands import note_at_terminal, open_connection
from livectl.results import as_json
from livectl.sound.pace import Pace
from livectl.sound.playback import VOICE_RATE, Playback
from livectl.sound.wave_file import head
from livectl.talk.command import stop_on_signals
from livectl.usage import usage
from livectl.watch.command import Subscription
from livehandle.connection import Event

_PIECE_S = 0.02
_HICCUP_S = 1.0
_UNKNOWN = 2**32 - 1 - 36
"""Bytes of samples, as recorders that cannot know write it: the most that the head can say."""


def run(options: Namespace) -> int:
    """Record until Ctrl-C, for so long, or to the end of a turn."""
    stop_on_signals()
    with open_connection(options) as connection:
        events = Subscription(
            connection, "events", {"topics": ["live.*", "live.audio"]}, quiet=options.quiet
        )
        with _opened(options.file) as file:
            recorder = Recorder(file)
            note_at_terminal(options, "recording until Ctrl-C")
            try:
                _record(recorder, events, time.monotonic() + options.seconds, turn=options.turn)
            except KeyboardInterrupt:  # the way to end it
                pass
            finally:
                if options.file != "-":  # of what is shared with others, nothing is overwritten
                    recorder.close()
    out = sys.stderr if options.file == "-" else sys.stdout
    if options.json:
        print(as_json({"file": options.file, "seconds": round(recorder.seconds, 3)}), file=out)
    elif not options.quiet:
        where = "standard output" if options.file == "-" else options.file
        print(f"{recorder.seconds:.1f} s of speech in {where}", file=out)
    return 0


def _opened(name: str) -> IO[bytes]:
    """Return the file to write, or standard output for `-`. Raises `client.usage`."""
    if name == "-":
        if sys.stdout.isatty():
            raise usage("A terminal shows no WAV: give a file, or pipe it to a player.")
        return open(sys.stdout.fileno(), "wb", closefd=False)
    try:
        return open(name, "wb")  # noqa: PTH123
    except OSError as error:
        raise usage(f"Cannot write {name}: {error.strerror}.") from error


def _record(recorder: "Recorder", events: Subscription, end: float, *, turn: bool) -> None:
    while (now := time.monotonic()) < end:
        event = events.next(min(_PIECE_S, end - now))
        if event is not None:
            recorder.take(event, time.monotonic())
        recorder.tick(time.monotonic())
        if turn and recorder.turn_over(time.monotonic()):
            return


class Recorder:
    """A speaker that writes to a WAV file what it would play, in real time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._playback = Playback(VOICE_RATE)
        self._pace = Pace(catch_up_s=_HICCUP_S)
        self._size = 0
        self._turn_over = False
        file.write(head(VOICE_RATE, _UNKNOWN))

    @property
    def seconds(self) -> float:
        """How much has been recorded."""
        return self._size / 2 / VOICE_RATE

    def take(self, event: Event, now: float) -> None:
        """Do what a speaker does about an event."""
        self._playback.event(event.topic, event.data, now)
        self._turn_over = self._turn_over or event.topic == "live.turn_complete"

    def tick(self, now: float) -> None:
        """Write what would be played by now."""
        while (due := self._pace.due(now)) is not None:
            pcm = self._playback.pull(round(_PIECE_S * VOICE_RATE), due)
            self._file.write(pcm)
            self._size += len(pcm)
            self._pace.passed(_PIECE_S)

    def turn_over(self, now: float) -> bool:
        """Whether a turn has ended and would have been heard."""
        return self._turn_over and not self._playback.playing(now)

    def close(self) -> None:
        """Say in the file how much it has, if it can be said now."""
        if self._file.seekable():
            self._file.seek(0)
            self._file.write(head(VOICE_RATE, self._size))
