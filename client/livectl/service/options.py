"""What `livectl service` takes."""

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add what is to be done, and for whom."""
    parser.add_argument(
        "what",
        choices=("install", "uninstall", "status"),
        metavar="WHAT",
        help="install, uninstall or status",
    )
    parser.add_argument(
        "--system", action="store_true", help="for the whole machine, not for this user alone"
    )
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")
