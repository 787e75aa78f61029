"""The commands to an emulator that runs: `fault`, `faults` and `sessions`."""

import argparse
import http.client
import json
import ssl
from collections.abc import Callable

import msgspec

from livehandle_emulator.control import PREFIX
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.fault_options import OPTIONS, add_options, fault_of, in_words
from livehandle_proto.faults import Fault
from livehandle_proto.wrong_values import WrongValueError

_TIMEOUT_S = 10.0

_HIGHEST_PORT = 65_535

WITH_VALUE = {"--port", "--host", *OPTIONS}
"""The options that take the next word, of whatever command."""

Run = Callable[[argparse.Namespace], None]


def port(text: str) -> int:
    """Return the port that a word of the command line names, for argparse."""
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give 0 to {_HIGHEST_PORT}")
    return int(text)


def add_fault(parser: argparse.ArgumentParser) -> None:
    """Add what `fault` takes."""
    _common(parser)
    add_options(parser)


def add_faults(parser: argparse.ArgumentParser) -> None:
    """Add what `faults` takes."""
    _common(parser)
    parser.add_argument("--clear", action="store_true", help="end every fault first")


def add_sessions(parser: argparse.ArgumentParser) -> None:
    """Add what `sessions` takes."""
    _common(parser)


def fault(flags: argparse.Namespace) -> None:
    """Make a fault, now or at its moment. Raises `client.usage` or what the emulator says."""
    try:
        wanted = fault_of(flags)
    except WrongValueError as wrong:
        words = f"{wrong.path}: {wrong.words}{'?' if wrong.near else '.'}"
        raise LiveHandleError("client.usage", words) from wrong
    _ask(flags, "faults", msgspec.json.encode(wanted))


def faults(flags: argparse.Namespace) -> None:
    """Print the faults that wait, a line each."""
    answer = _ask(flags, "faults/clear" if flags.clear else "faults/list")
    for one in msgspec.convert(answer["faults"], list[Fault]):
        print(in_words(one))


def sessions(flags: argparse.Namespace) -> None:
    """Print every session as a line of JSON."""
    answer = _ask(flags, "sessions")
    for session in msgspec.convert(answer["sessions"], list[dict[str, object]]):
        print(json.dumps(session, ensure_ascii=False))


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, required=True, help="where the emulator listens")
    parser.add_argument("--host", default="127.0.0.1", help="its address")
    parser.add_argument(
        "--tls", action="store_true", help="it was started with --tls: trust SSL_CERT_FILE"
    )


def _ask(flags: argparse.Namespace, what: str, body: bytes = b"{}") -> dict[str, object]:
    """Return the emulator's answer. Raises its refusal, and `upstream.unreachable`."""
    connection = (
        http.client.HTTPSConnection(
            flags.host, flags.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
        )
        if flags.tls
        else http.client.HTTPConnection(flags.host, flags.port, timeout=_TIMEOUT_S)
    )
    try:
        connection.request("POST", PREFIX + what, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = msgspec.json.decode(response.read(), type=dict[str, object])
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        raise LiveHandleError(
            "upstream.unreachable", f"No emulator answers at {flags.host} port {flags.port}."
        ) from error
    finally:
        connection.close()
    refusal = answer.get("error")
    if isinstance(refusal, dict):
        raise LiveHandleError("upstream.rejected", str(refusal.get("message")))
    return answer
