"""The arguments of `record`."""

import argparse
import math

_EPILOG = """What is recorded is what a speaker would have played, at 24 kHz, without the pauses
between the replies: of a reply that the user cuts off, what was heard. It does not matter who
speaks to the model, or whether anybody plays it. Ctrl-C ends the recording."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "file", metavar="FILE", help="the WAV file to write, or - for standard output"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=math.inf, metavar="SECONDS", help="stop after so long"
    )
    parser.add_argument(
        "--turn", action="store_true", help="stop at the end of the model's next turn"
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length of time in seconds")
    return value
