"""What `livectl certify` takes."""

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add its options, and the command of the client."""
    parser.add_argument("--language", metavar="NAME", help="the name in the report")
    parser.add_argument(
        "command",
        nargs="*",
        metavar="COMMAND",
        help="after --: what runs the client; without it, start the client yourself",
    )
