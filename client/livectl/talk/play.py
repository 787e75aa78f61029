"""`play`: a recording speaks to the model in the place of the user."""

from argparse import Namespace

from livectl.sound.microphone import recording
from livectl.talk.command import converse


def run(options: Namespace) -> int:
    """Speak the recording, and hear the reply to its end."""
    return converse(options, recording(options.file))
