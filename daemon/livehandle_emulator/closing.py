"""How the service refuses: a close code and a reason, never an error frame (wire 4.4)."""

from typing import NamedTuple

MAX_REASON_BYTES = 123
"""What fits a close frame beside the code; the service cuts its longer reasons there too."""

INVALID_ARGUMENT = "Request contains an invalid argument."
NOT_SUPPORTED = "Operation is not implemented, or supported, or enabled."


class Close(NamedTuple):
    """The end of a connection, as the client will see it. Made by `close`."""

    code: int
    reason: str


def close(code: int, reason: str) -> Close:
    """Return the end of a connection, its reason cut to what fits."""
    return Close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))


class RefusedError(Exception):
    """What the client sent is against the rules, and the connection ends with `close`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.close = close(code, reason)


def invalid(reason: str = INVALID_ARGUMENT) -> RefusedError:
    """Return the refusal of a field or a value: code 1007."""
    return RefusedError(1007, reason)


def unknown_name(name: str, at: str) -> RefusedError:
    """Return the refusal of a JSON name that the service does not have at that place."""
    place = f" at '{at}'" if at else ""
    return invalid(
        f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.'
    )
