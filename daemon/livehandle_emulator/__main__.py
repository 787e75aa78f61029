"""`livehandle-emulator`: the Live API on this machine, for anyone who builds on it."""

import argparse
import signal
import ssl
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import anyio

from livehandle_emulator import scenario as scenario_module
from livehandle_emulator.certificate import fresh_certificate
from livehandle_emulator.scenario import Scenario, load_scenario
from livehandle_emulator.server import serve
from livehandle_proto.errors import LiveHandleError

_FAILED = 1
_USAGE = 3
_HIGHEST_PORT = 65_535


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _give_up(f"{message} (try --help)", _USAGE)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Prints the URL on one line once it listens, and with --tls a second line that is the
    setting of SSL_CERT_FILE for clients.
    """
    flags = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="livehandle-emulator-") as directory:
        ca_file = Path(directory) / "ca.pem"
        try:
            scenario = load_scenario(flags.scenario) if flags.scenario else Scenario()
            tls = fresh_certificate(flags.host, ca_file) if flags.tls else None
        except LiveHandleError as error:
            _give_up(error.message, _USAGE)
        note = f"SSL_CERT_FILE={ca_file}" if tls else None
        problem = anyio.run(_run, scenario, flags.host, flags.port, tls, note)
    if problem:
        _give_up(problem, _FAILED)


async def _run(
    scenario: Scenario, host: str, port: int, tls: ssl.SSLContext | None, note: str | None
) -> str | None:
    """Serve until a signal; return what went wrong if the address could not be had."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:
            try:
                bound = await tasks.start(partial(serve, scenario, host=host, port=port, tls=tls))
            except OSError as error:
                return f"cannot listen on {host} port {port}: {error.strerror or error}"
            shown = f"[{host}]" if ":" in host else host
            print(f"{'wss' if tls else 'ws'}://{shown}:{bound}")
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
    parser.add_argument("--port", type=_port, default=0, help="TCP port; 0 takes any (default)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--tls", action="store_true", help="serve wss:// with a fresh certificate")
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="what to do, in TOML")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give 0 to {_HIGHEST_PORT}")
    return int(text)


def _give_up(message: str, code: int) -> NoReturn:
    print(f"livehandle-emulator: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
