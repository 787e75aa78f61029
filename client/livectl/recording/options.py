"""The arguments of `recording`."""

import argparse

_EPILOG = """Without an action it shows the recording that runs. `show` prints what happened, line
by line: -> is to the model's service, <- from it, and -- what is neither. `export` copies
the sound as WAV, stereo, the user left and the model right, or the wire as JSON lines. A
recording is named as `livectl recording.list` has it, or by the path of its directory or of
a file of it. The commands recording.start and recording.stop begin and end one."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "action", nargs="?", choices=("show", "export"), metavar="show|export", help="what to do"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the recording, or its path")
    parser.add_argument("out", nargs="?", metavar="OUT", help="of export: the file to write")
    parser.add_argument("--wav", action="store_true", help="export the sound (default)")
    parser.add_argument("--jsonl", action="store_true", help="export the wire")
