"""What `config` takes."""

import argparse

_EPILOG = """show asks the daemon that runs; check and edit read the file as livehandled would. edit
opens $VISUAL or $EDITOR, puts the file in place if nothing in it is wrong, and has the daemon read
it again."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add what is done, and to what."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "what", choices=("show", "check", "path", "edit"), metavar="WHAT",
        help="show (values and their sources), check, path or edit",
    )  # fmt: skip
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="show: a section or a key such as session.model; check and edit: a file",
    )
