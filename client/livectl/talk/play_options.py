"""The arguments of `play`."""

import argparse

from livectl.talk.options import add_speaker

_EPILOG = """The recording is the microphone of a conversation: it is sent in real time, the reply
is heard on the speaker, and the command ends when the reply does. To send it without a speaker,
livectl send-audio FILE; to listen to it, any player, such as aplay FILE."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a WAV file, or - to read one, or raw 16 kHz mono 16-bit PCM, from standard input",
    )
    add_speaker(parser)
