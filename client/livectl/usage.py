"""Wrong usage, and what is read from standard input."""

import sys

from livehandle_proto.errors import LiveHandleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


def usage(message: str) -> LiveHandleError:
    """Return the error for a command line, or an input, that cannot be carried out."""
    return LiveHandleError("client.usage", message)


def standard_input() -> "BinaryIO":
    """Return the bytes of standard input. Raises `client.usage` where it is closed."""
    if sys.stdin is None:
        raise usage("There is nothing to read: standard input is closed.")
    return sys.stdin.buffer


def read_bytes() -> bytes:
    """Return all of standard input. Raises `client.usage` where it cannot be read."""
    try:
        return standard_input().read()
    except OSError as error:
        raise usage(f"Cannot read standard input: {error.strerror}.") from error


def read_text() -> str:
    """Return all of standard input as text, without a newline at its end."""
    try:
        return read_bytes().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise usage(f"Standard input is not UTF-8 text: {error.reason}.") from error
