"""`livehandle-emulator`: the Live API on this machine, for anyone who builds on it.

`fault`, `faults` and `sessions` as the first word are commands to one that runs.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

import anyio
import msgspec

from livehandle_emulator import remote, replay_server
from livehandle_emulator import scenario as scenario_module
from livehandle_emulator.certificate import fresh_certificate
from livehandle_emulator.replay_server import load
from livehandle_emulator.scenario import Scenario, load_scenario
from livehandle_emulator.server import serve
from livehandle_emulator.service import Journal, Service
from livehandle_proto.command_words import options_first
from livehandle_proto.errors import LiveHandleError

Serve = Callable[..., Coroutine[object, object, None]]

_FAILED = 1
_USAGE = 3
_FASTEST = 1e6


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _give_up(f"{message} (try --help)", _USAGE)


_COMMANDS = {
    "fault": ("Let something go wrong in an emulator that runs.", remote.add_fault, remote.fault),
    "faults": ("Print the faults that wait.", remote.add_faults, remote.faults),
    "sessions": ("Print the sessions, a line of JSON each.", remote.add_sessions, remote.sessions),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, or carry out one command to an emulator that runs.

    Prints the URL on one line once it listens, and with --tls a second line that is the
    setting of SSL_CERT_FILE for clients.
    """
    given = sys.argv[1:] if argv is None else argv
    if given and given[0] in _COMMANDS:
        _carry_out(given[0], given[1:])
    else:
        _serve(_parser().parse_args(given))


def _carry_out(name: str, argv: Sequence[str]) -> None:
    meaning, add_arguments, run = _COMMANDS[name]
    parser = _Parser(
        prog=f"livehandle-emulator {name}",
        description=meaning,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    try:
        run(parser.parse_args(options_first(argv, remote.WITH_VALUE)))
    except LiveHandleError as error:
        _give_up(error.message, _USAGE if error.name == "client.usage" else _FAILED)


def _serve(flags: argparse.Namespace) -> None:
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="livehandle-emulator-"))
        ca_file = Path(directory) / "ca.pem"
        try:
            if flags.replay and (flags.scenario or flags.journal):
                _give_up("--replay plays what was: without --scenario and --journal", _USAGE)
            played = load(flags.replay) if flags.replay else None
            scenario = load_scenario(flags.scenario) if flags.scenario else Scenario()
            journal = stack.enter_context(_journal(flags.journal))
            tls = fresh_certificate(flags.host, ca_file) if flags.tls else None
        except LiveHandleError as error:
            _give_up(error.message, _USAGE)
        note = f"SSL_CERT_FILE={ca_file}" if tls else None
        serving: Serve = partial(serve, service=Service(scenario, journal))
        if played is not None:
            serving = partial(replay_server.serve, played, speed=flags.speed)
        serving = partial(serving, host=flags.host, port=flags.port, tls=tls)
        problem = anyio.run(_run, serving, flags, note)
    if problem:
        _give_up(problem, _FAILED)


@contextmanager
def _journal(path: Path | None) -> Iterator[Journal]:
    """Give what writes each entry as a line of JSON; without a path, what does nothing."""
    if path is None:
        yield lambda _: None
        return
    encode = msgspec.json.Encoder().encode

    def write(entry: dict[str, object]) -> None:
        file.write(encode(entry) + b"\n")

    try:
        file = path.open("ab", buffering=0)  # who reads along sees what has happened
    except OSError as error:
        raise LiveHandleError(
            "config.invalid", f"The journal {path} cannot be written: {error.strerror}"
        ) from error
    with file:
        yield write


async def _run(serving: Serve, flags: argparse.Namespace, note: str | None) -> str | None:
    """Serve until a signal; return what went wrong if the address could not be had."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:
            try:
                bound = await tasks.start(serving)
            except OSError as error:
                where = f"{flags.host} port {flags.port}"
                return f"cannot listen on {where}: {error.strerror or error}"
            shown = f"[{flags.host}]" if ":" in flags.host else flags.host
            print(f"{'wss' if flags.tls else 'ws'}://{shown}:{bound}")
            if note:
                print(note)
            sys.stdout.flush()
            async for _ in signals:
                tasks.cancel_scope.cancel()
                break
    return None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="livehandle-emulator",
        description="A server that behaves like the Gemini Live API, without a model or a key.",
        epilog=f"The scenario file:\n\n{scenario_module.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=remote.port, default=0, help="TCP port; 0 takes any (default)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--tls", action="store_true", help="serve wss:// with a fresh certificate")
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="what to do, in TOML")
    parser.add_argument(
        "--journal", type=Path, metavar="FILE", help="where to write what happens, as JSON lines"
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="play the service's side of a recording instead: its wire file, or its directory; "
        "each client that connects gets the next connection",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="N",
        help="of --replay, times real time; 0 for as fast as the client says what was said then, "
        "its sound too (default 1)",
    )
    return parser


def _speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _FASTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed: give 0 to {_FASTEST:g}")
    return value


def _give_up(message: str, code: int) -> NoReturn:
    print(f"livehandle-emulator: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
